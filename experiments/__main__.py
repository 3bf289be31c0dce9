"""python -m experiments <name> [folder] [--run <hash>]: tables and reports of the finished runs of a folder."""

import argparse
import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import polars as pl

from experiments._report import markdown, show
from sim.numerics import SpecificationError, nearest
from sim.rows import finished, read_record

REFUSED = 2
"""Exit status of bad input."""

LARGE = ("strings",)
"""Tables of which only the last evaluation of every phase is also written as CSV."""


def experiment(name: str) -> ModuleType:
    """The module experiments/<name>.py; raises SpecificationError with the nearest name if there is none."""
    names = sorted(file.stem for file in Path(__file__).parent.glob("[a-z]*.py"))
    if name not in names:
        raise SpecificationError(
            f"experiments: one of {', '.join(names)} is required, found {name!r}{nearest(name, names)}"
        )
    return importlib.import_module(f"experiments.{name}")


def write_tables(tables: Mapping[str, pl.DataFrame], folder: Path) -> None:
    """Every table as Parquet and CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.write_parquet(folder / f"{name}.parquet")
        if name in LARGE:
            table = table.filter(pl.col("step") == pl.col("step").max().over("phase"))
        table.write_csv(folder / f"{name}.csv")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write tables/ and report.md of every finished run below the folder and print one report; 2 on bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments", description="Tables and a report from finished runs."
    )
    parser.add_argument("name", help="the experiment, a file in experiments/")
    parser.add_argument("folder", nargs="?", type=Path, help="where its runs lie (outputs/<name>)")
    parser.add_argument("--run", help="the hash of the run whose report is printed (the newest)")
    chosen = parser.parse_args(arguments)
    folder = chosen.folder or Path("outputs") / chosen.name
    try:
        module = experiment(chosen.name)
        records = {source.name: source for source in finished(folder)}
        if chosen.run is not None and chosen.run not in records:
            known = ", ".join(records)
            raise SpecificationError(
                f"--run: one of {known} is required, found {chosen.run!r}{nearest(chosen.run, list(records))}"
            )
        for run, source in records.items():
            tables = module.analyse(read_record(source))
            target = folder / "reports" / run
            write_tables(tables, target / "tables")
            blocks = module.report(tables)
            (target / "report.md").write_text(markdown(blocks), encoding="utf-8")
            if run == (chosen.run or list(records)[-1]):
                printed, where = blocks, target
    except SpecificationError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return REFUSED
    show(printed)
    print(f"\nWritten to {where}: report.md and tables/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
