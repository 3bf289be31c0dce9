"""Rows of the table in worlds of two prompts with two answers each, where every number is known by hand."""

import math

import numpy as np
import pytest

from sim.disk.records import PhaseRecord, Record
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.metrics.scored import no_leak
from sim.metrics.table import Row, rows
from tests.unit.models.tiny_worlds import language

P = {"a|x": 1, "a|y": 1, "b|x": 1, "b|y": 1}
LOPSIDED = {"a|x": 1, "a|y": 1, "b|x": 1, "b|y": 3}


def recorded(
    s: dict[str, float], models: dict[str, list[dict[str, float]]], loss_on: str = "response", **probed: list[float]
) -> Record:
    """P is uniform; S and every model are given by weights of the four documents, 0 for those that they lack."""
    p = language(P, prompt_end="|")

    def law(weights: dict[str, float]) -> FiniteLanguage:
        numbers = np.array([weights.get(text, 0.0) for text in P])
        with np.errstate(divide="ignore"):
            return p.with_law(np.log(numbers / numbers.sum()))

    event = np.array([s.get(text, 0.0) > 0 for text in P])
    kept, log_mass = p.condition(event)
    phases = {}
    for phase, evaluations in models.items():
        arrays = [no_leak(law(one).edge_log_prob, p.trie.num_nodes) for one in evaluations]
        stacked = {name: np.stack([one[name] for one in arrays]) for name in arrays[0]}
        if phase == "sft":
            stacked |= {f"tangent_{name}": np.array([values] * len(evaluations)) for name, values in probed.items()}
        phases[phase] = PhaseRecord(np.arange(len(evaluations)), np.zeros(len(evaluations)), stacked)
    config = {"name": "by hand", "seed": 0, "finetune": {"loss_on": loss_on}, "optimizer": {"learning_rate": 1.0}}
    return Record("by hand", "0" * 12, config, p, Restricted(law(s), kept, event, log_mass), phases)


def found(record: Record, metric: str) -> dict[str, Row]:
    """The only row of a metric in each view at the last evaluation of the fine-tuning."""
    own = [row for row in rows(record, [metric]) if row["phase"] == "sft" and row["step"] > 0]
    assert len({row["view"] for row in own}) == len(own)
    return {row["view"]: row for row in own}


def test_a_prompt_that_s_never_has_is_behind_the_gate_with_all_its_answers() -> None:
    """Every second document of P is lost, and the law of its answers, one half each, is taken for 1/4 and 3/4."""
    record = recorded({"a|x": 1, "a|y": 1}, {"sft": [P, LOPSIDED]})
    wanted = 0.5 * math.log(4 / 3)
    assert {view: row["value"] for view, row in found(record, "behind").items()} == {
        "response": pytest.approx(wanted, rel=1e-14),
        "joint": pytest.approx(wanted, rel=1e-14),
    }


@pytest.mark.parametrize(("loss_on", "view"), [("response", "response"), ("document", "joint")])
def test_derivatives_are_of_what_the_loss_was_on(loss_on: str, view: str) -> None:
    """Those of log q(y|x) say nothing of log q(x y), nor the other way round."""
    record = recorded(
        {"a|x": 1, "a|y": 1}, {"sft": [P, LOPSIDED]}, loss_on,
        displacement=[0.5, -0.5, 1.0, -1.0], velocity=[0.0, 0.0, 1.0, 3.0],
    )  # fmt: skip
    assert found(record, "fisher").keys() == found(record, "first_order_r2").keys() == {view}


def test_no_share_and_no_r2_of_changes_that_are_infinite() -> None:
    gone = {"a|x": 1, "a|y": 1, "b|x": 1}
    record = recorded(
        {"a|x": 1, "a|y": 1}, {"sft": [P, gone], "linearised": [P, LOPSIDED]},
        displacement=[0.0] * 4, velocity=[0.0] * 4,
    )  # fmt: skip
    for metric in ("kernel_r2", "kernel_share", "moved_unseen", "first_order_r2"):
        assert found(record, metric) == {}, metric


def test_no_share_of_a_change_that_is_none() -> None:
    record = recorded({"a|x": 1, "a|y": 1}, {"sft": [P, P], "linearised": [P, LOPSIDED]})
    assert found(record, "kernel_share") == {}
    assert {row["value"] for row in found(record, "moved_unseen").values()} == {0.0}


def test_tables_lose_what_s_lacks_as_predicted() -> None:
    """One softmax for the answers of each prompt, of weight S(x) in the loss, under SGD with exact gradients."""
    s = {"a|x": 3, "b|x": 1}
    (row,) = (
        row
        for row in rows(recorded(s, {"sft": [P, P]}), ["decay_constant"])
        if (row["view"], row["at"]) == ("response", "tabular_strings")
    )
    target, rate, steps = np.array([1.0, 0.0]), 1.0, 40_000
    lost = 0.0
    for weight in (0.75, 0.25):
        logits = np.zeros(2)
        for _ in range(steps):
            q = np.exp(logits - np.logaddexp(*logits))
            logits += rate * weight * (target - q)
        lost += weight * q[1]
    assert row["value"] == 1.0
    assert rate * steps * lost == pytest.approx(row["value"], rel=2e-3)
