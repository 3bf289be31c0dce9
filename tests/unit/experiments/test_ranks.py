"""Rank correlations against scipy and against regressions of ranks, and how often their intervals over worlds cover."""

import math

import numpy as np
import pytest
from scipy import stats

from experiments.ranks import advantage, partial_rank_correlation, rank_correlation, ranks


def draws(number: int = 40):
    """Three lists each, with and without ties, of several lengths."""
    dice = np.random.default_rng(0)
    for turn in range(number):
        size = int(dice.integers(4, 20))
        x = dice.standard_normal(size)
        y, g = x + dice.standard_normal(size), 0.5 * x + dice.standard_normal(size)
        yield (np.round(x), np.round(y), np.round(g)) if turn % 2 else (x, y, g)


def test_ranks_and_their_correlation_are_those_of_scipy():
    for x, y, _ in draws():
        np.testing.assert_array_equal(ranks(x), stats.rankdata(x))
        if np.ptp(x) and np.ptp(y):
            assert rank_correlation(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


def residual(of: np.ndarray, on: np.ndarray) -> np.ndarray:
    """What a least-squares line leaves of one list, by the pseudo-inverse."""
    design = np.stack([np.ones(len(on)), on], axis=1)
    return of - design @ (np.linalg.pinv(design) @ of)


def test_a_partial_rank_correlation_is_that_of_residuals_of_ranks():
    for x, y, g in draws():
        one, other = (residual(stats.rankdata(values), stats.rankdata(g)) for values in (x, y))
        if np.ptp(x) and np.ptp(y) and np.ptp(g) and min(one @ one, other @ other) > 1e-9:
            wanted = stats.pearsonr(one, other).statistic
            assert partial_rank_correlation(x, y, g) == pytest.approx(wanted, abs=1e-9)


def test_where_nothing_is_left_the_partial_correlation_is_zero():
    x, y = np.arange(6.0), np.array([2.0, 1.0, 4.0, 3.0, 6.0, 5.0])
    assert partial_rank_correlation(x, y, np.exp(x)) == 0.0
    assert partial_rank_correlation(x, y, -x) == 0.0
    assert partial_rank_correlation(y, x**3, x) == 0.0
    assert advantage(x, np.exp(x), y) == pytest.approx(1.0)  # the same order, so the rival adds nothing
    assert advantage(x, y, np.exp(x)) == pytest.approx(-1.0)


def test_what_does_not_vary_has_no_rank_correlation():
    x, still = np.arange(5.0), np.ones(5)
    assert math.isnan(rank_correlation(x, still))
    for three in ((x, x[::-1], still), (x, still, x[::-1]), (still, x, x[::-1])):
        assert math.isnan(partial_rank_correlation(*three))
    assert math.isnan(advantage(x, still, x[::-1]))


def test_a_monotone_function_changes_no_rank_correlation():
    for x, y, g in draws():
        if np.ptp(x) and np.ptp(y) and np.ptp(g):
            assert advantage(np.exp(x), y**3, np.arctan(g)) == pytest.approx(advantage(x, y, g), nan_ok=True)
