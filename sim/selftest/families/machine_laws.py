"""Check laws of whole batches, of automata and of hidden automata, against sums over paths in fractions."""

import random
from collections.abc import Iterator
from fractions import Fraction

from sim.laws.hidden import HiddenLaw
from sim.laws.protocol import Law
from sim.laws.reading import law as law_of
from sim.selftest import drawn_walks
from sim.selftest.checks import Check
from sim.selftest.drawn import LOG_FLOOR, logs
from sim.selftest.oracles import machines
from sim.selftest.oracles.lists import NONE, Symbols
from sim.selftest.oracles.machines import Walk
from sim.selftest.walked import short_law


def checks(rng: random.Random) -> Iterator[Check]:
    """Check probabilities, prefixes and next tokens of a batch, and the posteriors of hidden states."""
    symbols = rng.randint(1, 3)
    law: Law
    if rng.random() < 0.5:
        walk = drawn_walks.deterministic(rng, symbols)
        law = law_of(drawn_walks.as_automaton(walk, symbols))
    else:
        walk = drawn_walks.hidden(rng, symbols)
        law = law_of(drawn_walks.as_hidden(walk, symbols))
    known = sorted(short_law(walk, symbols, 5))
    drawn = [tuple(rng.choices(range(1, symbols + 1), k=rng.randint(0, 9))) for _ in range(3)]
    batch = [*rng.sample(known, min(len(known), 4)), *drawn]
    ends = [machines.ending(walk, machines.forward(walk, x)) for x in batch]
    yield Check("log P of a batch", law.log_prob(batch), logs(ends), floor=LOG_FLOOR)
    yield from _prefixes(law, walk, symbols, batch)
    if isinstance(law, HiddenLaw):
        yield from _states(law, walk, batch)


def _prefixes(law: Law, walk: Walk, symbols: int, batch: list[Symbols]) -> Iterator[Check]:
    log_p, nexts = law.prefix_log_prob(batch), law.next_token(batch)
    for row, x in enumerate(batch):
        masses = [sum(machines.forward(walk, x[:t]).values(), NONE) for t in range(len(x) + 1)]
        yield Check("log P(prefix)", log_p[row, : len(x) + 1], logs(masses), floor=LOG_FLOOR)
        for t in (0, len(x)):
            wanted = machines.next_law(walk, x[:t], symbols) if masses[t] else [NONE] * (symbols + 1)
            yield Check("P(. | prefix)", nexts[row, t], wanted)


def _states(law: HiddenLaw, walk: Walk, batch: list[Symbols]) -> Iterator[Check]:
    """P(state | prefix), and P(state | string) as what leads to the state times what follows from it."""
    beliefs, states = law.beliefs(batch), law.states(batch)
    for row, x in enumerate(batch):
        whole = machines.ending(walk, machines.forward(walk, x))
        for t in range(len(x) + 1):
            here = machines.forward(walk, x[:t])
            mass = sum(here.values(), NONE)
            shares = [here.get(s, NONE) / mass if mass else NONE for s in range(walk.size)]
            yield Check("P(state | prefix)", beliefs[row, t], shares)
            through = [here.get(s, NONE) * _after(walk, s, x[t:]) for s in range(walk.size)]
            yield Check("P(state | string)", states[row, t], [p / whole if whole else NONE for p in through])


def _after(walk: Walk, state: int, rest: Symbols) -> Fraction:
    """P(the rest, then the end | state)."""
    first = tuple(NONE + (s == state) for s in range(walk.size))
    return machines.ending(walk, machines.forward(Walk(first, walk.arcs, walk.stops), rest))
