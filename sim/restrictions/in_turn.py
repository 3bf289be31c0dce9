"""Apply several restrictions one after the other, each to the S of the one before."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim.config import construct, described
from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Narrowed, Restricted
from sim.languages.trie import Trie
from sim.numerics import SpecificationError


def in_turn(p: ExactLanguage, *, steps: Sequence[Mapping[str, Any]]) -> Restricted | Narrowed:
    """S is P after all `steps`, which are nodes such as {kind: style, keep: assistant}; A is what all steps keep.

    So "sharpen the assistant's answers" is a style and then sharpen, and "noise in them" is a style and then noise.
    Noise and new words must come last, because they leave supp P. The accounting refers to P: `kept` is P(. | A),
    `log_mass` is log P(A) [nat], and the narrowing contains everything that the steps did besides conditioning. A note
    of step i is named `<i>_<note>`, counted from 1. Raises `SpecificationError` if there are no steps, and where a step
    raises it.
    """
    if not steps:
        raise SpecificationError("restriction.steps: at least one step is required, found none; add {kind: ...}")
    s: ExactLanguage = p
    done: list[Restricted | Narrowed] = []
    for number, step in enumerate(steps, start=1):
        if done and isinstance(done[-1], Restricted) and done[-1].p is not None:
            last = steps[number - 2]["kind"]
            raise SpecificationError(f"restriction.steps[{number - 2}]: {last} must come last, found steps after it")
        done.append(construct("restriction", step, f"restriction.steps[{number - 1}]", s))
        s = done[-1].s
    notes = {f"{i}_{name}": value for i, one in enumerate(done, start=1) for name, value in one.notes.items()}
    if isinstance(p, FiniteLanguage):
        return _of_list(p, [one for one in done if isinstance(one, Restricted)], notes)
    log_mass = sum(one.log_mass for one in done)
    others = [one for one in done if isinstance(one, Narrowed)]
    if any(one.narrowing for one in others[:-1]):
        raise SpecificationError(
            "restriction.steps: on a language that is not listed, a change of weights must come last, found steps "
            "after it; put it last, or list the strings with a length (tier A)"
        )
    last = others[-1]
    kept = last.s if not last.narrowing else last.kept
    return Narrowed(s, kept, log_mass, last.narrowing, notes, all(one.of_strings for one in others))


def _of_list(p: FiniteLanguage, done: Sequence[Restricted], notes: Mapping[str, float]) -> Restricted:
    """The result with the last S, and with A as the strings of P that every step keeps."""
    event = np.ones(p.trie.num_strings, bool)
    for one in done[:-1] if done[-1].p is not None else done:
        event &= one.event
    whole = None
    if (larger := done[-1].p) is not None:
        row = _rows(p.trie, larger.trie)
        law, moved = np.full(larger.trie.num_strings, -np.inf), np.zeros(larger.trie.num_strings, bool)
        law[row], moved[row] = p.log_p, event
        whole, event = larger.with_law(law), moved & (law > -np.inf)
    kept, log_mass = (whole or p).condition(event, place="restriction.steps")
    return Restricted(done[-1].s, kept, event, log_mass, notes, p=whole)


def _rows(trie: Trie, larger: Trie) -> np.ndarray:
    """The rows of the strings of a trie on a larger trie: int[N]."""
    number = {row[:n].tobytes(): i for i, (row, n) in enumerate(zip(larger.strings, larger.lengths, strict=True))}
    return np.array([number[row[:n].tobytes()] for row, n in zip(trie.strings, trie.lengths, strict=True)])


def label(*, steps: Sequence[Mapping[str, Any]]) -> str:
    """The restriction in words."""
    return ", then ".join(described("restriction", step) for step in steps)
