"""Top-mass and drop-mode: the head of a language and what is left without it, against fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest

from sim.languages.restricted import Narrowed
from sim.numerics import SpecificationError
from sim.restrictions.drop_mode import drop_mode
from sim.restrictions.top_mass import top_mass
from tests.unit.restrictions.small_worlds import LAW, as_law, entropy, given, spoken, written

MARKOV = """{type: markov, alphabet: [a, b], eos: e, initial: {a: 1/2, b: 1/4, e: 1/4},
  transitions: {a: {a: 1/4, b: 1/4, e: 1/2}, b: {a: 1/3, b: 1/3, e: 1/3}}}"""
BRACKETS = '{type: pcfg, start: S, rules: [{lhs: S, rhs: ["(", S, ")", S], p: 3/10}, {lhs: S, rhs: [], p: 7/10}]}'
MOODS = """{type: pfsa, states: [A, B], initial: {A: 1/2, B: 1/2}, transitions: [{from: A, symbol: a, to: B, p: 1/2},
  {from: A, symbol: b, to: A, p: 1/4}, {from: B, symbol: a, to: A, p: 1/3}, {from: B, symbol: a, to: B, p: 1/3}],
  final: {A: 1/4, B: 1/3}}"""


@pytest.mark.parametrize(
    ("size", "kept"),
    [
        ({"count": 1}, ["x : a"]),
        ({"count": 2}, ["x : a", "y : c"]),
        ({"count": 3}, ["x : a", "y : c", "x : a b"]),  # four are equal: the first on the trie stays
        ({"count": 100}, list(LAW)),
        ({"mass": 0.3}, ["x : a"]),
        ({"mass": 0.300001}, ["x : a", "y : c"]),
        ({"mass": 0.45}, ["x : a", "y : c"]),
        ({"mass": 1.0}, list(LAW)),
        ({"count": 1, "of": "answer"}, ["x : a", "y : c"]),
        ({"mass": 0.5, "of": "answer"}, ["x : a", "y : c", "y : a"]),
        ({"mass": 0.6, "of": "answer"}, ["x : a", "x : a b", "y : c", "y : a"]),
    ],
)
def test_the_head(size, kept):
    found = top_mass(spoken(), **size)
    expected = given(LAW, lambda text: text in kept)
    assert as_law(found.s) == pytest.approx({text: float(p) for text, p in expected.items()}, rel=1e-13)
    assert found.kept is found.s
    mass = sum(LAW[text] for text in kept)
    assert found.log_mass == pytest.approx(math.log(mass), abs=1e-13)
    assert found.notes == pytest.approx({"num_kept": len(kept), "mass": float(mass)}, rel=1e-13)


def test_the_head_with_the_prompts_kept():
    found = top_mass(spoken(), count=1, of="answer", keep_prompts=True)
    assert as_law(found.s) == pytest.approx({"x : a": 0.6, "y : c": 0.4}, rel=1e-13)
    assert as_law(found.kept) == pytest.approx({"x : a": 12 / 18, "y : c": 6 / 18}, rel=1e-13)
    with pytest.raises(
        SpecificationError, match=r"keep_prompts needs P\(A \| x\) > 0 for every prompt, found 0 for 'y :'"
    ):
        top_mass(spoken(), count=1, keep_prompts=True)


@pytest.mark.parametrize("restriction", [top_mass, drop_mode])
@pytest.mark.parametrize(("size", "found"), [({}, "neither"), ({"count": 1, "mass": 0.5}, "both")])
def test_one_size_is_required(restriction, size, found):
    with pytest.raises(SpecificationError, match=f"exactly one of count and mass is required, found {found}"):
        restriction(spoken(), **size)


@pytest.mark.parametrize(
    ("size", "dropped"),
    [
        ({"count": 1}, ["x : a"]),
        ({"mass": 0.4}, ["x : a", "y : c"]),
        ({"count": 1, "of": "answer"}, ["x : a", "y : c"]),
        ({"mass": 0.5, "of": "answer"}, ["x : a", "y : c", "y : a"]),
    ],
)
def test_what_is_left_and_the_condition_for_a_higher_entropy(size, dropped):
    """The two sides of the condition and the entropies that it is about, both by hand."""
    found = drop_mode(spoken(), **size)
    kept = given(LAW, lambda text: text not in dropped)
    assert as_law(found.s) == pytest.approx({text: float(p) for text, p in kept.items()}, rel=1e-13)
    groups = ["x :", "y :"] if size.get("of") == "answer" else [""]
    gained = needed = total = before = after = 0.0
    for prompt in groups:
        inside = {text: p for text, p in LAW.items() if text.startswith(prompt)}
        weight = sum(inside.values())
        law = {text: p / weight for text, p in inside.items()}
        b = sum(p for text, p in law.items() if text in dropped)
        h_a, h_b = (entropy(given(law, lambda text, side=side: (text in dropped) == side)) for side in (False, True))
        gained += float(weight * b) * (h_a - h_b)
        needed += float(weight) * entropy({"head": b, "rest": 1 - b})
        total += float(weight * b)
        before += float(weight) * entropy(law)
        after += float(weight) * h_a
    notes = {"entropy_gap": gained / total, "entropy_needed": needed / total, "dropped_mass": total}
    assert found.notes == pytest.approx(notes, rel=1e-12)
    assert (after > before) == (found.notes["entropy_gap"] > found.notes["entropy_needed"])
    if size.get("of") != "answer":
        assert (found.s.entropy() > spoken().entropy()) == (after > before)


def test_a_higher_entropy_is_enforced_when_asked():
    flat = {f"x : {word}": Fraction(1, 4) for word in ("a", "b", "c", "a a")}
    with pytest.raises(
        SpecificationError, match=r"higher_entropy: .* required .* found .* against .* nats \(b = 0.25\)"
    ):
        drop_mode(spoken(flat), count=1, higher_entropy=True)
    peaked = {"x : a": Fraction(7, 10)} | {f"x : {word}": Fraction(1, 10) for word in ("b", "c", "a a")}
    found = drop_mode(spoken(peaked), count=1, higher_entropy=True)
    assert found.s.entropy() > spoken(peaked).entropy()


def test_nothing_may_be_left_over():
    with pytest.raises(SpecificationError, match=r"P\(A\) must be positive, found 0"):
        drop_mode(spoken(), count=9)


TOLD_LATER = """
type: pfsa
states: [A, B, C]
initial: {A: 1}
transitions:
  - {from: A, symbol: a, to: B, p: 1/3}
  - {from: A, symbol: a, to: C, p: 2/3}
  - {from: B, symbol: b, to: A, p: 1}
