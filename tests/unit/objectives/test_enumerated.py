"""Objectives on whole answers: values and gradients against formulas in another form, and estimators by enumeration."""

import itertools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chi2

from sim.languages.device import on_device
from sim.languages.finite import FiniteLanguage
from sim.models._base import Bound
from sim.models.tabular_strings import tabular_strings
from sim.models.tabular_trie import tabular_trie
from sim.numerics import log_softmax
from sim.objectives._context import Batch, Context, Objective
from sim.objectives._enumerated import Answers, answers, prompts_of
from sim.objectives.dpo import Dpo
from sim.objectives.jensen_shannon import JensenShannon
from sim.objectives.mixed_kl import MixedKl
from sim.objectives.on_policy import OnPolicy
from sim.objectives.policy_gradient import EPSILON, PolicyGradient
from sim.objectives.rejection import Rejection
from sim.objectives.reverse_kl import ReverseKl
from sim.objectives.self_distillation import SelfDistillation
from sim.objectives.self_replay import SelfReplay
from sim.training.job import Job, context_of
from tests.unit.models.tiny_worlds import language, mask, on_device64, texts, training

P = language({"a|x": 3, "a|xy": 1, "a|y": 2, "a|": 1, "b|x": 4, "b|yy": 2, "b|": 1, "c|x": 2}, prompt_end="|")
A = mask(P, lambda text: text in ("a|x", "a|xy", "b|x", "b|yy"))
S = P.condition(A)[0].given(np.linspace(-0.5, 0.5, P.trie.num_strings))[0]  # it never shows the prompt c
MODEL = tabular_trie(P.trie)
BATCH = Batch(jnp.asarray(P.trie.strings[:1]), jnp.ones(1))
Law = Mapping[str, float]  # of the answers to one prompt, with "⊥" for everything else


def params_of(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(P.trie.num_nodes + 1, P.trie.vocab_size))


def job(before: np.ndarray, objective: Objective, on_document: bool = False, s: FiniteLanguage = S) -> Job:
    """A phase that begins with a trie table. To be called where 64 bits are enabled."""
    return training(
        MODEL,
        {"logits": jnp.asarray(before)},
        on_device64(s),
        on_device64(P),
        objective=objective,
        event=jnp.asarray(A),
        loss_on="document" if on_document else "response",
    )


# -- the same numbers by another route: strings as text, one prompt at a time, and 1 - sum for what is outside ---------


def split(text: str, on_document: bool) -> tuple[str, str]:
    return ("", text) if on_document else (text[:2], text[2:])


def laws_of(table: np.ndarray, on_document: bool) -> dict[str, Law]:
    """The law of every prompt under a trie table, by products of next-token probabilities."""
    log_next, trie, found = log_softmax(table[:-1]), P.trie, {}
    for row, text in enumerate(texts(P)):
        prompt, answer = split(text, on_document)
        at = range(len(prompt), trie.lengths[row])
        total = sum(log_next[trie.node[row, t], trie.strings[row, t]] for t in at)
        found.setdefault(prompt, {})[answer] = float(np.exp(total))
    return {x: law | {"⊥": 1.0 - sum(law.values())} for x, law in found.items()}


def truth_of(spoken: FiniteLanguage, on_document: bool) -> tuple[dict[str, Law], dict[str, float]]:
    """The law of every prompt in a language, and the prompt law."""
    joint: dict[str, dict[str, float]] = {}
    for text, p in zip(texts(spoken), np.exp(spoken.log_p), strict=True):
        prompt, answer = split(text, on_document)
        joint.setdefault(prompt, {})[answer] = float(p)
    total = {x: sum(law.values()) for x, law in joint.items()}
    laws = {x: {y: p / (total[x] or 1.0) for y, p in law.items()} | {"⊥": 0.0} for x, law in joint.items()}
    return laws, total


def kl(p: Law, q: Law) -> float:
    return sum(w * np.log(w / q[y]) for y, w in p.items() if w > 0)


