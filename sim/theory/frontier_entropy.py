"""The exact frontier of validity and entropy: the largest H(q) at a given surprisal E_q[-log P].

Only answers that P can give count. A law is reached by the temperature τ of whole answers, q ∝ P^(1/τ), with one τ for
all prompts. Laws of documents are log-probabilities [nat], float64[N]; with `prompt`, the number of the prompt of each
document, both numbers are those of answers given the prompt, averaged over P(x). The proofs are in docs/theory.md.
"""

import math

import numpy as np

from sim.numerics import log_group_sum
from sim.theory._inverse import inverse

COLDEST = math.log(1e9)
"""Largest log(1/τ) that is tried. Then only the likeliest answers to a prompt are left."""

ROWS = 256
"""Number of temperatures that are computed at a time."""

ROUNDING = 1e-9
"""How far a surprisal may lie below the least possible one because of rounding [nat]."""


def tempered_points(
    log_p: np.ndarray, inverse_temperatures: np.ndarray, prompt: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The surprisals E_q[-log P] and the entropies H(q) of q ∝ P^b [nat], float64[K] both, for many b = 1/τ ≥ 0.

    b is the slope dH/dE of the frontier: the nats of entropy for one more nat of surprisal. Raises ValueError unless
    every b is finite and at least 0.
    """
    b = np.asarray(inverse_temperatures, np.float64)
    if not (np.isfinite(b) & (b >= 0.0)).all():
        raise ValueError(f"tempered_points: finite 1/τ of at least 0 are required, found {b.tolist()}")
    surprisal, _, entropy = _Answers(log_p, prompt).tempered(b)
    return surprisal, entropy


def most_entropy(log_p: np.ndarray, surprisals: np.ndarray, prompt: np.ndarray | None = None) -> np.ndarray:
    """The largest H(q) [nat] of all laws q with E_q[-log P] at most the given surprisals [nat], float64[K].

    From the surprisal of the uniform law on it is log of the number of answers, averaged over prompts. At the least
    surprisal, E max log P, only ties of the likeliest answers are left. Raises ValueError below that, and for nan.
    """
    answers, wanted = _Answers(log_p, prompt), np.asarray(surprisals, np.float64)
    if not (wanted >= answers.least - ROUNDING).all():
        wrong = wanted[~(wanted >= answers.least - ROUNDING)][0]
        raise ValueError(
            f"most_entropy: a surprisal of at least that of the likeliest answers, {answers.least:.6g}, is required, "
            f"found {float(wrong)!r}"
        )
    (loosest,), _, (largest,) = answers.tempered(np.zeros(1))
    found = np.full(wanted.shape, largest)
    inner = wanted < loosest

    def rising(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        surprisal, slope, _ = answers.tempered(np.exp(-place))
        return surprisal, -slope * np.exp(-place)

    places = inverse(rising, wanted[inner], -COLDEST, COLDEST)
    found[inner] = answers.tempered(np.exp(-places))[2]
    return found


class _Answers:
    """The answers that P can give, sorted by prompt, with P(x) and the starts of the prompts."""

    def __init__(self, log_p: np.ndarray, prompt: np.ndarray | None) -> None:
        group = np.zeros(len(log_p), np.int64) if prompt is None else np.asarray(prompt)
        inside = np.flatnonzero(log_p > -np.inf)
        inside = inside[np.argsort(group[inside], kind="stable")]
        _, self.first, place = np.unique(group[inside], return_index=True, return_inverse=True)
        log_law = log_group_sum(log_p[inside], place, len(self.first))
        self.law, self.log_p, self.place = np.exp(log_law), log_p[inside] - log_law[place], place
        self.top = np.maximum.reduceat(self.log_p, self.first)
        self.least = float(-self.law @ self.top)

    def tempered(self, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The surprisal of q ∝ P^b, its slope by b, which is minus a variance, and the entropy: float64[K] all."""
        found = np.empty((3, len(b)))
        relative = self.log_p - self.top[self.place]  # at most 0, so that no power overflows
        for begin in range(0, len(b), ROWS):
            rows = slice(begin, begin + ROWS)
            weight = np.exp(b[rows, None] * relative)
            sums = [np.add.reduceat(weight * relative**k, self.first, axis=1) for k in range(3)]
            mean, square = sums[1] / sums[0], sums[2] / sums[0]
            found[0, rows] = -(self.top + mean) @ self.law
            found[1, rows] = -(square - mean**2) @ self.law
            found[2, rows] = (np.log(sums[0]) - b[rows, None] * mean) @ self.law
        return found[0], found[1], found[2]
