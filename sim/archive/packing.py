"""From records to the files of an archive."""

import io
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from sim.archive.choosing import Choice, held_nodes
from sim.archive.readme import readme
from sim.archive.tables import WorldTables, packed, world_name
from sim.disk.archives import ARCHIVE, FORMAT, MODELS, RUNS, VERSION, world_file
from sim.disk.records import RESULTS_VERSION, Record, parts, read
from sim.disk.stacking import BETWEEN
from sim.metrics.frames import runs_table
from sim.numerics import SpecificationError
from sim.show.counting import counted

LARGEST = 50 * 10**6
"""Largest size of an archive [byte]."""

_WORDS = ("run", "name", "seed", "valid", "claim", "part", "grammar", "restriction", "model", "objective", "optimizer")
_LAWS = ("log_s", "log_kept", "log_optimum")
_RUN = {
    **dict.fromkeys((*_WORDS, "world"), pl.String), "seed": pl.Int64, "valid": pl.Boolean,
    **dict.fromkeys(_LAWS, pl.Int64), "description": pl.String,
}  # fmt: skip
_MODEL = {
    **dict.fromkeys(("run", "world", "phase", "role", "model"), pl.String), "step": pl.Int64, "last": pl.Boolean,
    "loss": pl.Float64, "row": pl.Int64,
}  # fmt: skip
_OF_THE_WORLD = ("world/strings", "world/log_p", "world/log_style_posterior")


def files_of(sources: Sequence[Path], choice: Choice) -> dict[str, bytes]:
    """Return the files of an archive of some records, by name. The order of the records does not matter.

    Raises SpecificationError for a damaged record, for a run that is given twice, and for more than `LARGEST` bytes.
    """
    worlds: dict[str, WorldTables] = {}
    runs, models = [], []
    told = f"{{:,}} of {len(sources):,} records are packed".format
    for source in counted(_ordered(sources), len(sources), told):
        record = read(source)
        world = world_name(record.p)
        tables = worlds.setdefault(world, WorldTables(record.p))
        own, about = list(_models(record, world, tables, choice)), _description(record, tables, choice)
        models += own
        row = runs_table([record]).select(*_WORDS).row(0, named=True)
        runs.append({**row, "world": world, **_laws(about), "description": json.dumps(about, sort_keys=True)})
    found = {world_file(name): packed(worlds[name].arrays()) for name in sorted(worlds)}
    found |= {RUNS: _parquet(runs, _RUN), MODELS: _parquet(models, _MODEL)}
    about_all = {
        "format": FORMAT, "version": VERSION, "results_version": RESULTS_VERSION, "runs": len(runs),
        "worlds": len(worlds), "models": len(models), "evaluations": choice.evaluations, "kept": sorted(choice.more),
        "left_out": choice.left_out(),
    }  # fmt: skip
    found[ARCHIVE] = json.dumps(about_all, indent=1).encode()
    found["README.md"] = readme(about_all).encode()
    check_size(found, choice)
    return found


def check_size(files: dict[str, bytes], choice: Choice) -> None:
    """Raise SpecificationError if the files of an archive are too large together. Nothing is ever thinned silently."""
    size = sum(map(len, files.values()))
    if size > LARGEST:
        less = "leave --keep out" if choice.more else "choose --evaluations ends"
        less = "give fewer folders" if not choice.more and choice.evaluations == "ends" else f"{less}, or fewer folders"
        raise SpecificationError(
            f"--out: an archive of at most {LARGEST / 1e6:g} MB is required, found {size / 1e6:.1f} MB; {less}"
        )


def _ordered(sources: Sequence[Path]) -> list[Path]:
    """Return records in the order of their names. SpecificationError if two are of the same run."""
    found = sorted(sources, key=lambda source: (source.name, str(source)))
    for one, other in itertools.pairwise(found):
        if one.name == other.name:
            raise SpecificationError(f"{other}: another run than {one} is required, found the same; give one of them")
    return found


def _models(record: Record, world: str, tables: WorldTables, choice: Choice) -> Iterator[dict[str, Any]]:
    """Iterate over the evaluations of a record that are kept."""
    for phase, recorded in record.phases.items():
        meaning = record.meanings[phase]
        for index in choice.indices(record, phase):
            yield {
                "run": record.hash, "world": world, "phase": phase, "role": meaning.role, "model": meaning.model,
                "step": int(recorded.steps[index]), "last": index == len(recorded.steps) - 1,
                "loss": float(recorded.losses[index]), "row": tables.add_model(record, phase, index),
            }  # fmt: skip


def _description(record: Record, tables: WorldTables, choice: Choice) -> dict[str, Any]:
    """Return the description of a record, with the places of its arrays that are kept and not those of models."""
    arrays, about = parts(record)  # their order depends on the process that has read them
    heads = tuple(f"{phase}/" for phase in record.phases)
    places = {
        name: tables.add(values)
        for name, values in sorted(arrays.items())
        if name not in _OF_THE_WORLD and not name.startswith(heads)
    }
    nodes = {}
    for phase, recorded in record.phases.items():
        kept = choice.indices(record, phase)
        own = choice.arrays(recorded, kept)
        nodes[phase] = held_nodes(own, len(kept))
        places |= {f"{phase}/{name}": tables.add(values) for name, values in own.items()}
        assert not any(name.startswith(BETWEEN) for name in own), "laws are in the table of models"
    return {**about, "params": [], "arrays": places, "nodes": nodes}


def _laws(about: dict[str, Any]) -> dict[str, int | None]:
    """Return the rows of log S, log P_A and log q* in the table of laws, for readers of the table of runs."""
    places = about["arrays"]
    found = {name: places.get(f"world/{name}") for name in _LAWS}
    return {name: None if place is None else place[1] for name, place in found.items()}


def _parquet(rows: list[dict[str, Any]], schema: Mapping[str, Any]) -> bytes:
    data = io.BytesIO()
    pl.DataFrame(rows, schema).write_parquet(data, compression="zstd", statistics=False)
    return data.getvalue()
