"""Tables of records: which records count, the schema, every supported document, and the table of a whole folder."""

import csv
import dataclasses
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from sim import pool
from sim.config.leaves import leaves, varying
from sim.disk.files import publish
from sim.disk.folders import finished
from sim.disk.records import Record, write
from sim.disk.records import read as read_record
from sim.languages.finite import Styles
from sim.metrics import kept, many
from sim.metrics.frames import COLUMNS, as_csv, documents_table, metrics_table, strings_table
from sim.metrics.table import rows
from sim.numerics import SpecificationError
from sim.rows import main
from sim.show import counting
from tests.unit.faults import ROOT
from tests.unit.metrics.small_worlds import BAR
from tests.unit.recorded_worlds import STYLES, knows_nothing, recorded, style_of, twins

SCHEMA = {
    "run": pl.String,
    "name": pl.String,
    "seed": pl.Int64,
    "phase": pl.String,
    "step": pl.Int64,
    "view": pl.String,
    "metric": pl.String,
    "of": pl.String,
    "at": pl.String,
    "value": pl.Float64,
    "lower": pl.Float64,
    "upper": pl.Float64,
    "exactness": pl.String,
    "unit": pl.String,
    "prompt_law": pl.String,
}


@pytest.mark.parametrize(("leak", "styles"), [(Fraction(0), True), (Fraction(1), False)])
def test_the_schema_does_not_depend_on_the_run(leak: Fraction, styles: bool) -> None:
    """Not on whether the first, or any, number is exact; nor on the styles."""
    record = recorded(*twins(1, leak=leak), styles=styles)
    table = metrics_table(record)
    assert dict(table.schema) == SCHEMA
    assert table.height == len(rows(record))
    assert table.select("run", "name", "seed").unique().rows() == [("0123456789ab", "toy", 3)]
    assert table["value"].null_count() == table.filter(exactness="bounded").height
    assert table.drop("value").null_count().sum_horizontal().item() == 0


def test_strings_table() -> None:
    world, other = twins(2)
    record = recorded(other, world)
    table = strings_table(record).join(documents_table(record), on="index")
    documents = world.documents()
    assert table.group_by("phase", "step").len().sort("phase", "step").rows() == [
        (phase, step, len(documents))
        for phase, step in [("identity", 0), ("identity", 10), ("pretrain", 10), ("sft", 0), ("sft", 10)]
    ], "of pretraining, where it ended"
    names = world.language.vocabulary.symbols
    for row in table.filter(phase="sft", step=10).iter_rows(named=True):
        document = documents[row["index"]]
        cut = document.index(BAR) + 1
        prompt, answer = document[:cut], document[cut:-1]
        assert row["prompt"].split() == [names[token] for token in prompt]
        assert row["answer"].split() == [names[token] for token in answer]
        assert row["style"] == STYLES[style_of(document)]

        def given(law: dict, prompt: tuple = prompt, document: tuple = document) -> float:
            total = sum(v for y, v in law.items() if y[: len(prompt)] == prompt)
            return float(law[document] / total) if total else 0.0

        assert row["prompt_mass"] == pytest.approx(float(sum(v for y, v in world.p.items() if y[:cut] == prompt)))
        assert row["p"] == pytest.approx(given(world.p), rel=1e-12)
        assert row["s"] == pytest.approx(given(world.s), rel=1e-12)
        assert row["q"] == pytest.approx(given(world.q), rel=1e-12)


def test_strings_table_of_whole_documents() -> None:
    world, _ = twins(2)
    record = recorded(world)
    table = strings_table(record, view="joint").filter(phase="sft")
    table = documents_table(record, view="joint").join(table, on="index", maintain_order="left")
    np.testing.assert_allclose(table["p"], [float(world.p[d]) for d in world.documents()], rtol=1e-12)
    np.testing.assert_allclose(table["q"], [float(world.q[d]) for d in world.documents()], rtol=1e-12)
    assert table["prompt_mass"].to_list() == [1.0] * table.height


