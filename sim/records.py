"""Write and read the record of a run: arrays, configuration, provenance and checksums; published atomically."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from sim.languages.finite import FiniteLanguage, Styles
from sim.languages.restricted import Restricted
from sim.languages.trie import Trie
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError

RESULTS_VERSION = 1
"""Raised whenever a change of the program can change numbers; part of every run's hash."""

MANIFEST, DESCRIPTION, ARRAYS = "manifest.json", "run.json", "arrays.safetensors"


@dataclass(frozen=True, eq=False)
class PhaseRecord:
    """One training: recorded arrays with a leading axis of evaluations, see `sim.probes.node_record`."""

    steps: np.ndarray  # int[T]
    losses: np.ndarray  # float64[T], mean loss since the evaluation before [nat per string], nan at step 0
    arrays: Mapping[str, np.ndarray]  # float64[T, E] and float64[T, M]


@dataclass(frozen=True, eq=False)
class Record:
    """A finished run: its world, what was recorded of every phase, and how it came about."""

    name: str
    hash: str
    config: Mapping[str, Any]  # canonical
    p: FiniteLanguage
    restricted: Restricted
    phases: Mapping[str, PhaseRecord]
    facts: dict[str, Any] = field(default_factory=dict)  # provenance, notes, residuals
    params: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)  # final, flat, per phase


class FinishedError(SpecificationError):
    """Another process published the same run first; its record is as good."""


def run_hash(canonical: Mapping[str, Any]) -> str:
    """Identity of a run: 12 hex digits of the SHA-256 of its canonical configuration and RESULTS_VERSION.

    `name` and `outputs` are left out: they say where results go, not what they are.
    """
    content = {key: value for key, value in canonical.items() if key not in ("name", "outputs")}
    text = json.dumps({"results_version": RESULTS_VERSION, **content}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def folder(outputs: str, name: str, run: str) -> Path:
    """Where the record of a run lies: outputs/<name>/<hash>."""
    return Path(outputs) / name / run


def prepare(target: Path) -> None:
    """Prove that a record can be published at a target; raises SpecificationError where nothing can be written.

    Leaves nothing behind: folders are made when there is a record to put into them.
    """
    existing = next(place for place in target.absolute().parents if place.exists())
    try:
        Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=existing)).rmdir()
    except OSError as problem:
        raise SpecificationError(
            f"outputs: a folder that can be written is required, found {target.parent} ({problem.strerror}); "
            "choose another with outputs=..."
        ) from None


def invalidity(record: Record) -> str | None:
    """One line if the pretraining did not come below its limit, so that no verdict may rest on the run; else None."""
    said = record.facts["pretraining"]
    if said["valid"]:
        return None
    return (
        f"NOT VALID: after pretraining the joint KL(P||q0) must be at most pretrain.limit = {said['limit']:g} nat, "
        f"found {said['joint_kl']:.4g}; raise pretrain.num_steps (now {record.config['pretrain']['num_steps']}). "
        "The numbers are true of this q0, but no verdict may rest on them"
    )


