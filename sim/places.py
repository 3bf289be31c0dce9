"""Folders and files that a person names: whether they can be used, and if not, why, in words."""

import errno
import os
import stat
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sim.numerics import SpecificationError

LONGEST, ROOM = 255, 32
"""Largest number of bytes of one name in a path, and those that the name of a draft adds."""


def reason(problem: OSError | ValueError) -> str:
    """Return in words why a place cannot be used, such as `permission denied`."""
    if isinstance(problem, OSError):
        return (problem.strerror or str(problem) or type(problem).__name__).lower()
    return "a character that no file name can hold"  # a NUL, or what the file system cannot encode


def told(problem: OSError) -> str:
    """Return one line about an error of the file system that nothing has foreseen, such as a full disk."""
    if problem.filename is None and problem.errno == errno.ENOENT:  # nothing else is asked for without a name
        return "current directory: a directory that exists is required, found a deleted one; change to another one"
    place = "disk" if problem.filename is None else os.fsdecode(problem.filename)
    line = f"{place}: a place that can be read and written is required, found {reason(problem)}"
    return f"{line}; correct that and give the same command again: what is finished is kept"


def check_folder(folder: Path, wanted: str, fix: str) -> None:
    """Raise SpecificationError unless a folder exists and can be read. `wanted` and `fix` are parts of the line."""
    found = _unreadable(folder)
    if found is not None:
        raise SpecificationError(f"{folder}: {wanted} is required, found {found}; {fix}")


def _unreadable(folder: Path) -> str | None:
    try:
        if not stat.S_ISDIR(folder.stat().st_mode):
            return "a file"
        with os.scandir(folder):
            return None
    except FileNotFoundError:
        return "a link that leads nowhere" if folder.is_symlink() else "no such folder"
    except (OSError, ValueError) as problem:
        return reason(problem)


def check_writable(argument: str, folder: Path, names: Sequence[str], fix: str) -> None:
    """Raise SpecificationError unless files with some names can be written to a folder. Nothing is left behind.

    The folder and those above it are made later, so they need not exist. `argument` and `fix` are parts of the line.
    """
    found = _unwritable(folder, names)
    if found is not None:
        raise SpecificationError(
            f"{argument}: a folder that can be written is required, found {folder} ({found}); {fix}"
        )


def _unwritable(folder: Path, names: Sequence[str]) -> str | None:
    try:
        existing = _nearest(folder.absolute())
        if any(len(os.fsencode(name)) > LONGEST - ROOM for name in names):
            return "a name that is too long"
        if any("\0" in name for name in names):
            return reason(ValueError())
        draft = tempfile.mkdtemp(prefix=".", suffix=".draft", dir=existing)
    except (OSError, ValueError) as problem:
        return reason(problem)
    with suppress(FileNotFoundError):  # another process that publishes beside it has removed it
        Path(draft).rmdir()
    return None


def _nearest(folder: Path) -> Path:
    """Return the nearest folder that exists, of a folder and those above it. OSError if the others cannot be made."""
    if any(len(os.fsencode(part)) > LONGEST for part in folder.parts):
        raise OSError(0, "a name that is too long")
    for place in (folder, *folder.parents):
        try:
            place.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        if place.is_symlink() and not place.exists():
            raise OSError(0, "a link that leads nowhere")
        return place
    raise FileNotFoundError(0, "no such folder")


def write_whole(file: Path, data: bytes) -> None:
    """Write a file in one step. If that fails, an older file stays as it is, and nothing else is left behind."""
    fresh = file.with_name(f".{file.name}-{os.getpid()}")
    try:
        fresh.write_bytes(data)
        fresh.replace(file)
    except BaseException:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
