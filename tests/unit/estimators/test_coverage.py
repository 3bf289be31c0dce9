"""Intervals of estimates: their formulas by mpmath and scipy, and their coverage over all samples of small laws.

Coverage over all samples is a finite sum and no simulation, so that a proved interval has to hold its level exactly.
"""

import functools
import itertools
import math

import mpmath
import numpy as np
import pytest
from scipy import stats

from sim.estimators._found import METHODS, Found
from sim.estimators._intervals import STEADY, bernstein, student
from sim.estimators._sample import NOTHING, Known, Sample
from sim.estimators.counts import entropy_bounds, of_chao1, of_plug_in, plug_in_entropy
from sim.estimators.good_turing import missing_mass, of_missing_mass, of_simpson
from sim.estimators.monte_carlo import monte_carlo_entropy
from sim.estimators.rao_blackwell import rao_blackwell_entropy, rao_blackwell_kl
from sim.estimators.schulman import k1, k2, k3
from sim.estimators.table import estimates, estimators

LAWS = ((0.5, 0.3, 0.2), (0.98, 0.01, 0.01), (0.34, 0.33, 0.33), (0.7, 0.2999, 0.0001))
OTHER = np.array([0.3, 0.3, 0.4])
LEVELS = (0.3, 0.6, 0.9, 0.99)
SHIFT = np.array([0.1, -0.3])
SIZES = (2, 5, 13, 30)


@functools.cache
def every(law: tuple[float, ...], n: int) -> tuple[np.ndarray, np.ndarray]:
    """All counts of n draws out of three strings, int64[M, 3], and their probabilities."""
    rows = np.array([(a, b, n - a - b) for a, b in itertools.product(range(n + 1), repeat=2) if a + b <= n], np.int64)
    return rows, stats.multinomial(n, law).pmf(rows)


def sample(law: tuple[float, ...], n: int, known: Known | None = None) -> tuple[Sample, np.ndarray]:
    """All samples of n draws, with all that is known of the two laws, and their probabilities."""
    rows, weights = every(law, n)
    log_q, log_p = np.log(law), np.log(OTHER)
    ratios = log_q - log_p
    sums = -log_q / 2.0
    known = known or Known(3, (float(ratios.min()), float(ratios.max())), 0.0, float(sums.max()), float(sums.max()))
    return Sample(rows, log_q, log_p, sums, sums, known), weights


def covered(found: Found, truth: np.ndarray | float, weights: np.ndarray) -> float:
    inside = (found.lower <= np.asarray(truth) + 1e-12) & (np.asarray(truth) <= found.upper + 1e-12)
    return math.fsum(weights[inside]) + 1e-9  # the probabilities are rounded


def proved_only(found: Found, weights: np.ndarray) -> bool:
    return bool((found.method[weights > 1e-9] == METHODS.index("proved")).all())


@pytest.mark.parametrize("law", LAWS)
def test_proved_intervals_of_counts_hold_their_level(law: tuple[float, ...]) -> None:
    p = np.array(law)
    entropy, collision = float(stats.entropy(p)), float((p**2).sum())
    for n, level in itertools.product(SIZES, LEVELS):
        some, weights = sample(law, n)
        unknown = Sample(some.counts)
        missed = (some.counts == 0) @ p
        assert covered(of_plug_in(some, level), entropy, weights) >= level
        assert covered(of_plug_in(unknown, level), entropy, weights) >= level
        assert covered(of_missing_mass(some, level), missed, weights) >= level
        assert covered(of_simpson(some, level), collision, weights) >= level
        assert covered(of_chao1(some, level), 3.0, weights) > 1.0


@pytest.mark.parametrize("law", LAWS)
def test_reported_intervals_of_means_hold_their_level(law: tuple[float, ...]) -> None:
    """Where a law is too uneven for Student's t, as these are at such sizes, only proved intervals are reported."""
    q = np.array(law)
    entropy, divergence = float(stats.entropy(q)), float(stats.entropy(q, OTHER))
    half = float(q @ -np.log(q)) / 2.0
    for n, level in itertools.product(SIZES[:3], LEVELS):
        some, weights = sample(law, n)
        sums = Sample(some.counts, entropies=some.entropies, divergences=some.divergences, known=Known(
            path_entropy=some.known.path_entropy, path_kl=some.known.path_kl))  # fmt: skip
        for measure, truth in ((monte_carlo_entropy, entropy), (rao_blackwell_entropy, half), (rao_blackwell_kl, half),
                               (k1, divergence), (k2, divergence), (k3, divergence)):  # fmt: skip
            found = measure(sums if truth == half else some, level)
            if proved_only(found, weights):
                assert covered(found, truth, weights) >= level, (measure, n, level)


