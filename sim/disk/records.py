"""Write and read the record of a run: arrays, configuration, provenance and checksums; published atomically."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sim.disk.files import MANIFEST as MANIFEST
from sim.disk.files import FinishedError as FinishedError
from sim.disk.files import pack, publish, unpack, verified
from sim.disk.later import LaterWorld, later_arrays, later_description, later_worlds
from sim.disk.ledger import DESCRIPTION as DESCRIPTION
from sim.disk.ledger import FAILED
from sim.disk.phase_record import BY_STEP
from sim.disk.phase_record import PhaseRecord as PhaseRecord
from sim.disk.worlds import language, language_arrays, language_description, restricted_arrays, restricted_description
from sim.disk.worlds import restricted as restricted_of
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.numerics import SpecificationError, in_one_line
from sim.phases import Meaning, restored, stored
from sim.places import check_writable

RESULTS_VERSION = 5
"""It is increased with every change of the program that can change numbers. It is part of the hash of every run."""

ARRAYS = "arrays.safetensors"

UNLISTED = "unlisted"
"""The `kind` in the description of a record whose strings are not listed, see `sim.unlisted.record`."""


@dataclass(frozen=True, eq=False)
class Record:
    """A finished run: its world, what was recorded of every phase, and how it came about.

    log_optimum: log q* of whole documents [nat], float64[N], the optimum that theory predicts for the fine-tuning; None
    where it predicts none. `facts["optimum"]` says which; a record that was made before has no such fact.
    """

    name: str
    hash: str
    config: Mapping[str, Any]  # canonical
    p: FiniteLanguage
    restricted: Restricted
    phases: Mapping[str, PhaseRecord]
    facts: dict[str, Any] = field(default_factory=dict)  # provenance, notes, residuals
    params: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)  # final, flat, per phase
    log_optimum: np.ndarray | None = None
    meanings: Mapping[str, Meaning] = field(default_factory=dict)  # of the phases; filled in where it is empty
    stages: Mapping[str, LaterWorld] = field(default_factory=dict)  # the worlds of later stages, by name

    def __post_init__(self) -> None:
        if not self.meanings:
            object.__setattr__(self, "meanings", restored(self.phases, None))


@dataclass(frozen=True, eq=False)
class Described:
    """A finished run without its arrays; the fields are those of `Record`."""

    name: str
    hash: str
    config: Mapping[str, Any]
    facts: Mapping[str, Any]


NOT_CONTENT = ("name", "outputs", "claim", "study")
"""Keys of a configuration that do not belong to the identity of a run."""


def run_hash(canonical: Mapping[str, Any], version: int | None = None) -> str:
    """Identity of a run: 12 hex digits of the SHA-256 of its canonical configuration and of a version of the results.

    The version is RESULTS_VERSION unless it is given. The keys NOT_CONTENT are left out, because they only say where
    results go and what they are for.
    """
    content = {key: value for key, value in canonical.items() if key not in NOT_CONTENT}
    text = json.dumps({"results_version": version or RESULTS_VERSION, **content}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def check_name(source: Path, about: Mapping[str, Any]) -> None:
    """Raise SpecificationError unless a folder has the name of the run whose description it holds."""
    name = source.name.removesuffix(FAILED)
    if name != about["hash"]:
        raise SpecificationError(
            f"{source}: the record of run {name} is required, found that of run {about['hash']}; "
            "rename the folder, or delete it if it is a copy"
        )


def check_identity(source: Path, about: Mapping[str, Any]) -> None:
    """Raise SpecificationError unless the name of a record is the hash of its configuration.

    The hash also covers `facts["identity"]`: the hash of the grammar file, and the members of other packages. Records
    made before have no such fact; they are of this or of an earlier version of the results. If such a record uses a
    member of another package, its hash cannot be made again, so nothing is checked.
    """
    name, facts = about["hash"], about["facts"]
    known, file = facts.get("identity"), facts.get("grammar_file")
    if known is None and any(not member.startswith("sim/") for member in facts.get("members", {})):
        return
    extra = known["content"] if known else {"file": file["sha256"]} if file else {}
    versions = [known["results_version"]] if known else range(1, RESULTS_VERSION + 1)
    found = [run_hash({**about["config"], **extra}, version) for version in versions]
    if name not in found:
        raise SpecificationError(
            f"{source}: a record whose configuration is that of run {name} is required, found that of run {found[-1]}; "
            "delete the folder and do the run again"
        )


def folder(outputs: str, name: str, run: str) -> Path:
    """Return the path of the record of a run: outputs/<name>/<hash>."""
    return Path(outputs) / name / run


def prepare(target: Path) -> None:
    """Check that a record can be published at `target`; raise SpecificationError if nothing can be written there.

    Nothing is left behind: folders are made only when there is a record to put into them.
    """
    check_writable("outputs", target.parent, [target.name], "choose another with outputs=...")


WORLD = ("world/strings", "world/log_p", "world/log_s", "world/log_kept", "world/event")
ROWS = ("rows/p_rows", "rows/s_rows")
"""Arrays that every record has, if its strings are listed, and if they are not."""


def check(source: Path, identified: bool = True) -> Described:
    """Verify a record as `read` does, and return it without its arrays.

    The arrays are unpacked, and those that every record has must be there. But no language is made of them, because
    that would take most of the time.
    """
    files = verified(source, [ARRAYS, DESCRIPTION])
    with ours(source):
        about = json.loads(files[DESCRIPTION])
        check_name(source, about)
        if identified:
            check_identity(source, about)
        arrays, params = unpack(files[ARRAYS]), [files[params_file(phase)] for phase in about["params"]]
        phases = [f"{phase}/{name}" for phase in about["phases"] for name in ("steps", "losses")]
        for name in (*(ROWS if about.get("kind") == UNLISTED else WORLD), *phases):
            arrays[name]
        for data in params:
            unpack(data)
        return Described(about["name"], about["hash"], about["config"], about["facts"])


@contextmanager
def ours(source: Path) -> Iterator[None]:
    """Turn an error about the content of a folder with the right checksums into a SpecificationError."""
    try:
        yield
    except SpecificationError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        found = in_one_line(f"{type(problem).__name__}: {problem}")
        raise SpecificationError(
            f"{source}: a record of this program is required, found {found}; move the folder elsewhere"
        ) from None


def invalidity(record: Record | Described) -> str | None:
    """Return one line if KL(P||q0) stayed above its limit, so that no verdict may rest on the run; else None."""
    said = record.facts["pretraining"]
    if said["valid"]:
        return None
    unit = "nat per token" if said.get("per") == "token" else "nat"  # per token if the strings are not listed
    return (
        f"NOT VALID: after pretraining the joint KL(P||q0) must be at most pretrain.limit = {said['limit']:g} {unit}, "
        f"found {said['joint_kl']:.4g}; raise pretrain.num_steps (now {record.config['pretrain']['num_steps']}) or "
        "take a larger model. The numbers are correct for this q0, but no verdict may rest on them"
    )


def write(record: Record, target: Path) -> Path:
    """Publish a record in one step (see `sim.disk.files.publish`).

    It raises FinishedError if the target exists, because nothing finished is ever overwritten.
    """
    arrays, about = parts(record)
    files = {ARRAYS: pack(arrays)}
    files |= {params_file(phase): pack(params) for phase, params in record.params.items()}
    description = json.dumps(about, indent=1, sort_keys=True)
    return publish(target, files | {DESCRIPTION: description.encode()})


def parts(record: Record) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays of a record by name, and its description as JSON; `joined` makes a record of them again."""
    return _arrays(record), _description(record)


