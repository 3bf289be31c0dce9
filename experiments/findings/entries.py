"""The statements of the literature, read from `statements.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from experiments.findings.numbers import Source
from sim.numerics import SpecificationError

FILE = Path(__file__).with_name("statements.toml")

Functional: TypeAlias = Literal["same", "sign", "none"]
"""What is compared: the quantity of the paper, only its sign in another quantity, or nothing."""

Read: TypeAlias = Literal["text", "abstract", "no"]
"""How much of a paper could be read here. The beginning of its text counts as its abstract."""


@dataclass(frozen=True)
class Statement:
    """A statement of the literature, in our words.

    key: its name; part: the heading below which it stands; title: one line; papers: keys of references.bib; read,
    where: how much of the paper could be read, and what; said: the statement; measured: the quantity there; functional:
    what can be compared; asked: the counterpart here; numbers: ours, of which some decide; because: the reason for the
    verdict, or what decides it; limits: what cannot be said; awaits: what has to be run while numbers are missing;
    commands: how to get the numbers.
    """

    key: str
    part: str
    title: str
    papers: tuple[str, ...]
    read: Read
    where: str
    said: str
    measured: str
    functional: Functional
    asked: str
    because: str
    limits: str
    commands: tuple[str, ...]
    numbers: tuple[Source, ...] = ()
    awaits: str = ""


def statements(file: Path = FILE) -> list[Statement]:
    """Return all statements, in the order of the file.

    Raises SpecificationError, with the statement, for a field that is unknown, missing or has a wrong value.
    """
    return [_statement(one, f"{file.name}, statement {number}") for number, one in enumerate(_entries(file), 1)]


def _entries(file: Path) -> list[dict[str, Any]]:
    return list(tomllib.loads(file.read_text(encoding="utf-8"))["statement"])


def _statement(entry: Mapping[str, Any], place: str) -> Statement:
    fields = dict(entry)
    for name, allowed in (("functional", get_args(Functional)), ("read", get_args(Read))):
        if fields.get(name) not in allowed:
            raise SpecificationError(
                f"{place}: {name}: one of {', '.join(allowed)} is required, found {fields.get(name)!r}"
            )
    for name in ("papers", "commands"):
        fields[name] = tuple(fields.get(name, ()))
    try:
        fields["numbers"] = tuple(Source(**one) for one in fields.pop("number", ()))
        return Statement(**fields)
    except TypeError as problem:
        raise SpecificationError(f"{place}: the fields of a statement are required, found: {problem}") from problem
