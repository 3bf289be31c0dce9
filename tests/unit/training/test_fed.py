"""A training that is fed by the host: its loss and gradient are those of the same batch of a listed language."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sim.languages.device import on_device
from sim.models._base import Bound
from sim.models.transformer import transformer
from sim.numerics import SpecificationError
from sim.objectives._context import Batch, Context
from sim.objectives.gem import Gem
from sim.objectives.replay import Replay
from sim.objectives.reverse_kl import ReverseKl
from sim.objectives.sft import Sft
from sim.optimizers.adam import Adam
from sim.training.fed import Task, advance, begin, logits, loss, loss_and_gradient
from sim.training.given import OfBatch
from sim.training.parts import Fed
from tests.unit.unlisted.small_laws import listing, small

OWN = listing()
ROWS = np.repeat(OWN.trie.strings, 3, axis=0)[:20].astype(np.int32)
MODEL = transformer(OWN.trie, width=16, depth=2, heads=2)


def batch(rows: np.ndarray = ROWS, exact: bool = True) -> Fed:
    with np.errstate(divide="ignore"):
        law = jnp.asarray(np.log(small().p.next_token(rows)), jnp.float32) if exact else None
    return Fed(jnp.asarray(rows), jnp.full(len(rows), 1.0 / len(rows)), law)


beginning = jax.jit(MODEL.init)
found_loss = jax.jit(loss)
"""Compiled as a whole, because alone each of their operations would be a program."""


def task(objective: object) -> Task:
    params = beginning(jax.random.key(0))
    return Task(jax.random.key(3), params, MODEL, objective, Adam(1e-2), 10.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("objective", [Sft("exact"), Sft("sampled"), Gem(beta=0.7, targets="exact")])
def test_the_loss_is_that_of_a_listed_language(objective: object) -> None:
    one = task(objective)
    known = on_device(OWN)

    def listed(one: Task) -> jax.Array:
        q = Bound(MODEL, one.init)
        context = Context(known, known, known, q, None, jnp.asarray(True), False, False, 0)
        return objective(q, context, Batch(batch().tokens, batch().weight), one.key)  # type: ignore[operator]

    expected = float(jax.jit(listed)(one))
    assert float(found_loss(one, one.init, batch(), one.key)) == pytest.approx(expected, rel=1e-5)


def test_parts_of_a_batch_give_the_gradient_of_the_whole() -> None:
    one = task(Sft("exact"))
    rows = np.repeat(ROWS, 8, axis=0)  # 1,120 tokens, so several parts
    expected, whole = jax.jit(jax.value_and_grad(loss, argnums=1))(one, one.init, batch(rows), one.key)
    in_parts = jax.jit(lambda one, rows: loss_and_gradient(one, one.init, rows, one.key, 0, None))
    value, found = in_parts(one, batch(rows))
    assert float(value) == pytest.approx(float(expected), rel=1e-5)
    for own, other in zip(jax.tree.leaves(found), jax.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-3, atol=1e-6)


def test_sampled_targets_need_no_laws_and_training_lowers_the_loss() -> None:
    one = task(Sft("sampled"))
    state = begin(one)
    before = float(found_loss(one, state.params, batch(exact=False), one.key))
    for _ in range(10):
        state = advance(one, state, batch(exact=False))
    assert int(state.step) == 10
    assert float(found_loss(one, state.params, batch(exact=False), one.key)) < 0.8 * before


def test_logits_are_those_of_the_model() -> None:
    params = beginning(jax.random.key(4))
    found = logits(MODEL, params, ROWS)
    np.testing.assert_allclose(found, jax.jit(MODEL.logits)(params, ROWS), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("objective", [Replay(0.1), ReverseKl()])
def test_an_objective_that_needs_more_than_a_batch_is_refused(objective: object) -> None:
    one = task(objective)
    with pytest.raises(SpecificationError, match="a language that is not listed"):
        jax.eval_shape(lambda params: loss(one, params, batch(), one.key), one.init)


def test_a_language_of_a_batch_has_no_tables() -> None:
    rows = jnp.asarray(ROWS)
    known = OfBatch(batch().law)
    assert known.next_log_probs(rows).shape == (20, 7, 4)
    assert known.prompt_length(rows).tolist() == [0] * 20
    for ask in (lambda: known.strings, lambda: known.probability, lambda: known.sample(jax.random.key(0), (2,)),
                lambda: known.sample_evenly(jax.random.key(0), 2), lambda: known.next_log_probs(rows[:3])):  # fmt: skip
        with pytest.raises(SpecificationError, match="strings of its batch"):
            ask()
