"""Which strings there are, whatever their probabilities."""

import math

import pytest
from written_grammars import grammar

from sim.languages.exact import UnavailableError


@pytest.mark.parametrize(
    ("text", "finite", "cyclic", "longest", "derivations"),
    [
        ("S -> a [1/2]\nS -> [1/2]", True, False, 1, 2),
        ("S -> A A [1]\nA -> a [1/2]\nA -> b b [1/2]", True, False, 4, 4),
        ("S -> S [1/2]\nS -> a b [1/2]", True, True, 2, math.inf),
        ("S -> A a [1]\nA -> A A [1/3]\nA -> [2/3]", True, True, 1, math.inf),
        ("S -> A S [1/3]\nS -> a [2/3]\nA -> [1]", True, True, 1, math.inf),
        ("S -> A S [1/3]\nS -> a [2/3]\nA -> [1/2]\nA -> b [1/2]", False, True, math.inf, math.inf),
        ("S -> a S [1/2]\nS -> [1/2]", False, False, math.inf, math.inf),
    ],
)  # fmt: skip
def test_finite_and_cyclic(text, finite, cyclic, longest, derivations):
    p = grammar(text)
    assert p.shape.finite == finite
    assert p.shape.cyclic == cyclic
    assert p.longest == longest
    assert p.shape.num_derivations == derivations
    assert p.shape.log_derivations == pytest.approx(math.log(derivations) if derivations < math.inf else math.inf)
    assert (p.shape.counts(4) is None) == cyclic
    assert (p.count(4) == math.inf) == cyclic


def test_counts_are_catalan_numbers():
    p = grammar("S -> S S [1/4]\nS -> a [3/4]", "a")
    assert p.shape.counts(8) == [0, 1, 1, 2, 5, 14, 42, 132]
    assert p.count(8) == 197
    assert p.shape.counts(0) == []


def test_numbers_with_too_many_digits():
    levels = 16
    lines = [f"{chr(65 + n)} -> {chr(66 + n)} {chr(66 + n)} [1]" for n in range(levels)]
    text = "S -> A [1]\n" + "\n".join([*lines, f"{chr(65 + levels)} -> a [1/2]", f"{chr(65 + levels)} -> b [1/2]"])
    p = grammar(text)
    assert p.shape.log_derivations == pytest.approx(2**levels * math.log(2), rel=1e-14)
    assert p.longest == 2**levels
    with pytest.raises(UnavailableError, match=r"number of derivations: it is about 10\^19728, with over 4000 digits"):
        p.shape.num_derivations  # noqa: B018


def test_shortest_strings():
    p = grammar("S -> A A [1/2]\nS -> a b S [1/4]\nS -> b S S [1/4]\nA -> b [1/2]\nA -> a a [1/2]")
    assert p.shape.shortest[:2] == [(2, 2), (2,)]
