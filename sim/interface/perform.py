"""From the arguments of the Python interface to a finished run, as the commands do it."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeAlias

from sim.config import GROUPS, given
from sim.disk.records import Record
from sim.interface.compose import changed
from sim.numerics import SpecificationError, nearest
from sim.running import environment
from sim.running.identity import recorded_config

Choice: TypeAlias = str | Path | Mapping[str, Any] | object | None
"""One of: the name of an option in conf/<group>/; a mapping that changes the default option, or replaces it if it has
a `kind`; a Path of a grammar file; an object; None for the default option."""


def again(record: Record, changes: Mapping[str, Any], progress: bool = True) -> tuple[Record, Path]:
    """Do a run with the pretraining of another. Raises SpecificationError for changes that need a new pretraining."""
    known = ("restriction", "objective", "optimizer", "finetune", "stages", "relearn", "name", "outputs")
    for key in changes:
        if key not in known:
            raise SpecificationError(
                f"finetune: one of {', '.join(known)} is required, found {key!r}{nearest(key, known)}; "
                "use sim.simulate for what needs another pretraining"
            )
    options, rest = split(changes)
    before = recorded_config(record)
    config = changed(record.config, options, rest)
    return performed(config | {"grammar": before["grammar"]}, progress, like=before)


def split(choices: Mapping[str, Choice]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the options of groups by name, and the other arguments as nodes of a configuration. None is left out."""
    there = {key: value for key, value in choices.items() if value is not None}
    options = {key: value for key, value in there.items() if key in GROUPS and isinstance(value, str)}
    changes = {key: node(value) if key in GROUPS else value for key, value in there.items() if key not in options}
    if "stages" in changes:
        changes["stages"] = [stage(entry) for entry in listed(changes["stages"])]
    return options, changes


def listed(value: Any) -> Sequence[Any]:
    """Return a list of later stages. It raises SpecificationError for anything else, such as a single mapping."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return value
    raise SpecificationError(f"stages: a list of mappings is required, found {value!r:.60}; write [...] around it")


def stage(entry: Any) -> Any:
    """Return an entry of `stages` in which objects are nodes. The names of options stay as they are."""
    if not isinstance(entry, Mapping):
        return entry
    return {key: node(value) if key in GROUPS and not isinstance(value, str) else value for key, value in entry.items()}


def node(value: Choice) -> Any:
    """Return the node of a configuration that stands for an argument."""
    if isinstance(value, Path):
        return {"kind": "file", "path": str(value)}
    return dict(value) if isinstance(value, Mapping) else given.node_of(value)


def performed(config: Mapping[str, Any], progress: bool, like: Mapping[str, Any] | None = None) -> tuple[Record, Path]:
    """Do the run of a configuration, or read it if it is finished. Return its record and folder.

    It must share the pretraining of the configuration `like`, if that is given.
    """
    environment.prepare(str(config.get("outputs")))  # jax reads it when it is first imported, just below
    from sim.running.announced import check_claim
    from sim.running.build import settings
    from sim.running.identity import pretraining_key, target
    from sim.running.single import bring
    from sim.running.unlisted.asked import is_unlisted
    from sim.show.progress import Progress

    chosen = settings(config)
    check_claim(chosen["claim"])
    if is_unlisted(chosen):
        raise SpecificationError(
            f"grammar: a grammar whose strings are listed is required from Python, found {chosen['grammar']['kind']}; "
            "use python -m sim.run, and python -m experiments unlisted for its numbers"
        )
    if like is not None and pretraining_key(chosen) != pretraining_key(like):
        raise SpecificationError(
            "finetune: changes that do not change P are required, found a restriction that adds strings to P; "
            "use sim.simulate, which does its own pretraining"
        )
    with Progress(chosen["finetune"].get("siblings", 0)) if progress else nullcontext() as shown:
        _, record = bring(chosen, shown.update if shown else lambda *_: None)
    assert isinstance(record, Record), "its strings are listed"
    return record, target(chosen)
