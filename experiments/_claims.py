"""A claim as code: what the seed says, what theory predicts, by which rule it is judged, and what came out."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

import numpy as np
import polars as pl

from experiments._statistics import Interval, Outcome, sign

Kind: TypeAlias = Literal["sign", "equality", "bound", "slope", "exponent", "ordering", "report"]

Judged: TypeAlias = Literal["holds", "refuted", "undecided", "reported", "not valid"]
"""What became of a prediction: `not valid` where no run counts, `reported` where no verdict was announced."""

Standing: TypeAlias = Literal["supported", "refuted", "holds only if", "undecided", "not valid"]
"""What became of the seed's sentence."""


@dataclass(frozen=True)
class Prediction:
    """One prediction, fixed before the runs."""

    identifier: str  # C1.2
    statement: str
    kind: Kind
    predicted: str  # how the predicted value is computed from the ground truth
    rule: str  # when it holds, when it is refuted
    control: str
    margin: float | None = None  # in the unit of what is predicted


@dataclass(frozen=True)
class Claim:
    """A sentence of the seed and the predictions that decide it."""

    identifier: str  # C1
    name: str  # of its files: conf/experiment, experiments, figures
    title: str
    sentence: str  # what the seed says
    rule: str  # how the predictions decide the sentence
    predictions: tuple[Prediction, ...]

    @property
    def digest(self) -> str:
        """12 hex digits of the SHA-256 of all that was announced; it stands in the experiment and its records."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

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
        found = {one.identifier: one for one in self.predictions}
        return found[identifier]

    def margin(self, identifier: str) -> float:
        """The margin that was announced for a prediction that has one."""
        found = self.prediction(identifier).margin
        assert found is not None
        return found


@dataclass(frozen=True)
class Verdict:
    """What came out for a prediction in one case, such as exact targets."""

    identifier: str
    case: str
    predicted: float | None
    measured: Interval | None
    unit: str
    outcome: Judged
    note: str = ""
    figure: str = ""
    threshold: float = 0.0  # of a sign: what the measured value has to be above


def table(claim: Claim, verdicts: Sequence[Verdict], edited: bool) -> pl.DataFrame:
    """One row per verdict; `edited` says that the runs were made for other predictions than these."""
    rows = []
    for one in verdicts:
        prediction, found = claim.prediction(one.identifier), one.measured
        rows.append(
            {
                "claim": claim.identifier,
                "name": claim.name,
                "prediction": one.identifier,
                "statement": prediction.statement,
                "kind": prediction.kind,
                "case": one.case,
                "predicted": one.predicted,
                "threshold": one.threshold,
                "margin": prediction.margin,
                "measured": found.estimate if found else None,
                "lower": found.lower if found else None,
                "upper": found.upper if found else None,
                "level": found.level if found else None,
                "method": found.method if found else "",
                "num_seeds": found.num_seeds if found else 0,
                "unit": one.unit,
                "outcome": one.outcome,
                "note": one.note,
                "figure": one.figure,
                "command": claim.command,
                "digest": claim.digest,
                "edited": edited,
            }
        )
    numbers = dict.fromkeys(("predicted", "threshold", "margin", "measured", "lower", "upper", "level"), pl.Float64)
    return pl.DataFrame(rows, schema_overrides=numbers)


def both_ends(lower: tuple[Outcome, Interval], upper: tuple[Outcome, Interval]) -> tuple[Outcome, Interval]:
    """The verdict on a quantity of which only two bounds are known: that of both ends where they agree.

    The interval covers that of either end.
    """
    (one, low), (other, high) = lower, upper
    merged = Interval(
        (low.estimate + high.estimate) / 2, min(low.lower, high.lower), max(low.upper, high.upper), low.level,
        low.num_seeds, low.method,
    )  # fmt: skip
    return (one if one == other else "undecided"), merged


def ends(
    test: Callable[[np.ndarray], tuple[Outcome, Interval]], lower: np.ndarray, upper: np.ndarray
) -> tuple[Outcome, Interval]:
    """A test of a quantity of which only two bounds are known, at both."""
    return both_ends(test(lower), test(upper))


def signed(values: np.ndarray, direction: float) -> tuple[Outcome, Interval]:
    """Whether the mean has a sign, +1 or -1; the interval is that of the values as they are."""
    outcome, found = sign(direction * values)
    if direction > 0:
        return outcome, found
    return outcome, Interval(-found.estimate, -found.upper, -found.lower, found.level, found.num_seeds, found.method)


def unanswered(claim: Claim, given: Iterable[Verdict]) -> list[Verdict]:
    """A verdict "not valid" for every prediction that no run counts for."""
    known = {one.identifier for one in given}
    return [
        Verdict(one.identifier, "", None, None, "", "not valid", "no run counts for it")
        for one in claim.predictions
        if one.identifier not in known
    ]


def in_order(claim: Claim, verdicts: Iterable[Verdict]) -> list[Verdict]:
    """As the predictions were announced, then by case."""
    order = [one.identifier for one in claim.predictions]
    return sorted(verdicts, key=lambda one: (order.index(one.identifier), one.case))


def outcomes(verdicts: pl.DataFrame) -> dict[str, set[str]]:
    """What became of every prediction, in whatever case."""
    groups = verdicts.group_by("prediction", maintain_order=True)
    return {str(name): set(rows["outcome"].to_list()) for (name,), rows in groups}