def smoothed(s: Law, delta: float) -> Law:
    return {y: (1 - delta) * w + delta / len(s) for y, w in s.items()}  # len(s) counts ⊥


def kept(x: str, law: Law) -> Law:
    inside = {y: w if x + y in KEPT else 0.0 for y, w in law.items()}
    return {y: w / (sum(inside.values()) or 1.0) for y, w in inside.items()}


KEPT = {text for text, keep in zip(texts(P), A, strict=True) if keep}
ETA, DELTA, BETA, SHARE = 0.3, 0.05, 0.7, 0.2


def js(s: Law, q: Law) -> float:
    middle = {y: (s[y] + q[y]) / 2 for y in s}
    return (kl(s, middle) + kl(q, middle)) / 2


def dpo(x: str, p: Law, q0: Law, q: Law, reward: str, hard: bool) -> float:
    """The sum over ordered pairs, and over both labels of each."""
    listed = [y for y in q if y != "⊥"]
    total, mass = 0.0, sum(q0[y] for y in listed)
    p_a = kept(x, p)
    gain = {
        y: float(x + y in KEPT) if reward == "event" else BETA * np.log(((1 - DELTA) * p_a[y] + DELTA * p[y]) / p[y])
        for y in listed
    }
    for one, other in itertools.product(listed, repeat=2):
        wins = 1 / (1 + np.exp(gain[other] - gain[one]))
        if hard:
            wins = 0.5 if gain[one] == gain[other] else float(gain[one] > gain[other])
        gap = BETA * (np.log(q[one] / q0[one]) - np.log(q[other] / q0[other]))
        pair = wins * np.log1p(np.exp(-gap)) + (1 - wins) * np.log1p(np.exp(gap))
        total += q0[one] * q0[other] / mass**2 * pair
    return total


Formula = Callable[[str, Law, Law, Law, Law], float]  # of x, P, S, q0 and q, given x
EXACT: dict[str, tuple[Objective, Formula]] = {
    "reverse": (ReverseKl(DELTA), lambda x, p, s, q0, q: kl(q, smoothed(s, DELTA))),
    "mixed": (MixedKl(ETA, DELTA), lambda x, p, s, q0, q: ETA * kl(s, q) + (1 - ETA) * kl(q, smoothed(s, DELTA))),
    "jensen": (JensenShannon(), lambda x, p, s, q0, q: js(s, q)),
    "policy": (
        PolicyGradient(BETA),
        lambda x, p, s, q0, q: -sum(w for y, w in q.items() if x + y in KEPT) + BETA * kl(q, q0),
    ),
    "plain policy": (PolicyGradient(0.0), lambda x, p, s, q0, q: -sum(w for y, w in q.items() if x + y in KEPT)),
    "rejection": (Rejection(), lambda x, p, s, q0, q: -sum(w * np.log(q[y]) for y, w in kept(x, q0).items() if w)),
    "dpo": (Dpo(BETA), lambda x, p, s, q0, q: dpo(x, p, q0, q, "event", False)),
    "dpo ratio": (Dpo(BETA, DELTA, "log_ratio"), lambda x, p, s, q0, q: dpo(x, p, q0, q, "log_ratio", False)),
    "self-replay": (
        SelfReplay(SHARE),
        lambda x, p, s, q0, q: -sum(((1 - SHARE) * s[y] + SHARE * q0[y]) * np.log(q[y]) for y in q),
    ),
    "dpo hard": (Dpo(BETA, DELTA, "event", "hard"), lambda x, p, s, q0, q: dpo(x, p, q0, q, "event", True)),
}


def by_hand(formula: Formula, before: np.ndarray, table: np.ndarray, on_document: bool) -> float:
    """The mean over prompts from S(x)."""
    (p, _), (s, weights) = truth_of(P, on_document), truth_of(S, on_document)
    q0, q = laws_of(before, on_document), laws_of(table, on_document)
    return sum(w * formula(x, p[x], s[x], q0[x], q[x]) for x, w in weights.items() if w)


