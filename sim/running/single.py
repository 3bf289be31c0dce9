"""One run in this process: from a canonical configuration to its record, or to the error."""

import os
from collections.abc import Mapping
from typing import Any

from sim.disk.records import Described, Record, check, prepare, read
from sim.numerics import SpecificationError
from sim.running.identity import target
from sim.running.outcomes import Outcome
from sim.running.unlisted.asked import is_unlisted
from sim.running.work import perform
from sim.training.simulation import Observer


def bring(chosen: Mapping[str, Any], observe: Observer = lambda *_: None) -> tuple[Outcome, Record | Described]:
    """Do a run, or keep the finished one, and read its record, without its arrays if its strings are not listed.

    If the run fails, its exception is raised. It is a SpecificationError if the user can correct what went wrong.
    """
    place = target(chosen)
    if not os.path.exists(place):  # False for a path that no file system can hold
        prepare(place)
    (outcome,) = perform([chosen], observe=observe)
    if outcome.error is not None:
        raise outcome.error if not outcome.mistake else SpecificationError(outcome.reason) from outcome.error
    return outcome, check(place) if is_unlisted(chosen) else read(place)
