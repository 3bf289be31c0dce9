"""Restrict to a regular event: the documents that match a regular expression or that a listed DFA accepts."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from sim.languages.events import Dfa, regular_expression
from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Narrowed, Restricted
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError, nearest
from sim.restrictions._kinds import conditioned, needs_list, on_list

PLACE = "restriction"
KEYS = ("start", "accept", "transitions")


def regular(
    p: ExactLanguage,
    *,
    pattern: str | None = None,
    dfa: Mapping[str, Any] | None = None,
    of: Literal["document", "answer"] = "document",
    keep_prompts: bool = False,
) -> Restricted | Narrowed:
    """S = P_A = P(. | A) for a regular event A, and log P(A) [nat]; exact for every kind. `kept` is always P_A.

    Give exactly one of `pattern` and `dfa`. `pattern` is a regular expression over symbols that must match as a whole
    (syntax: `sim.languages.events.regular_expression`). `dfa` is a deterministic automaton
    `{start: s, accept: [t], transitions: {s: {symbol: t}, t: {}}}`, in which a missing transition rejects. `of` is what
    must match: the whole document, including its prompt and the prompt's closing symbol, or the answer, which is
    everything after that. Both are the same if the world has no prompts. By default the law of prompts becomes
    P(x | A); `keep_prompts` keeps P(x) in S. Raises `SpecificationError` if both or neither are given, for a mistake
    in either, and if P(A) = 0.
    """
    if (pattern is None) == (dfa is None):
        found = "neither" if pattern is None else "both"
        raise SpecificationError(
            f"{PLACE}: exactly one of pattern and dfa is required, found {found}; "
            "give one and set the other to null, as in restriction.dfa=null"
        )
    if pattern is not None:
        event = regular_expression(pattern, p.vocabulary, f"{PLACE}.pattern")
    else:
        event = listed_dfa(dfa or {}, p.vocabulary, f"{PLACE}.dfa")
    written = "dfa" if pattern is None else f"pattern {pattern!r}"
    if not isinstance(p, FiniteLanguage):
        if of == "answer" or keep_prompts:
            needs_list(p, f"{PLACE}: of: answer and keep_prompts", "only a listed language has prompts")
        return conditioned(p, event, f"{PLACE}: {written}")
    strings = p.trie.strings if of == "document" else _after(p.trie.strings, p.prompts.length)
    return on_list(p, event.accepts(strings), f"{PLACE}: {written}", keep_prompts)


def _after(strings: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Each string without its first `lengths` tokens, padded with EOS."""
    L = strings.shape[1]
    at = np.arange(L) + lengths[:, None]
    return np.where(at < L, np.take_along_axis(strings, np.minimum(at, L - 1), axis=1), EOS)


def listed_dfa(listed: Mapping[str, Any], vocabulary: Vocabulary, place: str) -> Dfa:
    """The event of a DFA given as `{start: …, accept: […], transitions: {state: {symbol: state}}}`.

    The keys of `transitions` are the names of the states. A transition that is not listed rejects. A missing or unknown
    key, state or symbol raises `SpecificationError` with the nearest name.
    """
    _check_form(listed, place)
    number = {str(state): i for i, state in enumerate(listed["transitions"])}
    symbols = vocabulary.symbols[EOS + 1 :]

    def known(name: Any, names: Sequence[str], what: str, where: str) -> int:
        if str(name) not in names:
            raise SpecificationError(f"{place}.{where}: {what} is required, found {name!r}{nearest(str(name), names)}")
        return list(names).index(str(name))

    def state(name: Any, where: str) -> int:
        return known(name, tuple(number), "a state with a row in transitions (it may be empty)", where)

    rejecting = len(number)
    table = np.full((rejecting + 1, len(vocabulary)), rejecting)
    for source, row in listed["transitions"].items():
        for symbol, target in row.items():
            where = f"transitions.{source}"
            token = known(symbol, symbols, "a symbol of the language", where) + EOS + 1
            table[number[str(source)], token] = state(target, f"{where}.{symbol}")
    accept = np.zeros(rejecting + 1, bool)
    accept[[state(name, "accept") for name in listed["accept"]]] = True
    return Dfa(table, accept, state(listed["start"], "start"))


def _check_form(listed: Mapping[str, Any], place: str) -> None:
    for key in listed:
        if key not in KEYS:
            raise SpecificationError(f"{place}: the keys are {', '.join(KEYS)}, found {key!r}{nearest(str(key), KEYS)}")
    for key in KEYS:
        if key not in listed:
            raise SpecificationError(f"{place}: the keys {', '.join(KEYS)} are required, found no {key!r}; add it")
    rows, accept = listed["transitions"], listed["accept"]
    if not isinstance(rows, Mapping) or not rows or not all(isinstance(row, Mapping) for row in rows.values()):
        raise SpecificationError(
            f"{place}.transitions: a mapping {{state: {{symbol: state}}}} is required, found {rows!r}; "
            "write {} for a state without transitions"
        )
    if isinstance(accept, str) or not isinstance(accept, Sequence) or not accept:
        raise SpecificationError(f"{place}.accept: a list of states is required, found {accept!r}; write [state]")


def label(*, pattern: str | None = None, of: str = "document", keep_prompts: bool = False, **_: object) -> str:
    """The restriction in words."""
    said = f"{of}s that match “{pattern}”" if pattern is not None else f"{of}s that a listed DFA accepts"
    return said + (", prompts keep P(x)" if keep_prompts else "")
