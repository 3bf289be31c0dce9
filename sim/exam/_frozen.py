"""Frozen worlds: YAML files of worlds that never change under their names, each with the hash that it had."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sim.numerics import SpecificationError


@functools.cache
def files(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Return the contents of the files of a folder, by their names without an ending."""
    return {place.stem: yaml.safe_load(place.read_text(encoding="utf-8")) for place in sorted(folder.glob("*.yaml"))}


@functools.cache
def worlds(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Return the entries of all frozen worlds by name, such as `english_small@1`: hash, grammar and restriction."""
    found: dict[str, Mapping[str, Any]] = {}
    for stem, held in files(folder).items():
        found |= {f"{stem}_{name}": entry for name, entry in held["worlds"].items()}
    return found


def check_unchanged(name: str, wanted: str, found: str, parts: str) -> None:
    """Raise SpecificationError unless the program builds the world of the hash under which its name was frozen."""
    if found != wanted:
        raise SpecificationError(
            f"{name}: the world with the hash {wanted[:12]} is required, found {found[:12]}: {parts} has changed; use "
            "the version of the program with which the world was frozen"
        )
