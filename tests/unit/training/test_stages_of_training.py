"""Later stages of one simulation: where they begin, their anchor, and what two stages are in one."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from sim.languages.restricted import Restricted
from sim.objectives._context import Batch, Context
from sim.objectives.replay import Replay
from sim.objectives.sft import Sft
from sim.optimizers.sgd import Sgd
from sim.training.alone import simulate
from sim.training.simulation import Later, Simulation, later_trainings, signature
from sim.training.sweep import Trained
from sim.typing import Language, PRNGKey, Scalar
from tests.unit.models.tiny_worlds import kl, log_strings, mask
from tests.unit.training.test_simulation import P, a_run, equal, recipe


@struct.dataclass
class ToAnchor:
    """E over the batch of KL(anchor(. | h) ‖ q(. | h)), summed over the prefixes h of each string."""

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        del key
        first, now = (one.next_log_probs(batch.tokens) for one in (context.anchor, q))
        each = jnp.sum(jnp.exp(first) * (first - now), axis=-1)
        return jnp.sum(batch.weight * jnp.sum(jnp.where(context.loss_mask(batch.tokens), each, 0.0), axis=-1))


NARROW = mask(P, lambda text: text.startswith("a"))


def whole(num_steps: int, **chosen: object) -> object:
    """Exact whole-support SGD with a constant rate: the steps depend on no key."""
    rate = Sgd(learning_rate=0.5)
    steps = sorted({0, num_steps // 2, num_steps})
    return recipe(num_steps=num_steps, steps=steps, optimizer=rate, whole_support=True, **chosen)


def staged(*later: Later, **chosen: object) -> Simulation:
    run = a_run(controls=("identity",))
    return dataclasses.replace(run, **{"finetune": whole(10), "later": later, **chosen})


def narrow() -> Restricted:
    s, log_mass = P.condition(NARROW)
    return Restricted(s, s, NARROW, log_mass)


def end(one: Trained) -> dict[str, np.ndarray]:
    return one.evaluations[-1]


@pytest.fixture(scope="module")
def result() -> dict[str, Trained]:
    run = staged()
    relearn = whole(6)
    later = (
        Later("stage_2", whole(10), run.restricted),
        Later("stage_3", whole(8, objective=Replay(weight=0.5)), narrow()),
    )
    return simulate(dataclasses.replace(run, later=later, relearn=relearn))


def test_the_phases_are_in_order_and_each_begins_where_the_one_before_ended(result):
    names = ["pretrain", "sft", "identity", "stage_2", "stage_2_identity", "stage_3", "stage_3_identity"]
    assert list(result) == [*names, "recovery", "scratch"]
    for before, after in (("sft", "stage_2"), ("sft", "stage_2_identity"), ("stage_2", "stage_3"),
                          ("stage_2", "stage_3_identity"), ("stage_3", "recovery")):  # fmt: skip
        assert equal(result[after].evaluations[0], end(result[before])), after
        assert not equal(end(result[after]), end(result[before])), after


def test_two_stages_are_one_longer_training(result):
    """Same data, exact steps on the whole support, a constant rate without a state: only where it is cut differs."""
    longer = simulate(staged(finetune=whole(20)))["sft"]
    for name, values in end(longer).items():
        np.testing.assert_allclose(end(result["stage_2"])[name], values, rtol=0, atol=2e-6, err_msg=name)
    assert not np.allclose(end(result["sft"])["edge_log_q"], end(longer)["edge_log_q"], atol=1e-2)


def test_a_stage_learns_its_own_language_and_its_control_learns_p(result):
    replayed = np.log(0.5 * np.exp(narrow().s.log_p) + 0.5 * np.exp(P.log_p))
    to = {"stage_3": replayed, "stage_3_identity": P.log_p}
    for phase, law in to.items():
        before, after = (kl(law, log_strings(P.trie, one)) for one in (result["stage_2"].evaluations[-1],
                                                                       end(result[phase])))  # fmt: skip
        assert after < 0.8 * before, phase
    seen = [step[1] for step in result["stage_3"].kl]
    assert len(seen) == 8, "KL(S‖q) of the stage's own S is recorded after every step"
    direct = kl(narrow().s.log_p, log_strings(P.trie, end(result["stage_3"])))
    assert sum(result["stage_3"].kl[-1][:2]) == pytest.approx(direct, abs=1e-5)


def test_the_anchor_is_the_model_of_the_stage_before():
    """KL to the anchor is 0 there, so nothing moves. From q0, the model of sft would be pulled back."""
    pull = whole(6, objective=ToAnchor())
    run = staged()
    result = simulate(dataclasses.replace(run, later=(Later("stage_2", pull, run.restricted),)))
    np.testing.assert_allclose(end(result["stage_2"])["edge_log_q"], end(result["sft"])["edge_log_q"], atol=1e-5)
    assert result["stage_2"].losses[-1] == pytest.approx(0.0, abs=1e-6)
    distance = np.abs(end(result["sft"])["edge_log_q"] - end(result["pretrain"])["edge_log_q"]).max()
    assert distance > 0.5, "the test could fail"


def test_the_state_of_the_optimiser_is_fresh_and_there_are_no_probes():
    rule = recipe(optimizer=Sgd(learning_rate=0.5, momentum=0.9))
    probe = lambda job, params: {"norm": np.zeros(1)}  # noqa: E731
    run = dataclasses.replace(staged(), finetune=rule, probes=(probe,))
    stage = Later("stage_2", rule, run.restricted)
    zeros = jax.tree.map(jnp.zeros_like, jax.eval_shape(run.model.init, jax.random.key(0)))
    found = later_trainings(dataclasses.replace(run, later=(stage,)), stage, zeros)
    assert list(found) == ["stage_2", "stage_2_identity"]
    assert all(one.state is None and not one.probes for one in found.values())
    assert list(later_trainings(dataclasses.replace(run, controls=()), stage, zeros)) == ["stage_2"]


def test_runs_train_together_only_if_their_stages_have_one_structure():
    run = staged()

    def with_stage(objective: object, **chosen: object) -> object:
        one = Later("stage_2", whole(10, objective=objective, **chosen), run.restricted)
        return signature(dataclasses.replace(run, later=(one,)))

    assert with_stage(Replay(weight=0.1)) == with_stage(Replay(weight=0.5))
    assert with_stage(Sft()) != with_stage(Replay(weight=0.5))
    assert with_stage(Sft()) != with_stage(Sft(), batch_size=16)
    assert with_stage(Sft()) != signature(run)
