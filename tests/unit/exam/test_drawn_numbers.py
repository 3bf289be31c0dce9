"""Numbers from drawn documents: where all documents are listed, the truth lies in their intervals as often as they say.

A test of coverage alarms falsely if an interval that holds exactly 95 % is found below it by chance. Every one of the
shares below is compared by a binomial test at the level 1e-5, so all of them together alarm falsely with a probability
below 1e-2; proved intervals hold more often than they say, so it is far below this. Seeds are fixed.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from sim.exam.drawn.estimating import Paired, changes, numbers
from sim.exam.drawn.masses import Masses, apart, combined, counted, gate
from sim.exam.drawn.means import SURPRISE, Mean, divergence
from sim.exam.drawn.own_documents import Own
from sim.exam.drawn.world import DrawnWorld
from sim.quantity import Quantity
from tests.unit.exam.drawn import Listed, listed, models, numbers_of, sample, small

ALARM = 1e-5
MODELS = ("pretrained", "noisy", "leaky", "fine-tuned", "without the rare")


@pytest.fixture(scope="module")
def world() -> DrawnWorld:
    return small()


@pytest.fixture(scope="module")
def truth(world: DrawnWorld) -> Listed:
    return listed(world)


@pytest.fixture(scope="module")
def given(truth: Listed) -> dict[str, np.ndarray]:
    return dict(models(truth, np.random.default_rng(0)))


def worst(truth: Listed, log_q: np.ndarray) -> float:
    """The largest log P/q and log S/q of all strings: what a person may declare."""
    return float(max((truth.log_p - log_q).max(), (truth.log_s - log_q).max()))


def shares(
    world: DrawnWorld, truth: Listed, log_q: np.ndarray, declared: float | None, number: int, repetitions: int
) -> dict[str, tuple[int, int]]:
    """How often the interval of every number holds the truth, and how often Student's does."""
    wanted, rng = numbers_of(truth, log_q), np.random.default_rng(1)
    held: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for _ in range(repetitions):
        drawn, rows = sample(world, truth, number, rng)
        for found in numbers(Paired(drawn, log_q[rows]), declared):
            if found.per == "document":
                true, one, usual = wanted[found.metric], found.mean.number, found.mean.usual
                own = one.lower - 1e-9 <= true <= one.upper + 1e-9
                held[found.metric].append((own, usual is not None and usual[0] <= true <= usual[1]))
    return {name: tuple(np.sum(found, axis=0).tolist()) for name, found in held.items()}  # type: ignore[misc]


def check(found: dict[str, tuple[int, int]], repetitions: int) -> None:
    for name, (held, _) in found.items():
        assert binomtest(held, repetitions, 0.95, "less").pvalue > ALARM, (name, held / repetitions)


@pytest.mark.parametrize(("name", "declares"), [*((one, True) for one in MODELS[1::2]), ("leaky", False)])
def test_intervals_hold_the_truth(
    name: str, declares: bool, world: DrawnWorld, truth: Listed, given: dict[str, np.ndarray]
) -> None:
    log_q = given[name]
    found = shares(world, truth, log_q, worst(truth, log_q) if declares else None, 200, 16)
    assert set(found) == set(numbers_of(truth, log_q))
    check(found, 16)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("number", [100, 1000])
@pytest.mark.parametrize("declares", [False, True])
def test_intervals_hold_the_truth_in_many_samples(
    name: str, number: int, declares: bool, world: DrawnWorld, truth: Listed, given: dict[str, np.ndarray]
) -> None:
    log_q = given[name]
    check(shares(world, truth, log_q, worst(truth, log_q) if declares else None, number, 400), 400)


def test_the_usual_interval_may_hold_seldom(world: DrawnWorld, truth: Listed, given: dict[str, np.ndarray]) -> None:
    """Rare strings are lost, 0.5 % of P: many samples show none, and then Student's interval is too narrow."""
    log_q = given["without the rare"]
    reported, usual = shares(world, truth, log_q, worst(truth, log_q), 100, 30)["forgetting"]
    assert reported == 30
    assert usual < 24


def test_estimates_come_near_with_many_documents(
    world: DrawnWorld, truth: Listed, given: dict[str, np.ndarray]
) -> None:
    for name in ("pretrained", "leaky", "fine-tuned"):
        log_q = given[name]
        drawn, rows = sample(world, truth, 40_000, np.random.default_rng(5))
        for found in numbers(Paired(drawn, log_q[rows]), worst(truth, log_q)):
            if found.per == "document":
                number, true = found.mean.number, numbers_of(truth, log_q)[found.metric]
                assert number.estimate == pytest.approx(true, abs=0.06), (name, found.metric)
                far = 2.0 if found.metric == "erasure" else 0.35  # q(B) may lie where no document was drawn
                assert number.upper < true + far, (name, found.metric)


