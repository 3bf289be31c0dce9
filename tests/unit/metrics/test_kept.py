"""The cache of measured numbers changes no cell, and is used only while nothing that decides them has changed."""

import dataclasses
import math
import os
import shutil
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sim.disk import cache
from sim.disk.records import Record, read, write
from sim.metrics import kept
from sim.metrics.frames import metrics_table, numbers_table
from sim.metrics.table import OF_A_NUMBER, Columns, columns
from sim.numerics import SpecificationError
from sim.rows import main
from tests.unit.recorded_worlds import recorded, twins


@pytest.fixture(autouse=True)
def _sources_at_rest(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tests also run while a source is being edited. Each test is as a new process."""
    kept._recipe.cache_clear()
    monkeypatch.setattr(kept, "_BEGAN", 2**63)
    yield
    kept._recipe.cache_clear()


FEW: dict[str, Any] = {"names": ["entropy"], "views": ["joint"]}
"""Of most tests: all metrics take a second."""


@pytest.fixture(autouse=True)
def measurings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs that were measured, of a program with few metrics."""
    found: list[str] = []

    def measured(record: Record) -> Columns:
        found.append(record.hash)
        return columns(record, **FEW)

    monkeypatch.setattr(kept, "columns", measured)
    return found


def written(folder: Path, record: Record, outputs: bool = True) -> Path:
    """Publish a record in outputs/toy."""
    if outputs:
        (folder / "store").mkdir(parents=True, exist_ok=True)
    return write(record, folder / "toy" / record.hash)


def table(source: Path) -> pl.DataFrame:
    record, found = kept.numbers(source)
    return numbers_table(record.hash, record.name, record.config["seed"], found)


def entry(source: Path) -> Path:
    file = cache.place(source, "rows")
    assert file is not None
    return file


RECORDS: dict[str, Callable[[], Record]] = {
    "exact": lambda: recorded(*twins(1, leak=Fraction(0))),
    "bounded": lambda: recorded(*twins(2, leak=Fraction(1, 10))),
    "without styles": lambda: recorded(*twins(3, leak=Fraction(1)), styles=False),
}


@pytest.mark.parametrize("kind", RECORDS)
def test_a_hit_is_a_miss_cell_by_cell(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = RECORDS[kind]()
    source = written(tmp_path, record)
    monkeypatch.setattr(kept, "columns", columns)  # every metric
    missed = table(source)
    monkeypatch.setattr(kept, "columns", lambda record: pytest.fail("it is measured already"))
    hit = table(source)
    assert entry(source) == tmp_path / ".cache" / "rows" / "toy" / record.hash
    expected = metrics_table(read(source))
    for found in (missed, hit):
        assert found.equals(expected)
        assert found.schema == expected.schema
    assert bits(hit) == bits(missed)


def test_some_numbers_are_kept_apart_by_what_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = recorded(*twins(1))
    source, measured = written(tmp_path, record), []

    def counted(*asked: Any) -> Columns:
        measured.append(asked[1:])
        return columns(*asked)

    monkeypatch.setattr(kept, "columns", counted)
    for _ in range(2):
        for asked in ((("entropy",), ("joint",), None), (("kl",), ("joint",), None), (("kl",), ("joint",), ("sft",))):
            about, found = kept.some_numbers(source, *asked)
            assert about.hash == record.hash
            assert found == columns(record, *asked)
    assert len(measured) == 3, "the second time nothing is measured"
    assert not entry(source).exists(), "all numbers of the record are kept elsewhere"


def bits(found: pl.DataFrame) -> list[list[str | None]]:
    """Every cell; a number by its bits, so that 0 and -0 differ."""
    return [[float(cell).hex() if isinstance(cell, float) else str(cell) for cell in row] for row in found.rows()]


def test_no_value_is_lost() -> None:
    numbers = [0.1 + 0.2, -0.0, math.inf, -math.inf, 5e-324, 1.7976931348623157e308]
    size = len(numbers)
    texts = ["", "=1+1", "ä ∞ \U0001f600", 'quoted " and \n', "0", "a"]
    found: Columns = {name: list(texts) for name in OF_A_NUMBER}
    found |= {
        "step": [0, 1, 2**53 + 1, 3, 4, 5],
        "value": [None, *numbers[1:]],
        "lower": numbers,
        "upper": numbers[::-1],
    }
    again = kept._unpacked(kept._packed(found))
    assert list(again) == list(OF_A_NUMBER)
    assert {name: list(map(repr, values)) for name, values in again.items()} == {
        name: list(map(repr, values)) for name, values in found.items()
    }
    assert len(again["of"]) == size
    empty: Columns = {name: [] for name in OF_A_NUMBER}
    assert kept._unpacked(kept._packed(empty)) == empty


def test_a_text_that_is_none_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = written(tmp_path, recorded(*twins(1)))
    wrong = columns(read(source), **FEW)
    wrong["at"][0] = 5
    monkeypatch.setattr(kept, "columns", lambda record: wrong)
    assert kept.numbers(source)[1] is wrong
    assert not entry(source).exists()


# -- what is not used -------------------------------------------------------------------------------------------------


def test_an_edited_source_is_a_miss(tmp_path: Path, measurings: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code = tmp_path / "code.py"
    source = written(tmp_path, recorded(*twins(1)))
    monkeypatch.setattr(kept, "_sources", lambda: (code,))
    for text, number in (("a = 1", 1), ("a = 1", 1), ("a = 2", 2), ("a = 1", 3), ("a = 1", 3)):
        code.write_text(text)
        kept._recipe.cache_clear()  # as a new process
        table(source)
        assert len(measurings) == number, text


def test_every_source_of_the_program_counts() -> None:
    names = {file.relative_to(Path(kept.__file__).parents[1]).as_posix() for file in kept._sources()}
    assert {"quantity.py", "metrics/kept.py", "metrics/diversity.py", "languages/trie.py", "numerics.py"} <= names


def test_versions_and_machine_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recipes = set()
    for version in ("1.0", "2.0"):
        (tmp_path / f"oracle-{version}.dist-info").mkdir()
        monkeypatch.syspath_prepend(str(tmp_path))
        kept._recipe.cache_clear()
        recipes.add(kept._recipe())
    monkeypatch.setattr(kept.np, "show_config", lambda mode: {"SIMD Extensions": {"found": []}})
    kept._recipe.cache_clear()
    recipes.add(kept._recipe())
    assert len(recipes) == 3


def test_a_process_with_older_code_neither_takes_nor_keeps(
    tmp_path: Path, measurings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A multirun may train for hours, and its user edit a metric meanwhile."""
    code = tmp_path / "code.py"
    code.write_text("a = 1")
    source = written(tmp_path, recorded(*twins(1)))
    monkeypatch.setattr(kept, "_sources", lambda: (code,))
    table(source)
    assert entry(source).exists()
    monkeypatch.setattr(kept, "_BEGAN", os.stat(code).st_mtime_ns)
    kept._recipe.cache_clear()
    table(source)
    assert len(measurings) == 2, "what another process kept is not taken"
    entry(source).unlink()
    table(source)
    assert not entry(source).exists()


def test_an_edit_while_a_run_is_measured_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = tmp_path / "code.py"
    code.write_text("a = 1")
    source = written(tmp_path, recorded(*twins(1)))
    monkeypatch.setattr(kept, "_sources", lambda: (code,))

    def edited(record: Record) -> Columns:
        code.unlink()
        return columns(record, **FEW)

    monkeypatch.setattr(kept, "columns", edited)
    table(source)
    assert not entry(source).exists()


def test_another_record_of_the_same_name_is_a_miss(tmp_path: Path, measurings: list[str]) -> None:
    first, second = recorded(*twins(1)), recorded(*twins(2))
    source = written(tmp_path, first)
    before = table(source)
    shutil.rmtree(source)
    assert written(tmp_path, second) == source
    assert table(source).equals(metrics_table(second, **FEW))
    assert not table(source).equals(before)
    assert len(measurings) == 2


@pytest.mark.parametrize("damage", [0, 31, 32, 200, -1, "cut", "longer", "empty", "folder"])
def test_a_damaged_file_is_a_miss(damage: int | str, tmp_path: Path, measurings: list[str]) -> None:
    source = written(tmp_path, recorded(*twins(1)))
    right, file = table(source), entry(source)
    content = bytearray(file.read_bytes())
    if isinstance(damage, int):
        content[damage] ^= 1
    file.write_bytes({"cut": content[:-1], "longer": content + b"\0", "empty": b""}.get(str(damage), content))
    if damage == "folder":
        file.unlink()
        file.mkdir()
    assert table(source).equals(right)
    assert len(measurings) == 2
    assert table(source).equals(right)
    assert len(measurings) == (3 if damage == "folder" else 2), "it was written again, where that is possible"


@pytest.mark.parametrize("name", ["arrays.safetensors", "run.json", "sft.params.safetensors", "manifest.json"])
def test_a_damaged_record_is_refused_all_the_same(name: str, tmp_path: Path) -> None:
    source = written(tmp_path, recorded(*twins(1)))
    table(source)
    content = bytearray((source / name).read_bytes())
    content[len(content) // 2] ^= 1
    (source / name).write_bytes(content)
    assert entry(source).exists()
    with pytest.raises(SpecificationError, match=r"delete .* and run again"):
        kept.numbers(source)


def test_a_record_under_the_name_of_another_run_is_refused(tmp_path: Path) -> None:
    source = written(tmp_path, recorded(*twins(1)))
    table(source)
    copy, file = source.with_name("copy"), entry(source)
    shutil.copytree(source, copy)
    shutil.copy(file, file.with_name("copy"))
    with pytest.raises(SpecificationError, match="the record of run copy is required"):
        kept.numbers(copy)


# -- where it lies ----------------------------------------------------------------------------------------------------


def test_a_cache_that_cannot_be_written_changes_nothing(tmp_path: Path, measurings: list[str]) -> None:
    (tmp_path / ".cache").write_text("a file where the folder would be")
    source = written(tmp_path, recorded(*twins(1)))
    for _ in range(2):
        assert table(source).equals(metrics_table(read(source), **FEW))
    assert len(measurings) == 2


def test_a_full_disk_leaves_no_half_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = written(tmp_path, recorded(*twins(1)))

    def full(file: Path, data: bytes) -> int:
        with file.open("wb") as stream:
            stream.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert table(source).equals(metrics_table(read(source), **FEW))
    assert list(entry(source).parent.iterdir()) == []


def test_a_folder_that_is_not_below_outputs_has_no_cache(tmp_path: Path, measurings: list[str]) -> None:
    source = written(tmp_path, recorded(*twins(1)), outputs=False)
    for _ in range(2):
        table(source)
    assert len(measurings) == 2
    assert [place.name for place in tmp_path.iterdir()] == ["toy"]


def test_a_link_to_the_folder_has_the_same_cache(
    tmp_path: Path, measurings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = written(tmp_path / "outputs", recorded(*twins(1)))
    (tmp_path / "link").symlink_to(source.parent)
    monkeypatch.chdir(source.parent)
    for place in (source, tmp_path / "link" / source.name, Path(source.name)):
        table(place)
    assert len(measurings) == 1


def test_the_command_uses_it_and_tidies_it_up(
    tmp_path: Path, measurings: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [dataclasses.replace(recorded(*twins(seed)), hash=name) for seed, name in ((1, "aaa"), (2, "bbb"))]
    sources = [written(tmp_path, run) for run in runs]
    other = entry(sources[0]).parents[1] / "other" / "aaa"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"of another folder")
    written_tables: list[Any] = []
    for _ in range(2):
        assert main([str(tmp_path / "toy")]) == 0
        written_tables.append((tmp_path / "toy" / "rows.parquet").read_bytes())
    assert written_tables[0] == written_tables[1]
    assert measurings == ["aaa", "bbb"]
    (sources[0] / "run.json").write_bytes(b"{}")
    assert main([str(tmp_path / "toy")]) == 1
    assert set(pl.read_parquet(tmp_path / "toy" / "rows.parquet")["run"]) == {"bbb"}
    shutil.rmtree(sources[0])
    assert main([str(tmp_path / "toy")]) == 0
    assert [file.name for file in entry(sources[1]).parent.iterdir()] == ["bbb"]
    assert other.exists()
    capsys.readouterr()
