"""Checkpoints: restored bit for bit, the newest intact one, whatever happened to the others."""

import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from sim.disk.checkpoints import load, save
from sim.disk.files import MANIFEST
from tests.unit.faults import ODD, damages, fills_up, killed_at, same_bits, tree


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def at(step: int) -> dict[str, np.ndarray]:
    return {"step": np.array(step), "params": np.full(1000, step, np.float32)}


def loaded(folder: Path, name: str = "sft") -> int | None:
    """The step of the newest checkpoint, all of which must be of one piece."""
    arrays = load(folder, name)
    if arrays is None:
        return None
    assert same_bits(arrays, at(int(arrays["step"])))
    return int(arrays["step"])


def saved(folder: Path, *steps: int) -> None:
    """Several checkpoints, as if processes had been killed before they removed the older ones."""
    for step in steps:
        apart = folder / "apart" / folder.name  # a checkpoint is bound to the name of its folder
        save(apart, "sft", step, at(step))
        (apart / f"checkpoint-sft-{step}").rename(folder / f"checkpoint-sft-{step}")
    shutil.rmtree(folder / "apart")


def test_arrays_are_restored_bit_for_bit(tmp_path: Path) -> None:
    save(tmp_path / "work", "sft", 10, ODD)
    again = load(tmp_path / "work", "sft")
    assert again is not None
    assert same_bits(again, ODD)


def test_the_newest_is_kept(tmp_path: Path) -> None:
    assert loaded(tmp_path) is None
    assert loaded(tmp_path / "missing") is None
    for step in (0, 9, 10, 100):
        save(tmp_path, "sft", step, at(step))
        assert loaded(tmp_path) == step
        assert names(tmp_path) == [f"checkpoint-sft-{step}"]
    save(tmp_path, "sft", 100, at(100))
    assert loaded(tmp_path) == 100


@pytest.mark.parametrize("damaged", [True, False])
def test_an_attempt_that_was_given_up_is_replaced(tmp_path: Path, damaged: bool) -> None:
    saved(tmp_path, 5, 10, 20)
    if damaged:
        (tmp_path / "checkpoint-sft-10" / MANIFEST).write_bytes(b"{")
    anew = {"step": np.array(10), "params": np.zeros(3)}
    save(tmp_path, "sft", 10, anew)
    assert names(tmp_path) == ["checkpoint-sft-10"]
    assert same_bits(load(tmp_path, "sft") or {}, anew)


def test_the_same_once_more_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, "sft", 10, at(10))
    inode = (tmp_path / "checkpoint-sft-10").stat().st_ino
    save(tmp_path, "sft", 10, at(10))
    assert (tmp_path / "checkpoint-sft-10").stat().st_ino == inode
    assert [loaded(tmp_path) for _ in fills_up(monkeypatch, lambda: save(tmp_path, "sft", 10, at(10)))] == [10, 10, 10]


def test_trainings_do_not_mix(tmp_path: Path) -> None:
    for name, step in (("sft", 10), ("sft-2", 20), ("pretrain", 30)):
        save(tmp_path, name, step, at(step))
    (tmp_path / "checkpoint-sft-old").mkdir()
    assert [loaded(tmp_path, name) for name in ("sft", "sft-2", "pretrain", "identity")] == [10, 20, 30, None]
    with pytest.raises(ValueError, match="step: at least 0 is required, found -1"):
        save(tmp_path, "sft", -1, at(1))


@pytest.mark.parametrize("name", ["address.json", "arrays.safetensors", MANIFEST])
def test_a_damaged_one_gives_way_to_the_one_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    saved(tmp_path, 9, 10)
    newest, copy = tmp_path / "checkpoint-sft-10", tmp_path / "copy"
    for damage in damages(newest / name):
        if (name, damage) == (MANIFEST, "longer"):
            continue  # white space after JSON is none
        shutil.copytree(newest, copy)
        assert loaded(tmp_path) == 9, damage
        assert names(tmp_path) == ["checkpoint-sft-9", "copy"]
        out, errors = capsys.readouterr()
        assert (out, errors.count("\n")) == ("", 1)
        assert errors.startswith(str(newest))
        assert errors.endswith("; the checkpoint is removed\n")
        assert "run again" not in errors
        copy.rename(newest)
    assert loaded(tmp_path) == 10


@pytest.mark.parametrize("source", ["other/checkpoint-sft-10", "run/checkpoint-identity-10", "run/checkpoint-sft-9"])
def test_a_checkpoint_of_another_run_or_training_or_step_is_not_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    saved(tmp_path / "run", 9)
    for run, name in (("other", "sft"), ("run", "identity")):
        save(tmp_path / run, name, 10, at(10))
    copy = tmp_path / "run" / "checkpoint-sft-10"
    shutil.copytree(tmp_path / source, copy)
    assert loaded(tmp_path / "run") == 9
    assert not copy.exists()
    of, name = source.split("/")[0], source.split("-")[1]
    step = source.split("-")[2]
    assert capsys.readouterr().err == (
        f'{copy}: the checkpoint {{"of": "run", "training": "sft", "step": 10}} is required, '
        f'found {{"of": "{of}", "training": "{name}", "step": {step}}}; the checkpoint is removed\n'
    )


def test_when_all_are_damaged_there_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(tmp_path, 9, 10)
    for step in (9, 10):
        (tmp_path / f"checkpoint-sft-{step}" / MANIFEST).unlink()
    assert loaded(tmp_path) is None
    assert names(tmp_path) == []
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_an_intact_file_that_holds_no_arrays_is_damage_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path, 9)
    with monkeypatch.context() as patch:
        patch.setattr("sim.disk.checkpoints.pack", lambda arrays: b"written by another program")
        saved(tmp_path, 10)
    assert loaded(tmp_path) == 9
    assert "its content must be readable" in capsys.readouterr().err


def test_a_full_disk_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, "sft", 9, at(9))
    before, failures = tree(tmp_path), 0
    for _ in fills_up(monkeypatch, lambda: save(tmp_path, "sft", 10, at(10))):
        assert tree(tmp_path) == before
        assert loaded(tmp_path) == 9
        failures += 1
    assert failures == 3
    assert loaded(tmp_path) == 10
    assert names(tmp_path) == ["checkpoint-sft-10"]


SAVE = """
import numpy as np
from sim.disk.checkpoints import save
save(folder, "sft", 10, {"step": np.array(10), "params": np.full(1000, 10, np.float32)})
"""


@pytest.mark.parametrize("write", range(3))
def test_a_process_killed_while_saving_leaves_the_one_before(tmp_path: Path, write: int) -> None:
    save(tmp_path, "sft", 9, at(9))
    assert killed_at(write, tmp_path, SAVE) == -signal.SIGKILL
    assert len(names(tmp_path)) > 1, "the draft lies there, or this test says nothing"
    assert loaded(tmp_path) == 9
    save(tmp_path, "sft", 11, at(11))
    assert names(tmp_path) == ["checkpoint-sft-11"]


def test_a_process_killed_while_it_removes_the_older_ones(tmp_path: Path) -> None:
    save(tmp_path, "sft", 9, at(9))
    code = "import shutil\nshutil.rmtree = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
    assert killed_at(-1, tmp_path, code + SAVE) == -signal.SIGKILL
    assert loaded(tmp_path) == 10
    save(tmp_path, "sft", 11, at(11))
    assert names(tmp_path) == ["checkpoint-sft-11"]
