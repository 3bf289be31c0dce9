"""How much of a language a model still covers: eps-support, coverage, smallest sets, recall, mass off the support."""

from collections.abc import Iterator, Sequence

import numpy as np

from sim.metrics.scene import Cell, Evaluation, Metric, World, of_model
from sim.metrics.scored import Scored, average
from sim.numerics import expectation
from sim.quantity import Quantity

EPSILONS = (*(float(f"{mantissa}e{exponent}") for exponent in range(-7, 0) for mantissa in (1, 2, 3, 5)), 1.0)
"""Thresholds of the eps-support [probability per answer]."""

_NAMES = tuple(f"{epsilon:g}" for epsilon in EPSILONS)

TIE = 1e-12
"""Relative slack of `probability >= threshold`, so that a string at the threshold counts in spite of rounding."""

MASS_TIE = 1e-9
"""Absolute slack of `mass >= 1 - delta` for cumulative sums over all prompts."""


def epsilon_support(q: Scored, epsilons: Sequence[float], log_law: np.ndarray) -> list[Quantity]:
    """N_0(eps) = E_x |{y : q(y|x) >= eps}| [strings] for each eps > 0, averaged over the prompt law float64[G].

    Supported strings are counted exactly. Off the support, a node adds no string if all its exits are below eps, and
    else at most floor(mass of its exits / eps). So the number is exact if every exit mass is below eps. Raises
    ValueError unless eps > 0.
    """
    thresholds = [_log_threshold(epsilon) for epsilon in epsilons]
    weights = q.log_weights(log_law)
    weighted = weights != -np.inf
    law, log_q = np.exp(weights[weighted]), q.log_q[weighted]  # once for all thresholds
    missed = np.searchsorted(np.sort(log_q), thresholds).tolist()  # numbers of strings below the thresholds
    counts: dict[int, float] = {}  # thresholds that miss equally many strings miss the same ones
    for below, threshold in zip(missed, thresholds, strict=True):
        if below not in counts:
            counts[below] = float((law * (log_q >= threshold)).sum())
    node_law, off, off_max = _leaks(q, log_law)
    largest = np.max(off_max, initial=0.0)
    out = []
    for epsilon, below in zip(epsilons, missed, strict=True):
        on, above = counts[below], 0.0
        if largest >= epsilon * (1.0 - TIE):
            open_nodes = off_max >= epsilon * (1.0 - TIE)
            room = np.floor(off[open_nodes] / epsilon * (1.0 + TIE))
            above = float((node_law[open_nodes] * room).sum())
        out.append(Quantity(on, on + above))
    return out