final: {C: 1}
"""
"""Non-deterministic, but every string has one path: its entropy is known."""


@pytest.mark.parametrize("text", [MARKOV, BRACKETS, MOODS, TOLD_LATER], ids=["markov", "pcfg", "hidden", "unambiguous"])
@pytest.mark.parametrize("size", [{"count": 4}, {"mass": 0.6}], ids=["count", "mass"])
def test_the_head_of_a_language_that_is_not_listed(text, size, tmp_path):
    """Against its strings of up to 12 symbols, which hold every heavy one."""
    language = written(tmp_path, text)
    near, _ = language.enumerate(13, 10**6)
    log_mass = language.log_mass_within(13)
    order = np.argsort(-near.log_p, kind="stable")
    p = np.exp(near.log_p[order] + log_mass)
    number = size.get("count") or int(np.searchsorted(np.cumsum(p), size["mass"])) + 1
    head, rest = top_mass(language, **size), drop_mode(language, **size) if text != MOODS else None
    assert isinstance(head, Narrowed)
    assert head.log_mass == pytest.approx(math.log(p[:number].sum()), abs=1e-12)
    assert head.notes["num_kept"] == number
    for i in order[:number]:
        tokens = near.trie.strings[i]
        assert head.s.log_prob(tokens) == pytest.approx(near.log_p[i] + log_mass - head.log_mass, abs=1e-11)
    beyond = near.trie.strings[order[number]]
    assert head.s.log_prob(beyond) == -math.inf
    if rest is None:
        with pytest.raises(SpecificationError, match="entropy: strings have several paths"):
            drop_mode(language, **size)
        return
    assert rest.log_mass == pytest.approx(math.log1p(-p[:number].sum()), abs=1e-11)
    assert rest.s.log_prob(beyond) == pytest.approx(near.log_p[order[number]] + log_mass - rest.log_mass, abs=1e-11)
    b = p[:number].sum()
    h_b = -math.fsum(p[:number] / b * np.log(p[:number] / b))
    h_a = (language.entropy() + (1 - b) * math.log(1 - b) + b * math.log(b) - b * h_b) / (1 - b)
    assert rest.s.entropy() == pytest.approx(h_a, rel=1e-10)
    assert rest.notes["entropy_gap"] == pytest.approx(h_a - h_b, rel=1e-9)
    assert rest.notes["entropy_needed"] == pytest.approx((-b * math.log(b) - (1 - b) * math.log(1 - b)) / b, rel=1e-10)
