"""The leaves of nested configurations by dotted name, and the leaves that vary between configurations."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Leaf: TypeAlias = bool | int | float | str | None


def leaves(config: Mapping[str, Any], place: str = "") -> dict[str, Leaf]:
    """Return every leaf by its dotted name, such as "optimizer.learning_rate". A list is one leaf, written as JSON."""
    found: dict[str, Leaf] = {}
    for key, value in config.items():
        name = f"{place}.{key}" if place else str(key)
        if isinstance(value, Mapping) and value:
            found |= leaves(value, name)
        else:
            found[name] = value if isinstance(value, Leaf) else json.dumps(value, sort_keys=True)
    return found


def varying(configs: Sequence[Mapping[str, Any]], without: Sequence[str] = ()) -> dict[str, list[Leaf]]:
    """Return the leaves that are not the same in all configurations: name -> one value per configuration.

    They are sorted by name. The value is None if a configuration has no such leaf or has null there. A leaf that is
    null or missing everywhere does not vary. If the values of a leaf have different types, all of them are written as
    JSON; int and float count as one type. Keys in `without` are left out, with all leaves below them.
    """
    flat = [leaves({key: value for key, value in config.items() if key not in without}) for config in configs]
    names = sorted({name for one in flat for name in one})
    columns = {name: [one.get(name) for one in flat] for name in names}
    return {name: _alike(values) for name, values in columns.items() if len({_text(value) for value in values}) > 1}


def _alike(values: Sequence[Leaf]) -> list[Leaf]:
    """Return the values in a form that one typed column can hold."""
    kinds = {_kind(value) for value in values if value is not None}
    if len(kinds) > 1:
        return [None if value is None else _text(value) for value in values]
    fractional = any(isinstance(value, float) for value in values)
    return [float(value) if fractional and value is not None else value for value in values]


def _kind(value: Leaf) -> type:
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


def _text(value: Leaf) -> str:
    return json.dumps(value)
