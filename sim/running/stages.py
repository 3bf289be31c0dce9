"""Later stages of a run: from the list `stages` in a configuration to stages of a simulation."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sim.config import canonical, canonical_of, described, is_late
from sim.config.casting import shown
from sim.config.options import option
from sim.numerics import SpecificationError
from sim.phases import INHERITED, Meaning, entries, of_later
from sim.running import schema

Result = TypeVar("Result")

PLACE = "stages"
PARTS = ("objective", "optimizer", "restriction")
"""Keys of an entry that hold a node of a group."""


def place_of(number: int) -> str:
    """Return the place of an entry in the configuration. Numbers of stages count from 2."""
    return f"{PLACE}[{number - 2}]"


def canonical_stages(top: Mapping[str, Any]) -> dict[str, Any]:
    """Return a canonical configuration whose later stages are checked and cast. All other parts must be canonical.

    An entry keeps only what differs from the fine-tuning, so that equal runs have equal configurations. Without later
    stages the key is left out, so that runs keep the hashes that they had before there were stages. It raises
    SpecificationError in one line for a wrong entry.
    """
    rest = {key: value for key, value in top.items() if key != PLACE}
    given = {key: rest[key] for key in PARTS} | {key: rest["finetune"][key] for key in INHERITED}
    given["begin"] = "previous"
    found = [_canonical(entry, f"{PLACE}[{index}]", given) for index, entry in enumerate(top[PLACE])]
    return rest | {PLACE: found} if found else rest


def _canonical(entry: Mapping[str, Any], place: str, given: Mapping[str, Any]) -> dict[str, Any]:
    nodes = {key: _node(key, entry[key], f"{place}.{key}", given[key]) for key in PARTS if key in entry}
    whole = canonical_of(schema.stage, {**given, **entry, **nodes}, place)
    whole |= {key: canonical(key, node, f"{place}.{key}") for key, node in nodes.items()}
    if whole["num_evals"] > whole["num_steps"]:
        source = "" if "num_evals" in entry else " from finetune; write num_evals here too"
        raise SpecificationError(
            f"{place}.num_evals: at most num_steps ({whole['num_steps']}) is required, "
            f"found {whole['num_evals']}{source}"
        )
    return {key: value for key, value in whole.items() if value != given[key]}


def _node(group: str, value: Any, place: str, base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the node that a value of an entry stands for. `base` is the node of the fine-tuning."""
    if isinstance(value, str):
        return option(value, group, place)
    if not isinstance(value, Mapping):
        raise SpecificationError(
            f"{place}: the name of an option, or a mapping of names to values, is required, found {shown(value)}"
        )
    return dict(value) if "kind" in value else {**base, **value}


def meanings(chosen: Mapping[str, Any]) -> dict[str, Meaning]:
    """Return the meanings of the later stages of a canonical configuration and of their controls, by name."""
    found: dict[str, Meaning] = {}
    before = "sft"
    for number, (stage, entry) in enumerate(entries(chosen).items(), 2):
        is_own = entry["restriction"] != chosen["restriction"] or is_late("restriction", entry["restriction"])
        data, begun = f"S_{number}" if is_own else "S", before if entry["begin"] == "previous" else None
        both = list(of_later(stage, begun, data, described("objective", entry["objective"])).items())
        found |= dict(both if has_control(chosen) else both[:1])
        before = stage
    return found


def has_control(chosen: Mapping[str, Any]) -> bool:
    """Return whether later stages have an identity control, as the fine-tuning has."""
    return "identity" in chosen["finetune"]["controls"]


def at(place: str, make: Callable[[], Result]) -> Result:
    """Return the result of `make`. A SpecificationError of it names `place`, even if it began with a group alone."""
    try:
        return make()
    except SpecificationError as problem:
        text, group = str(problem).removeprefix(f"{place}: "), place.rpartition(".")[2]
        if re.match(rf"{group}\b", text):
            text = place.removesuffix(group) + text
        raise SpecificationError(text if text.startswith(place) else f"{place}: {text}") from None
