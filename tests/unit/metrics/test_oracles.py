"""Rows of the table against `oracles`, in worlds of every kind; `test_measure` has those of entropies and splits."""

import math
from fractions import Fraction
from functools import cache

import pytest

from sim.metrics.support import EPSILONS
from sim.metrics.table import Row, rows
from tests.unit.metrics.oracle_worlds import MAKERS, NONE, STEPS, Seen, average, made
from tests.unit.metrics.oracles import ORACLES, models, product
from tests.unit.metrics.small_worlds import Outcome, V

VIEWS = ("response", "joint")
SQUARES = {"memorisation_residual", "excess_collision", "m_eff", "m_dist", "answer_collision"}
"""Sums of squares over all strings, bounded where strings lie off the support."""
NOT_EXACT = {
    "nucleus", "largest_fit_kl", "squared_path", "excursion", "good_turing", "entropy_held_out", "tokens_off",
    "style_weight", "style_residual", "decoded_entropy", "prompt_information", "marginal_entropy",
    "mixture_kl", *SQUARES,
}  # fmt: skip
"""Metrics of these oracles that may be known between bounds only."""


@cache
def numbers(name: str, view: str) -> dict[str, list[Row]]:
    """The rows of each metric. All are asked for at once, because they share the laws of a world."""
    found: dict[str, list[Row]] = {}
    for row in rows(made(name).record, None, [view]):
        found.setdefault(row["metric"], []).append(row)
    return found


def found(name: str, metric: str, view: str) -> dict[tuple[str, int, str, str, str], Row]:
    table = numbers(name, view).get(metric, [])
    have = {(row["phase"], row["step"], row["of"], row["at"], row["prompt_law"]): row for row in table}
    assert len(have) == len(table), "no two rows have one key"
    return have


@cache
def seen_in(name: str, view: str) -> Seen:
    """A world in a view, made once, so that its laws are computed once."""
    return Seen(made(name), view)


@pytest.mark.parametrize("metric", ORACLES)
@pytest.mark.parametrize("name", MAKERS)
def test_a_row_is_what_its_metric_says(name: str, metric: str) -> None:
    """There is neither a row more nor a row less. Only the metrics of `NOT_EXACT` may give bounds."""
    for view in VIEWS:
        seen = seen_in(name, view)
        wanted = {
            (phase, STEPS[index], of, at, law): value for phase, index, of, at, law, value in ORACLES[metric](seen)
        }
        have = found(name, metric, view)
        assert have.keys() == wanted.keys(), view
        for key, row in have.items():
            if math.isinf(wanted[key]):
                assert row["value"] == wanted[key], (view, key)
            elif row["exactness"] == "exact":
                assert row["value"] == pytest.approx(wanted[key], rel=1e-9, abs=1e-11), (view, key)
            else:
                assert metric in NOT_EXACT, (view, key)
                assert row["lower"] - 1e-11 <= wanted[key] <= row["upper"] + 1e-11, (view, key)


@pytest.mark.parametrize("name", MAKERS)
def test_the_number_of_strings_at_every_threshold_and_its_bounds(name: str) -> None:
    """Listed strings are counted. A node whose likeliest exit reaches the threshold has room for more strings."""
    for view in VIEWS:
        seen = seen_in(name, view)
        have, bounded = found(name, "epsilon_support", view), 0
        for law, weights in {seen.p_name: seen.weights(seen.case.p), seen.s_name: seen.weights(seen.case.s)}.items():
            for phase, index in models(seen, ("pretrain", "sft")):
                every = {x: list(seen.model(phase, index, x).values()) for x in weights}
                listed = {x: list(seen.answers(phase, index, x).values()) for x in weights}
                leaving = {x: exits(seen, phase, index, x) for x in weights}
                for threshold in EPSILONS:
                    epsilon = Fraction(f"{threshold:g}")
                    true, lower = (
                        average(weights, {x: reach(of[x], epsilon) for x in weights}) for of in (every, listed)
                    )
                    more = {x: sum(room(node, epsilon) for node in leaving[x]) for x in weights}
                    row = have[phase, STEPS[index], "q", f"{threshold:g}", law]
                    assert row["lower"] == pytest.approx(lower, rel=1e-12)
                    assert row["upper"] == pytest.approx(lower + average(weights, more), rel=1e-12)
                    assert row["lower"] - 1e-12 <= true <= row["upper"] * (1 + 1e-12)
                    assert (row["exactness"] == "bounded") == any(more.values())
                    bounded += any(more.values())
        assert bounded > 10


def reach(probabilities: list[Fraction], epsilon: Fraction) -> int:
    return sum(value >= epsilon for value in probabilities)


def room(node: list[Fraction], epsilon: Fraction) -> int:
    """How many strings of at least a probability can lie behind the exits of a node; none if no exit reaches it."""
    return sum(node) // epsilon if max(node, default=NONE) >= epsilon else 0


def exits(seen: Seen, phase: str, index: int, x: Outcome) -> list[list[Fraction]]:
    """At every prefix of a listed answer to a prompt, the probabilities of the tokens that leave the list there."""
    listed = {d[:depth] for d in seen.case.documents for depth in range(len(d) + 1)}
    open_ = [h for h in sorted(listed) if h[: len(x)] == x and (not h or h[-1] != 0)]
    q = seen.case.models[phase, index]
    return [[product(q, (*h, a), len(x)) for a in range(V) if (*h, a) not in listed] for h in open_]


@pytest.mark.parametrize("name", ["prompts", "shown styles", "overlapping styles", "missed strings"])
def test_the_worlds_have_what_they_are_for(name: str) -> None:
    case = made(name)
    lost = {x for x in case.prompts if not any(v for d, v in case.s.items() if d[: len(x)] == x)}
    if name == "prompts":
        assert 0 < len(lost) < len(case.prompts), "S lacks a prompt"
        assert any(case.s.get(d, NONE) == 0 for d in case.event), "and some of what it could keep"
    if name == "shown styles":
        assert len(found(name, "shown_erasure", "response")) > 5
        sizes = [sum(bool(case.share[d][1]) for d in case.p if d[: len(x)] == x) for x in case.prompts]
        assert max(sizes) > 1, "some lost answers share a prompt, so q_z can be wrong"
        assert lost, "S lacks the prompts at which all answers are lost"
    if name == "overlapping styles":
        assert any(0 < share[0] < 1 for share in case.share.values())
    if name == "missed strings":
        impossible = [d for d in case.p if not product(case.models["sft", 1], d, 0)]
        assert {d in case.event for d in impossible} == {True, False}
