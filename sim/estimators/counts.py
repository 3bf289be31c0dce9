"""Entropy from counts alone: what a sample of n strings says if their probabilities are not known.

The functions take `counts`, int[..., K]: how often each different string was drawn; zeros are ignored, and each row is
a sample. f_k is the number of strings that were drawn exactly k times, K⁺ the number that was drawn at all. They raise
ValueError for counts that are no whole numbers of at least 0, or that sum to 0. All intervals here are about H(q), not
about the estimator, so plug-in, Miller–Madow and Chao–Shen share them.
"""

import math

import numpy as np

from sim.estimators._found import PROVED, Estimator, Found
from sim.estimators._intervals import check_level
from sim.estimators._sample import Counts, Sample, checked


def plug_in_entropy(counts: Counts) -> np.ndarray:
    """-sum (c/n) log (c/n) [nat], the entropy of the frequencies. It is too small on average, by about (N - 1) / 2n.

    Source: Basharin 1959, Theory of Probability and Its Applications 4(3), for the bias.
    """
    found = checked(counts)
    n = found.sum(axis=-1, keepdims=True)
    if n.min() == n.max():  # then a share has as many values as a count, and its logarithm is taken once
        terms = _surprise(np.arange(found.max() + 1) / n.flat[0])[found]
    else:
        terms = _surprise(found / n)
    return np.asarray(terms.sum(axis=-1) + 0.0)


def miller_madow(counts: Counts) -> np.ndarray:
    """The plug-in entropy plus (K⁺ - 1) / 2n [nat]. It is still too small on average if many strings were not seen.

    Source: Miller 1955, "Note on the bias of information estimates".
    """
    found = checked(counts)
    return np.asarray(plug_in_entropy(found) + ((found > 0).sum(axis=-1) - 1) / (2.0 * found.sum(axis=-1)))


def chao_shen(counts: Counts) -> np.ndarray:
    """-sum C p log(C p) / (1 - (1 - C p)^n) [nat], with p = c/n and the coverage C = 1 - f_1/n.

    Frequencies are lowered by the coverage, and each string counts with the inverse of its chance to be seen. If every
    string was seen once, f_1 is taken as n - 1, or C would be 0; this is how the R package `entropy` does it. A single
    draw gives 0. The bias has no fixed sign.
    Source: Chao & Shen 2003, Environmental and Ecological Statistics 10.
    """
    found = checked(counts)
    n = found.sum(axis=-1, keepdims=True)
    ones = (found == 1).sum(axis=-1, keepdims=True)
    p = (1.0 - (ones - (ones == n)) / n) * found / n
    certain = (p == 1.0) | (p == 0.0)
    seen = np.where(certain, 1.0, -np.expm1(n * np.log1p(-np.where(certain, 0.5, p))))
    return np.asarray((_surprise(p) / seen).sum(axis=-1) + 0.0)


def chao1(counts: Counts) -> np.ndarray:
    """K⁺ + f_1^2 / (2 f_2) [strings], an estimate of a lower bound on the number of all strings.

    If no string was seen twice, the second term is f_1 (f_1 - 1) / 2 instead.
    Source: Chao 1984, Scandinavian Journal of Statistics 11, eq. (6); Chao 2005 for f_2 = 0.
    """
    found = checked(counts)
    ones, twos = ((found == k).sum(axis=-1) for k in (1, 2))
    more = np.where(twos > 0, ones**2 / np.where(twos > 0, 2.0 * twos, 1.0), ones * (ones - 1) / 2.0)
    return np.asarray((found > 0).sum(axis=-1) + more)