def test_documents_of_several_styles_are_filed_under_the_likeliest() -> None:
    world, _ = twins(2)
    assert documents_table(recorded(world, styles=False))["style"].unique().to_list() == [""]
    record = recorded(world)
    shared = np.log([[0.25, 0.75]] + [[0.6, 0.4]] * (record.p.trie.num_strings - 1))
    object.__setattr__(record.p, "styles", Styles(STYLES, shared))
    assert documents_table(record)["style"].to_list() == ["long"] + ["short"] * (len(shared) - 1)


# -- which records count ----------------------------------------------------------------------------------------------


def test_finished_records_the_oldest_first(tmp_path: Path) -> None:
    record = recorded(*twins(1))
    written = [write(dataclasses.replace(record, hash=name), tmp_path / name) for name in ("bbb", "aaa", "ccc")]
    for age, one in enumerate(written):
        os.utime(one / "manifest.json", (1000 + age, 1000 + age))
    assert finished(tmp_path) == written
    assert read_record(written[0]).hash == "bbb"


def test_drafts_and_failures_do_not_count(tmp_path: Path) -> None:
    for name in ("0123456789ab.failed", ".0123456789ab-draft"):
        write(recorded(*twins(1)), tmp_path / name)
    (tmp_path / "reports" / "abc").mkdir(parents=True)
    for nothing in (tmp_path, tmp_path / "reports", tmp_path / "missing"):
        with pytest.raises(SpecificationError, match="at least one finished run is required, found no"):
            finished(nothing)
    done = write(recorded(*twins(1)), tmp_path / "0123456789ab")
    assert finished(tmp_path) == [done]


# -- which leaves vary ------------------------------------------------------------------------------------------------


def test_leaves_have_dotted_names() -> None:
    config = {"seed": 0, "model": {"kind": "a", "width": 8, "none": None}, "list": [1, "b"], "empty": {}}
    assert leaves(config) == {
        "seed": 0, "model.kind": "a", "model.width": 8, "model.none": None, "list": '[1, "b"]', "empty": "{}"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "column"),
    [
        ([1, 1, 1], None),
        ([1, 1, 2], [1, 1, 2]),
        ([1, 0.5, None], [1.0, 0.5, None]),
        ([True, False, True], [True, False, True]),
        ([True, 1, 1], ["true", "1", "1"]),
        (["a", 1, None], ['"a"', "1", None]),
        ([[1], [1, 2], [1]], ["[1]", "[1, 2]", "[1]"]),
        ([None, None, None], None),
    ],
)
def test_leaves_that_vary(values: list[Any], column: list[Any] | None) -> None:
    found = varying([{"a": {"b": value}, "name": f"run{at}"} for at, value in enumerate(values)], ["name"])
    assert found == ({} if column is None else {"a.b": column})
    assert [list(map(type, one)) for one in found.values()] == ([] if column is None else [list(map(type, column))])


def test_a_leaf_that_only_some_have_varies() -> None:
    assert varying([{"a": {"b": 1}}, {"a": {}}]) == {"a": [None, "{}"], "a.b": [1, None]}
    assert varying([{"a": {"b": None}}, {"a": {"c": 1}}]) == {"a.c": [None, 1]}


# -- the table of a folder --------------------------------------------------------------------------------------------


def run_of(rate: float, seed: int, valid: bool = True) -> Record:
    base = recorded(*twins(1, leak=Fraction(1, 10)))
    config = {
        **base.config, "seed": seed, "optimizer": {"kind": "sgd", "learning_rate": rate}, "outputs": f"to{seed}"
    }  # fmt: skip
    facts = {"pretraining": {"joint_kl": 0.01, "limit": 0.02, "valid": valid}}
    return dataclasses.replace(base, hash=f"{int(100 * rate):06d}{seed:06d}", config=config, facts=facts)


def filled(folder: Path) -> list[Record]:
    """Three runs, the last in the order of the table first."""
    runs = [run_of(0.5, 7), run_of(0.1 + 0.2, 2**32 - 1, valid=False), run_of(0.1 + 0.2, 7)]
    for run in runs:
        write(run, folder / run.hash)
    return runs


