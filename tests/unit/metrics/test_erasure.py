"""Erasure against q0, and what is forgotten elsewhere, in a world of one prompt where every number is known by hand."""

import dataclasses
import math

import numpy as np
import pytest

from sim.disk.records import PhaseRecord, Record
from sim.languages.finite import FiniteLanguage, Styles
from sim.languages.restricted import Restricted
from sim.metrics.scored import no_leak
from sim.metrics.table import rows
from tests.unit.models.tiny_worlds import language, texts

P = {"x|aa": 1, "x|ab": 1, "x|ba": 1, "x|bb": 1, "x|ca": 3, "x|cb": 1}
STYLES = ("a", "b", "c")
TURNED = P | {"x|aa": 80, "x|bb": 3}
"""The model has lost the mass of the styles b and c, and the law of b is 1/4 and 3/4. That of c is as it was."""
GAP = 0.5 * math.log(4 / 3)
"""KL of 1/2 and 1/2 to 1/4 and 3/4 [nat]."""


def spoken(weights: dict[str, float], letter: int = 2) -> FiniteLanguage:
    """A law on the documents of P; the style is the letter at a place of the document."""
    p = language(P, prompt_end="|")
    if letter == 2:
        shares = np.array([[0.0 if text[letter] == style else -np.inf for style in STYLES] for text in texts(p)])
    else:
        shares = np.array([[0.0 if (text[letter] == "a") == one else -np.inf for one in (True, False)] for text in P])
    names = STYLES if letter == 2 else ("a", "other")
    numbers = np.array([weights.get(text, 0.0) for text in texts(p)])
    with np.errstate(divide="ignore"):
        log_p = np.log(numbers / numbers.sum())
    return dataclasses.replace(p.with_law(log_p), styles=Styles(names, shares))


def run(kept: str, *models: dict[str, float], letter: int = 2) -> Record:
    """S keeps the documents that hold one of some endings. The fine-tuning goes from model to model; one more phase
    begins with the last one."""
    p = spoken(P, letter)
    event = np.array([text[2:] in kept.split() for text in texts(p)])
    restricted, log_mass = p.condition(event)
    arrays = [no_leak(spoken(one).edge_log_prob, p.trie.num_nodes) for one in models]
    phases = {}
    for phase, chosen in (("sft", arrays), ("recovery", arrays[-1:])):
        stacked = {name: np.stack([one[name] for one in chosen]) for name in chosen[0]}
        phases[phase] = PhaseRecord(np.arange(len(chosen)), np.zeros(len(chosen)), stacked)
    config = {"name": "by hand", "seed": 0}
    return Record("by hand", "0" * 12, config, p, Restricted(restricted, restricted, event, log_mass), phases)


def values(record: Record, metric: str, phase: str = "sft") -> list[float]:
    """The numbers of a metric in a phase under P(x), evaluation by evaluation."""
    found = [row for row in rows(record, [metric], ["response"]) if row["phase"] == phase]
    return [row["value"] for row in found if row["prompt_law"] == "P(x)"]


def test_it_is_the_mean_over_lost_styles_and_no_change_of_their_mass_counts() -> None:
    """P(b) is a third of P(B)."""
    record = run("aa ab", P, TURNED)
    assert values(record, "style_erasure") == [0.0, pytest.approx(GAP / 3, rel=1e-12)]
    assert values(record, "kept_behind_gate") == [1.0, pytest.approx((3 / 4) ** (1 / 6), rel=1e-12)]
    assert values(record, "shown_erasure") == [0.0, pytest.approx(GAP / 3, rel=1e-12)]


def test_every_phase_is_compared_with_the_start_of_the_fine_tuning() -> None:
    """It may also end better than it began: then more than all is kept."""
    assert values(run("aa ab", P, TURNED), "style_erasure", "recovery") == [pytest.approx(GAP / 3, rel=1e-12)]
    better = run("aa ab", TURNED, P)
    assert values(better, "style_erasure") == [0.0, pytest.approx(-GAP / 3, rel=1e-12)]
    assert values(better, "kept_behind_gate")[1] > 1.0


def test_a_style_that_is_lost_in_part_does_not_count_beside_one_that_is_lost_whole() -> None:
    assert values(run("aa ab ca", P, TURNED), "style_erasure")[1] == pytest.approx(GAP, rel=1e-12)


def test_where_no_style_is_lost_whole_all_that_is_lost_is_one_event() -> None:
    """B holds ab, bb and cb with equal shares, of which the model makes bb three times likelier than the others."""
    record = run("aa ba ca", P, TURNED)
    wanted = math.log(1 / 3) - (2 * math.log(1 / 5) + math.log(3 / 5)) / 3
    assert values(record, "style_erasure")[1] == pytest.approx(wanted, rel=1e-12)
    assert values(record, "shown_erasure") == []


def test_a_model_without_a_string_or_without_a_style() -> None:
    missed = run("aa ab", P, TURNED | {"x|cb": 0})
    assert values(missed, "style_erasure") == [0.0, math.inf]
    assert values(missed, "kept_behind_gate") == [1.0, 0.0]
    gone = run("aa ab", P, TURNED | {"x|ca": 0, "x|cb": 0})
    assert values(gone, "style_erasure") == [0.0], "the law given c does not exist"
    assert values(run("aa ab", TURNED | {"x|cb": 0}, P), "style_erasure") == [], "q0 has none to compare with"


def test_after_the_token_what_leaves_the_support_counts() -> None:
    """Half of what follows b is illegal. The law given the style is as it was."""
    record = run("aa ab", P, P)
    trie = record.p.trie
    node = trie.edge_child[trie.edge[texts(record.p).index("x|ba"), 2]]
    arrays = record.phases["sft"].arrays
    arrays["edge_log_q"][1, trie.edge_node == node] -= math.log(2)
    for name, value in (("leak", 0.5), ("leak_max", 0.5), ("leak_square", 0.25), ("leak_plogp", 0.5 * math.log(0.5))):
        arrays[name][1, node] = value
    assert values(record, "shown_erasure") == [0.0, pytest.approx(math.log(2) / 3, rel=1e-12)]
    assert values(record, "style_erasure") == [0.0, pytest.approx(0.0, abs=1e-14)]


def test_a_style_that_no_token_shows_has_no_row_of_shown_ones() -> None:
    """It is told by the second letter, which follows the same first letters in both styles."""
    record = run("aa ba ca", P, TURNED, letter=3)
    assert len(values(record, "style_erasure")) == 2
    assert values(record, "shown_erasure") == []


@pytest.mark.parametrize(("leak", "accuracy"), [(0.0, 3 / 8), (0.2, 3 / 8), (0.9, 0.0)])
def test_a_greedy_answer_counts_only_if_no_illegal_token_is_likelier(leak: float, accuracy: float) -> None:
    """The greedy answer is ca, of probability 3/8. It is not the likeliest one of this model."""
    record = run("aa ab", P | {"x|aa": 3.5, "x|ab": 0, "x|ca": 3})
    arrays, node = record.phases["sft"].arrays, record.p.trie.node[0, 2]
    arrays["edge_log_q"][0, record.p.trie.edge_node == node] += math.log(1 - leak)
    arrays["leak"][0, node] = arrays["leak_max"][0, node] = leak
    assert values(record, "greedy_accuracy") == [pytest.approx(accuracy, abs=1e-14)]
