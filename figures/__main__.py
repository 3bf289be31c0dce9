"""python -m figures <study> [folder] [--run HASH] [--only NAME] [--for slide]: draw figures, only from tables.

A figure is one file, `figures/<study>/<name>.py`, in this project or in an installed package (`sim.config.discovery`):

- TABLES: the names of the tables that it reads, see `experiments.<study>`;
- draw(tables) -> Figure | None: it returns None if the tables hold nothing for the figure;
- caption(tables) -> str: it says what the figure shows, and is written beside it as <name>.txt;
- animate(tables, file), only for a moving figure: it writes <name>.gif.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import polars as pl

from figures.curves import Tables
from figures.style import MEDIA, save, styled
from figures.words import mark
from sim.config import members
from sim.numerics import SpecificationError, nearest
from sim.streams import command

REFUSED = 2
"""Exit status for bad input."""

RUN_TABLES = "run.parquet"
"""A report that has this table is the report of a single run."""


def figures_of(study: str, only: str | None = None) -> dict[str, ModuleType]:
    """Return the figures of a study by name. Raises SpecificationError if there is no such study or figure."""
    found = {name: one for name, one in members("figure").items() if name.startswith(f"{study}/")}
    studies = sorted({name.split("/")[0] for name in members("figure")})
    if not found:
        raise SpecificationError(
            f"figures: one of {', '.join(studies)} is required, found {study!r}{nearest(study, studies)}"
        )
    names = {name.split("/")[1]: one for name, one in found.items()}
    if only is not None and only not in names:
        raise SpecificationError(
            f"--only: one of {', '.join(names)} is required, found {only!r}{nearest(only, list(names))}"
        )
    return {name: one.load() for name, one in names.items() if only in (None, name)}


def report(folder: Path, run: str | None) -> Path:
    """Return the folder of the report to draw: of the given run, else of a whole study, else of the newest run."""
    files = sorted(folder.glob("reports/*/tables/*.parquet"), key=lambda file: file.stat().st_mtime_ns)
    reports = {file.parents[1].name: file.parents[1] for file in files}
    if not reports:
        raise SpecificationError(
            f"{folder}/reports: tables are required, found none; run python -m experiments {folder.name} first"
        )
    if run is not None and run not in reports:
        raise SpecificationError(
            f"--run: one of {', '.join(reports)} is required, found {run!r}{nearest(run, list(reports))}"
        )
    whole = [name for name, place in reports.items() if not (place / "tables" / RUN_TABLES).exists()]
    return reports[run or (whole or list(reports))[-1]]


def read_tables(figures: Mapping[str, ModuleType], source: Path) -> Tables:
    """Return the tables that some figures need. Raises SpecificationError for the first one that is missing."""
    found: dict[str, pl.DataFrame] = {}
    for name, module in figures.items():
        for table in module.TABLES:
            file = source / "tables" / f"{table}.parquet"
            if not file.exists():
                raise SpecificationError(f"{file}: this table is required by the figure {name}, found none; run "
                                         f"python -m experiments first")  # fmt: skip
            found[table] = pl.read_parquet(file) if table not in found else found[table]
    return found


def write(name: str, module: ModuleType, tables: Tables, folder: Path, medium: str) -> list[Path]:
    """Draw one figure, write it with its caption, and return the files; none if the tables hold nothing for it."""
    stem = folder / (name if medium == "paper" else f"{name}-{medium}")
    with styled(medium):
        drawn = module.draw(tables)
        if drawn is None:
            return []
        mark(drawn, tables)
        files = save(drawn, stem)
    files.append(folder / f"{name}.txt")
    files[-1].write_text(module.caption(tables) + "\n", encoding="utf-8")
    if hasattr(module, "animate"):
        files.append(folder / f"{name}.gif")
        module.animate(tables, files[-1])
    return files


def parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments. Its help lists all figures."""
    found = "\n".join(f"  {name}" for name in members("figure"))
    made = argparse.ArgumentParser(
        prog="python -m figures",
        description=f"Figures, drawn from the tables that python -m experiments has written.\n\nfigures:\n{found}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("study", help="the study, a folder in figures/")
    made.add_argument("folder", nargs="?", type=Path, help="folder of its runs (outputs/<study>)")
    made.add_argument("--run", help="the hash of the run (default: the newest)")
    made.add_argument("--only", metavar="NAME", help="draw only this figure")
    made.add_argument("--for", dest="medium", choices=list(MEDIA), default="paper", help="the medium (default: paper)")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the figures of a study into reports/<report>/figures. Return the exit status: 2 on bad input."""
    try:
        chosen = parser().parse_intermixed_args(arguments)
        folder = chosen.folder or Path("outputs") / chosen.study
        figures = figures_of(chosen.study, chosen.only)
        source = report(folder, chosen.run)
        tables = read_tables(figures, source)
    except SpecificationError as error:
        print(error, file=sys.stderr)
        return REFUSED
    target = source / "figures"
    target.mkdir(parents=True, exist_ok=True)
    written = [file for name, module in figures.items() for file in write(name, module, tables, target, chosen.medium)]
    print(f"Written to {target}: {', '.join(sorted(file.name for file in written))}")
    return 0


if __name__ == "__main__":
    sys.exit(command(main))
