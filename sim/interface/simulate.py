"""Simulations from Python. Choices are named as in conf/ or given as objects; the commands do the same."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.interface.compose import composed
from sim.interface.perform import Choice, performed, split
from sim.interface.result import Result


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
    stages: Sequence[Mapping[str, Any]] | None = None,
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
    settings = {"pretrain": pretrain, "finetune": finetune, "stages": stages, "relearn": relearn, "dial": dial}
    options, changes = split(choices | settings)
    options |= {key: value for key, value in {"scale": scale, "experiment": experiment}.items() if value is not None}
    top = {"seed": seed, "name": name, "outputs": outputs if outputs is None else str(outputs)}
    changes |= {key: value for key, value in top.items() if value is not None}
    return Result(*performed(composed(options, changes), progress), progress)
