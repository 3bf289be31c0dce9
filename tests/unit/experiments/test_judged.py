"""Verdicts against closed forms: Student's t and the two one-sided tests of scipy, for exact and for bounded numbers.

Three seeds at m - d, m, m + d have the mean m and the standard deviation d, so that d gives any width of the interval.
"""

import math
from collections.abc import Iterator
from typing import get_args

import numpy as np
import pytest
from scipy import stats

from experiments.checks import Kind
from experiments.predictions import Case, Prediction, Tables
from experiments.statistics import Verdict, both_ends, interval, judged
from sim.quantity import Quantity

HALF_95 = float(stats.t.ppf(0.975, 2)) / math.sqrt(3)
"""Half of the 95 % interval of three seeds, in standard deviations; it is 2.48."""

HALF_90 = float(stats.t.ppf(0.95, 2)) / math.sqrt(3)
"""Half of the 90 % interval of three seeds, in standard deviations; it is 1.69."""


def seeds(mean: float, half: float, of: float = HALF_95) -> np.ndarray:
    """Three seeds whose interval is mean ± half: that at 95 %, or that at 90 % with HALF_90."""
    return mean + half / of * np.array([-1.0, 0.0, 1.0])


def columns(*means: float, half: float) -> np.ndarray:
    """[K, 3]: columns whose steps have the interval step ± half at 95 %, since every second one is constant."""
    return np.stack([seeds(mean, half if at % 2 else 0.0) for at, mean in enumerate(means)])


