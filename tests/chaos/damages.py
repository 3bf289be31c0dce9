"""Damage and exchange of what lies in a folder of results: each must be named, and nothing wrong may be read."""

import io
import json
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

from sim.disk import folders, records
from sim.disk.files import MANIFEST
from sim.disk.inspection import inspected
from sim.disk.records import Record
from sim.numerics import SpecificationError
from tests.chaos.outputs import bound, prepared, reference, same

Counts = Counter[str]


def flip(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << draw.randrange(8))]) + data[at + 1 :]


def zero(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data))
    length = draw.randrange(1, 4097)
    return data[:at] + bytes(len(data[at : at + length])) + data[at + length :]


DAMAGES: dict[str, Callable[[bytes, random.Random], bytes | None]] = {
    "a bit is flipped": flip,
    "a page is zero": zero,
    "the end is cut off": lambda data, draw: data[: draw.randrange(len(data))],
    "something is appended": lambda data, draw: data + draw.randbytes(draw.randrange(1, 100)),
    "two halves are exchanged": lambda data, draw: data[len(data) // 2 :] + data[: len(data) // 2],
    "the file is gone": lambda data, draw: None,
}


@contextmanager
def damaged(file: Path, how: str, draw: random.Random) -> Iterator[bool]:
    """Damage a file for a while; whether its bytes are other ones."""
    before = file.read_bytes()
    after = DAMAGES[how](before, draw)
    file.unlink() if after is None else file.write_bytes(after)
    try:
        yield after != before
    finally:
        file.write_bytes(before)


def damage(outputs: Path, number: int, draw: random.Random) -> Counts:
    """Damage a file at a time. Raises AssertionError for damage that nobody notices and that is not harmless."""
    counts: Counts = Counter()
    expected = reference(outputs)
    files = [file for folder in bound(outputs) for file in sorted(folder.iterdir())]
    for _ in range(number):
        file, how = draw.choice(files), draw.choice(list(DAMAGES))
        with damaged(file, how, draw) as changed:
            if not changed:
                counts["no other bytes"] += 1
                continue
            named = {fault.place for fault in inspected(outputs).faults}
            harmless = file.name == MANIFEST and not named and _means_the_same(file, expected)
            assert harmless or named == {file.parent}, f"{how}: {file}; named: {sorted(map(str, named))}"
            counts["harmless" if harmless else how] += 1
    assert not inspected(outputs).faults
    return counts


def _means_the_same(manifest: Path, expected: dict[str, Record]) -> bool:
    """Whether a changed manifest holds the same checksums, such as after a change of white space."""
    try:
        sums = json.loads(manifest.read_bytes())
    except ValueError:
        return False
    listed = {file.name for file in manifest.parent.iterdir()} - {MANIFEST}
    known = expected.get(manifest.parent.name)
    return set(sums) >= listed and (known is None or same(records.read(manifest.parent), known))


def exchange(one: Path, other: Path) -> None:
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


@contextmanager
def moved(places: list[Path], draw: random.Random) -> Iterator[tuple[str, set[Path], set[Path]]]:
    """Exchange, copy or rename folders for a while: what was done, what must be named, and what is whole still."""
    one, other = draw.sample(places, 2)
    name = "".join(draw.choices("0123456789abcdef", k=12))
    fresh = one.with_name(name if one.name.isalnum() else f"{one.name[:-1]}7")
    how = draw.choice(["exchanged", "copied", "renamed"])
    if how == "exchanged":
        exchange(one, other)
        wrong, gone = {one, other}, {one, other}
    elif how == "copied":
        shutil.copytree(one, fresh)
        wrong, gone = {fresh}, set()
    else:
        one.rename(fresh)
        wrong, gone = {fresh}, {one}
    try:
        yield how, wrong, gone
    finally:
        if how == "exchanged":
            exchange(one, other)
        elif how == "copied":
            shutil.rmtree(fresh)
        else:
            fresh.rename(one)


def swap(outputs: Path, number: int, draw: random.Random) -> Counts:
    """Exchange, copy or rename folders. Raises AssertionError if one is not named, or if a record counts wrongly."""
    counts: Counts = Counter()
    expected = reference(outputs)
    kinds: dict[Path, list[Path]] = {}
    for place in bound(outputs):
        kinds.setdefault(place.parent.parent if place.name.startswith("checkpoint") else place.parent, []).append(place)
    for _ in range(number):
        places = draw.choice([places for places in kinds.values() if len(places) > 1])
        with moved(places, draw) as (how, wrong, gone):
            named = {fault.place for fault in inspected(outputs).faults}
            assert wrong <= named, f"{how}: {sorted(map(str, wrong))}; named: {sorted(map(str, named))}"
            found = _read(outputs / "scratch")
            assert set(found) == set(expected) - {place.name for place in gone}
            assert all(same(record, expected[name]) for name, record in found.items())
            counts[how] += 1
    assert not inspected(outputs).faults
    return counts


def _read(folder: Path) -> dict[str, Record]:
    """Every record that a report would read; each may count once only."""
    found: dict[str, Record] = {}
    with redirect_stderr(io.StringIO()):
        try:
            places = folders.finished(folder)
        except SpecificationError:
            places = []
    for place in places:
        record = records.read(place)
        assert record.hash not in found, f"{place} counts twice"
        found[record.hash] = record
    return found


def campaign(folder: Path, num_damages: int, num_swaps: int, seed: int) -> Counts:
    """Prepare a folder of results and attack it."""
    outputs = folder / "outputs"
    prepared(outputs)
    draw = random.Random(seed)
    return damage(outputs, num_damages, draw) + swap(outputs, num_swaps, draw)
