"""Grammar files of type `pfsa`: a probabilistic automaton, which may be non-deterministic and may never stop."""

import warnings
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from sim.grammars._machine import chain, machine, refuse_endless, warn_unreachable
from sim.grammars._reading import COMMON_KEYS, check_keys, known, mapping, names, problem, vocabulary
from sim.grammars._weights import normalised, probability, weighs
from sim.languages.automaton import Automaton
from sim.languages.chain import Chain
from sim.languages.hidden import HiddenAutomaton
from sim.languages.hidden_chain import HiddenChain
from sim.languages.hidden_ops import MAX_ENTRIES, walked
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS

Arcs = dict[tuple[str, str, str], Fraction]  # (from, symbol, to) -> p


States = Mapping[str, Fraction]
"""The law of the first state."""

Laws = Mapping[tuple[str, str], Fraction]
"""The law of a state: (symbol, next state) -> p. The symbol of the decision to stop is ""."""

Machine: TypeAlias = Automaton | HiddenAutomaton | Chain | HiddenChain
"""Deterministic or not, with an end or without one."""


def pfsa(path: str, data: dict[str, Any]) -> Machine:
    """The automaton of the listed states, transitions and final probabilities.

    In every state the transitions and the final probability sum to 1. A state that is not named in `final` cannot stop.
    Without `final` the machine never stops. Without `alphabet`, the alphabet is the symbols in the order of their first
    appearance. The result is an `Automaton` if there is one start state and at most one transition for each state and
    symbol; otherwise it is a `HiddenAutomaton`. A machine that never stops is a `Chain` or a `HiddenChain`. Warns of
    transitions that are listed twice, which are merged, and of unreachable states, which are left out.
    """
    check_keys(path, data, ("type", "states", "initial", "transitions"), (*COMMON_KEYS[1:], "alphabet", "final"))
    states, weight = names(f"{path}: states", data["states"]), weighs(path, data)
    alphabet = names(f"{path}: alphabet", data["alphabet"]) if "alphabet" in data else None
    first = normalised(f"{path}: initial", _weights(f"{path}: initial", data["initial"], states, weight), weight)
    arcs = _arcs(path, data["transitions"], states, alphabet, weight)
    final = _weights(f"{path}: final", data["final"], states, weight) if "final" in data else None
    terminals = alphabet or list(dict.fromkeys(symbol for _, symbol, _ in arcs))
    symbols = vocabulary(path, f"{path}: {'alphabet' if alphabet else 'transitions'}", data, terminals)
    own: dict[str, dict[tuple[str, str], Fraction]] = {state: {} for state in states}
    for (source, symbol, to), p in arcs.items():
        own[source][symbol, to] = p
    rows = []
    for state, weights in own.items():
        if final is not None:
            weights["", state] = final.get(state, Fraction(0))
        what = "transitions (it has no final, so it never stops)" if final is None else "transitions and final"
        place = f"{path}: state {state}: {what}"
        rows.append(normalised(place, weights, weight))
    return assembled(path, symbols, states, first, rows, final is None)


def assembled(
    path: str, symbols: Vocabulary, states: list[str], first: States, rows: Sequence[Laws], endless: bool
) -> Machine:
    """The machine of normalised rows, one for each state: deterministic if it can be, and otherwise hidden."""
    starts = [state for state, p in first.items() if p > 0]
    number = {state: i for i, state in enumerate(states)}
    if len(starts) == 1 and all(_one_way(row) for row in rows):
        token = {symbol: number for number, symbol in enumerate(symbols.symbols)} | {"": EOS}
        table = [{token[symbol]: (number[to], p) for (symbol, to), p in row.items() if p > 0} for row in rows]
        made = chain if endless else machine
        return made(path, symbols, states, table, number[starts[0]], "state")
    return _hidden(path, symbols, states, {number[state]: p for state, p in first.items()}, rows, endless)


def _one_way(row: Laws) -> bool:
    """Whether every symbol leads to at most one state."""
    used = [symbol for (symbol, _), p in row.items() if p > 0]
    return len(set(used)) == len(used)


def _hidden(
    path: str,
    symbols: Vocabulary,
    states: list[str],
    first: Mapping[int, Fraction],
    rows: Sequence[Laws],
    endless: bool,
) -> HiddenAutomaton | HiddenChain:
    """The non-deterministic automaton of normalised rows, without the states that cannot be reached."""
    S, number = len(states), {state: i for i, state in enumerate(states)}
    entries = len(symbols) * S * S
    if entries > MAX_ENTRIES:
        requirement = f"states x states x symbols of a non-deterministic automaton must be at most {MAX_ENTRIES:.0e}"
        raise problem(path, requirement, f"{entries:.1e}", "use fewer states, or at most one transition for a symbol")
    initial, stopping, transitions = np.zeros(S), np.zeros(S), np.zeros((len(symbols), S, S))
    for state, p in first.items():
        initial[state] = float(p)
    for s, row in enumerate(rows):
        for (symbol, to), p in row.items():
            if symbol:
                transitions[symbols.index(symbol), s, number[to]] = float(p)
            else:
                stopping[s] = float(p)
    moves = transitions.sum(axis=0) > 0
    if not endless:
        refuse_endless(path, walked(stopping > 0, moves.T), states, "state", np.flatnonzero(initial))
    seen = walked(initial > 0, moves)
    warn_unreachable(path, seen, states, "state")
    kept = np.flatnonzero(seen)
    names_kept = tuple(states[s] for s in kept)
    initial, transitions = initial[kept], transitions[:, kept][:, :, kept]
    if endless:
        return HiddenChain(symbols, initial, transitions, names_kept)
    return HiddenAutomaton(symbols, initial, transitions, stopping[kept], names_kept)


def _weights(place: str, value: Any, states: list[str], weight: bool) -> dict[str, Fraction]:
    weights, valid = {}, set(states)
    for state, p in mapping(place, value).items():
        known(f"{place}.{state}", state, valid, "one of the states")
        weights[state] = probability(f"{place}.{state}", p, weight)
    return weights


def _arcs(path: str, value: Any, states: list[str], alphabet: list[str] | None, weight: bool) -> Arcs:
    place = f"{path}: transitions"
    if not isinstance(value, list):
        fix = "write [{from: A, symbol: a, to: B, p: 3/5}], or [] for the empty string alone"
        raise problem(place, "a list with at least one transition is required", value, fix)
    arcs: Arcs = {}
    valid, letters = set(states), set(alphabet or [])
    for i, entry in enumerate(value):
        here = f"{place}[{i}]"
        check_keys(here, mapping(here, entry), ("from", "symbol", "to", "p"))
        source = known(f"{here}.from", entry["from"], valid, "one of the states")
        to = known(f"{here}.to", entry["to"], valid, "one of the states")
        symbol = entry["symbol"]
        if not isinstance(symbol, str) or symbol == "":
            raise problem(f"{here}.symbol", "a non-empty text is required", repr(symbol), "name a symbol")
        if alphabet is not None:
            known(f"{here}.symbol", symbol, letters, "a symbol of the alphabet")
        p = probability(f"{here}.p", entry["p"], weight)
        if (source, symbol, to) in arcs:
            warnings.warn(f"{here}: {source} -{symbol}-> {to} is listed twice (probabilities added)", stacklevel=2)
        arcs[source, symbol, to] = arcs.get((source, symbol, to), Fraction(0)) + p
    return arcs
