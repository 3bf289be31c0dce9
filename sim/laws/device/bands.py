"""Weights of spans as bands: one row for each width that a symbol can have, and one column for each place of its begin.

A symbol of a level derives only between its least and its largest number of tokens, so almost all entries of its matrix
[T + 1, T + 1] are known to be 0. The band [D, T + 1] leaves them out. Arrays may have more axes in front.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from sim.typing import Array, Float

TOGETHER = 8
"""Number of widths whose products are one operation."""


class Band(NamedTuple):
    """values[..., d, i] is the weight of the span from place i to place i + low + d, d = 0 ... D - 1."""

    low: int
    values: Float[Array, "... D P"]

    @property
    def high(self) -> int:
        """The largest width."""
        return self.low + self.values.shape[-2] - 1


def widened(band: Band, low: int, high: int) -> Float[Array, "... D P"]:
    """The values of the widths from `low` to `high`, which hold those of the band: 0 where it has none."""
    beside = [(0, 0)] * (band.values.ndim - 2)
    return jnp.pad(band.values, [*beside, (band.low - low, high - band.high), (0, 0)])


def stack(bands: Sequence[Band]) -> Band:
    """Bands [N, D, P] with one more axis for them, [N, C, D, P]."""
    low, high = min(one.low for one in bands), max(one.high for one in bands)
    return Band(low, jnp.stack([widened(one, low, high) for one in bands], axis=1))


def cut(band: Band, high: int) -> Band:
    """The band without widths above `high`; it keeps one width at least."""
    return Band(band.low, band.values[..., : max(high - band.low, 0) + 1, :])


def joined(one: Band, other: Band, high: int) -> Band:
    """The product: a span of the one and a span of the other behind it, of widths up to `high`.

    `TOGETHER` widths of the one are one operation, and a loop does the others. So programs stay short.
    """
    D, P = other.values.shape[-2:]
    size = -(-one.values.shape[-2] // TOGETHER) * TOGETHER
    size = size if one.values.shape[-2] > TOGETHER else one.values.shape[-2]
    rows = max(min(one.values.shape[-2] + D - 1, high - one.low - other.low + 1), 1)
    beside = [(0, 0)] * (other.values.ndim - 2)
    left = jnp.pad(one.values, [*beside, (0, size - one.values.shape[-2]), (0, 0)])
    right = jnp.pad(other.values, [*beside, (size - 1, max(rows - D, 0)), (0, one.low + size - 1)])

    def term(d: Any) -> Array:
        """Width low + d of the one: its end is the begin of the other, whose widths are d less."""
        behind = lax.dynamic_slice_in_dim(right, size - 1 - d, rows, axis=-2)
        return lax.dynamic_slice_in_dim(left, d, 1, axis=-2) * lax.dynamic_slice_in_dim(behind, one.low + d, P, axis=-1)

    def several(step: Any, total: Array) -> Array:
        return total + sum((term(step * TOGETHER + d) for d in range(1, TOGETHER)), term(step * TOGETHER))

    if size <= TOGETHER:
        return Band(one.low + other.low, sum((term(d) for d in range(1, size)), term(0)))
    nothing = jnp.zeros((*other.values.shape[:-2], rows, P), other.values.dtype)
    return Band(one.low + other.low, lax.fori_loop(0, size // TOGETHER, several, nothing))


def moved(weights: Float[Array, "... P"], band: Band) -> Float[Array, "... P"]:
    """The sums over i of weights[i] times the weight of the span from i to j, for every j.

    Row d is shifted by d places: with D more columns, and then cut at rows that are shorter by one.
    """
    D, P = band.values.shape[-2:]
    if band.low >= P:
        return jnp.zeros_like(weights)
    terms = weights[..., None, :] * band.values
    beside = [(0, 0)] * (terms.ndim - 2)
    wide = jnp.pad(terms, [*beside, (0, 0), (0, D)])
    flat = wide.reshape(*terms.shape[:-2], D * (P + D))[..., : D * (P + D - 1)]
    summed = flat.reshape(*terms.shape[:-2], D, P + D - 1).sum(axis=-2)
    shifted = jnp.pad(summed, [*beside, (band.low, 0)])
    return shifted[..., :P]
