"""Sharpness-aware steps against two explicit gradients, and targets that change during a phase against two runs."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sim.languages.device import on_device
from sim.models.tabular_trie import tabular_trie
from sim.models.transformer import transformer
from sim.objectives.sft import Sft, label
from sim.optimizers.adam import Adam
from sim.training import job as training_job
from sim.training.job import Job, advance, ascended, context_of, loss, num_parts, start
from tests.unit.models.tiny_worlds import language, training

P = language({"a": 3, "ab": 5, "b": 2, "ba": 4, "bab": 6, "c": 1, "ca": 3, "": 2})
TABLE = tabular_trie(P.trie, scale=0.5)
SWITCH, END = 3, 6
program = jax.jit(advance)


def job(objective: Sft, model: object = TABLE, **chosen: object) -> Job:
    data = on_device(P)
    chosen = {"whole_support": False, "batch_size": 8, "key": 4} | chosen
    return training(model, model.init(jax.random.key(1)), data, data, objective=objective, **chosen)


def vector(tree: object) -> np.ndarray:
    return np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(tree)])


# -- sharpness-aware steps --------------------------------------------------------------------------------------------


def check_step(one: Job, radius: float) -> None:
    """A step of SGD at rate 1 subtracts the gradient of the batch at theta + rho g/|g|."""
    key = jax.random.fold_in(one.key, 0)
    gradient = jax.jit(jax.grad(lambda params: loss(one, params, key)))
    first = gradient(one.init)
    shift = radius / np.linalg.norm(vector(first))
    second = gradient(jax.tree.map(lambda p, g: p + shift * g, one.init, first))
    after = program(one, start(one), jnp.int32(1))
    np.testing.assert_allclose(vector(one.init) - vector(after.params), vector(second), rtol=0, atol=2e-5)
    assert np.abs(vector(second) - vector(first)).max() > 1e-2
    assert float(after.loss_sum) == pytest.approx(float(jax.jit(loss)(one, one.init, key)), rel=1e-5), (
        "it is that of theta"
    )


def test_a_sharpness_aware_step_takes_the_gradient_uphill():
    check_step(job(Sft(sharpness=0.5)), 0.5)


@pytest.mark.slow
def test_the_ascent_is_that_of_the_whole_batch_also_where_it_is_divided(monkeypatch):
    monkeypatch.setattr("sim.models.transformer.Transformer.part_rows", 8)
    one = job(Sft(sharpness=0.3), transformer(P.trie, width=4, depth=1, heads=1, mlp_ratio=1))
    assert num_parts(one) > 1
    check_step(one, 0.3)


@pytest.mark.parametrize(("radius", "number"), [(0.0, 1), (0.5, 2)])
def test_without_a_radius_a_program_has_one_gradient(radius, number, monkeypatch):
    made, real = [], training_job.loss_and_gradient
    monkeypatch.setattr(training_job, "loss_and_gradient", lambda *at: made.append(1) or real(*at))
    one = job(Sft(sharpness=radius))
    jax.make_jaxpr(lambda state: training_job._descent(one, state, one.key, None))(start(one))
    assert len(made) == number


def test_without_a_gradient_there_is_no_ascent():
    params = {"w": jnp.array([1.0, -jnp.inf])}
    found = ascended(params, {"w": jnp.zeros(2)}, 0.5)
    np.testing.assert_array_equal(found["w"], params["w"])


# -- targets that change ----------------------------------------------------------------------------------------------

KINDS = {"exact": "sampled", "sampled": "exact"}


@pytest.mark.parametrize("targets", KINDS)
def test_after_the_switch_a_run_goes_on_as_one_with_the_other_targets(targets):
    """The draws too: they are those of the two runs."""
    chosen = {"optimizer": Adam(0.1)}
    plain, other = (job(Sft(targets=kind), **chosen) for kind in (targets, KINDS[targets]))
    mixed = job(Sft(targets=targets, switch=float(SWITCH)), **chosen)
    at_switch, before = (program(one, start(one), jnp.int32(SWITCH)) for one in (mixed, plain))
    np.testing.assert_allclose(vector(at_switch.params), vector(before.params), rtol=0, atol=1e-6)
    ends = [vector(program(one, before, jnp.int32(END)).params) for one in (mixed, other, plain)]
    np.testing.assert_allclose(ends[0], ends[1], rtol=0, atol=1e-6)
    assert np.abs(ends[0] - ends[2]).max() > 1e-2
    np.testing.assert_allclose(vector(program(mixed, start(mixed), jnp.int32(END)).params), ends[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("targets", KINDS)
def test_strings_are_drawn_in_the_way_of_the_targets_of_the_step(targets):
    mixed, key = job(Sft(targets=targets, switch=float(SWITCH))), jax.random.key(9)
    for step, kind in ((SWITCH - 1, targets), (SWITCH, KINDS[targets])):
        drawn, expected = (
            np.asarray(context_of(one, jnp.int32(step)).draw(one.phase.data, key, 8).tokens)
            for one in (mixed, job(Sft(targets=kind)))
        )
        np.testing.assert_array_equal(drawn, expected)


def test_the_step_of_a_switch_is_traced():
    jobs = [job(Sft(switch=step)) for step in (2.0, 4.0)]
    traced = jax.jit(lambda one: loss(one, one.init, one.key, jnp.int32(3)))
    values = [float(traced(one)) for one in jobs]
    assert traced._cache_size() == 1
    assert values[0] != values[1]
    assert values[1] == pytest.approx(float(loss(job(Sft()), jobs[0].init, jobs[0].key)), rel=1e-6)


def test_without_a_switch_the_step_does_not_matter():
    one = job(Sft())
    other = replace(one, phase=replace(one.phase, objective=Sft(targets="sampled")))
    for of in (one, other):
        assert float(loss(of, of.init, of.key, 0)) == float(loss(of, of.init, of.key, 1000))


def test_options_are_named():
    assert label(targets="exact") == "SFT"
    assert label(sharpness=0.05, switch=200.0) == "SFT, sharpness-aware, ρ = 0.05, other targets after step 200"
