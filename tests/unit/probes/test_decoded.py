"""The law of a decoded model against products of next-token laws in fractions, and against a decoded language."""

import math
from fractions import Fraction

import jax
import numpy as np
import pytest

from sim.languages.decoding import KINDS, label
from sim.languages.decoding import decoded as language_decoded
from sim.languages.device import on_device
from sim.models.tabular_trie import tabular_trie
from sim.optimizers.sgd import Sgd
from sim.probes.decoded import RULES, TEMPERATURES, decoded, decoded_arrays
from sim.selftest.oracles import decoding as oracle
from sim.training.sweep import Training, train_many
from sim.training.trie_logits import trie_plan
from tests.unit.models.tiny_worlds import language, training

P = language({"a|x": 3, "a|xy": 5, "a|yz": 2, "b|": 4, "b|yx": 6, "b|zz": 1, "b|zzx": 2}, prompt_end="|")
TABLE = tabular_trie(P.trie, scale=2.0)
PARAMS = TABLE.init(jax.random.key(3))


def rows() -> list[list[Fraction]]:
    """The next-token law at every node, over the whole vocabulary, as fractions."""
    logits = np.asarray(PARAMS["logits"], np.float64)[: P.trie.num_nodes]
    odds = [[Fraction(math.exp(value)) for value in row] for row in logits]
    return [[value / sum(row) for value in row] for row in odds]


def by_hand(kind: str, number: float) -> tuple[list[float], list[float], dict[int, float]]:
    """log q(y|x) of every string, q(⊥|x) by prompt, and log of the first tokens, by edge."""
    transform = {"temperature": oracle.temperature, "top_k": lambda k: oracle.top_k(int(k)),
                 "top_p": lambda mass: oracle.top_p(Fraction(mass)),
                 "min_p": lambda share: oracle.min_p(Fraction(share))}[kind](number)  # fmt: skip
    law = [transform(row) for row in rows()]
    trie, prompts, logs = P.trie, P.prompts, []
    off, first = [1.0] * prompts.num_groups, {}
    for row, (start, end) in enumerate(zip(prompts.length, trie.lengths, strict=True)):
        own = [law[trie.node[row, t]][trie.strings[row, t]] for t in range(start, end)]
        logs.append(float(sum(own)))
        off[prompts.group[row]] -= math.exp(logs[-1])
        first[int(trie.edge[row, start])] = float(own[0])
    return logs, off, first


@pytest.fixture(scope="module")
def found() -> dict[str, np.ndarray]:
    return decoded(training(TABLE, PARAMS, on_device(P), on_device(P)), PARAMS)


@pytest.mark.parametrize(
    "rule", [("temperature", 0.3), ("temperature", 1.0), ("temperature", 2.6), ("temperature", 30.0), ("top_k", 2.0),
             ("top_p", 0.9), ("min_p", 0.1)], ids=label,
)  # fmt: skip
def test_the_law_is_the_product_of_transformed_laws(found: dict[str, np.ndarray], rule: tuple[str, float]) -> None:
    at = RULES.index(rule)
    log_q, off, first = by_hand(*rule)
    assert found["decoded_rule"][at].tolist() == [list(KINDS).index(rule[0]), rule[1]]
    np.testing.assert_allclose(found["decoded_law_log_q"][at], log_q, rtol=1e-5, atol=1e-5)  # logits are float32
    np.testing.assert_allclose(found["decoded_law_exits"][at, 0], off, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        found["decoded_first"][at], [first[edge] for edge in sorted(first)], rtol=1e-5, atol=1e-5
    )
    node = [P.trie.node[row, P.prompts.length[row]] for row in P.prompts.first]
    left = [1.0 - math.fsum(math.exp(first[e]) for e in first if P.trie.edge_node[e] == one) for one in sorted(node)]
    np.testing.assert_allclose(found["decoded_first_leak"][at], left, rtol=1e-5, atol=1e-5)


def test_it_is_the_decoded_language_where_nothing_leaks() -> None:
    table = np.full((P.trie.num_nodes, P.trie.vocab_size), -np.inf)
    table[P.trie.edge_node, P.trie.edge_token] = P.edge_log_prob
    arrays = decoded_arrays(table, P.trie, P.prompts)
    for at, (kind, number) in enumerate(RULES):
        joint = arrays["decoded_law_log_prompt"][at][P.prompts.group] + arrays["decoded_law_log_q"][at]
        wanted = language_decoded(P, KINDS[kind](number)).log_p
        inside = wanted > -np.inf  # elsewhere the prompt or the answer has probability 0
        np.testing.assert_allclose(joint[inside], wanted[inside], rtol=1e-12, atol=1e-12)
        assert (joint[~inside] == -np.inf).all()
        np.testing.assert_array_equal(arrays["decoded_law_exits_joint"][at, 0], 0.0)


def test_a_temperature_of_one_changes_nothing_and_the_record_is_small(found: dict[str, np.ndarray]) -> None:
    at = RULES.index(("temperature", 1.0))
    log_q, _, _ = by_hand("top_p", 1.0)
    np.testing.assert_allclose(found["decoded_law_log_q"][at], log_q, rtol=1e-5, atol=1e-5)
    size, groups, first = P.trie.num_strings, P.prompts.num_groups, found["decoded_first"].shape[1]
    assert sum(one.size for one in found.values()) == len(RULES) * (2 + size + 6 * groups + 5 + first + groups)
    assert {one.dtype for one in found.values()} == {np.dtype(np.float64)}
    assert list(TEMPERATURES) == sorted(TEMPERATURES)


def test_it_is_recorded_at_both_ends_alone() -> None:
    one = training(TABLE, PARAMS, on_device(P), on_device(P), optimizer=Sgd(learning_rate=0.1))
    run = Training(one, P.trie, trie_plan(P.trie), [0, 1, 2], probes=(decoded,))
    train_many([run])
    assert ["decoded_rule" in each for each in run.trained.evaluations] == [True, False, True]
    warm = RULES.index(("temperature", 2.0))
    before, after = (run.trained.evaluations[at]["decoded_law_log_q"][warm] for at in (0, 2))
    assert np.abs(before - after).max() > 1e-3
