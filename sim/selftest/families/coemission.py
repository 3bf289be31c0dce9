"""Check the probability that two languages emit the same string: automata of both kinds, and grammars with automata."""

import random
from collections.abc import Iterator
from fractions import Fraction

from sim.languages.automaton import Automaton
from sim.languages.coemission import coemission
from sim.languages.hidden import HiddenAutomaton
from sim.selftest import drawn_grammars, drawn_walks
from sim.selftest.checks import Check, attempt
from sim.selftest.oracles import together
from sim.selftest.oracles.machines import Walk

SYMBOLS, STATES = 3, 3


def checks(rng: random.Random) -> Iterator[Check]:
    """Check two machines, each deterministic or hidden, and a grammar with the first of them."""
    (p, walk_p), (q, walk_q) = _machine(rng), _machine(rng)
    wanted = together.of_walks(walk_p, walk_q)
    yield Check("two automata", coemission(p, q), wanted)
    yield Check("two automata, exchanged", coemission(q, p), wanted)
    yield Check("an automaton with itself", coemission(p, p), together.of_walks(walk_p, walk_p))
    grammar = drawn_grammars.grammar(rng, 3)
    language, _ = drawn_grammars.as_language(rng, grammar)
    wanted = together.of_grammar(grammar, _as_floats(p, walk_p))
    yield Check("a grammar and an automaton", attempt(lambda: coemission(language, p)), wanted)
    yield Check("an automaton and a grammar", attempt(lambda: coemission(p, language)), wanted)


def _as_floats(machine: Automaton | HiddenAutomaton, walk: Walk) -> Walk:
    """Return the walk with the probabilities that the machine holds in floats.

    If a grammar is critical and the machine nearly certain, the result changes by the root of this rounding.
    """

    def held(s: int, a: int, t: int) -> Fraction:
        p = machine.prob[s, a] if isinstance(machine, Automaton) else machine.transitions[a, s, t]
        return Fraction(float(p))

    arcs = tuple((s, a, t, held(s, a, t)) for s, a, t, _ in walk.arcs)
    first, stops = (tuple(Fraction(float(p)) for p in law) for law in (machine.first, machine.stops))
    return Walk(first, arcs, stops)


def _machine(rng: random.Random) -> tuple[Automaton | HiddenAutomaton, Walk]:
    if rng.random() < 0.5:
        walk = drawn_walks.deterministic(rng, SYMBOLS, STATES)
        return drawn_walks.as_automaton(walk, SYMBOLS), walk
    walk = drawn_walks.hidden(rng, SYMBOLS, STATES)
    return drawn_walks.as_hidden(walk, SYMBOLS), walk
