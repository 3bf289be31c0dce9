"""Random languages of the kinds that can be tilted, each with the functions of its oracle.

Low temperatures magnify the last digit of the logs. So the float64 logs of a language count as its exact definition.
"""

import itertools
import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

import mpmath
import numpy as np

from sim.languages.automaton import Automaton
from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule
from sim.languages.vocabulary import Vocabulary
from sim.selftest.drawn import BAR, PLAIN, PROMPTED, as_language, law_on, plain_law, prompted_law, strings_of
from sim.selftest.oracles import laws
from sim.selftest.oracles.laws import Real, Weights
from sim.selftest.oracles.lists import Symbols, normalised, prompt_of
from sim.selftest.oracles.numbers import log

BRACKETS = Vocabulary(("<eos>", "(", ")"), joiner="")


@dataclass(frozen=True, eq=False)
class Case:
    """A language, and its sums of w^(1/tau) m^|x| over all strings (derivations for a grammar) and over one string.

    Sums are given as logs [nat]: None if the sum over all strings diverges, -inf for a string that does not exist.
    """

    kind: str
    language: ExactLanguage
    log_total: Callable[[Real, Real], Real | None]
    log_power: Callable[[Symbols, Real], Real]
    strings: list[Symbols]  # the strings to check
    modes: int  # number of likeliest strings; logs within 1e-12 of the largest count as equal
    size: int | float  # number of strings (derivations for a grammar)
    log_least: Callable[[Real], Real]  # log of the smallest probability of a step or rule in the tilt

    def entropy(self, tau: Real) -> Real:
        """Entropy of the tilt [nat]."""
        return laws.entropy_of_total(lambda t: self.log_total(t, mpmath.mpf(1)), tau)

    def mean_length(self, tau: Real) -> Real:
        """E|x| of the tilt [symbols]."""
        return laws.mean_of_total(lambda m: self.log_total(tau, m))


def logs_of(language: FiniteLanguage) -> dict[Symbols, Real]:
    """Return the logs that a list holds for its possible strings."""
    rows = zip(strings_of(language), language.log_p.tolist(), strict=True)
    return {x: mpmath.mpf(value) for x, value in rows if value > -np.inf}


def _certain(tau: Real) -> Real:
    return mpmath.mpf(0)


def _of_logs(
    kind: str, language: ExactLanguage, logs: list[tuple[Symbols, Real]], least: Callable[[Real], Real] = _certain
) -> Case:
    """Build a case from all strings (or derivations) and their log weights."""

    def log_sum(pairs: Iterable[tuple[Symbols, Real]], tau: Real, marks: Real) -> Real:
        with laws.precise():
            whole = mpmath.fsum(mpmath.exp(v / tau) * mpmath.mpf(marks) ** len(x) for x, v in pairs)
            return mpmath.log(whole) if whole else mpmath.mpf("-inf")

    values = [value for _, value in logs]
    modes = sum(value >= max(values) - 1e-12 for value in values)
    return Case(
        kind,
        language,
        lambda tau, marks: log_sum(logs, tau, marks),
        lambda x, tau: log_sum((pair for pair in logs if pair[0] == x), tau, mpmath.mpf(1)),
        sorted({x for x, _ in logs}),
        modes,
        len(logs),
        least,
    )


def listed_case(rng: random.Random) -> Case:
    """Draw a list. Sometimes two long strings are added that are nearly equally likely."""
    law = plain_law(rng)
    if rng.random() < 0.4:
        close = rng.choice((Fraction(1, 10**13), Fraction(1, 10**9), Fraction(1, 10**4)))
        law = normalised(
            {**law, (1,) * 9: max(law.values()), (2,) * rng.choice((9, 30)): max(law.values()) * (1 - close)}
        )
    language = as_language(law, rng=rng)
    return _of_logs("list", language, list(logs_of(language).items()))


