"""An archive: the numbers of its records are those of the runs, its bytes are theirs alone, and damage is refused."""

import dataclasses
import io
import json
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sim.archive import packing
from sim.archive.choosing import LEVELS, Choice
from sim.archive.command import main
from sim.archive.readme import EXAMPLE
from sim.config import GROUPS
from sim.disk import records
from sim.disk.folders import finished
from sim.disk.inspection import inspected
from sim.disk.records import Record
from sim.metrics.frames import metrics_table
from sim.metrics.scene import World
from sim.numerics import SpecificationError
from tests.unit.figures.tiny_studies import FALLING, made
from tests.unit.recorded_worlds import identified, recorded, twins

ROOT = Path(__file__).resolve().parents[3]
OLD = ROOT / "tests" / "archive" / "fe3430a4d566"
"""A record of an earlier version, with six phases."""

KEY = ["phase", "step", "view", "metric", "of", "at", "prompt_law"]
NUMBERS = ["value", "lower", "upper", "exactness", "unit"]
EVERYTHING = ("--evaluations", "all", "--keep", "nodes,steps,probes")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with two runs of one world, and one that was made long ago."""
    folder = tmp_path / "outputs" / "toy"
    first = identified(recorded(*twins(1)))
    first.facts["described"] = dict.fromkeys(GROUPS, "a toy")
    for record in (first, identified(dataclasses.replace(first, config={**first.config, "seed": 4}))):
        records.write(record, folder / record.hash)
    shutil.copytree(OLD, folder / OLD.name)
    return folder


def unpacked(runs: Path, tmp_path: Path, *options: str) -> dict[str, Record]:
    assert main([str(runs), "--out", str(tmp_path / "packed"), *options]) == 0
    assert main([str(tmp_path / "packed"), "--unpack", "--out", str(tmp_path / "again")]) == 0
    return {source.name: records.read(source, identified=True) for source in finished(tmp_path / "again")}


def both(before: Record, after: Record) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of a record, and the same rows of it after an archive, in the order of the second."""
    one, other = metrics_table(before), metrics_table(after)
    assert not other.join(one, on=KEY, how="anti").height, "an archive adds nothing"
    return other.select(KEY).join(one, on=KEY, how="left", maintain_order="left"), other


def test_an_archive_of_everything_loses_no_number_but_those_of_parameters(runs: Path, tmp_path: Path) -> None:
    found = unpacked(runs, tmp_path, *EVERYTHING)
    assert len(found) == 3
    for source in finished(runs):
        before, after = records.read(source), found[source.name]
        arrays, kept = records.parts(before)[0], records.parts(after)[0]
        assert sorted(arrays) == sorted(kept)
        assert all(values.tobytes() == kept[name].tobytes() for name, values in arrays.items())
        rows, again = both(dataclasses.replace(before, params={}), after)
        assert rows.height == metrics_table(dataclasses.replace(before, params={})).height > 100
        assert rows.select(NUMBERS).equals(again.select(NUMBERS), null_equal=True)
        lost = metrics_table(before).join(again, on=KEY, how="anti")["metric"].unique()
        assert {one for one in lost if not one.startswith(("singular", "stable", "update", "effective"))} == set()


def test_what_an_archive_has_is_the_same_bit_for_bit(runs: Path, tmp_path: Path) -> None:
    """But whole documents, whose log q is summed in another order, and what the evaluation before decides."""
    for name, after in unpacked(runs, tmp_path).items():
        rows, again = both(records.read(runs / name), after)
        same = again["metric"] != "largest_fit_kl"
        answers = same & (again["view"] == "response")
        assert rows.filter(answers).select(NUMBERS).equals(again.filter(answers).select(NUMBERS), null_equal=True)
        assert answers.sum() > 100
        joint = same & (again["view"] == "joint")
        for column in ("lower", "upper"):
            np.testing.assert_allclose(again.filter(joint)[column], rows.filter(joint)[column], 1e-11, 1e-11)
        assert after.facts["archive"] == {"version": 1, "evaluations": "crossings", "kept": []}
        assert {one.hash: one.name for one in [after]} == {name: after.name}


def test_first_last_and_first_crossings_are_kept(runs: Path, tmp_path: Path) -> None:
    before = identified(made(others={"identity": FALLING}))
    before.facts["described"] = dict.fromkeys(GROUPS, "a toy")
    records.write(before, runs / before.hash)
    after = unpacked(runs, tmp_path)[before.hash]
    fit = metrics_table(before, ["kl"]).filter(of="S||q", view="response", prompt_law="S(x)", phase="sft").sort("step")
    first = [fit.filter(pl.col("value") <= level)["step"].min() for level in LEVELS]
    steps = before.phases["sft"].steps
    wanted = sorted({int(steps[0]), int(steps[-1]), *(one for one in first if one is not None)})
    assert after.phases["sft"].steps.tolist() == wanted
    assert 3 < len(wanted) < len(steps)
    assert after.phases["identity"].steps.tolist() == [steps[0], steps[-1]], "a control does not cross"
    losses = dict(zip(steps.tolist(), before.phases["sft"].losses, strict=True))
    np.testing.assert_array_equal(after.phases["sft"].losses, [losses[step] for step in wanted])


def test_the_bytes_depend_on_the_records_alone(runs: Path, tmp_path: Path) -> None:
    sources = finished(runs)
    found = [packing.files_of(one, Choice()) for one in (sources, sources[::-1])]
    assert found[0] == found[1]
    assert main([str(runs), "--out", str(tmp_path / "packed")]) == 0
    assert {name: (tmp_path / "packed" / name).read_bytes() for name in found[0]} == found[0]


