"""What an estimator returns, and how it is declared: in the list `ESTIMATORS` of a file in this folder."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from sim.estimators._sample import Sample
from sim.quantity import Quantity

Target: TypeAlias = Literal["H(q)", "KL(q‖p)", "missing mass", "C(q)", "N"]
"""What is estimated: entropy [nat], divergence [nat], q(not in the sample) [1], Σ q² [1], number of strings of q."""

METHODS = ("none", "t", "proved")
"""How an interval was made: there is none; Student's t, which holds approximately; an inequality that is proved."""

NONE, T, PROVED = range(len(METHODS))


@dataclass(frozen=True, eq=False)
class Found:
    """Estimates of samples, float64[...] each, with two intervals.

    lower, upper: the interval that is reported; it holds its level under what is known of the sample (`Known`), and is
    infinite where no interval can. method: how it was made, int8[...], a place in METHODS. usual_lower, usual_upper:
    the interval of the literature, value ± quantile · standard error. It may cover less often than it says.
    """

    value: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    method: np.ndarray
    usual_lower: np.ndarray
    usual_upper: np.ndarray

    @classmethod
    def of(cls, value: Any, ends: tuple[Any, Any], method: Any, usual: tuple[Any, Any]) -> "Found":
        """Return what was found, as arrays of the shape of the value."""
        shape = np.shape(value)
        numbers = [np.broadcast_to(np.asarray(one, np.float64), shape) for one in (value, *ends, *usual)]
        made = np.broadcast_to(np.asarray(method, np.int8), shape)
        return cls(numbers[0], numbers[1], numbers[2], made, numbers[3], numbers[4])

    def quantity(self, level: float, count: int, usual: bool = False) -> Quantity:
        """Return the estimate of a single sample with its interval; with `usual` that of the literature."""
        low, high = (self.usual_lower, self.usual_upper) if usual else (self.lower, self.upper)
        method = "usual" if usual else METHODS[int(self.method)]
        return Quantity(float(low), float(high), "estimated", float(self.value), level, count, method)


@dataclass(frozen=True)
class Estimator:
    """An estimator: its name and symbol, what it estimates, and in which direction it is wrong.

    needs: the fields of a `Sample` that it reads besides counts. least: the least number of draws. measure(sample,
    level) returns a `Found`.
    """

    name: str
    symbol: str
    target: Target
    bias: str
    measure: Callable[[Sample, float], Found]
    needs: tuple[str, ...] = ()
    least: int = 1
