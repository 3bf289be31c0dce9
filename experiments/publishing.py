"""python -m experiments publish DIR: the tables of a judged study, or of the report of one run, into the repository."""

import hashlib
import json
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from experiments.packing import packed
from experiments.predictions import Claim, Tables
from experiments.reduction import Reader, ordered, reduced, rounded, with_digits
from experiments.study import LARGE
from experiments.thinning import shapes
from sim.config import members
from sim.disk.folders import finished
from sim.disk.records import DESCRIPTION
from sim.numerics import SpecificationError
from sim.places import write_whole
from sim.show.published import MANIFEST, Published, announced, file_of, published, root

BUDGET = 1_000_000
"""Largest size of all published tables together, with their manifests [bytes]."""

DIGITS = 24
"""Significant bits of the numbers of published findings."""


def publish_claim(claim: Claim, study: Path, top: Path | None = None) -> Published:
    """Publish the tables of a claim that was judged: what its predictions and figures read, and its findings.

    Raises SpecificationError if it was not judged, or if all published tables together would be too large.
    """
    tables = judged_tables(claim, study)
    findings = tables.pop("findings")
    small = reduced(claim, tables, figures(claim.name, tables))
    made_for = set(findings["made_for"].to_list())
    about = {
        "claim": claim.announced,
        "made_for": "other" if "other" in made_for else "amended" if "amended" in made_for else "these",
        **provenance(study, set(tables["runs"]["run"].to_list())),
    }
    return put(claim.name, {**small, "findings": rounded(findings, DIGITS)}, about, top)


def publish_run(name: str, study: Path, report: Path, more: Tables, how: str, top: Path | None = None) -> Published:
    """Publish what the figures of one run read, without its large tables, and `more` tables beside.

    how: how the tolerance between machines was measured.
    """
    tables = read_tables(report / "tables", LARGE)
    drawn = figures(name, tables)
    words = frozenset[str]().union(*(one.words for one in drawn))
    kept = {one: tables[one] for one in sorted({"run"}.union(*(each.tables for each in drawn)))}
    if "metrics" in kept:
        kept["metrics"] = kept["metrics"].filter(pl.col("metric").is_in(named(kept["metrics"]["metric"], words)))
    before = {one.name: one.read(tables) for one in drawn}
    about = {"claim": announced(name), "run": report.name, "tolerance": how, **provenance(study, {report.name})}
    return put(name, {**with_digits(kept, before, drawn), **more}, about, top)


def named(metrics: pl.Series, words: frozenset[str]) -> list[str]:
    """Return the metrics that a source names, or of which it names the beginning, such as `waterfall_`."""
    beginnings = tuple(word for word in words if re.fullmatch(r"[a-z]\w*_", word))
    return [name for name in metrics.unique().sort().to_list() if name in words or name.startswith(beginnings)]


def judged_tables(claim: Claim, study: Path) -> Tables:
    """Return the tables of a claim with its findings, as `python -m experiments` wrote them for these predictions."""
    folder = study / "reports" / "claim" / "tables"
    found = read_tables(folder)
    again = f"run python -m experiments {claim.name} {study} first"
    if "findings" not in found or "runs" not in found:
        raise SpecificationError(f"{folder}: the tables of a judged claim are required, found none; {again}")
    digests = set(found["findings"]["digest"].to_list())
    if digests - {claim.digest}:
        raise SpecificationError(
            f"{folder}: findings of the predictions {claim.digest} are required, found those of {digests}; {again}"
        )
    return found


def read_tables(folder: Path, without: Sequence[str] = ()) -> Tables:
    """Return the tables of a folder by name."""
    return {file.stem: pl.read_parquet(file) for file in sorted(folder.glob("*.parquet")) if file.stem not in without}


def figures(name: str, tables: Mapping[str, pl.DataFrame]) -> list[Reader]:
    """Return the figures of an experiment as readers: those whose tables are there. What people read are its words."""
    found = []
    for full, one in members("figure").items():
        module = one.load() if full.startswith(f"{name}/") else None
        if module is not None and set(module.TABLES) <= set(tables):
            tables_of, words = frozenset(module.TABLES), words_of(one.file)
            found.append(Reader(f"figure {full}", tables_of, captioned(module), words, look=looked_at(module)))
    return found