# What is predicted (predicted, threshold, margin, by_lower) and the bounds of the numbers, then the verdict.
GOLDEN = [
    # sign, above a threshold
    ("sign", seeds(1.0, 0.9), None, (None, 0.0, None, False), "holds"),
    ("sign", seeds(1.0, 1.1), None, (None, 0.0, None, False), "undecided"),
    ("sign", seeds(-1.0, 0.9), None, (None, 0.0, None, False), "refuted"),
    ("sign", seeds(1.0, 0.4), None, (None, 0.5, None, False), "holds"),
    ("sign", seeds(1.0, 0.6), None, (None, 0.5, None, False), "undecided"),
    ("sign", seeds(0.0, 0.4), None, (None, 0.5, None, False), "refuted"),
    # sign, on the side of 0 of the predicted value, which may be far away
    ("sign", seeds(-1.0, 0.9), None, (-7.0, 0.0, None, False), "holds"),
    ("sign", seeds(-1.0, 1.1), None, (-7.0, 0.0, None, False), "undecided"),
    ("sign", seeds(1.0, 0.9), None, (-7.0, 0.0, None, False), "refuted"),
    ("sign", seeds(1.0, 0.9), None, (7.0, 0.0, None, False), "holds"),
    # sign of a number between two bounds: both must agree
    ("sign", seeds(1.0, 0.9), seeds(3.0, 0.9), (None, 0.0, None, False), "holds"),
    ("sign", seeds(-1.0, 0.9), seeds(1.0, 0.9), (None, 0.0, None, False), "undecided"),
    ("sign", seeds(0.5, 0.9), seeds(3.0, 0.9), (None, 0.0, None, False), "undecided"),
    ("sign", seeds(-3.0, 0.9), seeds(-1.0, 0.9), (None, 0.0, None, False), "refuted"),
    ("sign", seeds(-3.0, 0.9), seeds(-1.0, 0.9), (-1.0, 0.0, None, False), "holds"),
    # decided by the lower bound: it is enough to hold, the upper one is needed to refute
    ("sign", seeds(1.0, 0.9), np.full(3, np.inf), (None, 0.0, None, True), "holds"),
    ("sign", seeds(0.5, 0.9), seeds(9.0, 0.9), (None, 0.0, None, True), "undecided"),
    ("sign", seeds(-1.0, 0.9), seeds(1.0, 0.9), (None, 0.0, None, True), "undecided"),
    ("sign", seeds(-1.0, 0.9), np.full(3, np.inf), (None, 0.0, None, True), "undecided"),
    ("sign", seeds(-3.0, 0.9), seeds(-1.0, 0.9), (None, 0.0, None, True), "refuted"),
    # equality, slope, exponent: the 90 % interval within predicted ± margin, or the 95 % interval outside
    *(
        row
        for kind, value in (("equality", 0.0), ("slope", 1.0), ("exponent", -1.0))
        for row in (
            (kind, seeds(value + 0.05, 0.04, HALF_90), None, (value, 0.0, 0.1, False), "holds"),
            (kind, seeds(value - 0.05, 0.06, HALF_90), None, (value, 0.0, 0.1, False), "undecided"),
            (kind, seeds(value, 0.2), None, (value, 0.0, 0.1, False), "undecided"),
            (kind, seeds(value + 0.2, 0.09), None, (value, 0.0, 0.1, False), "refuted"),
            (kind, seeds(value - 0.2, 0.09), None, (value, 0.0, 0.1, False), "refuted"),
            (kind, seeds(value - 0.2, 0.11), None, (value, 0.0, 0.1, False), "undecided"),
            (kind, seeds(value - 0.05, 0.01), seeds(value + 0.05, 0.01), (value, 0.0, 0.1, False), "holds"),
            (kind, seeds(value, 0.01), seeds(value + 0.5, 0.01), (value, 0.0, 0.1, False), "undecided"),
            (kind, seeds(value + 0.4, 0.01), seeds(value + 0.5, 0.01), (value, 0.0, 0.1, False), "refuted"),
            (kind, seeds(value + 0.4, 0.01), np.full(3, np.inf), (value, 0.0, 0.1, True), "undecided"),
        )
    ),
    # bound: the least of all runs, without an interval
    ("bound", np.array([0.3, -0.1, 5.0]), None, (0.0, 0.0, 0.2, False), "holds"),
    ("bound", np.array([0.3, -0.3, 5.0]), None, (0.0, 0.0, 0.2, False), "refuted"),
    ("bound", np.array([0.3, -0.1]), np.array([0.4, 0.1]), (0.0, 0.0, 0.2, False), "holds"),
    ("bound", np.array([0.3, -0.3]), np.array([0.4, 0.1]), (0.0, 0.0, 0.2, False), "undecided"),
    ("bound", np.array([0.3, -0.4]), np.array([0.4, -0.3]), (0.0, 0.0, 0.2, False), "refuted"),
    # ordering: two steps, each at 97.5 %, whose interval is 1.44 times as wide as at 95 %
    ("ordering", columns(0.0, 1.0, 2.0, half=0.6), None, (None, 0.0, None, False), "holds"),
    ("ordering", columns(0.0, 1.0, 2.0, half=0.8), None, (None, 0.0, None, False), "undecided"),
    ("ordering", columns(0.0, 1.0, 0.0, half=0.6), None, (None, 0.0, None, False), "refuted"),
    ("ordering", columns(0.0, 1.0, 1.0, half=0.6), None, (None, 0.0, None, False), "undecided"),
    ("ordering", columns(0.0, 1.0, half=0.9), None, (None, 0.0, None, False), "holds"),
    ("ordering", columns(0.0, 2.0, 4.0, half=0.1), columns(0.5, 2.5, 4.5, half=0.1), (None, 0.0, None, False), "holds"),
    ("ordering", columns(0.0, 2.0, half=0.1), columns(3.0, 5.0, half=0.1), (None, 0.0, None, False), "undecided"),
    ("ordering", columns(4.0, 0.0, half=0.1), columns(5.0, 1.0, half=0.1), (None, 0.0, None, False), "refuted"),
    # report: never a verdict
    ("report", seeds(1.0, 0.1), None, (None, 0.0, None, False), "reported"),
    ("report", seeds(1.0, 9.0), seeds(2.0, 9.0), (None, 0.0, None, False), "reported"),
]  # fmt: skip


