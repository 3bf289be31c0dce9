"""What a multirun is asked for: how it is executed, its runs, and what is known about a run that has a record."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from sim.disk import ledger
from sim.disk.records import check, invalidity
from sim.numerics import SpecificationError
from sim.running.identity import edited_since
from sim.running.outcomes import Outcome, failure


@dataclass(frozen=True)
class Launch:
    """How a multirun is executed: an engine (`sim.running.engines`), and the fields of `cohort.Execution`.

    detach: whether to submit and not to wait; timeout_seconds: how long a worker may give no news, None for any time;
    retries: how often a run is given to another worker if its worker ended for a reason that is not the run's own.
    """

    engine: str
    workers: int
    max_runs: int | None
    mapping: Literal["shards", "vmap", "loop"] | None
    checkpoint_seconds: float
    parameters: Mapping[str, Any] = field(default_factory=dict)
    detach: bool = False
    timeout_seconds: float | None = None
    retries: int = 0
    laws: Literal["host", "device"] = "host"


@dataclass(frozen=True, eq=False)
class Point:
    """A combination that a multirun asks for: overrides, canonical configuration, folder for the record.

    Equal points are one run.
    """

    overrides: tuple[str, ...]
    chosen: Mapping[str, Any]
    target: Path


Outcomes: TypeAlias = dict[Path, Outcome]


def kept(point: Point, ended: Literal["finished", "kept"] = "kept") -> Outcome:
    """Return the outcome of a run that has a record. It is verified, so that damage and a wrong name are reported.

    A process that was killed between publishing and clearing up has left a work folder; it is removed.
    """
    ledger.clear_up(point.target)
    try:
        record = check(point.target)
    except SpecificationError as refusal:
        return replace(failure(point.target, refusal), overrides=point.overrides)
    edited = tuple(edited_since(record)) if ended == "kept" else ()
    invalid = invalidity(record) is not None
    return Outcome(point.target, ended, overrides=point.overrides, invalid=invalid, edited=edited)
