"""Leave out what an experiment sets for one choice of a group if another choice was made that does not take it."""

import functools
from collections.abc import Collection, Mapping
from typing import Any

import yaml

from sim.config.discovery import GROUPS, conf_folders
from sim.config.groups import resolve
from sim.config.signatures import configurable


def fitting(config: Mapping[str, Any], choices: Mapping[str, Any], written: Collection[str]) -> dict[str, Any]:
    """Return a configuration without the arguments that its experiment sets for another choice.

    `experiment=demo_file` sets `restriction.pattern` for its own choice `regular`. With `restriction=top_mass`, which
    takes no pattern, this value is left out. choices: the option of every group, and of `experiment`; written: the
    dotted keys that the user wrote, which are never left out.
    """
    own = _content(f"experiment/{choices.get('experiment')}")
    meant = _options(_content("config")) | _options(own)
    found = dict(config)
    for group in GROUPS:
        node, values = config.get(group), own.get(group)
        chosen = choices.get(group)
        if not isinstance(node, Mapping) or not isinstance(values, Mapping) or chosen == meant.get(group):
            continue
        known = configurable(resolve(group, node["kind"], group)) if isinstance(node.get("kind"), str) else node
        left_out = {key for key in values if key not in known and key != "kind" and f"{group}.{key}" not in written}
        found[group] = {key: value for key, value in node.items() if key not in left_out}
    return found


def _options(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of groups that a file of conf/ chooses."""
    listed = [one for one in content.get("defaults") or [] if isinstance(one, Mapping)]
    return {str(key).removeprefix("override /"): value for one in listed for key, value in one.items()}


def _content(name: str) -> dict[str, Any]:
    """Return the content of a file of conf/; {} if there is none."""
    files = [folder / f"{name}.yaml" for folder in conf_folders()]
    file = next((one for one in files if one.is_file()), None)
    return {} if file is None else _parsed(file.read_text(encoding="utf-8"))


@functools.lru_cache(maxsize=16)
def _parsed(text: str) -> dict[str, Any]:
    """Return a YAML mapping; {} if the text is none. It is shared, because a multirun asks for it once for each run."""
    content = yaml.safe_load(text)
    return content if isinstance(content, dict) else {}
