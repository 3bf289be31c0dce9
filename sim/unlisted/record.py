"""The record of a run whose strings are not listed: rows of tokens, what was recorded of every phase, and facts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sim.disk.files import pack, publish, unpack, verified
from sim.disk.phase_record import PhaseRecord
from sim.disk.records import ARRAYS, DESCRIPTION, UNLISTED, check_identity, check_name, ours, params_file
from sim.numerics import SpecificationError
from sim.phases import Meaning, restored, stored
from sim.unlisted.looks import path_entropy
from sim.unlisted.world import UnlistedWorld

LANGUAGES = ("p", "s")
"""The laws whose strings a model is judged by."""


@dataclass(frozen=True, eq=False)
class UnlistedRecord:
    """A finished run whose strings are not listed.

    rows: for p and for s, independent rows of the law with their exact log-probabilities: `p_rows` int32[N, L],
    `p_log_p`, `p_log_s`, `p_entropy` (see `path_entropy`) float64[N], and the same of s. A phase has the arrays of
    `sim.unlisted.looks.look`, with the prefix `p_` or `s_`, at every evaluation, and at the first and the last one what
    the model itself has drawn: `own_rows`, `own_log_q`, `own_log_p`, `own_log_s`; and if S leaves strings out, twisted
    draws of these from the model, `lost_rows` and `lost_log_weight` (`sim.unlisted.twisted`).
    """

    name: str
    hash: str
    config: Mapping[str, Any]  # canonical
    rows: Mapping[str, np.ndarray]
    phases: Mapping[str, PhaseRecord]
    facts: dict[str, Any] = field(default_factory=dict)  # world, provenance, pretraining
    params: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)  # final, flat, per phase
    meanings: Mapping[str, Meaning] = field(default_factory=dict)


def judged_by(world: UnlistedWorld, number: int, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draw `number` rows of P and of S. Returns what a record holds of them, and the laws float64[N, L, V] by name."""
    held, laws = {}, {}
    for name, own in zip(LANGUAGES, (world.p, world.s), strict=True):
        rows = own.sample(rng, number)
        laws[name] = own.next_token(rows)
        held[f"{name}_rows"], held[f"{name}_entropy"] = rows, path_entropy(laws[name], rows)
        held |= {f"{name}_log_{other}": seen.log_prob(rows) for other, seen in (("p", world.p), ("s", world.s))}
    return held, laws


def write(record: UnlistedRecord, target: Path) -> Path:
    """Publish a record in one step. It raises FinishedError if the target exists: nothing finished is overwritten."""
    arrays = {f"rows/{name}": values for name, values in record.rows.items()}
    for phase, recorded in record.phases.items():
        arrays[f"{phase}/steps"], arrays[f"{phase}/losses"] = recorded.steps, recorded.losses
        arrays |= {f"{phase}/{name}": values for name, values in recorded.arrays.items()}
    about = {
        "kind": UNLISTED,
        "name": record.name,
        "hash": record.hash,
        "config": dict(record.config),
        "phases": list(record.phases),
        "meanings": stored(record.meanings, record.phases),
        "params": list(record.params),
        "facts": dict(record.facts),
    }
    files = {ARRAYS: pack(arrays), DESCRIPTION: json.dumps(about, indent=1, sort_keys=True).encode()}
    return publish(target, files | {params_file(phase): pack(params) for phase, params in record.params.items()})


def read(source: str | Path) -> UnlistedRecord:
    """Read a record. Every file is verified, and the name of the folder against description and configuration.

    Raises SpecificationError for a missing or changed file, and for a record of another kind or under another name.
    """
    source = Path(source)
    files = verified(source, [ARRAYS, DESCRIPTION])
    with ours(source):
        about = json.loads(files[DESCRIPTION])
        if about.get("kind") != UNLISTED:
            raise SpecificationError(
                f"{source}: the record of a run on a language that is not listed is required, found one of listed "
                "strings; python -m experiments demo reads it"
            )
        check_name(source, about)
        check_identity(source, about)
        arrays = unpack(files[ARRAYS])
        params = {phase: unpack(files[params_file(phase)]) for phase in about["params"]}
        parts: dict[str, dict[str, np.ndarray]] = {}
        for place, values in arrays.items():
            owner, _, name = place.partition("/")
            parts.setdefault(owner, {})[name] = values
        phases = {
            phase: PhaseRecord(parts[phase].pop("steps"), parts[phase].pop("losses"), parts[phase])
            for phase in about["phases"]
        }
        named = about["name"], about["hash"], about["config"]
        return UnlistedRecord(
            *named, parts["rows"], phases, about["facts"], params, restored(phases, about.get("meanings"))
        )