def params_file(phase: str) -> str:
    """Return the name of the file with the final parameters of a phase."""
    return f"{phase}.params.safetensors"


def _arrays(record: Record) -> dict[str, np.ndarray]:
    arrays = language_arrays(record.p) | restricted_arrays(record.restricted, "world") | later_arrays(record.stages)
    if record.log_optimum is not None:
        arrays["world/log_optimum"] = record.log_optimum
    for phase, recorded in record.phases.items():
        arrays[f"{phase}/steps"], arrays[f"{phase}/losses"] = recorded.steps, recorded.losses
        for name in BY_STEP:
            if (values := getattr(recorded, name)) is not None:
                arrays[f"{phase}/{name}"] = values
        arrays |= {f"{phase}/{name}": values for name, values in recorded.arrays.items()}
    return arrays


def _description(record: Record) -> dict[str, Any]:
    return {
        "name": record.name,
        "hash": record.hash,
        "config": dict(record.config),
        **language_description(record.p),
        "restriction": restricted_description(record.restricted),
        **later_description(record.stages),
        "phases": list(record.phases),
        "meanings": stored(record.meanings, record.phases),
        "params": list(record.params),
        "facts": dict(record.facts),
    }


def read(source: str | Path, identified: bool = False) -> Record:
    """Read a record. Every file is verified against the manifest, and the name of the folder against the description.

    identified: whether the name is also verified against the configuration, see `check_identity`. It raises
    SpecificationError for a missing or changed file, and for a record under the name of another run.
    """
    source = Path(source)
    files = verified(source, [ARRAYS, DESCRIPTION])
    with ours(source):
        about = json.loads(files[DESCRIPTION])
        check_name(source, about)
        if identified:
            check_identity(source, about)
        if about.get("kind") == UNLISTED:
            raise SpecificationError(
                f"{source}: a record of listed strings is required, found one of a language that is not listed; "
                f"python -m experiments unlisted {source.parent} reads it"
            )
        params = {phase: unpack(files[params_file(phase)]) for phase in about["params"]}
        return joined(about, unpack(files[ARRAYS]), params)


def joined(
    about: Mapping[str, Any], arrays: Mapping[str, np.ndarray], params: Mapping[str, Mapping[str, np.ndarray]]
) -> Record:
    """Return the record with a description, arrays and parameters, see `parts`. KeyError if an array is missing."""
    p = language(about, arrays)
    restricted = restricted_of(p, about["restriction"], arrays, "world")
    phases = {}
    for phase in about["phases"]:
        own = {name.split("/")[1]: values for name, values in arrays.items() if name.startswith(f"{phase}/")}
        by_step = {name: own.pop(name, None) for name in BY_STEP}
        phases[phase] = PhaseRecord(own.pop("steps"), own.pop("losses"), own, **by_step)
    meanings, best = restored(phases, about.get("meanings")), arrays.get("world/log_optimum")
    named, stages = (about["name"], about["hash"], about["config"]), later_worlds(about, arrays, p, restricted)
    return Record(*named, p, restricted, phases, about["facts"], params, best, meanings, stages)
