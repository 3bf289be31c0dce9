"""From the records of a claim's runs to its verdicts on disk, and back."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import polars as pl

from experiments._board import Result, blocks, page
from experiments._claims import table
from experiments._report import markdown
from sim.numerics import SpecificationError
from sim.rows import finished, read_record

LARGE = ("strings",)
"""Tables of which only the last evaluation of every phase is also written as CSV."""


def write_tables(tables: Mapping[str, pl.DataFrame], folder: Path) -> None:
    """Every table as Parquet and CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        frame.write_parquet(folder / f"{name}.parquet")
        if name in LARGE:
            frame = frame.filter(pl.col("step") == pl.col("step").max().over("phase"))
        frame.write_csv(folder / f"{name}.csv")


def judge(module: ModuleType, folder: Path) -> Result:
    """The verdicts on a claim from the finished runs of a folder; tables are written to reports/claim/tables.

    Predictions that are not those which the runs were made for are marked as edited.
    """
    records = [read_record(source) for source in finished(folder)]
    tables = module.analyse(records)
    check_paired(tables["runs"], module.PAIRED, folder)
    made_for = {record.config.get("claim") for record in records}
    verdicts = table(module.CLAIM, module.check(tables), edited=made_for != {module.CLAIM.announced})
    target = folder / "reports" / "claim"
    write_tables({**tables, "verdicts": verdicts}, target / "tables")
    return _result(module, verdicts, target)


def check_paired(runs: pl.DataFrame, paired: Sequence[str], folder: Path) -> None:
    """Raises SpecificationError unless there is one run of each kind and seed: one that counts twice narrows intervals.

    `paired` are the columns that tell kinds of runs and seeds apart.
    """
    twice = runs.group_by(paired, maintain_order=True).agg(pl.col("run")).filter(pl.col("run").list.len() > 1)
    if twice.height:
        first = twice.row(0, named=True)
        kind = ", ".join(f"{name} {first[name]}" for name in paired)
        raise SpecificationError(
            f"{folder}: one run of each kind is required, found {len(first['run'])} of {kind}: "
            f"{', '.join(first['run'])}; keep each study in a folder of its own (name= or outputs=)"
        )


def _result(module: ModuleType, verdicts: pl.DataFrame, folder: Path) -> Result:
    standing, reason = module.standing(verdicts)
    return Result(module.CLAIM, verdicts, standing, reason, folder)


def results(outputs: Path, modules: Sequence[ModuleType]) -> list[Result]:
    """The claims that have been judged below a folder; raises SpecificationError if there is none.

    Verdicts on other predictions than today's are marked as edited.
    """
    found = []
    for module in modules:
        folder = outputs / module.CLAIM.name / "reports" / "claim"
        if (folder / "tables" / "verdicts.parquet").exists():
            verdicts = pl.read_parquet(folder / "tables" / "verdicts.parquet")
            stale = pl.col("digest") != module.CLAIM.digest
            found.append(_result(module, verdicts.with_columns(edited=pl.col("edited") | stale), folder))
    if not found:
        names = ", ".join(module.CLAIM.name for module in modules)
        raise SpecificationError(
            f"{outputs}: verdicts of at least one claim are required, found none; "
            f"run python -m experiments with one of {names} first"
        )
    return found


def write_board(found: Sequence[Result], folder: Path) -> None:
    """board.md and board.html, in place of earlier ones."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "board.md").write_text(markdown(list(blocks(found))), encoding="utf-8")
    (folder / "board.html").write_text(page(found), encoding="utf-8")
