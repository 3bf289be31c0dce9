"""Grammar files of PhysicsLM4: the JSON of its synthetic context-free grammars, such as cfg3b."""

from fractions import Fraction
from typing import Any

from sim.grammars._reading import problem, structured

KEYS = ("idx", "all")
"""The keys that tell this form from other JSON files. Both are lists of levels, from the root to the terminals."""

UNKNOWN = ("ptb", "add_len_one")
"""Switches with a meaning that is not known here. They must be off."""


def physicslm4(path: str, text: str) -> dict[str, Any] | None:
    """The rules of the file, as the mapping of a grammar file of type `pcfg`; None for another JSON file.

    `all` lists the symbols of every level, each with `id`, `name` and `children`: its right-hand sides, as positions in
    the next level. They are equally likely. The symbols of the last level are the terminals; they have no children, and
    a string is written with their numbers `id`. Other keys of the file describe how it was drawn; `name` is
    kept. Source: Allen-Zhu & Li 2023, "Physics of Language Models: Part 1, Learning Hierarchical Language Structures".
    """
    data = structured(path, text)
    if "type" in data or not all(key in data for key in KEYS):
        return None
    for key in UNKNOWN:
        if data.get(key) not in (None, False):
            fix = "only grammars without it can be read"
            raise problem(f"{path}: {key}", "null or false is required", repr(data[key]), fix)
    levels = _levels(f"{path}: all", data["all"])
    last = len(levels) - 1
    names = [_names(f"{path}: all[{n}]", level, "id" if n == last else "name") for n, level in enumerate(levels)]
    _once(path, [name for level in names for name in level])
    rules = [
        {"lhs": name, "rhs": rhs, "p": p}
        for n, level in enumerate(levels[:-1])
        for name, entry in zip(names[n], level, strict=True)
        for rhs, p in _sides(f"{path}: all[{n}]: {name}", entry, names[n + 1])
    ]
    named = {"name": data["name"]} if "name" in data else {}
    return {"type": "pcfg", **named, "start": names[0][0], "terminals": names[-1], "rules": rules}


def _levels(place: str, value: Any) -> list[list[Any]]:
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(level, list) and level for level in value):
        raise problem(place, "a list of at least two levels of symbols is required", value, "correct the file")
    if len(value[0]) != 1:
        raise problem(
            f"{place}[0]", "one symbol, the root, is required", f"{len(value[0])} of them", "correct the file"
        )
    return value


def _names(place: str, level: list[Any], key: str) -> list[str]:
    found = []
    for position, entry in enumerate(level):
        name = entry.get(key) if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name:
            requirement = f"a symbol with a {key} is required"
            raise problem(f"{place}[{position}]", requirement, repr(entry), "correct the file")
        found.append(name)
    return found


def _once(path: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise problem(path, "different names of all symbols are required", f"{name!r} twice", "rename one of them")
        seen.add(name)


def _sides(place: str, entry: dict[str, Any], following: list[str]) -> list[tuple[list[str], str]]:
    """The right-hand sides of a symbol, with the probability of each."""
    sides = entry.get("children")
    if not isinstance(sides, list) or not sides:
        raise problem(place, "children, a list of right-hand sides, is required", repr(sides), "correct the file")
    position = {str(n): name for n, name in enumerate(following)}
    for side in sides:
        if not isinstance(side, list) or not all(isinstance(at, str) and at in position for at in side):
            requirement = f"lists of positions from 0 to {len(following) - 1} are required"
            raise problem(place, requirement, repr(side), "correct the file")
    return [([position[at] for at in side], str(Fraction(1, len(sides)))) for side in sides]
