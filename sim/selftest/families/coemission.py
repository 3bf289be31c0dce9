"""Check the probability that two languages emit the same string: automata of both kinds, and grammars with automata."""

import random
from collections.abc import Iterator

from sim.languages.coemission import coemission
from sim.languages.exact import ExactLanguage
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
    wanted = together.of_grammar(grammar, walk_p)
    yield Check("a grammar and an automaton", attempt(lambda: coemission(language, p)), wanted)
    yield Check("an automaton and a grammar", attempt(lambda: coemission(p, language)), wanted)


def _machine(rng: random.Random) -> tuple[ExactLanguage, Walk]:
    if rng.random() < 0.5:
        walk = drawn_walks.deterministic(rng, SYMBOLS, STATES)
        return drawn_walks.as_automaton(walk, SYMBOLS), walk
    walk = drawn_walks.hidden(rng, SYMBOLS, STATES)
    return drawn_walks.as_hidden(walk, SYMBOLS), walk
