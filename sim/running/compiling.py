"""How many programs a study compiled, and what that took. Each worker leaves a file beside its task."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sim.disk.files import write_json

SUFFIX = ".programs"
"""Ending of the file that a worker leaves beside its task file."""

_EVENT = "/jax/core/compile/backend_compile_duration"


@contextmanager
def counted(task: Path) -> Iterator[None]:
    """Count the training and evaluation programs that a block compiles, and leave the numbers beside a task file.

    The time [s] covers all programs, also those that were read from the cache of compiled programs.
    """
    import jax

    from sim.training.programs import numbers

    seconds, before = [], numbers()

    def heard(event: str, duration_secs: float, **_: str | int) -> None:
        if event == _EVENT:
            seconds.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(heard)
    try:
        yield
    finally:
        jax.monitoring.unregister_event_duration_listener(heard)
    training, evaluation = (now - then for now, then in zip(numbers(), before, strict=True))
    found = {"training": training, "evaluation": evaluation, "seconds": math.fsum(seconds)}
    write_json(task.with_suffix(SUFFIX), found)


def told(folder: Path) -> list[str]:
    """Return a line about the programs of the workers whose tasks are in a folder; none if none has left a file."""
    all_ = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob(f"*{SUFFIX}"))]
    total = {name: sum(one[name] for one in all_) for name in ("training", "evaluation", "seconds")}
    return [in_words(total)] if all_ else []


def in_words(total: Mapping[str, int | float]) -> str:
    """Say what was found in one line."""
    trained, looked = (f"{total[name]:g} for {name}" for name in ("training", "evaluation"))
    return f"programs: {trained}, {looked}; compiled, or read from the cache, in {total['seconds']:.0f} s"
