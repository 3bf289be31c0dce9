"""A description as sections of entries. Both the text and the JSON are made from it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sim.quantity import Quantity

Value: TypeAlias = Quantity | bool | int | float | str | Sequence[Any] | dict[str, Any] | None
"""The value of an entry: a certified number, a count, a text, or a table."""

LARGEST_EXACT = 2**53
"""Larger integers are written as text in JSON, because readers would round them."""


@dataclass(frozen=True)
class Entry:
    """One known fact. `unit` is the unit of a Quantity; `note` says how the value is known, or why it is not exact."""

    key: str
    label: str
    value: Value
    unit: str = ""
    note: str = ""


@dataclass
class Section:
    """Entries under a title. `key` is the key of the section in the JSON."""

    key: str
    title: str
    entries: list[Entry] = field(default_factory=list)

    def add(self, key: str, label: str, value: Value, unit: str = "", note: str = "") -> None:
        """Append an entry."""
        self.entries.append(Entry(key, label, value, unit, note))


def plain(value: Any) -> Any:
    """Return a value that JSON can hold: infinity as "inf", integers beyond 2^53 as text, Quantities as objects."""
    if isinstance(value, Quantity):
        ends = {"value": value.value, "lower": value.lower, "upper": value.upper}
        return {name: plain(end) for name, end in ends.items()} | {"exactness": "exact" if value.exact else "bounded"}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) <= LARGEST_EXACT else str(value)
    if isinstance(value, float):
        return float(value) + 0.0 if math.isfinite(value) else ("inf" if value > 0 else "-inf")
    return value


def as_json(sections: Sequence[Section]) -> dict[str, Any]:
    """Return {section: {entry: value}}. A Quantity also states its unit and whether it is exact."""
    out: dict[str, Any] = {}
    for section in sections:
        out[section.key] = {}
        for entry in section.entries:
            value = plain(entry.value)
            if isinstance(entry.value, Quantity):
                value["unit"] = entry.unit
            if entry.note and isinstance(value, dict):
                value["note"] = entry.note
            out[section.key][entry.key] = value
    return out
