"""Trackers: every number of the tidy table arrives, bit for bit, under its name; nothing is overwritten."""

import importlib.util
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from sim.config import members
from sim.config.discovery import Member
from sim.config.leaves import leaves
from sim.disk.inspection import inspected
from sim.disk.records import NOT_CONTENT, Record, write
from sim.numerics import SpecificationError
from sim.rows import main
from sim.trackers import _written
from sim.trackers._runs import named
from sim.trackers.mlflow import LONGEST_NAME, LONGEST_VALUE, _text, spelt
from tests.unit.recorded_worlds import knows_nothing
from tests.unit.test_rows import run_of
from tests.unit.trackers import reading

READERS: dict[str, Callable[[Path], reading.Found]] = {
    "tensorboard": reading.tensorboard, "wandb": reading.wandb, "mlflow": reading.mlflow, "lines": reading.lines
}  # fmt: skip

LINES = Member("tracker", "lines", "tests.laws.lab.trackers.lines", Path("lines.py"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Record]]:
    """Runs, one of them with infinite numbers, and their tidy table."""
    folder = tmp_path_factory.mktemp("outputs") / "toy"
    records = [run_of(0.1 + 0.2, 2**32 - 1, valid=False), run_of(0.75, 1)]
    knows_nothing(records[-1])
    for record in records:
        write(record, folder / record.hash)
    assert main([str(folder)]) == 0
    return folder, records


@pytest.fixture
def with_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {**members("tracker"), "lines": LINES}
    monkeypatch.setattr(_written, "member", lambda kind, name, place: known[name])


def expected(folder: Path) -> dict[str, dict[str, dict[int, float]]]:
    """The numbers of all runs by run, series and step. A number that is bounded in any run has two series."""
    table = pl.read_parquet(folder / "rows.parquet")
    key = ["phase", "view", "metric", "of", "at", "prompt_law", "unit"]
    bounded = set(table.filter(pl.col("value").is_null()).select(key).rows())
    found: dict[str, dict[str, dict[int, float]]] = {}
    for row in table.iter_rows(named=True):
        phase, view, metric, of, at, law, unit = (row[name] for name in key)
        of = of.replace("%", "%25").replace("/", "%2F")  # a slash divides the parts of a name
        name = f"{phase}/{view}/{metric}/{of}" + (f"/at={at}" if at else "") + (f"/law={law}" if law else "")
        if tuple(row[one] for one in key) in bounded:
            numbers = {f"{name}/end=lower": row["lower"], f"{name}/end=upper": row["upper"]}
        else:
            numbers = {name: row["value"]}
        for name, value in numbers.items():
            found.setdefault(row["run"], {}).setdefault(f"{name} [{unit}]", {})[row["step"]] = value
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # packages that trackers import meet others that are newer
@pytest.mark.parametrize("name", ["lines", *members("tracker")])
def test_every_number_arrives_bit_for_bit(name: str, made: tuple[Path, list[Record]], with_lines: None, capsys) -> None:
    missing = [need for need in _written.member("tracker", name, "").load().NEEDS if not importlib.util.find_spec(need)]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: pip install 'sft-diversity[{name}]'")
    folder, records = made
    capsys.readouterr()
    assert main([str(folder), "--to", name]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{folder / name}: 2 runs; ")
    assert (said.out.count("\n"), said.err) == (1, "")
    found, wanted = READERS[name](folder / name), expected(folder)
    assert any(name.endswith("/end=upper [nat]") for name in wanted[records[0].hash])
    assert set(found) == set(wanted) == {record.hash for record in records}
    for record in records:
        config, series = found[record.hash]
        numbers = wanted[record.hash]
        if name == "mlflow":
            taken: set[str] = set()
            numbers = {spelt(one, taken): {step: finite(value) for step, value in values.items()}
                       for one, values in numbers.items()}  # fmt: skip
            assert len(taken) == len(wanted[record.hash])
        assert series == numbers, record.hash
        assert config == configured(record, name)
    assert inspected(folder.parent).counts == {"record": 2}, "a tracker's folder is taken for no result"
    shutil.rmtree(folder / name)


def finite(value: float) -> float:
    """MLflow writes the largest number for an infinite one."""
    return math.copysign(1.7976931348623157e308, value) if math.isinf(value) else value


def configured(record: Record, name: str) -> dict[str, Any]:
    own = leaves({key: value for key, value in record.config.items() if key not in NOT_CONTENT})
    own |= {"run": record.hash, "name": "toy", "valid": record.facts["pretraining"]["valid"]}
    if name == "mlflow":
        return {key: value if isinstance(value, str) else json.dumps(value) for key, value in own.items()}
    return {key: "null" if value is None and name == "tensorboard" else value for key, value in own.items()}


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_nothing_is_overwritten(made: tuple[Path, list[Record]], tmp_path: Path, with_lines: None, capsys) -> None:
    folder, _ = made
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("folder", "file", "link"):
        assert main([str(folder), "--to", "lines", "--out", str(tmp_path / name)]) == 2
        assert capsys.readouterr().err == (
            f"--out: a new folder is required, found {tmp_path / name}; delete it, or choose another one with --out\n"
        )
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "folder", "link"]
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("--to", "wandbb"),
            "--to: one of mlflow, tensorboard, wandb is required, found 'wandbb' (did you mean 'wandb'?)",
        ),
        (("--to", "wandb", "--csv"), "--csv: --to TRACKER or --csv is required, found both; give one command for each"),
    ],
)
def test_bad_input_is_refused(arguments: tuple[str, ...], line: str, made: tuple[Path, list[Record]], capsys) -> None:
    capsys.readouterr()
    assert main([str(made[0]), *arguments]) == 2
    assert capsys.readouterr().err == f"{line}\n"


