"""Random finite grammars against brute force over fractions: ceilings, counting, the LL(1) test, likeliest strings."""

import math
import random
from fractions import Fraction

import numpy as np
import pytest

from sim.describe.bounds import Known
from sim.languages import likeliest as likeliest_module
from sim.languages.likeliest import likeliest
from sim.languages.pcfg import ceilings as module
from sim.languages.pcfg.ambiguity import decide
from sim.languages.pcfg.ceilings import ceilings
from sim.languages.pcfg.counting import surplus
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.leading import is_ll1
from sim.languages.pcfg.lr import is_lr1
from sim.languages.pcfg.rules import Rule
from sim.languages.vocabulary import Vocabulary

LETTERS = Vocabulary(("<eos>", "a", "b", "c"))
Strings = dict[tuple[int, ...], tuple[Fraction, int]]  # probability and number of derivations


def drawn(dice: random.Random) -> ContextFree | None:
    """A grammar in which non-terminals derive only later ones; None if one cannot be reached."""
    number, rules, seen = dice.randint(1, 5), [], {0}
    for head in range(number):
        sides = set()
        for _ in range(dice.randint(1, 3)):
            size = dice.randint(0 if dice.random() < 0.2 else 1, 3)
            last = head == number - 1
            part = [
                dice.randint(1, 3) if last or dice.random() < 0.4 else ~dice.randint(head + 1, number - 1)
                for _ in range(size)
            ]
            sides.add(tuple(part))
        weights = [dice.randint(1, 4) for _ in sides]
        own = [Rule(head, rhs, Fraction(w, sum(weights))) for rhs, w in zip(sorted(sides), weights, strict=True)]
        seen |= {child for rule in own for child in rule.children} if head in seen else set()
        rules += own
    return ContextFree(LETTERS, tuple("SABCD"[:number]), tuple(rules)) if len(seen) == number else None


def expanded(grammar: ContextFree) -> list[Strings]:
    """All strings of every non-terminal."""
    table: list[Strings] = [{} for _ in grammar.nonterminals]
    for rule in sorted(grammar.rules, key=lambda rule: -rule.lhs):
        found: Strings = {(): (rule.p, 1)}
        for symbol in rule.rhs:
            other = {(symbol,): (Fraction(1), 1)} if symbol > 0 else table[~symbol]
            longer: Strings = {}
            for x, (p, ways) in found.items():
                for y, (q, more) in other.items():
                    old = longer.get(x + y, (Fraction(0), 0))
                    longer[x + y] = old[0] + p * q, old[1] + ways * more
            found = longer
        for x, (p, ways) in found.items():
            old = table[rule.lhs].get(x, (Fraction(0), 0))
            table[rule.lhs][x] = old[0] + p, old[1] + ways
    return table


@pytest.fixture(scope="module")
def cases() -> list[tuple[ContextFree, list[Strings]]]:
    dice = random.Random(5)
    found = []
    while len(found) < 40:
        grammar = drawn(dice)
        if grammar is not None and grammar.shape.log_derivations < math.log(1_000):
            found.append((grammar, expanded(grammar)))
    return found


@pytest.mark.parametrize("most", [0, 3, 2_000])
def test_ceilings_are_above_every_string(cases, most, monkeypatch):
    monkeypatch.setattr(module, "MOST_LISTED", most)
    tight = 0
    for grammar, table in cases:
        best: dict[int, Fraction] = {}
        for x, (p, _) in table[0].items():
            best[len(x)] = max(best.get(len(x), Fraction(0)), p)
        found = ceilings.__wrapped__(grammar)
        assert [n for n, value in enumerate(found) if value > 0] == sorted(best)
        assert all(found[n] >= float(p) for n, p in best.items())
        tight += all(found[n] <= float(p) * (1 + 1e-8) for n, p in best.items())
    assert tight >= (len(cases) if most == 2_000 else 5)


def test_what_underflows_is_still_possible():
    """2^-1200 is below the range of floats, but strings of 1 200 symbols are possible."""
    rules = [Rule(0, (~1,) * 40, Fraction(1)), Rule(1, (~2,) * 30, Fraction(1))]
    rules += [Rule(2, (1,), Fraction(1, 2)), Rule(2, (2,), Fraction(1, 2))]
    found = ceilings(ContextFree(LETTERS, ("S", "A", "B"), tuple(rules)))
    assert np.flatnonzero(found).tolist() == [1_200]
    assert 0 < found[1_200] < 1e-290


def test_a_surplus_of_derivations_is_real(cases):
    proofs = 0
    for grammar, table in cases:
        found = surplus(grammar.rules, len(grammar.nonterminals), grammar.shape)
        if found is not None:
            own = {x: ways for x, (_, ways) in table[found.head].items() if len(x) == found.length}
            assert len(own) <= found.strings < found.derivations == sum(own.values())
            proofs += 1
    assert proofs


def test_ll1_grammars_are_lr1_and_unambiguous(cases):
    proofs = 0
    for grammar, table in cases:
        facts = grammar.rules, len(grammar.nonterminals), grammar.start
        ambiguous = any(ways > 1 for strings in table for _, ways in strings.values())
        if is_ll1(*facts):
            assert is_lr1(*facts)
            assert not ambiguous
            proofs += 1
        verdict = decide(*facts)
        assert verdict.open or verdict.unambiguous != ambiguous
    assert proofs


def test_bounds_hold_the_truth(cases, monkeypatch):
    monkeypatch.setattr(likeliest_module, "BUDGET", 100)
    monkeypatch.setattr(module, "MOST_LISTED", 2)
    ceilings.cache_clear()
    for grammar, table in cases[:15]:
        p = sorted((float(p) for p, _ in table[0].values()), reverse=True)
        found = likeliest(grammar, 4)
        assert all(math.exp(log_p) == pytest.approx(float(table[0][x][0])) for x, log_p in found.strings)
        if found.proved:
            assert [math.exp(log_p) for _, log_p in found.strings] == pytest.approx(p[:4])
        if len(p) > 1:
            known = Known(grammar, 1)
            entropy, collision, largest = known.entropy(), known.collision(), known.largest()
            assert entropy.lower - 1e-9 <= -math.fsum(q * math.log(q) for q in p) <= entropy.upper + 1e-9
            assert collision.lower - 1e-9 <= math.fsum(q * q for q in p) <= collision.upper + 1e-9
            assert largest.lower - 1e-12 <= p[0] <= largest.upper + 1e-12
            assert known.size()[0] <= len(p) <= known.size()[1]
    ceilings.cache_clear()
