"""The device forms of machines: a walk through a table, or vectors of shares that are divided by their sums."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from sim.laws._steps import Steps
from sim.laws.device.form import DeviceForm, Raw, at, held, lengths_of, smallest
from sim.laws.hidden import HiddenLaw
from sim.laws.machine import AutomatonLaw
from sim.numerics import EOS
from sim.typing import Array, Float, Int

TOGETHER = 8
"""With at most so many tokens, one product has the matrices of all of them; with more, each row fetches its own."""


@dataclass(frozen=True, eq=False)
class Walk(DeviceForm):
    """The form of a deterministic automaton: a prefix has one state, and logs are added, so nothing leaves the range.

    Raises `SpecificationError` if `kind` is too narrow for a probability of the automaton.
    """

    law: AutomatonLaw
    kind: Any

    def __post_init__(self) -> None:
        self._tables  # noqa: B018, it refuses what the floats cannot hold

    @cached_property
    def _tables(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The next states [S + 1, V], the logs of their probabilities [nat], the laws. State S is that of no state."""
        table, log_arc = self.law._tables
        laws = np.pad(held(self.law.language.prob, self.kind), ((0, 1), (0, 0)))
        return np.where(table < 0, len(table) - 1, table).astype(np.int32), log_arc.astype(self.kind), laws

    def cells(self, length: int) -> int:
        """The weights of one string: a law for each token."""
        return (length + 1) * self._tables[2].shape[1]

    def _raw(self, tokens: Int[Array, "N T"]) -> Raw:
        table, log_arc, laws = (jnp.asarray(one) for one in self._tables)
        first = jnp.full(len(tokens), self.law.language.start, jnp.int32)

        def step(state: Array, token: Array) -> tuple[Array, tuple[Array, Array]]:
            return table[state, token], (state, log_arc[state, token])

        ended = jnp.pad(tokens, ((0, 0), (0, 1)))  # one more EOS: the end of a row without one
        _, (states, logs) = lax.scan(step, first, ended.T)
        log_p = jnp.pad(jnp.cumsum(logs.T, axis=1), ((0, 0), (1, 0)))
        return Raw(log_p[:, -1], log_p[:, :-1], laws[states.T], jnp.ones(len(tokens), bool))


@dataclass(frozen=True, eq=False)
class Shares(DeviceForm):
    """The form of a hidden automaton: P(state | first t tokens), one product with the matrix of a token for each.

    A row is sure if every positive share times the least probability is a normal float, so that its zeros are true
    ones. Raises `SpecificationError` if `kind` is too narrow for a probability of the machine.
    """

    law: HiddenLaw
    kind: Any

    def __post_init__(self) -> None:
        self._arrays  # noqa: B018, it refuses what the floats cannot hold

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The first shares [S], the matrices of all tokens [V, S, S], P(next token | state) [S, V]."""
        machine = self.law.language
        given = (machine.initial, machine.transitions, Steps(machine, self.law.arcs).emits)
        initial, moves, emits = (held(one, self.kind) for one in given)
        return initial, moves, emits

    def cells(self, length: int) -> int:
        """The weights of one string: a vector of shares and a law for each token, or the matrix that a row fetches."""
        V, S = self._arrays[1].shape[:2]
        return (length + 1) * (S + V) + (S * V if V <= TOGETHER else S * S)

    def _moved(self, share: Float[Array, "N S"], token: Int[Array, " N"]) -> Float[Array, "N S"]:
        """The sums over the states before of share P(token, next state | state); 0 for EOS."""
        moves = jnp.asarray(self._arrays[1])
        V, S = moves.shape[:2]
        if V > TOGETHER:
            return jnp.einsum("ns,nst->nt", share, moves[token])
        placed = jax.nn.one_hot(token, V, dtype=share.dtype)[:, :, None] * share[:, None]
        return placed.reshape(-1, V * S) @ moves.reshape(V * S, S)

    def _raw(self, tokens: Int[Array, "N T"]) -> Raw:
        initial, _, emits = (jnp.asarray(one) for one in self._arrays)
        first = jnp.broadcast_to(initial, (len(tokens), len(initial)))

        def step(share: Array, token: Array) -> tuple[Array, tuple[Array, Array]]:
            after = self._moved(share, token)
            total = after.sum(axis=1)
            after = after / jnp.where(total == 0, 1, total)[:, None]
            return after, (after, jnp.where(token == EOS, 0, jnp.log(total)))

        _, (later, logs) = lax.scan(step, first, tokens.T)
        shares = jnp.concatenate([first[None], later])
        laws = jnp.swapaxes(shares @ emits, 0, 1)
        log_p, lengths = jnp.pad(jnp.cumsum(logs.T, axis=1), ((0, 0), (1, 0))), lengths_of(tokens)
        log_whole = at(log_p, lengths) + jnp.log(at(laws[:, :, EOS], lengths))
        least = jnp.where(shares > 0, shares, 1).min(axis=(0, 2))
        return Raw(log_whole, log_p, laws, least >= smallest(self.kind) / Steps(self.law.language, self.law.arcs).least)