def test_a_place_that_is_not_there_is_refused(made: tuple[Path, list[Record]], with_lines: None, capsys) -> None:
    assert main([str(made[0]), "--to", "lines", "--out", "no/such"]) == 2
    assert capsys.readouterr().err == "--out: a new folder in an existing one is required, found no/such; make no\n"


@pytest.mark.parametrize("name", members("tracker"))
def test_without_its_extra_a_tracker_is_refused_before_a_record_is_read(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(_written, "find_spec", lambda package: None)
    need = members("tracker")[name].load().NEEDS[0]
    assert main(["no such folder", "--to", name]) == 2
    assert capsys.readouterr().err == (
        f"--to: the package {need} is required for {name}, found none; pip install 'sft-diversity[{name}]'\n"
    )


def test_a_failure_leaves_nothing(made: tuple[Path, list[Record]], tmp_path: Path, capsys, monkeypatch) -> None:
    def write(runs: Any, folder: Path) -> None:
        (folder / "half").write_text(next(iter(runs)).hash)
        raise OSError(28, "No space left on device")

    full = ModuleType("full")
    full.write = write
    monkeypatch.setattr(_written, "tracker", lambda name: full)
    assert main([str(made[0]), "--to", "full", "--out", str(tmp_path / "x")]) == 2
    assert capsys.readouterr().err == (
        f"{tmp_path}: a folder that can be written is required, found no space left on device; "
        "make room there, or choose a folder elsewhere with --out\n"
    )
    assert not list(tmp_path.iterdir())


def test_a_tracker_with_a_mistake_is_refused_with_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Member("tracker", "wrong", "tests.unit.trackers.reading", Path("/lab/trackers/wrong.py"))
    monkeypatch.setattr(_written, "member", lambda kind, name, place: wrong)
    with pytest.raises(
        SpecificationError, match=r"/lab/trackers/wrong.py: NEEDS .* and LOOK .* are required, found none"
    ):
        _written.tracker("wrong")


# -- names ------------------------------------------------------------------------------------------------------------


def test_names_of_different_series_differ() -> None:
    cells = ["", "a", "a/b", "b", "at=a", "a%2Fb", "law=a", "end=lower"]
    names = {
        named("sft", "joint", "kl", of, at, law, "nat", end)
        for of in cells[1:]
        for at in cells
        for law in cells
        for end in ("", "lower", "upper")
        if not of.startswith(("at=", "law=", "end="))
    }
    assert len(names) == 4 * 8 * 8 * 3


def test_names_for_mlflow_are_allowed_and_differ() -> None:
    taken: set[str] = set()
    names = [
        "sft/kl/P||q/law=P(x) [nat]",
        "sft/kl/P to q/law:P.x nat",
        "é" * 300,
        "é" * 301,
        "a*",
        "astar",
        "a<",
        "a:3c",
    ]
    found = [spelt(name, taken) for name in names]
    assert found[0] == "sft/kl/P to q/law:P.x nat"
    assert len(set(found)) == len(names) == len(taken)
    assert all(len(one) <= LONGEST_NAME for one in found)


def test_a_long_configuration_is_not_cut_without_a_word() -> None:
    assert _text("x" * LONGEST_VALUE) == "x" * LONGEST_VALUE
    assert _text("x" * (LONGEST_VALUE + 1)) == "(6,001 characters; see run.json of the record)"
    assert [_text(value) for value in (None, True, 0.1, 3)] == ["null", "true", "0.1", "3"]