def entropy_bounds(sample: Sample, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return an interval [nat] that holds H(q) with probability of at least `level`, whatever q is.

    The mean of the plug-in entropy Ĥ lies between H(q) − log(1 + (N − 1)/n) and H(q): H(q) − E Ĥ = E KL(q̂‖q), q̂ the
    frequencies, which is at least 0, and at most log(1 + E χ²(q̂‖q)) by Jensen. To exchange one draw moves Ĥ by at most
    the entropy d of the law (1/n, 1 − 1/n). So |Ĥ − E Ĥ| exceeds d √(n log(2/error)/2) with probability of at most
    `error`. If N is not known there is a lower end alone, with log(1/error): no finite sample bounds an entropy from
    above. With N, log N is an upper bound too. Raises ValueError if more than N strings were seen.
    Source: C. McDiarmid 1989, "On the method of bounded differences"; L. Paninski 2003, "Estimation of entropy and
    mutual information", for the bound of the bias.
    """
    n, error = sample.size, 1.0 - check_level(level)
    step = float(_surprise(np.array([1.0 / n, 1.0 - 1.0 / n])).sum())
    found, size = plug_in_entropy(sample.counts), sample.known.size
    seen = int((sample.counts > 0).sum(axis=-1).max())
    if size is not None and seen > size:
        raise ValueError(
            f"known.size: at least the {seen} different strings that were drawn are required, found {size}"
        )
    half = step * math.sqrt(n * math.log((1.0 if size is None else 2.0) / error) / 2.0)
    lower = np.asarray(np.maximum(found - half, 0.0))
    if size is None:
        return lower, np.full(np.shape(lower), np.inf)
    most = math.log(size)
    upper = np.minimum(found + half + math.log1p((size - 1) / n), most)
    return np.asarray(np.minimum(lower, most)), np.asarray(upper)


def usual_half(sample: Sample, level: float) -> np.ndarray:
    """z √((Σ p̂ log² p̂ − Ĥ²) / n) [nat], the standard error of the plug-in entropy as the literature has it.

    It is the limit for n → ∞ with all strings seen often, and knows nothing of the bias. Source: Basharin 1959.
    """
    from scipy.special import ndtri

    n = sample.size
    p = np.arange(sample.counts.max() + 1) / n
    logs = np.log(np.where(p > 0, p, 1.0))
    second = (p * logs**2)[sample.counts].sum(axis=-1)
    spread = np.maximum(second - plug_in_entropy(sample.counts) ** 2, 0.0)  # rounding can make it negative
    return np.asarray(float(ndtri(0.5 + level / 2)) * np.sqrt(spread / n))


def _surprise(p: np.ndarray) -> np.ndarray:
    """-p log p [nat]; 0 at 0."""
    return np.asarray(-p * np.log(np.where(p > 0, p, 1.0)))


def _of_entropy(sample: Sample, value: np.ndarray, level: float) -> Found:
    lower, upper = entropy_bounds(sample, level)
    half = usual_half(sample, level)
    return Found.of(value, (lower, upper), PROVED, (value - half, value + half))


def of_plug_in(sample: Sample, level: float = 0.95) -> Found:
    """`plug_in_entropy` with the interval of `entropy_bounds`; the usual interval is value ± `usual_half`."""
    return _of_entropy(sample, plug_in_entropy(sample.counts), level)


def of_miller_madow(sample: Sample, level: float = 0.95) -> Found:
    """`miller_madow` with the intervals of `of_plug_in`."""
    return _of_entropy(sample, miller_madow(sample.counts), level)


def of_chao_shen(sample: Sample, level: float = 0.95) -> Found:
    """`chao_shen` with the intervals of `of_plug_in`."""
    return _of_entropy(sample, chao_shen(sample.counts), level)


def of_chao1(sample: Sample, level: float = 0.95) -> Found:
    """`chao1`; what is certain of N is that it is at least K⁺. There is no interval in use that is worth measuring."""
    check_level(level)
    seen = (sample.counts > 0).sum(axis=-1)
    return Found.of(chao1(sample.counts), (seen, math.inf), PROVED, (-math.inf, math.inf))


ESTIMATORS = [
    Estimator("plug-in", "Ĥ", "H(q)", "too small, by about (N − 1)/2n", of_plug_in),
    Estimator("Miller–Madow", "Ĥ + (K⁺ − 1)/2n", "H(q)", "too small if strings are unseen", of_miller_madow),
    Estimator("Chao–Shen", "Ĥ, by coverage", "H(q)", "either sign", of_chao_shen),
    Estimator("Chao1", "K⁺ + f₁²/2f₂", "N", "too small; estimates a lower bound", of_chao1),
]
