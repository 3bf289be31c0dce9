"""A language given as a file: listed strings, a Markov chain, an automaton, a hidden Markov model or a grammar."""

import math
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from sim.grammars._hmm import hmm
from sim.grammars._jflap import jflap
from sim.grammars._markov import markov
from sim.grammars._nltk import nltk
from sim.grammars._pcfg import pcfg
from sim.grammars._pfsa import pfsa
from sim.grammars._physicslm4 import physicslm4
from sim.grammars._reading import content, problem, structured
from sim.grammars._strings import strings
from sim.languages.automaton import Automaton
from sim.languages.endless import Endless
from sim.languages.finite import FiniteLanguage
from sim.languages.hidden import HiddenAutomaton
from sim.languages.pcfg.language import ContextFree
from sim.numerics import nearest

Language: TypeAlias = FiniteLanguage | Automaton | HiddenAutomaton | ContextFree
Source: TypeAlias = Language | Endless
"""The languages that a file can describe."""

FORMATS: dict[str, Callable[[str, str], dict[str, Any] | None]] = {
    ".pcfg": nltk,
    ".jff": jflap,
    ".json": physicslm4,
}
"""Readers of foreign formats by the end of the file's name.

Each turns the path and the text of a file into the mapping that a YAML file of one of the types below has, with every
scalar as text. None means that the file is not in this format; then it is read as YAML or JSON.
"""

READERS: dict[str, Callable[[str, dict[str, Any]], Source]] = {
    "strings": strings,
    "markov": markov,
    "pfsa": pfsa,
    "hmm": hmm,
    "pcfg": pcfg,
}
"""Readers of the types: each turns the path and the mapping of a file into a language."""

SUGGESTED_DROP = 1e-3
"""Largest mass that the suggested horizon of an infinite language may drop."""


def load(path: str, normalise: bool = False, text: str | None = None) -> dict[str, Any]:
    """The mapping of a grammar file in any format, with every scalar as text and a known `type`.

    `normalise` adds `normalise: true`. `text` is the content of the file, if it has been read already.
    Raises `SpecificationError` as `read` does.
    """
    text = (content(path) if text is None else text).removeprefix("\ufeff")
    form = next((form for ending, form in FORMATS.items() if path.lower().endswith(ending)), None)
    data = None if form is None else form(path, text)
    data = structured(path, text) if data is None else data
    kind = data.get("type")
    if not isinstance(kind, str) or kind not in READERS:
        requirement = f"one of {', '.join(READERS)} is required"
        if "type" not in data:
            raise problem(f"{path}: type", requirement, "no type", "add type: with one of them")
        raise problem(f"{path}: type", requirement, repr(kind), f"correct it{nearest(str(kind), READERS)}")
    return data | {"normalise": "true"} if normalise else data


def read(path: str, renormalise: bool = False, text: str | None = None, normalise: bool = False) -> Source:
    """The language of a grammar file, without truncation.

    The types are `strings` (a `FiniteLanguage`), `markov` (an `Automaton`, or a `Chain` that never stops), `pfsa` and
    `hmm` (an `Automaton` if it is deterministic, else a `HiddenAutomaton`; a `Chain` or `HiddenChain` if it never
    stops) and `pcfg` (a `ContextFree`). Probabilities are read as the exact rationals that are written. Their sums must
    be 1 within 1e-9; then they are normalised exactly. With `normalise` the numbers are weights or counts, which are
    divided by their sums, exactly. `renormalise` conditions an inconsistent pcfg on the derivations that end; this is
    another change. `text` is the content of the file, if it has been read already. Raises `SpecificationError`, one
    line with the file, the key, the value found and the fix.
    """
    return language_of(path, load(path, normalise, text), renormalise)


def language_of(path: str, data: dict[str, Any], renormalise: bool = False) -> Source:
    """The language of the mapping of a file, see `load` and `read`."""
    return pcfg(path, data, renormalise) if data["type"] == "pcfg" else READERS[data["type"]](path, data)


def file(
    *,
    path: str,
    length: int | None = None,
    max_strings: int = 200_000,
    renormalise: bool = False,
    normalise: bool = False,
    text: str | None = None,
) -> tuple[FiniteLanguage, dict[str, float]]:
    """The language of a grammar file up to the horizon `length` L [tokens, EOS included], and notes for the report.

    Strings longer than L - 1 symbols are left out, not cut: the language is P(. | |x| <= L - 1), renormalised exactly.
    The note `dropped_mass` is the probability of what is left out (0 if nothing is). Without `length` the horizon is
    that of the longest string; an infinite language needs a length. A chain that never stops becomes the law of its
    first L - 1 symbols. `path` is relative to the current directory. `normalise` divides weights or counts by their
    sums; `renormalise` conditions an inconsistent pcfg on ending. A run reads the file once: `text` is its content, and
    then `path` is only a name. Raises `SpecificationError` for a bad file (see `read`), for a missing or too short
    length, and for more than `max_strings` strings, with their number.
    """
    if length is not None and length < 1:
        raise problem(path, "length must be at least 1, the end of string", length, "raise it")
    language = read(path, renormalise, text, normalise)
    if isinstance(language, Endless):
        if length is None:
            raise problem(
                path, "length is required for a chain that never stops", "none", "set it; all strings get this length"
            )
        blocks = language.blocks(length - 1)
        assert isinstance(blocks, Automaton | HiddenAutomaton)
        language = blocks
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
