"""Grammar files of type `markov`: a Markov chain of any order. Without `eos` it never stops."""

import warnings
from fractions import Fraction
from typing import Any

import numpy as np

from sim.grammars._machine import Row, chain, machine, refuse_large
from sim.grammars._reading import COMMON_KEYS, check_keys, end_name, known, mapping, names, problem, vocabulary
from sim.grammars._weights import normalised, probability, weighs
from sim.languages.automaton import Automaton
from sim.languages.chain import Chain, stationary
from sim.languages.machine import START
from sim.languages.matrices import components
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS

HIGHEST_ORDER = 20

Context = tuple[str, ...]
"""The symbols that the next one depends on. It is () at the start."""

Laws = dict[Context, dict[str, Fraction]]
"""Normalised probabilities of the next symbol after each context that can occur."""


def markov(path: str, data: dict[str, Any]) -> Automaton | Chain:
    """The chain as a machine with one state per context that can occur. It starts in the empty context.

    `order` k (default 1) is the number of symbols that the next one depends on. `transitions` has a row for every
    context that can occur. A context has k symbols, or fewer at the beginning of a string, with spaces between them
    ("a b"). `initial` is the row of the empty context. Without `eos` the chain never stops, and `initial` may be
    missing; it then starts from its stationary law. Raises `SpecificationError` for a bad file. Warns of rows that are
    never used.
    """
    endless = "eos" not in data
    required = ("type", "alphabet", "transitions") if endless else ("type", "alphabet", "initial", "transitions")
    check_keys(path, data, required, (*COMMON_KEYS[1:], "order", "initial"))
    order, weight = _order(path, data), weighs(path, data)
    alphabet = names(f"{path}: alphabet", data["alphabet"])
    symbols = vocabulary(path, f"{path}: alphabet", data, alphabet)
    written = _rows(path, data, alphabet, order)
    refuse_large(path, len(written), len(symbols), "context")
    valid = set(alphabet) if endless else set(symbols.symbols)
    given = {context: _row(*row, symbols, valid, endless, weight) for context, row in written.items()}
    eos = symbols.symbols[EOS]
    laws = _used(path, given, order, eos) if () in given else _stationary(path, given, order)
    contexts = list(laws)
    number = {context: n for n, context in enumerate(contexts)}
    rows: list[Row] = [
        {
            symbols.index(symbol): (EOS if symbol == eos else number[_after(context, symbol, order)], p)
            for symbol, p in laws[context].items()
        }
        for context in contexts
    ]
    shown = tuple(" ".join(context) or START for context in contexts)
    if endless:
        return chain(path, symbols, shown, rows, 0, "context")
    return machine(path, symbols, shown, rows, 0, "symbol" if order == 1 else "context")


def _order(path: str, data: dict[str, Any]) -> int:
    text = data.get("order", "1")
    if not (isinstance(text, str) and text.isdecimal() and 1 <= int(text) <= HIGHEST_ORDER):
        requirement = f"an integer from 1 to {HIGHEST_ORDER}, the number of symbols that the next symbol depends on,"
        raise problem(f"{path}: order", f"{requirement} is required", repr(text), "correct it")
    return int(text)


def _rows(path: str, data: dict[str, Any], alphabet: list[str], order: int) -> dict[Context, tuple[str, Any]]:
    """The rows by context, each with its place in the file. `initial` is the row of the empty context."""
    place = f"{path}: transitions"
    found: dict[Context, tuple[str, Any]] = {}
    letters, eos = set(alphabet), end_name(path, data)
    if "initial" in data:
        found[()] = (f"{path}: initial", data["initial"])
    for key, row in mapping(place, data["transitions"]).items():
        found[_context(place, key, letters, order, eos)] = (f"{place}.{key}", row)
    return found