def named(row: tuple) -> str:
    kind, lower, upper, (*_, by_lower), verdict = row
    known = "exact" if upper is None else "by its lower bound" if by_lower else "bounded"
    return f"{kind}, {known} around {np.mean(lower):.2g}: {verdict}"


@pytest.mark.parametrize("row", GOLDEN, ids=named)
def test_a_verdict_that_is_obvious(row):
    kind, lower, upper, announced, verdict = row
    assert judged(kind, lower, lower if upper is None else upper, *announced)[0] == verdict


def test_the_obvious_ones_are_all_there_are():
    """Every kind with every verdict that it can have, exact and bounded; `not valid` and `refused` are below."""
    wanted = {kind: {"holds", "refuted", "undecided"} for kind in get_args(Kind)} | {"report": {"reported"}}
    for known in (True, False):
        found = {kind: {row[4] for row in GOLDEN if row[0] == kind and (row[2] is None) == known} for kind in wanted}
        certain = {"bound": {"holds", "refuted"}} if known else {}  # an exact bound is violated or not
        assert found == wanted | certain
    assert {row[4] for row in GOLDEN if row[3][3]} == {"holds", "refuted", "undecided"}
    assert set(get_args(Verdict)) == {"not valid", "refused"}.union(*wanted.values())


# -- oracles ----------------------------------------------------------------------------------------------------------


def one_sided(values: np.ndarray, edge: float, alternative: str, level: float) -> bool:
    """Whether Student's t finds the mean on one side of an edge: by the p-value of one sample, not by an interval."""
    standard_error = values.std(ddof=1) / math.sqrt(len(values))
    t = float(values.mean() - edge) / standard_error
    return bool(stats.t.sf(t if alternative == "greater" else -t, len(values) - 1) < level)


def test_the_p_values_are_those_of_scipy():
    values = np.array([0.3, 0.9, 1.4, 0.2])
    for alternative in ("greater", "less"):
        found = stats.ttest_1samp(values, 0.5, alternative=alternative).pvalue
        assert one_sided(values, 0.5, alternative, found * 1.001)
        assert not one_sided(values, 0.5, alternative, found * 0.999)


def oracle_of_a_sign(values: np.ndarray, threshold: float, direction: float = 1.0) -> str:
    above, below = one_sided(values, threshold, "greater", 0.025), one_sided(values, threshold, "less", 0.025)
    holds, refuted = (above, below) if direction > 0 else (below, above)
    return "holds" if holds else "refuted" if refuted else "undecided"


def oracle_of_an_equality(values: np.ndarray, predicted: float, margin: float) -> str:
    """Two one-sided tests at 5 %; refuted if one at 2.5 % finds the mean outside."""
    low, high = predicted - margin, predicted + margin
    if one_sided(values, low, "greater", 0.05) and one_sided(values, high, "less", 0.05):
        return "holds"
    outside = one_sided(values, high, "greater", 0.025) or one_sided(values, low, "less", 0.025)
    return "refuted" if outside else "undecided"


def agreed(lower: str, upper: str) -> str:
    return lower if lower == upper else "undecided"


@pytest.mark.parametrize("num_seeds", [2, 5, 10])
@pytest.mark.parametrize("bounded", [False, True])
def test_signs_and_equalities_are_decided_by_students_t(num_seeds, bounded):
    dice, seen = np.random.default_rng(num_seeds), set()
    for _ in range(80):
        lower = dice.normal(dice.uniform(-1.5, 1.5), dice.uniform(0.05, 0.6), num_seeds)
        upper = lower + bounded * dice.exponential(0.2, num_seeds)
        threshold, margin = dice.uniform(-0.5, 0.5), dice.uniform(0.2, 1.0)
        direction = float(dice.choice([-1.0, 1.0]))
        wanted = {
            ("sign", None): agreed(*(oracle_of_a_sign(end, threshold) for end in (lower, upper))),
            ("sign", direction): agreed(*(oracle_of_a_sign(end, 0.0, direction) for end in (lower, upper))),
            ("equality", 0.5): agreed(*(oracle_of_an_equality(end, 0.5, margin) for end in (lower, upper))),
        }
        for (kind, predicted), verdict in wanted.items():
            found, measured = judged(kind, lower, upper, predicted, threshold, margin, False)
            assert found == verdict
            both = interval(lower), interval(upper)
            assert measured.lower == pytest.approx(min(one.lower for one in both))
            assert measured.upper == pytest.approx(max(one.upper for one in both))
            assert measured.value == pytest.approx((lower.mean() + upper.mean()) / 2)
            seen.add((kind, found))
    assert len(seen) == 6


