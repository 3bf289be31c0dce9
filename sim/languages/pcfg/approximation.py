"""Unambiguity by regular approximation: what two larger, regular languages do not share, the real ones do not either.

A grammar is unambiguous if and only if no two rules of a non-terminal share a string (vertically), and no right-hand
side can be cut in two ways (horizontally). Both are tested on the Mohri-Nederhof approximation of every symbol.
Source: Brabrand, Giegerich & Moller 2010, Science of Computer Programming 75(3), "Analyzing ambiguity of context-free
grammars"; Mohri & Nederhof 2001, "Regular approximation of context-free grammars through transformation".
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import combinations
from typing import TypeAlias, TypeVar

from sim.languages.matrices import components
from sim.languages.pcfg.rules import Rule, Symbol, by_lhs

MAX_STATES, MAX_PAIRS = 3_000, 300_000
"""Size up to which automata are built and their products are searched; beyond, nothing is proved."""

EMPTY = 0
"""Label of a step that reads nothing."""

Place: TypeAlias = tuple[int, int, int, bool]
"""Of a search for two cuts: phase, states of the two runs, and whether the runs have been apart."""


Node = TypeVar("Node", bound=Hashable)


class _TooLargeError(Exception):
    """The automata or their product are larger than is worth it."""


class Nfa:
    """States with labelled steps; one start (0) and one end (1)."""

    def __init__(self) -> None:
        self.steps: list[list[tuple[int, int]]] = [[], []]

    def state(self) -> int:
        """A new state."""
        if len(self.steps) >= MAX_STATES:
            raise _TooLargeError
        self.steps.append([])
        return len(self.steps) - 1

    def follow(self, state: int, label: int) -> Iterator[int]:
        """States that one step with a label leads to."""
        return (target for found, target in self.steps[state] if found == label)

    def labels(self, state: int) -> set[int]:
        """Labels of the steps from a state that read something."""
        return {label for label, _ in self.steps[state] if label != EMPTY}


def separates(rules: Sequence[Rule], num_nonterminals: int) -> bool:
    """Whether the approximation proves that the grammar is unambiguous; False means nothing."""
    approximated = _Approximation(rules, num_nonterminals)
    try:
        for own in by_lhs(rules, num_nonterminals):
            automata = [approximated.automaton(rule.rhs) for rule in own]
            if any(_meet(one, other) for one, other in combinations(automata, 2)):
                return False
        for rule in rules:
            for cut in range(1, len(rule.rhs)):
                left, right = approximated.automaton(rule.rhs[:cut]), approximated.automaton(rule.rhs[cut:])
                if _two_cuts(left, right):
                    return False
    except _TooLargeError:
        return False
    return True


class _Approximation:
    """Right-linear rules for every component of mutually recursive non-terminals; `done` marks "A has been derived"."""

    def __init__(self, rules: Sequence[Rule], num_nonterminals: int) -> None:
        own = by_lhs(rules, num_nonterminals)
        blocks = components([{child for rule in mine for child in rule.children} for mine in own])
        self.block = {node: frozenset(block) for block in blocks for node in block}
        self.rules = own

    def automaton(self, symbols: Sequence[Symbol]) -> Nfa:
        """An automaton of a language that holds all strings of a sequence of symbols."""
        nfa = Nfa()
        self._sequence(nfa, symbols, 0, 1)
        return nfa

    def _sequence(self, nfa: Nfa, symbols: Sequence[Symbol], here: int, end: int) -> None:
        for at, symbol in enumerate(symbols):
            following = end if at == len(symbols) - 1 else nfa.state()
            if symbol > 0:
                nfa.steps[here].append((symbol, following))
            else:
                self._nonterminal(nfa, ~symbol, here, following)
            here = following
        if not symbols:
            nfa.steps[here].append((EMPTY, end))

    def _nonterminal(self, nfa: Nfa, head: int, here: int, end: int) -> None:
        """A copy of the transformed component of a non-terminal, between two states."""
        block = self.block[head]
        began = {node: nfa.state() for node in block}
        done = {node: nfa.state() for node in block}
        nfa.steps[here].append((EMPTY, began[head]))
        for node in block:
            nfa.steps[done[node]].append((EMPTY, end))  # A' -> empty, wherever A was: this is what is approximate
            for rule in self.rules[node]:
                state, rest = began[node], list[Symbol]()
                for symbol in rule.rhs:
                    if symbol < 0 and ~symbol in block:
                        self._sequence(nfa, rest, state, began[~symbol])
                        state, rest = done[~symbol], []
                    else:
                        rest.append(symbol)
                self._sequence(nfa, rest, state, done[node])


def _meet(one: Nfa, other: Nfa) -> bool:
    """Whether two automata accept a common string."""

    def following(pair: tuple[int, int]) -> Iterator[tuple[int, int]]:
        p, q = pair
        yield from ((target, q) for target in one.follow(p, EMPTY))
        yield from ((p, target) for target in other.follow(q, EMPTY))
        for label in one.labels(p) & other.labels(q):
            yield from ((s, t) for s in one.follow(p, label) for t in other.follow(q, label))

    return _reaches((0, 0), following, (1, 1))


def _two_cuts(left: Nfa, right: Nfa) -> bool:
    """Whether a string can be cut into a part of each in two different places.

    Two runs over one string: both in the left automaton (phase 0), then one has gone on to the right one (phase 1),
    then both have (phase 2), and something has been read in between.
    """
    machines = ((left, left), (right, left), (right, right))

    def following(place: Place) -> Iterator[Place]:
        phase, p, q, apart = place
        first, second = machines[phase]
        yield from ((phase, target, q, apart) for target in first.follow(p, EMPTY))
        yield from ((phase, p, target, apart) for target in second.follow(q, EMPTY))
        for label in first.labels(p) & second.labels(q):
            for s in first.follow(p, label):
                yield from ((phase, s, t, phase == 1 or apart) for t in second.follow(q, label))
        if phase == 0 and p == 1:
            yield 1, 0, q, False
        if phase == 1 and q == 1 and apart:
            yield 2, p, 0, True

    return _reaches((0, 0, 0, False), following, (2, 1, 1, True))


def _reaches(start: Node, following: Callable[[Node], Iterable[Node]], goal: Node) -> bool:
    seen, waiting = {start}, [start]
    while waiting:
        for node in following(waiting.pop()):
            if node not in seen:
                seen.add(node)
                waiting.append(node)
        if len(seen) > MAX_PAIRS:
            raise _TooLargeError
    return goal in seen
