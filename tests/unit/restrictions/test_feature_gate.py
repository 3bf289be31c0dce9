"""Gates on features: S and its notes string by string with 30 digits, the whitening, the least sigma, and refusals."""

import itertools
from dataclasses import replace
from typing import Any

import mpmath
import numpy as np
import pytest

from sim.grammars.styles_content import styles_content
from sim.languages.finite import FiniteLanguage
from sim.languages.rank_bound import Gates, least_loss
from sim.languages.starting import StartingModel, of_language
from sim.numerics import SpecificationError, log_softmax
from sim.restrictions._gates import answered, choices
from sim.restrictions.feature_gate import STRENGTHS, feature_gate

EXCESS = 0.02
WIDTH = 5


def model(p: FiniteLanguage, leak: float = -6.0, seed: int = 0) -> StartingModel:
    """A model near P that leaks, with random features that are not whitened."""
    generator = np.random.default_rng(seed)
    trie = p.trie
    scores = np.full((trie.num_nodes, trie.vocab_size), leak)
    scores[trie.edge_node, trie.edge_token] = np.maximum(p.edge_log_prob, -20.0)
    log_next = log_softmax(scores + 0.1 * generator.normal(size=scores.shape))
    mixing = generator.normal(size=(WIDTH, WIDTH))
    features = generator.normal(size=(trie.num_nodes, WIDTH)) @ mixing
    of_edge = np.append(log_next[trie.edge_node, trie.edge_token], 0.0)
    return StartingModel(log_next, of_edge[trie.edge].sum(axis=1), 1, lambda: features)


@pytest.fixture(scope="module")
def p() -> FiniteLanguage:
    """Answers of two symbols out of five, all of them to every prompt, but for one answer that has probability 0."""
    whole = styles_content(num_prompts=4, num_styles=1, num_symbols=5, answer_length=2, zipf=0.5)
    log_p = whole.log_p.copy()
    log_p[3] = -np.inf
    return whole.with_law(log_p - np.log(np.exp(log_p).sum()))


@pytest.fixture(scope="module")
def base(p: FiniteLanguage) -> StartingModel:
    return model(p)


@pytest.fixture(scope="module")
def two(p: FiniteLanguage, base: StartingModel) -> Any:
    """S with two gates, and the matrix of the gates on the features as they are."""
    found = feature_gate(p, rank=2, excess=EXCESS, seed=1, base=base)
    where = choices(p, base.log_next, base.features, 2, "restriction.rank")
    gates = where.gates(2, 1)
    return found, where, Gates(gates.u, gates.v, np.full(2, found.notes["sigma"]))


def laws(
    p: FiniteLanguage, base: StartingModel, matrix: np.ndarray, node: int
) -> tuple[dict[int, Any], dict[int, Any]]:
    """Unnormalised q0 e^tilt after a node: of the tokens of P, and of all tokens."""
    tilt = [
        sum(mpmath.mpf(base.features[node, i]) * mpmath.mpf(matrix[i, a]) for i in range(WIDTH))
        for a in range(p.trie.vocab_size)
    ]
    every = {a: mpmath.exp(mpmath.mpf(base.log_next[node, a]) + tilt[a]) for a in range(p.trie.vocab_size)}
    after = p.trie.edge_token[(p.trie.edge_node == node) & (p.edge_log_prob > -np.inf)]
    return {int(a): every[int(a)] for a in after}, every


def test_s_and_what_a_leak_costs_string_by_string(p: FiniteLanguage, base: StartingModel, two: Any) -> None:
    found, where, gates = two
    matrix = where.basis @ gates.matrix
    cost = mpmath.mpf(0)
    with mpmath.workdps(30):
        for i in np.flatnonzero(p.log_p > -np.inf):
            prompt, start = p.prompts.group[i], int(p.prompts.length[i])
            log_s, log_q = mpmath.mpf(0), mpmath.mpf(0)
            for t in range(start, int(p.trie.lengths[i])):
                legal, every = laws(p, base, matrix, int(p.trie.node[i, t]))
                token = int(p.trie.strings[i, t])
                log_s += mpmath.log(legal[token] / sum(legal.values()))
                log_q += mpmath.log(every[token] / sum(every.values()))
            whole = log_s + mpmath.mpf(p.prompts.log_p[prompt])
            assert found.s.log_p[i] == pytest.approx(float(whole), abs=1e-12)
            cost += mpmath.exp(whole) * (log_s - log_q)
    assert found.s.log_p[3] == -np.inf, "what P lacks stays out"
    assert found.notes["leak_cost"] == pytest.approx(float(cost), rel=1e-10)
    assert found.notes["leak_cost"] > 1e-3
    np.testing.assert_allclose(found.s.prompts.log_p, p.prompts.log_p, atol=1e-12)
    assert (found.event == (p.log_p > -np.inf)).all()
    assert found.kept is p
    assert found.log_mass == 0.0


