"""One simulation: phases, controls from the same start, and keys of their own."""

import dataclasses

import jax
import numpy as np
import pytest

from sim.languages.restricted import Restricted
from sim.models._base import Bound
from sim.models.tabular_strings import tabular_strings
from sim.models.tabular_trie import tabular_trie
from sim.objectives.dpo import Dpo
from sim.objectives.ewc import Ewc, EwcBegun, diagonal
from sim.objectives.policy_gradient import PolicyGradient
from sim.objectives.rejection import Rejection
from sim.objectives.replay import Replay
from sim.objectives.sft import Sft
from sim.optimizers.adam import Adam
from sim.phases import of_edit
from sim.training.alone import simulate
from sim.training.job import context_of, loss_and_gradient
from sim.training.node_record import node_record
from sim.training.sharing import structure
from sim.training.simulation import (
    Edit,
    Recipe,
    Simulation,
    finetunings,
    pretraining,
    relearnings,
    signature,
)
from sim.training.sweep import Trained, Training, train_many
from tests.unit.models.tiny_worlds import kl, language, log_strings, mask

P = language({"a|x": 3, "a|xy": 5, "a|y": 2, "b|x": 4, "b|yy": 2, "b|": 1}, prompt_end="|")
A = mask(P, lambda text: "yy" not in text and text != "a|y")


def recipe(**chosen: object) -> Recipe:
    settings = {
        "objective": Sft(),
        "optimizer": Adam(learning_rate=0.1),
        "num_steps": 40,
        "batch_size": 8,
        "steps": [0, 10, 40],
        "loss_on": "document",
        "whole_support": False,
    }
    return Recipe(**settings | chosen)


def a_run(seed: int = 0, **chosen: object) -> Simulation:
    s, log_mass = P.condition(A)
    model = tabular_trie(P.trie, scale=0.5)
    return Simulation(seed, P, Restricted(s, s, A, log_mass), model, recipe(), recipe(), **chosen)


def equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def observed() -> tuple[dict[str, Trained], list[tuple[str, int, int, int]]]:
    seen = []
    result = simulate(a_run(), lambda phase, step, total, trained: seen.append((phase, step, total, len(trained))))
    return result, seen


def test_every_phase_is_recorded_at_every_step(observed):
    result, seen = observed
    assert list(result) == ["pretrain", "sft", "identity"]
    for one in result.values():
        assert one.steps == [0, 10, 40]
        assert len(one.evaluations) == len(one.losses) == 3
        assert np.isfinite(one.losses[1:]).all()
        assert all(np.isfinite(array).all() for record in one.evaluations for array in record.values())
    assert seen == sorted(seen, key=lambda at: (at[0] != "pretrain", at[1]))
    assert {(stage, total, jobs) for stage, _, total, jobs in seen} == {("pretrain", 40, 1), ("finetune", 40, 2)}
    assert all({0, 10, 40} <= {step for at, step, *_ in seen if at == stage} for stage in ("pretrain", "finetune"))


def test_fine_tuning_and_its_control_start_where_pretraining_ended(observed):
    result, _ = observed
    for phase in ("sft", "identity"):
        assert equal(result[phase].evaluations[0], result["pretrain"].evaluations[-1])


def test_each_phase_learns_its_own_language(observed):
    result, _ = observed
    divergence = {name: [kl(P.log_p, log_strings(P.trie, r)) for r in one.evaluations] for name, one in result.items()}
    assert divergence["pretrain"][-1] < 0.5 * divergence["pretrain"][0]
    assert divergence["sft"][-1] > divergence["identity"][-1]
    lost = {name: np.exp(log_strings(P.trie, one.evaluations[-1]))[~A].sum() for name, one in result.items()}
    assert lost["sft"] < 0.5 * lost["identity"]


