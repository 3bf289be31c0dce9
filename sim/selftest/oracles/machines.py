"""Walks over states in fractions: strings by brute force over all paths, and graphs by transitive closure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from sim.selftest.oracles.lists import NONE, Symbols

Arc: TypeAlias = tuple[int, int, int, Fraction]
"""From a state, by a symbol, to a state, with a probability above 0."""

States: TypeAlias = dict[int, Fraction]
"""Probability to have emitted some symbols and to be in each state."""


@dataclass(frozen=True)
class Walk:
    """The first state is drawn, arcs are followed, and the walk stops; deterministic machines are a special case.

    What conditioning leaves need not sum to 1, and states that cannot stop are allowed.
    """

    first: tuple[Fraction, ...]
    arcs: tuple[Arc, ...]
    stops: tuple[Fraction, ...]

    @property
    def size(self) -> int:
        """Number of states."""
        return len(self.stops)

    def following(self) -> list[set[int]]:
        """States that one symbol may lead to, of every state."""
        out: list[set[int]] = [set() for _ in self.stops]
        for s, _, t, _ in self.arcs:
            out[s].add(t)
        return out


@dataclass(frozen=True)
class Event:
    """Strings that a complete deterministic automaton accepts: `table[q][a - 1]` is the state after symbol a."""

    table: tuple[tuple[int, ...], ...]
    accept: tuple[bool, ...]
    start: int

    def after(self, x: Sequence[int]) -> int:
        """The state that a string leads to."""
        state = self.start
        for a in x:
            state = self.table[state][a - 1]
        return state

    def holds(self, x: Sequence[int]) -> bool:
        """Whether a string is in the event."""
        return self.accept[self.after(x)]


def begin(walk: Walk) -> States:
    """Before the first symbol."""
    return {s: p for s, p in enumerate(walk.first) if p}


def step(walk: Walk, here: States, token: int) -> States:
    """After one more symbol; empty where it is impossible."""
    out: States = {}
    for s, a, t, p in walk.arcs:
        if a == token and s in here:
            out[t] = out.get(t, NONE) + here[s] * p
    return out


def forward(walk: Walk, prefix: Sequence[int]) -> States:
    """P(these symbols, then this state)."""
    here = begin(walk)
    for token in prefix:
        here = step(walk, here, token)
    return here


def ending(walk: Walk, here: States) -> Fraction:
    """P(these symbols, then the end)."""
    return sum((p * walk.stops[s] for s, p in here.items()), NONE)


def by_length(walk: Walk, symbols: int) -> Iterator[dict[Symbols, States]]:
    """Possible prefixes of 0, 1, 2, ... of the `symbols` symbols, without end."""
    alive: dict[Symbols, States] = {(): begin(walk)}
    while True:
        yield alive
        longer = {(*x, a): step(walk, here, a) for x, here in alive.items() for a in range(1, symbols + 1)}
        alive = {x: here for x, here in longer.items() if here}


def paths(walk: Walk, length: int) -> Iterator[tuple[Symbols, Fraction]]:
    """Every path of fewer than `length` symbols that stops, as its string and its probability."""
    alive: list[tuple[Symbols, int, Fraction]] = [((), s, p) for s, p in begin(walk).items()]
    for _ in range(length):
        yield from ((x, p * walk.stops[s]) for x, s, p in alive if walk.stops[s])
        alive = [((*x, a), t, p * q) for x, s, p in alive for source, a, t, q in walk.arcs if source == s]


def next_law(walk: Walk, prefix: Sequence[int], symbols: int) -> list[Fraction]:
    """P(. | prefix) of the end and of each symbol; the prefix must be possible."""
    here = forward(walk, prefix)
    joint = [ending(walk, here)] + [sum(step(walk, here, a).values(), NONE) for a in range(1, symbols + 1)]
    total = sum(here.values(), NONE)
    return [p / total for p in joint]


def marked(walk: Walk, event: Event) -> Walk:
    """The walks whose strings are in an event, their probabilities as they were: pairs (s, q) are states s Q + q."""
    Q, none = len(event.accept), NONE
    first = [none] * (walk.size * Q)
    for s, p in enumerate(walk.first):
        first[s * Q + event.start] = p
    arcs = [(s * Q + q, a, t * Q + event.table[q][a - 1], p) for s, a, t, p in walk.arcs for q in range(Q)]
    return Walk(tuple(first), tuple(arcs), tuple(p if inside else none for p in walk.stops for inside in event.accept))


def avoiding(walk: Walk, states: Sequence[int], gone: Callable[[int, int, int], bool]) -> Walk:
    """The walks that visit none of some states and take no arc that is `gone` (s, a, t; a = 0 is the stop of s)."""
    lost = set(states)
    first = (NONE if s in lost else p for s, p in enumerate(walk.first))
    arcs = (arc for arc in walk.arcs if not {arc[0], arc[2]} & lost and not gone(arc[0], arc[1], arc[2]))
    stops = (NONE if s in lost or gone(s, 0, -1) else p for s, p in enumerate(walk.stops))
    return Walk(tuple(first), tuple(arcs), tuple(stops))


def closure(following: Sequence[set[int]]) -> list[set[int]]:
    """States that each state leads to by one symbol or more (Warshall)."""
    reach = [set(after) for after in following]
    for middle in range(len(reach)):
        for after in reach:
            if middle in after:
                after |= reach[middle]
    return reach


def reached(walk: Walk) -> set[int]:
    """States that some walk visits."""
    seen, reach = set(begin(walk)), closure(walk.following())
    return seen.union(*(reach[s] for s in seen))


def endless(walk: Walk) -> bool:
    """Whether walks of any length exist: whether one that can be reached leads back to itself."""
    reach = closure(walk.following())
    return any(s in reach[s] for s in reached(walk))


def deepest(walk: Walk) -> int:
    """Symbols of the longest walk; there must be no cycle, and every state must lead to a stop."""
    following = walk.following()

    def below(state: int) -> int:
        return max((below(t) + 1 for t in following[state]), default=0)

    return max(below(s) for s in begin(walk))


def num_strings(walk: Walk, number: int, symbols: int) -> list[int]:
    """Number of different strings of 0, 1, ..., `number` - 1 symbols, by the sets of states that they lead to."""
    arcs: dict[tuple[int, int], set[int]] = {}
    for s, a, t, _ in walk.arcs:
        arcs.setdefault((s, a), set()).add(t)
    stopping = {s for s, p in enumerate(walk.stops) if p}
    ways, out = {frozenset(begin(walk)): 1}, []
    for _ in range(number):
        out.append(sum(n for here, n in ways.items() if here & stopping))
        longer: dict[frozenset[int], int] = {}
        for here, n in ways.items():
            for a in range(1, symbols + 1):
                after = frozenset().union(*(arcs.get((s, a), set()) for s in here))
                if after:
                    longer[after] = longer.get(after, 0) + n
        ways = longer
    return out


def num_paths(walk: Walk, number: int) -> list[int]:
    """Number of different paths of 0, 1, ..., `number` - 1 symbols that stop."""
    ways, out = dict.fromkeys(begin(walk), 1), []
    for _ in range(number):
        out.append(sum(n for s, n in ways.items() if walk.stops[s]))
        longer: dict[int, int] = {}
        for s, _, t, _ in walk.arcs:
            if s in ways:
                longer[t] = longer.get(t, 0) + ways[s]
        ways = longer
    return out


def paired(p: Walk, q: Walk) -> tuple[Walk, dict[tuple[int, int], Fraction]]:
    """Two deterministic machines in step, with the probabilities of the first; those of the second by (state, symbol).

    Where the second lacks an arc or a stop that the first has, it is missing there; symbol 0 is the stop.
    """
    size = q.size
    after = {(s, a): (t, w) for s, a, t, w in q.arcs}
    first = [NONE] * (p.size * size)
    first[begin(p).popitem()[0] * size + begin(q).popitem()[0]] = Fraction(1)
    arcs, second = [], {}
    for s, a, t, w in p.arcs:
        for u in range(size):
            if (u, a) in after:
                arcs.append((s * size + u, a, t * size + after[u, a][0], w))
                second[s * size + u, a] = after[u, a][1]
    stops = []
    for s, w in enumerate(p.stops):
        for u, v in enumerate(q.stops):
            stops.append(w)
            if v:
                second[s * size + u, 0] = v
    return Walk(tuple(first), tuple(arcs), tuple(stops)), second


def lacking(p: Walk, q: Walk) -> bool:
    """Whether a string is possible in the first of two deterministic machines and not in the second."""
    both, second = paired(p, q)
    seen = reached(both)
    needed = [(s * q.size + u, a) for s, a, _, _ in p.arcs for u in range(q.size)]
    needed += [(s, 0) for s, w in enumerate(both.stops) if w]
    return any(state in seen and (state, a) not in second for state, a in needed)


def twice(walk: Walk) -> Walk:
    """Two independent walks that say the same string, on ordered pairs of states."""
    size = walk.size
    arcs: list[Arc] = []
    for s, a, t, p in walk.arcs:
        arcs += [(s * size + u, a, t * size + v, p * q) for u, b, v, q in walk.arcs if a == b]
    first, stops = ([p * q for p in law for q in law] for law in (walk.first, walk.stops))
    return Walk(tuple(first), tuple(arcs), tuple(stops))


def ambiguous(walk: Walk, symbols: int) -> bool:
    """Whether a string has two paths: whether there are ever more paths than strings.

    Two paths that differ meet in a pair of states that at most S^2 symbols lead to, and S^2 more to the ends.
    """
    number = 2 * walk.size**2 + 1
    return num_paths(walk, number) != num_strings(walk, number, symbols)
