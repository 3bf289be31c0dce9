"""The study of estimators: its laws are exact, its biases are those of all samples, and its coverage is repeatable."""

import math
import sys

import numpy as np
import polars as pl
import pytest
from scipy.stats import entropy, multinomial

from experiments.estimators.cells import cells, clopper_pearson, coverage, drawn, truth
from experiments.estimators.exact import bias
from experiments.estimators.pairs import Pair, pairs, truncated
from experiments.estimators.worlds import SCHEMA, exact, resampled, skewness, worlds
from sim.estimators._sample import Known, Sample
from sim.estimators.table import estimators
from tests.unit.figures.tiny_studies import tables

PAIRS = list(pairs())


def small() -> Pair:
    """Three strings, one of which q cannot write."""
    log_q, log_p = np.array([math.log(0.7), math.log(0.3), -np.inf]), np.log([0.2, 0.3, 0.5])
    sums = np.array([0.5, 0.8, 0.0])
    known = Known(2, (0.0, math.log(3.5)), 0.5, 1.0, 1.0)
    true = {"H(q)": float(entropy([0.7, 0.3])), "KL(q‖p)": 0.7 * math.log(3.5), "C(q)": 0.58, "N": 2.0}
    return Pair("small", "none", "", log_q, log_p, sums, sums, known, true)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda one: one.name)
def test_the_laws_are_exact(pair: Pair) -> None:
    """Truths by scipy from the probabilities alone; the sums along positions have the same means, by the chain rule."""
    q, p = np.exp(pair.log_q), np.exp(pair.log_p)
    assert q.sum() == pytest.approx(1.0, abs=1e-12)
    assert p.sum() == pytest.approx(1.0, abs=1e-12)
    assert pair.truth["H(q)"] == pytest.approx(float(entropy(q)), rel=1e-12)
    assert pair.truth["KL(q‖p)"] == pytest.approx(float(entropy(q, p)), rel=1e-12)
    assert pair.truth["C(q)"] == pytest.approx(float(q @ q), rel=1e-12)
    alive = q > 0
    assert q @ pair.entropies == pytest.approx(float(entropy(q)), rel=1e-12)
    if np.isfinite(pair.truth["KL(q‖p)"]):
        assert q[alive] @ pair.divergences[alive] == pytest.approx(float(entropy(q, p)), rel=1e-11)
    known = pair.known
    assert known.size == alive.sum()
    assert known.unreached == pytest.approx(float(p[~alive].sum()), abs=1e-12)
    assert known.path_entropy is not None
    assert known.path_entropy >= pair.entropies.max()


def test_truncation_keeps_the_likeliest() -> None:
    law = np.log([0.1, 0.4, 0.2, 0.3])
    np.testing.assert_allclose(np.exp(truncated(law, 0.5)), [0.0, 4 / 7, 0.0, 3 / 7])
    np.testing.assert_allclose(np.exp(truncated(law, 0.3)), [0.0, 1.0, 0.0, 0.0])


@pytest.mark.parametrize("n", [2, 3, 6])
def test_exact_biases_are_sums_over_all_samples(n: int) -> None:
    pair = small()
    rows = np.array([(k, n - k, 0) for k in range(n + 1)], np.int64)
    weights = multinomial(n, [0.7, 0.3, 0.0]).pmf(rows)
    sample = Sample(rows, pair.log_q, pair.log_p, pair.entropies, pair.divergences, pair.known)
    known = 0
    for one in estimators():
        found = bias(pair, one, n)
        if found is not None:
            known += 1
            error = one.measure(sample, 0.95).value - truth(pair, one, sample, np.exp(pair.log_q))
            assert found == pytest.approx(math.fsum(weights * error), abs=1e-12), one.name
    assert known == len(estimators()) - 2, "all but Chao–Shen and Chao1"


def test_the_recorded_biases_agree_with_the_exact_ones() -> None:
    """672 rows; a difference above six standard errors has a probability below 2e-9 each, where errors are normal.

    k3 of the gated law and its kin have a few large values, so rows of fewer than 1,000 strings are left out.
    """
    own = tables("estimators")["cells"].drop_nulls(["bias", "bias_exact"]).filter(pl.col("n") >= 1_000)
    assert own.height > 200
    far = (own["bias"] - own["bias_exact"]).abs() > 6.0 * own["bias_error"] + 1e-12
    assert not far.any()


def test_the_recorded_numbers_come_out_again() -> None:
    """Another seed, 300 samples of 30: shares differ by at most five standard errors; false alarms below 1e-5."""
    recorded = tables("estimators")["cells"].filter(language="brackets", pair="truncated", n=30)
    again = cells(PAIRS[2], 12345, (30,), 300)
    assert again.columns == recorded.columns
    assert again["estimator"].to_list() == recorded["estimator"].to_list()
    for one in ("usual", "covered"):
        shares = recorded[one].to_numpy()
        error = np.sqrt(np.maximum(shares * (1 - shares), 1e-3) * (1 / 300 + 1 / 2000))
        assert (np.abs(again[one].to_numpy() - shares) <= 5.0 * error).all(), one
    np.testing.assert_allclose(again["sd"], recorded["sd"], rtol=0.35, atol=1e-12)


def test_coverage_counts_what_holds_the_truth() -> None:
    lower, upper = np.array([0.0, 2.0, np.inf, -np.inf]), np.array([1.0, 3.0, np.inf, np.inf])
    share, low, high, width = coverage(lower, upper, np.array([1.0, 1.0, np.inf, 5.0]))
    assert (share, width) == (0.75, 1.0)
    assert (low, high) == clopper_pearson(3, 4)
    assert list(coverage(lower[:0], upper[:0], lower[:0])) == [None] * 4


def test_shares_have_the_interval_of_clopper_and_pearson() -> None:
    from scipy.stats import binomtest

    for held, number in ((0, 9), (3, 9), (9, 9)):
        wanted = binomtest(held, number).proportion_ci(0.95, "exact")
        assert clopper_pearson(held, number) == pytest.approx((wanted.low, wanted.high), rel=1e-9)


def test_the_missing_mass_is_that_of_each_sample() -> None:
    sample, law = drawn(small(), 3, 50, np.random.default_rng(0))
    (one,) = (one for one in estimators() if one.name == "Good–Turing")
    wanted = [sum(p for p, count in zip(law, row, strict=True) if count == 0) for row in sample.counts]
    np.testing.assert_allclose(truth(small(), one, sample, law), wanted)


def test_populations_of_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules[exact.__module__]
    monkeypatch.setattr(module, "SEEDS", 3)
    populations = exact()
    assert all(len(values) == 3 and np.ptp(values) > 0 for values in populations.values())
    published = list(resampled())
    assert len(published) == 100
    assert all(len(values) == 12 for _, values in published)
    assert skewness(np.array([0.0, 0.0, 3.0])) == pytest.approx(1 / math.sqrt(2))
    monkeypatch.setattr(module, "resampled", lambda: iter(published[:1]))
    monkeypatch.setattr(module, "NUMBERS", {5: 40})
    found = worlds(scale=0.5)
    assert found.schema == SCHEMA
    assert found.height == len(populations) + 2
    assert set(found["method"]) == {"t"}