def test_a_seed_gives_the_same_bits_and_another_seed_others(observed):
    again, other = simulate(a_run()), simulate(a_run(seed=1))
    for name, one in observed[0].items():
        assert all(equal(a, b) for a, b in zip(one.evaluations, again[name].evaluations, strict=True))
        assert not equal(one.evaluations[0], other[name].evaluations[0])


def test_controls_are_optional(observed):
    alone = simulate(a_run(controls=()))
    assert list(alone) == ["pretrain", "sft"]
    assert equal(alone["sft"].evaluations[0], alone["pretrain"].evaluations[-1])
    assert alone["sft"].steps == observed[0]["sft"].steps


def test_an_edit_is_evaluated_once(observed):
    """Halfway between q0 and the control; nothing else of the simulation depends on it."""
    meaning = of_edit("halfway", "identity", "halfway")
    half = Edit("halfway", "identity", lambda _: lambda one, other, _: jax.tree.map(half_of, one, other), meaning)
    result = simulate(a_run(edits=(half,)))
    assert list(result) == ["pretrain", "sft", "identity", "halfway"]
    assert all(equal(result[name].evaluations[-1], one.evaluations[-1]) for name, one in observed[0].items())
    assert (result["halfway"].steps, result["halfway"].kl) == ([0], [])
    q0, control = (np.asarray(result[name].params["logits"], np.float64) for name in ("pretrain", "identity"))
    np.testing.assert_array_equal(result["halfway"].params["logits"], np.float32((q0 + control) / 2))
    expected = node_record(np.float32((q0 + control) / 2)[: P.trie.num_nodes], P.trie)
    np.testing.assert_allclose(result["halfway"].evaluations[0]["edge_log_q"], expected["edge_log_q"], atol=1e-6)


