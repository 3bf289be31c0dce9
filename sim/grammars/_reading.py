"""Read grammar files in YAML or JSON: scalars stay text as written, keys are checked, and probabilities are exact."""

import json
import stat
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError, nearest
from sim.places import reason

COMMON_KEYS = ("type", "name", "eos", "separator", "normalise")
"""Keys that every type of file may have. Only `type` is required."""

MOST_BYTES = 64 * 2**20
"""Largest size of a grammar file [bytes]."""

DEEPEST = 20  # nested lists and mappings


def problem(place: str, requirement: str, found: Any, fix: str) -> SpecificationError:
    """Return the one-line error for bad input: place, requirement, value found, fix."""
    shown = found if isinstance(found, str) else repr(found)
    line = f"{place}: {requirement}, found {shown if len(shown) <= 80 else shown[:77] + '...'}; {fix}"
    return SpecificationError(" ".join(line.splitlines()))


def structured(path: str, text: str) -> dict[str, Any]:
    """The mapping in the text of a YAML file, or of a JSON file (its name ends in .json). Every scalar is text.

    Raises `SpecificationError` if the text is empty, not YAML or JSON, not a mapping, nested too deep, or gives a key
    twice.
    """
    try:
        data = _json(path, text) if path.lower().endswith(".json") else _yaml(path, text)
    except RecursionError:
        raise problem(path, "lists and mappings nested a few deep are required", "too many", "flatten it") from None
    if data is None:
        raise problem(path, "a grammar is required", "an empty file", "see examples/grammars")
    if not isinstance(data, dict):
        kind = "a list" if isinstance(data, list) else "a text"  # not the text itself: it may be a file with secrets
        raise problem(path, "keys with values are required, such as type:", kind, "see examples/grammars")
    return data


def content(path: str) -> str:
    """Return the text of a grammar file with its line ends. Raises SpecificationError if it cannot be read."""
    if not path:
        raise problem("''", "a grammar file is required", "no path", "give the path of a grammar file")
    file = Path(path)
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device or a pipe"
            raise problem(path, "a plain file is required", kind, "give the path of a grammar file")
        if status.st_size > MOST_BYTES:
            size = f"{status.st_size / 2**20:.0f} MiB"
            raise problem(path, f"at most {MOST_BYTES >> 20} MiB are required", size, "write a smaller grammar")
        return file.read_bytes().decode("utf-8")
    except SpecificationError:
        raise
    except FileNotFoundError:
        siblings = [p.name for p in file.parent.iterdir()] if file.parent.is_dir() else []
        fix = f"paths are relative to the current directory{nearest(file.name, siblings)}"
        raise problem(path, "a grammar file is required", "no such file", fix) from None
    except UnicodeDecodeError as error:
        raise problem(path, "UTF-8 text is required", f"byte {error.start} that is not", "save it as UTF-8") from None
    except (OSError, ValueError) as error:
        raise problem(path, "a readable file is required", reason(error), "give the path of a grammar file") from None


class _Problem(yaml.MarkedYAMLError):
    """Something that YAML allows but a grammar file does not, or an alias without its anchor."""


class _Loader(getattr(yaml, "CBaseLoader", yaml.BaseLoader)):  # type: ignore[misc]
    """The fast parser of libyaml if there is one. Only its events are used."""


def _yaml(path: str, text: str) -> Any:
    try:
        return _built(text)
    except yaml.YAMLError as error:
        mark, what = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        place = path if mark is None else f"{path}: line {mark.line + 1}, column {mark.column + 1}"
        if isinstance(error, _Problem):
            raise problem(place, "plain keys, each once, are required", what, "remove or rename it") from None
        raise problem(place, "one YAML document is required", f"a mistake ({what or error})", "correct it") from None


def _built(text: str) -> Any:
    """The one document of a YAML text. Every scalar is text, so that `no` and `1` are symbols and 0.1 is exact.

    It is made from the events of the parser, which is much faster than PyYAML's constructor. Raises RecursionError if
    lists and mappings are nested too deep.
    """
    anchors: dict[str, Any] = {}
    inside: list[tuple[Any, str | None]] = []  # the open lists and mappings, each with its anchor
    keys: list[str | None] = []  # of each open mapping: the key that waits for its value
    whole: list[Any] = []  # the documents
    parser = _Loader(text)
    while (kind := type(event := parser.get_event())) is not yaml.StreamEndEvent:
        anchor = getattr(event, "anchor", None)
        if kind is yaml.ScalarEvent:
            value: Any = event.value
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            if inside and isinstance(inside[-1][0], dict) and keys[-1] is None:
                raise _Problem(problem="a key that is not plain text", problem_mark=event.start_mark)
            inside.append(({} if kind is yaml.MappingStartEvent else [], anchor))
            keys.append(None)
            if len(inside) > DEEPEST:
                raise RecursionError
            continue
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            value, anchor = inside.pop()
            keys.pop()
        elif kind is yaml.AliasEvent:
            if anchor not in anchors:
                raise yaml.MarkedYAMLError(problem=f"no anchor {anchor!r}", problem_mark=event.start_mark)
            value, anchor = anchors[anchor], None
        else:
            if kind is yaml.DocumentStartEvent and whole:
                raise yaml.MarkedYAMLError(problem="a second document", problem_mark=event.start_mark)
            continue
        if anchor is not None:
            anchors[anchor] = value
        if not inside:
            whole.append(value)
        elif isinstance(inside[-1][0], list):
            inside[-1][0].append(value)
        elif keys[-1] is not None:
            inside[-1][0][keys[-1]] = value
            keys[-1] = None
        elif not isinstance(value, str):
            raise _Problem(problem="a key that is not plain text", problem_mark=event.start_mark)
        elif value in inside[-1][0]:
            raise _Problem(problem=f"key {value!r} a second time", problem_mark=event.start_mark)
        else:
            keys[-1] = value
    return whole[0] if whole else None


