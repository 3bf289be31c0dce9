"""Many runs, from canonical configurations to records. Equal runs are done once, and a run that fails fails alone."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.disk import ledger
from sim.disk.records import check
from sim.numerics import SpecificationError
from sim.running.build import build
from sim.running.claimed import note_failure
from sim.running.cohort import Cohort, Execution
from sim.running.diagnosis import explained
from sim.running.environment import check_platform
from sim.running.identity import target
from sim.running.memory import runs_at_once
from sim.running.outcomes import Outcome, failure
from sim.running.plan import common_parts
from sim.running.unlisted.asked import is_unlisted
from sim.running.unlisted.performing import perform_unlisted
from sim.training.simulation import Observer, signature


def perform(
    runs: Sequence[Mapping[str, Any]], execution: Execution | None = None, observe: Observer = lambda *_: None
) -> list[Outcome]:
    """Do the runs of canonical configurations, and return the outcome of each distinct run, in order.

    Finished runs are kept. Runs that another process is computing are refused. An error of one run becomes its outcome
    and does not affect the others. Only an interruption is raised; then everything up to the last checkpoint is kept.
    """
    execution, chosen = execution or Execution(), {target(run): run for run in runs}
    outcomes: dict[Path, Outcome] = {}
    try:
        check_platform()
    except SpecificationError as problem:
        return _all_failed(chosen, problem)
    groups: dict[Hashable, list[Path]] = {}
    unlisted: list[Path] = []
    for place, run in chosen.items():
        try:
            if place.exists():
                ledger.clear_up(place)
                check(place)
                outcomes[place] = Outcome(place, "kept")
            elif is_unlisted(run):
                unlisted.append(place)
            else:
                groups.setdefault(signature(build(run)[0]), []).append(place)
        except Exception as problem:
            outcomes[place] = failure(place, problem)
            _tell(outcomes[place])
    for places in groups.values():
        outcomes |= _group({place: chosen[place] for place in places}, execution, observe)
    for place in unlisted:
        outcomes[place] = perform_unlisted(place, chosen[place], execution.checkpoint_seconds, observe, execution.laws)
    return [outcomes[place] for place in chosen]


def _group(chosen: Mapping[Path, Mapping[str, Any]], execution: Execution, observe: Observer) -> dict[Path, Outcome]:
    """Do runs of one signature, in cohorts of about equal size that share their compiled programs."""
    runs = list(chosen.values())
    first = build(runs[0])[0]
    try:
        room = execution.max_runs or (runs_at_once(first, execution.mapping) if len(runs) > 1 else 1)
    except Exception as problem:
        failed = _all_failed(chosen, explained(first, runs[0]) or problem)
        return dict(zip(chosen, failed, strict=True))
    size = -(-len(runs) // -(-len(runs) // room))
    shared = common_parts(runs)
    outcomes: dict[Path, Outcome] = {}
    for begin in range(0, len(runs), size):
        part = dict(list(chosen.items())[begin : begin + size])
        outcomes |= Cohort(part, execution, size, shared, observe).perform()
    return outcomes


def _all_failed(chosen: Iterable[Path], problem: Exception) -> list[Outcome]:
    outcomes = [failure(place, problem) for place in chosen]
    for outcome in outcomes:
        _tell(outcome)
    return outcomes


def _tell(outcome: Outcome) -> None:
    """Note the failure of a run that was never claimed, if a multirun has noted it as waiting."""
    assert outcome.target is not None
    known = ledger.state(outcome.target)
    if known is not None and known.state != "done":
        note_failure(
            outcome.target, outcome, **{key: value for key, value in known.facts.items() if key == "overrides"}
        )