def half_of(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    return np.asarray((start + end) / 2)


def test_phases_draw_from_keys_of_their_own():
    """Pretraining, SFT and control on the same P with the same recipe: only their keys tell them apart."""
    run = a_run()
    run = dataclasses.replace(
        run,
        restricted=Restricted(P, P, np.ones(P.trie.num_strings, bool), 0.0),
        model=tabular_strings(P.trie),
        pretrain=recipe(steps=[0, 1], num_steps=1, optimizer=Adam(learning_rate=1e-3, eps=1.0)),
        finetune=recipe(steps=[0, 1], num_steps=1, optimizer=Adam(learning_rate=1e-3, eps=1.0)),
    )
    result = simulate(run)
    losses = [one.losses[-1] for one in result.values()]
    assert len(set(losses)) == 3


def test_a_diverged_training_is_named_by_phase_and_step():
    run = dataclasses.replace(a_run(), finetune=recipe(optimizer=Adam(learning_rate=np.inf)))
    with pytest.raises(FloatingPointError, match=r"^sft: at step \d+.* training diverged; lower the learning rate$"):
        simulate(run)


def test_phases_have_the_same_keys_whatever_other_phases_there_are(observed):
    alone = simulate(a_run(controls=()))
    assert equal(alone["sft"].evaluations[-1], observed[0]["sft"].evaluations[-1])


def test_the_signature_is_that_of_runs_that_can_be_trained_together():
    run = a_run()
    assert signature(run) == signature(a_run(seed=5)) != signature(a_run(controls=()))
    same = [
        recipe(optimizer=Adam(learning_rate=0.7)),
        recipe(num_steps=7, steps=[0, 7]),
        recipe(loss_on="response"),
    ]
    other = [
        recipe(batch_size=9),
        recipe(whole_support=True),
        recipe(objective=Replay(0.1)),
    ]
    for phase in ("pretrain", "finetune"):
        assert all(signature(dataclasses.replace(run, **{phase: one})) == signature(run) for one in same)
        assert all(signature(dataclasses.replace(run, **{phase: one})) != signature(run) for one in other)
    restricted = Restricted(P, P, np.ones(P.trie.num_strings, bool), 0.0)
    assert signature(dataclasses.replace(run, restricted=restricted)) == signature(run)
    assert signature(dataclasses.replace(run, model=tabular_strings(P.trie))) != signature(run)
    for one in (a_run(), a_run(seed=3), dataclasses.replace(run, finetune=same[0])):
        trainings = [pretraining(one), *finetunings(one, _initial(run)).values()]
        expected = [pretraining(run), *finetunings(run, _initial(run)).values()]
        assert all(
            structure((mine.job, mine.plan)) == structure((its.job, its.plan))
            for mine, its in zip(trainings, expected, strict=True)
        )


def _initial(run: Simulation) -> object:
    return run.model.init(jax.random.key(0))


def test_a_fresh_optimiser_starts_each_phase():
    """With momentum left over from pretraining, one step of SFT at no rate would still move nothing; at eps = 0 Adam's
    first step has the size of the rate in every parameter with a gradient, whatever came before."""
    run = a_run()
    quiet = recipe(steps=[0, 1], num_steps=1, optimizer=Adam(learning_rate=1e-3, eps=0.0), whole_support=True)
    run = dataclasses.replace(run, model=tabular_strings(P.trie), finetune=quiet, controls=())
    result = simulate(run)
    change = np.asarray(result["sft"].params["logits"]) - np.asarray(result["pretrain"].params["logits"])
    np.testing.assert_allclose(np.abs(change), 1e-3, rtol=1e-2)


@pytest.mark.parametrize("objective", [PolicyGradient(), Rejection(), Dpo()], ids=lambda one: type(one).__name__)
def test_controls_have_reward_1_everywhere_and_nothing_to_gain(objective):
    """Every answer then is in A, what is not listed too. Without a reward nothing changes."""
    run = a_run(controls=("identity", "linearised"))
    for tuning, is_everything in ((recipe(objective=objective, loss_on="response"), True), (recipe(), False)):
        one = dataclasses.replace(run, finetune=tuning, relearn=tuning)
        jobs = {name: training.job for name, training in finetunings(one, _initial(run)).items()}
        for name in ("sft", "linearised"):
            np.testing.assert_array_equal(jobs[name].phase.event, A)
        np.testing.assert_array_equal(jobs["identity"].phase.event, A | is_everything)
        for training in relearnings(one, _initial(run)).values():
            np.testing.assert_array_equal(training.job.phase.event, ~A if is_everything else np.ones_like(A))
        if is_everything:
            for name, at_rest in (("identity", True), ("sft", False)):
                gradient = jax.jit(lambda job: loss_and_gradient(job, job.init, job.key)[1]["logits"])(jobs[name])
                assert (np.abs(gradient).max() < 1e-7) == at_rest


@pytest.mark.slow
def test_the_fisher_information_of_every_run_is_that_of_its_own_start():
    """Two runs with models of their own train in one program as each does alone, bit for bit."""
    runs = [dataclasses.replace(a_run(seed), finetune=recipe(objective=Ewc(5.0))) for seed in (0, 1)]
    starts = [run.model.init(jax.random.key(run.seed)) for run in runs]

    def tuned(at: int) -> dict[str, Training]:
        return finetunings(runs[at], starts[at])

    alone = [tuned(at)["sft"] for at in (0, 1)]
    for one, start in zip(alone, starts, strict=True):
        assert isinstance(one.job.phase.objective, EwcBegun)
        own = diagonal(Bound(one.job.model, start, P.vocabulary.prompt_end), context_of(one.job))
        np.testing.assert_array_equal(one.job.phase.objective.fisher["logits"], own["logits"])
        train_many([one])
    both = [tuned(at)["sft"] for at in (0, 1)]
    train_many(both)
    for one, other in zip(alone, both, strict=True):
        assert equal(one.trained.evaluations[-1], other.trained.evaluations[-1])
    fisher = [one.job.phase.objective.fisher["logits"] for one in both]
    assert not np.array_equal(*fisher)
    assert not equal(both[0].trained.evaluations[-1], simulate(a_run(0))["sft"].evaluations[-1])