@pytest.fixture(scope="module")
def found() -> dict[tuple[str, bool], tuple[float, np.ndarray]]:
    """Value and gradient of every exact objective, for answers and for documents, from one program."""

    def values(one: Job, table: jax.Array) -> dict[str, jax.Array]:
        context, batch, key = context_of(one), BATCH, jax.random.key(0)
        q = bound(table)
        return {name: objective(q, context, batch, key) for name, (objective, _) in EXACT.items()}

    with jax.enable_x64(True):
        both = jax.jit(lambda one, table: (values(one, table), jax.jacrev(lambda t: values(one, t))(table)))
        result = {}
        for on_document in (False, True):
            value, gradient = both(job(params_of(0), ReverseKl(), on_document), jnp.asarray(params_of(1)))
            result |= {(name, on_document): (float(value[name]), np.asarray(gradient[name])) for name in EXACT}
    return result


@pytest.mark.parametrize("on_document", [False, True], ids=["answers", "documents"])
@pytest.mark.parametrize("name", EXACT)
def test_values_and_gradients_are_those_of_the_formula(found, name, on_document):
    """The gradient by central differences of the formula along three random directions."""
    value, gradient = found[name, on_document]
    before, table = params_of(0), params_of(1)
    assert value == pytest.approx(by_hand(EXACT[name][1], before, table, on_document), rel=1e-10)
    for seed in range(3):
        way = np.random.default_rng(seed).normal(size=table.shape)
        ends = [by_hand(EXACT[name][1], before, table + h * way, on_document) for h in (1e-5, -1e-5)]
        slope = float((gradient * way).sum())
        assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(slope, rel=1e-6, abs=1e-9)
    assert np.abs(gradient).max() > 1e-4


@pytest.mark.parametrize("name", EXACT)
def test_prompts_that_s_never_shows_get_no_gradient(found, name):
    """Nor do the prompts themselves, if the loss is on answers."""
    moved = (found[name, False][1] != 0).any(axis=1)
    shown = np.unique(P.trie.node[[text[0] in "ab" for text in texts(P)]][:, 2:])
    assert moved[shown[shown >= 0]].all()
    assert moved.sum() == (shown >= 0).sum()


# -- estimators -------------------------------------------------------------------------------------------------------


def bound(table: object) -> Bound:
    return Bound(MODEL, {"logits": jnp.asarray(table)}, P.vocabulary.prompt_end)


def given(objective: Objective, context: Context, batch: Batch, patch: pytest.MonkeyPatch) -> Callable[..., jax.Array]:
    """The loss of an estimator as a function of the outcomes that are drawn, and of who wins: neither is drawn."""

    def loss(table: jax.Array, outcomes: jax.Array, first: jax.Array) -> jax.Array:
        patch.setattr(Answers, "draw", lambda *_: outcomes[:, None])
        patch.setattr(jax.random, "bernoulli", lambda key, wins: jnp.full(wins.shape, first))
        return objective(bound(table), context, batch, jax.random.key(0))

    return loss


ESTIMATORS: dict[str, tuple[Objective, Objective, int]] = {
    "reinforce": (PolicyGradient(BETA, "reinforce"), PolicyGradient(BETA), 1),
    "group": (PolicyGradient(0.0, "group", 3), PolicyGradient(0.0), 3),
    "rejection": (Rejection("sampled"), Rejection(), 1),
    "dpo": (Dpo(BETA, pairs="sampled"), Dpo(BETA), 2),
    "self_replay": (SelfReplay(SHARE, "sampled"), SelfReplay(SHARE), 1),
    "self-distillation": (SelfDistillation(), Rejection(), 1),
    "on-policy reverse KL": (OnPolicy(delta=DELTA), ReverseKl(DELTA), 1),
    "on-policy Jensen-Shannon": (OnPolicy("jensen_shannon"), JensenShannon(), 1),
}
"""Each with the exact objective that it estimates, and the number of outcomes that it draws."""


