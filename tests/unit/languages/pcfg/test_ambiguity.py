"""The verdict on ambiguity, for grammars of which it is known."""

import pytest
from written_grammars import grammar, tokens

from sim.languages.pcfg.ambiguity import decide


def verdict(text):
    p = grammar(text)
    return p, p.ambiguity


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("S -> a S b S [1/4]\nS -> [3/4]", "LR"),
        ("S -> a S [1/2]\nS -> b [1/2]", "LR"),
        ("S -> a S a [1/4]\nS -> b S b [1/4]\nS -> c [1/2]", "LR"),
        ("S -> a S a [1/4]\nS -> b S b [1/4]\nS -> [1/2]", "regular approximations"),
        ("S -> a A [1/2]\nS -> a B [1/2]\nA -> a A [1/2]\nA -> b [1/2]\nB -> a B [1/2]\nB -> c [1/2]", ""),
        ("S -> a [1/2]\nS -> b A [1/2]\nA -> b [1/2]\nA -> c [1/2]", "each of its strings has one derivation"),
    ],
)  # fmt: skip
def test_proved(text, reason):
    _, found = verdict(text)
    assert found.unambiguous
    assert not found.open
    assert found.witness is None
    assert reason in found.reason


@pytest.mark.parametrize(
    ("text", "witness", "within"),
    [
        ("S -> S S [1/4]\nS -> a [3/4]", "aaa", "S"),
        ("S -> S [1/2]\nS -> a b [1/2]", "ab", "S"),
        ("S -> A [1/2]\nS -> B [1/2]\nA -> a [1]\nB -> a [1]", "a", "S"),
        ("S -> A A [1]\nA -> a [1/2]\nA -> [1/2]", "a", "S"),
        ("S -> A B [1/2]\nS -> c [1/2]\nA -> [1]\nB -> [1/2]\nB -> A [1/2]", "", None),
        ("S -> a A [1/2]\nS -> c [1/2]\nA -> B [1/2]\nA -> b [1/2]\nB -> A [1/2]\nB -> b [1/2]", "b", None),
    ],
)  # fmt: skip
def test_refuted_by_an_example(text, witness, within):
    p, found = verdict(text)
    assert not found.unambiguous
    assert not found.open
    assert list(found.witness) == tokens(p, witness)
    assert within is None or p.nonterminals[found.within] == within


def test_left_open():
    """a^n b^n or a^n b^2n: unambiguous, but no parser can choose in time, and both are a regular a+ b+."""
    rules = "S -> A [1/2]\nS -> B [1/2]\nA -> a A b [1/2]\nA -> a b [1/2]\nB -> a B b b [1/2]\nB -> a b b [1/2]"
    p, found = verdict(rules)
    assert found.open
    assert found.witness is None
    assert "neither the LR(1) test nor regular approximations decide" in found.reason
    assert decide(p.rules, 3, 0) == found
