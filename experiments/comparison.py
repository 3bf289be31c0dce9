"""python -m experiments compare DIR: a reader's own findings of a claim beside the published ones.

Each finding is a mean over worlds. If both sides made the same runs (the same configurations, so the same hashes), only
rounding can make them differ, and each world is compared with itself. Otherwise the worlds are two samples.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from experiments.board import measured
from experiments.predictions import Case, Claim, Tables
from experiments.reduction import ordered
from experiments.significance import holm, p_difference, p_mean
from sim.show.blocks import Block, Heading, Paragraph, Table
from sim.show.published import Published

LEVEL = 0.05
"""Largest p-value, after Holm's correction over all findings, at which two findings differ."""

ROUNDING = 2.0**-13
"""Relative difference of two numbers of a world below which they are equal: published ones may have as few digits."""

SAME = "same up to rounding of machines"
NO_SIGN = "different worlds or seeds: no sign of a difference"
SAME_VERDICT = "same verdict"
UNTESTED = "no test: fewer than two worlds"
ABSENT = "only published"
NEW = "only here"
COLUMNS = ("prediction", "case", "published", "here", "difference", "p", "result")


@dataclass(frozen=True)
class Compared:
    """A finding on both sides: what is shown of it, and how it is judged.

    difference: mean here − mean published, in the unit of the worlds' numbers (a logarithm if the finding shows its
    exponential); p: the p-value of no difference, after Holm's correction; None if nothing was tested.
    """

    prediction: str
    case: str
    published: str
    here: str
    difference: float | None
    p: float | None
    result: str


def compared(claim: Claim, published: Tables, own: Tables) -> list[Compared]:
    """Compare the findings of two sets of tables of a claim, each with its findings, case by case.

    Published tables of other predictions are not read by the predictions of now; then only verdicts are compared.
    """
    both = [ordered(tables) for tables in (published, own)]
    same = same_runs(*both)
    rows = [_rows(tables["findings"]) for tables in both]
    current = set(both[0]["findings"]["digest"].to_list()) == {claim.digest}
    cases = [_cases(claim, tables) if current else {} for tables in both]
    found = [
        _one(key, rows[0].get(key), rows[1].get(key), cases[0].get(key), cases[1].get(key), same)
        for key in dict.fromkeys([*rows[0], *rows[1]])
    ]
    adjusted = iter(holm([one.p for one in found if one.p is not None]))
    return [_said(one, next(adjusted), same) if one.p is not None else one for one in found]


Key = tuple[str, str]


def _rows(findings: pl.DataFrame) -> dict[Key, dict[str, Any]]:
    return {(row["prediction"], row["case"]): row for row in findings.iter_rows(named=True)}


def _cases(claim: Claim, tables: Tables) -> dict[Key, Case]:
    return {(one.identifier, case.name): case for one in claim.predictions for case in one.measure(tables)}


def _one(
    key: Key,
    there: Mapping[str, Any] | None,
    here: Mapping[str, Any] | None,
    case: Case | None,
    own: Case | None,
    same: bool,
) -> Compared:
    """Compare one finding. Its p-value is not corrected yet."""
    first, second = ("–" if row is None else measured(dict(row)) for row in (there, here))
    if there is None or here is None:
        return Compared(*key, first, second, None, None, NEW if there is None else ABSENT)
    if case is None or own is None or not case.lower.size or not own.lower.size:
        return Compared(*key, first, second, None, None, _by_verdict(there, here))
    difference = float(_middle(own).mean() - _middle(case).mean())
    if there["kind"] == "bound":  # the least of all worlds: its sampling has no test, but it has a verdict
        return Compared(*key, first, second, difference, None, _by_verdict(there, here))
    if same and case.lower.shape == own.lower.shape:
        return Compared(*key, first, second, difference, p_paired(case, own), "")
    if min(case.lower.shape[-1], own.lower.shape[-1]) < 2:
        return Compared(*key, first, second, difference, None, UNTESTED)
    return Compared(*key, first, second, difference, p_unpaired(case, own), "")


def _middle(case: Case) -> np.ndarray:
    return np.asarray((case.lower + case.upper) / 2.0, np.float64)


