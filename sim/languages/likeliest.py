"""The most likely strings of a language in falling probability, with a proof that no likelier string was missed."""

import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import TypeAlias, TypeVar

import numpy as np

from sim.languages.automaton import Automaton
from sim.languages.automaton_ops import likeliest_to_stop
from sim.languages.exact import ExactLanguage, UnavailableError, unavailable
from sim.languages.finite import FiniteLanguage
from sim.languages.hidden import HiddenAutomaton
from sim.languages.pcfg.ceilings import ceilings
from sim.languages.pcfg.chart import Chart
from sim.languages.pcfg.derivations import TIE, Path, derivations, likeliest_length, unwound
from sim.languages.pcfg.language import ContextFree
from sim.numerics import EOS

BUDGET = 15_000
"""Budget of the search in an ambiguous grammar: the sum of (length + 1)^2 over the prefixes that are expanded."""

CANDIDATES, SPANS = 20, 20_000
"""Limits if that search is given up: derivations per wanted string, and spans of all candidate strings together."""

Found: TypeAlias = tuple[tuple[int, ...], float]
"""A string as tokens without EOS, and its log probability [nat]."""

LONGEST, LONGEST_TOGETHER = 50_000, 500_000
"""Limits [symbols]: no string is looked for if the likeliest derivation is longer, and how long all of them may be."""

USUAL_RULES = 60
"""The budget is divided by the number of rules as a multiple of this, because the time of a step is proportional."""

CEILING_MARGIN = 1e-8
"""A string is taken as likeliest if its log probability is so near to its upper bound, which is rounded up [nat]."""

State = TypeVar("State")


class _SpentError(Exception):
    """The search was given up, because its budget is spent."""


@dataclass(frozen=True)
class Likeliest:
    """Strings in falling probability. If `proved`, no other string is likelier than the last one, apart from ties."""

    strings: tuple[Found, ...]
    proved: bool


Child: TypeAlias = tuple[float, int | None, State]
"""What may follow a prefix: a bound of the likeliest string [nat], the next token or None at the end, and the state.

At the end the bound is the log probability of the string.
"""

Expand: TypeAlias = Callable[[State], Iterator[Child[State]]]
"""A function that yields what may follow the prefix of a state, in falling order of the bounds."""


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


def _search(root: tuple[float, State], expand: Expand[State], budget: int | None = None) -> Iterator[Found]:
    """Yield whole strings in falling probability. Raises _SpentError when the budget is spent.

    Among ties the entry that was added last comes first, so that the search goes deep. A step that loses at most TIE
    costs nothing, or rounding would split ties, and all of them would be expanded. Of what may follow a prefix, one
    token at a time is in the queue, the likeliest first.
    """
    ticket = count()
    heap: list[tuple[float, int, float, Path, int, Child[State], Iterator[Child[State]]]] = []
    looked = 0

    def push(cost: float, path: Path, length: int, siblings: Iterator[Child[State]]) -> None:
        child = next(siblings, None)
        if child is not None:
            worth = cost if -child[0] - cost <= TIE else -child[0]
            heapq.heappush(heap, (worth, -next(ticket), cost, path, length, child, siblings))

    push(-root[0], None, 0, expand(root[1]))
    while heap:
        worth, _, cost, path, length, (bound, token, state), siblings = heapq.heappop(heap)
        push(cost, path, length, siblings)
        if token is None:
            yield unwound(path), bound
            continue
        looked += (length + 2) ** 2
        if budget is not None and looked > budget:
            raise _SpentError
        push(worth, (token, path), length + 1, expand(state))


Walk: TypeAlias = tuple[int, float]
"""A state of an automaton, and the log probability of the prefix that led to it [nat]."""


def _automaton(language: Automaton) -> tuple[tuple[float, Walk], Expand[Walk]]:
    """The search in an automaton, with an exact bound."""
    best = likeliest_to_stop(language.next_state, language.arc_log_prob)
    ways: dict[int, list[tuple[float, int | None, int, float]]] = {}  # of each state, the likeliest first

    def expand(here: Walk) -> Iterator[Child[Walk]]:
        state, log_p = here
        if state not in ways:
            tokens = np.flatnonzero(language.arcs[state])
            targets, logs = language.next_state[state, tokens], language.arc_log_prob[state, tokens]
            bounds = logs + best[targets]
            rows = zip(bounds.tolist(), tokens.tolist(), targets.tolist(), logs.tolist(), strict=True)
            found: list[tuple[float, int | None, int, float]] = list(rows)
            if (stop := float(language.arc_log_prob[state, EOS])) > -np.inf:
                found.append((stop, None, state, stop))
            ways[state] = sorted(found, key=lambda way: -way[0])
        for bound, token, target, log_step in ways[state]:
            yield log_p + bound, token, (target, log_p + log_step)

    return (float(best[language.start]), (language.start, 0.0)), expand


