"""`hydra.launcher.returns`: the number that a sweeper gets of every run. A sweeper that searches needs one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sim.disk.records import read
from sim.metrics.named import named, number
from sim.numerics import SpecificationError, in_one_line
from sim.running.outcomes import Outcome

PLACE = "hydra.launcher.returns"


@dataclass(frozen=True, eq=False)
class Answer:
    """How a run ended, and what the sweeper gets of it: its number, or the folder of its record. None if it failed."""

    outcome: Outcome
    value: float | str | None


def check_words(returns: str, detach: bool) -> None:
    """Raise SpecificationError if no number can have this name, or if nobody waits for it."""
    named(returns, PLACE)
    if detach:
        raise SpecificationError(
            f"hydra.launcher.detach: false is required with returns={returns!r}, found true, because nobody waits for "
            "the numbers; leave one of the two out"
        )


def check_first(configs: Sequence[Callable[[], Mapping[str, Any]]], returns: str) -> None:
    """Raise SpecificationError if the first run that is not refused will not have the one number that is named."""
    from sim.running.build import settings
    from sim.running.standin import check_number

    for config in configs:
        try:
            chosen = settings(config())
        except SpecificationError:  # the multirun says so
            continue
        check_number(chosen, named(returns, PLACE))
        return


def answered(outcomes: Sequence[Outcome], returns: str | None) -> list[Answer]:
    """Return what a sweeper gets of every run. A run without the one number that is named counts as failed."""
    found: dict[Path, Answer] = {}
    return [_answer(outcome, returns, found) for outcome in outcomes]


def _answer(outcome: Outcome, returns: str | None, found: dict[Path, Answer]) -> Answer:
    if outcome.wrong or outcome.target is None:
        return Answer(outcome, None)
    if returns is None:
        return Answer(outcome, str(outcome.target))
    if outcome.target not in found:
        found[outcome.target] = _measured(outcome, outcome.target, returns)
    known = found[outcome.target]
    return known if known.value is None else Answer(outcome, known.value)


def _measured(outcome: Outcome, target: Path, returns: str) -> Answer:
    try:
        return Answer(outcome, number(read(target), named(returns, PLACE)))
    except SpecificationError as problem:
        return Answer(replace(outcome, state="failed", reason=in_one_line(problem), mistake=True), None)
