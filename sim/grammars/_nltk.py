"""Grammar files of nltk: the text of a probabilistic context-free grammar (names that end in .pcfg)."""

import re
import warnings
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from sim.grammars._reading import problem

OTHER = re.compile(r"^type\s*:", re.MULTILINE)
"""A line of a YAML file."""

ARROW = re.compile(r"\s*->\s*")
NAME = re.compile(r"(?:(?!->)[^\s'\"\[\]|#])+")
"""A non-terminal. nltk allows letters, digits and _ / ^ < > -; here most other characters are allowed too."""

PART = re.compile(
    rf"\s*(?:'(?P<one>[^']*)'|\"(?P<two>[^\"]*)\"|\[(?P<p>[^\]]*)\]|(?P<bar>\|)|(?P<name>{NAME.pattern}))"
)
COMMENT = re.compile(r"(?:'[^']*'|\"[^\"]*\"|[^#'\"]|['\"](?![^'\"]*['\"]))*")
"""The part of a line before a # that is not quoted."""


class Symbol(NamedTuple):
    """A symbol of a right-hand side: a quoted terminal, or a non-terminal."""

    name: str
    quoted: bool


class Alternative(NamedTuple):
    """One production: its left-hand side, its right-hand side, the number that is written, and its line."""

    lhs: str
    rhs: tuple[Symbol, ...]
    p: str | None
    line: int


def nltk(path: str, text: str) -> dict[str, Any] | None:
    """The productions of the text, as the mapping of a grammar file of type `pcfg`.

    A production is `S -> NP VP [0.9] | 'a' [0.1]`. Terminals are quoted; an empty alternative is the empty string; `#`
    begins a comment; a backslash at the end continues a line. The start symbol is that of `%start S`, or else the first
    left-hand side. Numbers are read as the exact rationals that are written. If no alternative of a left-hand side has
    a number, they are equally likely, with a warning; numbers for some only are refused. A non-terminal that is named
    like a terminal gets angle brackets around its name. Text with a line `type:` is no nltk text (None).
    Source: Bird, Klein & Loper 2009, "Natural Language Processing with Python", section 8.6.
    """
    if OTHER.search(text):
        return None
    start, found = _statements(path, text)
    if not found:
        raise problem(path, "a grammar is required", "no production", "write S -> NP VP [0.9] | 'a' [0.1]")
    heads = dict.fromkeys(one.lhs for one in found)
    terminals = {symbol.name for one in found for symbol in one.rhs if symbol.quoted}
    for one in found:
        for symbol in one.rhs:
            if not symbol.quoted and symbol.name not in heads:
                fix = "add one, or put quotes around it if it is a terminal"
                requirement = "productions for every non-terminal are required"
                raise problem(f"{path}: line {one.line}", requirement, f"none for {symbol.name!r}", fix)
    if start is not None and start[0] not in heads:
        requirement = "a start symbol with productions is required"
        raise problem(f"{path}: line {start[1]}", requirement, repr(start[0]), "correct it")
    called = _names(heads, terminals)
    numbers = _numbers(path, heads, found)
    rules = [
        {"lhs": called[one.lhs], "rhs": [s.name if s.quoted else called[s.name] for s in one.rhs], "p": p}
        for one, p in zip(found, numbers, strict=True)
    ]
    return {"type": "pcfg", "start": called[next(iter(heads)) if start is None else start[0]], "rules": rules}


def _statements(path: str, text: str) -> tuple[tuple[str, int] | None, list[Alternative]]:
    """The argument of `%start` with its line, and all productions."""
    start: tuple[str, int] | None = None
    found: list[Alternative] = []
    for number, line in _lines(text):
        place = f"{path}: line {number}"
        if line.startswith("%"):
            words = line.split()
            if words[0] != "%start" or len(words) != 2:
                raise problem(place, "the only directive is %start S", words[0], "remove or correct it")
            start = words[1], number
        else:
            found += _production(place, line, number)
    return start, found


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, with continued lines joined, and their numbers."""
    begun = ""
    for number, line in enumerate(text.split("\n"), start=1):
        kept = COMMENT.match(line)
        line = begun + (kept[0] if kept else "").strip()
        begun = line[:-1].rstrip() + " " if line.endswith("\\") else ""
        if line and not begun:
            yield number, line
    if begun.strip():
        yield number, begun.strip()


def _production(place: str, line: str, number: int) -> Iterator[Alternative]:
    head = NAME.match(line)
    arrow = ARROW.match(line, head.end()) if head else None
    if head is None or arrow is None:
        raise problem(place, "a production is required", "another text", "write S -> NP VP [0.9] | 'a' [0.1]")
    at, rhs, p = arrow.end(), list[Symbol](), None
    while at < len(line.rstrip()):
        part = PART.match(line, at)
        if part is None:
            requirement = "quoted terminals, non-terminals, | and [numbers] are required"
            raise problem(f"{place}, column {at + 1}", requirement, repr(line[at]), "correct it")
        at = part.end()
        if part["bar"]:
            yield Alternative(head[0], tuple(rhs), p, number)
            rhs, p = [], None
        elif p is not None:
            fix = "write | before the next alternative"
            raise problem(place, "one number at the end of an alternative is required", "something after it", fix)
        elif part["p"] is not None:
            p = part["p"].strip()
        elif part["name"] is not None:
            rhs.append(Symbol(part["name"], False))
        else:
            terminal = part["one"] if part["one"] is not None else part["two"]
            if not terminal:
                fix = "leave the alternative empty for the empty string"
                raise problem(place, "a terminal of at least one character is required", "''", fix)
            rhs.append(Symbol(terminal, True))
    yield Alternative(head[0], tuple(rhs), p, number)


def _names(heads: dict[str, None], terminals: set[str]) -> dict[str, str]:
    """Names of the non-terminals that differ from those of all terminals."""
    called: dict[str, str] = {}
    taken = terminals | heads.keys()
    for head in heads:
        name = head
        while name in terminals or (name != head and name in taken):
            name = f"<{name}>"
        taken.add(name)
        called[head] = name
    return called


def _numbers(path: str, heads: dict[str, None], found: list[Alternative]) -> list[str]:
    """The probability of every production: as written, or uniform."""
    numbers = [one.p for one in found]
    alternatives: dict[str, list[int]] = {head: [] for head in heads}
    for n, one in enumerate(found):
        alternatives[one.lhs].append(n)
    uniform = []
    for head, own in alternatives.items():
        missing = [n for n in own if numbers[n] is None]
        if missing and len(missing) < len(own):
            requirement = f"a number for every alternative of {head} is required (or for none)"
            raise problem(f"{path}: line {found[missing[0]].line}", requirement, "an alternative without", "add it")
        for n in missing:
            numbers[n] = str(Fraction(1, len(own)))
        uniform += [head] if missing and len(own) > 1 else []
    if uniform:
        listed = ", ".join(map(repr, uniform[:5])) + (", ..." if len(uniform) > 5 else "")
        said = f"no probabilities for {listed}; its alternatives are taken as equally likely"
        warnings.warn(f"{path}: {said}", stacklevel=2)
    return [number for number in numbers if number is not None]
