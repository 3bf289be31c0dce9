"""Records are bound to their names: copies, exchanged names and edited configurations are noticed."""

import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from sim.disk import folders
from sim.disk.files import publish
from sim.disk.folders import finished
from sim.disk.records import RESULTS_VERSION, Record, check, read, write
from sim.numerics import SpecificationError
from tests.unit.experiments.tiny_studies import ARCHIVED
from tests.unit.faults import exchanged, rewritten
from tests.unit.recorded_worlds import identified, recorded, twins

ONE, OTHER = "0123456789ab", "ffffffffffff"
FIX = "rename the folder, or delete it if it is a copy"

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def record() -> Record:
    return recorded(*twins(1))


def misnamed(folder: Path, name: str, found: str) -> str:
    return f"{folder / name}: the record of run {name} is required, found that of run {found}; {FIX}"


# -- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["copy", "000000000000", f"{ONE} (1)"])
def test_a_copy_counts_once_and_is_named(tmp_path: Path, record: Record, name: str, capsys: Captured) -> None:
    own = write(record, tmp_path / ONE)
    shutil.copytree(own, tmp_path / name)
    assert finished(tmp_path) == [own]
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"{misnamed(tmp_path, name, ONE)}; it is left out\n")
    with pytest.raises(SpecificationError, match=f"^{re.escape(misnamed(tmp_path, name, ONE))}$"):
        read(tmp_path / name)


def test_records_that_were_exchanged_are_both_named(tmp_path: Path, record: Record, capsys: Captured) -> None:
    exchanged(write(record, tmp_path / ONE), write(dataclasses.replace(record, hash=OTHER), tmp_path / OTHER))
    with pytest.raises(SpecificationError, match=r"found none; rename the folders that were left out$"):
        finished(tmp_path)
    lines = [misnamed(tmp_path, ONE, OTHER), misnamed(tmp_path, OTHER, ONE)]
    assert capsys.readouterr().err.splitlines() == [f"{line}; it is left out" for line in lines]


def test_a_record_is_read_by_a_link_and_by_the_working_directory(
    tmp_path: Path, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = write(record, tmp_path / ONE)
    (tmp_path / "best").symlink_to(own)
    monkeypatch.chdir(own)
    assert [folders.read(place).hash for place in (tmp_path / "best", ".", own / ".." / ONE)] == [ONE] * 3
    assert finished(tmp_path) == [own], "and the link is no second run"


def test_the_folder_of_pretrainings_is_refused_before_anything_is_printed(
    tmp_path: Path, record: Record, capsys: Captured
) -> None:
    write(record, tmp_path / "store" / "copy")
    with pytest.raises(SpecificationError, match="it holds pretrainings, not runs"):
        finished(tmp_path / "store")
    assert capsys.readouterr().err == ""


# -- content ----------------------------------------------------------------------------------------------------------


def edited(folder: Path, **config: Any) -> None:
    """Change the configuration of a record, with the checksum."""
    about = json.loads((folder / "run.json").read_bytes())
    rewritten(folder, "run.json", json.dumps(about | {"config": about["config"] | config}).encode())


def test_an_edited_configuration_is_noticed(tmp_path: Path, record: Record) -> None:
    own = identified(record)
    place = write(own, tmp_path / own.hash)
    check(place)
    assert read(place, identified=True).hash == own.hash
    edited(place, name="another", outputs="elsewhere")
    check(place)  # where a run lies is not what it is
    edited(place, seed=4)
    for verify in (check, lambda place: read(place, identified=True)):
        with pytest.raises(SpecificationError, match=f"^{re.escape(str(place))}: a record whose config") as refusal:
            verify(place)
        assert f"is that of run {own.hash} is required, found that of run " in str(refusal.value)
        assert str(refusal.value).endswith("; delete the folder and do the run again")


@pytest.mark.parametrize("version", range(1, RESULTS_VERSION + 1))
@pytest.mark.parametrize("file", [None, {"sha256": "abc", "text": "{}"}])
def test_records_of_older_versions_are_kept(
    tmp_path: Path, record: Record, version: int, file: dict[str, str] | None
) -> None:
    """They have no `facts["identity"]`, and the hash of a grammar file is in another place."""
    record.facts["grammar_file"] = file
    own = identified(record, version, **({} if file is None else {"file": "abc"}))
    place = write(own, tmp_path / own.hash)
    check(place)
    read(place, identified=True)
    edited(place, seed=4)
    with pytest.raises(SpecificationError, match="a record whose configuration"):
        check(place)


def test_the_archived_record_is_the_run_of_its_name() -> None:
    check(ARCHIVED)
    assert "identity" not in read(ARCHIVED, identified=True).facts, "or the archive was renewed"


def test_the_version_and_the_content_beside_the_configuration_are_part_of_the_name(
    tmp_path: Path, record: Record
) -> None:
    beside = {"members": [["grammar", "toy", "a-package", "1.0", "abc"]]}
    record.facts["identity"] = {"results_version": 2, "content": beside}
    record.facts["members"] = {"package/grammars/toy.py": "abc"}
    own = identified(record, 2, **beside)
    check(write(own, tmp_path / own.hash))
    for change in ({"results_version": 3}, {"content": {}}):
        other = dataclasses.replace(own, facts=own.facts | {"identity": own.facts["identity"] | change})
        with pytest.raises(SpecificationError, match="a record whose configuration"):
            check(write(other, tmp_path / str(change) / own.hash))


def test_an_older_record_with_a_member_of_another_package_is_not_refused(tmp_path: Path, record: Record) -> None:
    """The version of the package is part of the hash, and the record does not hold it."""
    record.facts["members"] = {"sim/grammars/english.py": "abc", "package/restrictions/own.py": "def"}
    check(write(record, tmp_path / ONE))
    del record.facts["members"]["package/restrictions/own.py"]
    with pytest.raises(SpecificationError, match="a record whose configuration"):
        check(write(record, tmp_path / "other" / ONE))


@pytest.mark.parametrize("content", [b"{}", b"[]", b"no json", b'{"hash": "0123456789ab"}', b'{"hash": 3, "facts": 1}'])
def test_what_another_program_wrote_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    publish(tmp_path / ONE, {"run.json": content, "arrays.safetensors": b""})
    for verify in (check, read):
        with pytest.raises(SpecificationError, match=r"^[^\n]*$"):
            verify(tmp_path / ONE)
