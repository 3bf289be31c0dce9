"""The measured numbers of a record: computed from its arrays, or taken from the cache of numbers that were computed.

The cache changes no number. Its key covers the manifest of the record, which holds the SHA-256 of every file, and
everything here that decides the numbers: sources, installed packages, and the vector instructions of the processor.
"""

import functools
import hashlib
import json
import os
import platform
import sys
import time
import zlib
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

import numpy as np

from sim.config.discovery import packages
from sim.disk import cache
from sim.disk.files import MANIFEST, pack, unpack
from sim.disk.records import Described, Record, check, read
from sim.metrics.scored import View
from sim.metrics.table import OF_A_NUMBER, Columns, columns

KIND = "rows"
"""Name of the folder of these numbers in outputs/.cache."""

_BEGAN = time.time_ns() - 2 * 10**9  # before the first module of this process was imported
_NUMBERS = ("step", "value", "lower", "upper")
_TEXTS = tuple(name for name in OF_A_NUMBER if name not in _NUMBERS)


def numbers(source: Path) -> tuple[Record | Described, Columns]:
    """Return a record, and all its numbers as `sim.metrics.table.columns` returns them.

    Every file of the record is verified in any case. It raises what `sim.disk.records.read` and `columns` raise.
    """
    return _numbers(source, KIND, columns)


def some_numbers(
    source: Path, names: Collection[str], views: Collection[View], phases: Collection[str] | None
) -> tuple[Record | Described, Columns]:
    """The same for the numbers of some metrics, views and phases, as `columns` takes them."""
    asked = json.dumps([sorted(names), list(views), None if phases is None else list(phases)])
    kind = f"{KIND}-{hashlib.sha256(asked.encode()).hexdigest()[:8]}"
    return _numbers(source, kind, lambda record: columns(record, names, views, phases), asked.encode())


def _numbers(
    source: Path, kind: str, measure: Callable[[Record], Columns], asked: bytes = b""
) -> tuple[Record | Described, Columns]:
    file = cache.place(source, kind)
    key = None if file is None else _key(source, asked)
    if file is None or key is None:
        record = read(source)
        return record, measure(record)
    data = cache.load(file, key)
    if data is not None:
        return check(source, identified=False), _unpacked(data)
    record = read(source)
    found = measure(record)
    if _as_loaded():  # nobody edited a source meanwhile
        with suppress(TypeError):  # a text of a metric is no text; whoever makes a table of it says so
            cache.save(file, key, _packed(found))
    return record, found


def forget_others(sources: Collection[Path]) -> None:
    """Remove the numbers of records that are gone. `sources` are all the records of one folder."""
    cache.keep(sources, KIND)


def _key(source: Path, asked: bytes) -> bytes | None:
    """Return the SHA-256 of all that decides the numbers of a record; None if that is not certain."""
    try:
        recipe, manifest = _recipe(), (source / MANIFEST).read_bytes()
    except OSError:
        return None
    return None if recipe is None else hashlib.sha256(recipe + manifest + asked).digest()


@functools.cache
def _sources() -> tuple[Path, ...]:
    """Return the files with the code that may decide a number: those of `sim` and of the packages that take part."""
    folders = [Path(__file__).resolve().parents[1], *(one.folder for one in packages())]
    return tuple(file for folder in folders for file in sorted(folder.rglob("*.py")))


def _as_loaded() -> bool:
    """Return whether no source has changed since this process began, so that it runs what is on the disk."""
    try:
        times = [os.stat(file) for file in _sources()]
    except OSError:  # a source is gone
        return False
    return all(max(one.st_mtime_ns, one.st_ctime_ns) < _BEGAN for one in times)


@functools.cache
def _recipe() -> bytes | None:
    """SHA-256 of everything except the record that decides the numbers; None if a source is newer than this process."""
    installed = {name for place in sys.path if os.path.isdir(place) for name in os.listdir(place) if "-info" in name}
    machine = [platform.python_version(), platform.machine(), np.show_config(mode="dicts")]
    content = hashlib.sha256(json.dumps([sorted(installed), machine], sort_keys=True, default=str).encode())
    for file in _sources():
        content.update(os.fsencode(file) + hashlib.sha256(file.read_bytes()).digest())
    return content.digest() if _as_loaded() else None


def _packed(found: Columns) -> bytes:
    """Return numbers as bytes. It raises TypeError if a text is none."""
    arrays = {name: np.array(found[name], np.float64) for name in ("lower", "upper")}
    arrays["step"] = np.array(found["step"], np.int64)
    arrays["known"] = np.array([value is not None for value in found["value"]], np.bool_)
    arrays["value"] = np.array([0.0 if value is None else value for value in found["value"]], np.float64)
    texts = {name: list(dict.fromkeys(found[name])) for name in _TEXTS}
    for name, different in texts.items():
        if not all(isinstance(text, str) for text in different):
            raise TypeError(f"{name}: texts are required")
        at = {text: index for index, text in enumerate(different)}
        arrays[name] = np.array([at[text] for text in found[name]], np.uint32)
    return zlib.compress(pack({**arrays, "texts": np.frombuffer(json.dumps(texts).encode(), np.uint8)}), level=1)


def _unpacked(data: bytes) -> Columns:
    """Return the numbers of `_packed`."""
    arrays = unpack(zlib.decompress(data))
    texts = json.loads(arrays["texts"].tobytes())
    found = {name: arrays[name].tolist() for name in _NUMBERS}
    known = arrays["known"].tolist()
    found["value"] = [value if sure else None for value, sure in zip(found["value"], known, strict=True)]
    found |= {name: [texts[name][code] for code in arrays[name].tolist()] for name in _TEXTS}
    return {name: found[name] for name in OF_A_NUMBER}
