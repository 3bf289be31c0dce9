"""The language of figures: every text is a template that passes through `say`, and the Chinese of a figure is a table.

A text in a figure is English, `say("rate {rate:g}", rate=rate)`. Its Chinese stands in a file `chinese.toml` beside
the figures of its study, with the template as the key: `"rate {rate:g}" = "学习率 {rate:g}"`. A figure without such a
file is drawn in English. A file has a table for each figure. The table `names` is for words that tables of numbers
hold, such as the name of a restriction: there a slot, as in `"style {name}"`, stands for any text.
"""

import functools
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from sim.config.discovery import packages
from sim.numerics import SpecificationError

LANGUAGES = ("en", "zh")
"""English and Chinese, by ISO 639."""

FILE = "chinese.toml"
NAMES = "names"
"""The table of a file whose keys are patterns of names."""

_language: ContextVar[str] = ContextVar("language", default="en")


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Write figures in a language within this context. Raises SpecificationError for an unknown one."""
    if language not in LANGUAGES:
        raise SpecificationError(f"language: one of {', '.join(LANGUAGES)} is required, found {language!r}")
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


def language() -> str:
    """Return the language in which figures are written."""
    return _language.get()


def say(words: str, /, **values: object) -> str:
    """Return a text in the language of the figure: the template, filled with values.

    Values that are texts, such as names out of tables, are said in that language too. A template that has no
    translation stays English. Without values it is not a template, and braces in it are braces.
    """
    if language() == "en":
        return words.format(**values) if values else words
    template = catalogue().get(words)
    if template is None:
        return words.format(**_said(values)) if values else _named(words)
    return template.format(**_said(values)) if values else template


@functools.cache
def catalogue() -> Mapping[str, str]:
    """Return the Chinese of all templates of this project and of installed packages. Names are in `patterns`."""
    found: dict[str, str] = {}
    for file in files():
        for title, table in tables(file).items():
            if title != NAMES:
                found |= table
    return found


@functools.cache
def patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return the Chinese of names: an expression that a whole name matches, and the template for its slots."""
    found = [item for file in files() for item in tables(file).get(NAMES, {}).items()]
    return tuple((_expression(key), chinese) for key, chinese in found)


def files() -> list[Path]:
    """Return the files with Chinese texts, of this project first."""
    folders = [Path(__file__).parent, *(package.folder / "figures" for package in packages())]
    return [file for folder in folders for file in sorted(folder.rglob(FILE))]


def tables(file: Path) -> dict[str, dict[str, str]]:
    """Return the tables of one file. Raises SpecificationError if it is not TOML with tables of texts."""
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as problem:
        raise SpecificationError(f"{file}: TOML is required, found {problem}") from problem
    for title, table in found.items():
        if not isinstance(table, dict) or not all(isinstance(text, str) for text in table.values()):
            raise SpecificationError(f"{file}: a table of texts is required, found {title} = {table!r}")
    return found


def _said(values: Mapping[str, object]) -> dict[str, object]:
    return {name: say(value) if isinstance(value, str) else value for name, value in values.items()}


def _named(words: str) -> str:
    """Return a name in Chinese. Slots of its pattern are said in Chinese as well."""
    for expression, chinese in patterns():
        if match := expression.fullmatch(words):
            return chinese.format(**_said(match.groupdict()))
    return words


def _expression(key: str) -> re.Pattern[str]:
    """Return the expression of a pattern. A slot matches as little as possible, and at least one character."""
    parts = re.split(r"\{(\w+)\}", key)
    return re.compile("".join(f"(?P<{part}>.+?)" if at % 2 else re.escape(part) for at, part in enumerate(parts)))