def write(record: Record, target: Path) -> Path:
    """Write a record next to `target` and rename it into place in one step; the manifest is written last.

    Raises FinishedError if the target exists: nothing finished is ever overwritten.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        save_file(_arrays(record), draft / ARRAYS)
        for phase, params in record.params.items():
            save_file(
                {name: np.ascontiguousarray(leaf) for name, leaf in params.items()},
                draft / f"{phase}.params.safetensors",
            )
        _write_json(draft / DESCRIPTION, _description(record))
        sums = {file.name: _sha256(file) for file in sorted(draft.iterdir())}
        _write_json(draft / MANIFEST, sums)
        _publish(draft, target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return target


def _publish(draft: Path, target: Path) -> None:
    draft.chmod(0o755)
    try:
        draft.rename(target)  # atomic; fails if the target is a non-empty folder
    except OSError as problem:
        if target.exists():
            raise FinishedError(
                f"{target}: a finished run is never overwritten; it was finished by another process meanwhile"
            ) from None
        raise problem


def _write_json(file: Path, content: Any) -> None:
    with file.open("w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=1, sort_keys=True)
        stream.flush()
        os.fsync(stream.fileno())


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _arrays(record: Record) -> dict[str, np.ndarray]:
    p, restricted = record.p, record.restricted
    arrays = {
        "world/strings": p.trie.strings,
        "world/log_p": p.log_p,
        "world/log_s": restricted.s.log_p,
        "world/log_kept": restricted.kept.log_p,
        "world/event": restricted.event,
    }
    if p.styles is not None:
        arrays["world/log_style_posterior"] = p.styles.log_posterior
    for phase, recorded in record.phases.items():
        arrays[f"{phase}/steps"], arrays[f"{phase}/losses"] = recorded.steps, recorded.losses
        arrays |= {f"{phase}/{name}": values for name, values in recorded.arrays.items()}
    return {name: np.ascontiguousarray(values) for name, values in arrays.items()}


def _description(record: Record) -> dict[str, Any]:
    vocabulary, styles = record.p.vocabulary, record.p.styles
    return {
        "name": record.name,
        "hash": record.hash,
        "config": dict(record.config),
        "vocabulary": {
            "symbols": list(vocabulary.symbols),
            "prompt_end": vocabulary.prompt_end,
            "joiner": vocabulary.joiner,
        },
        "styles": None if styles is None else list(styles.names),
        "restriction": {"log_mass": record.restricted.log_mass, "notes": dict(record.restricted.notes)},
        "phases": list(record.phases),
        "params": list(record.params),
        "facts": dict(record.facts),
    }


def read(source: Path) -> Record:
    """Read a record and verify every file against the manifest; a missing or changed file raises SpecificationError."""
    sums = _manifest(source)
    for name, expected in sums.items():
        if not (source / name).is_file() or _sha256(source / name) != expected:
            raise SpecificationError(
                f"{source / name}: its content must match the manifest, found it damaged; delete {source} and run again"
            )
    about = json.loads((source / DESCRIPTION).read_text(encoding="utf-8"))
    arrays = load_file(source / ARRAYS)
    p, restricted = _world(about, arrays)
    phases = {}
    for phase in about["phases"]:
        own = {name.split("/")[1]: values for name, values in arrays.items() if name.startswith(f"{phase}/")}
        phases[phase] = PhaseRecord(own.pop("steps"), own.pop("losses"), own)
    params = {phase: load_file(source / f"{phase}.params.safetensors") for phase in about["params"]}
    return Record(about["name"], about["hash"], about["config"], p, restricted, phases, about["facts"], params)


def _manifest(source: Path) -> dict[str, str]:
    """Checksum of every file of a record; none of what will be read may be missing from it."""
    file, mend = source / MANIFEST, f"delete {source} and run again"
    try:
        sums = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise SpecificationError(f"{source}: a finished record holds {MANIFEST}, found none; {mend}") from None
    except ValueError:
        raise SpecificationError(f"{file}: JSON is required, found it damaged; {mend}") from None
    listed = set(sums) if isinstance(sums, dict) else set()
    missing = ({ARRAYS, DESCRIPTION} | {path.name for path in source.glob("*.safetensors")}) - listed
    if missing:
        raise SpecificationError(f"{file}: every file of the record is required, found no {min(missing)}; {mend}")
    return sums


def _world(about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> tuple[FiniteLanguage, Restricted]:
    words = about["vocabulary"]
    vocabulary = Vocabulary(tuple(words["symbols"]), words["prompt_end"], words["joiner"])
    trie = Trie(arrays["world/strings"], len(vocabulary))
    names = about["styles"]
    styles = None if names is None else Styles(tuple(names), arrays["world/log_style_posterior"])
    p, s, kept = (
        FiniteLanguage(vocabulary, trie, arrays[f"world/{name}"], styles) for name in ("log_p", "log_s", "log_kept")
    )
    said = about["restriction"]
    return p, Restricted(s, kept, arrays["world/event"], said["log_mass"], said["notes"])
