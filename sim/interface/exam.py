"""The exam from Python: export a world, and judge a model by log-probabilities. The commands do the same."""

import math
from collections.abc import Sequence
from pathlib import Path

from sim.exam.building import world_of
from sim.exam.exporting import DEFAULT_PRETRAIN, DEFAULT_SFT, Amount, check_target, export
from sim.exam.scoring import Terms, gather, publish, scored
from sim.exam.sheets import ROUNDING, Name
from sim.interface.result import Result


def export_world(
    world: str | Path,
    folder: str | Path,
    *,
    pretrain: Amount = DEFAULT_PRETRAIN,
    sft: Amount = DEFAULT_SFT,
    seed: int = 0,
) -> Path:
    """Write a world to a new folder, for models of other trainers, and return the folder.

    world: the name of a frozen world, such as "english_small@1", the folder of a run, or a YAML file with grammar and
    restriction; pretrain: the number of documents from P; sft: from S, and as many from P for the control; "all": each
    document once, with its weight. It raises SpecificationError if the folder exists, or for a world that is none.
    """
    check_target(Path(folder))
    return export(world_of(str(world)), Path(folder), pretrain, sft, seed)


def score_model(
    after: str | Path | Sequence[str | Path],
    world: str | Path,
    *,
    before: str | Path | Sequence[str | Path] = (),
    control: str | Path | Sequence[str | Path] = (),
    unit: str = "nat",
    tokenizer: str = "own",
    strings: float = math.inf,
    rounding: float = ROUNDING,
    name: str = "exam",
    outputs: str | Path = "outputs",
) -> Result:
    """Judge a model by files with the log-probabilities of all documents of a world; write its record and return it.

    after, before, control: the files of the model after the fine-tuning, before it, and after the same fine-tuning on
    P; world: the exported folder, or the name of a frozen world; unit: nat or log2; tokenizer: other if a text can have
    several sequences of tokens; strings: the number of strings that the model can write at a prompt; rounding: by how
    much log-probabilities may be off [nat]. It raises SpecificationError with one line for what is refused.
    """
    terms = Terms(name, unit, tokenizer, strings, rounding)
    terms.check()
    given: dict[Name, Sequence[Path]] = {"before": _files(before), "after": _files(after), "control": _files(control)}
    found = world_of(str(world))
    record = scored(gather(given, found, terms), found, terms)
    return Result(record, publish(record, Path(outputs)), False)


def _files(given: str | Path | Sequence[str | Path]) -> list[Path]:
    return [Path(given)] if isinstance(given, str | Path) else [Path(one) for one in given]
