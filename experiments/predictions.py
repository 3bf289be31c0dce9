"""Claims and predictions as data: what decides each of them, its digest, and how it is judged from tables."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import polars as pl

from experiments.checks import Kind as Kind
from experiments.checks import Says as Says
from experiments.checks import Standing as Standing
from experiments.checks import check_value, check_verdict, mistakes
from experiments.source import normalised as normalised
from experiments.statistics import Verdict, judged
from sim.numerics import SpecificationError
from sim.quantity import Quantity

Tables: TypeAlias = dict[str, pl.DataFrame]


@dataclass(frozen=True, eq=False)
class Case:
    """What was measured for one case of a prediction: a number for each seed, given by two bounds.

    predicted: the value or the direction that theory gives for this case; logarithmic: the numbers are logarithms, and
    their exponentials are shown; decided_by: with "lower" it is enough that the prediction holds for the lower bounds.
    """

    name: str
    lower: np.ndarray  # float64[seeds], float64[K, seeds] for an ordering of K means
    upper: np.ndarray  # of the same shape
    unit: str = "1"
    predicted: float | None = None
    note: str = ""
    logarithmic: bool = False
    decided_by: Literal["both", "lower"] = "both"
    undecided: bool = False  # nothing can be said about this case, see the note

    def __post_init__(self) -> None:
        lower, upper = (np.asarray(one, np.float64) for one in (self.lower, self.upper))
        same = lower.shape == upper.shape
        missing = int((np.isnan(lower) | np.isnan(upper)).sum()) if same else 0
        if missing or not same:
            found = f"nan in {missing} of {lower.size}" if same else f"the shapes {lower.shape} and {upper.shape}"
            raise SpecificationError(
                f"case {self.name!r}: two numbers for every seed are required, found {found}; a number that a table "
                "lacks is nan: `needs` must have its metric, its view and its phase"
            )

    @classmethod
    def exact(cls, name: str, values: np.ndarray, unit: str = "1", **rest: Any) -> "Case":
        """Return a case with exact numbers."""
        return cls(name, np.asarray(values, np.float64), np.asarray(values, np.float64), unit, **rest)


@dataclass(frozen=True, eq=False)
class Prediction:
    """One prediction, fixed before the runs, with everything that decides it.

    kind: the kind of prediction, see `experiments.statistics.judged`; measure: a function from the tables of the claim
    to the cases; predicted: how the predicted value follows from the ground truth, in words; rule: when the prediction
    holds and when it is refuted, in words; value: the predicted value if it is a constant; threshold: what a sign has
    to exceed; margin: the largest difference that counts as equal, in the unit of the numbers; only: which runs count;
    window: the range of the steps that counts, as shares of all steps; control: what it is compared with; says: whether
    the conversation says the same, the opposite or nothing; instrument: whether it is true by construction, so that it
    checks the instrument and supports no claim; null: whether it is a control that has to be null; condition: whether
    it speaks only of cases in which the condition of the claim is met, or is not met.
    """

    identifier: str
    statement: str
    kind: Kind
    measure: Callable[[Tables], Iterator[Case]]
    predicted: str
    rule: str
    control: str
    value: float | None = None
    threshold: float = 0.0
    margin: float | None = None
    only: str = "valid runs"
    window: tuple[float, float] | None = None
    says: Says = "silent"
    instrument: bool = False
    null: bool = False
    condition: Literal["", "met", "not met"] = ""
    figure: str = ""

    def criteria(self) -> dict[str, Any]:
        """Return everything that decides the prediction, except for the code of `measure`, as JSON."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("measure", "figure")}

    def judge(self, tables: Tables) -> list["Finding"]:
        """Return a finding for each case that has a number, or one finding "not valid" if no run counts."""
        found = [self._finding(case) for case in self.measure(tables) if case.undecided or case.lower.size]
        nothing = Finding(self.identifier, "", None, None, "", "not valid", "no run counts for it", self.figure)
        return sorted(found, key=lambda one: one.case) or [nothing]

    def _finding(self, case: Case) -> "Finding":
        predicted = case.predicted if case.predicted is not None else self.value
        if case.undecided:
            return Finding(self.identifier, case.name, predicted, None, "", "undecided", case.note, self.figure)
        by_lower = case.decided_by == "lower"
        try:
            check_value(self.kind, self.predicted, predicted)
            verdict, measured = judged(
                self.kind, case.lower, case.upper, predicted, self.threshold, self.margin, by_lower
            )
        except ValueError as problem:
            raise SpecificationError(f"case {case.name!r}: {problem}") from problem
        threshold = self.threshold
        if case.logarithmic:
            measured, threshold = measured.increasing(lambda value: float(np.exp(value))), float(np.exp(threshold))
        return Finding(
            self.identifier, case.name, predicted, measured, case.unit, verdict, case.note, self.figure, threshold
        )


