"""What every objective must satisfy: its predicted optimum, its value on the host, its gradient by differences."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml

from sim.config import construct
from sim.languages.device import on_device
from sim.languages.finite import FiniteLanguage
from sim.metrics.divergence import kl
from sim.metrics.scored import Scored, score, truth
from sim.models.tabular_strings import tabular_strings
from sim.models.tabular_trie import tabular_trie
from sim.models.transformer import transformer
from sim.objectives._context import Objective, Predicts
from sim.objectives.replay import Replay
from sim.objectives.sft import Sft
from sim.optimizers.adam import Adam
from sim.theory.laws import Laws
from sim.training.job import Job, loss
from sim.training.node_record import node_record
from sim.training.trie_logits import trie_logits, trie_plan
from tests.unit.models.tiny_worlds import language, log_strings, mask, on_device64, trained, training

FAST = ("sft", "replay")
"""Objectives whose optimum is compared with the whole model; that of others is the law of what is listed."""

FLAT = {
    "annotation": "it says nothing of what S never shows, and a flat table has no law of its own there",
    "entropy_bonus": "its optimum has tokens off the list, and a flat table has none",
    "entropy_bonus_string": "its optimum has a share outside the list, and a flat table has no outside",
    "label_smoothing": "its optimum has tokens off the list, and a flat table has none",
    "forward_kl_to_start_token": "a flat table has no law of its own after prefixes that S never shows",
    "focal": "lost strings of a flat table fall too slowly, because a sure token counts (1 - q)^2",
    "tofu": "lost strings of a flat table fall too slowly, because a sure token counts (1 - q)^3",
}
"""Objectives on tokens whose optimum is not that of a flat table, or is not reached in these steps, with the reason."""

STEPS = {"tofu": 12000}
"""Steps of objectives that need more than 4000, because a sure token has nearly no gradient."""

SAMPLED = {
    "on_policy": "its answers are drawn; test_enumerated.py has the expectation of its gradient",
}
"""Objectives whose optimum is that of another one, which they reach on average only, with the reason."""

CONFIGURED = sorted((Path(__file__).resolve().parents[3] / "conf" / "objective").glob("*.yaml"))
PLAIN = language({"a": 3, "ab": 5, "b": 2, "ba": 4, "bab": 6, "c": 1, "ca": 3, "": 2})
PROMPTED = language({"a|x": 3, "a|xy": 1, "a|y": 2, "b|x": 4, "b|yy": 2, "b|": 1}, prompt_end="|")
MODELS = {"strings": tabular_strings, "trie": tabular_trie}

value = jax.jit(loss)
gradient = jax.jit(jax.grad(loss, argnums=1))
"""Compiled as a whole, because alone each of their operations would be a program."""


def restricted(spoken: FiniteLanguage) -> FiniteLanguage:
    """S: some strings are lost, the others are tilted, and the prompt law moves."""
    kept = spoken.condition(mask(spoken, lambda text: "c" not in text and text not in ("a|xy", "b|yy")))[0]
    return kept.given(np.linspace(-0.5, 0.5, spoken.trie.num_strings))[0]


def job(spoken: FiniteLanguage, model: str, objective: Objective, **chosen: object) -> Job:
    made = MODELS[model](spoken.trie, scale=0.5)
    return training(
        made,
        made.init(jax.random.key(2)),
        on_device(restricted(spoken)),
        on_device(spoken),
        objective=objective,
        **chosen,
    )


def view_of(spoken: FiniteLanguage, record: dict[str, np.ndarray], loss_on: str) -> Scored:
    return score(spoken.trie, spoken.prompts, record, "response" if loss_on == "response" else "joint")


@pytest.mark.parametrize(
    "file",
    [pytest.param(one, id=one.stem, marks=[] if one.stem in FAST else pytest.mark.slow) for one in CONFIGURED],
)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("spoken", "loss_on"), [(PLAIN, "document"), (PROMPTED, "response")], ids=["plain", "prompts"])
def test_the_minimiser_is_the_predicted_one(file, model, spoken, loss_on):
    """Of an objective on whole strings it is the law of what is listed: its optimum may have some mass outside."""
    node = yaml.safe_load(file.read_text(encoding="utf-8"))
    objective = construct("objective", node, "objective")
    if not isinstance(objective, Predicts):
        pytest.skip(f"{node['kind']} predicts no optimum")
    if model == "strings" and file.stem in FLAT:
        pytest.skip(FLAT[file.stem])
    if file.stem in SAMPLED:
        pytest.skip(SAMPLED[file.stem])
    optimizer = Adam(learning_rate=0.05, b2=0.99, decay="cosine")
    event = mask(spoken, lambda text: text in ("a|y", "b|", "ba", "b"))  # S itself is nearly all that q0 says
    steps = STEPS.get(file.stem, 4000)
    one = job(
        spoken, model, objective, optimizer=optimizer, num_steps=float(steps), loss_on=loss_on, event=jnp.asarray(event)
    )
    record = trained(one, spoken.trie, [0, steps]).evaluations
    s, q0 = restricted(spoken), view_of(spoken, record[0], "document")
    prompts = spoken.prompts if loss_on == "response" else None
    laws = Laws(spoken.trie, spoken.log_p, s.log_p, event, q0.log_q, prompts, q0.node_log_mass)
    log_law = objective.optimum(laws)
    if log_law is None:
        pytest.skip(f"{node['kind']} predicts no optimum with these arguments")
    best = FiniteLanguage(spoken.vocabulary, spoken.trie, log_law)
    target = truth(best, spoken.prompts, "response" if loss_on == "response" else "joint")
    log_prompts = best.prompts.log_p if loss_on == "response" else np.zeros(1)
    distance = []
    for found in (view_of(spoken, r, loss_on) for r in record):
        log_q = found.log_q if file.stem in FAST else found.log_q - np.log1p(-found.off)[found.group]
        distance.append(kl(target.log_q, log_q, target.log_weights(log_prompts)))
    assert distance[0] > 0.1
    assert 0 <= distance[1] + 1e-9 < 1e-5


@pytest.mark.parametrize("file", [pytest.param(one, id=one.stem) for one in CONFIGURED])
def test_an_objective_without_a_predicted_optimum_says_so(file):
    objective = construct("objective", yaml.safe_load(file.read_text(encoding="utf-8")), "objective")
    said = " ".join((type(objective).__doc__ or "").split())
    assert isinstance(objective, Predicts) or "no optimum" in said


def exact_loss(spoken: FiniteLanguage, law: FiniteLanguage, record: dict[str, np.ndarray], loss_on: str) -> float:
    """-E_law log q of the document, or of the response given its prompt, on the host in float64."""
    log_q = view_of(spoken, record, loss_on).log_q
    return float(-np.sum(np.exp(law.log_p) * np.where(law.log_p > -np.inf, log_q, 0.0)))


@pytest.mark.parametrize("targets", ["exact", "sampled"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("spoken", "loss_on"), [(PLAIN, "document"), (PROMPTED, "document"), (PROMPTED, "response")])
def test_the_value_over_the_whole_support_is_the_cross_entropy(spoken, model, targets, loss_on):
    s = restricted(spoken)
    for objective, share in ((Sft(targets=targets), 0.0), (Replay(weight=0.3, targets=targets), 0.3)):
        one = job(spoken, model, objective, loss_on=loss_on)
        record = node_record(np.asarray(trie_logits(one.model, one.init, trie_plan(spoken.trie))), spoken.trie)
        expected = (1 - share) * exact_loss(spoken, s, record, loss_on) + share * exact_loss(
            spoken, spoken, record, loss_on
        )
        assert float(value(one, one.init, jax.random.key(0))) == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("objective", [Sft, lambda targets: Replay(weight=0.3, targets=targets)], ids=["sft", "replay"])
def test_sampled_targets_have_the_gradient_of_exact_ones_on_average_over_all_strings(model, objective):
    """By enumeration: every string with its probability."""
    gradients = [
        gradient(one, one.init, jax.random.key(0))["logits"]
        for one in (job(PLAIN, model, objective(targets=targets)) for targets in ("exact", "sampled"))
    ]
    assert np.abs(gradients[0]).max() > 0.05
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=0, atol=5e-7)


@pytest.mark.parametrize("targets", ["exact", "sampled"])
@pytest.mark.parametrize("objective", [Sft, lambda targets: Replay(weight=0.3, targets=targets)], ids=["sft", "replay"])
@pytest.mark.parametrize("model", MODELS)
def test_the_gradient_of_a_sampled_batch_is_unbiased(model, objective, targets):
    """z-test of every coordinate over 20000 batches of 2 strings: |z| < 6.5 fails by chance once in 1e8 tests."""
    whole = job(PLAIN, model, objective(targets=targets))
    drawn = job(PLAIN, model, objective(targets=targets), whole_support=False, batch_size=2)
    expected = np.asarray(gradient(whole, whole.init, jax.random.key(0))["logits"])
    each = jax.jit(jax.vmap(lambda key: jax.grad(loss, argnums=1)(drawn, drawn.init, key)["logits"]))
    found = np.asarray(each(jax.random.split(jax.random.key(5), 20_000)), np.float64)
    error = found.std(axis=0) / np.sqrt(len(found))
    assert (error > 0).any()
    assert (np.abs(found.mean(axis=0) - expected) <= 6.5 * error + 1e-6).all()
    if targets == "exact":  # the conditional expectation is less noisy
        noisy = job(PLAIN, model, objective(targets="sampled"), whole_support=False, batch_size=2)
        other = jax.jit(jax.vmap(lambda key: jax.grad(loss, argnums=1)(noisy, noisy.init, key)["logits"]))
        assert found.var(axis=0).sum() < np.var(other(jax.random.split(jax.random.key(5), 20_000)), axis=0).sum()


@pytest.mark.parametrize("model", ["strings", "trie", "transformer"])
@pytest.mark.parametrize(
    "objective", [Sft(), Sft(targets="sampled"), Replay(weight=0.2)], ids=["exact", "sampled", "replay"]
)
def test_gradients_are_those_of_finite_differences(model, objective):
    """Central differences along random directions, in float64."""
    if model == "transformer":
        made = transformer(PROMPTED.trie, width=8, depth=1, heads=2)
        init = jax.jit(made.init)(jax.random.key(0))
    else:
        made = MODELS[model](PROMPTED.trie, scale=0.5)
        init = made.init(jax.random.key(0))
    with jax.enable_x64(True):
        init = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float64), init)
        data, base = on_device64(restricted(PROMPTED)), on_device64(PROMPTED)
        one = training(made, init, data, base, objective=objective, loss_on="response")
        of = jax.jit(lambda params: loss(one, params, jax.random.key(0)))
        here = jax.jit(jax.grad(of))(init)
        for seed in range(3):
            keys = iter(jax.random.split(jax.random.key(seed), len(jax.tree.leaves(init))))
            way = jax.tree.map(lambda leaf, keys=keys: jax.random.normal(next(keys), leaf.shape, leaf.dtype), init)
            if model == "transformer":  # nnx.Embed looks its table up in the precision that it was made with
                way["embed"] = jax.tree.map(jnp.zeros_like, way["embed"])
            ahead, behind = (float(of(jax.tree.map(lambda p, w, h=h: p + h * w, init, way))) for h in (1e-5, -1e-5))
            slope = sum(float(jnp.sum(g * w)) for g, w in zip(*map(jax.tree.leaves, (here, way)), strict=True))
            assert abs(slope) > 1e-3
            assert (ahead - behind) / 2e-5 == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_prompts_are_not_scored_where_the_loss_is_on_the_response():
    one = job(PROMPTED, "trie", Sft(), loss_on="response")
    moved = (np.asarray(gradient(one, one.init, jax.random.key(0))["logits"]) != 0).any(axis=1)
    trie, length = PROMPTED.trie, PROMPTED.prompts.length
    inside = np.unique(trie.node[np.arange(trie.length) < length[:, None]])
    assert not moved[inside].any()
    kept = restricted(PROMPTED).log_p > -np.inf
    after = (trie.node >= 0) & (np.arange(trie.length) >= length[:, None]) & kept[:, None]
    assert moved[np.unique(trie.node[after])].all()
    assert not moved[-1]  # nor is anything after EOS


def test_replay_is_sft_at_its_ends():
    key = jax.random.key(0)
    ends = [job(PLAIN, "strings", Replay(weight=weight)) for weight in (0.0, 1.0)]
    own = job(PLAIN, "strings", Sft())
    made = own.model
    other = training(made, own.init, on_device(PLAIN), on_device(PLAIN), objective=Sft())
    for replayed, plain in zip(ends, (own, other), strict=True):
        assert float(value(replayed, own.init, key)) == pytest.approx(float(value(plain, own.init, key)), rel=1e-6)


def test_a_string_of_probability_zero_in_s_adds_nothing_even_where_q_cannot_say_it():
    """0 log 0 = 0 in the whole-support loss with exact targets, and in its gradient."""
    s = restricted(PLAIN)
    table = np.zeros((PLAIN.trie.num_nodes + 1, PLAIN.trie.vocab_size), np.float32)
    table[0, PLAIN.vocabulary.index("c")] = -np.inf
    made = tabular_trie(PLAIN.trie)
    one = training(made, {"logits": jnp.asarray(table)}, on_device(s), on_device(PLAIN))
    assert np.isfinite(value(one, one.init, jax.random.key(0)))
    assert np.isfinite(gradient(one, one.init, jax.random.key(0))["logits"]).all()
    record = node_record(np.asarray(trie_logits(made, one.init, trie_plan(PLAIN.trie))), PLAIN.trie)
    assert (log_strings(PLAIN.trie, record)[s.log_p == -np.inf] == -np.inf).all()
