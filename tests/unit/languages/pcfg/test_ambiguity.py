"""The verdict on ambiguity, for grammars of which it is known."""

from fractions import Fraction

import pytest
from written_grammars import grammar, tokens

from sim.languages.exact import UnavailableError
from sim.languages.pcfg.ambiguity import decide
from sim.languages.pcfg.counting import surplus
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule
from sim.languages.vocabulary import Vocabulary


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


def of_letters(rules, *kinds):
    """A grammar of rules with p = 1 over their number, where each kind of letter (its rules' head) has 64 or more."""
    every, token = list(rules), 0
    for head, number in kinds:
        every += [(head, (token + i,)) for i in range(1, number + 1)]
        token += number
    heads = [head for head, _ in every]
    made = tuple(Rule(head, rhs, Fraction(1, heads.count(head))) for head, rhs in every)
    vocabulary = Vocabulary(("<eos>", *(f"s{i}" for i in range(token))))
    return ContextFree(vocabulary, tuple("SABXY")[: max(heads) + 1], made)


def test_refuted_by_counting():
    """64^4 strings of four symbols, each derived as (2 + 2) and as (1 + 3): too many to look for an example."""
    sides = [(0, (~1, ~1)), (0, (~3, ~2)), (2, (~1, ~3)), (1, (~3, ~3))]
    p = of_letters(sides, (3, 64))
    found = p.ambiguity
    assert (found.unambiguous, found.open, found.proved) == (False, False, True)
    assert (found.witness, found.length, p.nonterminals[found.within]) == (None, 4, "S")
    assert found.reason == f"there are {2 * 64**4} derivations but at most {64**4} strings of 4 symbols"
    with pytest.raises(UnavailableError, match="the grammar is ambiguous"):
        p.entropy()


def test_neighbours_bound_the_number_of_strings():
    """A string of 4 symbols is x y x y: 2 * 40^4 derivations are too many for 40^4 strings, though not for 80^4."""
    p = of_letters([(0, (~1, ~1)), (0, (~3, ~2)), (1, (~3, ~4)), (2, (~4, ~1))], (3, 40), (4, 40))
    more = surplus(p.rules, len(p.nonterminals), p.shape)
    assert (more.head, more.length, more.derivations, more.strings) == (0, 4, 2 * 40**4, 40**4)
