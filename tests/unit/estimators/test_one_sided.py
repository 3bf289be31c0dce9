"""Lower ends of means, and intervals of probabilities: their level holds over all samples of small laws."""

import math

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from sim.estimators._binomial import clopper_pearson
from sim.estimators._one_sided import WIDTHS, lower_mean

ERROR = 0.05


@pytest.mark.parametrize("value", [0.3, 1000.0])
@pytest.mark.parametrize("share", [1e-3, 0.02, 0.4])
@pytest.mark.parametrize("n", [30, 150])
def test_the_end_is_wrong_in_few_of_all_samples(value: float, share: float, n: int) -> None:
    """A law on 0 and one value: the number of draws of the value is binomial, so all samples can be weighed."""
    wrong = 0.0
    for held in range(n + 1):
        end = lower_mean(np.array([value] * held + [0.0] * (n - held)), 0.0, ERROR)
        wrong += float(binom.pmf(held, n, share)) * (end > value * share)
    assert wrong <= ERROR


def test_the_end_comes_near() -> None:
    rng = np.random.default_rng(0)
    for scale in (0.01, 1.0, 30.0):
        values = rng.exponential(scale, 10_000)
        assert 0.9 * scale - 0.01 < lower_mean(values, 0.0, ERROR) < scale
    assert lower_mean(values - 14.0, -14.0, ERROR) == pytest.approx(lower_mean(values, 0.0, ERROR) - 14.0, abs=1e-12)
    tight = lower_mean(np.full(1_000, 2.0), 0.0, ERROR)
    assert 2.0 - 7.0 * 2.0 * math.log(2 * len(WIDTHS) / ERROR) / (3 * 999) == pytest.approx(tight, abs=1e-12)


def test_a_rare_large_value_only_raises_it() -> None:
    values = np.ones(500)
    values[0] = math.inf
    assert 0.8 < lower_mean(values, 0.0, ERROR) < 5.0  # an infinite draw is cut like others
    assert lower_mean(np.array([3.0]), 0.0, ERROR) == 0.0
    assert lower_mean(values, 0.0, 0.5) > lower_mean(values, 0.0, 0.01)


@pytest.mark.parametrize(("values", "error"), [([], 0.1), ([-1.0], 0.1), ([math.nan], 0.1), ([1.0], 0.0)])
def test_what_is_no_sample_is_refused(values: list[float], error: float) -> None:
    with pytest.raises(ValueError, match="required"):
        lower_mean(np.array(values), 0.0, error)


def test_the_interval_of_a_probability_is_that_of_scipy() -> None:
    for held, number, level in ((0, 7, 0.9), (7, 7, 0.99), (3, 40, 0.95), (999, 1000, 0.5)):
        wanted = binomtest(held, number).proportion_ci(level, "exact")
        assert clopper_pearson(held, number, level) == pytest.approx((wanted.low, wanted.high), rel=1e-9)
    assert clopper_pearson(0, 0) == (0.0, 1.0)
