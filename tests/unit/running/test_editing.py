"""Edits of a run: names, refusals in one line, hashes that stay, and phases of the record with rows of every metric."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sim.running.cohort
from sim.config import members
from sim.disk.records import Record, read, run_hash
from sim.interface.model import model_of
from sim.metrics.frames import metrics_table
from sim.numerics import SpecificationError
from sim.running import checks
from sim.running.build import build, settings
from sim.running.editing import evaluate_edits, name_of
from sim.running.identity import digests, pretraining_key
from sim.running.outcomes import Outcome
from sim.running.standin import standin
from sim.running.work import perform
from sim.training.programs import numbers
from tests.composed import ROOT, compose

SMALL = (
    "grammar=file", f"grammar.path={ROOT}/examples/grammars/strings.yaml", "model=tabular_trie", "scale=smoke",
    "restriction=regular", "restriction.pattern='.* please'", "pretrain.num_steps=6", "finetune.num_steps=6",
    "optimizer=adamw",
)  # fmt: skip
EDITS = (
    "{kind: truncate, rank: 1},{kind: truncate, rank: 1, of: identity},{kind: interpolate, weight: 0},"
    "{kind: interpolate, weight: 0.5},{kind: interpolate, weight: 1},{kind: random_directions, rank: 2},"
    "{kind: random_step, norm: 2.0}"
)
NAMES = ["truncate_1", "truncate_1_of_identity", "interpolate_0", "interpolate_0.5", "interpolate_1",
         "random_directions_2", "random_step_2"]  # fmt: skip


def chosen(where: Path | str, edits: str = EDITS, *more: str) -> dict[str, Any]:
    return settings(compose(f"outputs={where}", *SMALL, f"finetune.edits=[{edits}]", *more))


# -- the configuration ------------------------------------------------------------------------------------------------


def test_without_edits_a_run_keeps_its_hash() -> None:
    written = compose("scale=smoke")
    assert written["finetune"]["edits"] == []
    older = copy.deepcopy(written)
    del older["finetune"]["edits"]
    assert "edits" not in settings(written)["finetune"]
    assert run_hash(settings(written)) == run_hash(settings(older))
    plain, edited = chosen("x", ""), chosen("x")
    assert pretraining_key(plain) == pretraining_key(edited)
    assert run_hash(plain) != run_hash(edited)
    assert settings(edited) == edited
    assert set(digests(edited)) - set(digests(plain)) == {
        f"sim/edits/{name}.py" for name in ("truncate", "interpolate", "random_directions", "random_step")
    }


def test_names_are_the_kind_and_its_numbers() -> None:
    assert [name_of(entry) for entry in chosen("x")["finetune"]["edits"]] == NAMES
    odd = chosen("x", "{kind: random_step, norm: 1e-3},{kind: random_step, norm: 12345678.5}")
    assert [name_of(entry) for entry in odd["finetune"]["edits"]] == ["random_step_0.001", "random_step_12345678.5"]


KINDS = ", ".join(members("edit"))


@pytest.mark.parametrize(
    ("edits", "line"),
    [
        ("truncate", "finetune.edits[0]: a mapping of names to values is required, found 'truncate'"),
        ("{rank: 2}", f"finetune.edits[0].kind: one of {KINDS} is required, found nothing"),
        ("{kind: trunkate, rank: 2}",
         f"finetune.edits[0].kind: one of {KINDS} is required, found 'trunkate' (did you mean 'truncate'?)"),
        ("{kind: truncate}", "finetune.edits[0].rank: a positive integer is required, found nothing"),
        ("{kind: truncate, rank: 0}", "finetune.edits[0].rank: a positive integer is required, found 0"),
        ("{kind: truncate, rank: 1.5}", "finetune.edits[0].rank: a positive integer is required, found 1.5"),
        ("{kind: truncate, rnk: 1}", "finetune.edits[0].rnk: unknown argument of truncate (did you mean 'rank'?)"),
        ("{kind: truncate, rank: 1},{kind: interpolate, weight: 1.5}",
         "finetune.edits[1].weight: a number from 0 to 1 is required, found 1.5"),
        ("{kind: random_step, norm: -1}", "finetune.edits[0].norm: a non-negative number is required, found -1"),
        ("{kind: truncate, rank: 2},{kind: truncate, rank: 2.0}",
         "finetune.edits[1]: edits that differ are required, found a second truncate_2; leave it out"),
        ("{kind: truncate, rank: 2, of: identiy}",
         "finetune.edits[0].of: one of sft, identity is required, found 'identiy' (did you mean 'identity'?)"),
        ("{kind: truncate, rank: 2, of: carried}",
         "finetune.edits[0].of: one of sft, identity is required, found 'carried'; add it to finetune.controls"),
        ("{kind: truncate, rank: 2, of: pretrain}",
         "finetune.edits[0].of: one of sft, identity is required, found 'pretrain'"),
    ],
)  # fmt: skip
def test_a_wrong_edit_is_refused_in_one_line(edits: str, line: str) -> None:
    with pytest.raises(SpecificationError) as found:
        chosen("x", edits)
    assert str(found.value) == line


def test_an_edit_that_does_not_fit_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(SpecificationError, match=r"^finetune.edits\[0\]: a model with matrices is required, found vec"):
        build(chosen("x", "{kind: truncate, rank: 2}", "model=tabular_strings"))
    like, node = {"w": np.zeros((2, 3))}, {"kind": "truncate"}
    for wrong, line in (
        (lambda *_: [np.zeros((2, 3))], "the parameters of the model is required, found list from truncate"),
        (lambda *_: {"w": np.zeros((3, 2))}, r"parameters of shape \[2, 3\] is required, found \[3, 2\] from truncate"),
        (lambda *_: {"w": np.full((2, 3), np.nan)}, "finite parameters is required, found nan or infinity from trunc"),
    ):
        with pytest.raises(SpecificationError, match=f"^finetune.edits: {line}"):
            checks.edit(wrong, like, "finetune.edits", node)


# -- the record -------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Cohort:
    """Runs that were done together: two with edits and one without, and one whose edit fails.

    programs: how many compiled programs there were before the edits, and after them.
    """

    records: list[Record]
    failed: Outcome
    programs: list[tuple[int, int]]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    where, seen = tmp_path_factory.mktemp("edits"), list[tuple[int, int]]()

    def counting(*arguments: Any) -> None:
        seen.append(numbers())
        evaluate_edits(*arguments)
        seen.append(numbers())

    far = "{kind: random_step, norm: 1e60}"
    points = [chosen(where), chosen(where, EDITS, "seed=1"), chosen(where, ""), chosen(where, far)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sim.running.cohort, "evaluate_edits", counting)
        *done, failed = perform(points)
    assert [one.state for one in done] == ["finished"] * 3
    return Cohort([read(one.target) for one in done], failed, seen)


@pytest.fixture
def edited(cohort: Cohort) -> Record:
    return cohort.records[0]


def test_edits_compile_nothing_and_change_nothing_else(cohort: Cohort) -> None:
    """They are fifteen, and there is room for eight: they are evaluated in turn."""
    before, after = cohort.programs
    assert before == after
    edited, _, plain = cohort.records
    assert list(plain.phases) == ["pretrain", "sft", "identity"]
    for phase in plain.phases:
        np.testing.assert_array_equal(plain.params[phase]["logits"], edited.params[phase]["logits"])


def test_every_edit_is_a_phase_with_one_evaluation(edited: Record) -> None:
    record = edited
    assert list(record.phases) == ["pretrain", "sft", "identity", *NAMES]
    assert list(standin(chosen("x")).phases) == list(record.phases)
    for name in NAMES:
        meaning, phase = record.meanings[name], record.phases[name]
        control = name.endswith("identity")
        assert (meaning.stage, meaning.role, meaning.data) == ("finetune", "edit", "P" if control else "S")
        assert phase.steps.tolist() == [0]
        assert phase.kl_every_step is None
    assert record.meanings["truncate_1"].title == (
        "edit of the model finetuned: top 1 singular direction of every change"
    )
    assert standin(chosen("x")).meanings == record.meanings


@pytest.mark.parametrize("seed", [0, 1])
def test_edits_are_made_of_the_parameters_in_the_record(cohort: Cohort, seed: int) -> None:
    record = cohort.records[seed]
    q0, tuned, control = (np.float64(record.params[name]["logits"]) for name in ("pretrain", "sft", "identity"))
    for name, end in (("truncate_1", tuned), ("truncate_1_of_identity", control)):
        vector = np.linalg.eigh((end - q0) @ (end - q0).T)[1][:, -1]
        expected = q0 + np.outer(vector, vector @ (end - q0))
        np.testing.assert_allclose(record.params[name]["logits"], expected, atol=1e-6, err_msg=name)
    assert np.linalg.norm(record.params["random_step_2"]["logits"] - q0) == pytest.approx(2.0, rel=1e-6)
    for name, phase in (("interpolate_0", "pretrain"), ("interpolate_1", "sft")):
        np.testing.assert_array_equal(record.params[name]["logits"], record.params[phase]["logits"])
        for array, values in record.phases[name].arrays.items():
            np.testing.assert_array_equal(values[0], record.phases[phase].arrays[array][-1], err_msg=array)


def test_every_metric_of_a_fine_tuned_model_has_rows_for_an_edit(edited: Record) -> None:
    table = metrics_table(edited)
    keys = ["view", "metric", "of", "at", "prompt_law"]

    def last(phase: str) -> dict[tuple[Any, ...], tuple[float, float]]:
        own = table.filter(phase=phase)
        own = own.filter(step=own["step"].max())
        return {row[:5]: row[5:] for row in own.select(*keys, "lower", "upper").rows()}

    tuned, same, start = last("sft"), last("interpolate_1"), last("interpolate_0")
    without = {key for key in tuned if key[1] in ("largest_fit_kl", "squared_path", "identity")}
    assert without
    assert {key: number for key, number in same.items() if key[1] != "identity"} == {
        key: number for key, number in tuned.items() if key not in without
    }
    moved = {key[1:3]: number for key, number in start.items() if key[0] == "response"}
    assert moved["kl_moved", "q0||q"] == (0.0, 0.0)
    assert min(number[0] for key, number in same.items() if key[1] == "kl_moved") > 0.0


def test_an_edited_model_can_be_asked(edited: Record) -> None:
    assert len(model_of(edited, "truncate_1").sample(2)) == 2


def test_an_edit_that_fails_fails_its_run_alone(cohort: Cohort) -> None:
    bad = cohort.failed
    assert (bad.state, bad.mistake) == ("failed", True)
    name = "random_step_1" + "0" * 60
    assert bad.reason == f"{name}: finite parameters are required, found others; choose a smaller edit"
