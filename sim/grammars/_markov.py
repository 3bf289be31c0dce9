"""Grammar files of type `markov`: a Markov chain of order 1 with stopping."""

from fractions import Fraction
from typing import Any

from sim.grammars._machine import Row, machine
from sim.grammars._reading import (
    COMMON_KEYS,
    check_keys,
    end_name,
    known,
    mapping,
    names,
    normalised,
    probability,
    problem,
    vocabulary,
)
from sim.languages.automaton import Automaton
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS


def markov(path: str, data: dict[str, Any]) -> Automaton:
    """The chain as an automaton: one state per symbol, and a start state, so that the first symbol's entropy counts.

    Raises `SpecificationError` for order 2 and more, and for a chain without `eos`, which never stops.
    """
    check_keys(path, data, ("type", "alphabet", "initial", "transitions"), (*COMMON_KEYS[1:], "order"))
    if data.get("order", "1") != "1":
        fix = "write it as a pfsa with one state per context"
        raise problem(f"{path}: order", "a Markov chain of order 1 is read today", repr(data["order"]), fix)
    if "eos" not in data:
        requirement = "eos: is required, the name of the end of string in initial and transitions"
        fix = "add it: a stationary chain without stopping has an entropy rate, no strings to train on, and is not read"
        raise problem(path, requirement, "none", fix)
    alphabet = names(f"{path}: alphabet", data["alphabet"])
    symbols = vocabulary(path, f"{path}: alphabet", data, alphabet)
    table = mapping(f"{path}: transitions", data["transitions"])
    for key in table:
        _context(f"{path}: transitions", key, alphabet, end_name(path, data))
    rows = [_row(f"{path}: initial", data["initial"], symbols)]
    for symbol in alphabet:
        if symbol not in table:
            fix = f"add {symbol}: {{{symbols.symbols[EOS]}: 1}}, or remove it from the alphabet"
            raise problem(
                f"{path}: transitions",
                "a row for every symbol of the alphabet is required",
                f"none for {symbol!r}",
                fix,
            )
        rows.append(_row(f"{path}: transitions.{symbol}", table[symbol], symbols))
    return machine(path, symbols, ("the start", *alphabet), rows, 0, "symbol")


def _context(place: str, key: str, alphabet: list[str], eos: str) -> None:
    if key == eos:
        raise problem(place, "rows for symbols are required", f"one for {key!r}", "remove it: nothing follows the end")
    if key not in alphabet and len(parts := key.split()) > 1 and set(parts) <= set(alphabet):
        fix = "write a longer memory as a pfsa with one state per context"
        raise problem(place, "rows for single symbols are required (order 1 is read today)", f"one for {key!r}", fix)
    known(f"{place}.{key}", key, alphabet, "a symbol of the alphabet")


def _row(place: str, value: Any, symbols: Vocabulary) -> Row:
    """Probabilities of what comes next; the state after a symbol is its token."""
    weights: dict[int, Fraction] = {}
    for symbol, p in mapping(place, value).items():
        known(f"{place}.{symbol}", symbol, symbols.symbols, "a symbol of the alphabet or eos")
        weights[symbols.index(symbol)] = probability(f"{place}.{symbol}", p)
    return {token: (token, p) for token, p in normalised(place, weights).items()}
