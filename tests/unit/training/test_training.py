"""The training program: resumable bit for bit, seeded by (key, step), and exactly the recursion that it states."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sim.languages.device import on_device
from sim.models._base import Bound
from sim.models.tabular_strings import tabular_strings
from sim.models.transformer import transformer
from sim.numerics import log_softmax
from sim.objectives.replay import Replay
from sim.objectives.sft import Sft
from sim.optimizers.adam import Adam
from sim.optimizers.sgd import Sgd
from sim.training.job import Job, State, advance, context_of, loss, loss_and_gradient, start
from tests.unit.models.tiny_worlds import language, mask, training

P = language({"a": 3, "ab": 5, "b": 2, "ba": 4, "bab": 6, "c": 1, "ca": 3, "": 2})
A = mask(P, lambda text: "c" not in text)
S = P.condition(A)[0]
run = jax.jit(advance)
FLAT, NET = tabular_strings(P.trie, scale=1.0), transformer(P.trie, width=8, depth=1, heads=2)


@functools.cache
def fresh() -> dict:
    return jax.jit(NET.init)(jax.random.key(1))


def sampled(**chosen: object) -> Job:
    """Replay with sampled strings and targets under scheduled Adam: everything that could break a resumption."""
    settings = {
        "objective": Replay(weight=0.3, targets="sampled"),
        "optimizer": Adam(learning_rate=1e-2, warmup=3.0, decay="cosine"),
        "num_steps": 20.0,
        "whole_support": False,
    }
    return training(NET, fresh(), on_device(S), on_device(P), **settings | chosen)


def flat(**chosen: object) -> Job:
    """The same of the flat table, for laws in which the model plays no part."""
    return sampled(**chosen).replace(model=FLAT, init=FLAT.init(jax.random.key(1)))


whole = jax.jit(jax.value_and_grad(loss, argnums=1))


def nothing(q: Bound) -> jax.Array:
    """0, in which the parameters take part."""
    return 0.0 * sum(jnp.sum(leaf) for leaf in jax.tree.leaves(q.params))


def same(one: object, other: object) -> bool:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_a_training_is_a_function_of_its_job():
    job = sampled()
    first, again = (run(job, start(job), jnp.int32(20)) for _ in range(2))
    assert same(first, again)
    other = run(sampled(key=1), start(job), jnp.int32(20))
    assert not same(first.params, other.params)


@pytest.mark.parametrize("pieces", [[20], [1, 20], [7, 14, 20], list(range(1, 21)), [5, 5, 20]])
def test_in_pieces_is_in_one_go_bit_for_bit(pieces):
    job = sampled()
    state = start(job)
    for until in pieces:
        state = run(job, state, jnp.int32(until))
    whole = run(job, start(job), jnp.int32(20))
    assert same(state, whole)
    assert int(state.step) == 20
    assert float(state.loss_sum) > 0


def test_a_state_beyond_its_goal_is_left_alone():
    job = sampled()
    state = run(job, start(job), jnp.int32(9))
    assert same(state, run(job, state, jnp.int32(9)))
    assert same(state, run(job, state, jnp.int32(3)))


@pytest.mark.parametrize("wrong", [jnp.inf, -jnp.inf, jnp.nan])
def test_a_training_stops_at_the_step_whose_loss_is_not_finite(wrong):
    """The third loss is not finite: nothing is computed after it, however far the goal."""

    class Wrong:
        def __call__(self, q, context, batch, key):
            return nothing(q) + jnp.where(key_data(key) == third, wrong, 1.0)

    def key_data(key):
        return jax.random.key_data(key).sum()

    jax.tree_util.register_static(Wrong)
    job = flat(objective=Wrong())
    third = key_data(jax.random.split(jax.random.fold_in(job.key, 2))[1])
    state = run(job, start(job), jnp.int32(20))
    assert int(state.step) == 3
    assert not np.isfinite(state.loss_sum)
    assert same(state, run(job, state, jnp.int32(20))) or np.isnan(state.loss_sum)
    assert int(run(job, state, jnp.int32(20)).step) == 3


def test_one_program_serves_every_interval_and_every_number():
    traces = []

    @jax.jit
    def traced(job, state, until):
        traces.append(1)
        return advance(job, state, until)

    job = sampled()
    state = traced(job, start(job), jnp.int32(1))
    state = traced(job, state, jnp.int32(5))
    faster = job.replace(
        phase=job.phase.replace(optimizer=job.phase.optimizer.replace(learning_rate=0.5), num_steps=9.0)
    )
    changed = traced(faster, start(faster), jnp.int32(5))
    assert not same(changed.params, run(job, start(job), jnp.int32(5)).params)
    assert len(traces) == 1


def test_sgd_on_the_whole_support_is_the_stated_recursion():
    """theta <- theta - lr (q - S) on the flat table, and the loss of each step taken before its update."""
    model, rate = tabular_strings(P.trie), 0.5
    logits = np.random.default_rng(0).normal(size=P.trie.num_strings)
    init = {"logits": jnp.asarray(logits, jnp.float32)}
    job = training(model, init, on_device(S), on_device(P), optimizer=Sgd(learning_rate=rate))
    state = run(job, start(job), jnp.int32(30))
    losses = []
    for _ in range(30):
        log_q = log_softmax(logits)
        losses.append(-float(np.exp(S.log_p[A]) @ log_q[A]))
        logits = logits - rate * (np.exp(log_q) - np.exp(S.log_p))
    np.testing.assert_allclose(state.params["logits"], logits, rtol=0, atol=1e-5)
    assert float(state.loss_sum) == pytest.approx(np.sum(losses), rel=1e-5)


def test_the_anchor_stays_where_the_phase_started():
    """An objective that only sees the anchor has no gradient, and its value does not move."""

    class Anchored:
        def __call__(self, q, context, batch, key):
            log_anchor = context.anchor.next_log_probs(batch.tokens)[..., 0]
            possible = jnp.where(jnp.isfinite(log_anchor), log_anchor, 0.0)
            return -jnp.sum(batch.weight * jnp.sum(possible, axis=-1)) + nothing(q)

    jax.tree_util.register_static(Anchored)
    job = flat(objective=Anchored(), whole_support=True)
    moved = jax.tree.map(lambda leaf: 2.0 * leaf, job.init)
    value, gradient = whole(job, job.init, jax.random.key(0))
    assert float(whole(job, moved, jax.random.key(0))[0]) == pytest.approx(float(value), rel=1e-6)
    assert float(value) > 0
    assert all((np.abs(leaf) < 1e-12).all() for leaf in jax.tree.leaves(gradient))


def test_batches_are_fresh_at_every_step_and_of_the_stated_size():
    seen = []

    class Watching:
        def __call__(self, q, context, batch, key):
            jax.debug.callback(
                lambda tokens, weight: seen.append((np.array(tokens), np.array(weight))), *batch_of(batch)
            )
            return nothing(q)

    def batch_of(batch):
        return batch.tokens, batch.weight

    jax.tree_util.register_static(Watching)
    job = flat(objective=Watching(), batch_size=16)
    state = run(job, start(job), jnp.int32(6))
    jax.block_until_ready(state)
    jax.effects_barrier()
    assert len(seen) == 6
    allowed = {row.tobytes() for row in S.trie.strings[A]}
    for tokens, weight in seen:
        assert tokens.shape == (16, P.trie.length)
        np.testing.assert_allclose(weight, 1 / 16)
        assert {row.tobytes() for row in tokens.astype(np.int32)} <= allowed
    assert len({tokens.tobytes() for tokens, _ in seen}) == 6


def test_the_first_step_starts_a_fresh_optimiser():
    job = sampled()
    state = start(job)
    assert isinstance(state, State)
    assert int(state.step) == 0
    assert same(state.params, job.init)
    transformation = job.phase.optimizer.transformation(20.0)
    assert same(state.opt_state, transformation.init(job.init))
    assert optax.tree.norm(state.opt_state[0].first) == 0


@pytest.mark.parametrize(
    ("rows", "targets", "whole_support"),
    [(1, "exact", False), (3, "exact", False), (7, "exact", False), (3, "sampled", False), (7, "exact", True)],
)
def test_the_gradient_in_parts_is_that_of_the_whole_batch(rows, targets, whole_support, monkeypatch):
    """Strings of weight 0 fill up the last part; the value and every entry of the gradient are the same."""
    job = training(NET, fresh(), on_device(S), on_device(P), objective=Sft(targets), whole_support=whole_support)
    at = job, job.init, jax.random.key(3)
    value, gradient = whole(*at)
    monkeypatch.setattr("sim.models.transformer.PART_ROWS", rows * P.length)
    parts = jax.make_jaxpr(loss_and_gradient)(*at)
    assert any(equation.primitive.name == "scan" for equation in parts.eqns), "it is taken in parts"
    found, summed = jax.jit(lambda *at: loss_and_gradient(*at))(*at)  # of its own: no size is remembered
    assert float(found) == pytest.approx(float(value), rel=1e-6)
    for one, other in zip(jax.tree.leaves(summed), jax.tree.leaves(gradient), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    assert any(np.abs(leaf).max() > 1e-3 for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize(("targets", "is_even"), [("exact", True), ("sampled", False)])
def test_only_exact_targets_are_trained_on_systematic_samples(targets, is_even):
    """In a systematic sample of 8, each string is drawn floor(8 P) or ceil(8 P) times; independent ones exceed that."""
    job = training(NET, fresh(), on_device(S), on_device(P), objective=Sft(targets), whole_support=False)
    context = context_of(job)
    assert context.is_even == is_even
    expected = 8 * np.exp(S.log_p)
    found = set()
    for seed in range(20):
        tokens = np.asarray(context.draw(job.phase.data, jax.random.key(seed), 8).tokens)
        times = (tokens[:, None] == S.trie.strings[None]).all(axis=2).sum(axis=0)
        found.add(bool((np.abs(times - expected) < 1).all()))
    assert (found == {True}) == is_even
