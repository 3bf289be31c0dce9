"""The finished runs of a claim as tables that its predictions read, and the findings of a claim on the disk."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import polars as pl

from experiments.predictions import Claim, Need, Standing, Tables, table
from experiments.standing import NEEDED
from sim.disk.folders import finished
from sim.disk.records import Described, Record, check, read
from sim.metrics.frames import as_csv, metrics_table, numbers_table, runs_table, strings_table
from sim.metrics.kept import some_numbers
from sim.metrics.table import chosen_metrics
from sim.numerics import SpecificationError, nearest
from sim.places import write_whole
from sim.pool import in_processes
from sim.show.counting import counted

Step: TypeAlias = Literal["first", "last", "every"]
"""Which evaluations of a phase."""

NUMBERS = dict.fromkeys(("run", "phase", "view", "metric", "of", "at", "prompt_law"), pl.String) | {
    "step": pl.Int64, "lower": pl.Float64, "upper": pl.Float64,
}  # fmt: skip
"""Columns of the numbers of a study, see `sim.metrics.frames`."""

FEW, CHUNK = 40, 8
"""Up to FEW runs are read in this process. Of more runs each core reads CHUNK in turn."""

LARGE = ("strings",)
"""Large tables: as CSV, only the last evaluation of every phase is written."""


@dataclass(frozen=True, eq=False)
class Study:
    """The runs of a study: `runs` has a row for each (`sim.metrics.frames.runs_table`), `numbers` what is needed."""

    runs: pl.DataFrame
    numbers: pl.DataFrame
    places: Mapping[str, Path]  # the folder of the record of each run
    needed: frozenset[str] | None = None  # the names of the metrics that can be picked; None for all

    @classmethod
    def of(cls, folder: Path, needs: Sequence[Need]) -> "Study":
        """Return the study of the finished runs of a folder. Each record is read once, and its arrays are not kept.

        Each core reads some of many records, and keeps their numbers in the cache of `sim.metrics.kept`.
        """
        places = {source.name: source for source in finished(folder)}
        runs, numbers = [], []
        many = len(places) > FEW
        found = (
            in_processes(partial(_kept, needs=needs), list(places.values()), f"{folder}: reading its runs", CHUNK)
            if many
            else (_read(source, needs) for source in places.values())
        )
        for run, own in counted(found, len(places), f"{{:,}} of {len(places):,} records are read".format):
            runs.append(run)
            numbers += [pl.concat(own).unique(maintain_order=True)] if own else []  # the needs of parts may overlap
        nothing = pl.DataFrame(schema=NUMBERS)  # runs that are no part of a claim have none of its numbers
        needed = frozenset(name for need in needs for name in need.metrics)
        return cls(pl.concat(runs, how="diagonal_relaxed"), pl.concat([nothing, *numbers]), places, needed)

    def pick(
        self,
        metric: str,
        of: str,
        law: str = "",
        phase: str = "truth",
        step: Step = "last",
        view: str = "response",
        at: str | None = "",
    ) -> pl.DataFrame:
        """Return the numbers of one metric at the first, the last or every evaluation of a phase.

        Columns: run, step, at, lower, upper. With `at=None`, all values of `at` are returned. Raises SpecificationError
        for a metric that is not in the claim's `needs`.
        """
        if self.needed is not None and metric not in self.needed:
            near = nearest(metric, self.needed) or "; add it"
            raise SpecificationError(f"needs: every metric that is picked is required, found no {metric!r}{near}")
        found = self.numbers.filter(metric=metric, of=of, prompt_law=law, phase=phase, view=view)
        if at is not None:
            found = found.filter(pl.col("at") == at)
        if step != "every":
            wanted = pl.col("step").min() if step == "first" else pl.col("step").max()
            found = found.filter(pl.col("step") == wanted.over("run"))
        return found.select("run", "step", "at", "lower", "upper")

    def beside(self, runs: pl.DataFrame, **columns: pl.DataFrame) -> pl.DataFrame:
        """Return a table of runs with the numbers of `pick` as columns <name>_lower and <name>_upper."""
        for name, found in columns.items():
            both = found.select("run", pl.col("lower").alias(f"{name}_lower"), pl.col("upper").alias(f"{name}_upper"))
            runs = runs.join(both, on="run", how="left", maintain_order="left")
        return runs

    def strings(self, run: str) -> pl.DataFrame:
        """Return the probability of every document under the models of a run, see `strings_table`."""
        return strings_table(read(self.places[run]))

    def record(self, run: str) -> Record:
        """Return the record of a run."""
        return read(self.places[run])

    def restricted(self, runs: pl.DataFrame) -> "Study":
        """Return the study with only some of its runs."""
        names = runs["run"].implode()
        runs, numbers = (table.filter(pl.col("run").is_in(names)) for table in (self.runs, self.numbers))
        return Study(runs, numbers, self.places, self.needed)


def _part(record: Record | Described) -> str:
    return str(record.config.get("study", {}).get("part") or "")


def _read(source: Path, needs: Sequence[Need]) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Return the row of a run, and the numbers of every need that is about its part."""
    record = read(source)
    return runs_table([record]), [_needed(record, need) for need in needs if _part(record).startswith(need.part)]


