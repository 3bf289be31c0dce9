"""Random walks over states in fractions: strings by brute force over all paths, graphs by transitive closure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from sim.selftest.oracles.lists import NONE, Symbols

Arc: TypeAlias = tuple[int, int, int, Fraction]
"""(state, symbol, next state, probability > 0)."""

States: TypeAlias = dict[int, Fraction]
"""For each state, the probability of having emitted some given symbols and being in this state."""


@dataclass(frozen=True)
class Walk:
    """A random walk: the first state is drawn, arcs are followed, and the walk stops.

    Deterministic machines are a special case. After conditioning, the probabilities need not sum to 1, and some states
    may be unable to stop.
    """

    first: tuple[Fraction, ...]
    arcs: tuple[Arc, ...]
    stops: tuple[Fraction, ...]

    @property
    def size(self) -> int:
        """Number of states."""
        return len(self.stops)

    def following(self) -> list[set[int]]:
        """Return for every state the states that one symbol can lead to."""
        out: list[set[int]] = [set() for _ in self.stops]
        for s, _, t, _ in self.arcs:
            out[s].add(t)
        return out


@dataclass(frozen=True)
class Event:
    """The strings that a complete deterministic automaton accepts. `table[q][a - 1]` is the state after symbol a."""

    table: tuple[tuple[int, ...], ...]
    accept: tuple[bool, ...]
    start: int

    def after(self, x: Sequence[int]) -> int:
        """Return the state that a string leads to."""
        state = self.start
        for a in x:
            state = self.table[state][a - 1]
        return state

    def holds(self, x: Sequence[int]) -> bool:
        """Return whether a string is in the event."""
        return self.accept[self.after(x)]


def begin(walk: Walk) -> States:
    """Return the state probabilities before the first symbol."""
    return {s: p for s, p in enumerate(walk.first) if p}


def step(walk: Walk, here: States, token: int) -> States:
    """Return the state probabilities after one more symbol; empty if it is impossible."""
    out: States = {}
    for s, a, t, p in walk.arcs:
        if a == token and s in here:
            out[t] = out.get(t, NONE) + here[s] * p
    return out


def forward(walk: Walk, prefix: Sequence[int]) -> States:
    """Return P(the prefix, then state s) for every state s."""
    here = begin(walk)
    for token in prefix:
        here = step(walk, here, token)
    return here


def ending(walk: Walk, here: States) -> Fraction:
    """P(the symbols that led to `here`, then the end)."""
    return sum((p * walk.stops[s] for s, p in here.items()), NONE)


def by_length(walk: Walk, symbols: int) -> Iterator[dict[Symbols, States]]:
    """Yield the possible prefixes of length 0, 1, 2, ... over `symbols` symbols, for ever."""
    alive: dict[Symbols, States] = {(): begin(walk)}
    while True:
        yield alive
        longer = {(*x, a): step(walk, here, a) for x, here in alive.items() for a in range(1, symbols + 1)}
        alive = {x: here for x, here in longer.items() if here}


def paths(walk: Walk, length: int) -> Iterator[tuple[Symbols, Fraction]]:
    """Yield the string and the probability of every path that stops after fewer than `length` symbols."""
    alive: list[tuple[Symbols, int, Fraction]] = [((), s, p) for s, p in begin(walk).items()]
    for _ in range(length):
        yield from ((x, p * walk.stops[s]) for x, s, p in alive if walk.stops[s])
        alive = [((*x, a), t, p * q) for x, s, p in alive for source, a, t, q in walk.arcs if source == s]


def next_law(walk: Walk, prefix: Sequence[int], symbols: int) -> list[Fraction]:
    """P(. | prefix) for the end and for each symbol; the prefix must be possible."""
    here = forward(walk, prefix)
    joint = [ending(walk, here)] + [sum(step(walk, here, a).values(), NONE) for a in range(1, symbols + 1)]
    total = sum(here.values(), NONE)
    return [p / total for p in joint]


def marked(walk: Walk, event: Event) -> Walk:
    """Return the walks with strings in an event, with their original probabilities. State s Q + q is a pair (s, q)."""
    Q, none = len(event.accept), NONE
    first = [none] * (walk.size * Q)
    for s, p in enumerate(walk.first):
        first[s * Q + event.start] = p
    arcs = [(s * Q + q, a, t * Q + event.table[q][a - 1], p) for s, a, t, p in walk.arcs for q in range(Q)]
    return Walk(tuple(first), tuple(arcs), tuple(p if inside else none for p in walk.stops for inside in event.accept))


def avoiding(walk: Walk, states: Sequence[int], gone: Callable[[int, int, int], bool]) -> Walk:
    """Return the walks that avoid the given states and all arcs with gone(s, a, t); a = 0 is the stop of s."""
    lost = set(states)
    first = (NONE if s in lost else p for s, p in enumerate(walk.first))
    arcs = (arc for arc in walk.arcs if not {arc[0], arc[2]} & lost and not gone(arc[0], arc[1], arc[2]))
    stops = (NONE if s in lost or gone(s, 0, -1) else p for s, p in enumerate(walk.stops))
    return Walk(tuple(first), tuple(arcs), tuple(stops))


def closure(following: Sequence[set[int]]) -> list[set[int]]:
    """Return the states that each state leads to by one or more symbols (Warshall)."""
    reach = [set(after) for after in following]
    for middle in range(len(reach)):
        for after in reach:
            if middle in after:
                after |= reach[middle]
    return reach


def reached(walk: Walk) -> set[int]:
    """Return the states that some walk visits."""
    seen, reach = set(begin(walk)), closure(walk.following())
    return seen.union(*(reach[s] for s in seen))


def endless(walk: Walk) -> bool:
    """Return whether walks have unbounded length, that is, whether a reachable state leads back to itself."""
    reach = closure(walk.following())
    return any(s in reach[s] for s in reached(walk))


def deepest(walk: Walk) -> int:
    """Number of symbols of the longest walk. There must be no cycle, and every state must lead to a stop."""
    following = walk.following()

    def below(state: int) -> int:
        return max((below(t) + 1 for t in following[state]), default=0)

    return max(below(s) for s in begin(walk))


def num_strings(walk: Walk, number: int, symbols: int) -> list[int]:
    """Number of different strings of 0, 1, ..., `number` - 1 symbols, from the sets of states that they lead to."""
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
    """Run two deterministic machines in step. Return the walk with the probabilities of the first machine.

    The second result maps (state, symbol) to the probability of the second machine; symbol 0 is the stop. An arc or
    stop of the first machine has no entry there if the second machine lacks it.
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
    """Return whether a string is possible in the first deterministic machine but not in the second."""
    both, second = paired(p, q)
    seen = reached(both)
    needed = [(s * q.size + u, a) for s, a, _, _ in p.arcs for u in range(q.size)]
    needed += [(s, 0) for s, w in enumerate(both.stops) if w]
    return any(state in seen and (state, a) not in second for state, a in needed)


def twice(walk: Walk) -> Walk:
    """Return the walk of two independent walks that emit the same string, on ordered pairs of states."""
    size = walk.size
    arcs: list[Arc] = []
    for s, a, t, p in walk.arcs:
        arcs += [(s * size + u, a, t * size + v, p * q) for u, b, v, q in walk.arcs if a == b]
    first, stops = ([p * q for p in law for q in law] for law in (walk.first, walk.stops))
    return Walk(tuple(first), tuple(arcs), tuple(stops))


def ambiguous(walk: Walk, symbols: int) -> bool:
    """Return whether a string has two paths, that is, whether some length has more paths than strings.

    Two different paths of a string pass through a pair of different states. At most S^2 symbols are needed to reach
    this pair, and at most S^2 more to reach the stops.
    """
    number = 2 * walk.size**2 + 1
    return num_paths(walk, number) != num_strings(walk, number, symbols)