def test_intervals_by_t_have_the_level_they_say() -> None:
    """Exact coverage at n = 200, where n sd² >= 25 width² decides: within 0.015 of the level."""
    law, level = (0.5, 0.3, 0.2), 0.95
    some, weights = sample(law, 200)
    found = k1(some, level)
    by_t = found.method == METHODS.index("t")
    assert math.fsum(weights[by_t]) > 0.9
    assert covered(found, float(stats.entropy(law, OTHER)), weights) == pytest.approx(level, abs=0.015)


def test_students_t_is_left_where_the_draws_are_uneven() -> None:
    """n sd² >= 25 width², with the width that is known and not the one that was seen."""
    rows = np.array([[100, 0], [60, 40], [99, 1]])
    log_q = np.log([0.5, 0.5])
    known = Known(log_ratio=(-0.1, 0.3), unreached=0.0)
    found = k1(Sample(rows, log_q, log_q + SHIFT, known=known))
    sd = np.sqrt(100 / 99 * np.array([0.0, 0.24, 0.0099])) * 0.4
    assert (100 * sd**2 >= STEADY * 0.4**2).tolist() == [False, False, False]
    assert [METHODS[one] for one in found.method] == ["proved"] * 3
    wide = k1(Sample(3 * rows, log_q, log_q + SHIFT, known=known))
    assert [METHODS[one] for one in wide.method] == ["proved", "t", "proved"]
    assert float(wide.lower[1]) == float(wide.usual_lower[1])


def test_what_is_not_known_has_no_interval() -> None:
    some, _ = sample(LAWS[0], 13, known=Known())
    for measure in (monte_carlo_entropy, rao_blackwell_entropy, rao_blackwell_kl, k1, k2, k3):
        found = measure(some)
        assert (found.method == METHODS.index("none")).all()
        assert (found.lower <= 0.0).all()
        assert (found.upper == math.inf).all()
        assert np.isfinite(found.usual_lower[1]), "the interval of the literature is there all the same"
    ratio = Known(log_ratio=(-1.0, 1.0))
    for measure in (k2, k3):  # what q cannot write is not known
        assert (measure(sample(LAWS[0], 13, known=ratio)[0]).method == METHODS.index("none")).all()
    assert (of_plug_in(Sample(some.counts)).upper == math.inf).all()
    assert (of_plug_in(Sample(some.counts)).lower > -math.inf).all()


def test_what_q_cannot_write_widens_the_intervals_of_k2_and_k3() -> None:
    some, _ = sample((0.5, 0.3, 0.2), 13)
    known = Known(3, some.known.log_ratio, 0.25)
    wider = Sample(some.counts, some.log_q, some.log_p, known=known)
    narrow = Sample(some.counts, some.log_q, some.log_p, known=Known(3, (-9.0, 9.0), 0.0))
    for measure in (k2, k3):
        one, other = measure(some), measure(wider)
        np.testing.assert_array_equal(one.lower, other.lower)
        top = some.known.log_ratio[1] if some.known.log_ratio else math.inf
        np.testing.assert_allclose(np.minimum(one.upper + 0.25, top), other.upper)
        assert (measure(narrow).upper >= one.upper).all(), "wider ratios"


# -- formulas ---------------------------------------------------------------------------------------------------------


