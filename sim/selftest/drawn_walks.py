"""Draw random machines in fractions, and build the objects under test from them."""

import random
from fractions import Fraction
from typing import Literal, TypeAlias

import numpy as np

from sim.languages.automaton import Automaton
from sim.languages.events import Dfa
from sim.languages.hidden import HiddenAutomaton
from sim.languages.vocabulary import Vocabulary
from sim.selftest.oracles import walks
from sim.selftest.oracles.machines import Arc, Event, Walk, closure

Kind: TypeAlias = Literal["free", "deterministic", "reversed", "shown"]
"""Kinds of hidden machines: any arcs, one arc per state and symbol, one per symbol and next state, symbols that show
the next state."""

Outcome: TypeAlias = tuple[int, int]
"""A symbol and the next state. (0, -1) is the stop."""

STOP: Outcome = (0, -1)


def row(rng: random.Random, outcomes: int) -> list[Fraction]:
    """Draw a law over outcomes, all possible: similar sizes, one nearly certain, one tiny, or very different sizes."""
    style = rng.choice(("like", "like", "certain", "tiny", "spread"))
    weights = [rng.randint(1, 9) * 10 ** (rng.randint(0, 12) if style == "spread" else 0) for _ in range(outcomes)]
    if style in ("certain", "tiny"):
        certain, rare = style == "certain", 10 ** rng.choice((3, 6, 9, 9, 12, 15 if style == "certain" else 30))
        one = rng.randrange(outcomes)
        weights = [w * (rare if (i == one) == certain else 1) for i, w in enumerate(weights)]
    total = sum(weights)
    return [Fraction(w, total) for w in weights]


def deterministic(rng: random.Random, symbols: int, most: int = 5) -> Walk:
    """Draw a deterministic machine of at most `most` states, cyclic or not. Some states may never be visited."""
    size, acyclic = rng.randint(1, most), rng.random() < 0.3
    outcomes: list[list[Outcome]] = []
    for s in range(size):
        low = s + 1 if acyclic else 0
        ways = [(a, rng.randrange(low, size)) for a in range(1, symbols + 1) if low < size and rng.random() < 0.6]
        outcomes.append([STOP, *ways] if rng.random() < 0.5 else ways)
    return _weighted(rng, outcomes, [0] if acyclic else [rng.randrange(size)])


def varied(rng: random.Random, walk: Walk) -> Walk:
    """Return a machine with the same arcs and partly other probabilities. Sometimes a state gains or loses its stop."""
    outcomes: list[list[Outcome]] = [[STOP] if p else [] for p in walk.stops]
    for s, a, t, _ in walk.arcs:
        outcomes[s].append((a, t))
    if rng.random() < 0.3:
        changed = rng.choice(outcomes)
        if STOP in changed and len(changed) > 1:
            changed.remove(STOP)
        elif STOP not in changed:
            changed.append(STOP)
    other = _weighted(rng, outcomes, [s for s, p in enumerate(walk.first) if p])
    same = {s for s in range(walk.size) if rng.random() < 0.5}
    if [bool(p) for p in other.stops] != [bool(p) for p in walk.stops]:
        return other
    arcs = (old if old[0] in same else new for old, new in zip(walk.arcs, other.arcs, strict=True))
    stops = (p if s in same else q for s, (p, q) in enumerate(zip(walk.stops, other.stops, strict=True)))
    return Walk(walk.first, tuple(arcs), tuple(stops))


def hidden(rng: random.Random, symbols: int, most: int = 4) -> Walk:
    """Draw a machine in which a string may have several paths. Some kinds have one path for every string."""
    kind: Kind = rng.choice(("free", "free", "deterministic", "reversed", "shown"))
    size, acyclic = rng.randint(1, most), rng.random() < 0.3
    outcomes: list[list[Outcome]] = [[] for _ in range(size)]
    for s in range(size):
        for t in range(s + 1 if acyclic else 0, size):
            shown = [t % symbols + 1] if kind == "shown" else range(1, symbols + 1)
            outcomes[s] += [(a, t) for a in shown if rng.random() < 0.4]
    if kind == "deterministic":
        outcomes = [list({a: (a, t) for a, t in rng.sample(ways, len(ways))}.values()) for ways in outcomes]
    if kind == "reversed":
        source = {way: s for s in rng.sample(range(size), size) for way in outcomes[s]}
        outcomes = [[way for way in outcomes[s] if source[way] == s] for s in range(size)]
    for s, ways in enumerate(outcomes):
        if rng.random() < 0.4 or (kind == "reversed" and s == size - 1):
            ways.append(STOP)
    starts = [0] if kind == "deterministic" else rng.sample(range(size), rng.randint(1, min(size, 3)))
    return _weighted(rng, outcomes, starts)


def _weighted(rng: random.Random, outcomes: list[list[Outcome]], starts: list[int]) -> Walk:
    """Draw a law over the outcomes of each state. A state that could never reach a stop gets one."""
    reach = closure([{t for _, t in ways if t >= 0} for ways in outcomes])
    for s, ways in enumerate(outcomes):
        if not any(STOP in outcomes[t] for t in {s, *reach[s]}):
            ways.append(STOP)
    arcs: list[Arc] = []
    stops = [Fraction(0)] * len(outcomes)
    for s, ways in enumerate(outcomes):
        for (a, t), p in zip(ways, row(rng, len(ways)), strict=True):
            if t < 0:
                stops[s] = p
            else:
                arcs.append((s, a, t, p))
    first = [Fraction(0)] * len(outcomes)
    for s, p in zip(starts, row(rng, len(starts)), strict=True):
        first[s] = p
    return Walk(tuple(first), tuple(arcs), tuple(stops))


def vocabulary(symbols: int) -> Vocabulary:
    """Return the vocabulary of the end and `symbols` letters."""
    return Vocabulary(("<eos>", *"abcdefgh"[:symbols]))


def as_automaton(walk: Walk, symbols: int) -> Automaton:
    """Return a deterministic machine as the object under test."""
    table = np.full((walk.size, symbols + 1), -1)
    log_prob = np.full(table.shape, -np.inf)
    for s, a, t, p in walk.arcs:
        table[s, a], log_prob[s, a] = t, float(walks.log(p))
    for s, p in enumerate(walk.stops):
        log_prob[s, 0] = float(walks.log(p)) if p else -np.inf
    return Automaton(vocabulary(symbols), table, log_prob, next(s for s, p in enumerate(walk.first) if p))


def as_hidden(walk: Walk, symbols: int) -> HiddenAutomaton:
    """Return a machine as the object under test."""
    transitions = np.zeros((symbols + 1, walk.size, walk.size))
    for s, a, t, p in walk.arcs:
        transitions[a, s, t] = p
    first, stops = (np.array([float(p) for p in law]) for law in (walk.first, walk.stops))
    return HiddenAutomaton(vocabulary(symbols), first, transitions, stops)


def event(rng: random.Random, symbols: int, most: int = 3) -> Event:
    """Draw a random regular event, which may contain every string or none."""
    size = rng.randint(1, most)
    table = tuple(tuple(rng.randrange(size) for _ in range(symbols)) for _ in range(size))
    return Event(table, tuple(rng.random() < 0.5 for _ in range(size)), rng.randrange(size))


def as_dfa(event: Event) -> Dfa:
    """Return an event as the object under test. Column 0, the end, is never read."""
    return Dfa(np.array([(0, *after) for after in event.table]), np.array(event.accept), event.start)