def test_the_table_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last, middle, first = filled(tmp_path)
    assert main([str(tmp_path)]) == 0
    table = pl.read_parquet(tmp_path / "rows.parquet")
    said = capsys.readouterr()
    assert said.out == f"{tmp_path}/rows.parquet: {table.height} rows of 3 runs\n"
    assert said.err == ""
    added = {"valid": pl.Boolean, "optimizer.learning_rate": pl.Float64}
    head = dict(list(SCHEMA.items())[:3])
    assert dict(table.schema) == head | added | SCHEMA
    assert table.columns == [*head, *added, *list(SCHEMA)[3:]]
    assert table.select("run", *added).unique(maintain_order=True).rows() == [
        (first.hash, True, 0.1 + 0.2), (middle.hash, False, 0.1 + 0.2), (last.hash, True, 0.5)
    ]  # fmt: skip
    for run in (first, middle, last):
        assert table.filter(run=run.hash).drop(*added).equals(metrics_table(run))
    assert set(table["exactness"]) == {"exact", "bounded"}
    described = re.findall(r"^  ([a-z_]+)  ", COLUMNS, re.MULTILINE)
    assert described == [name for name in table.columns if "." not in name]


def test_the_csv_holds_the_same_numbers_to_the_last_bit(tmp_path: Path) -> None:
    filled(tmp_path)
    infinite = run_of(0.75, 1)
    knows_nothing(infinite)
    write(infinite, tmp_path / infinite.hash)
    assert main([str(tmp_path), "--csv"]) == 0
    table = pl.read_parquet(tmp_path / "rows.parquet")
    with (tmp_path / "rows.csv").open(newline="") as stream:
        again = list(csv.DictReader(stream))
    assert table["value"].is_infinite().any()
    assert table["value"].is_null().any()
    numbers = [name for name, kind in table.schema.items() if kind == pl.Float64]
    for row, written in zip(table.iter_rows(named=True), again, strict=True):
        assert {name: float(written[name]) if written[name] else None for name in numbers} == {
            name: row[name] for name in numbers
        }
        assert [written[name] for name in SCHEMA if name not in numbers] == [
            str(row[name]) for name in SCHEMA if name not in numbers
        ]


def test_the_order_of_the_table_is_that_of_the_content(tmp_path: Path) -> None:
    """Not that of the files' times; and one run alone has no leaves that vary."""
    runs = filled(tmp_path / "one")
    for run in reversed(runs):
        write(run, tmp_path / "other" / run.hash)
    for age, run in enumerate(runs):
        os.utime(tmp_path / "one" / run.hash / "manifest.json", (1000 + age, 1000 + age))
    assert [main([str(tmp_path / name), "--csv"]) for name in ("one", "other")] == [0, 0]
    for file in ("rows.csv", "rows.parquet"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()
    write(runs[0], tmp_path / "alone" / runs[0].hash)
    assert main([str(tmp_path / "alone")]) == 0
    columns = pl.read_parquet(tmp_path / "alone" / "rows.parquet").columns
    assert columns == [*list(SCHEMA)[:3], "valid", *list(SCHEMA)[3:]]


def test_a_table_is_replaced_in_its_folder_and_nowhere_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run, *_) = filled(tmp_path)
    assert main([str(tmp_path), "--csv"]) == 0
    old = (tmp_path / "rows.csv").read_bytes()
    (tmp_path / "mine.csv").write_text("of value")
    capsys.readouterr()
    write(dataclasses.replace(run, hash="f" * 12, config={**run.config, "seed": 8}), tmp_path / ("f" * 12))
    assert main([str(tmp_path), "--csv"]) == 0
    assert capsys.readouterr().out.endswith(" rows of 4 runs (replaced)\n")
    assert (tmp_path / "rows.csv").read_bytes() != old
    assert main([str(tmp_path), "--csv", "--out", str(tmp_path / "mine")]) == 2
    assert capsys.readouterr().err == (
        f"--out: a new file is required, found {tmp_path}/mine.csv; delete it, or choose another stem\n"
    )
    assert main([str(tmp_path), "--csv", "--out", str(tmp_path / "new.1")]) == 0
    assert (tmp_path / "new.1.csv").read_bytes() == (tmp_path / "rows.csv").read_bytes()
    assert (tmp_path / "mine.csv").read_text() == "of value"
    assert not [file for file in tmp_path.iterdir() if file.is_file() and file.name.startswith(".")]


