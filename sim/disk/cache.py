"""Small files of derived data, one for each record, below outputs/.cache. They may be deleted at any time.

A file begins with the SHA-256 of a key and of its data. The key stands for everything that decides the data. So one
comparison notices a file that is out of date, damaged or incomplete; then the data are made again.
"""

import hashlib
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from sim.disk.files import replace_bytes
from sim.disk.locks import make_folder
from sim.disk.store import STORE

CACHE = ".cache"
"""Name of the folder below outputs that holds derived data."""


def place(source: Path, kind: str) -> Path | None:
    """Return the file of a record in the cache: outputs/.cache/<kind>/<name>/<hash>.

    Only a folder that holds the store of pretrainings is a folder of outputs. For a record elsewhere it returns None.
    """
    folder = source.parent.resolve()
    outputs = folder.parent
    return outputs / CACHE / kind / folder.name / source.name if (outputs / STORE).is_dir() else None


def load(file: Path, key: bytes) -> bytes | None:
    """Return the data of a file; None if there are none for this key, or if they cannot be read."""
    try:
        found = file.read_bytes()
    except OSError:
        return None
    size = hashlib.sha256().digest_size
    return found[size:] if found[:size] == _sum(key, found[size:]) else None


def save(file: Path, key: bytes, data: bytes) -> None:
    """Write the data of a file. Nothing happens if that is impossible, as on a full disk."""
    with suppress(OSError):
        make_folder(file.parent)
        replace_bytes(file, _sum(key, data) + data)


def keep(sources: Collection[Path], kind: str) -> None:
    """Remove the files of records that are gone. `sources` are all the records of one folder."""
    folders = {file.parent for one in sources if (file := place(one, kind)) is not None}
    names = {one.name for one in sources}
    for folder in folders:
        with suppress(OSError):
            for file in folder.iterdir():
                if file.name not in names:
                    file.unlink()


def _sum(key: bytes, data: bytes) -> bytes:
    return hashlib.sha256(key + data).digest()
