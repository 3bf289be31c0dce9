"""A check: one exact quantity of a random language by two routes, and how far the two are apart."""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from sim.languages.exact import UnavailableError

TOLERANCE = 1e-10
"""Largest relative error at which two routes agree."""

Value: TypeAlias = Any
"""A number (int, float, Fraction, mpmath's), a bool, a string, or an array or nested sequence of numbers."""

REFUSED = "refused"
"""What stands for the product's number where it says that this is not exactly known."""

Family: TypeAlias = Callable[[random.Random], Iterator["Check"]]
"""The checks of one random case; everything random comes from the generator."""


@dataclass(frozen=True)
class Check:
    """What the product says of a quantity, `REFUSED` included, and what the oracle says.

    Errors are relative to the oracle's number, or to `floor` where that is larger: a magnitude below which digits
    mean nothing, for differences and entropies that may be near 0. A true 0 must be 0 unless there is a floor.
    """

    quantity: str
    product: Value
    oracle: Value
    floor: float = 0.0

    @property
    def refused(self) -> bool:
        """Whether the language said that the quantity is not exactly known of it."""
        return isinstance(self.product, str) and self.product == REFUSED

    @property
    def error(self) -> float:
        """Largest relative error of its numbers; math.inf for different shapes, booleans, integers, infinities, nan."""
        if self.refused:
            return 0.0
        return _error(self.product, self.oracle, self.floor)


def attempt(ask: Callable[[], Value]) -> Value:
    """What the product says, `REFUSED` where it raises `UnavailableError`."""
    try:
        return ask()
    except UnavailableError:
        return REFUSED


def _error(product: Value, oracle: Value, floor: float) -> float:
    if product is None or oracle is None:
        return 0.0 if product is oracle else math.inf
    if isinstance(oracle, bool | np.bool_ | str | bytes) or (isinstance(oracle, int) and isinstance(product, int)):
        return 0.0 if product == oracle else math.inf
    if isinstance(oracle, np.ndarray | list | tuple):
        if np.shape(product) != np.shape(oracle):
            return math.inf
        flat = zip(_flat(product), _flat(oracle), strict=True)
        return max((_error(one, other, floor) for one, other in flat), default=0.0)
    got, wanted = float(product), float(oracle)
    if got == wanted:
        return 0.0
    scale = max(abs(wanted), floor)
    if not math.isfinite(got) or not math.isfinite(wanted) or scale == 0.0:
        return math.inf
    return abs(got - wanted) / scale


def _flat(values: Value) -> list[Value]:
    return np.asarray(values, dtype=object).ravel().tolist()
