"""Every path of a small machine, written down: the second route to the laws of machines. Rationals only."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from sim.languages.hidden import HiddenAutomaton
from sim.languages.vocabulary import Vocabulary

String = tuple[int, ...]


@dataclass(frozen=True)
class Machine:
    """States are letters A, B, ...; tokens are a, b, ... with the numbers 1, 2, ...

    `start` and `stop` map states to probabilities, and `arcs` holds lines such as "A a B 1/3".
    """

    start: dict[str, str]
    arcs: tuple[str, ...]
    stop: dict[str, str]
    tokens: str = "ab"

    @property
    def states(self) -> list[str]:
        return sorted({*self.start, *self.stop, *(own.split()[0] for own in self.arcs)})

    @property
    def steps(self) -> dict[tuple[str, int], dict[str, Fraction]]:
        """(state, token) -> the next states and the probability of each."""
        found: dict[tuple[str, int], dict[str, Fraction]] = defaultdict(dict)
        for own in self.arcs:
            s, a, t, p = own.split()
            found[s, self.tokens.index(a) + 1][t] = Fraction(p)
        return found

    def language(self) -> HiddenAutomaton:
        names, size = self.states, len(self.states)
        arcs = np.zeros((len(self.tokens) + 1, size, size))
        for (s, a), ways in self.steps.items():
            for t, p in ways.items():
                arcs[a, names.index(s), names.index(t)] = float(p)
        first, stop = (np.array([float(Fraction(own.get(s, "0"))) for s in names]) for own in (self.start, self.stop))
        return HiddenAutomaton(Vocabulary(("<eos>", *self.tokens), joiner=""), first, arcs, stop, tuple(names))

    def paths(self, string: String) -> Iterator[tuple[tuple[str, ...], Fraction]]:
        """All paths that emit these tokens and then go on or stop: their states, and the probability."""
        steps = self.steps
        found = [((s,), Fraction(p)) for s, p in self.start.items()]
        for token in string:
            found = [((*way, t), p * q) for way, p in found for t, q in steps.get((way[-1], token), {}).items()]
        yield from found

    def stops(self, state: str) -> Fraction:
        return Fraction(self.stop.get(state, "0"))

    def prefix(self, string: String) -> Fraction:
        return sum((p for _, p in self.paths(string)), Fraction(0))

    def whole(self, string: String) -> Fraction:
        return sum((p * self.stops(way[-1]) for way, p in self.paths(string)), Fraction(0))

    def next(self, prefix: String) -> list[Fraction]:
        """P(next token | prefix), EOS first; zeros for an impossible prefix."""
        total = self.prefix(prefix)
        if not total:
            return [Fraction(0)] * (len(self.tokens) + 1)
        longer = [self.prefix((*prefix, token)) for token in range(1, len(self.tokens) + 1)]
        return [one / total for one in (self.whole(prefix), *longer)]

    def uses(self, string: String) -> dict[tuple[str, int, int], Fraction]:
        """(part, begin, end) -> P(the part is used there | string), of a possible string."""
        found: dict[tuple[str, int, int], Fraction] = defaultdict(Fraction)
        n, total = len(string), self.whole(string)
        for way, p in self.paths(string):
            share = p * self.stops(way[-1]) / total
            found[f"(start) -> {way[0]}", 0, 0] += share
            for t, token in enumerate(string):
                found[f"{way[t]} -> {self.tokens[token - 1]} {way[t + 1]}", t, t + 1] += share
            found[f"{way[-1]} -> (stop)", n, n] += share
        return {key: p for key, p in found.items() if p}

    def state(self, string: String, t: int, whole: bool) -> list[Fraction]:
        """P(state after t tokens), given these t tokens or the whole string, which must be possible."""
        found: dict[str, Fraction] = defaultdict(Fraction)
        for way, p in self.paths(string if whole else string[:t]):
            found[way[t]] += p * (self.stops(way[-1]) if whole else 1)
        total = sum(found.values())
        return [found[s] / total for s in self.states]


AMBIGUOUS = Machine(  # every string has several paths
    {"A": "2/3", "B": "1/3"},
    ("A a A 9/20", "A b A 1/10", "A b B 3/20", "B a A 1/10", "B a B 1/5", "B b B 2/5"),
    {"A": "3/10", "B": "3/10"},
)
HOLES = Machine(  # impossible tokens and strings, a state that never stops, a token without use
    {"A": "1/2", "C": "1/2"},
    ("A a B 1/3", "A a C 1/3", "A b C 1/6", "B b A 1/4", "B b C 3/4", "C a C 1/2"),
    {"A": "1/6", "C": "1/2"},
    tokens="abc",
)
EMITTING = Machine(  # a hidden Markov model: B(s, a) T(s, t), from left to right
    {"A": "1"},
    ("A a A 3/8", "A b A 1/8", "A a B 3/8", "A b B 1/8", "B a B 1/6", "B b B 1/2"),
    {"B": "1/3"},
)
DETERMINED = Machine(
    {"A": "1"},
    ("A a B 1/2", "A b A 1/4", "B a A 1/3", "B c C 1/3", "C b C 7/8"),
    {"A": "1/4", "B": "1/3", "C": "1/8"},
    tokens="abc",
)
FAINT = Machine(  # the share of B becomes as small as one likes, and b needs it
    {"A": "1/2", "B": "1/2"},
    ("A a A 1/2", "B a B 1e-200", "B b A 1/4"),
    {"A": "1/2", "B": str(Fraction(3, 4) - Fraction("1e-200"))},
)
MACHINES = {"ambiguous": AMBIGUOUS, "holes": HOLES, "emitting": EMITTING, "determined": DETERMINED}
