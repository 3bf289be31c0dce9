"""What a sample did not see: the missing mass by Good and Turing, and the collision probability by Simpson."""

import math

import numpy as np

from sim.estimators._found import PROVED, Estimator, Found
from sim.estimators._intervals import check_level
from sim.estimators._sample import Counts, Sample, checked


def coverage(counts: Counts) -> np.ndarray:
    """1 - f_1/n, Good and Turing's estimate of the probability of all strings that were seen [1]."""
    return np.asarray(1.0 - missing_mass(counts))


def missing_mass(counts: Counts) -> np.ndarray:
    """f_1/n, Good and Turing's estimate of the probability of all strings that were not seen [1].

    Its mean over samples of n strings is exactly the mean missing mass of a sample of n - 1 strings. So it is too large
    on average, by at most 1/n.
    Source: Good 1953, Biometrika 40, "The population frequencies of species and the estimation of population
    parameters".
    """
    found = checked(counts)
    return np.asarray((found == 1).sum(axis=-1) / found.sum(axis=-1))


def simpson(counts: Counts) -> np.ndarray:
    """sum c (c - 1) / (n (n - 1)) [1], the share of pairs of draws that are equal: it estimates C(q) = sum q(x)^2.

    Its mean is exactly C(q). Raises ValueError for a single draw.
    Source: Simpson 1949, Nature 163, "Measurement of diversity".
    """
    found = checked(counts)
    n = found.sum(axis=-1)
    if n.min() < 2:
        raise ValueError(f"simpson: at least 2 draws are required, found {int(n.min())}")
    return np.asarray((found * (found - 1)).sum(axis=-1) / (n * (n - 1)))


def of_missing_mass(sample: Sample, level: float = 0.95) -> Found:
    """`missing_mass` G with a proved interval for the missing mass M of this very sample. It needs no knowledge of q.

    Let a = log(4/error). On each of the two sides, (1) and (2) fail with probability of at most error/4 each.
    (1) G lies within √(2a/n) of its mean: to exchange one draw changes f_1 by at most 2 (McDiarmid).
    (2) M lies within √(a/n) of its mean: the indicators Z of unseen strings are negatively associated, and one of
    probability w = (1 − q)^n has E exp(s q (Z − w)) ≤ exp(s² q² (1 − 2w)/(4 log((1 − w)/w))) ≤ exp(s² q/4n), because
    (1 − 2w)/log((1 − w)/w) ≤ 1/log(1/w) and log(1/w) ≥ nq. The exponents of all strings sum to s²/4n.
    And E M ≤ E G ≤ E M + (1 − 1/n)^(n−1)/n, because E G is the mean missing mass of n − 1 draws, which is larger by
    Σ q² (1 − q)^(n−1). So G − (1 + √2) √(a/n) − (1 − 1/n)^(n−1)/n ≤ M ≤ G + (1 + √2) √(a/n).
    The usual interval is that of Esty, G ± z √(f_1(n − f_1) + 2n f_2)/n^1.5, the limit for many strings seen once.
    Source: D. McAllester and R. Schapire 2000 for the first bound of this kind; D. McAllester and L. Ortiz 2003, and
    D. Berend and A. Kontorovich 2013, for (2), proved here again; M. Kearns and L. Saul 1998 for its step; W. Esty
    1983, Annals of Statistics 11.
    """
    from scipy.special import ndtri

    n, log = sample.size, math.log(4.0 / (1.0 - check_level(level)))
    value = missing_mass(sample.counts)
    half = (1.0 + math.sqrt(2.0)) * math.sqrt(log / n)
    low = np.maximum(value - half - (1.0 - 1.0 / n) ** (n - 1) / n, 0.0)
    ones, twos = ((sample.counts == k).sum(axis=-1) for k in (1, 2))
    usual = float(ndtri(0.5 + level / 2)) * np.sqrt(ones * (n - ones) + 2.0 * n * twos) / n**1.5
    return Found.of(value, (low, np.minimum(value + half, 1.0)), PROVED, (value - usual, value + usual))


def of_simpson(sample: Sample, level: float = 0.95) -> Found:
    """`simpson` with Hoeffding's interval ± √(log(2/error)/(2⌊n/2⌋)) for means over pairs: proved for every law.

    The usual interval is ± z · 2 √((Σ p̂³ − (Σ p̂²)²)/n), the limit for n → ∞.
    Source: W. Hoeffding 1963, "Probability inequalities for sums of bounded random variables", section 5a; Simpson 1949
    for the variance.
    """
    from scipy.special import ndtri

    n, error = sample.size, 1.0 - check_level(level)
    value = simpson(sample.counts)
    half = math.sqrt(math.log(2.0 / error) / (2.0 * (n // 2)))
    p = sample.weights / n
    squares = p * p
    cubes, squares = (squares * p).sum(axis=-1), squares.sum(axis=-1)
    usual = float(ndtri(0.5 + level / 2)) * 2.0 * np.sqrt(np.maximum(cubes - squares**2, 0.0) / n)
    ends = np.maximum(value - half, 0.0), np.minimum(value + half, 1.0)
    return Found.of(value, ends, PROVED, (value - usual, value + usual))


ESTIMATORS = [
    Estimator("Good–Turing", "f₁/n", "missing mass", "too large, by at most 1/n", of_missing_mass),
    Estimator("Simpson", "Σ c(c − 1)/n(n − 1)", "C(q)", "none", of_simpson, least=2),
]
