"""The exam from Python: export a world, and judge a model by log-probabilities. The commands do the same."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import polars as pl

from sim.exam.choosing import any_world
from sim.exam.drawn import exporting as drawn_export
from sim.exam.drawn.publishing import publish as publish_estimates
from sim.exam.drawn.report import headline
from sim.exam.drawn.scoring import Given, Judged, judged
from sim.exam.drawn.scoring import gather as gather_drawn
from sim.exam.drawn.world import DrawnWorld
from sim.exam.exporting import DEFAULT_PRETRAIN, DEFAULT_SFT, Amount, check_target, export
from sim.exam.scoring import Terms, gather, publish, scored
from sim.exam.sheets import ROUNDING, Name
from sim.interface.result import Result
from sim.numerics import SpecificationError

Files: TypeAlias = str | Path | Sequence[str | Path]
"""One file, or several."""


def export_world(
    world: str | Path,
    folder: str | Path,
    *,
    pretrain: Amount = DEFAULT_PRETRAIN,
    sft: Amount = DEFAULT_SFT,
    seed: int = 0,
    documents: int | None = None,
) -> Path:
    """Write a world to a new folder, for models of other trainers, and return the folder.

    world: the name of a frozen world, such as "english_small@1", the folder of a run, or a YAML file with grammar and
    restriction; pretrain: the number of documents from P; sft: from S, and as many from P for the control; "all": each
    document once, with its weight; documents: how many of each law are drawn to be scored, for a YAML file whose
    strings are too many to list. It raises SpecificationError if the folder exists, or for a world that is none.
    """
    check_target(Path(folder))
    found = any_world(str(world), documents)
    if isinstance(found, DrawnWorld):
        return drawn_export.export(found, Path(folder), *drawn_export.amounts(pretrain, sft), seed)
    return export(found, Path(folder), pretrain, sft, seed)


def score_model(
    after: Files,
    world: str | Path,
    *,
    before: Files = (),
    control: Files = (),
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
    found = any_world(str(world))
    if isinstance(found, DrawnWorld):
        raise SpecificationError(
            f"world: one whose documents are all listed is required, found {found.name}, whose documents are drawn; "
            "use sim.estimate_model"
        )
    record = scored(gather(_given(before, after, control), found, terms), found, terms)
    return Result(record, publish(record, Path(outputs)), False)


@dataclass(frozen=True, eq=False)
class Estimates:
    """What drawn documents tell about models: estimates with intervals. Printed, it is the conclusions.

    folder: where the report and the table are.
    """

    folder: Path
    _judged: Judged

    def table(self) -> pl.DataFrame:
        """Return every number with its interval, in a row each."""
        return self._judged.table

    def __repr__(self) -> str:
        first, *rest = (getattr(block, "text", "") for block in headline(self._judged))
        return "\n".join([first, *(f"- {line}" for line in rest)])


def estimate_model(
    after: Files,
    world: str | Path,
    *,
    before: Files = (),
    control: Files = (),
    samples: Files = (),
    worst: float | None = None,
    unit: str = "nat",
    tokenizer: str = "own",
    rounding: float = ROUNDING,
    name: str = "exam",
    outputs: str | Path = "outputs",
) -> Estimates:
    """Judge a model in a world whose strings are too many to list, by files with log q of its drawn documents.

    samples: files of documents that the models wrote, which show what they write outside of P; worst: the largest log
    P/q of a document that is possible [nat], without which KL has no upper end. The other arguments are those of
    `score_model`. It writes a report and a table, and raises SpecificationError with one line for what is refused.
    """
    given = Given(Terms(name, unit, tokenizer, math.inf, rounding), None if worst is None else float(worst))
    given.check()
    found = any_world(str(world))
    if not isinstance(found, DrawnWorld):
        raise SpecificationError(
            f"world: one whose documents are drawn is required, found {found.name}, whose documents are all "
            "listed; use sim.score_model, whose numbers are exact"
        )
    said = judged(gather_drawn(_given(before, after, control), found, given), _files(samples), found, given)
    return Estimates(publish_estimates(said, Path(outputs)), said)


def _given(before: Files, after: Files, control: Files) -> Mapping[Name, Sequence[Path]]:
    return {"before": _files(before), "after": _files(after), "control": _files(control)}


def _files(given: Files) -> list[Path]:
    return [Path(given)] if isinstance(given, str | Path) else [Path(one) for one in given]
