"""Predictions as data: what decides each of them, what was measured for it, and how it is judged."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import polars as pl

from experiments.checks import Condition, Kind, Says, check_value
from experiments.significance import p_values
from experiments.statistics import Verdict, judged
from sim.numerics import SpecificationError
from sim.quantity import Quantity

Tables: TypeAlias = dict[str, pl.DataFrame]

WORLDS = 5
"""Least number of worlds for a verdict. Twelve are needed where medians, signs or skewed quantities decide."""

UNCOUNTED = ("bound", "report")
"""Kinds that need no number of worlds: a bound is checked in every run, and a report has no verdict."""

NOTHING = "no world has a number"
"""Why a case without a number is refused, if it does not say so itself."""


@dataclass(frozen=True, eq=False)
class Case:
    """What was measured for one case of a prediction: a number for each seed, given by two bounds.

    predicted: the value or the direction that theory gives for this case; margin: the largest difference that counts as
    equal here, if it follows from the ground truth of the case; logarithmic: the numbers are logarithms, and their
    exponentials are shown; decided_by: with "lower" it is enough that the prediction holds for the lower bounds.
    """

    name: str
    lower: np.ndarray  # float64[seeds], float64[K, seeds] for an ordering of K means
    upper: np.ndarray  # of the same shape
    unit: str = "1"
    predicted: float | None = None
    margin: float | None = None
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
    it speaks only of cases in which the claim's condition is met, or only of those in which it is not; worlds: the
    least number of worlds, which are the unit of replication, for a verdict.
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
    condition: Condition = ""
    worlds: int = WORLDS
    figure: str = ""

    def criteria(self) -> dict[str, Any]:
        """Return everything that decides the prediction, except for the code of `measure`, as JSON."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("measure", "figure")}

    def judge(self, tables: Tables) -> list["Finding"]:
        """Return a finding for each case, or one finding "not valid" if no case has a number.

        A case without a number beside others that have one is "refused", with its reason: it is seen, and says nothing
        of the prediction.
        """
        found = [self._finding(case) for case in self.measure(tables)]
        nothing = Finding(self.identifier, "", None, None, "", "not valid", "no run counts for it", self.figure)
        counted = any(one.verdict != "refused" for one in found)
        return sorted(found, key=lambda one: one.case) if counted else [nothing]

    def _finding(self, case: Case) -> "Finding":
        predicted = case.predicted if case.predicted is not None else self.value
        margin = case.margin if case.margin is not None else self.margin
        found = Finding(
            self.identifier, case.name, predicted, None, "", "undecided", case.note, self.figure, self.threshold, margin
        )
        if case.undecided:
            return found
        if not case.lower.size:
            return replace(found, verdict="refused", note=case.note or NOTHING)
        by_lower = case.decided_by == "lower"
        try:
            check_value(self.kind, self.predicted, predicted)
            given = self.kind, case.lower, case.upper, predicted, self.threshold, margin
            verdict, measured = judged(*given, by_lower)
            holds, refuted = p_values(*given)
        except ValueError as problem:
            raise SpecificationError(f"case {case.name!r}: {problem}") from problem
        if by_lower:
            holds = p_values(self.kind, case.lower, case.lower, predicted, self.threshold, margin)[0]
        found = replace(found, measured=measured, unit=case.unit, verdict=verdict, p_holds=holds, p_refuted=refuted)
        if case.logarithmic:
            shown = measured.increasing(lambda value: float(np.exp(value)))
            found = replace(found, measured=shown, threshold=float(np.exp(self.threshold)))
        return self._with_enough(found, case.lower.shape[-1])

    def _with_enough(self, found: "Finding", number: int) -> "Finding":
        """Return the finding, without a verdict if there are too few worlds for one."""
        if self.kind in UNCOUNTED or number >= self.worlds:
            return found
        few = f"{self.worlds} worlds are required for a verdict, found {number}"
        note = f"{found.note}; {few}" if found.note else few
        return replace(found, verdict="undecided", note=note, p_holds=1.0, p_refuted=1.0)


@dataclass(frozen=True)
class Finding:
    """The result for a prediction in one case, such as exact targets.

    p_holds, p_refuted: p-values of the tests that it holds and that it is refuted, see `experiments.significance`.
    """

    prediction: str
    case: str
    predicted: float | None
    measured: Quantity | None
    unit: str
    verdict: Verdict
    note: str = ""
    figure: str = ""
    threshold: float = 0.0
    margin: float | None = None
    p_holds: float | None = None
    p_refuted: float | None = None
