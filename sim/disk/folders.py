"""Which finished runs a folder holds."""

from pathlib import Path

from sim.disk import records
from sim.disk.files import MANIFEST
from sim.disk.ledger import FAILED
from sim.disk.records import Record
from sim.disk.store import STORE
from sim.numerics import SpecificationError


def finished(folder: Path) -> list[Path]:
    """The finished records below outputs/<name>, the oldest first; raises SpecificationError if there is none."""
    manifests = (file for file in folder.glob(f"*/{MANIFEST}") if not _unfinished(file.parent.name))
    found = sorted(manifests, key=lambda file: file.stat().st_mtime)
    if folder.name == STORE:
        raise SpecificationError(
            f"{folder}: it holds pretrainings, not runs; give the folder of a name (outputs/<name>)"
        )
    if not found:
        below = sorted({file.parent.parent.name for file in folder.glob(f"[!.]*/*/{MANIFEST}")} - {STORE})
        mend = f"give one of the folders below it ({', '.join(below)})" if below else "run the experiment first"
        raise SpecificationError(f"{folder}: at least one finished run is required, found none; {mend}")
    return [file.parent for file in found]


def read(place: str | Path) -> Record:
    """The record of a finished run, by its folder.

    Raises SpecificationError for a folder that is not one, with the runs below it, and for a damaged record.
    """
    folder = Path(place)
    if not folder.is_dir():
        raise SpecificationError(f"{folder}: the folder of a finished run is required, found no such folder")
    if not (folder / MANIFEST).is_file():
        newest = finished(folder)[-1]
        raise SpecificationError(f"{folder}: the folder of one run is required, such as {newest}")
    return records.read(folder)


def _unfinished(name: str) -> bool:
    """Whether a folder is the draft of a process that was killed, or a run that violated an identity."""
    return name.startswith(".") or name.endswith(FAILED)
