"""python -m sim.archive FOLDER... --out DIR: pack finished runs, without parameters, in one small set of files.

`python -m sim.archive ARCHIVE --unpack --out DIR` makes records of it again.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from sim.archive.choosing import LEVELS, Choice, Evaluations, More
from sim.archive.packing import LARGEST, files_of
from sim.archive.reading import Archive
from sim.arguments import Parser
from sim.disk import records
from sim.disk.archives import is_archive
from sim.disk.files import draft, publish
from sim.disk.folders import finished
from sim.numerics import SpecificationError, in_one_line
from sim.places import check_writable, reason
from sim.show.counting import counted

FAILED, REFUSED = 1, 2
"""Exit statuses: a record or an archive is damaged, or cannot be written; the input is wrong."""

_HELP = f"""\
Pack the finished runs of some folders (outputs/<name>) into one set of files of at most {LARGEST // 10**6} MB, for a
release: for every run the exact law of its models on all strings, without their parameters. Numpy and any reader of
parquet open it; a README in it says how. The same records give the same bytes. Nothing is overwritten.

--evaluations says which evaluations of a training are kept: {", ".join(get_args(Evaluations))}. Crossings are the first
evaluations with KL(S||q) at or below {", ".join(f"{level:g}" for level in LEVELS)} nats, beside the first and the last.
--keep {",".join(get_args(More))} keeps more: numbers at prefixes, numbers of every step, what probes recorded. What
is left out is said in the README and in archive.json. What is too large is refused, and never thinned.

With --unpack an archive becomes a folder of records again, which sim.rows, experiments and figures read as they read
runs. The exit status is 0; 1 if a record or the archive is damaged; 2 if the input is wrong. In both cases nothing is
written."""


class _DamagedError(Exception):
    """A record or an archive cannot be read."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Pack or unpack; see the exit statuses in `--help`."""
    parser = Parser(prog="python -m sim.archive", description=_HELP)
    parser.add_argument(
        "folder", nargs="+", type=Path, help="folders of runs (outputs/<name>); with --unpack an archive"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="the new folder that is written")
    parser.add_argument(
        "--evaluations", default="crossings", metavar="WHICH", help="which are kept (default: crossings)"
    )
    parser.add_argument("--keep", default="", metavar="MORE", help="what else is kept, separated by commas")
    parser.add_argument("--unpack", action="store_true", help="make records of an archive")
    chosen = parser.parse_args(arguments)
    try:
        choice = Choice.of(chosen.evaluations, chosen.keep)
        check_target(chosen.out)
        if chosen.unpack:
            _unpack(chosen.folder, chosen.out, choice)
        else:
            _pack(chosen.folder, chosen.out, choice)
    except (SpecificationError, _DamagedError) as error:
        print(in_one_line(error), file=sys.stderr)
        return FAILED if isinstance(error, _DamagedError) else REFUSED
    return 0


def check_target(out: Path) -> None:
    """Raise SpecificationError unless a new folder can be made at a place."""
    if out.name in ("", ".."):
        raise SpecificationError(f"--out: the name of a new folder is required, found {out}; add a name")
    check_writable("--out", out.parent, [out.name], "choose another folder")
    if os.path.lexists(out):
        raise SpecificationError(f"--out: a new folder is required, found {out}; delete it, or choose another name")


def _pack(folders: Sequence[Path], out: Path, choice: Choice) -> None:
    sources = [source for folder in folders for source in finished(folder)]
    for source in sources:
        try:
            records.check(source, identified=False)
        except SpecificationError as problem:
            raise _DamagedError(f"{problem}; nothing was written") from None
    files = files_of(sources, choice)
    _written(out, files)
    size = sum(map(len, files.values()))
    print(f"{out}: {len(sources)} runs, {size:,} bytes in {len(files) + 1} files; README.md says what is in it")


def _unpack(folders: Sequence[Path], out: Path, choice: Choice) -> None:
    if len(folders) != 1 or choice != Choice():
        found = f"{len(folders)} folders" if len(folders) != 1 else "options for packing"
        raise SpecificationError(f"--unpack: one archive and nothing else is required, found {found}; leave them out")
    try:
        archive = Archive(folders[0])
        told = f"{{:,}} of {len(archive):,} records are written".format
        with draft(out) as fresh:
            for record in counted(archive.records(), len(archive), told):
                records.write(record, fresh / record.hash)
            fresh.rename(out)
    except OSError as problem:
        raise _full(out.parent, problem) from None
    except SpecificationError as problem:
        raise _DamagedError(str(problem)) if is_archive(folders[0]) else problem from None
    print(f"{out}: {len(archive)} records; python -m sim.rows {out} makes a table of them")


def _written(out: Path, files: dict[str, bytes]) -> None:
    try:
        publish(out, files)
    except OSError as problem:
        raise _full(out.parent, problem) from None


def _full(place: Path, problem: OSError) -> _DamagedError:
    return _DamagedError(
        f"{place}: a folder that can be written is required, found {reason(problem)}; make room, or choose another"
    )
