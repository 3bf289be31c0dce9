"""The options of the groups: the files conf/<group>/<name>.yaml of this project and of installed packages."""

from pathlib import Path
from typing import Any

import yaml

from sim.config.discovery import conf_folders
from sim.numerics import SpecificationError, nearest


def options_of(group: str) -> dict[str, Path]:
    """Return the files of the options of a group by name."""
    found: dict[str, Path] = {}
    for folder in conf_folders():
        for file in sorted((folder / group).glob("*.yaml")):
            found.setdefault(file.stem, file)
    return found


def file_of(name: str, group: str, place: str) -> Path:
    """Return the file of an option. It raises SpecificationError, which names `place`, if there is no such option."""
    found = options_of(group)
    if name not in found:
        names = ", ".join(found)
        raise SpecificationError(f"{place}: one of {names} is required, found {name!r}{nearest(name, list(found))}")
    return found[name]


def option(name: str, group: str, place: str) -> dict[str, Any]:
    """Return the node that an option of a group stands for. It raises what `file_of` raises."""
    content = yaml.safe_load(file_of(name, group, place).read_text(encoding="utf-8"))
    return dict(content)
