"""Grammar files of type `pfsa`: a deterministic probabilistic automaton."""

import warnings
from fractions import Fraction
from typing import Any

from sim.grammars._machine import machine
from sim.grammars._reading import (
    COMMON_KEYS,
    check_keys,
    known,
    mapping,
    names,
    normalised,
    probability,
    problem,
    vocabulary,
)
from sim.languages.automaton import Automaton
from sim.numerics import EOS

NOT_DETERMINISTIC = "a deterministic pfsa is required (types read today: strings, markov, deterministic pfsa)"
Arcs = dict[tuple[str, str, str], Fraction]  # (from, symbol, to) -> p


def pfsa(path: str, data: dict[str, Any]) -> Automaton:
    """The automaton of listed states, transitions and final probabilities.

    In every state the transitions and the final probability sum to 1; a state not named in `final` cannot stop. The
    alphabet is `alphabet` where given, else the symbols in order of first appearance. Raises `SpecificationError` for
    a non-deterministic automaton; warns of a transition listed twice (merged) and of unreachable states (left out).
    """
    check_keys(path, data, ("type", "states", "initial", "transitions", "final"), (*COMMON_KEYS[1:], "alphabet"))
    states = names(f"{path}: states", data["states"])
    alphabet = names(f"{path}: alphabet", data["alphabet"]) if "alphabet" in data else None
    start = _start(path, data["initial"], states)
    arcs = _arcs(path, data["transitions"], states, alphabet)
    final = _weights(f"{path}: final", data["final"], states)
    terminals = alphabet or list(dict.fromkeys(symbol for _, symbol, _ in arcs))
    symbols = vocabulary(path, f"{path}: {'alphabet' if alphabet else 'transitions'}", data, terminals)
    number = {state: i for i, state in enumerate(states)}
    rows = []
    for state in states:
        weights = {(symbol, to): p for (source, symbol, to), p in arcs.items() if source == state}
        weights["", state] = final.get(state, Fraction(0))
        row = normalised(f"{path}: state {state}: transitions and final", weights)
        rows.append({symbols.index(a) if a else EOS: (number[to], p) for (a, to), p in row.items() if p > 0})
    return machine(path, symbols, states, rows, number[start], "state")


def _weights(place: str, value: Any, states: list[str]) -> dict[str, Fraction]:
    weights = {}
    for state, p in mapping(place, value).items():
        known(f"{place}.{state}", state, states, "one of the states")
        weights[state] = probability(f"{place}.{state}", p)
    return weights


def _start(path: str, value: Any, states: list[str]) -> str:
    place = f"{path}: initial"
    starts = [s for s, p in normalised(place, _weights(place, value, states)).items() if p > 0]
    if len(starts) > 1:
        fix = "give one state the probability 1; make the first symbol its choice"
        raise problem(place, NOT_DETERMINISTIC, f"{len(starts)} start states", fix)
    return starts[0]


def _arcs(path: str, value: Any, states: list[str], alphabet: list[str] | None) -> Arcs:
    place = f"{path}: transitions"
    if not isinstance(value, list) or not value:
        fix = "write [{from: A, symbol: a, to: B, p: 3/5}]"
        raise problem(place, "a list with at least one transition is required", value, fix)
    arcs: Arcs = {}
    target: dict[tuple[str, str], str] = {}
    for i, entry in enumerate(value):
        here = f"{place}[{i}]"
        check_keys(here, mapping(here, entry), ("from", "symbol", "to", "p"))
        source = known(f"{here}.from", entry["from"], states, "one of the states")
        to = known(f"{here}.to", entry["to"], states, "one of the states")
        symbol = entry["symbol"]
        if not isinstance(symbol, str) or symbol == "":
            raise problem(f"{here}.symbol", "a non-empty text is required", repr(symbol), "name a symbol")
        if alphabet is not None:
            known(f"{here}.symbol", symbol, alphabet, "a symbol of the alphabet")
        p = probability(f"{here}.p", entry["p"])
        if (source, symbol, to) in arcs:
            warnings.warn(f"{here}: {source} -{symbol}-> {to} is listed twice: probabilities added", stacklevel=2)
        elif p > 0 and target.setdefault((source, symbol), to) != to:
            found = f"{symbol!r} from {source!r} to both {target[source, symbol]!r} and {to!r}"
            raise problem(here, NOT_DETERMINISTIC, found, "keep one of the two transitions")
        arcs[source, symbol, to] = arcs.get((source, symbol, to), Fraction(0)) + p
    return arcs
