"""The exact frontier of leak and coverage: the most that N samples can cover if q(⊥) of them is wasted.

The coverage of P at N is E_x Σ_y P(y|x) (1 - (1 - q(y|x))^N): the probability that N samples of the model hold an
answer drawn from P. A best law fills answers like vessels with water: q(y|x) = max(0, 1 - t P(y|x)^(-1/(N-1))), with
one level t for all prompts, but for those that are full, q(supp P|x) = 1. So the mass is a piecewise linear function of
t, and t is found without iteration. Laws are as in `sim.theory.frontier_entropy`. The proofs are in docs/theory.md.
"""

import numpy as np

from sim.numerics import log_group_sum


def covered(log_p: np.ndarray, log_q: np.ndarray, samples: int, log_law: np.ndarray | None = None) -> float:
    """E Σ P (1 - (1 - q)^N) of answers, float64[N] each [nat]; `log_law` is the log prompt law at each of them."""
    _check(samples)
    with np.errstate(divide="ignore"):
        missed = samples * np.log1p(-np.minimum(np.exp(log_q), 1.0))
    weight = log_p if log_law is None else log_p + log_law
    return float(np.exp(weight) @ -np.expm1(missed))


def most_coverage(log_p: np.ndarray, leaks: np.ndarray, samples: int, prompt: np.ndarray | None = None) -> np.ndarray:
    """The largest coverage at N of all models with E_x q(⊥|x) equal to the given leaks, float64[K].

    Raises ValueError unless N ≥ 2 and all leaks are in [0, 1].
    """
    wanted = np.asarray(leaks, np.float64)
    if not ((wanted >= 0.0) & (wanted <= 1.0)).all():
        raise ValueError(f"most_coverage: leaks q(⊥) in [0, 1] are required, found {wanted.tolist()}")
    vessels = _Vessels(log_p, samples, prompt)
    return vessels.filled(vessels.level(wanted))[1]


def filled_points(
    log_p: np.ndarray, multipliers: np.ndarray, samples: int, prompt: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The leaks q(⊥) and the coverages of the models that maximise coverage - m q(supp P), float64[K] both.

    m ≥ 0 is minus the slope of the frontier: the coverage that a little more leak costs. Raises ValueError otherwise.
    """
    m = np.asarray(multipliers, np.float64)
    if not (np.isfinite(m) & (m >= 0.0)).all():
        raise ValueError(f"filled_points: finite multipliers of at least 0 are required, found {m.tolist()}")
    vessels = _Vessels(log_p, samples, prompt)
    return vessels.filled((m / samples) ** (1.0 / (samples - 1)))


def best_law(log_p: np.ndarray, leak: float, samples: int, prompt: np.ndarray | None = None) -> np.ndarray:
    """The answers q(y|x) of the model with the largest coverage at a leak q(⊥), float64[N]; 0 where P is 0."""
    vessels = _Vessels(log_p, samples, prompt)
    (level,) = vessels.level(np.array([leak]))
    found = np.zeros(len(log_p))
    for one, full in zip(vessels.prompts, vessels.full, strict=True):
        found[one.index] = np.maximum(0.0, 1.0 - max(level, full) * one.weight)
    return found


class _Prompt:
    """The answers to one prompt, the likeliest first, with w = P(y|x)^(-1/(N-1)) and sums over the first k of them."""

    def __init__(self, log_p: np.ndarray, index: np.ndarray, samples: int) -> None:
        order = np.argsort(-log_p, kind="stable")
        self.index, log_p = index[order], log_p[order]
        self.samples, self.weight = samples, np.exp(-log_p / (samples - 1))
        self.sums = [np.concatenate([[0.0], np.cumsum(one)]) for one in (self.weight, np.exp(log_p))]

    def filled(self, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mass and the coverage at some levels t. An answer gets mass if t w < 1."""
        with np.errstate(divide="ignore"):
            k = np.searchsorted(self.weight, 1.0 / level, side="left")
        weight, p = (one[k] for one in self.sums)
        return k - level * weight, p - level**self.samples * weight

    @property
    def full(self) -> float:
        """The level at which the mass is 1: t = (k - 1)/Σ w, the sum over the k answers that get mass."""
        k = np.arange(1, len(self.weight) + 1)
        return float(((k - 1) / self.sums[0][1:]).max())


class _Vessels:
    """All prompts with P(x) and the levels at which they are full."""

    def __init__(self, log_p: np.ndarray, samples: int, prompt: np.ndarray | None) -> None:
        _check(samples)
        group = np.zeros(len(log_p), np.int64) if prompt is None else np.asarray(prompt)
        number = int(group.max()) + 1
        log_law = log_group_sum(log_p, group, number)
        inside = log_p > -np.inf
        parts = [np.flatnonzero(inside & (group == x)) for x in range(number)]
        self.prompts = [_Prompt(log_p[one] - log_law[x], one, samples) for x, one in enumerate(parts) if len(one)]
        self.law = np.exp(log_law[[x for x, one in enumerate(parts) if len(one)]])
        self.full = [one.full for one in self.prompts]

    def filled(self, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The leak E_x q(⊥|x) and the coverage at some levels, float64[K] both. A full prompt leaks nothing."""
        leak, coverage = np.zeros(len(level)), np.zeros(len(level))
        for weight, one, full in zip(self.law, self.prompts, self.full, strict=True):
            mass, own = one.filled(np.maximum(level, full))
            leak += weight * np.where(level > full, 1.0 - mass, 0.0)
            coverage += weight * own
        return leak, coverage

    def level(self, leak: np.ndarray) -> np.ndarray:
        """The level at which there is a leak in [0, 1]: between two corners, the leak is linear in the level."""
        corners = np.unique(np.concatenate([self.full, *(1.0 / one.weight for one in self.prompts)]))
        corners = corners[corners >= min(self.full)]
        return np.interp(leak, self.filled(corners)[0], corners)


def _check(samples: int) -> None:
    if not samples >= 2:
        raise ValueError(f"coverage: at least 2 samples are required, found {samples!r}; at 1 only the mode counts")