def test_estimators_have_the_expectation_that_is_stated(monkeypatch):
    """Every possible draw for one prompt, with its probability. S is that prompt alone for the exact objectives."""
    row = texts(P).index("a|x")
    before, table = params_of(0), params_of(1)
    with jax.enable_x64(True):
        one = job(before, ReverseKl(), s=P.condition(np.arange(len(A)) == row)[0])
        context, batch = context_of(one), Batch(jnp.asarray(P.trie.strings[[row]]), jnp.ones(1))
        context = context.replace(whole_support=False)
        of_x = np.array([at for at, text in enumerate(texts(P)) if text.startswith("a|")])
        own = np.append(of_x, len(A) + P.trie.node[row, 2])  # the listed answers to x, and "outside"
        cases = {
            name: list(itertools.product(itertools.product(range(len(own)), repeat=draws), (False, True)))
            for name, (_, _, draws) in ESTIMATORS.items()
        }

        @jax.jit
        def gradients(table: jax.Array) -> dict[str, tuple[jax.Array, jax.Array]]:
            result = {}
            for name, (estimator, exact, _) in ESTIMATORS.items():
                picks, sides = (jnp.asarray(part) for part in zip(*cases[name], strict=True))
                with monkeypatch.context() as patch:
                    loss = given(estimator, context, batch, patch)
                    each = jax.vmap(jax.grad(loss), (None, 0, 0))(table, jnp.asarray(own)[picks], sides)
                whole = jax.grad(lambda t, exact=exact: exact(bound(t), context, batch, jax.random.key(0)))(table)
                result[name] = each, whole
            return result

        found = jax.tree.map(np.asarray, gradients(jnp.asarray(table)))
    law, start = (np.array(list(laws_of(one, False)["a|"].values())) for one in (table, before))
    keeps, listed = np.append(A[of_x], False), np.arange(len(own)) < len(of_x)
    accepted, inside = (np.where(kind, start, 0.0) / start[kind].sum() for kind in (keeps, listed))

    def labelled(pick: tuple[int, ...], first: bool) -> float:
        wins = 1 / (1 + np.exp(float(keeps[pick[1]]) - float(keeps[pick[0]])))
        return float(inside[list(pick)].prod() * (wins if first else 1 - wins))

    chances: dict[str, Callable[..., float]] = {
        "reinforce": lambda pick, _: law[list(pick)].prod() / 2,
        "group": lambda pick, _: law[list(pick)].prod() / 2,
        "rejection": lambda pick, _: accepted[list(pick)].prod() / 2,
        "dpo": labelled,
        "self_replay": lambda pick, _: start[list(pick)].prod() / 2,
        "self-distillation": lambda pick, _: accepted[list(pick)].prod() / 2,
        "on-policy reverse KL": lambda pick, _: law[list(pick)].prod() / 2,
        "on-policy Jensen-Shannon": lambda pick, _: law[list(pick)].prod() / 2,
    }
    # In a group of G with k rewards of 1, the mean is k/G and the standard deviation sqrt(k (G - k))/G. So the
    # expectation is the exact gradient times the mean of k (G - k)/(G² (sd + eps)) over p (1 - p).
    p = law[keeps].sum()
    factor = sum(
        3 * p**k * (1 - p) ** (3 - k) * k * (3 - k) / 9 / (np.sqrt(k * (3 - k)) / 3 + EPSILON) for k in (1, 2)
    ) / (p * (1 - p))
    assert factor > 1.1, "a group divides by its standard deviation"
    for name, (each, whole) in found.items():
        weights = [chances[name](*case) for case in cases[name]]
        assert sum(weights) == pytest.approx(1.0, rel=1e-12)
        expected = whole * (factor if name == "group" else 1.0)
        np.testing.assert_allclose(np.einsum("k,k...->...", weights, each), expected, atol=1e-12, err_msg=name)
        assert np.abs(expected).max() > 0.01