def test_bernsteins_bound_is_that_of_the_paper() -> None:
    """For values in [0, 1] and one side: √(2 V log(2/δ)/n) + 7 log(2/δ)/(3(n − 1)), here with δ = error/2."""
    values = np.array([0.0, 0.25, 0.5, 1.0, 1.0])
    delta = mpmath.mpf("0.05") / 2
    log = mpmath.log(2 / delta)
    half = mpmath.sqrt(2 * mpmath.mpf(float(values.var(ddof=1))) * log / 5) + 7 * log / (3 * 4)
    low, high = bernstein(np.array(values.mean()), np.array(values.std(ddof=1)), 5, 1.0, 0.05)
    assert float(high - low) == pytest.approx(float(2 * half), rel=1e-14)
    wide = bernstein(np.array(3 * values.mean()), np.array(3 * values.std(ddof=1)), 5, 3.0, 0.05)
    np.testing.assert_allclose(wide, [3 * low, 3 * high], rtol=1e-14)


def test_students_interval_is_that_of_scipy() -> None:
    values = np.array([0.3, 0.4, 0.9, 1.1])
    wanted = stats.ttest_1samp(values, 0.0).confidence_interval(0.9)
    found = student(np.array(values.mean()), np.array(values.std(ddof=1)), 4, 0.9)
    np.testing.assert_allclose(found, [wanted.low, wanted.high], rtol=1e-12)
    assert [float(one) for one in student(np.array(1.0), np.array(np.nan), 1, 0.9)] == [-math.inf, math.inf]


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_one_draw_moves_the_plug_in_entropy_by_at_most_that_of_one_in_n(n: int) -> None:
    """The constant of McDiarmid's inequality, over all samples of four strings and all exchanges."""
    most = 0.0
    for one in itertools.product(range(4), repeat=n):
        base = float(plug_in_entropy(np.bincount(one, minlength=4)))
        for other in range(4):
            most = max(most, abs(base - float(plug_in_entropy(np.bincount((other, *one[1:]), minlength=4)))))
    assert most == pytest.approx(float(stats.entropy([1 / n, 1 - 1 / n])), rel=1e-12, abs=1e-15)
    low, high = entropy_bounds(Sample(np.array([n, 0, 0])), 0.8)
    assert float(low) == 0.0
    assert float(high) == math.inf


@pytest.mark.parametrize("law", LAWS)
def test_the_mean_of_the_plug_in_entropy_lies_between_its_bounds(law: tuple[float, ...]) -> None:
    for n in SIZES:
        rows, weights = every(law, n)
        mean = math.fsum(weights * plug_in_entropy(rows))
        assert -1e-12 <= stats.entropy(law) - mean <= math.log1p(2 / n)


@pytest.mark.parametrize("law", LAWS)
def test_the_missing_mass_is_as_concentrated_as_the_proof_says(law: tuple[float, ...]) -> None:
    """log E exp(s (M − E M)) <= s²/4n for both signs of s, and the mean of Good–Turing is near that of M."""
    for n in SIZES:
        rows, weights = every(law, n)
        missed = (rows == 0) @ np.array(law)
        mean = math.fsum(weights * missed)
        for s in (-40.0, -5.0, -0.5, 0.5, 5.0, 40.0):
            assert math.log(math.fsum(weights * np.exp(s * (missed - mean)))) <= s * s / (4 * n) + 1e-9
        bias = math.fsum(weights * missing_mass(rows)) - mean
        assert -1e-12 <= bias <= (1 - 1 / n) ** (n - 1) / n + 1e-12


def test_the_step_of_the_proof_about_one_string() -> None:
    """(1 − 2w)/log((1 − w)/w) <= 1/log(1/w) on a fine grid, also next to 0, 1/2 and 1, in 50 digits."""
    with mpmath.workdps(50):
        grid = [mpmath.mpf(k) / 1000 for k in range(1, 1000) if k != 500]
        for w in (*grid, mpmath.mpf("1e-30"), mpmath.mpf("0.5") + mpmath.mpf("1e-12"), 1 - mpmath.mpf("1e-30")):
            assert (1 - 2 * w) / mpmath.log((1 - w) / w) <= 1 / mpmath.log(1 / w), w


def test_estys_interval() -> None:
    """f_1/n ± z √((f_1 (n − f_1) + 2n f_2)/n³), as scikit-bio documents it; by hand for f_1 = 3, f_2 = 2, n = 12."""
    found = of_missing_mass(Sample(np.array([1, 1, 1, 2, 2, 5])))
    half = stats.norm.ppf(0.975) * math.sqrt((3 * 9 + 2 * 12 * 2) / 12**3)
    assert float(found.usual_upper) == pytest.approx(0.25 + half, rel=1e-12)
    assert float(found.usual_lower) == pytest.approx(0.25 - half, rel=1e-12)


