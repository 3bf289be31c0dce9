"""How many programs a study compiled, and what that took. Each worker leaves a file beside its task."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from sim.disk.files import write_json

SUFFIX = ".programs"
"""Ending of the file that a worker leaves beside its task file."""

_EVENT = "/jax/core/compile/backend_compile_duration"
_seconds: list[float] = []


def watch() -> None:
    """Begin to measure how long this process compiles. To be called once, after jax was imported."""
    import jax

    jax.monitoring.register_event_duration_secs_listener(_heard)


def _heard(event: str, duration_secs: float, **_: str | int) -> None:
    if event == _EVENT:
        _seconds.append(duration_secs)


def found() -> dict[str, int | float]:
    """Return the number of training and of evaluation programs of this process, and the time that compiling took [s].

    The time covers all programs, also those that were read from the cache of compiled programs.
    """
    from sim.training.programs import numbers

    training, evaluation = numbers()
    return {"training": training, "evaluation": evaluation, "seconds": math.fsum(_seconds)}


def leave(task: Path) -> None:
    """Write what was found beside a task file."""
    write_json(task.with_suffix(SUFFIX), found())


def told(folder: Path) -> list[str]:
    """Return a line about the programs of the workers whose tasks are in a folder; none if none has left a file."""
    all_ = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob(f"*{SUFFIX}"))]
    total = {name: sum(one[name] for one in all_) for name in ("training", "evaluation", "seconds")}
    return [in_words(total)] if all_ else []


def in_words(total: Mapping[str, int | float]) -> str:
    """Say what was found in one line."""
    trained, looked = (f"{total[name]:g} for {name}" for name in ("training", "evaluation"))
    return f"programs: {trained}, {looked}; compiled, or read from the cache, in {total['seconds']:.0f} s"