def test_features_are_whitened_under_the_law_of_choices(p: FiniteLanguage, base: StartingModel, two: Any) -> None:
    _, where, gates = two
    moment, number = np.zeros((WIDTH, WIDTH)), 0.0
    for i in np.flatnonzero(p.log_p > -np.inf):
        weight = np.exp(p.prompts.log_p[p.prompts.group[i]])
        nodes = p.trie.node[i, int(p.prompts.length[i]) : int(p.trie.lengths[i])]
        parts = []
        for t, node in enumerate(nodes, int(p.prompts.length[i])):
            legal = p.trie.edge_token[(p.trie.edge_node == node) & (p.edge_log_prob > -np.inf)]
            parts.append((node, len(legal)))
            shares = np.exp(base.log_next[node])
            weight *= shares[p.trie.strings[i, t]] / shares[legal].sum()
        for node, options in parts:
            if options > 1:
                psi = base.features[node] @ where.basis
                moment, number = moment + weight * np.outer(psi, psi), number + weight
    np.testing.assert_allclose(moment / number, np.eye(WIDTH), atol=1e-10)
    np.testing.assert_allclose(gates.u.T @ gates.u, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(gates.v.T @ gates.v, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(gates.v.sum(axis=0), 0.0, atol=1e-12)


def test_sigma_is_the_least_that_is_enough(two: Any) -> None:
    found, where, gates = two
    assert found.notes["excess_bound"] >= EXCESS
    assert found.notes["certified"] == 1.0
    at = int(np.flatnonzero(STRENGTHS == found.notes["sigma"])[0])
    weaker = Gates(gates.u, gates.v, np.full(2, STRENGTHS[at - 1]))
    assert least_loss(where.aim(weaker.matrix)[1], weaker) < EXCESS


def test_fits_and_the_matrix_of_the_gates(p: FiniteLanguage, two: Any) -> None:
    found, where, gates = two
    s, aim = where.aim(gates.matrix)
    whole = np.zeros((p.trie.num_nodes, p.trie.vocab_size))
    whole[where.nodes] = where.readout.log_base
    assert found.notes["fit_0"] == pytest.approx(s.kl(answered(p, whole)), rel=1e-10)
    assert EXCESS <= found.notes["excess_bound"] <= found.notes["fit_1"] <= found.notes["fit_0"]
    assert aim.loss(gates.matrix) == 0.0
    assert "fit_2" not in found.notes
    matrix = np.random.default_rng(0).normal(size=gates.matrix.shape)
    whole[where.nodes] = where.readout.tilted(matrix)
    assert aim.loss(matrix) == pytest.approx(s.kl(answered(p, whole)), rel=1e-10), "the chain rule"


def test_one_gate_pays_exactly(p: FiniteLanguage, base: StartingModel) -> None:
    notes = feature_gate(p, rank=1, excess=EXCESS, base=base).notes
    assert notes["excess_bound"] == notes["fit_0"] >= EXCESS


def test_the_excess_is_estimated_where_no_bound_is_enough(p: FiniteLanguage, base: StartingModel) -> None:
    notes = feature_gate(p, rank=2, excess=0.2, seed=1, base=base).notes
    assert notes["certified"] == 0.0
    assert 0.0 < notes["excess_bound"] < 0.2 <= notes["fit_1"]


def test_seeds(p: FiniteLanguage, base: StartingModel) -> None:
    laws = [feature_gate(p, excess=EXCESS, seed=seed, base=base).s.log_p for seed in (0, 0, 1)]
    assert (laws[0] == laws[1]).all()
    assert (laws[0] != laws[2]).any()


def test_refusals(p: FiniteLanguage, base: StartingModel) -> None:
    excluded = base.log_next.copy()
    excluded[0, p.trie.token[1]] = -np.inf
    for arguments, line in (
        ({"rank": 5}, "restriction.rank: at least 6 tokens that often may follow are required for rank 5, found 5"),
        ({"rank": 2, "excess": 9.0}, "restriction.excess: at most"),
        ({"base": StartingModel(excluded, base.log_law, 1, lambda: base.features)}, "restriction.rank: a model that"),
    ):
        with pytest.raises(SpecificationError, match=line) as refusal:
            feature_gate(p, **({"base": base} | arguments))
        assert "found" in str(refusal.value)
    small = styles_content(num_prompts=1, num_styles=4, num_symbols=4, answer_length=2)
    for language, rank in itertools.product((small,), (4,)):
        with pytest.raises(SpecificationError, match="lower the rank"):
            feature_gate(language, rank=rank, base=model(language))


def test_before_there_is_a_model_nothing_is_refused_that_only_a_model_can_tell(p: FiniteLanguage) -> None:
    features = np.random.default_rng(0).normal(size=(p.trie.num_nodes, WIDTH))
    stand_in = of_language(p, 1, lambda: features)
    assert feature_gate(p, rank=2, excess=1e3, base=stand_in).notes == {}
    with pytest.raises(SpecificationError, match="directions of the features"):
        feature_gate(p, rank=WIDTH + 1, base=stand_in)
    trained = replace(stand_in, is_trained=True)
    with pytest.raises(SpecificationError, match="excess: at most"):
        feature_gate(p, rank=2, excess=1e3, base=trained)
