"""The co-emission probability of two languages: that a string of P and an independent string of Q are equal."""

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import product as product_of
from typing import TypeAlias

import numpy as np

from sim.languages.absorbing import Absorbing
from sim.languages.automaton import Automaton
from sim.languages.automaton_ops import arc_matrix, product, sum_of_others
from sim.languages.exact import ExactLanguage, unavailable
from sim.languages.finite import FiniteLanguage
from sim.languages.hidden import HiddenAutomaton
from sim.languages.hidden_ops import MAX_PAIRS
from sim.languages.machine import Machine
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule, binarised, by_lhs
from sim.languages.systems import Term, least_solution
from sim.numerics import EOS, SpecificationError

MAX_TRIPLES, MAX_TERMS = 250, 40_000
"""Limits of the product of a grammar and an automaton: its non-terminals and its rules."""

WHAT = "co-emission probability"

Arcs: TypeAlias = list[tuple[int, int, float]]
"""The arcs of a state: (symbol, next state, probability)."""


def coemission(p: ExactLanguage, q: ExactLanguage) -> float:
    """C(P, Q) = sum of P(x) Q(x), the probability that independent strings of P and of Q are equal; exact.

    It is C(P) if P and Q are equal, and 0 if they have no string in common. A list sums over its strings. Two automata
    run in step (the product machine), and so do a grammar and an automaton; hidden states and ambiguity are allowed.
    If a grammar is critical and the automaton nearly certain, the rounding of the automaton's floats is magnified.
    Raises `UnavailableError` for two infinite grammars, because no method is known, and if a product is too large.
    Raises `SpecificationError` if the vocabularies differ.
    Source: Lyngso, Pedersen & Nielsen 1999, "Metrics and similarity measures for hidden Markov models"; Jagota, Lyngso
    & Pedersen 2001, "Comparing a hidden Markov model and a stochastic context-free grammar".
    """
    if p.vocabulary.symbols != q.vocabulary.symbols:
        raise SpecificationError(
            f"{WHAT}: two languages with the same vocabulary are required, found different vocabularies"
        )
    for one, other in ((p, q), (q, p)):
        if isinstance(one, FiniteLanguage):
            return _of_list(one, other)
    if isinstance(p, Automaton) and isinstance(q, Automaton):
        return _of_automata(p, q)
    if isinstance(p, Machine) and isinstance(q, Machine):
        return _of_machines(p, q)
    for one, other in ((p, q), (q, p)):
        if isinstance(one, ContextFree) and isinstance(other, Machine):
            return _of_grammar(one, other)
    raise unavailable(WHAT, "no method is known for two infinite grammars", "list the strings of one with a length")


def _of_list(few: FiniteLanguage, other: ExactLanguage) -> float:
    alive = np.flatnonzero(few.log_p > -np.inf)
    strings, lengths = few.trie.strings[alive], few.trie.lengths[alive]
    log_q = np.array([other.log_prob(row[: n - 1]) for row, n in zip(strings, lengths, strict=True)])
    return float(np.exp(few.log_p[alive] + log_q).sum())


def _of_automata(p: Automaton, q: Automaton) -> float:
    """x = (I - W)^-1 v with W the products of equal arcs, and v the products of the stops.

    1 - sum_a p_a q_a = sum_a p_a (1 - q_a) has no cancellation where both machines are nearly certain of one symbol.
    """
    s, t, table, start = product(p.next_state, p.arcs, p.start, q.next_state, q.arcs, q.start)
    both = p.prob[s] * q.prob[t]
    leaves = both[:, EOS] + (p.prob[s] * sum_of_others(q.prob)[t]).sum(axis=1)
    return float(Absorbing(arc_matrix(table, table >= 0, both), leaves).solve(both[:, EOS])[start])


def _arcs(machine: Machine) -> list[Arcs]:
    """The arcs of every state."""
    if isinstance(machine, Automaton):
        return [
            [(a, int(machine.next_state[s, a]), float(machine.prob[s, a])) for a in np.flatnonzero(row).tolist()]
            for s, row in enumerate(machine.arcs)
        ]
    assert isinstance(machine, HiddenAutomaton)
    found = []
    for s in range(len(machine.stopping)):
        rows = machine.transitions[:, s]
        found.append([(a, t, float(rows[a, t])) for a, t in np.argwhere(rows).tolist()])
    return found


def _of_machines(p: Machine, q: Machine) -> float:
    """The same on the pairs of states that occur together. Raises `UnavailableError` for more than 2 000 pairs."""
    arcs_p, arcs_q = _arcs(p), _arcs(q)
    laws_p, laws_q = (_symbol_laws(one, arcs) for one, arcs in ((p, arcs_p), (q, arcs_q)))
    by_symbol_p, by_symbol_q = _by_symbol(arcs_p), _by_symbol(arcs_q)
    others = sum_of_others(laws_q)
    first = [(s, t) for s in np.flatnonzero(p.first).tolist() for t in np.flatnonzero(q.first).tolist()]
    number = {pair: k for k, pair in enumerate(first)}
    queue, moves = list(first), list[tuple[int, int, float]]()
    for k, (s, t) in enumerate(queue):  # the queue grows during the loop
        for a, ways in by_symbol_p[s].items():
            for (i, x), (j, y) in product_of(ways, by_symbol_q[t].get(a, [])):
                if (i, j) not in number:
                    number[i, j] = len(queue)
                    queue.append((i, j))
                moves.append((k, number[i, j], x * y))
        if len(queue) > MAX_PAIRS:
            why = f"at most {MAX_PAIRS} pairs of states can be solved for, found more"
            raise unavailable(WHAT, why, "list the strings of one language with a length")
    W = np.zeros((len(queue), len(queue)))
    for k, j, weight in moves:
        W[k, j] += weight
    left, right = np.array(queue).T
    stops = p.stops[left] * q.stops[right]
    values = Absorbing(W, stops + (laws_p[left] * others[right]).sum(axis=1)).solve(stops)
    begin = p.first[left[: len(first)]] * q.first[right[: len(first)]]
    return float(begin @ values[: len(first)])


