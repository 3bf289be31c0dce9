"""The store of pretrainings, addressed by what decides their content: derived data, which can be trained anew."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim.disk.files import FinishedError, complaint, pack, publish, unpack, verified
from sim.disk.records import ARRAYS, PhaseRecord

STORE = "store"
"""The folder below outputs that holds pretrainings, not runs."""

PARAMS, OPTIMIZER, FACTS = "params.safetensors", "optimizer.safetensors", "facts.json"


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A finished pretraining: what was recorded of it, its last parameters and optimiser state, how it came about."""

    phase: PhaseRecord
    params: Mapping[str, np.ndarray]  # flat
    opt_state: Mapping[str, np.ndarray]  # flat, of the optimiser after the last step
    facts: Mapping[str, Any]  # JSON


def entry(outputs: str, key: str) -> Path:
    """Where a pretraining lies: outputs/store/<key>."""
    return Path(outputs) / STORE / key


def save(outputs: str, key: str, pretrained: Pretrained) -> None:
    """Publish a pretraining; if another process was first, its entry is kept, which is as good."""
    phase = pretrained.phase
    recorded = {f"recorded/{name}": values for name, values in phase.arrays.items()}
    files = {
        ARRAYS: pack({"steps": phase.steps, "losses": phase.losses, **recorded}),
        PARAMS: pack(pretrained.params),
        OPTIMIZER: pack(pretrained.opt_state),
        FACTS: json.dumps(dict(pretrained.facts), indent=1, sort_keys=True).encode(),
    }
    try:
        publish(entry(outputs, key), files)
    except FinishedError:
        pass


def load(outputs: str, key: str) -> Pretrained | None:
    """A verified pretraining; None if there is none.

    A damaged one is set aside as <key>.damaged, said in one line on stderr, and counts as none.
    """
    place = entry(outputs, key)
    try:
        before = place.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        files = verified(place, [ARRAYS, PARAMS, OPTIMIZER, FACTS])
        arrays, facts = unpack(files[ARRAYS]), json.loads(files[FACTS])
        recorded = {name.partition("/")[2]: values for name, values in arrays.items() if "/" in name}
        phase = PhaseRecord(arrays["steps"], arrays["losses"], recorded)
        return Pretrained(phase, unpack(files[PARAMS]), unpack(files[OPTIMIZER]), facts)
    except (ValueError, KeyError) as problem:  # a SpecificationError too
        _set_aside(place, before, complaint(place, problem))
        return None


def _set_aside(place: Path, seen: os.stat_result, found: str) -> None:
    """Rename a damaged entry, unless somebody has put another into its place meanwhile."""
    aside, number = place.with_name(f"{place.name}.damaged"), 1
    while aside.exists():
        aside, number = place.with_name(f"{place.name}.damaged-{number + 1}"), number + 1
    try:
        if not os.path.samestat(seen, place.stat()):
            return
        place.rename(aside)
    except FileNotFoundError:
        return
    print(f"{found}; set aside as {aside.name}, it is trained anew", file=sys.stderr)
