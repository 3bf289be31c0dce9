"""A language given as a YAML or JSON file: listed strings, a Markov chain, an automaton or a context-free grammar."""

import math
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from sim.grammars._markov import markov
from sim.grammars._pcfg import pcfg
from sim.grammars._pfsa import pfsa
from sim.grammars._reading import load, problem
from sim.grammars._strings import strings
from sim.languages.automaton import Automaton
from sim.languages.chain import Chain
from sim.languages.finite import FiniteLanguage
from sim.languages.hidden import HiddenAutomaton
from sim.languages.pcfg.language import ContextFree
from sim.numerics import nearest

Language: TypeAlias = FiniteLanguage | Automaton | HiddenAutomaton | ContextFree
Source: TypeAlias = Language | Chain
"""The languages that a file can describe."""

READERS: dict[str, Callable[[str, dict[str, Any]], Source]] = {
    "strings": strings,
    "markov": markov,
    "pfsa": pfsa,
    "pcfg": pcfg,
}
OTHER_NAMES = {"hmm": "a hidden Markov model is a pfsa with several transitions for a symbol: write type: pfsa"}
SUGGESTED_DROP = 1e-3
"""Largest mass that the suggested horizon of an infinite language may drop."""


def read(path: str, renormalise: bool = False, text: str | None = None) -> Source:
    """The language of a grammar file, without truncation.

    The types are `strings` (a `FiniteLanguage`), `markov` (an `Automaton`, or a `Chain` that never stops), `pfsa` (an
    `Automaton` if it is deterministic, else a `HiddenAutomaton`) and `pcfg` (a `ContextFree`). Probabilities are read
    as the exact rationals that are written. Their sums must be 1 within 1e-9; then they are normalised exactly.
    `renormalise` conditions an inconsistent pcfg on the derivations that end. `text` is the content of the file, if it
    has been read already. Raises `SpecificationError`, one line with the file, the key, the value found and the fix.
    """
    data = load(path, text)
    kind = data.get("type")
    if not isinstance(kind, str) or kind not in READERS:
        requirement = f"one of {', '.join(READERS)} is required"
        if "type" not in data:
            raise problem(f"{path}: type", requirement, "no type", "add type: with one of them")
        fix = OTHER_NAMES.get(str(kind), f"correct it{nearest(str(kind), READERS)}")
        raise problem(f"{path}: type", requirement, repr(kind), fix)
    return pcfg(path, data, renormalise) if kind == "pcfg" else READERS[kind](path, data)


def file(
    *,
    path: str,
    length: int | None = None,
    max_strings: int = 200_000,
    renormalise: bool = False,
    text: str | None = None,
) -> tuple[FiniteLanguage, dict[str, float]]:
    """The language of a grammar file up to the horizon `length` L [tokens, EOS included], and notes for the report.

    Strings longer than L - 1 symbols are left out, not cut: the language is P(. | |x| <= L - 1), renormalised exactly.
    The note `dropped_mass` is the probability of what is left out (0 if nothing is). Without `length` the horizon is
    that of the longest string; an infinite language needs a length. A chain that never stops becomes the law of its
    first L - 1 symbols. `path` is relative to the current directory. `renormalise` conditions an inconsistent pcfg on
    ending. A run reads the file once: `text` is its content, and then `path` is only a name. Raises
    `SpecificationError` for a bad file (see `read`), for a missing or too short length, and for more than `max_strings`
    strings, with their number.
    """
    if length is not None and length < 1:
        raise problem(path, "length must be at least 1, the end of string", length, "raise it")
    language = read(path, renormalise, text)
    if isinstance(language, Chain):
        if length is None:
            raise problem(
                path, "length is required for a chain that never stops", "none", "set it; all strings get this length"
            )
        language = language.blocks(length - 1)
    if len(language.vocabulary) == 1:
        raise problem(path, "at least one symbol is required for a run", "only the empty string", "add a string")
    kept, dropped = language.enumerate(length or _whole(path, language, max_strings), max_strings, path)
    return kept, {"dropped_mass": dropped}


def _whole(path: str, language: Language, max_strings: int) -> int:
    """The horizon of the longest string. For an infinite language it raises an error that suggests a length."""
    if language.longest != math.inf:
        return int(language.longest) + 1
    assert not isinstance(language, FiniteLanguage)
    horizon = language.shortest_horizon(SUGGESTED_DROP)
    if horizon is None:
        fix = "set it; strings are so long that every horizon that was tried drops more than 0.001 of the mass"
    else:
        horizon = bisect_left(range(horizon + 1), True, key=lambda n: language.count(n) > max_strings) - 1
        kept = language.count(horizon)
        fix = (
            f"length={horizon} drops {language.dropped_mass(horizon):.1e} of the mass and keeps {kept} strings"
            if kept
            else "set it and raise max_strings"
        )
    raise problem(path, "length is required for a language without a longest string", "none", fix)


def label(*, path: str, **_: object) -> str:
    """The world in words: the name of its file."""
    return f"file {Path(path).name}"
