"""What m independent answers to a prompt say about its law P: expected diversity, missing mass, memorisation.

`p` is a law over K answers, float64[K], and m >= 1 the number of independent draws. S is their empirical law. The dial
of memorisation is q = (1 - rho) P + rho S: rho = 0 knows the law, and rho = 1 repeats the data. All results are exact
expectations over the draws. Every function raises ValueError for a p that is not a law within 1e-9, and for m < 1.
"""

import math

import numpy as np

SUM_TOLERANCE = 1e-9
"""Largest distance from 1 of the sum of a law."""


def _checked(p: np.ndarray, num_answers: int) -> np.ndarray:
    law = np.asarray(p, np.float64)
    if law.ndim != 1 or not (law >= 0.0).all() or not abs(law.sum() - 1.0) <= SUM_TOLERANCE:
        raise ValueError(f"p: probabilities that sum to 1 are required, found {p!r}; divide them by their sum")
    if num_answers < 1:
        raise ValueError(f"num_answers: a whole number of at least 1 is required, found {num_answers!r}")
    return law


def entropy(p: np.ndarray) -> float:
    """H(P) = -sum p log p [nat]."""
    law = _checked(p, 1)
    inside = law[law > 0.0]
    return math.fsum(-inside * np.log(inside)) + 0.0


def collision(p: np.ndarray) -> float:
    """C(P) = sum p^2."""
    return math.fsum(_checked(p, 1) ** 2)


def expected_collision(p: np.ndarray, num_answers: int, rho: float = 1.0) -> float:
    """E C(q) = C + rho^2 (1 - C) / m of the dial q = (1 - rho) P + rho S; E C(S) for rho = 1."""
    c = collision(_checked(p, num_answers))
    return c + rho**2 * (1.0 - c) / num_answers


def expected_entropy(p: np.ndarray, num_answers: int, rho: float = 1.0) -> float:
    """E H(q) [nat] of the dial q = (1 - rho) P + rho S; E H(S) for rho = 1, which is 0 for m = 1.

    Each count k is binomial, so it is sum_y sum_k Binom(m, p_y)(k) (-q log q) with q = (1 - rho) p_y + rho k/m.
    Raises ValueError unless 0 <= rho <= 1.
    """
    law, m = _checked(p, num_answers), num_answers
    if not 0.0 <= rho <= 1.0:
        raise ValueError(f"rho: a number from 0 to 1 is required, found {rho!r}")
    k = np.arange(m + 1)
    log_choose = math.lgamma(m + 1) - np.array([math.lgamma(i + 1) + math.lgamma(m - i + 1) for i in k.tolist()])
    parts = []
    for value in law[(law > 0.0) & (law < 1.0)]:
        log_binomial = log_choose + k * np.log(value) + (m - k) * np.log1p(-value)
        q = (1.0 - rho) * value + rho * (k / m)
        parts.append(math.fsum(np.exp(log_binomial) * (-q * np.log(np.where(q > 0.0, q, 1.0)))))
    return math.fsum(parts) + 0.0


def entropy_loss(p: np.ndarray, num_answers: int) -> float:
    """b = H(P) - E H(S) [nat]: what an exactly fitted law of m draws loses; about (K - 1) / 2m for large m.

    Source: Basharin 1959, Theory of Probability and Its Applications 4(3), for the approximation.
    """
    return entropy(p) - expected_entropy(p, num_answers)


def missing_mass(p: np.ndarray, num_answers: int) -> float:
    """E P(y was not drawn) = sum_y p_y (1 - p_y)^m."""
    law = _checked(p, num_answers)
    with np.errstate(divide="ignore"):
        return math.fsum(law * np.exp(num_answers * np.log1p(-np.minimum(law, 1.0))))


def good_turing(p: np.ndarray, num_answers: int) -> float:
    """E f_1 / m = sum_y p_y (1 - p_y)^(m - 1), the mean of Good and Turing's estimate of the missing mass.

    f_1 is the number of answers that were drawn once. It is the mean missing mass of m - 1 draws.
    Source: Good 1953, Biometrika 40.
    """
    law = _checked(p, num_answers)
    return missing_mass(law, num_answers - 1) if num_answers > 1 else math.fsum(law)


def dialled(p: np.ndarray, s: np.ndarray, rho: float) -> np.ndarray:
    """The dial q = (1 - rho) P + rho S, float64[K]."""
    return np.asarray((1.0 - rho) * _checked(p, 1) + rho * _checked(s, 1))


def unseen_mass(missing: float, rho: float) -> float:
    """q(valid answers that the data lack) = (1 - rho) P(the same) of the dial, since S has none of them."""
    return (1.0 - rho) * missing


def effective_answers(num_answers: int | float, rho: float) -> float:
    """m_eff = m / rho^2: the number of answers that would give the dial's E C(q) if they were fitted exactly.

    It is +inf for rho = 0. Raises ValueError for m <= 0.
    """
    if not num_answers > 0:
        raise ValueError(f"num_answers: a positive number is required, found {num_answers!r}")
    return math.inf if rho == 0.0 else num_answers / rho**2