def _json(path: str, text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key, value in pairs:
            if key in mapping:
                raise problem(path, "each key once is required", f"key {key!r} a second time", "remove one of them")
            mapping[key] = value
        return mapping

    if not text.strip():
        return None
    try:
        return json.loads(text, parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        place = f"{path}: line {error.lineno}, column {error.colno}"
        raise problem(place, "JSON is required", error.msg.lower(), "correct the JSON there") from None


def check_keys(place: str, data: Mapping[str, Any], required: Iterable[str], optional: Iterable[str] = ()) -> None:
    """Refuse a missing key, and an unknown one with the nearest name."""
    required = tuple(required)
    known = (*required, *optional)
    for key in data:
        if key not in known:
            fix = f"remove it{nearest(key, known)}"
            raise problem(place, f"the keys are {', '.join(known)}", f"unknown key {key!r}", fix)
    for key in required:
        if key not in data:
            raise problem(place, f"the key {key!r} is required", f"only {', '.join(data) or 'nothing'}", f"add {key}:")


def mapping(place: str, value: Any) -> dict[str, Any]:
    """The value, if it is a mapping with at least one entry; otherwise an error."""
    if not isinstance(value, dict) or not value:
        raise problem(place, "a mapping with at least one entry is required", value, "write {key: probability}")
    return value


def names(place: str, value: Any) -> list[str]:
    """The value, if it is a list of different non-empty texts; otherwise an error."""
    if not isinstance(value, list) or not value:
        raise problem(place, "a list with at least one entry is required", value, "write [a, b]")
    seen: set[str] = set()
    for entry in value:
        if not isinstance(entry, str) or entry == "":
            raise problem(place, "non-empty texts are required", repr(entry), "write [a, b]")
        if entry in seen:
            raise problem(place, "each entry once is required", f"{entry!r} twice", "remove one of them")
        seen.add(entry)
    return value


def known(place: str, value: Any, valid: Iterable[str], what: str, fix: str = "correct it") -> str:
    """The value, if it is one of the `valid` names; otherwise an error with the nearest name.

    Give a set or a mapping if there are many names.
    """
    valid = valid if isinstance(valid, Collection) else list(valid)
    if not isinstance(value, str) or value not in valid:
        hint = nearest(value, valid) if isinstance(value, str) else ""
        raise problem(place, f"{what} is required", repr(value), f"{fix}{hint}")
    return value


def end_name(place: str, data: Mapping[str, Any]) -> str:
    """The name of the end of a string: `eos`, or <eos> by default."""
    eos = data.get("eos", "<eos>")
    if not isinstance(eos, str) or eos == "":
        raise problem(f"{place}: eos", "a non-empty text is required", repr(eos), "write eos: <eos>")
    return eos


def separator(place: str, data: Mapping[str, Any]) -> str | None:
    """The text between the symbols of a written string; None if the file does not give it."""
    value = data.get("separator")
    if "separator" in data and not isinstance(value, str):
        raise problem(f"{place}: separator", "a text is required", repr(value), "quote it, as in separator: ' '")
    if "name" in data and not isinstance(data["name"], str):
        raise problem(f"{place}: name", "a text is required", repr(data["name"]), "quote it")
    return value


def vocabulary(path: str, place: str, data: Mapping[str, Any], terminals: list[str]) -> Vocabulary:
    """The vocabulary: EOS and then the terminals, in their order.

    Strings are written with `separator` between symbols. By default nothing stands between them if all symbols are
    single characters, and otherwise a space. Without terminals, the empty string is the only string. It is an error if
    a terminal has the name of the end of a string or contains the separator.
    """
    eos, between = end_name(path, data), separator(path, data)
    for symbol in terminals:
        if symbol == eos:
            fix = "leave it out, or rename the symbol or eos: the end of a string is not one of its symbols"
            raise problem(place, "no symbol may be named like the reserved end of string", repr(symbol), fix)
        if between and between in symbol:
            raise problem(place, f"no symbol may hold the separator {between!r}", repr(symbol), "rename one of them")
    joiner = between if between is not None else "" if all(len(s) == 1 for s in terminals) else " "
    return Vocabulary((eos, *terminals), joiner=joiner)
