"""The Objective signature (q, context, batch, key) carries objectives that are not built in: five are written here.

Each is checked on the flat or the trie table for its value, computed on the host, and its gradient in closed form.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from sim.languages.device import on_device
from sim.models._base import Bound, Model
from sim.models.tabular_strings import tabular_strings
from sim.models.tabular_trie import tabular_trie
from sim.numerics import log_softmax
from sim.objectives._context import Batch, Context, cross_entropy
from sim.training.job import Job, advance, loss, start
from sim.typing import Array, Bool, Float, Language, PRNGKey, Scalar, Tokens
from tests.unit.models.tiny_worlds import language, mask, table64, texts, training

P = language({"a": 3, "ab": 5, "b": 2, "ba": 4, "bab": 6, "c": 1, "ca": 3, "": 2})
A = mask(P, lambda text: "c" not in text)
ANNOTATED = language(
    {"x|m:a": 4, "x|m:b": 2, "x|n:a": 1, "y|m:b": 3, "y|n:ab": 5, "y|n:b": 1}, prompt_end="|"
)  # prompt | annotation : answer


def log_prob(spoken: Language, tokens: Tokens, scored: Bool[Array, "*B L"]) -> Float[Array, "*B"]:
    """log q of the scored part of every string."""
    at_token = jnp.take_along_axis(spoken.next_log_probs(tokens), tokens[..., None], axis=-1)[..., 0]
    return jnp.sum(jnp.where(scored, at_token, 0.0), axis=-1)


@struct.dataclass
class ReverseKl:
    """KL(q‖S) by enumeration."""

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        tokens = context.base.strings
        scored = context.loss_mask(tokens)
        log_q = log_prob(q, tokens, scored)
        return jnp.sum(jnp.exp(log_q) * (log_q - log_prob(context.truth, tokens, scored)))


@struct.dataclass
class ExpectedReward:
    """-q(A) by enumeration: the exact policy gradient for the reward 1_A."""

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        tokens = context.base.strings
        log_q = log_prob(q, tokens, context.loss_mask(tokens))
        return -jnp.sum(jnp.where(context.event, jnp.exp(log_q), 0.0))


@struct.dataclass
class ForwardKlPerToken:
    """-E_S log q + beta E_S sum_t KL(q0(. | h_t)‖q(. | h_t)) at the prefixes of S."""

    strength: float

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        scored, log_q = context.loss_mask(batch.tokens), q.next_log_probs(batch.tokens)
        log_anchor = context.anchor.next_log_probs(batch.tokens)
        kl = jnp.sum(jnp.exp(log_anchor) * (log_anchor - log_q), axis=-1)
        fit = cross_entropy(log_q, context.truth, batch.tokens, scored)
        return jnp.sum(batch.weight * (fit + self.strength * jnp.sum(jnp.where(scored, kl, 0.0), axis=-1)))


@struct.dataclass
class AnnotationAnchoring:
    """-E_S log q(y | x, z): of x | z : y only what follows the second separator is scored."""

    separator: int = struct.field(pytree_node=False)

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        after = jnp.cumsum(batch.tokens == self.separator, axis=-1) - (batch.tokens == self.separator) > 0
        scored = context.loss_mask(batch.tokens) & after
        losses = cross_entropy(q.next_log_probs(batch.tokens), context.truth, batch.tokens, scored)
        return jnp.sum(batch.weight * losses)


@struct.dataclass
class SelfReplay:
    """(1 - lambda) (-E_S log q) + lambda (-E_q0 log q), the second with samples of the anchor."""

    weight: float

    def __call__(self, q: Language, context: Context, batch: Batch, key: PRNGKey) -> Scalar:
        own = cross_entropy(
            q.next_log_probs(batch.tokens), context.truth, batch.tokens, context.loss_mask(batch.tokens)
        )
        replayed = context.anchor.sample(key, (32,))
        old = -log_prob(q, replayed, context.loss_mask(replayed))
        return (1.0 - self.weight) * jnp.sum(batch.weight * own) + self.weight * jnp.mean(old)


@dataclass(frozen=True)
class Flat:
    """The flat table: q0 = softmax(init); q = softmax(params); S everywhere positive unless restricted."""

    log_q0: np.ndarray
    log_q: np.ndarray
    log_s: np.ndarray
    job: Job
    params: dict[str, jax.Array]

    @property
    def value(self) -> float:
        return float(loss(self.job, self.params, jax.random.key(0)))

    @property
    def gradient(self) -> np.ndarray:
        return np.asarray(jax.grad(loss, argnums=1)(self.job, self.params, jax.random.key(0))["logits"], np.float64)


def flat(objective: object, restricted: bool, **chosen: object) -> Flat:
    dice = np.random.default_rng(0)
    before, after = (dice.normal(size=P.trie.num_strings).astype(np.float32) for _ in range(2))
    s = P.given(np.linspace(-1, 1, P.trie.num_strings))[0]
    s = s.condition(A)[0] if restricted else s
    job = training(
        tabular_strings(P.trie),
        {"logits": jnp.asarray(before)},
        on_device(s),
        on_device(P),
        objective=objective,
        event=jnp.asarray(A),
        **chosen,
    )
    return Flat(log_softmax(before), log_softmax(after), s.log_p, job, {"logits": jnp.asarray(after)})


def improves(job: Job, params: dict[str, jax.Array]) -> bool:
    """One step of the training program, by a small enough rate, lowers the loss."""
    job = job.replace(phase=job.phase.replace(optimizer=job.phase.optimizer.replace(learning_rate=0.01)))
    state = start(job).replace(params=params)
    key = jax.random.fold_in(job.key, 0)
    after = jax.jit(advance)(job, state, jnp.int32(1)).params
    return float(loss(job, after, key)) < float(loss(job, params, key))


def test_reverse_kl_by_enumeration():
    case = flat(ReverseKl(), restricted=False)
    q, ratio = np.exp(case.log_q), case.log_q - case.log_s
    divergence = float(q @ ratio)
    assert case.value == pytest.approx(divergence, rel=1e-5)
    np.testing.assert_allclose(case.gradient, q * (ratio - divergence), atol=1e-6)
    assert improves(case.job, case.params)


def test_expected_reward_by_enumeration_is_the_exact_policy_gradient():
    case = flat(ExpectedReward(), restricted=True)
    q = np.exp(case.log_q)
    assert case.value == pytest.approx(-q[A].sum(), rel=1e-5)
    np.testing.assert_allclose(case.gradient, -q * (A - q[A].sum()), atol=1e-6)
    assert improves(case.job, case.params)


def test_self_replay_draws_from_the_frozen_anchor():
    """One draw on the host; the average of 4000 by a z-test, |z| < 6.5: below one false alarm in 1e8."""
    share = 0.4
    case = flat(SelfReplay(share), restricted=True)
    _, objective_key = jax.random.split(jax.random.key(0))
    anchor = Bound(case.job.model, case.job.init)
    drawn = np.asarray(anchor.sample(objective_key, (32,)))
    index = {row.tobytes(): i for i, row in enumerate(P.trie.strings)}
    rows = [index[row.tobytes()] for row in drawn.astype(np.int32)]
    kept = case.log_s > -np.inf
    own = -float(np.exp(case.log_s[kept]) @ case.log_q[kept])
    assert case.value == pytest.approx((1 - share) * own - share * case.log_q[rows].mean(), rel=1e-5)

    gradients = jax.jit(jax.vmap(lambda key: jax.grad(loss, argnums=1)(case.job, case.params, key)["logits"]))
    found = np.asarray(gradients(jax.random.split(jax.random.key(1), 4000)), np.float64)
    q, q0, s = np.exp(case.log_q), np.exp(case.log_q0), np.exp(case.log_s)
    expected = (1 - share) * (q - s) + share * (q - q0)
    error = found.std(axis=0) / np.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - expected) <= 6.5 * error + 1e-6).all()
    assert np.abs(expected - (q - s)).max() > 20 * error.max()  # the test would notice a missing replay
    assert improves(case.job, case.params)


def table(model: Model, seed: int) -> dict[str, jax.Array]:
    return {"logits": jax.random.normal(jax.random.key(seed), model.init(jax.random.key(0))["logits"].shape)}


def test_forward_kl_to_base_per_token_on_the_prefixes_of_s():
    strength = 0.7
    s = P.condition(A)[0]
    model = tabular_trie(P.trie)
    init, params = table(model, 1), table(model, 2)
    job = training(model, init, on_device(s), on_device(P), objective=ForwardKlPerToken(strength))
    log_q0, log_q = (log_softmax(np.asarray(p["logits"])[:-1]) for p in (init, params))
    reach, target = np.exp(s.node_log_mass)[:, None], np.exp(table64(s)[:-1])
    expected = -np.sum(reach * target * log_q) + strength * np.sum(reach * np.exp(log_q0) * (log_q0 - log_q))
    assert float(loss(job, params, jax.random.key(0))) == pytest.approx(expected, rel=1e-5)
    gradient = np.asarray(jax.grad(loss, argnums=1)(job, params, jax.random.key(0))["logits"])
    exact = reach * ((1 + strength) * np.exp(log_q) - target - strength * np.exp(log_q0))
    np.testing.assert_allclose(gradient[:-1], exact, atol=1e-6)
    np.testing.assert_array_equal(gradient[-1], 0.0)
    assert improves(job, params)


def test_annotation_anchoring_scores_only_what_follows_the_annotation():
    s = ANNOTATED.condition(mask(ANNOTATED, lambda text: "|m" in text))[0]
    model = tabular_trie(ANNOTATED.trie)
    params = table(model, 2)
    objective = AnnotationAnchoring(ANNOTATED.vocabulary.index(":"))
    job = training(model, params, on_device(s), on_device(ANNOTATED), objective=objective, loss_on="response")
    trie, log_q = ANNOTATED.trie, log_softmax(np.asarray(params["logits"])[:-1])
    expected = 0.0
    for row, text, weight in zip(range(trie.num_strings), texts(ANNOTATED), np.exp(s.log_p), strict=True):
        at = range(text.index(":") + 1, trie.lengths[row])
        expected -= weight * sum(log_q[trie.node[row, t], trie.strings[row, t]] for t in at)
    assert float(loss(job, params, jax.random.key(0))) == pytest.approx(expected, rel=1e-5)
    gradient = np.asarray(jax.grad(loss, argnums=1)(job, params, jax.random.key(0))["logits"])
    scored = np.zeros(trie.num_nodes + 1, bool)
    for row, text in enumerate(texts(ANNOTATED)):
        if s.log_p[row] > -np.inf:
            scored[trie.node[row, text.index(":") + 1 : trie.lengths[row]]] = True
    np.testing.assert_array_equal((gradient != 0).any(axis=1), scored)  # q0(z | x) is kept exactly
    exact = np.exp(s.node_log_mass)[:, None] * (np.exp(log_q) - np.exp(table64(s)[:-1]))
    np.testing.assert_allclose(gradient[:-1][scored[:-1]], exact[scored[:-1]], atol=1e-6)
    assert improves(job, params)
