"""A check: one exact quantity of a random language, computed by two routes, and the error between them."""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from sim.languages.exact import UnavailableError

TOLERANCE = 1e-10
"""Two routes agree if their relative error is at most this."""

Value: TypeAlias = Any
"""A number (int, float, Fraction or mpf), a bool, a string, or an array or nested sequence of numbers."""

REFUSED = "refused"
"""Stands for the package's number if the package says that the quantity is not known exactly."""

Family: TypeAlias = Callable[[random.Random], Iterator["Check"]]
"""A function that yields the checks of one random case. All randomness comes from its generator."""


@dataclass(frozen=True)
class Check:
    """A quantity as the package under test computes it (`product`, may be `REFUSED`) and by a second route (`oracle`).

    Errors are relative to the oracle's number, or to `floor` if it is larger. The floor is for differences and
    entropies that may be near 0: digits below its scale mean nothing. Without a floor, a true 0 must be exactly 0.
    """

    quantity: str
    product: Value
    oracle: Value
    floor: float = 0.0

    @property
    def refused(self) -> bool:
        """Whether the package said that the quantity is not known exactly."""
        return isinstance(self.product, str) and self.product == REFUSED

    @property
    def error(self) -> float:
        """Largest relative error; math.inf for nan and for unequal shapes, booleans, texts, integers or infinities."""
        if self.refused:
            return 0.0
        return _error(self.product, self.oracle, self.floor)


def attempt(ask: Callable[[], Value]) -> Value:
    """Return the package's value, or `REFUSED` if it raises `UnavailableError`."""
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
