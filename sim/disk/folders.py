"""Which finished runs a folder holds."""

import json
import sys
from pathlib import Path

from sim.disk import records
from sim.disk.archives import is_archive
from sim.disk.files import MANIFEST
from sim.disk.ledger import FAILED
from sim.disk.records import Record
from sim.disk.store import STORE
from sim.numerics import SpecificationError
from sim.places import check_folder


def finished(folder: Path) -> list[Path]:
    """Return the finished records below outputs/<name>, the oldest first. SpecificationError if there is none.

    A record under the name of another run, such as a copy, is reported in one line on stderr and left out.
    """
    if folder.name == STORE:
        raise SpecificationError(
            f"{folder}: it holds pretrainings, not runs; give the folder of a name (outputs/<name>)"
        )
    check_folder(folder, "at least one finished run", "run the experiment first, or correct the path")
    if is_archive(folder):
        raise SpecificationError(
            f"{folder}: at least one finished run is required, found an archive of runs; make records of it with "
            f"python -m sim.archive {folder} --unpack --out DIR"
        )
    manifests = [file for file in folder.glob(f"*/{MANIFEST}") if not _unfinished(file.parent.name)]
    placed = [file for file in sorted(manifests) if _in_place(file.parent)]
    found = sorted(placed, key=lambda file: file.stat().st_mtime)
    if not found:
        below = sorted({file.parent.parent.name for file in folder.glob(f"[!.]*/*/{MANIFEST}")} - {STORE})
        mend = f"give one of the folders below it ({', '.join(below)})" if below else "run the experiment first"
        mend = "rename the folders that were left out" if manifests else mend
        raise SpecificationError(f"{folder}: at least one finished run is required, found none; {mend}")
    return [file.parent for file in found]


def read(place: str | Path) -> Record:
    """Return the record of a finished run, by its folder. The folder may be given by a link or as `.`.

    It raises SpecificationError for a folder that is not one, with the runs below it, and for a damaged record.
    """
    folder = Path(place)
    if not folder.is_dir():
        raise SpecificationError(f"{folder}: the folder of a finished run is required, found no such folder")
    if not (folder / MANIFEST).is_file():
        newest = finished(folder)[-1]
        raise SpecificationError(f"{folder}: the folder of one run is required, such as {newest}")
    return records.read(folder.resolve())  # the record is bound to the name of its own folder


def _in_place(source: Path) -> bool:
    """Return whether a record lies under its own name; if not, report it. Damage is reported by whoever reads it."""
    try:
        records.check_name(source, json.loads((source / records.DESCRIPTION).read_bytes()))
    except SpecificationError as problem:
        print(f"{problem}; it is left out", file=sys.stderr)
        return False
    except (OSError, ValueError, KeyError, TypeError):
        return True
    return True


def _unfinished(name: str) -> bool:
    """Whether a folder is the draft of a process that was killed, or a run that violated an identity."""
    return name.startswith(".") or name.endswith(FAILED)
