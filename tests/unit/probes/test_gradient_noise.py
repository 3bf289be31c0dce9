"""The noise of gradients against gradients of every batch in numpy, for the trie table."""

import jax
import numpy as np
import pytest

from sim.languages.device import on_device
from sim.models.tabular_trie import tabular_trie
from sim.numerics import log_softmax
from sim.objectives.sft import Sft
from sim.optimizers.sgd import Sgd
from sim.probes.gradient_noise import BATCHES, gradient_noise, relative_noise
from sim.training.job import Job, context_of
from sim.training.sweep import Training, train_many
from sim.training.trie_logits import trie_plan
from tests.unit.models.tiny_worlds import language, mask, table64, training

P = language({"a": 3, "ab": 5, "b": 2, "ba": 4, "bab": 6, "c": 1, "ca": 3, "": 2})
S = P.condition(mask(P, lambda text: "c" not in text))[0]
TABLE = tabular_trie(P.trie, scale=0.5)
SIZE = 4


def job(targets: str, switch: float | None = None, **chosen: object) -> Job:
    chosen = {"whole_support": False, "batch_size": SIZE} | chosen
    params, objective = TABLE.init(jax.random.key(1)), Sft(targets=targets, switch=switch)
    return training(TABLE, params, on_device(S), on_device(P), objective=objective, **chosen)


def gradient(params: dict, tokens: np.ndarray, weights: np.ndarray, targets: str) -> np.ndarray:
    """Sum over strings and their nodes of weight * (q(. | node) - target): [nodes, tokens]."""
    q, law = np.exp(log_softmax(np.asarray(params["logits"], np.float64))), np.exp(table64(S))
    found = np.zeros_like(q)
    for row, weight in zip(tokens, weights, strict=True):
        node = 0
        for token in row:
            found[node] += weight * (q[node] - (law[node] if targets == "exact" else np.eye(len(q[0]))[token]))
            node = P.trie.next_node[node, token]
            if token == 0:
                break
    return found.ravel()


def noise_by_hand(one: Job, params: dict, targets: str) -> float:
    exact = gradient(params, P.trie.strings, np.exp(S.log_p), "sampled")
    batches = []
    for key in jax.random.split(jax.random.fold_in(one.key, 2**32 - 1), BATCHES):
        tokens = context_of(one).draw(one.phase.data, jax.random.split(key)[0], SIZE).tokens
        batches.append(gradient(params, np.asarray(tokens), np.full(SIZE, 1 / SIZE), targets))
    drawn, total, number = np.array(batches), 0.0, 0
    for i in range(len(exact)):
        second = sum(g**2 for g in drawn[:, i]) / BATCHES
        if second > 1e-14:  # else only rounding is left
            total += sum((g - exact[i]) ** 2 for g in drawn[:, i]) / BATCHES / second
            number += 1
    return float(np.sqrt(total / number))


@pytest.mark.parametrize("targets", ["exact", "sampled"])
def test_the_noise_is_that_of_explicit_gradients(targets):
    one = job(targets)
    params = {"logits": one.init["logits"] + 0.3}
    found = gradient_noise(one, params)["gradient_noise"]
    assert found.shape == (1,)
    assert found[0] == pytest.approx(noise_by_hand(one, params, targets), rel=1e-4)


def test_sampled_targets_are_noisier_and_the_whole_support_has_no_noise():
    exact, sampled = (float(gradient_noise(job(kind), TABLE.init(jax.random.key(1)))["gradient_noise"][0])
                      for kind in ("exact", "sampled"))  # fmt: skip
    assert 0.05 < exact < sampled
    still = job("exact", whole_support=True)
    assert gradient_noise(still, still.init)["gradient_noise"][0] < 1e-3


@pytest.mark.slow
def test_targets_that_have_changed_are_those_of_the_end():
    exact, mixed, sampled = job("exact"), job("exact", switch=500.0), job("sampled")
    for params, same in ((exact.init, exact), ({"logits": exact.init["logits"] + 0.3}, sampled)):
        found, expected = (gradient_noise(one, params)["gradient_noise"][0] for one in (mixed, same))
        assert found == pytest.approx(expected, rel=1e-5)


def test_parameters_without_a_gradient_are_left_out():
    drawn, exact = np.array([[1.0, 0.0, 2.0], [3.0, 0.0, 2.0]]), np.array([2.0, 0.0, 2.0])
    assert relative_noise(drawn, exact) == pytest.approx(np.sqrt((1.0 / 5.0 + 0.0) / 2))
    assert relative_noise(np.zeros((2, 3)), np.zeros(3)) == 0.0
    assert relative_noise(np.full((2, 1), 1e-30), np.zeros(1)) == pytest.approx(1.0), "squares do not underflow"


def test_it_is_recorded_at_both_ends_alone():
    one = job("sampled", optimizer=Sgd(learning_rate=0.1))
    run = Training(one, P.trie, trie_plan(P.trie), [0, 1, 2, 3], probes=(gradient_noise,))
    train_many([run])
    assert ["gradient_noise" in each for each in run.trained.evaluations] == [True, False, False, True]
