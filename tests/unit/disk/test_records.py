"""Records: what is read is what was written; damage is seen; nothing finished is overwritten; nothing half is left."""

import dataclasses
import hashlib
import json
import math
import os
import re
import signal
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from sim.disk import files, records
from sim.disk.files import pack, publish, sweep, unpack
from sim.disk.folders import finished
from sim.disk.records import MANIFEST, Record, check, folder, invalidity, prepare, read, run_hash, write
from sim.numerics import SpecificationError
from tests.unit.faults import fills_up, killed_at, tree
from tests.unit.recorded_worlds import identified, recorded, twins

RUN = "0123456789ab"
FILES = ("arrays.safetensors", "manifest.json", "pretrain.params.safetensors", "run.json", "sft.params.safetensors")


@pytest.fixture
def record() -> Record:
    return recorded(*twins(1))


def flip(file: Path, at: int, bit: int = 0) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1 << bit
    file.write_bytes(bytes(content))


def same(one: Any, other: Any) -> bool:
    """Bitwise: types, shapes and every byte."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if dataclasses.is_dataclass(one):
        fields = dataclasses.fields(one)
        return type(one) is type(other) and all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields)
    if isinstance(one, dict):
        return set(one) == set(other) and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


# -- write and read ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("styles", [True, False])
def test_what_is_read_is_what_was_written(tmp_path: Path, styles: bool) -> None:
    written = recorded(*twins(2), styles=styles)
    target = folder(str(tmp_path), "toy", RUN)
    assert write(written, target) == target == tmp_path / "toy" / RUN
    assert same(read(target), written)
    assert sorted(file.name for file in target.iterdir()) == list(FILES)
    assert [file.name for file in target.parent.iterdir()] == [RUN], "no draft is left"


def test_infinities_and_nan_survive(tmp_path: Path, record: Record) -> None:
    record.phases["sft"].arrays["edge_log_q"][0, 0] = -math.inf
    record.facts["pretraining"]["joint_kl"] = math.inf
    again = read(write(record, tmp_path / RUN))
    assert math.isnan(again.phases["sft"].losses[0])
    assert again.phases["sft"].arrays["edge_log_q"][0, 0] == -math.inf
    assert again.facts["pretraining"]["joint_kl"] == math.inf


def test_arrays_need_not_be_contiguous(tmp_path: Path, record: Record) -> None:
    turned = np.arange(6.0).reshape(2, 3).T
    record.params["sft"]["w"] = turned
    np.testing.assert_array_equal(read(write(record, tmp_path / RUN)).params["sft"]["w"], turned)


def test_the_format_needs_nothing_of_ours(tmp_path: Path, record: Record) -> None:
    target = write(record, tmp_path / RUN)
    sums = {name: hashlib.sha256((target / name).read_bytes()).hexdigest() for name in FILES if name != MANIFEST}
    assert json.loads((target / MANIFEST).read_text(encoding="utf-8")) == sums
    assert same(load_file(target / "pretrain.params.safetensors"), dict(record.params["pretrain"]))
    assert json.loads((target / "run.json").read_text(encoding="utf-8"))["phases"] == list(record.phases)


def test_a_number_stays_a_number(tmp_path: Path, record: Record) -> None:
    """And does not become a list of one, as with numpy.ascontiguousarray."""
    record.params["sft"]["w"] = np.array(1.5, np.float32)
    assert read(write(record, tmp_path / RUN)).params["sft"]["w"].shape == ()


# -- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("where", [0.0, 0.01, 0.3, 0.5, 0.77, 0.9999])
def test_a_flipped_bit_is_seen(tmp_path: Path, record: Record, name: str, where: float) -> None:
    target = write(record, tmp_path / RUN)
    size = (target / name).stat().st_size
    flip(target / name, int(where * size), bit=int(10 * where) % 8)
    for look in (read, check):
        with pytest.raises(SpecificationError, match=r"^[^\n]*delete [^\n]* and run again$") as refusal:
            look(target)
        assert str(target) in str(refusal.value)


def test_every_byte_of_the_manifest_counts(tmp_path: Path, record: Record) -> None:
    """Whatever a flip does to the JSON: break it, rename a file, change a sum."""
    target = write(record, tmp_path / RUN)
    content = (target / MANIFEST).read_bytes()
    for at in range(len(content)):
        flip(target / MANIFEST, at, bit=at % 7)
        with pytest.raises(SpecificationError):
            read(target)
        (target / MANIFEST).write_bytes(content)
    read(target)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_seen(tmp_path: Path, record: Record, name: str) -> None:
    target = write(record, tmp_path / RUN)
    (target / name).unlink()
    with pytest.raises(SpecificationError, match=r"run again$"):
        read(target)


@pytest.mark.parametrize("content", ["{}", "[]", "null", "", "{", "\xff", '{"run.json": "0"}'])
def test_a_manifest_that_vouches_for_nothing_is_refused(tmp_path: Path, record: Record, content: str) -> None:
    target = write(record, tmp_path / RUN)
    (target / MANIFEST).write_bytes(content.encode("latin-1"))
    with pytest.raises(SpecificationError, match=f"^{re.escape(str(target))}.*run again$"):
        read(target)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_the_manifest_forgets_is_not_trusted(tmp_path: Path, record: Record, name: str) -> None:
    target = write(record, tmp_path / RUN)
    sums = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
    if name != MANIFEST:
        del sums[name]
        (target / MANIFEST).write_text(json.dumps(sums), encoding="utf-8")
        with pytest.raises(SpecificationError, match=f"every file of the record is required, found no {name}"):
            read(target)


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir, Path.touch])
def test_what_is_no_record_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / RUN)
    with pytest.raises(SpecificationError, match=r"a finished record holds manifest\.json, found none; delete"):
        read(tmp_path / RUN)


@pytest.mark.parametrize("missing", ["world/event", "sft/losses", "sft.params.safetensors", "arrays"])
def test_right_checksums_are_not_enough(tmp_path: Path, record: Record, missing: str) -> None:
    """Neither for reading a record, nor for keeping it without making languages of its arrays."""
    own = identified(record)
    whole = write(own, tmp_path / own.hash)
    contents = {file.name: file.read_bytes() for file in whole.iterdir() if file.name != MANIFEST}
    if missing == "arrays":
        contents["arrays.safetensors"] = b"arrays"
    elif missing in contents:
        del contents[missing]
    else:
        arrays = unpack(contents["arrays.safetensors"])
        del arrays[missing]
        contents["arrays.safetensors"] = pack(arrays)
    target = publish(tmp_path / "other" / own.hash, contents)
    for look in (read, check):
        with pytest.raises(SpecificationError, match=f"^{target}: a record of this program is required, found "):
            look(target)
    assert check(whole).config == read(whole).config


# -- publication ------------------------------------------------------------------------------------------------------


def test_a_finished_record_is_never_overwritten(tmp_path: Path, record: Record) -> None:
    target = write(record, tmp_path / RUN)
    before = {file.name: file.read_bytes() for file in target.iterdir()}
    with pytest.raises(SpecificationError, match="a finished run is never overwritten"):
        write(recorded(*twins(5)), target)
    assert {file.name: file.read_bytes() for file in target.iterdir()} == before
    assert [file.name for file in tmp_path.iterdir()] == [RUN], "the loser's draft is gone"


def test_a_file_in_the_way_is_not_overwritten(tmp_path: Path, record: Record) -> None:
    (tmp_path / RUN).write_text("mine", encoding="utf-8")
    with pytest.raises(SpecificationError, match="never overwritten"):
        write(record, tmp_path / RUN)
    assert (tmp_path / RUN).read_text(encoding="utf-8") == "mine"


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, other = recorded(*twins(1)), recorded(*twins(2))
    write(dataclasses.replace(before, hash="before"), tmp_path / "before")
    files, failures = tree(tmp_path), 0
    for _ in fills_up(monkeypatch, lambda: write(other, tmp_path / RUN)):
        assert tree(tmp_path) == files
        failures += 1
    assert failures == len(FILES), "one for every file"
    assert same(read(tmp_path / RUN), other)
    assert same(read(tmp_path / "before"), dataclasses.replace(before, hash="before"))


@pytest.mark.parametrize("name", ["pack", "publish"])
def test_an_interruption_leaves_nothing(
    tmp_path: Path, record: Record, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(records, name, interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(record, tmp_path / RUN)
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_is_written_last_and_before_anything_is_seen(
    tmp_path: Path, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, bool]] = []
    plain = files.write_bytes

    def watched(file: Path, data: bytes) -> None:
        seen.append((file.name, (tmp_path / RUN).exists()))
        plain(file, data)

    monkeypatch.setattr(files, "write_bytes", watched)
    write(record, tmp_path / RUN)
    assert sorted(seen) == [(name, False) for name in FILES]
    assert seen[-1][0] == MANIFEST


WRITE = """
from sim.disk.records import write
from sim.disk.folders import finished
from tests.unit.faults import fills_up, killed_at, tree
from tests.unit.recorded_worlds import identified, recorded, twins
write(recorded(*twins(1)), folder / "0123456789ab")
"""


@pytest.mark.parametrize("at", range(len(FILES)))
def test_what_a_killed_process_leaves_is_no_record(tmp_path: Path, record: Record, at: int) -> None:
    assert killed_at(at, tmp_path, WRITE) == -signal.SIGKILL
    assert any(tmp_path.iterdir()), "the draft lies there, or this test says nothing"
    with pytest.raises(SpecificationError, match="found none"):
        read(tmp_path / RUN)
    with pytest.raises(SpecificationError, match="at least one finished run is required"):
        finished(tmp_path)
    write(record, tmp_path / RUN)
    assert [file.name for file in tmp_path.iterdir()] == [RUN]
    assert same(read(tmp_path / RUN), record)


def test_of_two_that_publish_at_once_one_wins(tmp_path: Path) -> None:
    rivals = [recorded(*twins(seed)) for seed in (1, 2)]
    start, outcomes = threading.Barrier(2), {}

    def publish(index: int) -> None:
        start.wait()
        try:
            write(rivals[index], tmp_path / RUN)
            outcomes[index] = "won"
        except SpecificationError as refusal:
            outcomes[index] = str(refusal)

    threads = [threading.Thread(target=publish, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome == "won" for outcome in outcomes.values()) == [False, True]
    (lost,) = (outcome for outcome in outcomes.values() if outcome != "won")
    assert "finished by another process meanwhile" in lost
    (winner,) = (index for index, outcome in outcomes.items() if outcome == "won")
    assert same(read(tmp_path / RUN), rivals[winner]), "and not a mixture of the two"
    assert [file.name for file in tmp_path.iterdir()] == [RUN]


@pytest.mark.parametrize("below", ["file", "file/deeper"])
def test_where_nothing_can_be_written_is_said_before_anything_is_computed(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpecificationError, match=r"^outputs: a folder that can be written is required, found [^\n]*$"):
        prepare(tmp_path / below / "r")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(SpecificationError, match="a folder that can be written is required"):
        prepare(tmp_path / "locked" / "r")


def test_preparing_does_not_mind_those_who_tidy_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = tempfile.mkdtemp

    def made_and_swept(**chosen: Any) -> str:
        draft = make(**chosen)
        sweep(tmp_path)
        assert not Path(draft).exists(), "and what a killed process leaves is swept"
        return draft

    monkeypatch.setattr(tempfile, "mkdtemp", made_and_swept)
    prepare(tmp_path / RUN)


def test_preparing_leaves_nothing_behind(tmp_path: Path) -> None:
    prepare(tmp_path / "a" / "b" / "r")
    assert list(tmp_path.iterdir()) == []


# -- identity and validity --------------------------------------------------------------------------------------------


def test_where_results_go_is_not_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    one = {"name": "a", "outputs": "b", "seed": 0, "model": {"kind": "x", "width": 8}}
    assert re.fullmatch("[0-9a-f]{12}", run_hash(one))
    assert run_hash(one | {"claim": "C1@abc", "study": {"seeds": "range(5)"}}) == run_hash(one)
    assert run_hash(one | {"name": "c", "outputs": "d"}) == run_hash(dict(reversed(one.items()))) == run_hash(one)
    others = [one | {"seed": 1}, one | {"model": {"kind": "x", "width": 9}}, one | {"extra": None}]
    assert len({run_hash(other) for other in [one, *others]}) == 4
    before = run_hash(one)
    monkeypatch.setattr(records, "RESULTS_VERSION", records.RESULTS_VERSION + 1)
    assert run_hash(one) != before, "numbers may have changed"


def test_a_run_that_is_not_valid_says_so(record: Record) -> None:
    said = invalidity(record)
    assert said is not None
    assert said.startswith("NOT VALID: after pretraining the joint KL(P||q0) must be at most pretrain.limit = 0.02 nat")
    assert "found 1.5; raise pretrain.num_steps (now 20) or take a larger model. The numbers" in said
    assert "\n" not in said
    record.facts["pretraining"]["valid"] = True
    assert invalidity(record) is None
