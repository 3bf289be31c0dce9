"""The reference of the atlas: where every method lies in every world, in the repository, to place others beside it.

One row for each method, strength, world and level, at most 1 MB in all. The hash of each world and the settings that
all runs share belong to it, because numbers are compared in the same world and with the same settings alone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from experiments.atlas.shared import settings, shared, truth_hash
from experiments.packing import packed
from experiments.predictions import Tables
from experiments.publishing import BUDGET, provenance, put, read_tables
from experiments.reduction import rounded
from experiments.study import Study
from sim.numerics import SpecificationError
from sim.show.published import MANIFEST, Published, published

NAME = "atlas"

TOP = Path(__file__).resolve().parents[1] / "reference"
"""The folder of the reference of this repository: `atlas/published.json` and `atlas/tables/`."""

TABLE = "places"
"""The name of its only table."""

KEYS = ("method", "strength", "seed", "truth", "level")
"""What tells its rows apart; the level is null at the end."""

DIGITS = 24
"""Significant bits of its numbers, about seven digits."""

READ = ("crossings", "ends", "marks", "settings")
"""The tables of the report that it is made of."""

_MARKS = {"run": pl.String, "method": pl.String, "seed": pl.Int64, "truth": pl.String, "setting": pl.String}
_SETTINGS = {"setting": pl.String, "name": pl.String, "value": pl.String}


@dataclass(frozen=True)
class Reference:
    """Numbers of methods in worlds (`places`), and the settings that all their runs share, by dotted names."""

    places: pl.DataFrame
    settings: Mapping[str, Any]

    @property
    def worlds(self) -> dict[int, str]:
        """The hash of the truth of every seed, see `truth_hash`."""
        return dict(self.places.select("seed", "truth").unique().sort("seed").iter_rows())

    @property
    def methods(self) -> set[tuple[str, str]]:
        """Every method with every strength."""
        return set(self.places.select("method", "strength").unique().iter_rows())


def marked(study: Study, runs: pl.DataFrame) -> Tables:
    """Return `marks`, a row for each run: its world and the number of its settings, and `settings`, leaf by leaf.

    marks: run, method, seed, truth (`truth_hash`), setting; settings: setting, name, value as JSON.
    """
    rows, known = [], dict[str, int]()
    for run, method, seed in runs.select("run", "method", "seed").iter_rows():
        record = study.record(run)
        text = json.dumps(settings(record), sort_keys=True)
        number = str(known.setdefault(text, len(known)))
        rows.append((run, method, seed, truth_hash(record), number))
    leaves = [
        (str(number), name, json.dumps(value))
        for text, number in known.items()
        for name, value in json.loads(text).items()
    ]
    return {
        "marks": pl.DataFrame(rows, schema=_MARKS, orient="row"),
        "settings": pl.DataFrame(leaves, schema=_SETTINGS, orient="row"),
    }


def settings_of(tables: Tables) -> dict[str, dict[str, Any]]:
    """Return the settings of every number in the table `settings`, by dotted names."""
    found: dict[str, dict[str, Any]] = {}
    for number, name, value in tables["settings"].iter_rows():
        found.setdefault(number, {})[name] = json.loads(value)
    return found


def read(top: Path | None = None) -> Reference | None:
    """Return the reference in a folder, or that of this repository; None if this repository has none.

    Raises SpecificationError if a folder that is asked for has none, or if a file is not the one that was written.
    """
    folder = top or TOP
    if not (folder / NAME / MANIFEST).is_file():
        if top is None:
            return None
        raise SpecificationError(
            f"--reference: a folder with a reference of the atlas is required, found none in {top}; write one with "
            f"python -m experiments publish outputs/{NAME} --out {top}"
        )
    found = published(NAME, folder)
    return Reference(pl.read_parquet(found.file(TABLE)), found.about.get("settings", {}))


def publish(study: Path, top: Path | None = None) -> Published:
    """Write the reference from the report on all runs of a folder. The same records give the same bytes.

    Raises SpecificationError if there is no such report, if its runs have different settings or two worlds for one
    seed, if the reference would be too large, or if it would replace one of other worlds in this repository.
    """
    folder = study / "reports" / "together" / "tables"
    tables = read_tables(folder)
    if missing := [name for name in READ if name not in tables]:
        raise SpecificationError(
            f"{folder}: a report of the atlas is required, found none with the table {missing[0]}; run python -m "
            f"experiments {NAME} {study} first"
        )
    found = places(tables)
    used = tables["marks"].filter(pl.col("run").is_in(tables["ends"]["run"].implode()))
    if not used.height:
        raise SpecificationError(f"{study}: valid runs are required, found none; raise pretrain.num_steps")
    check_worlds(used, study)
    if (size := len(packed(found))) > BUDGET:
        raise SpecificationError(
            f"{study}: a reference of at most {BUDGET:,} bytes is required, found {size:,}; publish fewer worlds"
        )
    of = settings_of(tables)
    pairs = used.select("method", "setting").unique().sort("method", "setting").iter_rows()
    common = shared([(method, of[number]) for method, number in pairs])
    check_replaced(found, top)
    about = provenance(study, set(used["run"].to_list()))
    about.pop("published_on")  # the bytes follow from the records, whoever writes them
    return put(NAME, {TABLE: found}, {"claim": None, "settings": common, **about}, top or TOP)


def check_worlds(marks: pl.DataFrame, study: Path) -> None:
    """Raise SpecificationError if the runs of one seed have different worlds."""
    twice = marks.group_by("seed").agg(pl.col("truth").unique().sort()).filter(pl.col("truth").list.len() > 1)
    if twice.height:
        seed, worlds = twice.sort("seed").row(0)
        raise SpecificationError(
            f"{study}: one world for each seed is required, found {' and '.join(worlds)} for seed {seed}; keep runs of "
            "other languages in a folder of their own (name=)"
        )


def check_replaced(found: pl.DataFrame, top: Path | None) -> None:
    """Raise SpecificationError if the reference of this repository is one of other worlds."""
    there = read() if top is None else None
    if there is not None and not set(there.worlds.values()) & set(found["truth"]):
        raise SpecificationError(
            f"{TOP / NAME}: the worlds of the reference that it would replace are required, found others; choose "
            f"another folder with --out, or delete {TOP / NAME} first"
        )


def places(tables: Tables) -> pl.DataFrame:
    """Return the rows of a reference: all numbers of crossings and of ends, with the hash of the world, sorted."""
    ends = tables["ends"].with_columns(level=pl.lit(None, pl.Float64))
    both = pl.concat([tables["crossings"], ends], how="diagonal_relaxed")
    found = both.join(tables["marks"].select("run", "truth"), on="run", how="inner", maintain_order="left")
    numbers = [name for name, kind in found.schema.items() if kind == pl.Float64 and name not in KEYS]
    return rounded(found.select(*KEYS, *numbers).sort(KEYS, nulls_last=True, maintain_order=True), DIGITS)