def _by_verdict(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    verdicts = there["verdict"], here["verdict"]
    return SAME_VERDICT if verdicts[0] == verdicts[1] else f"differs: {verdicts[0]} there, {verdicts[1]} here"


def _said(one: Compared, p: float, same: bool) -> Compared:
    """Return a finding with its corrected p-value and the words for it."""
    plain = SAME if same else NO_SIGN
    why = "the same runs give other numbers" if same else "more than worlds differ from each other"
    return Compared(
        one.prediction, one.case, one.published, one.here, one.difference, p, plain if p > LEVEL else f"differs: {why}"
    )


def p_paired(case: Case, own: Case) -> float:
    """Return the p-value of "rounding alone": the mean difference of equal worlds is 0, by Student's t.

    Rounding grows differently in every run, so it has no direction. A difference with a direction is another cause.
    Numbers that agree in all published digits are equal. Of one world or of equal differences no spread is known: any
    difference counts. A number that is only bounded needs both ends; of an ordering, each column counts, by Bonferroni.
    """
    ends = [
        [_p_same(a, b) for a, b in zip(np.atleast_2d(one), np.atleast_2d(other), strict=True)]
        for one, other in ((case.lower, own.lower), (case.upper, own.upper))
    ]
    columns = [max(each) for each in zip(*ends, strict=True)]
    return min(1.0, len(columns) * min(columns))


def _p_same(there: np.ndarray, here: np.ndarray) -> float:
    size = np.maximum(np.abs(there), np.abs(here)).max(initial=0.0)
    equal = there == here  # infinities too
    apart = np.where(equal, 0.0, here - np.where(equal, here, there))
    if np.abs(apart).max(initial=0.0) <= ROUNDING * size:
        return 1.0
    return min(p_mean(apart)) if len(apart) > 1 else 0.0


def p_unpaired(case: Case, own: Case) -> float:
    """Return the p-value of equal means of two samples of worlds, by Welch's t.

    Of a number that is known by two bounds, the two samples are taken at the ends that are nearest to each other.
    """
    columns = []
    rows = (np.atleast_2d(one) for one in (case.lower, case.upper, own.lower, own.upper))
    for low, high, own_low, own_high in zip(*rows, strict=False):
        if own_low.mean() > high.mean():
            columns.append(p_difference(high, own_low))
        elif own_high.mean() < low.mean():
            columns.append(p_difference(low, own_high))
        else:
            columns.append(1.0)
    return min(1.0, len(columns) * min(columns))


def same_runs(published: Tables, own: Tables) -> bool:
    """Return whether both sides made the same runs: configurations and version of the results decide their hashes."""
    there, here = (set(tables["runs"]["run"].to_list()) for tables in (published, own))
    return there == here


def blocks(claim: Claim, found: list[Compared], published: Published, tables: Tables, own: Tables) -> Iterator[Block]:
    """Iterate over the blocks of the page: how many findings differ, what was compared, and all findings."""
    differ = [one for one in found if one.result.startswith("differs")]
    yield Heading(f"{claim.identifier}: your numbers beside the published ones")
    if line := published.difference(claim.announced):
        yield Paragraph(line)
    yield Paragraph(_summary(found, differ))
    yield Paragraph(HOW_SAME if same_runs(tables, own) else HOW_OTHER)
    if differ:
        yield Table(COLUMNS, tuple(map(_row, differ)), num_left=2, title="What differs")
    others = [one for one in found if one not in differ]
    if others:
        yield Table(COLUMNS, tuple(map(_row, others)), num_left=2, title="What does not differ, or was not compared")
    about = published.about
    yield Paragraph(
        f"Published: {about['runs']} runs, the last one of {about['last_run']}, on {about['published_on']}, "
        f"jax {', '.join(about.get('jax', ['unknown']))}, results version {', '.join(about['results_version'])}."
    )


HOW_SAME = (
    "Both sides made the same runs, so only the rounding of two machines can make them differ. Each world is compared "
    "with itself: a difference counts if its mean over worlds is not 0, at 5 % by Student's t, with Holm's correction."
)
HOW_OTHER = (
    "The runs are not the same (other seeds, worlds, steps or sizes), so worlds are compared as two samples, at 5 % by "
    "Welch's t, with Holm's correction. No sign of a difference is no proof that there is none: few worlds see little."
)


def _summary(found: list[Compared], differ: list[Compared]) -> str:
    tested = [one for one in found if one.p is not None]
    names = ", ".join(dict.fromkeys(one.prediction for one in differ))
    said = f"{len(tested)} findings were tested." if tested else "No finding could be tested."
    return f"{said} {len(differ)} differ: {names}." if differ else f"{said} None differs."


def _row(one: Compared) -> tuple[str, ...]:
    difference = "–" if one.difference is None else f"{one.difference:.2g}".replace("-", "−")
    p = "–" if one.p is None else f"{one.p:.2g}" if one.p >= 0.001 else "< 0.001"
    return (one.prediction, one.case, one.published, one.here, difference, p, one.result)