def _leaks(q: Scored, log_law: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mass off the support by node: prompt law, mass, and the largest q_e, float64[K] each.

    Where each prompt has one exit, as for a model that was handed in, it is known by prompt without nodes.
    """
    if q.nodes is None and (q.exit_max == q.off).all():
        leaky = (q.exit_max > 0.0) & (log_law != -np.inf)
        return np.exp(log_law[leaky]), q.off[leaky], q.exit_max[leaky]
    leaky = (q.node_group >= 0) & (q.node_off_max > 0.0)
    leaky[leaky] = log_law[q.node_group[leaky]] != -np.inf
    return np.exp(log_law[q.node_group[leaky]]), q.node_off[leaky], q.node_off_max[leaky]


def off_support_mass(q: Scored, log_law: np.ndarray) -> float:
    """E_x q(⊥|x), the probability of an answer outside the listed support. Exact."""
    return average(log_law, q.off)


def outside_mass(p: Scored, q: Scored, log_law: np.ndarray) -> float:
    """E_x q(not in supp P | x). Exact. It exceeds `off_support_mass` if strings outside supp P are listed too."""
    beyond = np.where(p.log_q == -np.inf, q.log_q, -np.inf)
    return off_support_mass(q, log_law) + expectation(beyond + q.log_weights(log_law), np.ones(len(beyond)))


def coverage(
    log_p: np.ndarray, log_q: np.ndarray, epsilons: Sequence[float], log_w: np.ndarray | None = None
) -> list[float]:
    """P-mass of the strings with q >= eps, for each eps > 0: the part of P that q still reaches. Exact."""
    weighted = log_p if log_w is None else log_p + log_w
    return [expectation(weighted, (log_q >= _log_threshold(epsilon)).astype(np.float64)) for epsilon in epsilons]


def coverage_profile(
    log_p: np.ndarray, log_q: np.ndarray, ratios: Sequence[float], log_w: np.ndarray | None = None
) -> list[float]:
    """P(P/q >= N) for each N > 0: P-mass of the strings that q makes N times rarer or more. Exact.

    Source: Chen et al. 2025, "The coverage principle", definition of the coverage profile.
    """
    weighted = log_p if log_w is None else log_p + log_w
    return [
        expectation(weighted, (log_q <= log_p - np.log(ratio * (1.0 - TIE))).astype(np.float64)) for ratio in ratios
    ]


def smallest_set(q: Scored, delta: float, log_law: np.ndarray) -> Quantity:
    """E_x of the least number of strings that together have mass 1 - delta [strings], 0 <= delta < 1.

    Lower end: ⊥ counts as one string (merging strings never raises the number). Upper end: only supported strings
    count; it is +inf if they do not have that much mass for some prompt. Exact for a truth. Raises ValueError for
    another delta.
    """
    if not 0.0 <= delta < 1.0:
        raise ValueError(f"smallest_set: 0 <= delta < 1 is required, found {delta!r}")
    merged = np.exp(q.merged)
    lower = _count_to(merged, q.merged_group, q.num_groups, 1.0 - delta)
    upper = _count_to(np.exp(q.log_q), q.group, q.num_groups, 1.0 - delta)
    return Quantity(average(log_law, lower), average(log_law, upper))


def support_recall(p: Scored, q: Scored, epsilon: float, log_law: np.ndarray) -> float:
    """E_x of the share of the strings of supp P(.|x) that have q(y|x) >= eps; all strings count equally. Exact.

    Every prompt with weight must have an answer under p. The value is in [0, 1]. Raises ValueError unless eps > 0.
    """
    inside = p.log_q > -np.inf
    size = np.bincount(p.group, inside, p.num_groups)
    found = np.bincount(p.group, inside & (q.log_q >= _log_threshold(epsilon)), p.num_groups)
    return average(log_law, found / np.maximum(size, 1.0))


def _log_threshold(epsilon: float) -> float:
    if not epsilon > 0.0:
        raise ValueError(f"eps: a positive number is required, found {epsilon!r}; every string has probability >= 0")
    return float(np.log(epsilon) + np.log1p(-TIE))


def _count_to(mass: np.ndarray, group: np.ndarray, num_groups: int, target: float) -> np.ndarray:
    """Number of entries of each group, largest first, that reach the target mass: float64[G]; +inf if none suffices."""
    order = np.lexsort((-mass, group))
    sizes = np.bincount(group, minlength=num_groups)
    start = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    total = np.concatenate([[0.0], np.cumsum(mass[order])])
    inside = total[1:] - total[start[group[order]]]
    short = np.bincount(group[order], inside < target - MASS_TIE, num_groups)
    return np.where(short < sizes, short + 1.0, np.inf)


def zeros(p: Scored, q: Scored) -> float:
    """Number of strings of supp P that have probability 0 under q in float64 [strings]. Exact."""
    return float(((p.log_q > -np.inf) & (q.log_q == -np.inf)).sum())


def _epsilon_support(evaluation: Evaluation) -> Iterator[Cell]:
    known: dict[tuple[str, bytes], list[Quantity]] = {}  # without prompts P(x) and S(x) are equal
    for of, scored, law, log_law in evaluation.pairs():
        if (key := (of, log_law.tobytes())) not in known:
            known[key] = epsilon_support(scored, EPSILONS, log_law)
        for at, count in zip(_NAMES, known[key], strict=True):
            yield Cell(of, count, law, at)


def _zeros(world: World, q: Scored) -> float:
    return zeros(world.p, q)


METRICS = [
    Metric(
        "epsilon_support", "N_ε", "strings", "number of strings with probability at least ε (column at)",
        _epsilon_support,
    ),
    of_model(
        "off_support", "q(⊥)", "1", "probability of a string outside the listed support",
        lambda world, q: off_support_mass(q, world.p_law), exact=True,
    ),
    of_model(
        "outside_p", "q(∉ supp P)", "1", "probability of a string that P cannot produce",
        lambda world, q: outside_mass(world.p, q, world.p_law), exact=True,
    ),
    of_model("zeros", "#{q = 0}", "strings", "strings of P with probability 0 in float64", _zeros, law="", exact=True),
]  # fmt: skip
