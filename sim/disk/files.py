"""The one seam through which results reach the disk: durable bytes, folders published in one step, checksums."""

import errno
import hashlib
import json
import os
import secrets
import shutil
import threading
import time
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from sim.disk.locks import acquire, make_folder
from sim.numerics import SpecificationError

MANIFEST = "manifest.json"
"""SHA-256 of every other file of a published folder; written last."""

DRAFT = ".draft"
"""What the names of unfinished folders end with; they begin with a dot."""

_LOCK = ".lock"
_CHECK = "crc32"  # of the rest of an object of JSON
_PAGE, _TRIES, _PAUSE = 4096, 5, 0.001  # [byte], and how often and after how many seconds a torn text is read again
_KINDS = {np.dtype(kind) for kind in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8")}


class FinishedError(SpecificationError):
    """Another process published the same run first; its record is as good."""


def write_bytes(file: Path, data: bytes) -> None:
    """Write a file that is on the disk when this returns. Every durable byte of the project goes through here."""
    with file.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def write_json(file: Path, content: Any) -> None:
    """Write JSON with sorted keys; on the disk when this returns, and at no time half of it at its path."""
    with _beside(file) as fresh:
        write_bytes(fresh, _json(content))
        fresh.replace(file)
    _sync(file.parent)


def replace_json(file: Path, content: Mapping[str, Any]) -> None:
    """Replace a small object of JSON in place, in microseconds: for what is said often and need not outlive a crash.

    Renaming a new file over an old one makes ext4 write to the disk at once, which costs milliseconds; and a file that
    exists already can be overwritten on a full disk. A checksum tells `read_json` a torn text from a whole one.
    """
    data = json.dumps({**content, _CHECK: _crc(content)}).encode()
    data = data.ljust(-(-len(data) // _PAGE) * _PAGE)  # one length, and one page, which is written as a whole
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o666)
    try:
        if os.pwrite(descriptor, data, 0) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        if os.fstat(descriptor).st_size != len(data):
            os.ftruncate(descriptor, len(data))
    finally:
        os.close(descriptor)


def read_json(file: Path) -> Any | None:
    """The content of a file of JSON; None if it is missing or torn."""
    for _ in range(_TRIES):
        try:
            content = json.loads(file.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError:
            content = None
        if content is not None and not (isinstance(content, dict) and _CHECK in content):
            return content
        if content is not None and content.pop(_CHECK) == _crc(content):
            return content
        time.sleep(_PAUSE)  # it may be on its way just now
    return None


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays as the bytes of a safetensors file; `unpack` gives them back bit for bit.

    Raises TypeError for what the format does not keep, such as strings, complex128 and the other byte order.
    """
    odd = [f"{name} ({values.dtype})" for name, values in arrays.items() if values.dtype not in _KINDS]
    if odd:
        raise TypeError(f"arrays of plain numbers are required, found {', '.join(odd)}")
    return save({name: np.asarray(values, order="C") for name, values in arrays.items()})


def unpack(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file, theirs alone and writable. Raises ValueError for bytes that are none."""
    try:
        return {name: values if values.flags.writeable else values.copy() for name, values in load(data).items()}
    except (SafetensorError, KeyError) as problem:  # KeyError: a type that numpy does not know
        raise ValueError(f"a safetensors file of plain numbers is required ({problem})") from None


def publish(target: Path, files: Mapping[str, bytes]) -> Path:
    """Write a folder of files and its manifest beside `target`, and rename it into place in one step.

    What a reader finds at `target` is complete, and on the disk when this returns. Raises FinishedError if the target
    exists: nothing finished is ever overwritten. Whatever is raised, no draft stays; drafts of processes that were
    killed are removed on the next occasion.
    """
    _make(target.parent)
    sweep(target.parent)
    with _draft(target) as draft:
        for name, data in files.items():
            write_bytes(draft / name, data)
        sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        write_bytes(draft / MANIFEST, _json(sums))
        _sync(draft)
        _rename(draft, target)
    _sync(target.parent)
    return target


def sweep(folder: Path) -> None:
    """Remove the drafts in a folder whose writers are dead; who holds the lock of a draft may remove it.

    What cannot be removed, such as the draft of another user, stays: no result shall wait for it.
    """
    with os.scandir(folder) as entries:
        names = {entry.name.removesuffix(_LOCK) for entry in entries if entry.name.startswith(".")}
    for name in sorted(name for name in names if name.endswith(DRAFT)):
        with suppress(OSError):
            lock = acquire(folder / f"{name}{_LOCK}")
            if lock is not None:
                with lock:
                    shutil.rmtree(folder / name, ignore_errors=True)


def discard(folder: Path) -> None:
    """Remove a published folder: in one step for its readers. Nothing happens if it is gone already."""
    doomed = _draft_name(folder)
    try:
        folder.rename(doomed)
    except FileNotFoundError:
        return
    shutil.rmtree(doomed, ignore_errors=True)


def verified(source: Path, required: Collection[str] = ()) -> dict[str, bytes]:
    """Every file of a published folder, read once and compared with the manifest.

    Raises SpecificationError for a missing or changed file, and for a manifest that does not vouch for all that is
    `required` and for every safetensors file of the folder.
    """
    found = {}
    for name, expected in _manifest(source, required).items():
        data = _content(source / name)
        if data is None or hashlib.sha256(data).hexdigest() != expected:
            raise SpecificationError(
                f"{source / name}: its content must match the manifest, found it damaged{_mend(source)}"
            )
        found[name] = data
    return found


def complaint(place: Path, problem: Exception) -> str:
    """What is wrong with a published folder, for derived data that nobody needs to delete by hand."""
    if isinstance(problem, SpecificationError):
        return str(problem).removesuffix(_mend(place))
    return f"{place}: its content must be readable, found {type(problem).__name__}: {problem}"


def _manifest(source: Path, required: Collection[str]) -> dict[str, Any]:
    """Checksum of every file of a published folder; none of what will be read may be missing from it."""
    file, mend = source / MANIFEST, _mend(source)
    data = _content(file)
    if data is None:
        raise SpecificationError(f"{source}: a finished record holds {MANIFEST}, found none{mend}")
    try:
        sums = json.loads(data)
    except ValueError:
        raise SpecificationError(f"{file}: JSON is required, found it damaged{mend}") from None
    listed = set(sums) if isinstance(sums, dict) else set()
    missing = (set(required) | {path.name for path in source.glob("*.safetensors")}) - listed
    if missing or not listed:
        raise SpecificationError(
            f"{file}: every file of the record is required, found no {min(missing, default='file')}{mend}"
        )
    return sums


def _mend(source: Path) -> str:
    return f"; delete {source} and run again"


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError):  # ValueError: no name of a file
        return None


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """A new folder beside the target, locked as long as it is written, so that nobody takes it for abandoned."""
    lock = None
    while lock is None:
        draft = _draft_name(target)
        lock = acquire(draft.with_name(f"{draft.name}{_LOCK}"))
    with lock:
        draft.mkdir()
        try:
            yield draft
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise


def _draft_name(target: Path) -> Path:
    return target.with_name(f".{target.name}-{secrets.token_hex(8)}{DRAFT}")


def _rename(draft: Path, target: Path) -> None:
    try:
        draft.rename(target)  # atomic; fails if the target is a non-empty folder
    except OSError as problem:
        if target.exists():
            raise FinishedError(
                f"{target}: a finished run is never overwritten; it was finished by another process meanwhile"
            ) from None
        raise problem


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """A path of this thread alone, in the folder of a file; what is left at it goes if anything is raised."""
    fresh = file.with_name(f".{file.name}-{os.getpid()}-{threading.get_ident()}")
    try:
        yield fresh
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _crc(content: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(dict(content)).encode())


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True).encode()


def _make(folder: Path) -> None:
    """Make a folder and what is missing above it, on the disk too."""
    fresh = [place for place in (folder, *folder.parents) if not place.exists()]
    make_folder(folder)
    for place in fresh:
        _sync(place.parent)


def _sync(folder: Path) -> None:
    """Bring the entries of a folder onto the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