def test_the_parts_add_up(world: DrawnWorld, truth: Listed, given: dict[str, np.ndarray]) -> None:
    drawn, rows = sample(world, truth, 500, np.random.default_rng(2))
    found = {(one.metric, one.per): one.mean.number for one in numbers(Paired(drawn, given["leaky"][rows]), None)}
    whole, parts = found["forgetting", "document"], [found[part, "document"] for part in ("part_a", "part_b")]
    assert whole.estimate == pytest.approx(sum(one.estimate or 0.0 for one in parts), abs=1e-12)
    masses = [found[name, "document"].estimate or 0.0 for name in ("mass_a", "mass_b", "off_support")]
    assert sum(masses) == pytest.approx(1.0, abs=1e-12)
    tokens = world.laws.p.expected_length() + 1.0
    assert found["forgetting", "token"].lower == pytest.approx(whole.lower / tokens)


def test_without_a_declaration_there_is_no_upper_end(
    world: DrawnWorld, truth: Listed, given: dict[str, np.ndarray]
) -> None:
    drawn, rows = sample(world, truth, 500, np.random.default_rng(2))
    paired = Paired(drawn, given["leaky"][rows])
    found = {one.metric: one.mean.number for one in numbers(paired, None)}
    assert {name for name, one in found.items() if one.upper == math.inf} == {
        "fit", "forgetting", "part_a", "part_b", "kept", "erasure"
    }  # fmt: skip
    assert found["off_support"].lower == 0.0  # no document of P shows a leak
    moved = list(changes(paired, Paired(drawn, given["noisy"][rows]), None, "before"))
    assert all(one.mean.number.method == "none" and one.mean.usual is not None for one in moved)
    declared = list(changes(paired, Paired(drawn, given["noisy"][rows]), 30.0, "before"))
    for one in declared:
        if one.metric in ("fit", "forgetting") and one.per == "document":
            assert one.mean.number.estimate == pytest.approx(math.log(0.7))  # each document moves by the same
            assert one.mean.number.lower <= math.log(0.7) <= one.mean.number.upper


@pytest.mark.parametrize("pair", [("pretrained", "fine-tuned"), ("noisy", "without the rare")])
def test_intervals_of_changes_hold_the_truth(
    pair: tuple[str, str], world: DrawnWorld, truth: Listed, given: dict[str, np.ndarray]
) -> None:
    before, after = (given[name] for name in pair)
    declared = max(worst(truth, before), worst(truth, after))
    wanted = {
        name: numbers_of(truth, after)[name] - numbers_of(truth, before)[name] for name in numbers_of(truth, after)
    }
    rng, held = np.random.default_rng(3), defaultdict[str, int](int)
    for _ in range(20):
        drawn, rows = sample(world, truth, 300, rng)
        for one in changes(Paired(drawn, before[rows]), Paired(drawn, after[rows]), declared, "before"):
            if one.per == "document":
                held[one.metric] += one.mean.number.lower <= wanted[one.metric] <= one.mean.number.upper
    assert set(held) == {"fit", "forgetting", "part_a", "part_b"}
    check({name: (number, 0) for name, number in held.items()}, 20)


def test_a_document_that_the_model_cannot_write_proves_infinity(
    world: DrawnWorld, truth: Listed, given: dict[str, np.ndarray]
) -> None:
    drawn, rows = sample(world, truth, 200, np.random.default_rng(4))
    log_q = given["noisy"][rows].copy()
    log_q[drawn.documents.kept[: drawn.documents.each].argmin()] = -math.inf  # one document of P outside of A
    paired = Paired(drawn, log_q)
    found = {one.metric: one.mean.number for one in numbers(paired, None)}
    assert found["forgetting"].lower == found["part_b"].lower == found["erasure"].estimate == math.inf
    assert math.isfinite(found["fit"].lower)
    assert math.isfinite(found["part_a"].lower)
    assert 0.0 < found["jensen_shannon"].upper <= math.log(2.0)
    assert {one.metric for one in changes(paired, paired, 5.0, "before")} == {"fit", "part_a"}


# -- the model's own documents ----------------------------------------------------------------------------------------


def drawn_by(truth: Listed, log_q: np.ndarray, number: int, rng: np.random.Generator) -> Own:
    """Documents of the model: those that are not listed have one probability, that of ⊥."""
    off = 1.0 - math.fsum(np.exp(log_q))
    p = np.append(np.exp(log_q), off)
    rows = rng.choice(len(p), number, p=p / p.sum())
    log_p, kept = np.append(truth.log_p, -math.inf), np.append(truth.kept, False)
    own = np.append(log_q, math.log(off) if off > 0 else -math.inf)[rows]
    return Own(Path("own.jsonl"), log_p[rows], kept[rows], np.zeros(number, bool), own)