def _by_symbol(arcs: Sequence[Arcs]) -> list[dict[int, list[tuple[int, float]]]]:
    """For every state and symbol, the next states with their probabilities."""
    found: list[dict[int, list[tuple[int, float]]]] = [{} for _ in arcs]
    for row, own in zip(found, arcs, strict=True):
        for a, t, p in own:
            row.setdefault(a, []).append((t, p))
    return found


def _symbol_laws(machine: Machine, arcs: Sequence[Arcs]) -> np.ndarray:
    """P(symbol | state) with the stop in column 0: float64[S, V]."""
    law = np.zeros((len(arcs), len(machine.vocabulary)))
    law[:, EOS] = machine.stops
    for s, own in enumerate(arcs):
        for a, _, p in own:
            law[s, a] += p
    return law


def _of_grammar(grammar: ContextFree, machine: Machine) -> float:
    """The total weight of the product of a grammar and a machine.

    Z(s, A, t) is the sum, over the derivations of A and the paths from s to t with the same symbols, of the products of
    their probabilities. It is the least solution of the equations of the rules. Raises `UnavailableError` if there are
    more than 250 triples.
    """
    short, count = binarised(grammar.rules, len(grammar.nonterminals))
    own, S = by_lhs(short, count), len(machine.stops)
    steps = np.zeros((len(grammar.vocabulary), S, S))
    for s, arcs in enumerate(_arcs(machine)):
        for a, t, p in arcs:
            steps[a, s, t] += p
    derives = _derivable(own, steps)
    number: dict[tuple[int, int, int], int] = {}
    waiting: list[tuple[int, int, int]] = []

    def triple(s: int, head: int, t: int) -> int:
        if (s, head, t) not in number:
            number[s, head, t] = len(number)
            waiting.append((s, head, t))
        return number[s, head, t]

    ends = [(s, t) for s in np.flatnonzero(machine.first).tolist() for t in np.flatnonzero(machine.stops).tolist()]
    ends = [(s, t) for s, t in ends if derives[grammar.start][s, t]]
    begin = [(triple(s, grammar.start, t), float(machine.first[s] * machine.stops[t])) for s, t in ends]
    equations: list[list[Term]] = []
    terms = 0
    for s, head, t in waiting:  # the list grows during the loop, in the order of the numbers
        found: list[Term] = []
        for rule in own[head]:
            for path in _paths(rule, s, t, steps, derives):
                weight, factors = rule.p, list[int]()  # exact rationals, or a critical grammar could become divergent
                for at, symbol in enumerate(rule.rhs):
                    if symbol > 0:
                        weight *= Fraction(float(steps[symbol, path[at], path[at + 1]]))
                    else:
                        factors.append(triple(path[at], ~symbol, path[at + 1]))
                found.append((weight, tuple(factors)))
        equations.append(found)
        terms += len(found)
        if len(number) > MAX_TRIPLES or terms > MAX_TERMS:
            why = f"the product of the grammar and the automaton has over {MAX_TRIPLES} non-terminals"
            raise unavailable(WHAT, why, "list the strings of one language with a length")
    solution = least_solution(equations) if equations else np.zeros(0)
    total = float(sum(weight * solution[k] for k, weight in begin))
    if not math.isfinite(total):
        raise unavailable(WHAT, "rounding made the product divergent", "list the strings of one language with a length")
    return total


def _derivable(own: Sequence[Sequence[Rule]], steps: np.ndarray) -> list[np.ndarray]:
    """Whether each non-terminal derives the symbols of some path from s to t: bool[S, S] each."""
    derives = [np.zeros(steps.shape[1:], bool) for _ in own]
    changed = True
    while changed:
        changed = False
        for head, rules in enumerate(own):
            for rule in rules:
                found = np.eye(steps.shape[1], dtype=bool)
                for symbol in rule.rhs:
                    found = found @ (steps[symbol] > 0 if symbol > 0 else derives[~symbol])
                more = derives[head] | found
                if (more != derives[head]).any():
                    derives[head], changed = more, True
    return derives


def _paths(rule: Rule, s: int, t: int, steps: np.ndarray, derives: Sequence[np.ndarray]) -> list[tuple[int, ...]]:
    """The states before, between and after the symbols of a rule of at most two, for all ways from s to t."""
    leads = [steps[symbol] > 0 if symbol > 0 else derives[~symbol] for symbol in rule.rhs]
    if not leads:
        return [(s,)] if s == t else []
    if len(leads) == 1:
        return [(s, t)] if leads[0][s, t] else []
    return [(s, m, t) for m in np.flatnonzero(leads[0][s] & leads[1][:, t]).tolist()]
