"""The store of pretrainings. The key of an entry is a hash of everything that decides its content.

Entries are derived data: a lost one can be trained again.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim.disk.files import FinishedError, complaint, pack, publish, unpack, verified
from sim.disk.records import ARRAYS, RESULTS_VERSION, PhaseRecord, run_hash
from sim.numerics import SpecificationError

STORE = "store"
"""Name of the folder below outputs that holds pretrainings instead of runs."""

PARAMS, OPTIMIZER, FACTS, ADDRESS = "params.safetensors", "optimizer.safetensors", "facts.json", "address.json"


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A finished pretraining: its recorded arrays, its last parameters and optimiser state, and its provenance.

    content: everything that decides it, as JSON. The key of its entry is the hash of this, `sim.disk.records.run_hash`.
    """

    phase: PhaseRecord
    params: Mapping[str, np.ndarray]  # flat
    opt_state: Mapping[str, np.ndarray]  # flat, the state of the optimiser after the last step
    facts: Mapping[str, Any]  # JSON
    content: Mapping[str, Any]  # JSON


def entry(outputs: str, key: str) -> Path:
    """Return the path of a pretraining: outputs/store/<key>."""
    return Path(outputs) / STORE / key


def save(outputs: str, key: str, pretrained: Pretrained) -> None:
    """Publish a pretraining. If another process was first, its entry is kept, because it is equally good."""
    phase = pretrained.phase
    recorded = {f"recorded/{name}": values for name, values in phase.arrays.items()}
    address = {"results_version": RESULTS_VERSION, "content": dict(pretrained.content)}
    files = {
        ARRAYS: pack({"steps": phase.steps, "losses": phase.losses, **recorded}),
        PARAMS: pack(pretrained.params),
        OPTIMIZER: pack(pretrained.opt_state),
        FACTS: json.dumps(dict(pretrained.facts), indent=1, sort_keys=True).encode(),
        ADDRESS: json.dumps(address, indent=1, sort_keys=True).encode(),
    }
    try:
        publish(entry(outputs, key), files)
    except FinishedError:
        pass


def load(outputs: str, key: str) -> Pretrained | None:
    """Return a verified pretraining; None if there is none.

    An entry that is damaged, or that belongs to another key, is renamed to <key>.damaged, reported in one line on
    stderr, and counts as missing.
    """
    place = entry(outputs, key)
    try:
        before = place.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return read(place)
    except SpecificationError as problem:
        _set_aside(place, before, complaint(place, problem))
        return None


def read(place: Path) -> Pretrained:
    """Read an entry. It raises SpecificationError for one that is damaged, or that belongs to another key."""
    files = verified(place, [ARRAYS, PARAMS, OPTIMIZER, FACTS, ADDRESS])
    try:
        arrays, facts, address = unpack(files[ARRAYS]), json.loads(files[FACTS]), json.loads(files[ADDRESS])
        key = run_hash(address["content"], address["results_version"])
        recorded = {name.partition("/")[2]: values for name, values in arrays.items() if "/" in name}
        phase = PhaseRecord(arrays["steps"], arrays["losses"], recorded)
        found = Pretrained(phase, unpack(files[PARAMS]), unpack(files[OPTIMIZER]), facts, address["content"])
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        raise SpecificationError(complaint(place, problem)) from None
    if key != place.name:
        raise SpecificationError(f"{place}: the pretraining {place.name} is required, found {key}")
    return found


def _set_aside(place: Path, seen: os.stat_result, found: str) -> None:
    """Rename a damaged entry, unless another process has replaced it in the meantime."""
    aside, number = place.with_name(f"{place.name}.damaged"), 1
    while aside.exists():
        aside, number = place.with_name(f"{place.name}.damaged-{number + 1}"), number + 1
    try:
        if not os.path.samestat(seen, place.stat()):
            return
        place.rename(aside)
    except FileNotFoundError:
        return
    print(f"{found}; set aside as {aside.name} and trained again", file=sys.stderr)
