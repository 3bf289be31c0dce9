"""What became of the points of a multirun, in words and as an exit status."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

Became: TypeAlias = Literal["finished", "kept", "repeated", "failed"]

OK, FAILED, REFUSED = 0, 1, 2
"""Exit statuses of a multirun: all is well; something went wrong; all that went wrong a person can mend."""


@dataclass(frozen=True)
class PointOutcome:
    """What became of one point.

    finished: now; kept: finished before; repeated: another point of the multirun is the same run; failed: see `reason`,
    one line, and `mistake`, whether a person can mend it. refused: another process was at it. invalid: no verdict may
    rest on the run.
    """

    overrides: tuple[str, ...]
    target: Path | None  # None for a point whose configuration is refused
    became: Became
    reason: str = ""
    mistake: bool = False
    refused: bool = False
    invalid: bool = False


def exit_status(outcomes: Sequence[PointOutcome]) -> int:
    """0 if no point failed, 2 if every failure is bad input or a refusal, 1 otherwise."""
    failures = [one for one in outcomes if one.became == "failed"]
    if not failures:
        return OK
    return REFUSED if all(one.mistake for one in failures) else FAILED


def summary(outcomes: Sequence[PointOutcome]) -> list[str]:
    """How many points finished, were kept and failed; a line for each failure; and where to see more."""
    counts = Counter(one.became for one in outcomes)
    told = ", ".join(f"{counts[became]} {became}" for became in get_args(Became) if counts[became])
    lines = [f"{len(outcomes)} point{'s' * (len(outcomes) != 1)}: {told}"]
    differing = _differing(outcomes)
    for one in outcomes:
        if one.became == "failed":
            name = "not started" if one.target is None else one.target.name
            lines.append(
                f"  {name} ({' '.join(w for w in one.overrides if w in differing) or 'as it is'}): {one.reason}"
            )
    invalid = list(dict.fromkeys(one.target.name for one in outcomes if one.invalid and one.target is not None))
    if invalid:
        lines.append(
            f"NOT VALID: {len(invalid)} of them did not come below pretrain.limit, and no verdict may rest on them: "
            f"{', '.join(invalid[:3])}{', ...' * (len(invalid) > 3)}"
        )
    folders = dict.fromkeys(one.target.parent for one in outcomes if one.target is not None)
    return [*lines, *(f"more: python -m sim.status {folder}" for folder in folders)]


def _differing(outcomes: Sequence[PointOutcome]) -> set[str]:
    """The overrides that not all points have in common."""
    counts = Counter(word for one in outcomes for word in set(one.overrides))
    return {word for word, count in counts.items() if count < len(outcomes) or len(outcomes) == 1}
