"""k1, k2 and k3: the divergence KL(q‖p) from samples of q, with the ratio r(x) = p(x)/q(x).

Samples are from q, and KL(q‖p) is estimated. For KL(p‖q) exchange the two laws and draw from p.
Source of all three: J. Schulman 2020, "Approximating KL divergence", a note on his home page.
"""

import math

import numpy as np

from sim.estimators._found import Estimator, Found
from sim.estimators._intervals import of_mean
from sim.estimators._sample import Sample

NEEDS = ("log_q", "log_p")


def k1(sample: Sample, level: float = 0.95) -> Found:
    """Mean of −log r = log q(x) − log p(x) [nat], plain Monte Carlo of KL(q‖p). Unbiased; it can be negative.

    A drawn string with p(x) = 0 gives inf, and KL(q‖p) is inf then. The reported interval needs bounds of the log-ratio
    (`Known.log_ratio`): else a rare string with a large ratio can move the mean without limit, and no draw shows it.
    """
    ratio = log_ratio(sample)
    ends = sample.known.log_ratio
    return of_mean(sample, ratio, level, ends, truth=_truth(ends))


def k2(sample: Sample, level: float = 0.95) -> Found:
    """Mean of ½ log² r [nat]. Biased: KL(q‖p) = E[k2] + E_q[g(log r)] + p(x : q(x) = 0), g(u) = e^u − 1 − u − u²/2.

    g has the sign of u, so k2 is too small where p puts more than q, and too large where it puts less; the bias is of
    third order as q → p. g increases, so bounds of the log-ratio bound the bias, and the reported interval is widened
    by them. It needs `Known.log_ratio` and `Known.unreached`.
    """
    half_square = log_ratio(sample) ** 2 / 2.0
    known = sample.known
    if known.log_ratio is None or known.unreached is None:
        return of_mean(sample, half_square, level, None, truth=_truth(known.log_ratio))
    low, high = known.log_ratio
    ends = 0.0 if low <= 0.0 <= high else min(low**2, high**2) / 2.0, max(low**2, high**2) / 2.0
    bias = _beyond_square(-high), _beyond_square(-low) + known.unreached
    return of_mean(sample, half_square, level, ends, bias, _truth(known.log_ratio))


def k3(sample: Sample, level: float = 0.95) -> Found:
    """Mean of r − 1 − log r [nat]: k1 with a control variate; never negative. E[k3] = KL(q‖p) − p(x : q(x) = 0).

    Unbiased only if q can write all that p can (in the literature it is called unbiased, which assumes this). Otherwise
    it is too small by the probability under p of what q cannot write. E_q[r²] = 1 + χ²(p‖q) decides its variance, which
    is large where q is small and p is not. The reported interval needs `Known.log_ratio` and `Known.unreached`.
    """
    ratio = log_ratio(sample)
    with np.errstate(over="ignore"):
        values = np.expm1(-ratio) + ratio
    values = np.where(np.isposinf(ratio), np.inf, values)  # r = 0
    known = sample.known
    if known.log_ratio is None or known.unreached is None:
        return of_mean(sample, values, level, None, truth=_truth(known.log_ratio))
    low, high = known.log_ratio
    tops = [_exponential(-one) - 1.0 + one for one in known.log_ratio]
    ends = 0.0 if low <= 0.0 <= high else min(tops), max(tops)
    return of_mean(sample, values, level, ends, (0.0, known.unreached), _truth(known.log_ratio))


def log_ratio(sample: Sample) -> np.ndarray:
    """log q(x) − log p(x) = −log r of the drawn strings [nat], float64[K]; inf where p is 0. Others have 0."""
    assert sample.log_q is not None
    assert sample.log_p is not None
    q, p = (np.where(sample.drawn, one, 0.0) for one in (sample.log_q, sample.log_p))
    return np.asarray(q - p)


def _truth(ends: tuple[float, float] | None) -> tuple[float, float]:
    """Bounds of KL(q‖p): it is at least 0, and at most the largest log-ratio."""
    return (0.0, math.inf) if ends is None else (0.0, max(0.0, ends[1]))


def _beyond_square(u: float) -> float:
    """e^u − 1 − u − u²/2."""
    return _exponential(u) - 1.0 - u - u * u / 2.0


def _exponential(u: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.exp(u))


ESTIMATORS = [
    Estimator("k1", "−log r", "KL(q‖p)", "none", k1, NEEDS),
    Estimator("k2", "½ log² r", "KL(q‖p)", "either sign; third order in log r", k2, NEEDS),
    Estimator("k3", "r − 1 − log r", "KL(q‖p)", "too small by p(x : q(x) = 0)", k3, NEEDS),
]
