"""A language given as a YAML or JSON file: listed strings, a Markov chain, or a deterministic automaton."""

import math
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

import numpy as np

from sim.grammars._markov import markov
from sim.grammars._pfsa import pfsa
from sim.grammars._reading import load, problem
from sim.grammars._strings import strings
from sim.languages.automaton import Automaton
from sim.languages.finite import FiniteLanguage
from sim.numerics import nearest

READERS: dict[str, Callable[[str, dict[str, Any]], Automaton | FiniteLanguage]] = {
    "strings": strings,
    "markov": markov,
    "pfsa": pfsa,
}
NOT_YET = ("hmm", "pcfg")
SUGGESTED_DROP = 1e-3
"""Mass that the horizon suggested for an infinite language may drop."""


def read(path: str) -> Automaton | FiniteLanguage:
    """The exact language of a grammar file, without truncation.

    Types: `strings` (a `FiniteLanguage`), `markov` and deterministic `pfsa` (an `Automaton`). Probabilities are read
    as the exact rationals that are written, their sums checked to 1e-9 and then normalised exactly. Raises
    `SpecificationError`, one line that names the file, the key, the value found and the fix.
    """
    data = load(path)
    kind = data.get("type")
    if not isinstance(kind, str) or kind not in READERS:
        requirement = "strings, markov or pfsa (deterministic) is what is read today"
        if "type" not in data:
            raise problem(f"{path}: type", requirement, "no type", "add type: with one of them")
        hint = nearest(str(kind), (*READERS, *NOT_YET))
        fix = "list its strings as type: strings" if kind in NOT_YET else f"correct it{hint}"
        raise problem(f"{path}: type", requirement, repr(kind), fix)
    return READERS[kind](path, data)


def file(
    *, path: str, length: int | None = None, max_strings: int = 200_000
) -> tuple[FiniteLanguage, dict[str, float]]:
    """The language of a grammar file up to the horizon `length` L [tokens, EOS included], and notes for the report.

    Strings longer than L - 1 symbols are not cut: the language is P(. | |x| <= L - 1), renormalised exactly, and the
    note `dropped_mass` is the probability that this leaves out (0 if nothing). Without `length` the horizon is that
    of the longest string; an infinite language needs one. `path` is relative to the current directory. Raises
    `SpecificationError` for a bad file (see `read`), a missing or too short length, and for more than `max_strings`
    strings, stating how many there are.
    """
    language = read(path)
    if length is not None and length < 1:
        raise problem(path, "length must be at least 1, the end of string", length, "raise it")
    if isinstance(language, FiniteLanguage):
        kept, dropped = _within(path, language, length)
        if kept.support_size > max_strings:
            found = f"{kept.support_size} strings"
            raise problem(
                path, f"at most max_strings = {max_strings} strings are enumerated", found, "raise max_strings"
            )
    else:
        kept, dropped = language.enumerate(length or _whole(path, language, max_strings), max_strings, path)
    return kept, {"dropped_mass": dropped}


def _within(path: str, language: FiniteLanguage, length: int | None) -> tuple[FiniteLanguage, float]:
    """A listed language up to a horizon, and the mass dropped."""
    fits = language.trie.lengths <= (length or language.length)
    if fits.all():
        return language, 0.0
    if not fits.any():
        shortest = int(language.trie.lengths.min())
        requirement = f"length must be at least {shortest}, the shortest string with its end"
        raise problem(path, requirement, length, "raise it")
    conditioned, _ = language.condition(fits, place=path)
    width = int(language.trie.lengths[fits].max())
    listed = language.trie.strings[fits, :width]
    kept = FiniteLanguage.from_strings(language.vocabulary, listed, conditioned.log_p[fits])
    return kept, float(np.exp(language.log_p[~fits]).sum())


def _whole(path: str, language: Automaton, max_strings: int) -> int:
    """The horizon of the longest string. Raises for an infinite language, suggesting a length."""
    if language.longest != math.inf:
        return int(language.longest) + 1
    horizon = language.shortest_horizon(SUGGESTED_DROP)
    if horizon is None:
        fix = "set it; strings are so long that one of 100000 tokens still drops more than 0.001 of the mass"
    else:
        horizon = bisect_right(range(horizon + 1), max_strings, key=language.count) - 1
        kept = language.count(horizon)
        fix = (
            f"length={horizon} drops {language.dropped_mass(horizon):.1e} of the mass and keeps {kept} strings"
            if kept
            else "set it and raise max_strings"
        )
    raise problem(path, "length is required for a language whose strings have no longest", "none", fix)