@dataclass(frozen=True)
class Finding:
    """The result for a prediction in one case, such as exact targets."""

    prediction: str
    case: str
    predicted: float | None
    measured: Quantity | None
    unit: str
    verdict: Verdict
    note: str = ""
    figure: str = ""
    threshold: float = 0.0


@dataclass(frozen=True)
class Amendment:
    """A change of a claim after runs were made for it: its date, its reason, and the digest and the verdict before."""

    date: str
    reason: str
    digest_before: str
    verdict_before: str


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
    and figures read; standing: a function from the findings to the verdict on the sentence, and its reason.
    """

    identifier: str
    file: str
    title: str
    sentence: str
    rule: str
    predictions: tuple[Prediction, ...]
    needs: tuple[Need, ...]
    tables: Callable[[Any], Tables]
    standing: Callable[[pl.DataFrame], tuple[Standing, str]]
    paired: tuple[str, ...] = ("seed",)  # columns of the table `runs` that tell its runs apart
    amendments: tuple[Amendment, ...] = field(default=())
    condition: str = ""  # the condition on which predictions may depend, such as "H(S) < H(P)"

    def __post_init__(self) -> None:
        for one in self.predictions:
            for mistake in mistakes(one.kind, one.says, one.margin, one.figure, self.name):
                raise SpecificationError(f"{self.file}: {one.identifier}: {mistake}")

    @property
    def name(self) -> str:
        """The name of the file or folder that defines it, of its configuration, and of the folders of its results."""
        path = Path(self.file)
        return path.parent.name if path.name == "__init__.py" else path.stem

    @cached_property
    def digest(self) -> str:
        """12 hex digits of a SHA-256 of the criteria of all predictions and of the code in the claim's own files."""
        content = {
            "criteria": [one.criteria() for one in self.predictions],
            "claim": [self.identifier, self.title, self.sentence, self.rule, list(self.paired)],
            "code": [normalised(file.read_text(encoding="utf-8")) for file in self._files()],
        }
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def _files(self) -> list[Path]:
        path = Path(self.file)
        return sorted(path.parent.glob("*.py")) if path.name == "__init__.py" else [path]

    @property
    def announced(self) -> str:
        """The value that the key `claim` must have in the runs of the experiment."""
        return f"{self.name}@{self.digest}"

    @property
    def command(self) -> str:
        """The command that reproduces the runs."""
        return f"python -m sim.run experiment={self.name}"

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
        """Return what `standing` says. Raises SpecificationError if that is no verdict on a sentence, with a reason."""
        found = self.standing(findings)
        try:
            check_verdict(found)
        except SpecificationError as refusal:
            raise SpecificationError(f"{self.file}: {refusal}") from refusal
        return found

    def made_for(self, announced: str | None) -> Literal["these", "amended", "other"]:
        """Return whether a run was made for these predictions, for predictions before an amendment, or for others."""
        if announced == self.announced:
            return "these"
        before = {f"{self.name}@{one.digest_before}" for one in self.amendments}
        return "amended" if announced in before else "other"


def table(claim: Claim, findings: Sequence[Finding], made_for: Iterable[str | None]) -> pl.DataFrame:
    """Return one row per finding. `made_for` holds the key `claim` of each run."""
    edited = {claim.made_for(one) for one in made_for} - {"these"}
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
                "case": one.case,
                "predicted": one.predicted,
                "threshold": one.threshold,
                "margin": prediction.margin,
                "measured": None if found is None else found.value,
                "lower": None if found is None else found.lower,
                "upper": None if found is None else found.upper,
                "level": None if found is None else found.level,
                "exactness": "" if found is None else found.kind,
                "method": "" if found is None else found.method,
                "num_seeds": 0 if found is None else found.count,
                "unit": one.unit,
                "verdict": one.verdict,
                "note": one.note,
                "figure": one.figure,
                "command": claim.command,
                "digest": claim.digest,
                "made_for": status,
            }
        )
    numbers = dict.fromkeys(("predicted", "threshold", "margin", "measured", "lower", "upper", "level"), pl.Float64)
    return pl.DataFrame(rows, schema_overrides=numbers)


def verdicts_of(findings: pl.DataFrame) -> Mapping[str, set[str]]:
    """Return the set of the verdicts on every prediction, over its cases."""
    groups = findings.group_by("prediction", maintain_order=True)
    return {str(name): set(rows["verdict"].to_list()) for (name,), rows in groups}