def own_truth(truth: Listed, log_q: np.ndarray) -> Iterator[tuple[str, float]]:
    q = np.exp(log_q)
    inside, off = math.fsum(q), 1.0 - math.fsum(q)
    yield "own_surprise", -math.fsum(q * truth.log_p) / inside
    yield "entropy", -math.fsum(q * log_q) - off * math.log(off)
    yield "reverse", math.fsum(q * (log_q - truth.log_p)) / inside - math.log(inside)


def test_own_documents_show_a_leak(world: DrawnWorld, truth: Listed, given: dict[str, np.ndarray]) -> None:
    log_q, rng, held = given["leaky"], np.random.default_rng(6), defaultdict[str, int](int)
    wanted = numbers_of(truth, log_q) | dict(own_truth(truth, log_q))
    for _ in range(20):
        drawn, rows = sample(world, truth, 200, rng)
        own = drawn_by(truth, log_q, 300, rng)
        all_found = [*numbers(Paired(drawn, log_q[rows]), None, partial(own.masses, True)), *own.numbers()]
        for one in all_found:
            if one.per == "document":
                held[one.metric] += one.mean.number.lower - 1e-9 <= wanted[one.metric] <= one.mean.number.upper + 1e-9
    check({name: (number, 0) for name, number in held.items()}, 20)
    assert own.masses(True).off.number.lower > 0.2  # of 0.3
    assert set(held) == set(wanted)


def test_two_routes_to_the_masses_are_put_together(
    world: DrawnWorld, truth: Listed, given: dict[str, np.ndarray]
) -> None:
    log_q, rng = given["leaky"], np.random.default_rng(8)
    drawn, rows = sample(world, truth, 2000, rng)
    own = drawn_by(truth, log_q, 500, rng)
    alone = {one.metric: one.mean.number for one in numbers(Paired(drawn, log_q[rows]), 8.0)}
    both = {one.metric: one.mean.number for one in numbers(Paired(drawn, log_q[rows]), 8.0, partial(own.masses, True))}
    assert both["off_support"].lower > 0.2 > alone["off_support"].lower == 0.0
    assert both["gate"].lower > alone["gate"].lower
    assert all(one.level >= 0.95 - 1e-12 for one in both.values())
    first, second = own.masses(True, 0.025), drawn_by(truth, given["fine-tuned"], 500, rng).masses(True, 0.025)
    assert not apart(first, own.masses(True, 0.01))
    assert apart(first, second)  # another model wrote these
    assert combined(first, second).a.number.lower == first.a.number.lower


def test_documents_that_were_cut_off_count_as_anything(truth: Listed, given: dict[str, np.ndarray]) -> None:
    own = drawn_by(truth, given["leaky"], 300, np.random.default_rng(6))
    cut = replace(own, cut=np.arange(300) < 30, log_p=np.where(np.arange(300) < 30, -math.inf, own.log_p))
    whole, less = own.masses(True), cut.masses(True)
    assert less.a.number.lower < whole.a.number.lower < whole.a.number.upper < less.a.number.upper
    assert less.off.number.upper > whole.off.number.upper
    assert not list(cut.numbers())
    assert own.masses(False).off.number.estimate == whole.off.number.estimate


def test_the_gate_is_extreme_over_its_intervals() -> None:
    """By search on a grid of all masses inside the intervals."""

    def mean(low: float, high: float) -> Mean:
        return Mean(Quantity(low, high, "estimated", (low + high) / 2.0, 0.95, 10, "proved"))

    for ends in (
        ((0.2, 0.5), (0.1, 0.4), (0.3, 0.6)),
        ((0.5, 0.9), (0.05, 0.45), (0.0, 0.4)),
        ((0.1, 0.2), (0.1, 0.3), (0.0, 1.0)),
    ):
        found = gate(Masses(*(mean(*one) for one in ends)), math.log(0.35)).number
        a, b = np.meshgrid(*(np.linspace(*one, 801) for one in ends[:2]))
        fits = (1.0 - a - b >= ends[2][0] - 1e-12) & (1.0 - a - b >= -1e-12)
        values = 0.35 * np.log(0.35 / a) + 0.65 * np.log(0.65 / b)
        assert found.lower == pytest.approx(max(values[fits].min(), 0.0), abs=2e-3)
        assert found.upper == pytest.approx(values.max(), abs=1e-9)


def test_ratios_far_below_are_cut_in_intervals_alone() -> None:
    ratio = np.array([-50.0, *[1.0] * 99])
    found = divergence(ratio, 2.0)
    assert found.number.estimate == pytest.approx(ratio.mean())
    assert found.number.upper > (99.0 - SURPRISE) / 100.0
    assert counted(3, 2, 10, 0.05).number.upper == counted(5, 0, 10, 0.05).number.upper
