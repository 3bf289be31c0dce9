"""One number of a run, named by the columns of the tidy table: `kl of=P||q`. A sweeper that wants a number gets it."""

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sim.config import members
from sim.disk.records import Record
from sim.metrics.scene import TRUTH
from sim.metrics.scored import VIEWS, View
from sim.metrics.table import Row, chosen_metrics, last_rows
from sim.numerics import SpecificationError, nearest
from sim.phases import MEANINGS, is_later, is_sibling

TELLING = ("of", "at", "prompt_law")
"""The columns that tell the numbers of one metric apart, after one phase and in one view."""

ENDS = ("lower", "upper")
"""The ends of a number that is only bounded."""

SHOWN = 4
"""How many of several numbers a refusal shows."""


@dataclass(frozen=True)
class Named:
    """A number of every run, at the last evaluation of a phase.

    text: how it was written; place: where. The other fields are columns of the table (`sim.metrics.frames.COLUMNS`).
    `telling` holds what was said about the columns TELLING. `end` is the end of a number that is only bounded.
    """

    text: str
    place: str
    metric: str
    phase: str = "sft"
    view: View = "response"
    end: Literal["lower", "upper"] | None = None
    telling: Mapping[str, str] = field(default_factory=dict)

    def refuse(self, wanted: str, found: str, fix: str) -> SpecificationError:
        """Return the refusal of this number in one line."""
        return SpecificationError(f"{self.place}: {wanted} is required, found {found}; {fix}")


def named(text: str, place: str) -> Named:
    """Return the number that `<metric> [phase=...] [view=...] [of=...] [at=...] [prompt_law=...] [end=...]` names.

    A value with blanks is quoted. It raises SpecificationError, which begins with `place`, for an unknown word.
    """
    form = f"{place}: the name of a metric, and words such as phase=sft, are required, found {text!r}"
    try:
        words = shlex.split(text)
    except ValueError as problem:
        raise SpecificationError(f"{form} ({problem}); python -m sim.rows --help lists the metrics") from None
    if not words or "=" in words[0]:
        raise SpecificationError(f"{form}; begin with the metric; python -m sim.rows --help lists them")
    chosen_metrics(words[:1], place)
    known, said = ("phase", "view", *TELLING, "end"), dict[str, str]()
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if not equals or key not in known:
            raise SpecificationError(
                f"{place}: one of {', '.join(f'{name}=' for name in known)} is required after the metric, "
                f"found {word!r}{nearest(key, known)}"
            )
        if key in said:
            raise SpecificationError(f"{place}: one {key}= is required, found several; leave all but one out")
        said[key] = value
    for key, allowed in (("view", VIEWS), ("end", ENDS), ("phase", (*MEANINGS, TRUTH))):
        if key in said and said[key] not in allowed and not (key == "phase" and _may_be(said[key])):
            raise SpecificationError(
                f"{place}: {key}: one of {', '.join(allowed)} is required, found {said[key]!r}"
                f"{nearest(said[key], allowed)}"
            )
    telling = {key: said.pop(key) for key in TELLING if key in said}
    return Named(text, place, words[0], telling=telling, **said)  # type: ignore[arg-type]


def _may_be(phase: str) -> bool:
    """Return whether a name may be that of a later stage, a sibling or an edit, such as truncate_2. Only a run says."""
    return (
        is_later(phase)
        or is_sibling(phase)
        or any(phase == kind or phase.startswith(f"{kind}_") for kind in members("edit"))
    )


def number(record: Record, wanted: Named) -> float:
    """Return the one number of a run that is named. It may be infinite.

    It raises SpecificationError in one line if the run has no such number or several, and if the number is only bounded
    but no end is named.
    """
    row = the_row(record, wanted)
    if is_known(row, wanted):
        known = row["value"] if wanted.end is None or row["lower"] == row["upper"] else row[wanted.end]
        return float(known)
    raise only_bounded(wanted, f"only the bounds [{row['lower']:.6g}, {row['upper']:.6g}]")


def the_row(record: Record, wanted: Named) -> Row:
    """Return the one row of the table that is named. It raises SpecificationError if there is none, or several."""
    check_phase((*record.phases, TRUTH), wanted)
    there = last_rows(record, wanted.metric, wanted.view, wanted.phase)
    rows = [row for row in there if all(row[key] == value for key, value in wanted.telling.items())]
    if not rows:
        found = f"none for {wanted.text!r} after {wanted.phase} in the view {wanted.view}"
        fix = f"there are {_listed(there)}" if there else "choose another phase=, view= or metric"
        raise wanted.refuse("one number", found, fix)
    if len(rows) > 1:
        differ = [key for key in TELLING if len({row[key] for row in rows}) > 1]
        fix = "add for example " + " ".join(f"{key}={_quoted(rows[0][key])}" for key in differ)
        raise wanted.refuse("one number", f"{len(rows)} for {wanted.text!r} ({_listed(rows)})", fix)
    return rows[0]


def is_known(row: Row, wanted: Named) -> bool:
    """Return whether a row holds one number: it is exact or estimated, or the end that counts is named."""
    return row["value"] is not None or wanted.end is not None


def only_bounded(wanted: Named, found: str) -> SpecificationError:
    """Return the refusal of a number that is only bounded, if no end is named."""
    return wanted.refuse("a number", f"{found} for {wanted.text!r}", "add end=lower or end=upper")


def check_phase(phases: Collection[str], wanted: Named) -> None:
    """Raise SpecificationError if a run has no phase of the name that is wanted."""
    if wanted.phase not in phases:
        found = f"phase={wanted.phase}, which this run does not have"
        raise wanted.refuse(f"one of the phases {', '.join(phases)}", found, "choose one of these")


def _listed(rows: Sequence[Row]) -> str:
    """Return what tells rows apart, in words."""
    differ = [key for key in TELLING if len(rows) == 1 or len({row[key] for row in rows}) > 1]
    said = [" ".join(f"{key}={row[key]}" for key in differ) for row in rows[:SHOWN]]
    return ", ".join(said) + (", ..." if len(rows) > SHOWN else "")


def _quoted(value: str) -> str:
    return f"'{value}'" if not value or set(value) & set(" \t\n") else value
