"""python -m sim.rows <dir> [--out STEM]: write the records of a folder as one tidy table."""

import os
import sys
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import polars as pl

from sim.arguments import Parser
from sim.disk import files
from sim.disk.folders import finished
from sim.disk.records import read
from sim.metrics.frames import COLUMNS, Measured, as_csv, joined, measured, metrics_help
from sim.numerics import SpecificationError
from sim.places import check_writable, reason
from sim.streams import command

DAMAGED, REFUSED = 1, 2
"""Exit statuses: some records could not be read and were left out of the table; the input is wrong."""


def help_text() -> str:
    """Return the text of `--help`: the columns of the table, and every metric."""
    return f"""\
All finished runs of a folder as one tidy table, a number per row: rows.parquet and rows.csv.

columns:
{COLUMNS}
metrics (name, symbol, unit, meaning):
{metrics_help()}

Runs are sorted by what varies between them, then by seed and by hash. Older tables in the folder are replaced, because
they can be made again; --out replaces nothing. The exit status is 0; 1 if records are damaged and were left out; 2 if
the input is wrong and nothing was written."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the table of a folder; see the exit statuses in `--help`."""
    parser = Parser(prog="python -m sim.rows")
    parser.add_argument("folder", type=Path, help="the folder of the runs (outputs/<name>)")
    parser.add_argument("--out", type=Path, metavar="STEM", help="write STEM.parquet and STEM.csv instead")
    try:
        parser.description = help_text()
        chosen = parser.parse_args(arguments)
        sources = finished(chosen.folder)
        targets = _targets(chosen.folder, chosen.out)
        runs = list(_readable(sources))
        if runs:
            _write(joined(runs), targets, len(runs))
    except SpecificationError as error:
        print(_line(error), file=sys.stderr)
        return REFUSED
    if len(runs) < len(sources):
        left_out = f"{len(sources) - len(runs)} of {len(sources)} records cannot be read and are left out"
        print(left_out if runs else f"{left_out}; no table was written", file=sys.stderr)
        return DAMAGED
    return 0


def _targets(folder: Path, stem: Path | None) -> tuple[Path, Path]:
    """Return the files for the table. Raises SpecificationError if a file with a chosen name exists already."""
    place, name = (folder, "rows") if stem is None else (stem.parent, stem.name)
    targets = place / f"{name}.parquet", place / f"{name}.csv"
    if stem is not None and not (name and os.path.isdir(place)):
        mend = f"make {place}" if name else "add a name to it"
        raise SpecificationError(f"--out: a stem in an existing folder is required, found {stem}; {mend}")
    argument = str(folder) if stem is None else "--out"
    check_writable(argument, place, [file.name for file in targets], "choose a stem elsewhere with --out")
    for file in targets:
        if stem is not None and file.exists():
            raise SpecificationError(f"--out: a new file is required, found {file}; delete it, or choose another stem")
        if file.is_dir():
            raise SpecificationError(f"{file}: a file is required, found a folder; choose a stem elsewhere with --out")
    return targets


def _readable(sources: Sequence[Path]) -> Iterator[Measured]:
    """Iterate over the records that can be read. Each of the others is named on stderr."""
    for source in sources:
        try:
            yield measured(read(source))
        except SpecificationError as error:
            print(_line(error), file=sys.stderr)
        except (OSError, KeyError, TypeError, ValueError) as error:  # right checksums, but not a record of ours
            kind = type(error).__name__
            print(_line(f"{source}: a record of this program is required, found {kind}: {error}"), file=sys.stderr)


def _write(table: pl.DataFrame, targets: tuple[Path, Path], num_runs: int) -> None:
    """Write the table as Parquet and as CSV, and report it in one line. Older files stay until both are written."""
    replaced = " (replaced)" if any(target.exists() for target in targets) else ""
    parquet = BytesIO()
    table.write_parquet(parquet)
    fresh = [target.with_name(f".{target.name}-{os.getpid()}") for target in targets]
    try:
        for file, data in zip(fresh, (parquet.getvalue(), as_csv(table).encode()), strict=True):
            files.write_bytes(file, data)
        for file, target in zip(fresh, targets, strict=True):
            file.replace(target)
    except OSError as problem:
        raise SpecificationError(
            f"{targets[0].parent}: a folder that can be written is required, found {reason(problem)}; "
            "make room there, or choose a stem elsewhere with --out"
        ) from None
    finally:
        for file in fresh:
            file.unlink(missing_ok=True)
    runs = "1 run" if num_runs == 1 else f"{num_runs} runs"
    print(f"{targets[0]} and {targets[1].name}: {table.height} rows of {runs}{replaced}")


def _line(error: object) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(command(main))
