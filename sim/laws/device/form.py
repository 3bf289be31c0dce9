"""What every device form of a law is: a pure function of a padded batch, and a mark for what its floats cannot hold."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sim.numerics import EOS, SpecificationError
from sim.typing import Array, Bool, Float, Int

KINDS = (np.dtype(np.float32), np.dtype(np.float64))
"""The types of floats that a device form can have."""


class Along(NamedTuple):
    """Everything along a batch, as `sim.laws.protocol.Law` defines it. N strings, T tokens,
    P = T + 1 places between them, V tokens in the vocabulary.

    Where `sure` is False, a weight may have left the range of the floats. Then all numbers of the row are NaN.
    """

    log_prob: Float[Array, " N"]  # log P(x) [nat]; -inf outside the support
    prefix_log_prob: Float[Array, "N P"]  # log P(first t tokens) [nat]; -inf where they are impossible
    next_token: Float[Array, "N P V"]  # P(next token | first t tokens), EOS first; 0 after an impossible prefix
    sure: Bool[Array, " N"]  # whether every weight was certainly within the range of the floats


class Raw(NamedTuple):
    """What a form computes up to the end of each row; what stands behind it has no meaning."""

    log_whole: Float[Array, " N"]  # log P(x) [nat]
    log_p: Float[Array, "N P"]  # log P(first t tokens) [nat]
    laws: Float[Array, "N P V"]  # P(next token | first t tokens); 0 if impossible
    sure: Bool[Array, " N"]


class DeviceForm(ABC):
    """A law as pure functions of int[N, T], for `jax.jit` and `jax.vmap`. Shapes are static; any device will do.

    Rows are filled up with EOS = 0. Tokens must be those of the vocabulary, and only EOS may follow EOS. That is not
    checked here, because a traced program cannot refuse its numbers; `DeviceLaw` checks it. `kind` is the type of all
    floats; float64 needs `jax.enable_x64`. Products of matrices have the full precision of that type.
    """

    kind: Any  # np.dtype

    @abstractmethod
    def _raw(self, tokens: Int[Array, "N T"]) -> Raw:
        """Compute everything up to the ends of the rows."""

    @abstractmethod
    def cells(self, length: int) -> int:
        """About how many weights of one string of `length` tokens are kept at once."""

    def along(self, tokens: Int[Array, "N T"]) -> Along:
        """Everything along a batch. Raises `SpecificationError`, when it is traced, if jax has no float64 for it."""
        if jax.dtypes.canonicalize_dtype(self.kind) != self.kind:
            raise SpecificationError(
                "law: jax with float64 is required for this device form, found jax_enable_x64=False; call it within "
                "`with jax.enable_x64(True)`, or make it in float32"
            )
        with jax.default_matmul_precision("highest"):  # a GPU would multiply with ten bits
            raw = self._raw(tokens)
        inside = jnp.arange(tokens.shape[1] + 1)[None] <= lengths_of(tokens)[:, None]
        possible = raw.log_whole > -jnp.inf
        ended = jnp.zeros_like(raw.laws).at[:, :, EOS].set(possible[:, None])
        prefix = jnp.where(inside, raw.log_p, raw.log_whole[:, None])
        laws = jnp.where(inside[:, :, None], raw.laws, ended)
        log_whole, prefix, laws = (_marked(raw.sure, values) for values in (raw.log_whole, prefix, laws))
        return Along(log_whole, prefix, laws, raw.sure)

    def log_prob(self, tokens: Int[Array, "N T"]) -> Float[Array, " N"]:
        """log P(x) [nat] of every string, its end included; -inf outside the support, NaN where it is not sure."""
        return self.along(tokens).log_prob

    def prefix_log_prob(self, tokens: Int[Array, "N T"]) -> Float[Array, "N P"]:
        """log P(a string begins with the first t tokens) [nat], for t = 0 ... T; NaN where it is not sure."""
        return self.along(tokens).prefix_log_prob

    def next_token(self, tokens: Int[Array, "N T"]) -> Float[Array, "N P V"]:
        """P(next token | first t tokens), EOS first, for t = 0 ... T; NaN where it is not sure."""
        return self.along(tokens).next_token


def lengths_of(tokens: Int[Array, "N T"]) -> Int[Array, " N"]:
    """|x| [symbols] of every row."""
    return (tokens != EOS).sum(axis=1)


def normalised(weights: Float[Array, "*P V"]) -> tuple[Array, Array, Array]:
    """Weights of next tokens divided by their sum, the sum [*P], and whether no quotient was lost, bool[*P].

    The quotients of a sum of 0 are 0.
    """
    total = weights.sum(axis=-1)
    laws = weights / jnp.where(total == 0, 1, total)[..., None]
    kept = (laws >= smallest(weights.dtype)) | (weights == 0)
    return laws, total, jnp.isfinite(total) & kept.all(axis=-1)


def smallest(kind: Any) -> float:
    """The least positive number with all its digits: smaller ones may be read as 0 by a device."""
    return float(np.finfo(kind).tiny)


def at(values: Float[Array, "N P"], place: Int[Array, " N"]) -> Float[Array, " N"]:
    """The entry of every row at its own place."""
    return jnp.take_along_axis(values, place[:, None], axis=1)[:, 0]


def held(values: np.ndarray, kind: Any) -> np.ndarray:
    """Probabilities or their sums in the type of a form. Raises `SpecificationError` if that type lacks one of them."""
    values, limits = np.asarray(values), np.finfo(kind)
    positive = values[values > 0]
    for worst in (positive.min(initial=1.0), positive.max(initial=1.0)):
        if not limits.tiny <= worst <= limits.max:
            raise SpecificationError(
                f"law: probabilities of rules or arcs, and their sums, from {limits.tiny:.1e} to {limits.max:.1e} are "
                f"required for a device form in {np.dtype(kind).name}, found {worst:.1e}; take "
                + ("float64, or the law on the host" if np.dtype(kind) == KINDS[0] else "the law on the host")
            )
    return values.astype(kind)


def _marked(sure: Bool[Array, " N"], values: Array) -> Array:
    return jnp.where(sure.reshape(-1, *[1] * (values.ndim - 1)), values, jnp.nan)