def _needed(record: Record, need: Need) -> pl.DataFrame:
    return metrics_table(record, need.metrics, need.views, need.phases).select(*NUMBERS)


def _kept(source: Path, needs: Sequence[Need]) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """As `_read`, with numbers from the cache where nothing that decides them has changed."""
    record: Record | Described | None = None
    if any(need.part for need in needs):
        record = check(source, identified=False)
        needs = [need for need in needs if _part(record).startswith(need.part)]
    own = []
    for need in needs:
        record, found = some_numbers(source, need.metrics, need.views, need.phases)
        own.append(numbers_table(record.hash, record.name, record.config["seed"], found).select(*NUMBERS))
    return runs_table([record or check(source, identified=False)]), own


@dataclass(frozen=True, eq=False)
class Judged:
    """A claim that was judged: its findings, the verdict on the sentence, the reason, and the folder of its report."""

    claim: Claim
    findings: pl.DataFrame
    standing: Standing
    reason: str
    folder: Path

    @property
    def made_for(self) -> str:
        """Whether the runs were made for these predictions, for predictions before an amendment, or for others."""
        found = set(self.findings["made_for"].to_list())
        stale = set(self.findings["digest"].to_list()) - {self.claim.digest}
        kinds = {self.claim.made_for(f"{self.claim.name}@{digest}") for digest in stale} | found
        return "other" if "other" in kinds else "amended" if "amended" in kinds else "these"

    @property
    def figures(self) -> list[Path]:
        """The figures for paper, as PNG files, sorted by name."""
        return sorted(file for file in (self.folder / "figures").glob("*.png") if file.with_suffix(".txt").exists())


def write_tables(tables: Mapping[str, pl.DataFrame], folder: Path) -> None:
    """Write every table as Parquet and as CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        parquet = io.BytesIO()  # polars would name no file if it could not be written
        frame.write_parquet(parquet)
        write_whole(folder / f"{name}.parquet", parquet.getvalue())
        if name in LARGE:
            frame = frame.filter(pl.col("step") == pl.col("step").max().over("phase"))
        write_whole(folder / f"{name}.csv", as_csv(frame).encode())


def judge(claim: Claim, folder: Path) -> Judged:
    """Judge a claim by the finished runs of a folder. The tables are written to reports/claim/tables."""
    chosen_metrics([name for need in claim.needs for name in need.metrics], f"{claim.file}: needs")
    study = Study.of(folder, claim.needs) if claim.read is None else claim.read(folder)
    tables = tables_of(claim, study)
    check_paired(tables["runs"], claim.paired, folder)
    findings = table(claim, claim.judge(tables), study.runs["claim"].to_list())
    found = Judged(claim, findings, *claim.verdict(findings), folder / "reports" / "claim")
    write_tables({**tables, "findings": findings}, found.folder / "tables")
    return found


def tables_of(claim: Claim, study: Study) -> Tables:
    """Return the tables of a claim. Raises SpecificationError if they are not made, or lack what is needed of runs."""
    try:
        found = claim.tables(study)
    except SpecificationError as refusal:
        raise SpecificationError(f"{claim.file}: {refusal}") from refusal
    wanted, there = ("run", "valid", *claim.paired), list(found or ())
    columns = found["runs"].columns if "runs" in there else []
    if set(wanted) - set(columns):
        said = f"the columns {', '.join(columns)}" if "runs" in there else f"the tables {', '.join(there) or 'none'}"
        raise SpecificationError(
            f"{claim.file}: tables: a table 'runs' with the columns {', '.join(wanted)} is required, found {said}"
        )
    return found


def check_paired(runs: pl.DataFrame, paired: Sequence[str], folder: Path) -> None:
    """Raise SpecificationError unless there is one run of each kind and seed, because a second one narrows intervals.

    `paired` are the columns that tell kinds of runs and seeds apart.
    """
    twice = runs.group_by(paired, maintain_order=True).agg(found=pl.col("run")).filter(pl.col("found").list.len() > 1)
    if twice.height:
        first = twice.row(0, named=True)
        kind = ", ".join(f"{name} {first[name]}" for name in paired)
        raise SpecificationError(
            f"{folder}: one run of each kind is required, found {len(first['found'])} of {kind}: "
            f"{', '.join(first['found'])}; move or delete older runs, or keep each study in a folder of its own (name=)"
        )


def judged_before(outputs: Path, claims: Sequence[Claim]) -> list[Judged]:
    """Return the claims that have been judged below a folder. Raises SpecificationError if there is none."""
    found = []
    for claim in claims:
        folder = outputs / claim.name / "reports" / "claim"
        file = folder / "tables" / "findings.parquet"
        if file.exists():
            findings = pl.read_parquet(file)
            if missing := [name for name in NEEDED if name not in findings.columns]:
                raise SpecificationError(
                    f"{file}: verdicts of this version are required, found none with {', '.join(missing)}; "
                    f"run python -m experiments {claim.name} {outputs / claim.name} again"
                )
            found.append(Judged(claim, findings, *claim.verdict(findings), folder))
    if not found:
        names = ", ".join(claim.name for claim in claims)
        raise SpecificationError(
            f"{outputs}: verdicts of at least one claim are required, found none; "
            f"run python -m experiments <claim> first, with one of {names}"
        )
    return found
