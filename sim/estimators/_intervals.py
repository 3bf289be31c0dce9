"""Intervals of means of independent strings: Student's t where it is justified, else an empirical Bernstein bound."""

import math

import numpy as np

from sim.estimators._found import NONE, PROVED, Found, T
from sim.estimators._sample import Sample

STEADY = 25.0
"""Student's t is used if n >= 25 G², G the skewness of a draw. Source: W. Cochran 1977, "Sampling techniques"."""


ROUNDING = 1e-9
"""How far a draw may lie beyond the known range: log-probabilities of strings are rounded sums [relative to it]."""


def check_level(level: float) -> float:
    """Return a level. Raises ValueError unless it lies strictly between 0 and 1."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"level: a number between 0 and 1 is required, found {level!r}")
    return level


def check_range(drawn: np.ndarray, ends: tuple[float, float]) -> None:
    """Raise ValueError if a drawn value lies outside of what all values are known to lie in, by more than rounding."""
    low, high = ends
    slack = ROUNDING * max(1.0, *(abs(one) for one in ends if math.isfinite(one)))
    wrong = (drawn < low - slack) | (drawn > high + slack)
    if wrong.any():
        found = float(drawn[wrong][0])
        raise ValueError(
            f"known: draws from {low:g} to {high:g} are required, found one of {found!r}; widen what is known"
        )


def moments(sample: Sample, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation (n − 1) of values [K] over the draws, float64[...] each.

    The mean is inf, and the deviation nan, where a drawn value is inf; the deviation of a single draw is nan.
    """
    n, endless = sample.size, np.isinf(values) & sample.drawn
    finite = np.where(sample.drawn & ~endless, values, 0.0)
    shift = float(finite[sample.drawn].mean())  # differences to a middle value keep their digits
    centred = np.where(sample.drawn & ~endless, finite - shift, 0.0)
    sums = sample.weights @ np.stack([centred, centred**2], axis=1)
    first, second = sums[..., 0] / n, sums[..., 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        # rounding can make the difference negative
        variance = np.maximum(second - n * first**2, 0.0) / (n - 1) if n > 1 else np.full(np.shape(first), np.nan)
    infinite = (sample.counts[..., endless] > 0).any(axis=-1)
    return np.where(infinite, np.inf, first + shift), np.where(infinite, np.nan, np.sqrt(variance))


def bernstein(mean: np.ndarray, sd: np.ndarray, n: int, width: float, error: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of the mean of draws out of [a, a + width], wrong with probability of at most `error`.

    mean ± (sd √(2 log(4/error)/n) + 7 width log(4/error)/(3(n − 1))), for n >= 2: proved for every law.
    Source: A. Maurer and M. Pontil 2009, "Empirical Bernstein bounds and sample variance penalization", theorem 4, used
    once for each side.
    """
    log = math.log(4.0 / error)
    half = sd * math.sqrt(2.0 * log / n) + 7.0 * width * log / (3.0 * (n - 1))
    return np.asarray(mean - half), np.asarray(mean + half)


def student(mean: np.ndarray, sd: np.ndarray, n: int, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return mean ± t · sd/√n, with n − 1 degrees of freedom; infinite for a single draw.

    Source: Student 1908, "The probable error of a mean".
    """
    if n < 2:
        return np.full(np.shape(mean), -np.inf), np.full(np.shape(mean), np.inf)
    from scipy.special import stdtrit

    half = float(stdtrit(n - 1, 0.5 + level / 2)) * sd / math.sqrt(n)
    return np.asarray(mean - half), np.asarray(mean + half)


def of_mean(
    sample: Sample,
    values: np.ndarray,
    level: float,
    ends: tuple[float, float] | None,
    bias: tuple[float, float] | None = (0.0, 0.0),
    truth: tuple[float, float] = (-math.inf, math.inf),
    clipped: tuple[float, float] = (math.inf, 0.0),
) -> Found:
    """Return the mean of values [K] over the draws, with the interval that holds for what it estimates.

    ends: the values that a draw can have lie between them; None if this is not known. bias: bounds of the target minus
    the expectation of a draw; None if it is not known. truth: the target certainly lies between them. clipped = (c,
    e): values above c are taken as c by the proved interval, and a draw exceeds c with so small a probability that this
    costs the error e.

    With a width w = ends[1] − ends[0], the skewness of a draw is at most w/σ. So t is used if n sd² >= 25 w², else the
    empirical Bernstein bound. Without ends there is no interval, because a rare value that no draw showed can move the
    mean without limit. A mean of inf certifies KL(q‖p) = ∞, as p(x) = 0 at a drawn x. Raises ValueError for a draw
    beyond the ends, because then what is known is wrong.
    """
    n, error = sample.size, 1.0 - check_level(level)
    if ends is not None:
        check_range(np.minimum(values, clipped[0])[sample.drawn], ends)
    mean, sd = moments(sample, values)
    with np.errstate(invalid="ignore"):
        usual = [np.where(np.isinf(mean), mean, one) for one in student(mean, sd, n, level)]
    low, high = np.full(np.shape(mean), -np.inf), np.full(np.shape(mean), np.inf)
    method = np.full(np.shape(mean), NONE)
    if ends is not None and bias is not None and n > 1 and math.isfinite(ends[1] - ends[0] + bias[1] - bias[0]):
        top, lost = clipped
        width = ends[1] - ends[0]
        proved = bernstein(*moments(sample, np.minimum(values, top)), n, width, error - lost)
        steady = n * sd**2 >= STEADY * width**2
        low, high = (np.where(steady, t, b) for t, b in zip(usual, proved, strict=True))
        low, high = low + bias[0], high + bias[1] + lost / n
        method = np.where(steady, T, PROVED)
    low, high = np.clip(low, *truth), np.clip(high, *truth)
    infinite = np.isinf(mean)
    low, high = np.where(infinite, mean, low), np.where(infinite, mean, high)
    return Found.of(mean, (low, high), np.where(infinite, PROVED, method), (usual[0], usual[1]))
