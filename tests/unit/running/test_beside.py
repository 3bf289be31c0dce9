"""What runs beside and after a fine-tuning: the carried and the linearised control, and learning again."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pytest

from sim.disk.records import read
from sim.metrics.frames import metrics_table
from sim.numerics import SpecificationError
from sim.optimizers.adam import Adam
from sim.optimizers.sgd import Sgd
from sim.running import cohort
from sim.running.build import build, settings
from sim.running.cohort import Execution
from sim.running.identity import pretraining_key, target
from sim.running.work import perform
from sim.training.alone import simulate
from sim.training.job import start
from sim.training.simulation import Simulation, finetunings, phase_key, pretraining, relearnings
from sim.training.sweep import Trained, Training, train_many
from tests.composed import ROOT, compose
from tests.unit.training.test_simulation import A, P, a_run, equal, recipe

RELEARN = recipe(num_steps=10, steps=[0, 5, 10])


def pretrained(run: Simulation) -> Trained:
    first = pretraining(run)
    train_many([first])
    return first.trained


def end(one: Training | Trained) -> np.ndarray:
    trained = one.trained if isinstance(one, Training) else one
    return trained.evaluations[-1]["edge_log_q"]


# -- the carried optimiser state --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "optimizer", [Adam(learning_rate=0.1), Sgd(learning_rate=0.1, momentum=0.9)], ids=["adam", "sgd"]
)
def test_the_carried_control_goes_on_with_the_moments_of_the_pretraining(optimizer):
    phase = recipe(optimizer=optimizer)
    run = dataclasses.replace(a_run(controls=("identity", "carried")), pretrain=phase, finetune=phase)
    first = pretrained(run)
    tuned = finetunings(run, first.params, first.opt_state)
    carried = tuned["carried"].state
    fresh = start(tuned["carried"].job)
    moments = [leaf for leaf in jax.tree.leaves(first.opt_state) if leaf.ndim]
    kept = [leaf for leaf in jax.tree.leaves(carried.opt_state) if leaf.ndim]
    assert moments
    assert all(np.array_equal(a, b) and np.abs(a).max() > 0 for a, b in zip(moments, kept, strict=True))
    assert int(carried.step) == 0
    train_many(list(tuned.values()))
    assert equal(tuned["carried"].trained.evaluations[0], tuned["identity"].trained.evaluations[0])
    assert not np.array_equal(end(tuned["carried"]), end(tuned["identity"]))
    assert jax.tree.structure(fresh) == jax.tree.structure(carried)


def test_the_schedule_of_the_carried_control_begins_anew():
    """A cosine that went on would be at 0 from its first step."""
    phase = recipe(optimizer=Adam(learning_rate=0.1, decay="cosine"))
    run = dataclasses.replace(a_run(controls=("carried",)), pretrain=phase, finetune=phase)
    first = pretrained(run)
    counts = [s.count for s in jax.tree.leaves(first.opt_state, is_leaf=schedules) if schedules(s)]
    assert [int(count) for count in counts] == [40]
    begun = finetunings(run, first.params, first.opt_state)["carried"].state
    assert [int(s.count) for s in jax.tree.leaves(begun.opt_state, is_leaf=schedules) if schedules(s)] == [0]
    assert int(begun.opt_state[0].count) == 40  # of Adam: how much its moments are to be corrected


def schedules(node: object) -> bool:
    return isinstance(node, optax.ScaleByScheduleState)


def test_simulations_carry_too():
    result = simulate(a_run(controls=("identity", "carried")))
    assert list(result) == ["pretrain", "sft", "identity", "carried"]
    assert not np.array_equal(end(result["carried"]), end(result["identity"]))


# -- the linearised control -------------------------------------------------------------------------------------------


def test_the_linearised_control_sees_the_batches_of_the_fine_tuning():
    """The trie table is linear in its parameters: the same batches give the same model."""
    result = simulate(a_run(controls=("linearised",)))
    for one, other in zip(result["sft"].evaluations, result["linearised"].evaluations, strict=True):
        np.testing.assert_allclose(one["edge_log_q"], other["edge_log_q"], atol=1e-4)


# -- learning again ---------------------------------------------------------------------------------------------------


def test_relearning_begins_where_the_fine_tuning_ended_and_from_scratch():
    result = simulate(a_run(relearn=RELEARN))
    assert list(result) == ["pretrain", "sft", "identity", "recovery", "scratch"]
    assert equal(result["recovery"].evaluations[0], result["sft"].evaluations[-1])
    assert not equal(result["scratch"].evaluations[0], result["pretrain"].evaluations[0])
    lost = ~A
    for phase in ("recovery", "scratch"):
        assert result[phase].steps == [0, 5, 10]
        masses = [np.exp(np.where(P.trie.edge >= 0, r["edge_log_q"][P.trie.edge], 0).sum(1))[lost].sum()
                  for r in result[phase].evaluations]  # fmt: skip
        assert masses[0] < masses[-1]
    assert list(simulate(a_run())) == ["pretrain", "sft", "identity"]


def test_both_ways_of_relearning_see_the_same_batches():
    run = a_run(relearn=RELEARN)
    again = relearnings(run, run.model.init(jax.random.key(0)))
    keys = [jax.random.key_data(one.job.key) for one in again.values()]
    assert np.array_equal(keys[0], keys[1])
    assert np.array_equal(keys[0], jax.random.key_data(phase_key(0, "relearn")))
    probabilities = np.asarray(again["recovery"].job.phase.data.probability)
    assert probabilities[A].sum() == 0.0
    np.testing.assert_allclose(probabilities[~A], np.exp(P.log_p[~A]) / np.exp(P.log_p[~A]).sum(), rtol=1e-6)


# -- from the configuration to the record -----------------------------------------------------------------------------

SMALL = (
    "grammar=file", f"grammar.path={ROOT}/examples/grammars/strings.yaml", "model=tabular_trie", "scale=smoke",
    "restriction=regular", "restriction.pattern='.* please'", "optimizer=adamw", "pretrain.num_steps=6",
    "relearn.num_steps=6", "relearn.num_evals=3", "finetune.controls=[identity,carried,linearised]",
    "finetune.probes=[tangent]", "finetune.num_steps=6",
)  # fmt: skip


def chosen(where: Path, *overrides: str) -> dict[str, Any]:
    return settings(compose(f"outputs={where}", *SMALL, *overrides))


def test_a_run_records_all_of_it_and_a_batch_changes_no_bits(tmp_path: Path) -> None:
    points = [chosen(tmp_path / "many", f"seed={seed}") for seed in (0, 1, 2)]
    assert [one.state for one in perform(points, Execution(max_runs=2))] == ["finished"] * 3
    alone = chosen(tmp_path / "one", "seed=1")
    perform([alone])
    record, other = read(target(alone)), read(target(points[1]))
    phases = ["pretrain", "sft", "identity", "carried", "linearised", "recovery", "scratch"]
    assert list(record.phases) == phases
    for phase in phases:
        for name, values in record.phases[phase].arrays.items():
            np.testing.assert_array_equal(values, other.phases[phase].arrays[name], err_msg=f"{phase}/{name}")
    steps = len(record.phases["sft"].steps)
    assert record.phases["sft"].arrays["tangent_velocity"].shape == (steps, record.p.trie.num_strings)
    assert "tangent_velocity" not in record.phases["identity"].arrays
    np.testing.assert_array_equal(
        record.phases["recovery"].arrays["edge_log_q"][0], record.phases["sft"].arrays["edge_log_q"][-1]
    )
    waterfalls = metrics_table(record).filter(metric="waterfall_learning")["phase"].unique().to_list()
    assert sorted(waterfalls) == sorted(set(phases) - {"recovery", "scratch"})


def test_the_store_gives_the_optimiser_state_back(tmp_path: Path) -> None:
    first, second = chosen(tmp_path, "seed=0"), chosen(tmp_path, "seed=0", "relearn.num_steps=5")
    assert pretraining_key(first) == pretraining_key(second)
    perform([first])
    perform([second])  # from the store
    one, other = (read(target(point)).phases["carried"].arrays["edge_log_q"] for point in (first, second))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (
            ("optimizer=sgd",),
            "finetune.controls: with carried, one kind of optimiser in both stages is required, found Sgd after Adam; "
            "leave carried out, or choose optimizer and pretrain.optimizer of the same kind",
        ),
        (
            ("restriction=everything", "~restriction.pattern"),
            "relearn.num_steps: 0 is required with a restriction that keeps every string, found 6; "
            "choose a restriction that leaves something out",
        ),
    ],
    ids=["carried", "relearn"],
)
def test_what_cannot_be_done_is_refused_before_anything_is_trained(overrides, line, tmp_path):
    words = [word for word in SMALL if not (overrides[0].startswith("restriction") and "restriction" in word)]
    config = compose(f"outputs={tmp_path}", *words, *(one for one in overrides if not one.startswith("~")))
    with pytest.raises(SpecificationError, match="^" + line.replace("(", r"\(").replace(".", r"\.") + "$"):
        build(settings(config))


def test_evaluations_that_fall_on_one_step_are_one(tmp_path):
    run, _ = build(chosen(tmp_path, "relearn.num_steps=2"))
    assert run.relearn.steps == [0, 1, 2]


def test_an_interrupted_relearning_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, broken = chosen(tmp_path / "whole", "seed=3"), chosen(tmp_path / "broken", "seed=3")
    perform([whole])
    always = Execution(checkpoint_seconds=1e-9)
    real, calls = cohort.relearnings, []

    def once(run: Simulation, params: Any) -> dict[str, Training]:
        again = real(run, params)
        calls.append(1)
        if len(calls) == 1:
            monkeypatch.setattr("sim.running.saving.CHECKPOINT_SHARE", 1e9)
            for one in again.values():
                one.steps = one.steps[:3]  # and no further
        return again

    monkeypatch.setattr(cohort, "relearnings", once)

    def interrupted(batch: Any, points: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cohort.Cohort, "_publish", interrupted)
    with pytest.raises(KeyboardInterrupt):
        perform([broken], always)
    monkeypatch.undo()
    begun: list[int] = []
    resumed = cohort.restore

    def seen(one: Training, folder: Path, name: str) -> None:
        resumed(one, folder, name)
        begun.append(one.step)

    monkeypatch.setattr(cohort, "restore", seen)
    assert [one.state for one in perform([broken])] == ["finished"]
    assert begun[-2:] == [2, 2]
    one, other = (read(target(point)) for point in (whole, broken))
    for phase in ("recovery", "scratch"):
        for name, values in one.phases[phase].arrays.items():
            np.testing.assert_array_equal(values, other.phases[phase].arrays[name])