def test_a_slope_and_an_exponent_are_equalities():
    dice = np.random.default_rng(0)
    for _ in range(50):
        lower = dice.normal(dice.uniform(0, 2), 0.1, 5)
        upper = lower + dice.uniform(0, 0.1)
        found = [judged(kind, lower, upper, 1.0, 0.0, 0.3, False) for kind in ("equality", "slope", "exponent")]
        assert found[0] == found[1] == found[2]


def test_with_two_columns_an_ordering_is_the_sign_of_their_difference():
    dice, seen = np.random.default_rng(1), set()
    for _ in range(60):
        x = dice.normal([[0.0], [dice.uniform(-1, 1)]], 0.3, (2, 5))
        found = judged("ordering", x, x, None, 0.0, None, False)
        assert found == judged("sign", x[1] - x[0], x[1] - x[0], None, 0.0, None, False)
        seen.add(found[0])
    assert seen == {"holds", "refuted", "undecided"}


def test_decided_by_the_lower_bound_shows_the_interval_of_the_lower_bound():
    lower = seeds(1.0, 0.5)
    found = judged("sign", lower, lower + 7.0, None, 0.0, None, True)[1]
    assert found == interval(lower)


def test_a_number_of_which_two_bounds_are_known_is_judged_at_both():
    low, high = interval([1.0, 1.1, 0.9]), interval([3.0, 3.1, 2.9])
    merged = Quantity(low.lower, high.upper, "over seeds", 2.0, 0.95, 3, "t")
    assert both_ends(("holds", low), ("holds", high)) == ("holds", merged)
    assert both_ends(("holds", low), ("refuted", high))[0] == "undecided"


# -- predictions ------------------------------------------------------------------------------------------------------


def prediction(*cases: Case, **announced: object) -> Prediction:
    def measure(tables: Tables) -> Iterator[Case]:
        yield from cases

    given = {"kind": "sign", "predicted": "above 0", "rule": "above 0", "control": "none", "worlds": 2, **announced}
    return Prediction("X.1", "A statement.", measure=measure, **given)  # type: ignore[arg-type]


def test_a_prediction_that_no_run_counts_for_is_not_valid():
    (found,) = prediction(figure="entropy").judge({})
    assert (found.verdict, found.case, found.measured, found.figure) == ("not valid", "", None, "entropy")
    assert found.note == "no run counts for it"


def test_a_case_without_a_number_is_refused_with_its_reason():
    nothing, something = Case.exact("c", np.zeros(0), note="why"), Case.exact("b", seeds(1.0, 0.5))
    found = prediction(nothing, something).judge({})
    assert [(one.case, one.verdict) for one in found] == [("b", "holds"), ("c", "refused")]
    assert (found[1].measured, found[1].note, found[1].p_holds, found[1].p_refuted) == (None, "why", None, None)
    (_, silent) = prediction(something, Case.exact("c", np.zeros(0))).judge({})
    assert (silent.verdict, silent.note) == ("refused", "no world has a number")


def test_a_prediction_whose_cases_have_no_number_is_not_valid():
    (alone,) = prediction(Case.exact("c", np.zeros(0), note="why")).judge({})
    assert (alone.case, alone.verdict, alone.note) == ("", "not valid", "no run counts for it")