def test_damaged_records_are_named_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third = filled(tmp_path)
    arrays = tmp_path / first.hash / "arrays.safetensors"
    content = bytearray(arrays.read_bytes())
    content[len(content) // 2] ^= 1
    arrays.write_bytes(content)
    publish(tmp_path / "foreign", {"run.json": b"{}", "arrays.safetensors": b""})
    assert main([str(tmp_path)]) == 1
    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert len(lines) == 3
    assert any(line.startswith(f"{arrays}: its content must match the manifest") for line in lines)
    assert any(line.startswith(f"{tmp_path}/foreign: a record of this program is required, found ") for line in lines)
    assert lines[-1] == "2 of 4 records cannot be read and are left out"
    assert said.out.endswith("rows of 2 runs\n")
    assert set(pl.read_parquet(tmp_path / "rows.parquet")["run"]) == {second.hash, third.hash}


def test_a_copy_is_named_and_counts_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (first, *_) = filled(tmp_path)
    assert main([str(tmp_path), "--csv", "--out", str(tmp_path / "before")]) == 0
    shutil.copytree(tmp_path / first.hash, tmp_path / "copy")
    capsys.readouterr()
    assert main([str(tmp_path), "--csv", "--out", str(tmp_path / "after")]) == 0
    said = capsys.readouterr()
    assert said.out.endswith(" rows of 3 runs\n")
    assert said.err == (
        f"{tmp_path}/copy: the record of run copy is required, found that of run {first.hash}; "
        "rename the folder, or delete it if it is a copy; it is left out\n"
    )
    assert (tmp_path / "after.csv").read_bytes() == (tmp_path / "before.csv").read_bytes()


def test_no_table_of_damaged_records_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "abc").mkdir()
    (tmp_path / "abc" / "manifest.json").write_text("{")
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().err.splitlines()[1:] == [
        "1 of 1 records cannot be read and are left out; nothing was written"
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["abc"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("missing",),
            "{0}/missing: at least one finished run is required, found no such folder; "
            "run the experiment first, or correct the path",
        ),
        (("",), "{0}: at least one finished run is required, found none; give one of the folders below it (toy)"),
        (("store",), "{0}/store: it holds pretrainings, not runs; give the folder of a name (outputs/<name>)"),
        (
            ("toy", "--out", "{0}/no/x"),
            "--out: a stem in an existing folder is required, found {0}/no/x; make {0}/no",
        ),
    ],
)
def test_bad_input_is_refused(
    arguments: tuple[str, ...], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("toy", "store"):
        write(run_of(0.5, 0), tmp_path / name / run_of(0.5, 0).hash)
    folder, *rest = arguments
    assert main([str(tmp_path / folder), *(one.format(tmp_path) for one in rest)]) == 2
    assert capsys.readouterr().err == line.format(tmp_path) + "\n"


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may become larger than `size` [byte]. Bytecode would be cut off, and later imports would fail at it."""
    before, bytecode = resource.getrlimit(resource.RLIMIT_FSIZE), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        sys.dont_write_bytecode = bytecode


def test_a_full_disk_leaves_the_old_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = run_of(0.5, 0), run_of(0.5, 1)
    write(first, tmp_path / first.hash)
    assert main([str(tmp_path), "--csv"]) == 0
    before = {file.name: file.read_bytes() for file in tmp_path.glob("rows.*")}
    write(second, tmp_path / second.hash)
    part = tmp_path / "part.arrow"
    metrics_table(second).write_ipc(part, compression="lz4")
    sizes = part.stat().st_size, len(before["rows.csv"])
    part.unlink()
    assert sizes[0] < sizes[1]
    for size in (1, *sizes):  # the numbers of a run do not fit, the table may not fit, its text does not fit
        capsys.readouterr()
        with largest_file(size):
            assert main([str(tmp_path), "--csv"]) == 2
        assert capsys.readouterr().err.startswith(f"{tmp_path}: a folder that can be written is required, found ")
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir() if file.is_file()} == before
        assert not [place for place in tmp_path.iterdir() if place.name.startswith(".")]


def test_without_being_asked_for_no_csv_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(tmp_path)
    (tmp_path / "rows.csv").write_text("an older table")
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"{tmp_path}/rows.csv: an older table, which is kept as it is; --csv replaces it"
    ]
    assert main([str(tmp_path), "--out", str(tmp_path / "new")]) == 0
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_file()) == [
        "new.parquet", "rows.csv", "rows.parquet"
    ]  # fmt: skip
    assert (tmp_path / "rows.csv").read_text() == "an older table"


def in_memory(records: list[Record]) -> pl.DataFrame:
    """The table of runs in the order of their rates and seeds, made as a whole from all numbers."""
    rates = [record.config["optimizer"]["learning_rate"] for record in records]
    parts = [
        metrics_table(record).with_columns(
            pl.lit(record.facts["pretraining"]["valid"]).alias("valid"),
            pl.lit(rate, pl.Float64).alias("optimizer.learning_rate"),
        )
        for record, rate in zip(records, rates, strict=True)
    ]
    table = pl.concat(parts).sort("optimizer.learning_rate", "seed", maintain_order=True)
    head, tail = list(SCHEMA)[:3], list(SCHEMA)[3:]
    return table.select(*head, "valid", "optimizer.learning_rate", *tail)


@pytest.mark.parametrize("processes", [False, True])
def test_what_is_written_run_by_run_is_the_table_in_memory(
    processes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """To the last bit, in however many pieces it is written, and whoever measures the runs."""
    monkeypatch.setattr(many, "FEW", 0 if processes else 99)
    monkeypatch.setattr(many, "CHUNK", 1)
    monkeypatch.setattr(many, "ROW_GROUP", 100)
    records = [*filled(tmp_path), run_of(0.1, 0, valid=False), run_of(1.0, 5)]
    for record in records[3:]:
        write(record, tmp_path / record.hash)
    publish(tmp_path / "foreign", {"run.json": b"{}", "arrays.safetensors": b""})
    assert main([str(tmp_path), "--csv"]) == 1
    said = capsys.readouterr()
    assert said.err.splitlines()[0].startswith(f"{tmp_path}/foreign: a record of this program is required, found ")
    expected = in_memory(records)
    found = pl.read_parquet(tmp_path / "rows.parquet")
    assert found.schema == expected.schema
    assert found.equals(expected)
    assert (tmp_path / "rows.csv").read_text(encoding="utf-8") == as_csv(expected)


class Killed:
    """In place of the pool of processes: one of them was killed."""

    def __init__(self, *_: Any) -> None:
        pass

    def map(self, *_: Any, chunksize: int) -> Iterator[Any]:
        yield "damaged: a line"
        raise BrokenExecutor

    def shutdown(self, cancel_futures: bool) -> None:
        assert cancel_futures


def test_a_killed_process_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path)
    monkeypatch.setattr(many, "FEW", 0)
    monkeypatch.setattr(pool, "ProcessPoolExecutor", Killed)
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.splitlines()[1].startswith(f"{tmp_path}: ")
    assert [place.name for place in tmp_path.iterdir() if place.is_file() or place.name.startswith(".")] == []


def test_the_first_word_comes_before_the_first_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path)
    said = []

    def read(source: Path) -> Record:
        said.append(capsys.readouterr().err)
        return read_record(source)

    monkeypatch.setattr(counting, "MANY", 2)
    monkeypatch.setattr(kept, "read", read)
    assert main([str(tmp_path)]) == 0
    assert said[0] == "0 of 3 runs are read\n"


def test_help_tells_the_columns_without_loading_jax() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "sim.rows", "--help"]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert child.returncode == 0, child.stderr
    assert COLUMNS in child.stdout
    assert not re.findall(r"\| +(jax|flax|optax|hydra|matplotlib)$", child.stderr, re.MULTILINE)
    assert re.findall(r"\| +(polars)$", child.stderr, re.MULTILINE) == ["polars"]
