"""The sharpness at q0 against an explicit Hessian, and the method of Lanczos against numpy's eigenvalues."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from sim.languages.device import on_device
from sim.models.tabular_trie import tabular_trie
from sim.models.transformer import transformer
from sim.objectives.sft import Sft
from sim.optimizers.sgd import Sgd
from sim.probes import sharpness as probed
from sim.probes.sharpness import largest_eigenvalue, sharpness
from sim.probes.tangent import log_probs
from sim.training.job import Job
from tests.unit.models.tiny_worlds import language, mask, training

P = language({"a|x": 3, "a|xy": 5, "a|y": 2, "b|x": 4, "b|yy": 2, "b|": 1}, prompt_end="|")
S = P.condition(mask(P, lambda text: "yy" not in text and text != "a|y"))[0]
MODELS = {
    "trie table": tabular_trie(P.trie, scale=0.5),
    "transformer": transformer(P.trie, width=4, depth=1, heads=1, mlp_ratio=1),
}


def job(name: str, **chosen: object) -> Job:
    model = MODELS[name]
    params = model.init(jax.random.key(3))
    return training(model, params, on_device(S), on_device(P), loss_on="response", whole_support=False, **chosen)


@pytest.mark.parametrize("name", ["trie table", pytest.param("transformer", marks=pytest.mark.slow)])
def test_sharpness_is_the_largest_eigenvalue_of_the_explicit_hessian(name):
    """Of -E_S log q, whose terms are the log-probabilities of strings; for sampled targets too."""
    one = job(name)
    flat, unravel = ravel_pytree(one.init)
    weight = jnp.asarray(np.exp(S.log_p), jnp.float32)

    def value(vector: jax.Array) -> jax.Array:
        log_q = log_probs(one, unravel(vector), one.phase.base.strings)
        return -jnp.sum(jnp.where(weight > 0, weight * log_q, 0.0))

    hessian = np.asarray(jax.jit(jax.hessian(value))(flat), np.float64)
    largest = np.linalg.eigvalsh((hessian + hessian.T) / 2)[-1]
    assert largest > 0.01
    for targets in ("exact", "sampled"):
        found = sharpness(job(name, objective=Sft(targets=targets)), one.init)
        assert found["sharpness"].shape == (1,)
        assert found["sharpness"][0] == pytest.approx(largest, rel=2e-3)
        np.testing.assert_array_equal(found["weight_distance"], [0.0])


def test_the_hessian_is_differentiated_once_for_a_loss_at_q0_and_the_distance_is_always_new(monkeypatch):
    asked, real = [], probed.largest_eigenvalue
    monkeypatch.setattr(probed, "largest_eigenvalue", lambda *at: asked.append(1) or real(*at))
    monkeypatch.setattr(probed, "_of_content", {})
    one, same = job("trie table"), job("trie table")
    moved = {"logits": one.init["logits"].at[0, 0].add(3.0).at[1, 1].add(-4.0)}
    found = [sharpness(one, params) for params in (one.init, moved, moved)]
    assert len(asked) == 1
    assert len({float(each["sharpness"][0]) for each in found}) == 1
    np.testing.assert_allclose([each["weight_distance"][0] for each in found], [0.0, 5.0, 5.0], rtol=1e-6)
    faster = same.replace(phase=same.phase.replace(optimizer=Sgd(learning_rate=0.5), num_steps=7.0, batch_size=3))
    for another in (same, faster):  # the loss knows neither the optimiser nor the batch
        np.testing.assert_array_equal(sharpness(another, moved)["sharpness"], found[0]["sharpness"])
    assert len(asked) == 1, "an equal loss, and the same q0"
    for other in (
        one.replace(init=moved),
        job("trie table", objective=Sft(targets="sampled")),
        training(one.model, one.init, on_device(P), on_device(P), loss_on="response", whole_support=False),
        one.replace(phase=one.phase.replace(on_document=True)),
    ):
        before = len(asked)
        sharpness(other, moved)
        assert len(asked) == before + 1, "another loss or another q0"
    number = id(one)
    del one
    assert number not in probed._known


def test_what_is_impossible_at_both_ends_has_not_moved():
    one = job("trie table")
    table = one.init["logits"].at[0, 0].set(-jnp.inf)
    found = sharpness(one.replace(init={"logits": table}), {"logits": table.at[1, 1].add(2.0)})
    np.testing.assert_allclose(found["weight_distance"], [2.0], rtol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 7, 60])
def test_the_method_of_lanczos_finds_the_largest_eigenvalue(size):
    dice = np.random.default_rng(size)
    for shift in (0.0, 3.0, -3.0):  # the largest need not be the largest in size
        matrix = dice.normal(size=(size, size))
        matrix = matrix + matrix.T + shift * np.eye(size)
        largest, asked = np.linalg.eigvalsh(matrix)[-1], []

        def product(vector: np.ndarray, matrix: np.ndarray = matrix, asked: list[int] = asked) -> np.ndarray:
            asked.append(1)
            return matrix @ vector

        found = largest_eigenvalue(product, size)
        assert found == pytest.approx(largest, rel=1e-3, abs=1e-9)
        assert found <= largest + 1e-9
        assert len(asked) <= size


def test_the_zero_matrix_has_the_eigenvalue_zero():
    assert largest_eigenvalue(lambda vector: 0.0 * vector, 5) == 0.0