def prompted_case(rng: random.Random) -> tuple[FiniteLanguage, dict[Symbols, dict[Symbols, Real]]]:
    """Draw a list with prompts. Return it with the logs of the documents of each possible prompt."""
    language = as_language(prompted_law(rng), PROMPTED, rng=rng)
    groups: dict[Symbols, dict[Symbols, Real]] = {}
    for x, value in logs_of(language).items():
        groups.setdefault(prompt_of(x, BAR), {})[x] = value
    return language, groups


def machine_case(rng: random.Random, most: int = 5) -> Case:
    """Draw a deterministic machine, with or without cycles. Some of its states may never be reached.

    No end is rarer than about 1e-5: from float64 arcs, a probability e of leaving a cycle is known to 1e-16 / e.
    """
    size, acyclic = rng.randint(1, most), rng.random() < 0.3
    table, log_p = np.full((size, 4), -1), np.full((size, 4), -np.inf)
    for s in range(size):
        room = range(s + 1, size) if acyclic else range(size)
        tokens = [0, *rng.sample((1, 2, 3), rng.randint(1, 3))] if room else [0]
        law = law_on(rng, [(token,) for token in tokens], zeros=False, spread=3)
        for token, p in law.items():
            log_p[s, token[0]] = float(log(p))
            table[s, token[0]] = rng.choice(room) if token[0] else -1
    language = Automaton(PLAIN, table, log_p, 0)
    return _of_machine("automaton", language, weights_of(language), rng)


def _of_machine(kind: str, language: Automaton, machine: Weights, rng: random.Random) -> Case:
    def log_total(tau: Real, marks: Real) -> Real | None:
        found = laws.machine_totals(machine, tau, marks)
        return None if found is None else mpmath.log(found[machine.start])

    def log_power(x: Symbols, tau: Real) -> Real:
        value = machine.log_weight(x)
        return mpmath.mpf("-inf") if value is None else value / tau

    paths = list(laws.simple_paths(machine))
    best = max(value for _, value in paths)
    modes = sum(value >= best - 1e-12 for _, value in paths)
    size = math.inf if machine.cyclic else len(paths)
    strings = [_walked(rng, machine) for _ in range(5)] + [(1,) * rng.randint(1, 4)]
    return Case(kind, language, log_total, log_power, strings, modes, size, lambda tau: laws.least_step(machine, tau))


def _walked(rng: random.Random, machine: Weights) -> Symbols:
    state, out = machine.start, []
    while machine.arcs[state] and rng.random() < 0.8:
        token = rng.choice(sorted(machine.arcs[state]))
        out.append(token)
        state = machine.arcs[state][token][0]
    return tuple(out)


def chain_case(rng: random.Random) -> Case:
    """Draw a long machine without cycles. The two arcs of each state are equally likely, nearly so, or not."""
    number = rng.choice((2, 3, 6, 6, 40))
    table, log_p = np.full((number + 1, 3), -1), np.full((number + 1, 3), -np.inf)
    for s in range(number):
        p = rng.choice((0.5, 0.5 + 1e-9, 0.6, 0.999, 1e-5))
        table[s, 1:], log_p[s, 1:] = s + 1, (np.log(p), np.log1p(-p))
    log_p[number, 0] = 0.0
    language = Automaton(Vocabulary(("<eos>", "a", "b")), table, log_p, 0)
    steps = [[mpmath.mpf(value) for value in row] for row in log_p[:-1, 1:].tolist()]

    def log_total(tau: Real, marks: Real) -> Real:
        with laws.precise():
            ways = mpmath.fsum(mpmath.log(mpmath.exp(a / tau) + mpmath.exp(b / tau)) for a, b in steps)
            return ways + number * mpmath.log(marks)

    def log_power(x: Symbols, tau: Real) -> Real:
        with laws.precise():
            return mpmath.fsum(row[token - 1] for row, token in zip(steps, x, strict=True)) / tau

    def least(tau: Real) -> Real:
        with laws.precise():
            return -max(mpmath.log1p(mpmath.exp(abs(a - b) / tau)) for a, b in steps)

    strings = [tuple(rng.choices((1, 2), k=number)) for _ in range(3)]
    strings.append(tuple(1 if a > b else 2 for a, b in steps))
    ties = sum(a == b for a, b in steps)
    return Case("chain", language, log_total, log_power, strings, 2**ties, 2**number, least)


