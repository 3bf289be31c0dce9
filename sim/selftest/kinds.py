"""Random languages of every kind over one vocabulary, with the probabilities of all strings that matter.

Infinite languages have one symbol and stop at every step with probability 1/2 or more. So the strings of 50 or more
symbols have a mass below 1e-15.
"""

import random
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

from sim.languages.exact import ExactLanguage
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule
from sim.selftest.drawn import PLAIN, as_language, law_on, plain_law
from sim.selftest.drawn_walks import as_automaton, as_hidden
from sim.selftest.oracles import machines
from sim.selftest.oracles.lists import Law, Symbols
from sim.selftest.oracles.machines import Arc, Walk

SYMBOLS = len(PLAIN) - 1
CUT = 50


@dataclass(frozen=True, eq=False)
class Known:
    """A language, its strings with their probabilities, and whether these are all its strings (`finite`)."""

    kind: str
    language: ExactLanguage
    law: Law
    finite: bool


def random_language(rng: random.Random) -> Known:
    """Draw a list, a deterministic or hidden automaton, or a grammar; finite or infinite."""
    kind = rng.choice(("list", "automaton", "hidden", "grammar"))
    if kind == "list":
        law = plain_law(rng)
        return Known(kind, as_language(law, rng=rng), {x: p for x, p in law.items() if p}, True)
    finite = rng.random() < 0.6
    if kind == "grammar":
        return _finite_grammar(rng) if finite else _endless_grammar(rng)
    walk = _walk(rng, finite, hidden=kind == "hidden")
    language = as_hidden(walk, SYMBOLS) if kind == "hidden" else as_automaton(walk, SYMBOLS)
    levels = islice(machines.by_length(walk, SYMBOLS if finite else 1), 5 if finite else CUT)
    law = {x: p for level in levels for x, here in level.items() if (p := machines.ending(walk, here))}
    return Known(kind, language, law, not machines.endless(walk))


def _walk(rng: random.Random, finite: bool, hidden: bool) -> Walk:
    size = rng.randint(1, 4)
    arcs: list[Arc] = []
    stops = []
    for s in range(size):
        later = range(s + 1, size) if finite else range(size)
        ways = {
            (rng.randint(1, SYMBOLS if finite else 1), rng.choice(later)) for _ in range(rng.randint(1, 3)) if later
        }
        if not hidden:
            ways = set(dict(ways).items())
        law = law_on(rng, ways, zeros=False, spread=2) if ways else {}
        stop = Fraction(rng.randint(10, 20), 20) if ways else Fraction(1)
        stops.append(stop)
        arcs += [(s, a, t, p * (1 - stop)) for (a, t), p in law.items() if stop < 1]
    first = [Fraction(int(s == 0)) for s in range(size)]
    if hidden:
        start = law_on(rng, [(s,) for s in range(size)], zeros=False, spread=2)
        first = [start[(s,)] for s in range(size)]
    return Walk(tuple(first), tuple(arcs), tuple(stops))


def _finite_grammar(rng: random.Random) -> Known:
    """Draw S -> strings and strings with a T in front, T -> strings. Some of these grammars are ambiguous."""

    def some(most: int) -> set[Symbols]:
        return {tuple(rng.choices((1, 2, 3), k=rng.randint(0, 2))) for _ in range(rng.randint(1, most))}

    top = law_on(rng, some(3) | {(~1, *x) for x in some(2)}, zeros=False, spread=3)
    under = law_on(rng, some(3), zeros=False, spread=3)
    rules = [Rule(0, side, p) for side, p in top.items()] + [Rule(1, side, p) for side, p in under.items()]
    law: dict[Symbols, Fraction] = {}
    for side, p in top.items():
        for x, q in under.items() if side[:1] == (~1,) else [((), Fraction(1))]:
            whole = x + tuple(symbol for symbol in side if symbol > 0)
            law[whole] = law.get(whole, Fraction(0)) + p * q
    return Known("grammar", ContextFree(PLAIN, ("S", "T"), tuple(rules)), law, True)


def _endless_grammar(rng: random.Random) -> Known:
    """Draw S -> a S or S -> a S S with probability p, and S -> empty.

    Each string a^n has one derivation in the first grammar and Catalan(n) derivations in the second.
    """
    twice = rng.random() < 0.5
    p = Fraction(rng.randint(1, 10), 100 if twice else 20)
    rules = (Rule(0, (1, ~0, ~0) if twice else (1, ~0), p), Rule(0, (), 1 - p))
    ways = [1]
    for n in range(CUT):
        ways.append(sum(ways[k] * ways[n - k] for k in range(n + 1)) if twice else 1)
    law = {(1,) * n: count * p**n * (1 - p) ** (n + 1 if twice else 1) for n, count in enumerate(ways)}
    return Known("grammar", ContextFree(PLAIN, ("S",), rules), law, False)