def test_equal_arrays_are_kept_once(runs: Path) -> None:
    files = packing.files_of(finished(runs), Choice())
    models = pl.read_parquet(io.BytesIO(files["models.parquet"]))
    assert models["world"].n_unique() == 2
    twin = models.filter(pl.col("run") != OLD.name)
    assert twin["row"].n_unique() == 2, "six phases of two runs hold two models"
    assert twin.height == 12


def test_a_stranger_scores_a_metric_with_the_program_of_the_readme(runs: Path, tmp_path: Path) -> None:
    assert main([str(runs), "--out", str(tmp_path / "packed")]) == 0
    assert EXAMPLE in (tmp_path / "packed" / "README.md").read_text()
    program = EXAMPLE.replace(", pyarrow.parquet as pq", "").replace(
        'pq.read_table("models.parquet").to_pylist()', 'polars.read_parquet("models.parquet").to_dicts()'
    )
    assert "pq" not in program
    done = subprocess.run(
        [sys.executable, "-c", f"import polars\n{program}"], cwd=tmp_path / "packed", capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    lines = [line.split() for line in done.stdout.splitlines()]
    before = records.read(OLD)
    table, world = metrics_table(before, ["entropy"]), World(before, "response")
    table = table.filter(pl.col("phase") != "truth", view="response", prompt_law="P(x)", of="q")
    own = {(phase, int(step)): float(number) for run, phase, step, number in lines if run == OLD.name}
    assert len(own) == 12
    for (phase, step), number in own.items():
        (row,) = table.filter(phase=phase, step=step).iter_rows(named=True)
        q = world.scored(phase, before.phases[phase].steps.tolist().index(step))
        off = float(q.exit_entropy @ np.exp(world.p_law))
        assert number + off == pytest.approx(row["lower"], abs=1e-12), "the entropy of listed answers alone"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--evaluations", "crosings"], "did you mean 'crossings'"),
        (["--keep", "nodes,step"], "--keep: one of nodes, steps, probes is required, found 'step'"),
    ],
)
def test_wrong_words_are_refused(
    options: list[str], said: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(runs), "--out", str(tmp_path / "packed"), *options]) == 2
    assert said in refused(capsys)
    assert not (tmp_path / "packed").exists()


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == 1
    return error


def test_nothing_is_overwritten(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "packed").mkdir()
    for unpack in ([], ["--unpack"]):
        assert main([str(runs), "--out", str(tmp_path / "packed"), *unpack]) == 2
        assert "--out: a new folder is required" in refused(capsys)
    assert list((tmp_path / "packed").iterdir()) == []


def test_a_damaged_record_is_refused_and_nothing_is_written(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = runs / OLD.name / "arrays.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert main([str(runs), "--out", str(tmp_path / "packed")]) == 1
    assert str(file) in (error := refused(capsys))
    assert "nothing was written" in error
    assert not (tmp_path / "packed").exists()


def test_a_run_twice_and_too_much_are_refused(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(runs, tmp_path / "outputs" / "copy")
    assert main([str(runs), str(copy), "--out", str(tmp_path / "packed")]) == 2
    assert "another run than" in refused(capsys)
    monkeypatch.setattr(packing, "LARGEST", 10_000)
    for options, fix in ((EVERYTHING, "leave --keep out"), ((), "--evaluations ends"), (("--evaluations", "ends"), "")):
        assert main([str(runs), "--out", str(tmp_path / "packed"), *options]) == 2
        assert "at most 0.01 MB is required, found 0." in (error := refused(capsys))
        assert fix in error
    assert "fewer folders" in error


def test_an_archive_is_told_from_runs(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = tmp_path / "outputs" / "packed"
    assert main([str(runs), "--out", str(packed)]) == 0
    with pytest.raises(SpecificationError, match="found an archive of runs; make records of it"):
        finished(packed)
    found = inspected(tmp_path / "outputs")
    assert (found.counts["archive"], found.counts["record"], found.faults) == (1, 3, [])
    with redirect_stdout(io.StringIO()):
        assert main([str(runs), "--unpack", "--out", str(tmp_path / "again")]) == 2
    assert "an archive, with archive.json and manifest.json, is required, found none" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["archive.json", "models.parquet"])
def test_a_damaged_archive_is_refused(
    name: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = tmp_path / "outputs" / "packed"
    assert main([str(runs), "--out", str(packed)]) == 0
    (packed / name).write_bytes((packed / name).read_bytes() + b" ")
    capsys.readouterr()
    assert main([str(packed), "--unpack", "--out", str(tmp_path / "again")]) == 1
    assert name in (error := refused(capsys))
    assert "fetch the archive again" in error
    assert not (tmp_path / "again").exists()
    assert [one.kind for one in inspected(tmp_path / "outputs").faults] == ["archive"]


def test_another_version_is_refused(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = packing.files_of(finished(runs), Choice())
    about = json.loads(files["archive.json"])
    assert about["left_out"][0].startswith("the parameters of all models")
    files["archive.json"] = json.dumps({**about, "version": 2}).encode()
    records.publish(tmp_path / "packed", files)
    assert main([str(tmp_path / "packed"), "--unpack", "--out", str(tmp_path / "again")]) == 1
    assert "of version 1 is required, found sft-diversity archive of version 2" in refused(capsys)
