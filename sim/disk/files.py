"""Write and read results on the disk: durable bytes, folders that are published in one step, and checksums."""

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

from sim.disk.locks import acquire, holder, make_folder
from sim.numerics import SpecificationError

MANIFEST = "manifest.json"
"""Name of the file with the SHA-256 of every other file of a published folder. It is written last."""

DRAFT = ".draft"
"""Ending of the names of unfinished folders. These names begin with a dot."""

_LOCK = ".lock"
_CHECK = "crc32"  # key of the checksum of the other keys of a JSON object
_PAGE, _TRIES, _PAUSE = 4096, 5, 0.001  # page size [byte]; reads of a torn file, and the pause between them [s]
_KINDS = {np.dtype(kind) for kind in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8")}


class FinishedError(SpecificationError):
    """Another process published the same run first. Its record is equally good."""


def write_bytes(file: Path, data: bytes) -> None:
    """Write a file that is on the disk when this returns. Every file that must survive a crash is written here."""
    with file.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def write_json(file: Path, content: Any) -> None:
    """Write JSON with sorted keys. It is on the disk when this returns, and `file` never holds an incomplete text."""
    with _beside(file) as fresh:
        write_bytes(fresh, _json(content))
        fresh.replace(file)
    sync(file.parent)


def replace_bytes(file: Path, data: bytes) -> None:
    """Write a file that can be made again. It is never incomplete for a reader, but it may be after a crash."""
    with _beside(file) as fresh:
        fresh.write_bytes(data)
        fresh.replace(file)


def replace_json(file: Path, content: Mapping[str, Any]) -> None:
    """Overwrite a small JSON object in place, in microseconds. It is for frequent notes that need not survive a crash.

    Renaming a new file over an old one makes ext4 write to the disk at once, which costs milliseconds. In addition, an
    existing file can be overwritten on a full disk. By the checksum, `read_json` recognises an incomplete text.
    """
    data = json.dumps({**content, _CHECK: _crc(content)}).encode()
    data = data.ljust(-(-len(data) // _PAGE) * _PAGE)  # whole pages: the length seldom changes; a page is written whole
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o666)
    try:
        if os.pwrite(descriptor, data, 0) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        if os.fstat(descriptor).st_size != len(data):
            os.ftruncate(descriptor, len(data))
    finally:
        os.close(descriptor)


def read_json(file: Path) -> Any | None:
    """Return the content of a JSON file; None if it is missing, or incomplete after several tries."""
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
        time.sleep(_PAUSE)  # it may be being written right now
    return None


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return arrays as the bytes of a safetensors file; `unpack` restores them bit for bit.

    It raises TypeError for types that the format does not keep, such as strings, complex128 and non-native byte order.
    """
    odd = [f"{name} ({values.dtype})" for name, values in arrays.items() if values.dtype not in _KINDS]
    if odd:
        raise TypeError(f"arrays of plain numbers are required, found {', '.join(odd)}")
    return save({name: np.asarray(values, order="C") for name, values in arrays.items()})


def unpack(data: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of a safetensors file. They are writable. It raises ValueError for any other bytes."""
    try:
        return {name: values if values.flags.writeable else values.copy() for name, values in load(data).items()}
    except (SafetensorError, KeyError) as problem:  # KeyError: a type that numpy does not know
        raise ValueError(f"a safetensors file of plain numbers is required ({problem})") from None


def publish(target: Path, files: Mapping[str, bytes]) -> Path:
    """Write a folder of files and its manifest beside `target`, and rename it into place in one step.

    A reader never finds an incomplete `target`, and it is on the disk when this returns. It raises FinishedError if the
    target exists, because nothing finished is ever overwritten. If an error is raised, no draft stays. The drafts of
    killed processes are removed by the next call in the same folder.
    """
    _make(target.parent)
    sweep(target.parent)
    with draft(target) as fresh:
        for name, data in files.items():
            write_bytes(fresh / name, data)
        sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        write_bytes(fresh / MANIFEST, _json(sums))
        sync(fresh)
        _rename(fresh, target)
    sync(target.parent)
    return target


def sweep(folder: Path) -> None:
    """Remove the drafts of dead writers from a folder. Only a process that holds the lock of a draft may remove it.

    Drafts that cannot be removed, such as those of another user, stay: no result shall wait for them.
    """
    with os.scandir(folder) as entries:
        names = {entry.name.removesuffix(_LOCK) for entry in entries if entry.name.startswith(".")}
    for name in sorted(name for name in names if name.endswith(DRAFT)):
        with suppress(OSError):
            lock = acquire(folder / f"{name}{_LOCK}", brief=True)
            if lock is not None:
                with lock:
                    shutil.rmtree(folder / name, ignore_errors=True)


def abandoned(draft: Path) -> bool:
    """Return whether no process writes a draft. A draft is the unfinished folder, or its lock if that is all there is.

    This changes nothing on the disk.
    """
    lock = draft if draft.name.endswith(_LOCK) else draft.with_name(f"{draft.name}{_LOCK}")
    return holder(lock) is None


def discard(folder: Path) -> None:
    """Remove a published folder, for its readers in one step. Nothing happens if it is already gone."""
    doomed = _draft_name(folder)
    try:
        folder.rename(doomed)
    except FileNotFoundError:
        return
    shutil.rmtree(doomed, ignore_errors=True)


def verified(source: Path, required: Collection[str] = ()) -> dict[str, bytes]:
    """Read every file of a published folder once and compare it with the manifest. Return the contents by name.

    It raises SpecificationError if a file is missing or changed, or if the manifest lacks a `required` file or a
    safetensors file of the folder.
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
    """Describe what is wrong with a folder of derived data, without the advice to delete it by hand."""
    if isinstance(problem, SpecificationError):
        return str(problem).removesuffix(_mend(place))
    return f"{place}: its content must be readable, found {type(problem).__name__}: {problem}"


def _manifest(source: Path, required: Collection[str]) -> dict[str, Any]:
    """Return the checksum of every file of a published folder. Every file that will be read must be listed in it."""
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
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError):  # ValueError: not a valid file name
        return None


@contextmanager
def draft(target: Path) -> Iterator[Path]:
    """Make a new folder beside the target. It is locked while it is written, so no process takes it for abandoned.

    If an error is raised, it is removed. Otherwise the caller moves or removes it.
    """
    lock = None
    while lock is None:
        fresh = _draft_name(target)
        lock = acquire(fresh.with_name(f"{fresh.name}{_LOCK}"), brief=True)
    with lock:
        fresh.mkdir()
        try:
            yield fresh
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
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
    """Yield a path beside `file` that only this thread uses. After an error, the file at that path is removed."""
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
    """Make a folder and its missing parents, durably."""
    fresh = [place for place in (folder, *folder.parents) if not place.exists()]
    make_folder(folder)
    for place in fresh:
        sync(place.parent)


def sync(place: Path) -> None:
    """Write the content of a file, or the entries of a folder, to the disk (fsync)."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
