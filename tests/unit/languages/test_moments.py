"""Variances of the length and of the surprise: closed forms, enumeration in fractions, and the edges."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings

from sim.languages.automaton import Automaton
from sim.languages.chain import Chain
from sim.languages.exact import UnavailableError
from sim.languages.hidden import HiddenAutomaton
from sim.languages.moments import derivation_varentropy, length_variance, path_varentropy, varentropy
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule
from sim.languages.vocabulary import Vocabulary
from sim.selftest.oracles import machines as paths
from sim.selftest.oracles.numbers import DIGITS, log, real
from tests.unit.languages.exact_machines import machines
from tests.unit.languages.small_languages import PLAIN, spoken

ONE = Vocabulary(("<eos>", "a"))


def loop(stays: float) -> Automaton:
    """a^n with probability stays^n (1 - stays)."""
    return Automaton(ONE, np.array([[-1, 0]]), np.log([[1 - stays, stays]]), 0)


def branching(p: Fraction) -> ContextFree:
    """S -> a S S with probability p, S -> b."""
    return ContextFree(PLAIN, ("S",), (Rule(0, (1, ~0, ~0), p), Rule(0, (2,), 1 - p)))


def by_hand(law: dict[tuple[int, ...], Fraction]) -> tuple[float, float]:
    """Var |x| and Var(-log P(x)) as sums over the strings."""
    with mpmath.workdps(DIGITS):
        out = []
        for value in (lambda x, p: mpmath.mpf(len(x)), lambda x, p: -log(p)):
            mean = mpmath.fsum(real(p) * value(x, p) for x, p in law.items())
            out.append(float(mpmath.fsum(real(p) * (value(x, p) - mean) ** 2 for x, p in law.items())))
        return out[0], out[1]


@pytest.mark.parametrize("stays", [0.5, 1e-9, 1 - 1e-9])
def test_a_geometric_language_by_closed_forms(stays: float) -> None:
    """Var n = s / (1-s)^2, and -log P is affine in n with slope -log s."""
    stops = 1 - stays
    variance = stays / stops**2
    assert length_variance(loop(stays)) == pytest.approx(variance, rel=1e-9)
    assert varentropy(loop(stays)) == pytest.approx(math.log(stays) ** 2 * variance, rel=1e-7)


@settings(max_examples=25)
@given(machines(acyclic=True))
def test_machines_without_loops_by_enumeration(machine) -> None:
    law = machine.strings(5)
    length, surprise = by_hand(law)
    assert length_variance(machine.automaton()) == pytest.approx(length, rel=1e-12, abs=1e-18)
    assert varentropy(machine.automaton()) == pytest.approx(surprise, rel=1e-12, abs=1e-18)


@pytest.mark.parametrize("p", [Fraction(1, 10), Fraction(2, 5), Fraction(499, 1000)])
def test_a_branching_process_by_its_recursion(p: Fraction) -> None:
    """The number N of rules has N = 1 + B (N' + N''): mean 1/m and variance 4 p q / m^3 with m = 1 - 2p."""
    grammar, m = branching(p), 1 - 2 * p
    rules = 4 * p * (1 - p) / m**3  # each rule emits one symbol, so |x| = N
    assert length_variance(grammar) == pytest.approx(float(rules), rel=1e-13)
    # with k uses of the first rule N = 2k + 1, and -log P = -k log p - (k + 1) log q
    slope = math.log(p) + math.log(1 - p)
    assert varentropy(grammar) == pytest.approx(slope**2 * float(rules) / 4, rel=1e-12)


def test_a_critical_grammar_has_infinite_variances() -> None:
    grammar = branching(Fraction(1, 2))
    assert length_variance(grammar) == varentropy(grammar) == derivation_varentropy(grammar) == math.inf


def test_a_critical_grammar_of_the_empty_string() -> None:
    """Derivations are endless on average, but every one of them derives the empty string."""
    half = Fraction(1, 2)
    grammar = ContextFree(ONE, ("S",), (Rule(0, (~0, ~0), half), Rule(0, (), half)))
    assert length_variance(grammar) == 0.0
    assert derivation_varentropy(grammar) == math.inf


@pytest.mark.parametrize("x", [(), (1,), (1, 2, 1)])
def test_one_string_has_no_variance(x: tuple[int, ...]) -> None:
    chain = np.full((len(x) + 1, 4), -np.inf)
    table = np.full((len(x) + 1, 4), -1)
    for s, a in enumerate(x):
        chain[s, a], table[s, a] = 0.0, s + 1
    chain[-1, 0] = 0.0
    transitions = np.zeros((4, len(x) + 1, len(x) + 1))
    for s, a in enumerate(x):
        transitions[a, s, s + 1] = 1.0
    first, stop = np.eye(len(x) + 1)[0], np.eye(len(x) + 1)[-1]
    languages = [
        spoken({x: Fraction(1)}),
        Automaton(PLAIN, table, chain, 0),
        HiddenAutomaton(PLAIN, first, transitions, stop),
        ContextFree(PLAIN, ("S",), (Rule(0, x, Fraction(1)),)),
    ]
    for language in languages:
        for found in (length_variance(language), varentropy(language)):
            assert found == 0.0
            assert math.copysign(1.0, found) == 1.0


def test_equally_likely_strings_have_no_varentropy() -> None:
    assert varentropy(spoken({(a, b): Fraction(1, 9) for a in (1, 2, 3) for b in (1, 2, 3)})) == 0.0


def test_paths_vary_more_than_strings() -> None:
    """Two states that emit the same symbol: the string a^n has 2^(n + 1) equally likely paths."""
    transitions = np.zeros((2, 2, 2))
    transitions[1] = 0.25
    hidden = HiddenAutomaton(ONE, np.full(2, 0.5), transitions, np.full(2, 0.5))
    assert length_variance(hidden) == pytest.approx(2.0, rel=1e-14)
    assert path_varentropy(hidden) == pytest.approx(math.log(4) ** 2 * 2, rel=1e-13)
    with pytest.raises(UnavailableError, match="use path_varentropy, or list its strings"):
        varentropy(hidden)


def test_hidden_paths_by_enumeration() -> None:
    half, third = Fraction(1, 2), Fraction(1, 3)
    arcs = ((0, 1, 1, third), (0, 2, 1, third), (1, 1, 2, half))
    walk = paths.Walk((Fraction(3, 4), Fraction(1, 4), Fraction(0)), arcs, (third, half, Fraction(1)))
    transitions = np.zeros((4, 3, 3))
    for s, a, t, p in arcs:
        transitions[a, s, t] = p
    hidden = HiddenAutomaton(PLAIN, np.array([0.75, 0.25, 0]), transitions, np.array([1 / 3, 0.5, 1]))
    every = {(k, *x): p for k, (x, p) in enumerate(paths.paths(walk, 4))}  # the number keeps equal strings apart
    surprise = by_hand(every)[1]
    length = by_hand(every)[0]
    assert path_varentropy(hidden) == pytest.approx(surprise, rel=1e-13)
    assert length_variance(hidden) == pytest.approx(length, rel=1e-13)


def test_what_is_not_known_is_refused() -> None:
    chain = Chain(ONE, np.array([[-1, 0]]), np.array([[-np.inf, 0.0]]), 0)
    ambiguous = ContextFree(ONE, ("S",), (Rule(0, (~0, ~0), Fraction(1, 4)), Rule(0, (1,), Fraction(3, 4))))
    for ask, said in ((lambda: length_variance(chain), "never end"), (lambda: varentropy(chain), "never end"),
                      (lambda: varentropy(ambiguous), "use derivation_varentropy")):  # fmt: skip
        with pytest.raises(UnavailableError, match=said):
            ask()
