"""Prove unambiguity by regular approximation: if larger regular languages share no string, the real ones do not either.

A grammar is unambiguous if and only if two conditions hold. No two rules of a non-terminal share a string (vertical),
and no string of a right-hand side can be cut into its parts in two ways (horizontal). Both are tested on the
Mohri-Nederhof approximation of every symbol.
Source: Brabrand, Giegerich & Moller 2010, Science of Computer Programming 75(3), "Analyzing ambiguity of context-free
grammars"; Mohri & Nederhof 2001, "Regular approximation of context-free grammars through transformation".
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import combinations
from typing import TypeAlias, TypeVar

from sim.languages.matrices import components
from sim.languages.pcfg.rules import Rule, Symbol, by_lhs

MAX_STATES, MAX_PAIRS = 3_000, 300_000
"""Largest sizes of an automaton and of a product that is searched. Beyond them nothing is proved."""

MAX_WORK = 1_000_000
"""Largest number of states of all automata together, and of pairs of rules."""

EMPTY = 0
"""The label of a step that reads nothing."""

Place: TypeAlias = tuple[int, int, int, bool]
"""A place in the search for two cuts: phase, states of the two runs, and whether a symbol was read in phase 1."""


Node = TypeVar("Node", bound=Hashable)


class _TooLargeError(Exception):
    """An automaton or a product is above its limit."""


class Nfa:
    """A non-deterministic automaton: states with labelled steps, one start (0) and one end (1)."""

    def __init__(self) -> None:
        self.steps: list[list[tuple[int, int]]] = [[], []]

    def state(self) -> int:
        """Add a state and return its number."""
        if len(self.steps) >= MAX_STATES:
            raise _TooLargeError
        self.steps.append([])
        return len(self.steps) - 1

    def follow(self, state: int, label: int) -> Iterator[int]:
        """The states that one step with a label leads to."""
        return (target for found, target in self.steps[state] if found == label)

    def labels(self, state: int) -> set[int]:
        """The labels of the steps from a state that read a symbol."""
        return {label for label, _ in self.steps[state] if label != EMPTY}


def separates(rules: Sequence[Rule], num_nonterminals: int) -> bool:
    """Whether the approximation proves that the grammar is unambiguous. False proves nothing."""
    approximated = _Approximation(rules, num_nonterminals)
    try:
        for own in by_lhs(rules, num_nonterminals):
            approximated.spend(len(own) ** 2 // 2)
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
    """Right-linear rules for every component of mutually recursive non-terminals.

    Every non-terminal A gets two states: `began` means that A is to be derived, `done` that A has been derived.
    """

    def __init__(self, rules: Sequence[Rule], num_nonterminals: int) -> None:
        own = by_lhs(rules, num_nonterminals)
        blocks = components([{child for rule in mine for child in rule.children} for mine in own])
        shared = [frozenset(block) for block in blocks]  # one set for all nodes of a block
        self.block = {node: block for block in shared for node in block}
        self.rules = own
        self.spent = 0

    def automaton(self, symbols: Sequence[Symbol]) -> Nfa:
        """An automaton that accepts all strings of a sequence of symbols, and possibly others."""
        nfa = Nfa()
        self._sequence(nfa, symbols, 0, 1)
        self.spend(len(nfa.steps))
        return nfa

    def spend(self, work: int) -> None:
        """Count work, and give up if there is too much of it."""
        self.spent += work
        if self.spent > MAX_WORK:
            raise _TooLargeError

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
        """Add a copy of the transformed component of a non-terminal between two states."""
        block = self.block[head]
        began = {node: nfa.state() for node in block}
        done = {node: nfa.state() for node in block}
        nfa.steps[here].append((EMPTY, began[head]))
        for node in block:
            nfa.steps[done[node]].append((EMPTY, end))  # A' -> empty after any use of A; this is the approximation
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
    """Whether some string can be cut in two different places into a left and a right part.

    The search follows two runs over one string. Both are in the left automaton (phase 0); then one has moved on to the
    right automaton (phase 1); then both have (phase 2). The cuts differ if a symbol was read in phase 1.
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