def captioned(module: Any) -> Any:
    """Return a function that draws a figure and returns all its words and its caption, or None if it is not drawn."""

    def read(tables: Tables) -> list[str] | None:
        drawn = module.draw(tables)
        return None if drawn is None else [*words_in(drawn), module.caption(tables)]

    return read


def looked_at(module: Any) -> Any:
    """Return a function that does the same, and also returns all that the figure draws, number by number."""

    def look(tables: Tables) -> Any:
        drawn = module.draw(tables)
        return None if drawn is None else (words_in(drawn), module.caption(tables), shapes(drawn))

    return look


def words_in(drawn: Any) -> list[str]:
    """Return all texts of a figure of matplotlib."""
    return [one.get_text() for one in drawn.findobj(lambda artist: hasattr(artist, "get_text"))]


def words_of(file: Path) -> frozenset[str]:
    """Return all words in the source of a figure, of the figures beside it and of what all figures share."""
    files = [*file.parent.glob("*.py"), *file.parents[1].glob("*.py")]
    return frozenset(word for one in files for word in re.findall(r"\w+", one.read_text(encoding="utf-8")))


def provenance(study: Path, runs: set[str]) -> dict[str, Any]:
    """Return what the records of some runs say about how they were made. Where runs differ, all values are given."""
    found: dict[str, set[str]] = {}
    names = []
    for source in finished(study):
        if source.name not in runs:
            continue
        names.append(source.name)
        said = json.loads((source / DESCRIPTION).read_bytes())["facts"].get("provenance", {})
        for key, value in leaves(said):
            found.setdefault(key, set()).add(value)
    lists = {key: sorted(values) for key, values in sorted(found.items())}
    return {"runs": len(names), "last_run": max(lists.pop("time", [""])), **lists, "published_on": cpu()}


def leaves(said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Iterate over what is published of the provenance of a run: no path of the machine is."""
    for key in ("commit", "dirty", "results_version", "python", "backend", "device", "num_devices", "processor"):
        if key in said:
            yield key, str(said[key])
    for key, value in said.get("versions", {}).items():
        yield key, str(value)
    if "time" in said:
        yield "time", str(said["time"])[:10]


def cpu() -> str:
    """Return the name of this machine's processor, as the system gives it."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return " ".join(found[1].split()) if found else platform.processor() or platform.machine()


def put(name: str, tables: Tables, about: Mapping[str, Any], top: Path | None = None) -> Published:
    """Write tables and manifest in the place of what was published before. Nothing is written if it is too much."""
    files = {table: packed(ordered({table: frame})[table]) for table, frame in sorted(tables.items())}
    listed = {
        table: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "rows": tables[table].height}
        for table, data in files.items()
    }
    manifest = (json.dumps({"name": name, **about, "tables": listed}, indent=1, ensure_ascii=False) + "\n").encode()
    top = top or root(name)
    check_size(name, sum(map(len, files.values())) + len(manifest), top)
    (top / name / "tables").mkdir(parents=True, exist_ok=True)
    for old in (top / name / "tables").glob("*.parquet"):
        if old.stem not in files:
            old.unlink()
    for table, data in files.items():
        write_whole(file_of(top / name, table), data)
    write_whole(top / name / MANIFEST, manifest)
    return published(name, top)


def check_size(name: str, own: int, top: Path) -> None:
    """Raise SpecificationError if the tables of an experiment are too large beside all others that are published."""
    others = sum(
        file.stat().st_size for file in top.rglob("*") if file.is_file() and not file.is_relative_to(top / name)
    )
    if own + others > BUDGET:
        raise SpecificationError(
            f"{top}: at most {BUDGET:,} bytes of published tables in all are required, found {own + others:,}, "
            f"{own:,} of them of {name}; let its predictions and figures read smaller tables"
        )
