"""The device form of any context-free grammar: charts column by column, as in `sim.laws._chart`.

Column j holds the spans that end after j tokens, and is computed from its last row to its first. Every column is
divided by the weight of its prefix. Of a span only the weights of those symbols are kept with which a rule of two
symbols begins.
Source: Jelinek & Lafferty 1991, Computational Linguistics 17(3); Stolcke 1995, Computational Linguistics 21(2).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from sim.languages.matrices import Matrix
from sim.laws._chart import Form
from sim.laws.device.form import DeviceForm, Raw, at, held, lengths_of, normalised
from sim.laws.recursive import Recursive
from sim.numerics import EOS
from sim.typing import Array, Float, Int


class Fixed(NamedTuple):
    """A grammar with at most two symbols on the right, as arrays. K symbols, R rules with two symbols."""

    lhs: Array  # int32[R], as `Binary.lhs`, and so on
    left: Array
    right: Array
    p: Array  # [R]
    null: Array  # [K]
    units: Array  # [K, K], the weights of chains
    corners: Array  # [K, K], the weights of left corners
    heads: Array  # [R, K]: adds rules up by their left-hand sides
    rights: Array  # [R, K]: adds rules up by their second symbols


class Filled(NamedTuple):
    """The columns up to one of them. N strings, P = T + 1 places, R rules with two symbols."""

    left: Float[Array, "P P N R"]  # the weight of the span from i to j under the first symbol of every rule
    begun: Float[Array, "P N R"]  # the weight of the tokens before i, with every rule beginning there
    laws: Float[Array, "P N V"]
    log_p: Float[Array, "P N"]
    least: Float[Array, " N"]  # the least positive weight
    most: Float[Array, " N"]  # the largest weight; NaN if there was a NaN
    kept: Array  # bool[N], whether no quotient was lost


@dataclass(frozen=True, eq=False)
class Chart(DeviceForm):
    """The form of a grammar with recursion, in T^2 / 2 steps for a whole batch, each over T cuts.

    A row is sure if the least and the largest weight of its chart are so far from the ends of the range of floats that
    no product can have left it, as in `sim.laws._chart`. Raises `SpecificationError` if `kind` is too narrow for a
    probability, or for a sum of chains of rules.
    """

    law: Recursive
    kind: Any

    def __post_init__(self) -> None:
        self._fixed  # noqa: B018, it refuses what the floats cannot hold

    @cached_property
    def _form(self) -> Form:
        return Form(self.law.language.binary, self.law.language.start, np.dtype(self.kind).type)

    @cached_property
    def _fixed(self) -> tuple[np.ndarray, ...]:
        """The arrays of `Fixed`, on the host."""
        binary, form = self.law.language.binary, self._form
        given = (binary.p, binary.null, _dense(binary.units), _dense(binary.corners))
        places = (one.astype(np.int32) for one in (binary.lhs, binary.left, binary.right))
        return *places, *(held(one, self.kind) for one in given), form.heads.toarray(), form.rights.toarray()

    def cells(self, length: int) -> int:
        """The weights of one string: its chart."""
        return (length + 1) ** 2 * max(len(self._form.p), 1)

    def _raw(self, tokens: Int[Array, "N T"]) -> Raw:
        fixed, (N, T) = Fixed(*map(jnp.asarray, self._fixed)), tokens.shape
        R, V = len(fixed.p), self._form.binary.num_tokens
        left, begun, laws, log_p = (
            jnp.zeros(shape, self.kind) for shape in ((T + 1, T + 1, N, R), (T + 1, N, R), (T + 1, N, V), (T + 1, N))
        )
        some = jnp.ones(N, self.kind)
        empty = Filled(left, begun, laws, log_p, some, some, jnp.ones(N, bool))
        start = jnp.zeros((N, len(fixed.null)), self.kind).at[:, self._form.start].set(1)
        state = self._next(empty, fixed, None, start, jnp.broadcast_to(fixed.null[self._form.start], (N,)))[0]

        def column(j: Array, state: Filled) -> Filled:
            return self._column(state, fixed, tokens[:, j - 1], j)

        filled = lax.fori_loop(1, T + 1, column, state)
        laws, log_p = jnp.swapaxes(filled.laws, 0, 1), filled.log_p.T
        lengths = lengths_of(tokens)
        log_whole = at(log_p, lengths) + jnp.log(at(laws[:, :, EOS], lengths))
        return Raw(log_whole, log_p, laws, self._sure(filled, log_p))

    def _column(self, state: Filled, fixed: Fixed, token: Int[Array, " N"], j: Array) -> Filled:
        """Fill in the spans that end after token j, and the laws behind it."""
        binary, places = self._form.binary, len(state.left)
        (N, R), K = state.begun.shape[1:], len(fixed.null)
        leaf = jax.nn.one_hot(jnp.where(token == EOS, K, binary.num_nonterminals + token - 1), K, dtype=self.kind)
        whole = jnp.zeros((places, N, K), self.kind).at[j - 1].set(leaf @ fixed.units.T)
        right = jnp.zeros((places, N, R), self.kind).at[j - 1].set(whole[j - 1][:, fixed.right])

        def row(step: Array, spans: tuple[Array, Array]) -> tuple[Array, Array]:
            i, (whole, right) = j - 2 - step, spans
            cuts = (state.left[i] * right).sum(axis=0)  # 0 unless i < k < j: the others are not filled in yet
            own = ((fixed.p[None] * cuts) @ fixed.heads) @ fixed.units.T
            return whole.at[i].set(own), right.at[i].set(own[:, fixed.right])

        whole, _ = lax.fori_loop(0, j - 1, row, (whole, right))
        forward = (whole[:, :, fixed.left] * state.begun).sum(axis=0) @ fixed.rights
        state, unit = self._next(state, fixed, j, forward, whole[0, :, self._form.start])
        whole = whole / unit[None, :, None]
        return state._replace(
            left=state.left.at[:, j].set(whole[:, :, fixed.left]),
            least=jnp.minimum(state.least, jnp.where(whole > 0, whole, 1).min(axis=(0, 2))),
            most=jnp.maximum(state.most, whole.max(axis=(0, 2))),
        )

    def _next(
        self, state: Filled, fixed: Fixed, j: Any, forward: Float[Array, "N K"], ends: Float[Array, " N"]
    ) -> tuple[Filled, Float[Array, " N"]]:
        """Add the law of the token after j others, and the rules that begin there; return the unit of column j, too."""
        corners = forward @ fixed.corners
        weights = jnp.concatenate([ends[:, None], corners[:, self._form.binary.num_nonterminals :]], axis=1)
        laws, mass, kept = normalised(weights)
        if j is None:  # before the first token
            j, unit, log_p = 0, jnp.ones_like(mass), jnp.zeros_like(mass)
        else:
            unit, log_p = jnp.where(mass == 0, 1, mass), state.log_p[j - 1] + jnp.log(mass)
        begun = fixed.p[None] * (corners / unit[:, None])[:, fixed.lhs]
        forward = forward / unit[:, None]
        found = state._replace(
            begun=state.begun.at[j].set(begun),
            laws=state.laws.at[j].set(laws),
            log_p=state.log_p.at[j].set(log_p),
            least=jnp.minimum(state.least, jnp.where(forward > 0, forward, 1).min(axis=1)),
            most=jnp.maximum(state.most, forward.max(axis=1)),
            kept=state.kept & kept,
        )
        return found, unit

    def _sure(self, filled: Filled, log_p: Float[Array, "N P"]) -> Array:
        """As `Charts.sure`: a column has the unit of the one before, until it is divided."""
        low, high = self._form.range
        alive = log_p[:, 1:] > -jnp.inf
        steps = jnp.where(alive, log_p[:, 1:], 0) - jnp.where(alive, log_p[:, :-1], 0)
        rarest = steps.min(axis=1, initial=0)
        within = (jnp.log(filled.least) + rarest >= low) & (jnp.log(filled.most) <= high)
        return within & filled.kept & jnp.isfinite(filled.most)


def _dense(matrix: Matrix) -> np.ndarray:
    return matrix if isinstance(matrix, np.ndarray) else np.asarray(matrix.toarray())