def test_draws_follow_the_enumerated_law():
    """Chi-square of 20,000 answers to each of two prompts, at a false-alarm rate of 1e-6."""
    one = training(MODEL, {}, on_device(S), on_device(P), event=jnp.asarray(A), loss_on="response")
    rows = jnp.asarray(P.trie.strings[[texts(P).index(text) for text in ("a|x", "b|x")]])

    @jax.jit
    def draw(table: jax.Array) -> tuple[jax.Array, ...]:
        every, prompts = answers(context_of(one)), prompts_of(context_of(one), rows)
        log_law = every.log_law(bound(table))
        return every.prompt, log_law, prompts, every.draw(log_law, prompts, jax.random.key(0), 20_000)

    prompt_of, log_law, prompts, drawn = map(np.asarray, draw(jnp.asarray(params_of(1), jnp.float32)))
    for column, prompt in zip(drawn.T, prompts, strict=True):
        expected = np.where(prompt_of == prompt, np.exp(np.float64(log_law)), 0.0) * 20_000
        counts, inside = np.bincount(column, minlength=len(expected)), expected > 0
        assert counts[~inside].sum() == 0
        assert expected[inside].min() > 30
        assert np.sum((counts - expected)[inside] ** 2 / expected[inside]) < chi2.isf(1e-6, inside.sum() - 1)


# -- ends -------------------------------------------------------------------------------------------------------------


def test_a_tiny_mass_outside_keeps_its_digits_and_none_is_no_nan():
    """In float32, 1 - sum would be rounding alone. The flat table cannot leave the list, and has finite gradients."""
    context = context_of(training(MODEL, {}, on_device(P), on_device(P), event=jnp.asarray(A), loss_on="document"))
    flat = tabular_strings(P.trie)
    legal = np.vstack([P.trie.legal, np.zeros((1, P.trie.vocab_size), bool)])
    table = np.where(legal, 0.0, -25.0)

    def total(logits: jax.Array) -> tuple[jax.Array, jax.Array]:
        q, key = Bound(flat, {"logits": logits}), jax.random.key(0)
        anchored = context.replace(anchor=Bound(flat, {"logits": jnp.zeros(len(A))}))
        value = sum(one(q, anchored, BATCH, key) for one in (ReverseKl(), JensenShannon(), PolicyGradient(BETA)))
        return value, answers(context).log_law(q)[len(A)]

    @jax.jit
    def measured(table: jax.Array, logits: jax.Array) -> tuple[jax.Array, ...]:
        gradient, outside = jax.grad(total, has_aux=True)(logits)
        return answers(context).log_law(bound(table)), gradient, outside

    logits = jnp.asarray(np.random.default_rng(0).normal(size=len(A)), jnp.float32)
    found, gradient, outside_of_flat = map(np.float64, measured(jnp.asarray(table, jnp.float32), logits))
    log_next = log_softmax(table[:-1])
    reach = np.zeros(P.trie.num_nodes)
    for edge, child in enumerate(P.trie.edge_child):
        if child >= 0:
            above = P.trie.edge_node[edge]
            reach[child] = reach[above] + log_next[above, P.trie.edge_token[edge]]
    outside = float(np.where(P.trie.legal, 0.0, np.exp(log_next + reach[:, None])).sum())
    assert outside < 1e-9
    assert np.exp(found[len(A)]) == pytest.approx(outside, rel=1e-5)  # the root follows the N strings
    assert outside_of_flat == -np.inf
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0.01


def test_an_objective_without_what_it_needs_is_refused():
    context = context_of(training(MODEL, {}, on_device(S), on_device(P), loss_on="response"))
    q, batch = Bound(MODEL, {"logits": jnp.asarray(params_of(1), jnp.float32)}), BATCH
    with pytest.raises(ValueError, match="event: an event A is required"):
        jax.eval_shape(lambda: PolicyGradient()(q, context, batch, jax.random.key(0)))
    alone = context.replace(anchor=None, event=jnp.asarray(A))
    with pytest.raises(ValueError, match="anchor: the model with which the phase began is required"):
        jax.eval_shape(lambda: PolicyGradient()(q, alone, batch, jax.random.key(0)))
