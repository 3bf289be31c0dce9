"""Grammar files of type `hmm`: a hidden Markov model as start, transition and emission matrices."""

from fractions import Fraction
from typing import Any

from sim.grammars._pfsa import Machine, assembled
from sim.grammars._reading import COMMON_KEYS, check_keys, known, names, problem, vocabulary
from sim.grammars._weights import normalised, probability, weighs
from sim.languages.machine import END

Law = dict[str, Fraction]


def hmm(path: str, data: dict[str, Any]) -> Machine:
    """The model that starts in a state of the law `start`; a state emits a symbol, and then the next state follows.

    `start`, the rows of `transitions` and the rows of `emissions` are mappings from names to probabilities, or lists in
    the order of `states` or `alphabet`. Without these keys, names are those of the mappings in the order of their first
    appearance; states of a plain matrix are called s0, s1, ..., and its symbols 0, 1, .... `stop` gives the probability
    that the string ends after the symbol of a state; `transitions` are then given that it goes on. Without `stop` the
    model never stops: the result is a `HiddenChain`, otherwise a `HiddenAutomaton` with one more state for the end (or,
    if the symbols show the states, their deterministic kinds).
    """
    optional = (*COMMON_KEYS[1:], "states", "alphabet", "stop")
    check_keys(path, data, ("type", "start", "transitions", "emissions"), optional)
    weight = weighs(path, data)
    states = _names(path, "states", data, ("start", "transitions", "emissions"), "s")
    alphabet = _inner_names(path, data)
    symbols = vocabulary(path, f"{path}: {'alphabet' if 'alphabet' in data else 'emissions'}", data, alphabet)
    place = f"{path}: start"
    first = normalised(place, _law(place, data["start"], states, "one of the states", weight), weight)
    emissions = _rows(f"{path}: emissions", data["emissions"], states)
    moves = _rows(f"{path}: transitions", data["transitions"], states)
    stops = _law(f"{path}: stop", data["stop"], states, "one of the states") if "stop" in data else {}
    rows = []
    for state in states:
        stop = stops.get(state, Fraction(0))
        emits = _row(f"{path}: emissions", emissions, state, alphabet, "a symbol of the alphabet", weight)
        moved = _row(f"{path}: transitions", moves, state, states, "one of the states", weight) if stop < 1 else {}
        row = {(a, to): p * (1 - stop) * q for a, p in emits.items() for to, q in moved.items()}
        rows.append(row | {(a, _end(states)): p * stop for a, p in emits.items() if stop > 0})
    if "stop" not in data:
        return assembled(path, symbols, states, first, rows, True)
    return assembled(path, symbols, [*states, _end(states)], first, [*rows, {("", _end(states)): Fraction(1)}], False)


def _end(states: list[str]) -> str:
    """A name for the end that no state has."""
    return (
        END if END not in states else next(f"{END} {n}" for n in range(len(states) + 1) if f"{END} {n}" not in states)
    )


def _names(path: str, key: str, data: dict[str, Any], places: tuple[str, ...], letter: str) -> list[str]:
    """The names under a key; without it, those of the first mapping, or numbered ones for a list."""
    if key in data:
        return names(f"{path}: {key}", data[key])
    found: list[str] = []
    for place in places:
        if isinstance(data[place], dict):
            found += [name for name in data[place] if name not in found]
    if found:
        return found
    size = len(data[places[0]]) if isinstance(data[places[0]], list) else 0
    return [f"{letter}{n}" for n in range(size)] or names(f"{path}: {places[0]}", data[places[0]])


def _inner_names(path: str, data: dict[str, Any]) -> list[str]:
    """The alphabet: as given, or the symbols that the emissions name, or the numbers of the columns."""
    if "alphabet" in data:
        return names(f"{path}: alphabet", data["alphabet"])
    value = data["emissions"]
    rows = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    found = list(dict.fromkeys(symbol for row in rows if isinstance(row, dict) for symbol in row))
    return found or [str(n) for n in range(max((len(row) for row in rows if isinstance(row, list)), default=0))]


def _rows(place: str, value: Any, states: list[str]) -> dict[str, Any]:
    """The rows of a matrix by state."""
    if isinstance(value, dict) and value:
        for state in value:
            known(f"{place}.{state}", state, states, "one of the states")
        return value
    if not isinstance(value, list) or len(value) != len(states):
        found = f"{len(value)} of them" if isinstance(value, list) else value
        fix = "write [[1/2, 1/2], [0, 1]], or {state: {name: probability}}"
        raise problem(place, f"a row for each of the {len(states)} states is required", found, fix)
    return dict(zip(states, value, strict=True))


def _row(place: str, rows: dict[str, Any], state: str, columns: list[str], what: str, weight: bool) -> Law:
    """The normalised row of one state."""
    if state not in rows:
        raise problem(place, "a row for every state is required", f"none for {state!r}", "add it")
    here = f"{place}.{state}"
    return {
        name: p for name, p in normalised(here, _law(here, rows[state], columns, what, weight), weight).items() if p
    }


def _law(place: str, value: Any, columns: list[str], what: str, weight: bool = False) -> Law:
    """The numbers as written, by name."""
    if isinstance(value, list):
        if len(value) != len(columns):
            fix = "write one number for each, in the same order"
            raise problem(place, f"{len(columns)} numbers are required", f"{len(value)} of them", fix)
        value = dict(zip(columns, value, strict=True))
    if not isinstance(value, dict) or not value:
        raise problem(place, "a list or a mapping of numbers is required", value, "write {name: probability}")
    for name in value:
        known(f"{place}.{name}", name, columns, what)
    return {name: probability(f"{place}.{name}", p, weight) for name, p in value.items()}
