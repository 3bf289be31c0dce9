"""The tangent space at q0 against explicit Jacobians, kernels and Fisher matrices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sim.probes.tangent
from sim.languages.device import on_device
from sim.metrics.divergence import kl as divergence
from sim.metrics.scored import score
from sim.metrics.tangent import fisher_form
from sim.models._linearised import Linearised
from sim.models.tabular_strings import tabular_strings
from sim.models.tabular_trie import tabular_trie
from sim.models.transformer import transformer
from sim.optimizers.sgd import Sgd
from sim.probes.tangent import log_probs, tangent
from sim.training.job import Job, loss
from sim.training.node_record import node_record
from sim.training.sweep import Training, train_many
from sim.training.trie_logits import trie_logits, trie_plan
from tests.unit.models.tiny_worlds import language, log_strings, mask, trained, training

P = language({"a|x": 3, "a|xy": 5, "a|y": 2, "b|x": 4, "b|yy": 2, "b|": 1}, prompt_end="|")
A = mask(P, lambda text: "yy" not in text and text != "a|y")
MODELS = {
    "transformer": transformer(P.trie, width=4, depth=1, heads=1, mlp_ratio=1),
    "trie table": tabular_trie(P.trie, scale=0.5),
    "flat table": tabular_strings(P.trie, scale=0.5),
}


def job(name: str, loss_on: str = "response", **chosen: object) -> Job:
    model = MODELS[name]
    data, base = on_device(P.condition(A)[0]), on_device(P)
    return training(model, model.init(jax.random.key(3)), data, base, loss_on=loss_on, **chosen)


def jacobian(of: Job) -> np.ndarray:
    """Explicit, by reverse derivatives: [N, parameters]. It is one program; op by op there would be hundreds."""
    rows = jax.jit(jax.jacrev(log_probs, argnums=1))(of, of.init, of.phase.base.strings)
    return np.concatenate([np.asarray(leaf, np.float64).reshape(len(A), -1) for leaf in jax.tree.leaves(rows)], axis=1)


def vector(tree: object) -> np.ndarray:
    return np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(tree)])


@pytest.mark.parametrize(
    ("name", "loss_on"),
    [
        *((name, "response") for name in MODELS),
        *(pytest.param(name, "document", marks=[pytest.mark.slow] * (name == "transformer")) for name in MODELS),
    ],
)
def test_velocity_is_the_kernel_times_s_and_displacement_the_jacobian_times_the_step(name, loss_on):
    one = job(name, loss_on)
    step = jax.tree.map(lambda leaf: 0.01 * jax.random.normal(jax.random.key(leaf.size), leaf.shape), one.init)
    found = tangent(one, jax.tree.map(jnp.add, one.init, step))
    explicit = jacobian(one)
    s = np.exp(P.condition(A)[0].log_p)
    kernel = explicit @ explicit.T
    np.testing.assert_allclose(found["tangent_velocity"], kernel @ s, rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(found["tangent_displacement"], explicit @ vector(step), rtol=2e-3, atol=2e-5)
    np.testing.assert_allclose(found["weight_distance"], [np.linalg.norm(vector(step))], rtol=1e-3)
    assert all(values.dtype == np.float64 for values in found.values())


def test_many_strings_are_scored_in_parts(monkeypatch):
    one = job("transformer")
    moved = jax.tree.map(lambda leaf: leaf + 0.1, one.init)
    whole = tangent(one, moved)
    monkeypatch.setattr("sim.probes.tangent.CHUNK", 4)
    sim.probes.tangent._tangent.clear_cache()  # it has the whole batch compiled
    parts = tangent(one, moved)
    sim.probes.tangent._tangent.clear_cache()
    for name, values in whole.items():
        np.testing.assert_allclose(parts[name], values, rtol=1e-4, atol=1e-6)


def test_velocity_is_the_derivative_along_one_small_step():
    one, rate = job("transformer", optimizer=Sgd(learning_rate=1e-3)), 1e-3
    run = trained(one, P.trie, [0, 1])
    before, after = (jax.jit(log_probs)(one, params, one.phase.base.strings) for params in (one.init, run.params))
    np.testing.assert_allclose(
        (after - before) / rate, tangent(one, one.init)["tangent_velocity"], rtol=0.02, atol=0.02
    )


def wide(leaf: object) -> object:
    return leaf.astype(jnp.float64) if getattr(leaf, "dtype", None) == jnp.float32 else leaf


def scored(of: Job, params: object, view: str = "response"):
    return score(
        P.trie, P.prompts, node_record(np.asarray(trie_logits(of.model, params, trie_plan(P.trie))), P.trie), view
    )


@pytest.mark.parametrize("name", ["transformer", "trie table"])
def test_the_fisher_form_is_that_of_the_explicit_matrix_and_kl_to_second_order(name):
    with jax.enable_x64(True):
        one = job(name)
        one = jax.tree.map(wide, one)
        step = jax.tree.map(lambda leaf: jax.random.normal(jax.random.key(leaf.size), leaf.shape), one.init)
        law = P.prompts.log_p
        explicit, base = jacobian(one), scored(one, one.init)
        d = explicit @ vector(step)
        q, weight = np.exp(base.log_q), np.exp(law)
        off = 1 - np.bincount(base.group, q)  # the prompt's law of what is left, whose derivative is that of the rest
        rows = np.stack([-(q * (base.group == g)) @ explicit / off[g] for g in range(len(law))])
        whole = np.concatenate([explicit, rows])
        masses = np.concatenate([weight[base.group] * q, weight * off])
        matrix = whole.T @ (masses[:, None] * whole)
        form = fisher_form(base, d, law)
        assert form == pytest.approx(0.5 * vector(step) @ matrix @ vector(step), rel=1e-9)
        ratios = []
        for size in (1e-2, 1e-3):
            moved = scored(one, jax.tree.map(lambda a, b, size=size: a + size * b, one.init, step))
            true = divergence(base.merged, moved.merged, base.log_merged_weights(law))
            ratios.append(abs(true / (size**2 * form) - 1))
        assert ratios[1] < 0.02
        assert ratios[1] < 0.5 * ratios[0]


def test_the_fisher_form_of_a_law_that_never_leaves_the_support():
    base = scored(job("flat table"), MODELS["flat table"].init(jax.random.key(3)))
    d = np.arange(6.0)
    d -= np.bincount(base.group, np.exp(base.log_q) * d)[base.group]  # E_q0[d | x] = 0
    form = fisher_form(base, d, P.prompts.log_p)
    expected = 0.5 * np.sum(np.exp(base.log_q + P.prompts.log_p[base.group]) * d**2)
    assert form == pytest.approx(expected, rel=1e-6)


def test_a_linearised_model_is_linear_and_agrees_to_first_order():
    model = MODELS["transformer"]
    origin = model.init(jax.random.key(3))
    linear = Linearised(model, origin)
    tokens = jnp.asarray(P.trie.strings)
    step = jax.tree.map(lambda leaf: jax.random.normal(jax.random.key(leaf.size), leaf.shape), origin)

    def at(of: object, size: float) -> np.ndarray:
        return np.asarray(of.logits(jax.tree.map(lambda a, b: a + size * b, origin, step), tokens))

    start = at(linear, 0.0)
    np.testing.assert_array_equal(start, at(model, 0.0))
    np.testing.assert_allclose(at(linear, 0.2) - start, 2 * (at(linear, 0.1) - start), rtol=1e-3, atol=1e-4)
    errors = [np.abs(at(linear, size) - at(model, size)).max() for size in (0.1, 0.01)]
    assert errors[1] < errors[0] / 30  # second order
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), linear.init(jax.random.key(0)), origin))
    assert (linear.length, linear.vocab_size, linear.part_rows) == (model.length, model.vocab_size, model.part_rows)


def test_a_table_is_its_own_linearisation():
    """Its logits are its parameters, so that training the one trains the other."""
    one = job("trie table", optimizer=Sgd(learning_rate=0.5))
    linear = job("trie table", optimizer=Sgd(learning_rate=0.5)).replace(model=Linearised(one.model, one.init))
    table, line = (trained(each, P.trie, [0, 5, 20]) for each in (one, linear))
    for a, b in zip(table.evaluations, line.evaluations, strict=True):
        np.testing.assert_allclose(log_strings(P.trie, a), log_strings(P.trie, b), atol=1e-5)


def test_impossible_tokens_stay_impossible():
    flat = MODELS["flat table"]
    origin = flat.init(jax.random.key(3))
    logits = Linearised(flat, origin).logits(jax.tree.map(lambda leaf: leaf + 1.0, origin), jnp.asarray(P.trie.strings))
    assert not np.isnan(logits).any()
    assert (np.isneginf(logits) == np.isneginf(flat.logits(origin, jnp.asarray(P.trie.strings)))).all()


def test_probes_are_recorded_at_every_evaluation():
    one = job("transformer", optimizer=Sgd(learning_rate=0.1))
    run = Training(one, P.trie, trie_plan(P.trie), [0, 2, 4], probes=(tangent,))
    train_many([run])
    distances = [record["weight_distance"][0] for record in run.trained.evaluations]
    assert distances[0] == 0.0 < distances[1] < distances[2]
    assert {record["tangent_displacement"].shape for record in run.trained.evaluations} == {(6,)}
    gradient = jax.jit(jax.grad(loss, argnums=1))(one, one.init, one.key)
    assert distances[1] <= 0.2 * np.linalg.norm(vector(gradient)) * 1.5