def _context(place: str, key: str, alphabet: set[str], order: int, eos: str) -> Context:
    context = (key,) if key in alphabet else tuple(key.split())
    if eos in context:
        raise problem(place, "rows for symbols are required", f"one for {key!r}", "remove it: nothing follows the end")
    for symbol in context if len(context) > 1 else (key,):
        known(f"{place}.{key}", symbol, alphabet, "a symbol of the alphabet")
    if len(context) > order:
        fix = f"write order: {len(context)}, or shorten it"
        requirement = f"rows for at most {order} symbol{'s' * (order > 1)} are required (order {order})"
        raise problem(place, requirement, f"one for {key!r}", fix)
    return context


def _row(
    place: str, value: Any, symbols: Vocabulary, valid: set[str], endless: bool, weight: bool
) -> dict[str, Fraction]:
    """The normalised probabilities of the next symbol."""
    what = "a symbol of the alphabet" if endless else "a symbol of the alphabet or eos"
    weights: dict[str, Fraction] = {}
    for symbol, p in mapping(place, value).items():
        fix = "write eos: to name the end of a string" if endless and symbol == symbols.symbols[EOS] else "correct it"
        known(f"{place}.{symbol}", symbol, valid, what, fix)
        weights[symbol] = probability(f"{place}.{symbol}", p, weight)
    return {symbol: p for symbol, p in normalised(place, weights, weight).items() if p > 0}


def _after(context: Context, symbol: str, order: int) -> Context:
    return (*context, symbol)[-order:]


def _used(path: str, given: Laws, order: int, eos: str) -> Laws:
    """The rows of the contexts that can occur, the start first. Refuse a missing row, and warn of unused rows."""
    laws: Laws = {}
    waiting: list[Context] = [()]
    seen: set[Context] = {()}
    for context in waiting:
        if context not in given:
            shown = " ".join(context)
            requirement = "a row for every context that can occur is required"
            fix = f"add {shown}: {{{eos}: 1}}, or give the symbols that lead to it probability 0"
            raise problem(f"{path}: transitions", requirement, f"none for {shown!r}", fix)
        laws[context] = given[context]
        following = [_after(context, symbol, order) for symbol in given[context] if symbol != eos]
        new = [one for one in dict.fromkeys(following) if one not in seen]
        waiting += new
        seen.update(new)
    unused = [" ".join(context) for context in given if context not in laws]
    if unused:
        listed = ", ".join(repr(shown) for shown in unused[:5])
        warnings.warn(f"{path}: transitions: {listed} cannot be reached from the start (left out)", stacklevel=3)
    return laws


def _stationary(path: str, given: Laws, order: int) -> Laws:
    """The rows of a chain that starts from its stationary law, which determines the rows of the shorter contexts.

    Raises `SpecificationError` if there are several stationary laws.
    """
    contexts = [context for context in given if len(context) == order]
    number = {context: n for n, context in enumerate(contexts)}
    refuse_large(path, len(contexts), len(contexts), "context")
    moves = np.zeros((len(contexts), len(contexts)))
    for context, n in number.items():
        for symbol, p in given[context].items():
            following = _after(context, symbol, order)
            if following not in number:
                shown = " ".join(following)
                requirement = "a row for every context that can occur is required"
                raise problem(f"{path}: transitions", requirement, f"none for {shown!r}", "add it")
            moves[n, number[following]] += float(p)
    graph = [set(np.flatnonzero(row).tolist()) for row in moves]
    closed = [block for block in components(graph) if all(graph[n] <= set(block) for n in block)]
    if len(closed) != 1:
        fix = "add initial: with the law of the first symbol"
        raise problem(path, "a chain without initial needs one stationary law", f"{len(closed)} of them", fix)
    block = closed[0]
    mass = dict(zip([contexts[n] for n in block], stationary(moves[np.ix_(block, block)]).tolist(), strict=True))
    begins = [{c[:size]: 0.0 for c in mass} for size in range(order + 1)]
    for context, p in mass.items():
        for size, beginning in enumerate(begins):
            beginning[context[:size]] += p
    laws: Laws = {}
    for size in range(order):
        for context, total in begins[size].items():
            longer = {c[-1]: p for c, p in begins[size + 1].items() if c[:-1] == context}
            laws[context] = {symbol: Fraction(p / total) for symbol, p in longer.items()}
    return laws | {context: given[context] for context in mass}
