"""Grammar files of type `strings`: a list of strings with probabilities."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from sim.grammars._reading import (
    COMMON_KEYS,
    check_keys,
    end_name,
    known,
    mapping,
    names,
    problem,
    separator,
    vocabulary,
)
from sim.grammars._weights import normalised, probability, weighs
from sim.languages.finite import FiniteLanguage
from sim.numerics import log_fraction

MAX_CELLS = 100_000_000
"""Largest table of strings and positions."""


def strings(path: str, data: dict[str, Any]) -> FiniteLanguage:
    """The listed strings with their probabilities, normalised exactly. Strings of probability 0 are left out.

    A key is split at `separator`, or into characters. If nothing separates the symbols (`separator: ""`) and the
    `alphabet` has longer ones, as in Chinese, a key is cut into symbols, with spaces or without. The empty key is the
    empty string. Symbols are numbered in the order of the `alphabet`, or else of their first appearance.
    """
    check_keys(path, data, ("type", "strings"), (*COMMON_KEYS[1:], "alphabet"))
    place, weight = f"{path}: strings", weighs(path, data)
    if data["strings"] == {}:
        fix = "add a string; {'': 1} is the language of the empty string"
        raise problem(place, "a mapping with at least one entry is required", "none, so the language is empty", fix)
    listed = mapping(place, data["strings"])
    weights = {text: probability(f"{place}.{text}", p, weight) for text, p in listed.items()}
    weights = normalised(place, weights, weight)
    between = separator(path, data)
    words = _cut(path, place, data, listed)
    if words is None:
        words = {text: _split(f"{place}.{text}", text, between, end_name(path, data)) for text in listed}
    symbols = vocabulary(path, place, data, _alphabet(path, data, words))
    number = {symbol: token for token, symbol in enumerate(symbols.symbols)}
    support = [text for text, p in weights.items() if p > 0]
    longest = max(len(words[text]) for text in support) + 1
    if len(support) * longest > MAX_CELLS:
        requirement = f"the number of strings times the length of the longest must be at most {MAX_CELLS:,}"
        fix = "split the file, or write a pcfg"
        raise problem(place, requirement, f"{len(support):,} x {longest:,}", fix)
    table = np.zeros((len(support), longest), np.int32)
    for row, text in enumerate(support):
        table[row, : len(words[text])] = [number[symbol] for symbol in words[text]]
    return FiniteLanguage.from_strings(symbols, table, np.array([log_fraction(weights[text]) for text in support]))


def _cut(path: str, place: str, data: dict[str, Any], listed: Iterable[str]) -> dict[str, list[str]] | None:
    """Every key as symbols of an alphabet with longer ones and nothing between them; None if symbols are separated."""
    if separator(path, data) != "" or "alphabet" not in data:
        return None
    written = vocabulary(path, place, data, names(f"{path}: alphabet", data["alphabet"]))
    if not written.compact:
        return None
    found = {text: [written.symbols[token] for token in written.tokens(text, place)] for text in listed}
    first: dict[tuple[str, ...], str] = {}
    for text, symbols in found.items():
        if (other := first.setdefault(tuple(symbols), text)) != text:
            fix = "write it once, with the sum of both probabilities"
            raise problem(place, "every string once is required", f"{other!r} and {text!r}", fix)
    return found


def _alphabet(path: str, data: dict[str, Any], words: dict[str, list[str]]) -> list[str]:
    used = list(dict.fromkeys(symbol for symbols in words.values() for symbol in symbols))
    if "alphabet" not in data:
        return used
    given = names(f"{path}: alphabet", data["alphabet"])
    for symbol in used:
        known(f"{path}: strings", symbol, given, "a symbol of the alphabet", "add it to alphabet")
    return given


def _split(place: str, text: str, between: str | None, eos: str) -> list[str]:
    if not between:
        if len(eos) > 1 and eos in text:
            fix = "leave it out (every string ends by itself), or choose another eos:"
            raise problem(place, "no string may hold the reserved end of string", repr(eos), fix)
        return list(text)
    symbols = text.split(between) if text else []
    if "" in symbols:
        fix = f"remove the extra {between!r}"
        raise problem(place, f"one separator {between!r} between symbols is required", "an empty symbol", fix)
    return symbols
