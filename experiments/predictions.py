"""Claims and predictions as data: what decides each one, its digest, and how it judges itself from a claim's tables."""

import ast
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import polars as pl

from experiments.statistics import Verdict, judged
from sim.quantity import Quantity

Kind: TypeAlias = Literal["sign", "equality", "bound", "slope", "exponent", "ordering", "report"]
Says: TypeAlias = Literal["same", "opposite", "silent"]
Standing: TypeAlias = Literal["supported", "refuted", "holds only if", "undecided", "not valid"]
"""What becomes of the sentence of the conversation."""

Tables: TypeAlias = dict[str, pl.DataFrame]


@dataclass(frozen=True, eq=False)
class Case:
    """What was measured for one case of a prediction: a number per seed, known to lie between two bounds.

    predicted: the value or direction that theory gives for this case; logarithmic: the numbers are logarithms, and
    their exponential is shown; decided_by: with "lower" the prediction holds already if the lower bounds do.
    """

    name: str
    lower: np.ndarray  # float64[seeds], float64[K, seeds] for an ordering of K means
    upper: np.ndarray  # of the same shape
    unit: str = "1"
    predicted: float | None = None
    note: str = ""
    logarithmic: bool = False
    decided_by: Literal["both", "lower"] = "both"
    undecided: bool = False  # nothing can be said of the case, see the note

    @classmethod
    def exact(cls, name: str, values: np.ndarray, unit: str = "1", **rest: Any) -> "Case":
        """A case whose numbers are exact."""
        return cls(name, np.asarray(values, np.float64), np.asarray(values, np.float64), unit, **rest)


@dataclass(frozen=True, eq=False)
class Prediction:
    """One prediction, fixed before the runs, with everything that decides it.

    kind: what is predicted, see `experiments.statistics.judged`; measure: the cases, from the claim's tables;
    predicted: how the predicted value follows from the ground truth, in words; rule: when it holds and when it is
    refuted, in words; value: the predicted value where it is a constant; threshold: what a sign has to exceed; margin:
    what counts as equal, in the unit of what is measured; only: which runs count; window: which share of the steps
    counts, from .. to; control: what it is compared with; says: whether the conversation says the same, the opposite
    or nothing; instrument: true by construction, so that it checks the instrument and supports no claim.
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
    figure: str = ""

    def criteria(self) -> dict[str, Any]:
        """Everything that decides it but the code of `measure`, as JSON."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("measure", "figure")}

    def judge(self, tables: Tables) -> list["Finding"]:
        """What came out in every case that has a number; one finding "not valid" if no run counts."""
        found = [self._finding(case) for case in self.measure(tables) if case.undecided or case.lower.size]
        nothing = Finding(self.identifier, "", None, None, "", "not valid", "no run counts for it", self.figure)
        return sorted(found, key=lambda one: one.case) or [nothing]

    def _finding(self, case: Case) -> "Finding":
        predicted = case.predicted if case.predicted is not None else self.value
        if case.undecided:
            return Finding(self.identifier, case.name, predicted, None, "", "undecided", case.note, self.figure)
        verdict, measured = judged(
            self.kind, case.lower, case.upper, predicted, self.threshold, self.margin, case.decided_by == "lower"
        )
        threshold = self.threshold
        if case.logarithmic:
            measured, threshold = measured.increasing(lambda value: float(np.exp(value))), float(np.exp(threshold))
        return Finding(
            self.identifier, case.name, predicted, measured, case.unit, verdict, case.note, self.figure, threshold
        )


@dataclass(frozen=True)
class Finding:
    """What came out for a prediction in one case, such as exact targets."""

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
    """A change of a claim after runs were made for it: when, why, which digest it had, and what the verdict was."""

    date: str
    reason: str
    digest_before: str
    verdict_before: str


@dataclass(frozen=True)
class Need:
    """Numbers that a claim takes from its runs: names of metrics, views, phases (None: all), and of which parts.

    part: the beginning of the name of a part of the study, see `hydra/sweeper=studies`; "" for every run.
    """

    metrics: tuple[str, ...]
    views: tuple[Literal["response", "joint"], ...] = ("response",)
    phases: tuple[str, ...] | None = None
    part: str = ""


@dataclass(frozen=True, eq=False)
class Claim:
    """A sentence of the conversation, the predictions that decide it, and how its runs become its tables.

    file: that defines it; title and sentence: for people; rule: how the predictions decide the sentence, in words;
    needs: the numbers that it reads; tables: from a study to the tables that predictions and figures read; standing:
    from the verdicts, a row per finding, to what becomes of the sentence, and why.
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

    @property
    def name(self) -> str:
        """The name of its file or folder, of its configuration, and of the folders of its runs and figures."""
        path = Path(self.file)
        return path.parent.name if path.name == "__init__.py" else path.stem

    @cached_property
    def digest(self) -> str:
        """12 hex digits of the SHA-256 of the criteria of all predictions and of how the claim's own files judge."""
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
        """What the key `claim` of the experiment's runs must say."""
        return f"{self.name}@{self.digest}"

    @property
    def command(self) -> str:
        """What reproduces the runs."""
        return f"python -m sim.run experiment={self.name}"

    def prediction(self, identifier: str) -> Prediction:
        """By identifier; raises KeyError for one that was not announced."""
        return {one.identifier: one for one in self.predictions}[identifier]

    def judge(self, tables: Tables) -> list[Finding]:
        """What came out for every prediction, in the order in which they were announced."""
        return [finding for one in self.predictions for finding in one.judge(tables)]

    def made_for(self, announced: str | None) -> Literal["these", "amended", "other"]:
        """Whether runs were made for these predictions, for those of an amendment, or for others."""
        if announced == self.announced:
            return "these"
        before = {f"{self.name}@{one.digest_before}" for one in self.amendments}
        return "amended" if announced in before else "other"


def normalised(source: str) -> str:
    """The syntax tree of a module as text, without comments, docstrings, imports and names given by `as`.

    A helper that is moved elsewhere changes nothing; a number, a comparison, a formula or a call does.
    """
    tree = ast.parse(source)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    own_names = {alias.asname: alias.name for node in imports for alias in node.names if alias.asname}
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [one for one in body if not isinstance(one, ast.Import | ast.ImportFrom) and not _is_text(one)]
            node.body = kept  # type: ignore[attr-defined]
        if isinstance(node, ast.Name):
            node.id = own_names.get(node.id, node.id)
    return _written(tree)


def _written(node: Any) -> str:
    """A syntax tree as text. Empty fields are left out: versions of Python differ in them, and so does `ast.dump`."""
    if isinstance(node, list):
        return f"[{', '.join(map(_written, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    said = (f"{name}={_written(value)}" for name, value in ast.iter_fields(node) if value is not None and value != [])
    return f"{type(node).__name__}({', '.join(said)})"


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def table(claim: Claim, findings: Sequence[Finding], made_for: Iterable[str | None]) -> pl.DataFrame:
    """One row per finding; `made_for` is what the runs say they were made for."""
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
    """The verdicts on every prediction, in whatever case."""
    groups = findings.group_by("prediction", maintain_order=True)
    return {str(name): set(rows["verdict"].to_list()) for (name,), rows in groups}