def test_the_usual_interval_of_an_entropy_of_counts() -> None:
    found = of_plug_in(Sample(np.array([6, 3, 1])), 0.9)
    p = np.array([0.6, 0.3, 0.1])
    spread = (p * (np.log(p) + stats.entropy(p)) ** 2).sum()
    half = stats.norm.ppf(0.95) * math.sqrt(spread / 10)
    assert float(found.usual_upper - found.usual_lower) == pytest.approx(2 * half, rel=1e-10)


# -- all of them ------------------------------------------------------------------------------------------------------


def test_every_estimator_says_what_it_is() -> None:
    every_one = estimators()
    assert len({(one.name, one.target) for one in every_one}) == len(every_one) >= 12
    for one in every_one:
        assert one.bias
        assert one.symbol
        assert "Source" in str(one.measure.__doc__) or "`" in str(one.measure.__doc__) or one.target == "KL(q‖p)"


def test_estimates_of_one_sample() -> None:
    some, _ = sample(LAWS[0], 13)
    found = estimates(Sample(some.counts[40], some.log_q, some.log_p, some.entropies, some.divergences, some.known))
    assert [one.estimator for one in found] == estimators()
    for one in found:
        assert one.quantity.kind == one.usual.kind == "estimated"
        assert one.quantity.value == one.usual.value
        assert one.quantity.method in METHODS
        assert one.quantity.count == 13
    counts_alone = estimates(Sample(np.array([1])))
    assert {one.estimator.target for one in counts_alone} == {"H(q)", "N", "missing mass"}, "Simpson needs two draws"
    with pytest.raises(ValueError, match=r"the counts of one sample are required, found \(2,\) samples"):
        estimates(Sample(np.array([[1, 2], [2, 1]])))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"counts": np.array([[1, 1], [2, 1]])}, "samples of one size are required, found 2 and 3 draws"),
     ({"log_q": np.array([0.0, 0.1])}, "log_q: numbers of at most 0 are required, found"),
     ({"log_q": np.array([0.0, -np.inf])}, "log_q: a positive probability of every drawn string is required"),
     ({"log_p": np.array([0.0, np.nan])}, "log_p: numbers of at most 0 are required"),
     ({"entropies": np.array([0.0, -1.0])}, "entropies: numbers of at least 0 are required"),
     ({"divergences": np.array([0.0])}, r"divergences: shape \(2,\) is required, found \(1,\)")],
)  # fmt: skip
def test_what_is_no_sample_is_refused(wrong: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sample(**{"counts": np.array([1, 2]), **wrong})


def test_what_is_known_wrongly_is_refused() -> None:
    """A draw beyond the known range shows that an interval which rests on it would be wrong."""
    log_q, log_p = np.log([0.5, 0.5]), np.log([0.1, 0.9])
    narrow = Known(1, (-0.1, 0.1), 0.0, 0.5, 0.5)
    some = Sample(np.array([3, 2]), log_q, log_p, np.array([0.4, 0.6]), np.array([0.4, 0.6]), narrow)
    for measure in (k1, k2, k3, rao_blackwell_entropy, rao_blackwell_kl):
        with pytest.raises(ValueError, match=r"known: draws from .* are required, found one of"):
            measure(some)
    with pytest.raises(ValueError, match="at least the 2 different strings that were drawn are required, found 1"):
        of_plug_in(some)
    monte_carlo_entropy(some)  # its range is a bound on what is likely
    exact = Known(log_ratio=(float((log_q - log_p).min()), float((log_q - log_p).max())), unreached=0.0)
    assert (k1(Sample(some.counts, log_q, log_p, known=exact)).method == METHODS.index("proved")).all()


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, math.nan])
def test_a_level_that_is_none_is_refused(level: float) -> None:
    for one in estimators():
        some, _ = sample(LAWS[0], 5, NOTHING)
        with pytest.raises(ValueError, match="level: a number between 0 and 1 is required"):
            one.measure(some, level)
