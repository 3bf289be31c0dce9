"""The worlds of the later stages of a run in its record."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.disk.worlds import restricted, restricted_arrays, restricted_description
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted


@dataclass(frozen=True, eq=False)
class LaterWorld:
    """What is known about a later stage before it is trained.

    restricted: its S and A; own: whether they differ from those of the fine-tuning; log_optimum: log q* of whole
    documents [nat], float64[N], the optimum that theory predicts for this stage; None where it predicts none. The
    reference q0 of the prediction is the model of the stage before.
    """

    restricted: Restricted
    own: bool
    log_optimum: np.ndarray | None = None


def later_arrays(stages: Mapping[str, LaterWorld]) -> dict[str, np.ndarray]:
    """Return the arrays of the worlds of later stages. What a stage has in common with the fine-tuning is left out."""
    found: dict[str, np.ndarray] = {}
    for stage, one in stages.items():
        found |= restricted_arrays(one.restricted, _place(stage)) if one.own else {}
        found |= {} if one.log_optimum is None else {f"{_place(stage)}/log_optimum": one.log_optimum}
    return found


def later_description(stages: Mapping[str, LaterWorld]) -> dict[str, Any]:
    """Return what else a record says of later stages, as JSON. A record without them has no such key."""
    own = {stage: restricted_description(one.restricted) if one.own else None for stage, one in stages.items()}
    return {"stages": own} if own else {}


def later_worlds(
    about: Mapping[str, Any], arrays: Mapping[str, np.ndarray], p: FiniteLanguage, first: Restricted
) -> dict[str, LaterWorld]:
    """Return the worlds of later stages from the description and the arrays of a record. `first` is its restriction."""
    found = {}
    for stage, said in about.get("stages", {}).items():
        part = first if said is None else restricted(p, said, arrays, _place(stage))
        found[stage] = LaterWorld(part, said is not None, arrays.get(f"{_place(stage)}/log_optimum"))
    return found


def _place(stage: str) -> str:
    """Return the beginning of the names of arrays. It differs from the beginning of those of the phase."""
    return f"world.{stage}"