def _hidden(language: HiddenAutomaton) -> tuple[tuple[float, np.ndarray], Expand[np.ndarray]]:
    """The search in a hidden automaton: states are P(prefix, state of the machine), float64[S].

    The bound lets every state of the machine choose its own best continuation.
    """
    best = np.ones(len(language.stopping))
    for _ in range(10 * len(best)):  # every iterate is a bound, and no iterate is worse than the one before
        following = (language.transitions @ best).max(axis=0)
        better = np.minimum(best, np.maximum(language.stopping, following))
        if np.array_equal(better, best):
            break
        best = better

    def expand(law: np.ndarray) -> Iterator[Child[np.ndarray]]:
        found: list[Child[np.ndarray]] = []
        for token in range(EOS + 1, len(language.vocabulary)):
            following = law @ language.transitions[token]
            if (bound := float(following @ best)) > 0:
                found.append((math.log(bound), token, following))
        if (ending := float(law @ language.stopping)) > 0:
            found.append((math.log(ending), None, law))
        yield from sorted(found, key=lambda child: -child[0])

    return (math.log(language.initial @ best), language.initial), expand


def _context_free(language: ContextFree, number: int) -> Likeliest:
    length = likeliest_length(language.rules, language.log_p, language.best_derivations, language.start)
    if length > LONGEST:
        return Likeliest((), False)
    found = derivations(language.rules, language.log_p, len(language.nonterminals), language.start)
    if language.ambiguity.unambiguous:
        few = min(number, 1 + LONGEST_TOGETHER // (1 + length))
        return Likeliest(tuple(islice(found, few)), True)

    try:
        strings = _candidates(language, found, number)
    except UnavailableError:  # the grammar is too large for charts
        return Likeliest((), False)
    ceiling = ceilings(language)
    if ceiling is not None and len(strings) >= number:
        if strings[number - 1][1] >= math.log(ceiling.max()) - TIE - CEILING_MARGIN:  # none can be likelier
            return Likeliest(tuple(strings[:number]), True)
    try:
        return Likeliest(tuple(islice(_search(*_charts(language), _budget(language)), number)), True)
    except (_SpentError, UnavailableError):  # without a bound, others may be likelier
        return Likeliest(tuple(strings[:number]), False)


def _budget(language: ContextFree) -> int:
    return BUDGET // max(1, len(language.binary.p) // USUAL_RULES)


def _charts(language: ContextFree) -> tuple[tuple[float, tuple[Chart, int]], Expand[tuple[Chart, int]]]:
    """The search in a grammar: states are the chart of a prefix and the next token, EOS at the root."""

    def expand(here: tuple[Chart, int]) -> Iterator[Child[tuple[Chart, int]]]:
        chart, token = here
        if token != EOS:
            chart = chart.copy()
            chart.extend(token)
        law = chart.next_law()
        for following in np.argsort(-law, kind="stable").tolist():
            if law[following] <= 0:
                return
            if following != EOS:
                yield chart.log_prefix + math.log(law[following]), following, (chart, following)
            elif chart.log_inside > -math.inf:
                yield chart.log_inside, None, here

    return (0.0, (Chart(language.binary, language.start), EOS)), expand


def _candidates(language: ContextFree, found: Iterator[Found], number: int) -> list[Found]:
    """The strings of the likeliest derivations, with their exact probabilities, the likeliest first."""
    strings: dict[tuple[int, ...], None] = {}
    spans = 0
    for tokens, _ in islice(found, CANDIDATES * number):
        spans += 0 if tokens in strings else len(tokens) ** 2 // 2
        if spans > SPANS:  # the time for an exact probability is proportional to spans times length
            break
        strings[tokens] = None
        if len(strings) >= 4 * number:
            break
    return sorted(((tokens, language.log_prob(tokens)) for tokens in strings), key=lambda one: -one[1])
