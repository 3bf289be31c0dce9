"""How runs ended: as a value, in words, and as an exit status."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from sim.numerics import SpecificationError, in_one_line
from sim.places import told as told_by_system

State: TypeAlias = Literal["finished", "kept", "repeated", "submitted", "refused", "failed"]

OK, FAILED, REFUSED = 0, 1, 2
"""Exit statuses: nothing went wrong; something went wrong; things went wrong, but the user can correct all of them."""

MISTAKES = (SpecificationError, FloatingPointError)
"""Errors that the user can correct: bad input, and trainings that diverge."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended, or one configuration of a multirun.

    state: finished now; kept, because it was finished before; repeated, because an earlier configuration is the same
    run; submitted, because a job will do it and nobody waits for that here; refused, because another process is
    computing it; or failed. target: the folder for its record; None if its configuration is wrong. reason: why it was
    refused or failed, in one line. mistake: whether the user can correct that. error: the exception that was raised in
    this process. overrides: how the user wrote the configuration. invalid: whether the pretraining missed its limit, so
    that no verdict may rest on the run. edited: files that the result of a kept run depends on and that were edited
    since.
    """

    target: Path | None
    state: State
    reason: str = ""
    mistake: bool = False
    error: BaseException | None = None
    overrides: tuple[str, ...] = ()
    invalid: bool = False
    edited: tuple[str, ...] = ()

    @property
    def wrong(self) -> bool:
        """Whether the run was refused or failed."""
        return self.state in ("refused", "failed")


def failure(target: Path | None, problem: BaseException) -> Outcome:
    """Return the outcome of a run that failed with an exception. The reason is one line."""
    text = in_one_line(problem)
    mistake = isinstance(problem, MISTAKES)
    if isinstance(problem, OSError):
        text = told_by_system(problem)
    elif not mistake:
        text = f"{type(problem).__name__}: {text}".removesuffix(": ")
    if isinstance(problem, MemoryError) or "RESOURCE_EXHAUSTED" in text:
        text += "; memory ran out: train fewer runs together (hydra.launcher.max_runs)"
    return Outcome(target, "failed", text, mistake, problem)


def exit_status(outcomes: Sequence[Outcome]) -> int:
    """Return 0 if nothing went wrong, 2 if the user can correct everything that went wrong, and 1 otherwise."""
    wrong = [one for one in outcomes if one.wrong]
    if not wrong:
        return OK
    return REFUSED if all(one.mistake for one in wrong) else FAILED


def told(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the summary as lines: counts of outcomes, a line for each run that went wrong, warnings, and a pointer."""
    counts = Counter(one.state for one in outcomes)
    numbers = ", ".join(f"{counts[state]} {state}" for state in get_args(State) if counts[state])
    lines = [f"{len(outcomes)} run{'s' * (len(outcomes) != 1)}: {numbers}"]
    differing = _differing(outcomes)
    for one in outcomes:
        if one.wrong:
            name = "not started" if one.target is None else one.target.name
            words = " ".join(word for word in one.overrides if word in differing) or "no overrides"
            lines.append(f"  {name} ({words}): {one.reason}")
    invalid = list(dict.fromkeys(one.target.name for one in outcomes if one.invalid and one.target is not None))
    if invalid:
        lines.append(
            f"NOT VALID: {len(invalid)} of the runs did not reach pretrain.limit, so no verdict may rest on these: "
            f"{', '.join(invalid[:3])}{', ...' * (len(invalid) > 3)}"
        )
    lines += [edited_warning(files) for files in dict.fromkeys(one.edited for one in outcomes) if files]
    folders = dict.fromkeys(one.target.parent for one in outcomes if one.target is not None)
    return [*lines, *(f"more: python -m sim.status {folder}" for folder in folders)]


def edited_warning(files: Sequence[str]) -> str:
    """Return one line that warns that kept runs were made with an older version of some files."""
    return (
        f"WARNING: kept runs were made before an edit of {', '.join(files)}; "
        "delete their records to do them again, or choose another name="
    )


def _differing(outcomes: Sequence[Outcome]) -> set[str]:
    """Return the overrides that not all outcomes have in common."""
    counts = Counter(word for one in outcomes for word in set(one.overrides))
    return {word for word, count in counts.items() if count < len(outcomes) or len(outcomes) == 1}
