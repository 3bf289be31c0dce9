"""Simulations from Python. Choices are named as in conf/ or given as objects; the commands do the same."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeAlias

from sim.config import GROUPS, given
from sim.disk.records import Record
from sim.interface.compose import changed, composed
from sim.interface.result import Result
from sim.numerics import SpecificationError, nearest
from sim.running import environment

Choice: TypeAlias = str | Path | Mapping[str, Any] | object | None
"""One of: the name of an option in conf/<group>/; a mapping that changes the default option, or replaces it if it has
a `kind`; a Path of a grammar file; an object; None for the default option."""


def simulate(
    grammar: Choice = None,
    restriction: Choice = None,
    model: Choice = None,
    objective: Choice = None,
    optimizer: Choice = None,
    *,
    seed: int = 0,
    pretrain: Mapping[str, Any] | None = None,
    finetune: Mapping[str, Any] | None = None,
    relearn: Mapping[str, Any] | None = None,
    dial: Mapping[str, Any] | None = None,
    scale: str | None = None,
    experiment: str | None = None,
    name: str | None = None,
    outputs: str | Path | None = None,
    progress: bool = True,
) -> Result:
    """Pretrain a model on a language, fine-tune it on a part of it, measure both exactly, and keep the record.

    The arguments are the keys of conf/config.yaml and have the same defaults. So the same settings give the same run
    with `python -m sim.run`. A run that is finished already is read, not done again. `scale` and `experiment` are
    options of conf/scale and conf/experiment.

    These objects can be given: a language as grammar; a function from a language to a `Restricted` as restriction; a
    model, or a function from a trie to a model; an objective; an optimizer. It raises SpecificationError with one line
    if something in this cannot be run.
    """
    choices = {
        "grammar": grammar, "restriction": restriction, "model": model, "objective": objective, "optimizer": optimizer
    }  # fmt: skip
    settings = {"pretrain": pretrain, "finetune": finetune, "relearn": relearn, "dial": dial}
    options, changes = split(choices | settings)
    options |= {key: value for key, value in {"scale": scale, "experiment": experiment}.items() if value is not None}
    top = {"seed": seed, "name": name, "outputs": outputs if outputs is None else str(outputs)}
    changes |= {key: value for key, value in top.items() if value is not None}
    return done(composed(options, changes), progress)


def again(record: Record, changes: Mapping[str, Any], progress: bool = True) -> Result:
    """Do a run with the pretraining of another. Raises SpecificationError for changes that need a new pretraining."""
    known = ("restriction", "objective", "optimizer", "finetune", "relearn", "name", "outputs")
    for key in changes:
        if key not in known:
            raise SpecificationError(
                f"finetune: one of {', '.join(known)} is required, found {key!r}{nearest(key, known)}; "
                "use sim.simulate for what needs another pretraining"
            )
    options, rest = split(changes)
    return done(changed(record.config, options, rest), progress, like=record.config)


def split(choices: Mapping[str, Choice]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the options of groups by name, and the other arguments as nodes of a configuration. None is left out."""
    there = {key: value for key, value in choices.items() if value is not None}
    options = {key: value for key, value in there.items() if key in GROUPS and isinstance(value, str)}
    changes = {key: node(value) if key in GROUPS else value for key, value in there.items() if key not in options}
    return options, changes


def node(value: Choice) -> Any:
    """Return the node of a configuration that stands for an argument."""
    if isinstance(value, Path):
        return {"kind": "file", "path": str(value)}
    return dict(value) if isinstance(value, Mapping) else given.node_of(value)


def done(config: Mapping[str, Any], progress: bool, like: Mapping[str, Any] | None = None) -> Result:
    """Do the run of a configuration and return its result. It must share the pretraining of `like`, if any."""
    environment.prepare(str(config.get("outputs")))  # jax reads it when it is first imported, just below
    from sim.running.build import settings
    from sim.running.identity import pretraining_key, target
    from sim.running.single import bring
    from sim.show.progress import Progress

    chosen = settings(config)
    if like is not None and pretraining_key(chosen) != pretraining_key(like):
        raise SpecificationError(
            "finetune: changes that do not change P are required, found a restriction that adds strings to P; "
            "use sim.simulate, which does its own pretraining"
        )
    with Progress() if progress else nullcontext() as shown:
        _, record = bring(chosen, shown.update if shown else lambda *_: None)
    return Result(record, target(chosen))
