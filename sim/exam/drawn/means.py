"""Means of log-ratios over drawn documents, each with the interval that holds for it.

p is the law that drew the documents, q the model, and r = log p(x)/q(x). Two facts hold for every model, because its
probabilities sum to at most 1:

* r is rarely very negative: E_p[q/p] <= 1, so P(r < -c) <= e^-c by Markov's inequality, and to take values below -c as
  -c raises the mean of r by at most e^-c. With c = SURPRISE this is 5e-5 nats.
* nothing bounds r from above: a document that was not drawn can have any q. So KL(p‖q) has a proved lower end, and an
  upper end only if the largest r is declared.
"""

import math
from dataclasses import dataclass

import numpy as np

from sim.estimators._found import METHODS
from sim.estimators._intervals import of_mean
from sim.estimators._one_sided import lower_mean
from sim.estimators._sample import Sample
from sim.exam.drawn.entropies import LEVEL
from sim.quantity import Quantity

ERROR = 1.0 - LEVEL
"""Probability with which an interval may miss what it estimates."""

SURPRISE = 10.0
"""Log-ratios below minus this many nats are taken as minus this in proved intervals."""

LITTLE = math.exp(-SURPRISE)
"""By how much this can raise a mean [nat]."""

UNLIMITED = (-math.inf, math.inf)


@dataclass(frozen=True)
class Mean:
    """An estimate with its interval, and the one that is usual: Student's, which claims more than it knows."""

    number: Quantity
    usual: tuple[float, float] | None = None

    def scaled(self, factor: float) -> "Mean":
        """The product with an exact positive number."""
        usual = None if self.usual is None else (self.usual[0] * factor, self.usual[1] * factor)
        return Mean(self.number.scaled(factor), usual)


def floored(ratio: np.ndarray) -> np.ndarray:
    """Return log-ratios, with those below -SURPRISE as -SURPRISE."""
    return np.maximum(ratio, -SURPRISE)


def divergence(
    ratio: np.ndarray,
    worst: float | None,
    error: float = ERROR,
    truth: tuple[float, float] = (0.0, math.inf),
) -> Mean:
    """Estimate E_p[r], or E_p[r; C] if r is 0 outside a set C, from r of n draws, float64[n] [nat].

    worst: no document has a larger r, None if nothing is declared; truth: the number certainly lies between. A draw of
    +inf proves that the divergence is infinite. An interval is wrong with a probability of at most `error`.
    """
    if np.isposinf(ratio).any():
        return Mean(Quantity(math.inf, math.inf, "estimated", math.inf, 1.0, len(ratio), "proved"))
    ends = None if worst is None else (-SURPRISE, max(worst, 0.0))
    return bounded(ratio, floored(ratio), ends, (-LITTLE, 0.0), truth, error)


def bounded(
    values: np.ndarray,
    cut: np.ndarray,
    ends: tuple[float, float] | None,
    bias: tuple[float, float] = (0.0, 0.0),
    truth: tuple[float, float] = UNLIMITED,
    error: float = ERROR,
) -> Mean:
    """Estimate a mean by that of `values`, float64[n], with an interval from `cut`, which lie between `ends`.

    bias: bounds of the estimated number minus the mean of `cut`. Without ends, the least value is -SURPRISE, and there
    is a lower end alone; see `sim.estimators`.
    """
    sample = Sample(np.ones(len(values), np.int64))
    plain = of_mean(sample, values, LEVEL, None)
    usual = float(plain.usual_lower), float(plain.usual_upper)
    if ends is None:
        lower, upper, method = lower_mean(cut, -SURPRISE, error) + bias[0], truth[1], "proved"
    else:
        found = of_mean(sample, cut, 1.0 - error, ends, bias, truth)
        lower, upper, method = float(found.lower), float(found.upper), METHODS[int(found.method)]
    lower = min(max(lower, truth[0]), truth[1])
    return Mean(Quantity(lower, upper, "estimated", float(plain.value), 1.0 - error, len(values), method), usual)


def unknown(values: np.ndarray) -> Mean:
    """Estimate a mean of which nothing is known: there is no interval, only the usual one."""
    sample = Sample(np.ones(len(values), np.int64))
    plain = of_mean(sample, values, LEVEL, None)
    number = Quantity(-math.inf, math.inf, "estimated", float(plain.value), LEVEL, len(values), "none")
    return Mean(number, (float(plain.usual_lower), float(plain.usual_upper)))


def change(before: np.ndarray, after: np.ndarray, worst: float | None) -> Mean | None:
    """Estimate KL(p‖after) - KL(p‖before) from the log-ratios of both models at the same documents, float64[n].

    Without a declared largest log-ratio it has no interval: a rare document can move it in either direction. None if
    one of both is infinite.
    """
    if np.isposinf(before).any() or np.isposinf(after).any():
        return None
    if worst is None:
        return unknown(after - before)
    width = SURPRISE + max(worst, 0.0)
    cut = floored(after) - floored(before)
    return bounded(after - before, cut, (-width, width), (-LITTLE, LITTLE))
