"""What became of runs: as a value, in words, and as an exit status."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from sim.numerics import SpecificationError

State: TypeAlias = Literal["finished", "kept", "repeated", "refused", "failed"]

OK, FAILED, REFUSED = 0, 1, 2
"""Exit statuses: all is well; something went wrong; a person can mend everything that went wrong."""

MISTAKES = (SpecificationError, FloatingPointError)
"""Errors that a person can mend: bad input, and trainings that diverge."""


@dataclass(frozen=True)
class Outcome:
    """What became of a run, or of a point of a multirun.

    state: finished now; kept, because it was finished before; repeated, because another point is the same run; refused,
    because another process is computing it; or failed. target: where its record belongs, None for a point whose
    configuration is wrong. reason: why it was refused or failed, in one line. mistake: whether a person can mend that.
    error: what was raised in this process. overrides: how a person wrote the point. invalid: whether no verdict may
    rest on the run. edited: files that its result depends on and that were edited since a kept run was made.
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
        """Whether there is no record of the run."""
        return self.state in ("refused", "failed")


def failure(target: Path | None, problem: BaseException) -> Outcome:
    """The outcome of a run for which something was raised; the reason is one line."""
    text = " ".join(str(problem).split())
    mistake = isinstance(problem, MISTAKES)
    if not mistake:
        text = f"{type(problem).__name__}: {text}".removesuffix(": ")
    if isinstance(problem, MemoryError) or "RESOURCE_EXHAUSTED" in text:
        text += "; memory ran out: train fewer runs at a time (hydra.launcher.max_runs)"
    return Outcome(target, "failed", text, mistake, problem)


def exit_status(outcomes: Sequence[Outcome]) -> int:
    """0 if nothing went wrong, 2 if a person can mend everything that did, 1 otherwise."""
    wrong = [one for one in outcomes if one.wrong]
    if not wrong:
        return OK
    return REFUSED if all(one.mistake for one in wrong) else FAILED


def told(outcomes: Sequence[Outcome]) -> list[str]:
    """How many points ended in which way, a line for each that went wrong, warnings, and where to see more."""
    counts = Counter(one.state for one in outcomes)
    numbers = ", ".join(f"{counts[state]} {state}" for state in get_args(State) if counts[state])
    lines = [f"{len(outcomes)} point{'s' * (len(outcomes) != 1)}: {numbers}"]
    differing = _differing(outcomes)
    for one in outcomes:
        if one.wrong:
            name = "not started" if one.target is None else one.target.name
            words = " ".join(word for word in one.overrides if word in differing) or "no overrides"
            lines.append(f"  {name} ({words}): {one.reason}")
    invalid = list(dict.fromkeys(one.target.name for one in outcomes if one.invalid and one.target is not None))
    if invalid:
        lines.append(
            f"NOT VALID: {len(invalid)} of them did not come below pretrain.limit, and no verdict may rest on them: "
            f"{', '.join(invalid[:3])}{', ...' * (len(invalid) > 3)}"
        )
    lines += [edited_warning(files) for files in dict.fromkeys(one.edited for one in outcomes) if files]
    folders = dict.fromkeys(one.target.parent for one in outcomes if one.target is not None)
    return [*lines, *(f"more: python -m sim.status {folder}" for folder in folders)]


def edited_warning(files: Sequence[str]) -> str:
    """One line that says that a kept run was made by other code."""
    return (
        f"WARNING: kept runs were made before {', '.join(files)} was edited; "
        "delete them to make them anew, or choose another name="
    )


def _differing(outcomes: Sequence[Outcome]) -> set[str]:
    """The overrides that not all points have in common."""
    counts = Counter(word for one in outcomes for word in set(one.overrides))
    return {word for word, count in counts.items() if count < len(outcomes) or len(outcomes) == 1}
