"""Compose the configuration of a run from the files in conf/, as Hydra does, but without Hydra.

Only the features that the files use are supported: `defaults` with `group: option`, `group@place: option` and
`override /group: option`; `# @package _global_`; interpolations. Installed packages add options in their own folders.
"""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from omegaconf import DictConfig, OmegaConf

from sim.config.fitting import fitting
from sim.config.options import file_of

Node: TypeAlias = Any
"""A `DictConfig` of Omegaconf. It is Any because the run-time checks of types refuse the base classes of DictConfig."""

GLOBAL = "# @package _global_"
"""First line of a file with keys of the whole configuration, not of its group."""


def composed(options: Mapping[str, str], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration with some options of groups, such as {"grammar": "dyck"}, and some changed values.

    A value that is a mapping changes only the keys that it names. A mapping with a `kind` replaces the whole node.
    Raises SpecificationError for an option that does not exist.
    """
    main = _load(_file("config", ""))
    chosen = _defaults(main)
    if options.get("experiment") is not None:
        own = _load(_file(str(options["experiment"]), "experiment"))
        chosen |= {group: option for group, option in _overrides(own).items() if group in chosen}
    chosen |= options
    config: Any = _without(main)
    for place, option in chosen.items():
        if option is not None:
            group, _, package = place.partition("@")
            file = _file(option, group)
            whole = file.read_text(encoding="utf-8").startswith(GLOBAL)
            node = _without(_load(file))
            config = OmegaConf.merge(config, node if whole else _nested(package or group, node))
    written = {f"{group}.{key}" for group, node in changes.items() if isinstance(node, Mapping) for key in node}
    return fitting(_finished(config, changes), {**chosen, "experiment": options.get("experiment")}, written)


def changed(config: Mapping[str, Any], options: Mapping[str, str], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with other options of groups and with changed values, as in `composed`."""
    made = OmegaConf.create(dict(config))
    for group, option in options.items():
        made[group] = _without(_load(_file(option, group)))
    return _finished(made, changes)


def _file(name: str, group: str) -> Path:
    return file_of(name, group, group or "config")


def _load(file: Path) -> Node:
    return _parsed(file, file.read_bytes())


@functools.lru_cache(maxsize=256)
def _parsed(file: Path, content: bytes) -> Node:
    """Return what a file says, which nobody changes. `content` is in it, so that an edited file is read again."""
    loaded = OmegaConf.load(file)
    assert isinstance(loaded, DictConfig), file
    return loaded


def _without(config: Node) -> Node:
    """Return the configuration without the keys that only say how it is composed."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key not in ("defaults", "hydra")])


def _entries(config: Node) -> dict[str, Any]:
    listed: Any = OmegaConf.to_container(config)
    entries = [entry for entry in listed.get("defaults", []) if isinstance(entry, dict)]
    return {str(key): value for entry in entries for key, value in entry.items()}


def _defaults(config: Node) -> dict[str, Any]:
    """Return the option of every group, by group or group@place, in the order in which they are merged."""
    return {key: value for key, value in _entries(config).items() if not key.startswith("override ")}


def _overrides(config: Node) -> dict[str, Any]:
    return {
        key.removeprefix("override /"): value for key, value in _entries(config).items() if key.startswith("override /")
    }


def _nested(place: str, node: Node) -> Node:
    for part in reversed(place.split(".")):
        node = OmegaConf.create({part: node})
    return node


def _finished(config: Node, changes: Mapping[str, Any]) -> dict[str, Any]:
    _change(config, changes)
    found = OmegaConf.to_container(config, resolve=True)
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}


def _change(config: Node, changes: Mapping[str, Any]) -> None:
    """Put changed values into a configuration. A mapping without a `kind` changes only the keys that it names."""
    for key, value in changes.items():
        if isinstance(value, Mapping) and "kind" not in value and isinstance(config.get(key), DictConfig):
            _change(config[key], value)
        else:
            config[key] = value
