"""Claims as data: their predictions, amendments and needs, the digest, and the table of their findings."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import polars as pl

from experiments.cases import Case as Case
from experiments.cases import Finding as Finding
from experiments.cases import Prediction as Prediction
from experiments.cases import Tables as Tables
from experiments.checks import Standing as Standing
from experiments.checks import mistakes
from experiments.source import normalised as normalised
from experiments.standing import standing
from sim.numerics import SpecificationError

HISTORY = "amendments.py"
"""The file of a claim's folder that no digest covers: what is said of earlier predictions decides nothing."""


@dataclass(frozen=True)
class Amendment:
    """A change of a claim after runs were made for it: its date, its reason, and the digest and the verdict before.

    predictions: the predictions that were changed, each with its verdict before; "" for one that is new.
    """

    date: str
    reason: str
    digest_before: str
    verdict_before: str
    predictions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Need:
    """Numbers that a claim takes from its runs: the names of metrics, the views and the phases (None: all phases).

    part: only from runs of parts of the study with names that begin so, see `hydra/sweeper=studies`; "" for all runs.
    """

    metrics: tuple[str, ...]
    views: tuple[Literal["response", "joint"], ...] = ("response",)
    phases: tuple[str, ...] | None = None
    part: str = ""


@dataclass(frozen=True, eq=False)
class Claim:
    """A sentence of the conversation, the predictions that decide it, and how its runs become its tables.

    file: the file that defines the claim; title, sentence: texts for people; rule: how the predictions decide the
    sentence, in words; needs: the numbers that it reads; tables: a function from a study to the tables that predictions
    and figures read; condition: what may have to be true of the ground truth for the sentence to hold, in words.
    tier: core for what `make claims` runs, paper for what is run beside it, because it takes too long or is asked of a
    study that most people do not make. trains: whether runs are made for it. If not, it judges the laws of models that
    were trained for anything, such as those of an archive, and its page has the digest of what was announced. read: how
    its runs are read if their strings are not listed, as a function from their folder to a study with a table `runs`.
    What becomes of the sentence follows from the findings by one rule for all claims, see `experiments.standing`.
    """

    identifier: str
    file: str
    title: str
    sentence: str
    rule: str
    predictions: tuple[Prediction, ...]
    needs: tuple[Need, ...]
    tables: Callable[[Any], Tables]
    condition: str = ""
    paired: tuple[str, ...] = ("seed",)  # columns of the table `runs` that tell its runs apart
    amendments: tuple[Amendment, ...] = field(default=())
    tier: Literal["core", "paper"] = "core"
    trains: bool = True
    read: Callable[[Path], Any] | None = None

    def __post_init__(self) -> None:
        for one in self.predictions:
            for mistake in mistakes(one, self.condition, self.name):
                raise SpecificationError(f"{self.file}: {one.identifier}: {mistake}")

    @property
    def name(self) -> str:
        """The name of the file or folder that defines it, of its configuration, and of the folders of its results."""
        path = Path(self.file)
        return path.parent.name if path.name == "__init__.py" else path.stem

    @cached_property
    def digest(self) -> str:
        """12 hex digits of a SHA-256 of the criteria of all predictions and of the code in the claim's own files.

        Its amendments are not covered if they are in a file of their own, see `HISTORY`.
        """
        content = {
            "criteria": [one.criteria() for one in self.predictions],
            "claim": [self.identifier, self.title, self.sentence, self.rule, self.condition, list(self.paired)],
            "code": [normalised(file.read_text(encoding="utf-8")) for file in self._files()],
        }
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def _files(self) -> list[Path]:
        path = Path(self.file)
        own = sorted(path.parent.glob("*.py")) if path.name == "__init__.py" else [path]
        return [one for one in own if one.name != HISTORY]

    @property
    def announced(self) -> str:
        """The value that the key `claim` must have in the runs of the experiment."""
        return f"{self.name}@{self.digest}"

    @property
    def command(self) -> str:
        """The command that reproduces the runs, or that judges runs which were made for something else."""
        return f"python -m sim.run experiment={self.name}" if self.trains else f"python -m experiments {self.name} DIR"

    def prediction(self, identifier: str) -> Prediction:
        """Return the prediction with an identifier. Raises KeyError for one that was not announced."""
        return {one.identifier: one for one in self.predictions}[identifier]

    def judge(self, tables: Tables) -> list[Finding]:
        """Return the findings of every prediction, in the order in which they were announced."""
        found = []
        for one in self.predictions:
            try:
                found += one.judge(tables)
            except SpecificationError as refusal:
                raise SpecificationError(f"{self.file}: {one.identifier}: {refusal}") from refusal
        return found

    def verdict(self, findings: pl.DataFrame) -> tuple[Standing, str]:
        """Return what becomes of the sentence, and the reason."""
        return standing(findings, self.condition)

    def made_for(self, announced: str | None) -> Literal["these", "amended", "other"]:
        """Return whether a run was made for these predictions, for predictions before an amendment, or for others."""
        if announced == self.announced:
            return "these"
        before = {f"{self.name}@{one.digest_before}" for one in self.amendments}
        return "amended" if announced in before else "other"


def table(claim: Claim, findings: Sequence[Finding], made_for: Iterable[str | None]) -> pl.DataFrame:
    """Return one row per finding. `made_for` holds the key `claim` of each run."""
    edited = {claim.made_for(one) for one in made_for} - {"these"} if claim.trains else set()
    status = "other" if "other" in edited else "amended" if edited else "these"
    rows = []
    for one in findings:
        prediction, found = claim.prediction(one.prediction), one.measured
        rows.append(
            {
                "claim": claim.identifier,
                "name": claim.name,
                "prediction": one.prediction,
                "statement": prediction.statement,
                "kind": prediction.kind,
                "says": prediction.says,
                "instrument": prediction.instrument,
                "null": prediction.null,
                "condition": prediction.condition,
                "case": one.case,
                "predicted": one.predicted,
                "threshold": one.threshold,
                "margin": prediction.margin if one.margin is None else one.margin,
                "measured": None if found is None else found.value,
                "lower": None if found is None else found.lower,
                "upper": None if found is None else found.upper,
                "level": None if found is None else found.level,
                "exactness": "" if found is None else found.kind,
                "method": "" if found is None else found.method,
                "num_seeds": 0 if found is None else found.count,
                "unit": one.unit,
                "verdict": one.verdict,
                "p_holds": one.p_holds,
                "p_refuted": one.p_refuted,
                "note": one.note,
                "figure": one.figure,
                "command": claim.command,
                "digest": claim.digest,
                "made_for": status,
            }
        )
    numbers = dict.fromkeys(
        ("predicted", "threshold", "margin", "measured", "lower", "upper", "level", "p_holds", "p_refuted"), pl.Float64
    )
    return pl.DataFrame(rows, schema_overrides=numbers)
