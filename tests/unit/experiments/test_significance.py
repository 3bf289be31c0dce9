"""P-values against scipy's tests and against the verdicts; Holm's correction by definition and by simulation."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from experiments.significance import holm, p_mean, p_values
from experiments.statistics import judged

DICE = np.random.default_rng(11)


@pytest.mark.parametrize("size", [2, 5, 12, 30])
@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.7])
def test_the_p_value_of_a_mean_is_that_of_scipy(size: int, threshold: float) -> None:
    x = DICE.normal(0.3, 1.0, size)
    above, below = p_mean(x, threshold)
    for found, alternative in ((above, "greater"), (below, "less")):
        wanted = min(1.0, 2 * stats.ttest_1samp(x, threshold, alternative=alternative).pvalue)
        assert found == pytest.approx(wanted, rel=1e-9)


def test_values_without_spread_and_single_values() -> None:
    assert p_mean([1.0, 1.0], 0.5) == (0.0, 1.0)
    assert p_mean([1.0, 1.0], 1.0) == (1.0, 1.0)
    assert p_mean([5.0]) == p_mean([1.0, 2.0, np.inf]) == (1.0, 1.0)


KINDS = [
    ("sign", None, 0.2, None), ("sign", -1.0, 0.0, None), ("sign", 2.0, 0.0, None), ("equality", 0.3, 0.0, 0.5),
    ("bound", 0.0, 0.0, 0.6), ("slope", 1.0, 0.0, 0.2),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "predicted", "threshold", "margin"), KINDS)
def test_a_p_value_is_below_5_percent_exactly_where_the_verdict_says_so(kind, predicted, threshold, margin) -> None:
    """Below 20 worlds, where the interval is Student's."""
    seen = set()
    for _ in range(150):
        lower = DICE.normal(DICE.normal(0.0, 1.5), DICE.choice([0.05, 0.5]), 6)
        upper = lower + DICE.choice([0.0, 0.1])
        verdict, _ = judged(kind, lower, upper, predicted, threshold, margin, False)
        holds, refuted = p_values(kind, lower, upper, predicted, threshold, margin)
        assert (holds <= 0.05, refuted <= 0.05) == (verdict == "holds", verdict == "refuted")
        seen.add(verdict)
    assert {"holds", "refuted"} <= seen


def test_an_ordering_has_the_p_value_of_its_worst_step() -> None:
    seen = set()
    for _ in range(100):
        columns = np.cumsum(DICE.normal(DICE.choice([-1.0, 0.3, 1.0]), 0.4, (3, 5)), axis=0)
        verdict, _ = judged("ordering", columns, columns, None, 0.0, None, False)
        holds, refuted = p_values("ordering", columns, columns, None, 0.0, None)
        assert (holds <= 0.05, refuted <= 0.05) == (verdict == "holds", verdict == "refuted")
        seen.add(verdict)
    assert {"holds", "refuted", "undecided"} <= seen


def test_a_report_decides_nothing() -> None:
    assert p_values("report", np.ones(3), np.ones(3), None, 0.0, None) == (1.0, 1.0)


def closed_testing(p: list[float]) -> list[float]:
    """Holm's adjusted p-values by the closure principle: the largest Bonferroni p-value of any family with it."""
    every = range(len(p))
    families = [family for size in range(1, len(p) + 1) for family in combinations(every, size)]
    return [max(min(1.0, len(one) * min(p[at] for at in one)) for one in families if this in one) for this in every]


def test_holm_is_closed_testing_with_bonferroni() -> None:
    assert holm([]) == []
    for _ in range(50):
        p = DICE.uniform(size=5) ** 3
        assert holm(p.tolist()) == pytest.approx(closed_testing(p.tolist()))


def test_a_claim_with_true_predictions_is_seldom_refuted_and_a_wrong_one_is_found() -> None:
    """Ten equalities in five worlds: 5 % of claims at most are refuted by chance; without Holm it would be more.

    If one of the ten is off by four margins (so by the effect that is announced) it is found nearly always.
    """
    number, worlds, margin = 10, 5, 0.25
    edge = DICE.normal(margin, 0.1, (400, number, worlds))  # each true mean lies on the edge of its margin
    refuted = np.array([[p_values("equality", x, x, 0.0, 0.0, margin)[1] for x in claim] for claim in edge])
    assert (np.array([holm(row.tolist()) for row in refuted]) <= 0.05).any(axis=1).mean() <= 0.08
    assert (refuted <= 0.05).any(axis=1).mean() > 0.15
    wrong = edge[:60].copy()
    wrong[:, 3] += 3 * margin
    found = [holm([p_values("equality", x, x, 0.0, 0.0, margin)[1] for x in claim])[3] <= 0.05 for claim in wrong]
    assert np.mean(found) > 0.9
