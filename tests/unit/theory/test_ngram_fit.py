"""The closed-form n-gram: against counts over every string of an alphabet in fractions, and as the optimum of SFT."""

import itertools
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sim.languages.contexts import contexts
from sim.languages.finite import FiniteLanguage
from sim.models.tabular_ngram import tabular_ngram
from sim.theory.ngram import fit
from sim.training.job import loss
from sim.training.node_record import node_record
from sim.training.trie_logits import trie_logits, trie_plan
from tests.unit.models.tiny_worlds import language, mask, on_device64, random_language, texts, training

P = language({"a|xx": 3, "a|xyx": 1, "a|yxx": 2, "a|yy": 1, "b|xy": 4, "b|yxy": 2, "b|yx": 1, "c|x": 2}, prompt_end="|")
KEPT = mask(P, lambda text: text in ("a|xx", "a|yxx", "b|yxy", "b|yx"))
S = P.condition(KEPT)[0]


def brute(s: FiniteLanguage, order: int, on_document: bool) -> tuple[dict[str, Fraction], dict[str, Fraction]]:
    """q*(y|x) of every text that the n-gram can write, in fractions, and S as fractions."""
    weights = {text: Fraction(round(float(np.exp(log_p) * 9))) for text, log_p in zip(texts(s), s.log_p, strict=True)}
    total = sum(weights.values())
    law = {text: w / total for text, w in weights.items() if w}
    counts: dict[tuple[int, str], dict[str, Fraction]] = {}
    for text, p in law.items():
        for t in range(0 if on_document else 2, len(text) + 1):
            cell = counts.setdefault((t, text[max(0, t - order + 1) : t]), {})
            end = text[t : t + 1]  # "" is the end
            cell[end] = cell.get(end, Fraction(0)) + p
    written: dict[str, Fraction] = {}

    def write(text: str, p: Fraction) -> None:
        cell = counts[len(text), text[max(0, len(text) - order + 1) :]]
        for token, weight in cell.items():
            share = p * weight / sum(cell.values())
            if token:
                write(text + token, share)
            else:
                written[text] = written.get(text, Fraction(0)) + share

    for prompt in [""] if on_document else sorted({text[:2] for text in law}):
        write(prompt, Fraction(1))
    return written, law


@pytest.mark.parametrize("on_document", [False, True], ids=["answers", "documents"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_fit_is_the_average_of_conditionals(order, on_document):
    found = fit(S, order, on_document)
    written, law = brute(S, order, on_document)
    listed = dict(zip(texts(P), found.log_q, strict=True))
    for text, log_q in listed.items():
        if on_document or text[0] != "c":
            assert np.exp(log_q) == pytest.approx(float(written.get(text, 0)), rel=1e-12)
    prompts = (
        {"": Fraction(1)} if on_document else {x: sum(p for y, p in law.items() if y[:2] == x) for x in ("a|", "b|")}
    )
    for x, p in prompts.items():
        own = {text: q for text, q in written.items() if text.startswith(x)}
        assert sum(own.values()) == 1
        at = 0 if on_document else P.prompts.group[texts(P).index(x + ("xx" if x == "a|" else "xy"))]
        assert found.off_s[at] == pytest.approx(float(sum(q for y, q in own.items() if y not in law)), abs=1e-14)
        assert found.off_list[at] == pytest.approx(float(sum(q for y, q in own.items() if y not in listed)), abs=1e-14)
        del p
    leak = sum(prompts[text[: len(next(iter(prompts)))]] * q for text, q in written.items() if text not in law)
    assert found.leak == pytest.approx(float(leak), abs=1e-14)
    assert found.leak_from_list <= found.leak
    expected = sum(
        float(p) * np.log(float(p / (prompts[y[: len(next(iter(prompts)))]] * written[y]))) for y, p in law.items()
    )
    assert found.kl == pytest.approx(expected, rel=1e-12, abs=1e-14)
    assert order == 3 or found.leak > 0.05
    if not on_document:
        assert np.isnan(found.off_s[P.prompts.group[texts(P).index("c|x")]])


def test_at_the_fit_sft_rests_and_the_kl_and_the_leak_are_those_of_the_model():
    """So the optimum of SFT in this class is q* and not S."""
    found = fit(S, 2)
    model = tabular_ngram(P.trie, order=2, scale=1.0)
    table = np.array(model.init(jax.random.key(0))["logits"], np.float64)
    visited = ~np.isnan(found.log_next).any(axis=1)
    table[:-1][visited] = np.maximum(found.log_next[visited], -80.0)
    with jax.enable_x64(True):
        job = training(model, {"logits": jnp.asarray(table)}, on_device64(S), on_device64(P), loss_on="response")
        value, gradient = jax.jit(jax.value_and_grad(lambda params: loss(job, params, jax.random.key(0))))(job.init)
    assert np.abs(gradient["logits"]).max() < 1e-14
    cross_entropy = found.kl + S.entropy() - float(-np.sum(np.exp(S.prompts.log_p[:2]) * S.prompts.log_p[:2]))
    assert float(value) == pytest.approx(cross_entropy, rel=1e-10)
    record = node_record(table[np.asarray(model.context)[:-1]], P.trie)
    edges = np.where(P.trie.edge >= 0, record["edge_log_q"][P.trie.edge], 0.0)
    log_q = np.where(np.arange(P.trie.length) >= P.prompts.length[:, None], edges, 0.0).sum(axis=1)
    shown = [text[0] in "ab" for text in texts(P)]
    np.testing.assert_allclose(np.exp(log_q[shown]), np.exp(found.log_q[shown]), rtol=1e-10, atol=1e-15)


def test_a_long_context_is_the_trie_and_fits_every_s():
    spoken = random_language(4, 15, 3, 4)
    context, following = contexts(spoken.trie, spoken.length + 3)
    assert sorted(context) == list(range(spoken.trie.num_nodes))
    assert len(following) == spoken.trie.num_nodes + 1
    found = fit(spoken, spoken.length + 3)
    assert (found.kl, found.leak) == (pytest.approx(0.0, abs=1e-13), 0.0)
    with pytest.raises(ValueError, match="order: at least 1 is required, found 0"):
        contexts(spoken.trie, 0)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_contexts_are_positions_and_the_tokens_before_them(order):
    spoken = random_language(5, 20, 3, 4)
    context, following = contexts(spoken.trie, order)
    seen: dict[tuple, int] = {}
    for row, at in itertools.product(range(spoken.trie.num_strings), range(spoken.trie.length)):
        node = spoken.trie.node[row, at]
        if node >= 0:
            key = (at, *spoken.trie.strings[row, max(0, at - order + 1) : at])
            assert seen.setdefault(key, context[node]) == context[node]
    assert len(set(seen.values())) == len(seen) == len(following) - 1
    model = tabular_ngram(spoken.trie, order=order, scale=1.0)
    params = model.init(jax.random.key(1))
    assert params["logits"].shape == (len(following), spoken.trie.vocab_size)
    table = np.asarray(trie_logits(model, params, trie_plan(spoken.trie)))
    np.testing.assert_array_equal(table, np.asarray(params["logits"])[context])
