"""The most likely strings of a language in falling probability, with a proof that no likelier string was missed."""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import Generic, TypeAlias, TypeVar

import numpy as np

from sim.languages.automaton import Automaton
from sim.languages.automaton_ops import likeliest_to_stop
from sim.languages.exact import ExactLanguage, unavailable
from sim.languages.finite import FiniteLanguage
from sim.languages.hidden import HiddenAutomaton
from sim.languages.pcfg.chart import Chart
from sim.languages.pcfg.derivations import TIE, derivations
from sim.languages.pcfg.language import ContextFree
from sim.numerics import EOS

BUDGET = 15_000
"""Budget of the search in an ambiguous grammar: the sum of (length + 1)^2 over the prefixes that are expanded."""

CANDIDATES, SPANS = 20, 20_000
"""Limits if that search is given up: derivations per wanted string, and spans of all candidate strings together."""

Found: TypeAlias = tuple[tuple[int, ...], float]
"""A string as tokens without EOS, and its log probability [nat]."""

State = TypeVar("State")


class _SpentError(Exception):
    """The search was given up, because its budget is spent."""


@dataclass(frozen=True)
class Likeliest:
    """Strings in falling probability. If `proved`, no other string is likelier than the last one, apart from ties."""

    strings: tuple[Found, ...]
    proved: bool


@dataclass(frozen=True)
class Node(Generic[State]):
    """A prefix in the search, with the state that its kind of language needs."""

    state: State
    bound: float  # upper bound of the log probability of its likeliest string [nat]
    log_end: float  # log probability of the prefix as a whole string [nat]


def likeliest(language: ExactLanguage, number: int) -> Likeliest:
    """The `number` most likely strings, or all strings if the language has fewer.

    It is an A* search over prefixes. The priority of a prefix is a bound of its likeliest string, which is exact for
    deterministic automata and for derivations. For an ambiguous grammar the bound is the probability of the prefix, and
    the search may be given up. Then the result is the best of the strings with the likeliest derivations: their
    probabilities are exact, but they are not proved to be the likeliest. It is empty if even the first of them is too
    long (over 200 symbols).
    """
    if isinstance(language, FiniteLanguage):
        order = np.argsort(-language.log_p, kind="stable")[:number]
        strings, lengths = language.trie.strings, language.trie.lengths
        rows = [(tuple(strings[i, : lengths[i] - 1].tolist()), float(language.log_p[i])) for i in order]
        return Likeliest(tuple(row for row in rows if row[1] > -np.inf), True)
    if isinstance(language, Automaton):
        return Likeliest(tuple(islice(_search(*_automaton(language)), number)), True)
    if isinstance(language, HiddenAutomaton):
        return Likeliest(tuple(islice(_search(*_hidden(language)), number)), True)
    if isinstance(language, ContextFree):
        return _context_free(language, number)
    raise unavailable("likeliest strings", "this kind of language has no search", "list its strings")


def _search(
    root: Node[State], expand: Callable[[Node[State]], Iterator[tuple[int, Node[State]]]], budget: int | None = None
) -> Iterator[Found]:
    """Yield whole strings in falling probability. Raises _SpentError when the budget is spent.

    Among ties the entry that was added last comes first, so that the search goes deep. A step that loses at most TIE
    costs nothing, or rounding would split ties, and all of them would be expanded.
    """
    ticket = count()
    heap: list[tuple[float, int, tuple[int, ...], Node[State] | float]] = [(-root.bound, 0, (), root)]
    looked = 0

    def push(cost: float, bound: float, tokens: tuple[int, ...], what: Node[State] | float) -> None:
        heapq.heappush(heap, (cost if -bound - cost <= TIE else -bound, -next(ticket), tokens, what))

    while heap:
        cost, _, tokens, node = heapq.heappop(heap)
        if isinstance(node, float):
            yield tokens, node
            continue
        looked += (len(tokens) + 1) ** 2
        if budget is not None and looked > budget:
            raise _SpentError
        if node.log_end > -np.inf:
            push(cost, node.log_end, tokens, node.log_end)
        for token, child in expand(node):
            push(cost, child.bound, (*tokens, token), child)


def _automaton(
    language: Automaton,
) -> tuple[Node[tuple[int, float]], Callable[[Node[tuple[int, float]]], Iterator[tuple[int, Node[tuple[int, float]]]]]]:
    """The search in an automaton: states are (state, log probability so far), and the bound is exact."""
    best = likeliest_to_stop(language.next_state, language.arc_log_prob)

    def node(state: int, log_p: float) -> Node[tuple[int, float]]:
        return Node((state, log_p), log_p + float(best[state]), log_p + float(language.arc_log_prob[state, EOS]))

    def expand(here: Node[tuple[int, float]]) -> Iterator[tuple[int, Node[tuple[int, float]]]]:
        state, log_p = here.state
        for token in np.flatnonzero(language.arcs[state]).tolist():
            following = int(language.next_state[state, token])
            yield token, node(following, log_p + float(language.arc_log_prob[state, token]))

    return node(language.start, 0.0), expand


def _hidden(
    language: HiddenAutomaton,
) -> tuple[Node[np.ndarray], Callable[[Node[np.ndarray]], Iterator[tuple[int, Node[np.ndarray]]]]]:
    """The search in a hidden automaton: states are P(prefix, state of the machine), float64[S].

    The bound lets every state of the machine choose its own best continuation.
    """
    best = np.ones(len(language.stopping))
    for _ in range(10 * len(best)):  # every iterate is a bound, and no iterate is worse than the one before
        following = (language.transitions @ best).max(axis=0)
        best = np.minimum(best, np.maximum(language.stopping, following))

    def node(law: np.ndarray) -> Node[np.ndarray]:
        with np.errstate(divide="ignore"):
            return Node(law, float(np.log(law @ best)), float(np.log(law @ language.stopping)))

    def expand(here: Node[np.ndarray]) -> Iterator[tuple[int, Node[np.ndarray]]]:
        for token in range(EOS + 1, len(language.vocabulary)):
            law = here.state @ language.transitions[token]
            if law.any():
                yield token, node(law)

    return node(language.initial), expand


def _context_free(language: ContextFree, number: int) -> Likeliest:
    found = derivations(language.rules, language.log_p, len(language.nonterminals), language.start)
    if language.ambiguity.unambiguous:
        return Likeliest(tuple(islice(found, number)), True)

    def node(chart: Chart) -> Node[Chart]:
        return Node(chart, chart.log_prefix, chart.log_inside)

    def expand(here: Node[Chart]) -> Iterator[tuple[int, Node[Chart]]]:
        for token in np.flatnonzero(here.state.next_law()[EOS + 1 :] > 0).tolist():
            chart = here.state.copy()
            chart.extend(token + EOS + 1)
            yield token + EOS + 1, node(chart)

    root = node(Chart(language.binary, language.start))
    try:
        return Likeliest(tuple(islice(_search(root, expand, BUDGET), number)), True)
    except _SpentError:
        pass
    strings: dict[tuple[int, ...], None] = {}
    spans = 0
    for tokens, _ in islice(found, CANDIDATES * number):
        spans += 0 if tokens in strings else len(tokens) ** 2 // 2
        if spans > SPANS:  # the time for an exact probability is proportional to spans times length
            break
        strings[tokens] = None
    scored = sorted(((tokens, language.log_prob(tokens)) for tokens in strings), key=lambda one: -one[1])
    return Likeliest(tuple(scored[:number]), False)
