"""python -m sim.rows <dir> [--csv] [--out STEM]: write the records of a folder as one tidy table.

With `--to TRACKER` they are written for an experiment tracker instead, see `sim.trackers`.
"""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from sim.arguments import Parser
from sim.config import members
from sim.disk import files
from sim.disk.folders import finished
from sim.metrics.frames import COLUMNS, metrics_help
from sim.metrics.kept import forget_others
from sim.metrics.many import Joined, all_measured
from sim.numerics import SpecificationError, in_one_line
from sim.places import check_writable, reason
from sim.show.counting import counted
from sim.streams import command
from sim.trackers import _written as trackers

DAMAGED, REFUSED = 1, 2
"""Exit statuses: some records could not be read and were left out of the table; the input is wrong."""


def help_text() -> str:
    """Return the text of `--help`: the columns of the table, and every metric."""
    return f"""\
Write all finished runs of a folder as one tidy table with a number in each row: rows.parquet. With --csv also write
rows.csv, which takes many times as much space.

With --to write them for an experiment tracker ({", ".join(members("tracker"))}) instead, into a new folder
DIR/TRACKER: one run there for each run, its configuration, and each number over the steps of its phase. Nothing is
sent anywhere.

columns:
{COLUMNS}
metrics (name, symbol, unit, meaning):
{metrics_help()}

Runs are sorted by what varies between them, then by seed and by hash. An older rows.parquet in the folder is replaced,
because it can be made again, and an older rows.csv only with --csv; --out and --to replace nothing. The exit status is
0; 1 if records are damaged and were left out; 2 if the input is wrong and nothing was written."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the table of a folder; see the exit statuses in `--help`."""
    parser = Parser(prog="python -m sim.rows")
    parser.add_argument("folder", type=Path, help="the folder of the runs (outputs/<name>)")
    parser.add_argument("--out", type=Path, metavar="STEM", help="write STEM.parquet, and STEM.csv, instead")
    parser.add_argument("--csv", action="store_true", help="also write the table as CSV")
    parser.add_argument("--to", metavar="TRACKER", help="write the runs for a tracker, into DIR/TRACKER or into --out")
    try:
        parser.description = help_text()
        chosen = parser.parse_args(arguments)
        if chosen.to is not None:
            sources, num_runs = _tracked(chosen.folder, chosen.to, chosen.out, chosen.csv)
        else:
            sources = finished(chosen.folder)
            num_runs = _made(sources, _targets(chosen.folder, chosen.out, chosen.csv))
        forget_others(sources)
    except SpecificationError as error:
        print(in_one_line(error), file=sys.stderr)
        return REFUSED
    if num_runs < len(sources):
        left_out = f"{len(sources) - num_runs} of {len(sources)} records cannot be read and are left out"
        print(left_out if num_runs else f"{left_out}; nothing was written", file=sys.stderr)
        return DAMAGED
    return 0


def _targets(folder: Path, stem: Path | None, as_csv: bool) -> list[Path]:
    """Return the files for the table. Raises SpecificationError if a file with a chosen name exists already."""
    place, name = (folder, "rows") if stem is None else (stem.parent, stem.name)
    targets = [place / f"{name}{ending}" for ending in ((".parquet", ".csv") if as_csv else (".parquet",))]
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


def _made(sources: Sequence[Path], targets: Sequence[Path]) -> int:
    """Write the table of the records that can be read, and return their number. Each of the others is named on stderr.

    The numbers of each run wait in a file of their own until those of all runs are known.
    """
    place = targets[0].parent
    try:
        with files.draft(targets[0]) as folder:
            runs = []
            results = all_measured(sources, folder)
            for found in counted(results, len(sources), lambda number: f"{number:,} of {len(sources):,} runs are read"):
                if isinstance(found, str):
                    print(found, file=sys.stderr)
                else:
                    runs.append(found)
            if runs:
                _write(Joined(runs), targets, len(runs))
            shutil.rmtree(folder)
    except (OSError, pl.exceptions.ComputeError) as problem:
        raise _full(place, problem, "choose a stem elsewhere with --out") from None
    return len(runs)


def _full(place: Path, problem: Exception, mend: str) -> SpecificationError:
    what = reason(problem) if isinstance(problem, OSError) else problem
    return SpecificationError(
        f"{place}: a folder that can be written is required, found {what}; make room there, or {mend}"
    )


def _tracked(folder: Path, name: str, out: Path | None, as_csv: bool) -> tuple[list[Path], int]:
    """Write the records of a folder for a tracker. Return all records, and the number of those that can be read."""
    if as_csv:
        raise SpecificationError("--csv: --to TRACKER or --csv is required, found both; give one command for each")
    module = trackers.tracker(name)
    sources = finished(folder)
    target = folder / name if out is None else out
    argument = str(folder) if out is None else "--out"
    if out is not None and not (out.name and os.path.isdir(out.parent)):
        raise SpecificationError(f"--out: a new folder in an existing one is required, found {out}; make {out.parent}")
    check_writable(argument, target.parent, [target.name], "choose a folder elsewhere with --out")
    if os.path.lexists(target):
        raise SpecificationError(
            f"{argument}: a new folder is required, found {target}; delete it, or choose another one with --out"
        )
    try:
        num_runs = trackers.write(module, sources, target)
    except OSError as problem:
        raise _full(target.parent, problem, "choose a folder elsewhere with --out") from None
    if num_runs:
        runs = "1 run" if num_runs == 1 else f"{num_runs} runs"
        print(f"{target}: {runs}; {module.LOOK.format(folder=shlex.quote(str(target)))}")
    return sources, num_runs


def _write(table: Joined, targets: Sequence[Path], num_runs: int) -> None:
    """Write the table as Parquet, perhaps as CSV, and say so in one line. Older files stay until both are written."""
    replaced = " (replaced)" if any(target.exists() for target in targets) else ""
    fresh = [target.with_name(f".{target.name}-{os.getpid()}") for target in targets]
    try:
        height = table.write_parquet(fresh[0])
        for file in fresh[1:]:
            table.write_csv(file)
        for file in fresh:
            files.sync(file)
        for file, target in zip(fresh, targets, strict=True):
            file.replace(target)
    finally:
        for file in fresh:
            file.unlink(missing_ok=True)
    runs = "1 run" if num_runs == 1 else f"{num_runs} runs"
    written = " and ".join([str(targets[0]), *(target.name for target in targets[1:])])
    print(f"{written}: {height} rows of {runs}{replaced}")
    text = targets[0].with_suffix(".csv")
    if len(targets) == 1 and text.exists():
        print(f"{text}: an older table, which is kept as it is; --csv replaces it")


if __name__ == "__main__":
    sys.exit(command(main))