def weights_of(language: Automaton) -> Weights:
    """Return the weights of an automaton's arrays for the states that it can reach."""
    number, order = {language.start: 0}, [language.start]
    arcs: list[dict[int, tuple[int, Real]]] = []
    for s in order:
        arcs.append({})
        for token in np.flatnonzero(language.arcs[s]).tolist():
            t = int(language.next_state[s, token])
            if t not in number:
                number[t] = len(order)
                order.append(t)
            arcs[-1][token] = number[t], mpmath.mpf(float(language.arc_log_prob[s, token]))
    ends = [float(language.arc_log_prob[s, 0]) for s in order]
    return Weights(arcs, [mpmath.mpf(end) if end > -np.inf else None for end in ends], 0)


def bracket_case(rng: random.Random) -> Case:
    """Draw the grammar of balanced brackets: S -> ( S ) S with probability p, and S -> empty."""
    p = Fraction(rng.randint(1, 49), 100)
    language = ContextFree(BRACKETS, ("S",), (Rule(0, (1, ~0, 2, ~0), p), Rule(0, (), 1 - p)))
    more, end = (mpmath.mpf(float(value)) for value in language.log_p)

    def log_total(tau: Real, marks: Real) -> Real | None:
        found = laws.bracket_total(more, end, tau, marks**2)
        return None if found is None else mpmath.log(found)

    def log_power(x: Symbols, tau: Real) -> Real:
        depths = list(itertools.accumulate((1 if token == 1 else -1 for token in x), initial=0))
        if min(depths) < 0 or depths[-1]:
            return mpmath.mpf("-inf")
        return (len(x) // 2 * more + (len(x) // 2 + 1) * end) / tau

    def least(tau: Real) -> Real:
        whole = log_total(tau, mpmath.mpf(1))
        assert whole is not None
        return min(more / tau + whole, end / tau - whole)

    strings: list[Symbols] = [(), (1, 2), (1, 1, 2, 2), (1, 2, 1, 2, 1, 2), (1, 1), (2, 1)]
    return Case("brackets", language, log_total, log_power, strings, 1, math.inf, least)


def grammar_case(rng: random.Random) -> Case:
    """Draw a grammar without recursion, ambiguous or not. It has at most 100 derivations, which are all listed."""
    sides: list[set[Symbols]] = []
    while not sides or _derivations(sides) > 100:
        number = rng.randint(1, 4)
        sides = [{_side(rng, head, number) for _ in range(rng.randint(1, 3))} for head in range(number)]
        for head in range(number - 1):
            sides[head].add((~(head + 1),))
    laws_of = [law_on(rng, own, zeros=False) for own in sides]
    rules = tuple(Rule(head, side, p) for head, law in enumerate(laws_of) for side, p in law.items())
    language = ContextFree(PLAIN, tuple("STUV"[: len(sides)]), rules)
    weights = {(r.lhs, r.rhs): mpmath.mpf(float(v)) for r, v in zip(language.rules, language.log_p, strict=True)}
    return _of_logs("grammar", language, laws.derivations(weights, 0), lambda tau: laws.least_rule(weights, tau))


def _derivations(sides: list[set[Symbols]]) -> int:
    counts: dict[int, int] = {}
    for head in reversed(range(len(sides))):
        counts[head] = sum(math.prod(counts[~symbol] for symbol in side if symbol < 0) for side in sides[head])
    return counts[0]


def _side(rng: random.Random, head: int, number: int) -> Symbols:
    symbols = [1, 2, 3, *(~later for later in range(head + 1, number))]
    return tuple(rng.choice(symbols) for _ in range(rng.randint(0, 3)))


KINDS = (listed_case, machine_case, chain_case, bracket_case, grammar_case)
"""One function for each kind of language that is tilted as a whole."""
