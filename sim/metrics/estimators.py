"""Estimates from counts: what a sample of n strings says about entropy, diversity and what it did not see.

Everywhere else this package computes such numbers exactly. Here they are *estimated*, as one must for a language that
is not known; beside the exact numbers they show how wrong the usual estimators are. `counts` are the numbers of times
that each different string was drawn; zeros are ignored. f_k is the number of strings that were drawn exactly k times.
Every function raises ValueError for counts that are no whole numbers of at least 0, or that sum to 0.
"""

import math

import numpy as np

Counts = np.ndarray
"""Numbers of draws, int[K]."""


def checked(counts: Counts) -> Counts:
    """The positive counts, int64[K]. Raises ValueError as described above."""
    found = np.asarray(counts)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu") or (found < 0).any() or not found.sum():
        raise ValueError(f"counts: whole numbers of at least 0, with a sum above 0, are required, found {counts!r}")
    return found[found > 0].astype(np.int64)


def plug_in_entropy(counts: Counts) -> float:
    """-sum (c/n) log (c/n) [nat], the entropy of the frequencies. It is too small on average, by about (K - 1) / 2n.

    Source: Basharin 1959, Theory of Probability and Its Applications 4(3), for the bias.
    """
    found = checked(counts)
    n = int(found.sum())
    return math.fsum(-found / n * np.log(found / n)) + 0.0


def miller_madow(counts: Counts) -> float:
    """The plug-in entropy plus (K - 1) / 2n [nat], where K is the number of different strings that were seen.

    Source: Miller 1955, "Note on the bias of information estimates".
    """
    found = checked(counts)
    return plug_in_entropy(found) + (len(found) - 1) / (2 * int(found.sum()))


def chao_shen(counts: Counts) -> float:
    """-sum C p log(C p) / (1 - (1 - C p)^n) [nat], with p = c/n and the coverage C = 1 - f_1/n.

    Frequencies are lowered by the coverage, and each string counts with the inverse of its chance to be seen. If every
    string was seen once, f_1 is taken as n - 1, or C would be 0; this is how the R package `entropy` does it. A single
    draw gives 0.
    Source: Chao & Shen 2003, Environmental and Ecological Statistics 10.
    """
    found = checked(counts)
    n = int(found.sum())
    ones = int((found == 1).sum())
    p = (1.0 - (ones - (ones == n)) / n) * found / n
    certain = p == 1.0
    seen = np.where(certain, 1.0, -np.expm1(n * np.log1p(-np.where(certain, 0.5, p))))
    return math.fsum(-p * np.log(p) / seen) + 0.0


def coverage(counts: Counts) -> float:
    """1 - f_1/n, Good and Turing's estimate of the probability of all strings that were seen [1]."""
    return 1.0 - missing_mass(counts)


def missing_mass(counts: Counts) -> float:
    """f_1/n, Good and Turing's estimate of the probability of all strings that were not seen [1].

    Its mean over samples of n strings is exactly the mean missing mass of a sample of n - 1 strings.
    Source: Good 1953, Biometrika 40, "The population frequencies of species and the estimation of population
    parameters".
    """
    found = checked(counts)
    return int((found == 1).sum()) / int(found.sum())


def chao1(counts: Counts) -> float:
    """K + f_1^2 / (2 f_2) [strings], an estimate of a lower bound on the number of all strings.

    K is the number of different strings that were seen. If no string was seen twice, the second term is
    f_1 (f_1 - 1) / 2 instead.
    Source: Chao 1984, Scandinavian Journal of Statistics 11, eq. (6); Chao 2005 for f_2 = 0.
    """
    found = checked(counts)
    ones, twos = int((found == 1).sum()), int((found == 2).sum())
    return len(found) + (ones**2 / (2 * twos) if twos else ones * (ones - 1) / 2)


def simpson(counts: Counts) -> float:
    """sum c (c - 1) / (n (n - 1)) [1], the share of pairs of draws that are equal: it estimates C(P) = sum P(x)^2.

    Its mean is exactly C(P). Raises ValueError for a single draw.
    Source: Simpson 1949, Nature 163, "Measurement of diversity".
    """
    found = [int(count) for count in checked(counts)]
    n = sum(found)
    if n < 2:
        raise ValueError(f"simpson: at least 2 draws are required, found {n}")
    return sum(count * (count - 1) for count in found) / (n * (n - 1))
