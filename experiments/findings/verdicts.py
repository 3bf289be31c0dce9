"""What becomes of a statement: one rule for all, from its numbers alone."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from experiments.findings.entries import Statement
from experiments.findings.numbers import Number, Source, number

Verdict: TypeAlias = Literal["reproduced", "refuted", "undecided", "not comparable", "not tested yet"]

Held: TypeAlias = Literal["yes", "no", "open"]
"""Whether a number is as the statement says: its whole interval, nothing of its interval, or a part of it."""


def held(source: Source, found: Number) -> Held:
    """Return whether a number is as the statement says. Raises ValueError if the statement says nothing of it."""
    if source.says == "within":
        low, high = source.than - source.margin, source.than + source.margin
        if low <= found.lower and found.upper <= high:
            return "yes"
        return "no" if found.upper < low or found.lower > high else "open"
    if source.says == "above":
        return "yes" if found.lower > source.than else "no" if found.upper < source.than else "open"
    if source.says == "below":
        return "yes" if found.upper < source.than else "no" if found.lower > source.than else "open"
    raise ValueError(f"{source.label}: the statement says nothing of it")


def decided(statement: Statement) -> tuple[Verdict, str]:
    """Return the verdict, and what can be said of the sign if only the sign can be compared.

    It is *reproduced* if every number on which the statement says something is as it says, and *refuted* if one
    certainly is not; both need the same quantity. If only the sign can be compared, the verdict is *not comparable*,
    and the second answer says what the sign is here. *Not tested yet*: a number is missing, or the statement says
    nothing.
    """
    if statement.functional == "none":
        return "not comparable", ""
    answers: list[Held] = []
    for source in statement.numbers:
        if source.says:
            found = number(source)
            if found is None:
                return "not tested yet", ""
            answers.append(held(source, found))
    if not answers:
        return "not tested yet", ""
    if statement.functional == "sign":
        return "not comparable", f"{_of(answers, 'same', 'opposite')} sign here"
    return ("reproduced", "") if all_are(answers, "yes") else ("refuted", "") if "no" in answers else ("undecided", "")


def all_are(answers: Sequence[Held], wanted: Held) -> bool:
    """Return whether all answers are the wanted one."""
    return all(one == wanted for one in answers)


def _of(answers: Sequence[Held], yes: str, no: str) -> str:
    """Say which sign it is; numbers that differ, or whose intervals hold the threshold, have no clear one."""
    return yes if all_are(answers, "yes") else no if all_are(answers, "no") else "no clear"
