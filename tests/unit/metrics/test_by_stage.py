"""The waterfall by stage: bounds hold the true value, losses add up, and shares multiply; `oracles` has exact parts."""

import math

import numpy as np
import pytest

from sim.metrics.by_stage import THRESHOLDS, ratio
from sim.metrics.frames import stages_table
from sim.metrics.table import Row, rows
from sim.quantity import Quantity
from tests.unit.metrics.oracle_worlds import MAKERS, STEPS, Seen, average, made
from tests.unit.metrics.oracles import FINETUNED, ON_S, started
from tests.unit.metrics.small_worlds import Outcome, surprise

PHASES = ("pretrain", *FINETUNED)
LAST = len(STEPS) - 1


def measured(name: str, metric: str, view: str) -> dict[tuple[str, str, str], Row]:
    found = {(row["phase"], row["at"], row["prompt_law"]): row for row in rows(made(name).record, [metric], [view])}
    assert {row["step"] for row in found.values()} <= {STEPS[LAST]}
    assert {phase for phase, *_ in found} <= set(PHASES)
    return found


def outcomes(seen: Seen, phase: str, at: str, x: Outcome) -> list:
    """Every outcome of the model at the start or at the end of a phase, with its probability."""
    if at == "start" and phase == "pretrain":
        return list(started(seen, phase, x).values())
    return list(seen.model(phase, 0 if at == "start" else LAST, x).values())


def within(row: Row, true: float) -> bool:
    return bool(row["lower"] - 1e-9 <= true <= row["upper"] + 1e-9)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("view", ["response", "joint"])
def test_the_entropy_that_is_lost_lies_within_its_bounds(name: str, view: str) -> None:
    """The true entropies are sums over every outcome that the vocabulary can write."""
    seen = Seen(made(name), view)
    found, target = (measured(name, metric, view) for metric in ("stage_entropy", "stage_target"))
    for law, weights in {seen.p_name: seen.weights(seen.case.p), seen.s_name: seen.weights(seen.case.s)}.items():
        for phase in PHASES:
            h = {
                at: average(weights, {x: surprise(iter(outcomes(seen, phase, at, x))) for x in weights})
                for at in ("start", "end")
            }
            assert within(found[phase, "", law], h["start"] - h["end"]), (phase, law)
            if law == seen.s_name and phase != "pretrain":
                best = seen.case.best if phase in ON_S else seen.case.p
                h_best = average(weights, {x: surprise(iter(seen.given(best, x).values())) for x in weights})
                assert within(target[phase, "", law], h["start"] - h_best), phase


@pytest.mark.parametrize("name", MAKERS)
def test_the_share_of_the_support_lies_within_its_bounds(name: str) -> None:
    seen = Seen(made(name), "response")
    weights = seen.weights(seen.case.p)
    found = measured(name, "stage_support", "response")
    assert len(found) > len(PHASES)
    for phase in PHASES:
        sizes = []
        for at in ("start", "end"):
            every = {x: outcomes(seen, phase, at, x) for x in weights}
            own = {
                "e^H": math.exp(average(weights, {x: surprise(iter(q)) for x, q in every.items()})),
                "N_2": 1 / average(weights, {x: sum(v * v for v in q) for x, q in every.items()}),
                "N_inf": 1 / average(weights, {x: max(q) for x, q in every.items()}),
            }
            for threshold in THRESHOLDS:
                counts = {x: sum(float(v) >= threshold for v in q) for x, q in every.items()}
                own[f"{threshold:g}"] = average(weights, counts)
            sizes.append(own)
        for at in sizes[0]:
            if (row := found.get((phase, at, "P(x)"))) is not None:
                assert within(row, sizes[1][at] / sizes[0][at]), (phase, at)


def test_losses_of_stages_in_a_row_add_up() -> None:
    """pretrain and sft together lose KL(P‖q) of the fine-tuned model, and its H(P) - H(q), within their bounds."""
    case = made("prompts")
    table = stages_table(case.record)
    assert set(table["phase"]) == set(PHASES)
    both = table.filter(table["phase"].is_in(["pretrain", "sft"]), prompt_law="P(x)")
    whole = {
        metric: next(
            row for row in rows(case.record, [metric], ["response"], ["sft"])
            if (row["phase"], row["step"], row["of"], row["prompt_law"]) == ("sft", STEPS[LAST], of, "P(x)")
        )
        for metric, of in (("kl", "P||q"), ("entropy", "q"))
    }  # fmt: skip
    assert both.filter(metric="stage_kl")["lower"].sum() == pytest.approx(whole["kl"]["value"], rel=1e-12)
    parts = both.filter(both["metric"].is_in(["stage_gate", "stage_kept", "stage_erasure"]))
    assert parts["lower"].sum() == pytest.approx(whole["kl"]["value"], rel=1e-12)
    lost = both.filter(metric="stage_entropy")
    h_p = next(
        row["value"] for row in rows(case.record, ["entropy"], ["response"])
        if (row["phase"], row["of"], row["prompt_law"]) == ("truth", "P", "P(x)")
    )  # fmt: skip
    assert lost["lower"].sum() <= h_p - whole["entropy"]["upper"] + 1e-12
    assert lost["upper"].sum() >= h_p - whole["entropy"]["lower"] - 1e-12


def test_a_share_of_nothing_is_no_number() -> None:
    assert ratio(Quantity.of(1.0), Quantity(0.0, 2.0)) is None
    assert ratio(Quantity.of(np.inf), Quantity.of(2.0)) is None
    assert ratio(Quantity.of(3.0), Quantity.of(2.0)) == Quantity.of(1.5)
    assert ratio(Quantity(1.0, 3.0), Quantity(2.0, 4.0)) == Quantity(0.25, 1.5)