def test_means_of_no_world_are_refused_too():
    none = np.zeros((3, 0))
    several, means = (
        Case("a", none, none),
        Case.exact("b", np.stack([seeds(0.0, 0.1), seeds(1.0, 0.1), seeds(2.0, 0.1)])),
    )
    assert [one.verdict for one in prediction(several, means, kind="ordering").judge({})][:1] == ["refused"]


def test_a_case_of_which_nothing_can_be_said_is_undecided():
    nothing = np.zeros(0)
    (found,) = prediction(Case("one", nothing, nothing, undecided=True, note="no run came near")).judge({})
    assert (found.verdict, found.measured, found.note) == ("undecided", None, "no run came near")


def test_the_cases_of_a_prediction_are_judged_one_by_one_in_the_order_of_their_names():
    cases = [Case.exact("b", seeds(-1.0, 0.5), "nat"), Case.exact("a", seeds(1.0, 0.5))]
    found = prediction(*cases, figure="sizes").judge({})
    assert [(one.case, one.verdict, one.unit) for one in found] == [("a", "holds", "1"), ("b", "refuted", "nat")]
    assert {one.figure for one in found} == {"sizes"}


def test_what_a_case_predicts_counts_more_than_what_the_prediction_says():
    exact = seeds(2.0, 0.01)
    said = [Case.exact("its own", exact, predicted=2.0), Case.exact("that of all", exact)]
    own, common = prediction(*said, kind="equality", value=1.0, margin=0.1).judge({})
    assert (own.verdict, own.predicted) == ("holds", 2.0)
    assert (common.verdict, common.predicted) == ("refuted", 1.0)


def test_a_case_that_its_lower_bounds_decide():
    ends = seeds(1.0, 0.5), np.full(3, np.inf)
    (found,) = prediction(Case("savings", *ends, decided_by="lower")).judge({})
    assert found.verdict == "holds"
    with pytest.raises(ValueError, match="finite values"):  # unless it says so, both bounds are needed
        prediction(Case("savings", *ends)).judge({})


def test_logarithms_are_judged_and_their_exponentials_shown():
    (found,) = prediction(Case.exact("ratio", seeds(math.log(4.0), math.log(2.0)), "×", logarithmic=True)).judge({})
    assert found.verdict == "holds"
    assert found.measured is not None
    assert (found.measured.lower, found.measured.value, found.measured.upper) == pytest.approx((2.0, 4.0, 8.0))
    assert (found.threshold, found.unit) == (1.0, "×")


def test_a_margin_of_a_case_counts_more_than_that_of_the_prediction():
    exact = seeds(1.2, 0.01)
    said = [Case.exact("its own", exact, margin=0.3), Case.exact("that of all", exact)]
    own, common = prediction(*said, kind="equality", value=1.0, margin=0.1).judge({})
    assert (own.verdict, own.margin) == ("holds", 0.3)
    assert (common.verdict, common.margin) == ("refuted", 0.1)


def test_too_few_worlds_decide_nothing_except_where_every_run_counts():
    case = Case.exact("", seeds(1.0, 0.5), note="a note")
    (found,) = prediction(case, worlds=4).judge({})
    assert (found.verdict, found.p_holds, found.p_refuted) == ("undecided", 1.0, 1.0)
    assert found.note == "a note; 4 worlds are required for a verdict, found 3"
    assert found.measured is not None  # what was measured is shown all the same
    assert prediction(case, worlds=3).judge({})[0].verdict == "holds"
    assert prediction(case, worlds=4, kind="bound", margin=0.0).judge({})[0].verdict == "holds"
    assert Prediction.__dataclass_fields__["worlds"].default == 5
    steps = Case.exact("", columns(1.0, 2.0, 3.0, half=0.1))
    assert [prediction(steps, kind="ordering", worlds=n).judge({})[0].verdict for n in (3, 4)] == ["holds", "undecided"]


def test_a_finding_has_the_p_values_of_its_tests():
    (found,) = prediction(Case.exact("", seeds(1.0, 1.0))).judge({})
    assert found.p_holds == pytest.approx(0.05)  # the 95 % interval ends at 0
    assert found.p_refuted == 1.0
