"""Recorded moments of hidden states against sums over the nodes of the trie, one node at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sim.probes.hidden
from sim.metrics.hidden import effective_dimension, linear_cka
from sim.probes.hidden import hidden
from tests.unit.probes.test_tangent import MODELS, P, job

NET = MODELS["transformer"]


@pytest.fixture(scope="module")
def moved():
    one = job("transformer")
    return one, jax.tree.map(lambda leaf: leaf + 0.3 * jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape), one.init)


def test_moments_are_expectations_over_the_nodes_of_the_trie(moved, monkeypatch):
    monkeypatch.setattr(sim.probes.hidden, "CHUNK", 4)  # two chunks, the second one not full
    one, params = moved
    found = hidden(one, params)
    prefixes: dict[tuple[int, ...], float] = {}
    for string, log_p in zip(P.trie.strings.tolist(), P.log_p.tolist(), strict=True):
        end = string.index(0) if 0 in string else len(string)
        for t in range(min(end + 1, len(string))):
            prefixes[tuple(string[:t])] = prefixes.get(tuple(string[:t]), 0.0) + np.exp(log_p)
    total = sum(prefixes.values())
    sums = {"hidden_mean": 0.0, "hidden_second": 0.0, "hidden_cross": 0.0}
    states = jax.jit(NET.states)
    for prefix, mass in prefixes.items():
        padded = jnp.array([[*prefix, *[0] * (P.trie.length - len(prefix))]], jnp.int32)
        h, h0 = (np.asarray(states(theta, padded)[:, 0, len(prefix)], np.float64) for theta in (params, one.init))
        sums["hidden_mean"] += mass / total * h
        sums["hidden_second"] += mass / total * np.einsum("kd,ke->kde", h, h)
        sums["hidden_cross"] += mass / total * np.einsum("kd,ke->kde", h, h0)
    for name, wanted in sums.items():
        assert found[name].dtype == np.float64
        np.testing.assert_allclose(found[name], wanted, rtol=1e-5, atol=1e-6, err_msg=name)


def test_the_last_layer_is_what_the_output_matrix_reads_and_the_first_the_embedding(moved):
    _, params = moved
    tokens = jnp.asarray(P.trie.strings[:3])
    states = NET.states(params, tokens)
    assert states.shape == (NET.depth + 2, 3, P.trie.length, NET.width)
    np.testing.assert_allclose(states[-1] @ params["head"]["kernel"], NET.logits(params, tokens), rtol=1e-5, atol=1e-5)
    rows = jnp.concatenate([jnp.full((3, 1), P.trie.vocab_size), tokens[:, :-1]], axis=1)
    embedded = params["embed"]["embedding"][rows] + params["position"][None]
    np.testing.assert_allclose(states[0], embedded, rtol=1e-6, atol=1e-6)


def test_a_model_is_wholly_similar_to_itself_and_to_its_rotations(moved):
    one, _ = moved
    found = hidden(one, one.init)
    np.testing.assert_array_equal(found["hidden_cross"], found["hidden_second"])
    second, mean = found["hidden_second"][1], found["hidden_mean"][1]
    turn = 3.0 * np.linalg.qr(np.random.default_rng(0).normal(size=second.shape))[0]
    turned = turn @ second @ turn.T, turn @ mean
    assert linear_cka(turn @ second, turned, (second, mean)) == pytest.approx(1.0, rel=1e-10)
    assert effective_dimension(*turned) == pytest.approx(effective_dimension(second, mean), rel=1e-8)
    assert 1.0 <= effective_dimension(second, mean) <= NET.width


def test_what_does_not_vary_has_no_dimension_and_what_is_no_covariance_is_refused():
    mean = np.array([3.0, 1.0, 2.0])
    still, varied = (np.outer(mean, mean) * (1 + 1e-15), mean), (np.outer(mean, mean) + np.eye(3), mean)
    assert effective_dimension(*still) is None
    assert linear_cka(np.outer(mean, mean), still, varied) is None
    assert effective_dimension(*varied) == pytest.approx(3.0)
    with pytest.raises(ArithmeticError, match="a covariance is required, found the eigenvalue -1"):
        effective_dimension(np.diag([1.0, -1.0]), np.zeros(2))
