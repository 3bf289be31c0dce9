"""python -m sim.verify: each kind of fault is named once, with what to do; nothing else is; nothing is written."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sim.disk import checkpoints, inspection, ledger, records, store
from sim.disk.files import publish
from sim.disk.locks import acquire
from sim.verify import main
from tests.unit.disk.test_store import BEFORE, K, pretrained
from tests.unit.faults import ROOT, exchanged, hear, kill, rewritten, start, tree
from tests.unit.recorded_worlds import identified, recorded, twins

Captured = pytest.CaptureFixture[str]

OWN = identified(recorded(*twins(1)))
NEXT = identified(dataclasses.replace(OWN, config={**OWN.config, "seed": 4}))
RUN = "0" * 12
"""An unfinished run."""

COUNTS = "2 records, 1 pretraining, 2 checkpoints, 2 work folders"


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """Two records, a pretraining, an unfinished run and an unfinished pretraining, and things that are no results."""
    folder = tmp_path / "outputs"
    for record in (OWN, NEXT):
        records.write(record, folder / "toy" / record.hash)
    store.save(str(folder), K, pretrained())
    ledger.note(folder / "toy" / RUN, "waiting")
    checkpoints.save(ledger.work(folder / "toy" / RUN), "sft", 5, {"step": np.array(5)})
    checkpoints.save(ledger.work(folder / "store" / BEFORE), "pretrain", 7, {"step": np.array(7)})
    (folder / "toy" / "reports" / OWN.hash / "tables").mkdir(parents=True)
    (folder / "toy" / "multirun" / "2026-01-01").mkdir(parents=True)
    (folder / "toy" / "rows.csv").touch()
    publish(folder / ".cache" / "xla" / "damaged", {"file": b""})
    (folder / ".cache" / "xla" / "damaged" / "file").write_bytes(b"?")
    return folder


def told(outputs: Path, capsys: Captured) -> tuple[int, list[str], str]:
    """Exit status, faults and counts. Nothing on the disk changes."""
    before = tree(outputs)
    times = {file: file.stat().st_mtime_ns for file in outputs.rglob("*")}
    status = main([str(outputs)])
    out, error = capsys.readouterr()
    assert error == ""
    assert tree(outputs) == before
    assert {file: file.stat().st_mtime_ns for file in outputs.rglob("*")} == times
    *lines, last = out.splitlines()
    assert last.startswith(f"{outputs}: ")
    return status, lines, last.removeprefix(f"{outputs}: ")


def test_nothing_is_wrong(outputs: Path, capsys: Captured) -> None:
    assert told(outputs, capsys) == (0, [], f"{COUNTS}; nothing is wrong")
    assert told(outputs / "toy", capsys) == (0, [], "2 records, 1 checkpoint, 1 work folder; nothing is wrong")
    assert told(outputs / "toy" / OWN.hash, capsys) == (0, [], "1 record; nothing is wrong")


# -- a fault of every kind --------------------------------------------------------------------------------------------


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))


def edited(outputs: Path) -> None:
    about = json.loads((outputs / "toy" / OWN.hash / "run.json").read_bytes())
    about["config"]["seed"] = 5
    rewritten(outputs / "toy" / OWN.hash, "run.json", json.dumps(about).encode())


def without_arrays(outputs: Path) -> None:
    rewritten(outputs / "toy" / OWN.hash, "arrays.safetensors", b"no arrays")


def foreign_pretraining(outputs: Path) -> None:
    store.save(str(outputs), "another", pretrained())


def copied_checkpoint(outputs: Path) -> None:
    work = ledger.work(outputs / "toy" / RUN)
    shutil.copytree(work / "checkpoint-sft-5", work / "checkpoint-identity-5")


def left_over(outputs: Path) -> None:
    ledger.note(outputs / "toy" / OWN.hash, "running")


def into(source: str, target: str) -> Callable[[Path], None]:
    """Copy a folder to another place."""
    return lambda outputs: shutil.copytree(outputs / source, outputs / target)  # type: ignore[return-value]


WORK = f"toy/.work/{RUN}"
FAULTS: dict[str, tuple[Callable[[Path], object], str, str, str]] = {
    # what happens to the outputs, the place, what is wrong, what to do
    "a damaged record": (
        lambda outputs: flip(outputs / "toy" / OWN.hash / "sft.params.safetensors"),
        f"toy/{OWN.hash}/sft.params.safetensors", "found it damaged", "delete",
    ),
    "a record without a manifest": (
        lambda outputs: (outputs / "toy" / OWN.hash / "manifest.json").unlink(),
        f"toy/{OWN.hash}", "holds manifest.json, found none", "delete",
    ),
    "an empty folder in the place of a record": (
        lambda outputs: (outputs / "toy" / "1234567890ab").mkdir(),
        "toy/1234567890ab", "holds manifest.json, found none", "delete",
    ),
    "a record of nothing": (without_arrays, f"toy/{OWN.hash}", "a record of this program is required", "move the"),
    "a copied record": (
        into(f"toy/{OWN.hash}", "toy/copy"), "toy/copy", f"found that of run {OWN.hash}", "rename the folder, or",
    ),
    "an edited record": (edited, f"toy/{OWN.hash}", f"is that of run {OWN.hash} is required", "delete the folder"),
    "a record among the pretrainings": (
        into(f"toy/{OWN.hash}", f"store/{OWN.hash}"),
        f"store/{OWN.hash}", "of a name (outputs/<name>)", "move it there",
    ),
    "a record without the folder of a name": (
        into(f"toy/{OWN.hash}", OWN.hash), OWN.hash, "of a name (outputs/<name>)", "move it there",
    ),
    "a record among the reports": (
        into(f"toy/{OWN.hash}", f"toy/reports/{NEXT.hash}"),
        f"toy/reports/{NEXT.hash}", "of a name (outputs/<name>)", "move it there",
    ),
    "a record in another": (
        into(f"toy/{OWN.hash}", f"toy/{NEXT.hash}/{OWN.hash}"),
        f"toy/{NEXT.hash}/{OWN.hash}", f"found it in {{0}}/toy/{NEXT.hash}", "move it out of there",
    ),
    "a link to a record": (
        lambda outputs: (outputs / "toy" / "best").symlink_to(outputs / "toy" / OWN.hash),
        "toy/best", f"found that of run {OWN.hash}", "delete it",
    ),
    "a damaged pretraining": (
        lambda outputs: flip(outputs / "store" / K / "params.safetensors"),
        f"store/{K}/params.safetensors", "found it damaged", "delete it: a pretraining is done again",
    ),
    "a pretraining of another key": (
        foreign_pretraining, "store/another", f"another is required, found {K}", "delete it: a pretraining is",
    ),
    "a pretraining elsewhere": (
        into(f"store/{K}", f"toy/{K}"), f"toy/{K}", "the folder store is required for a pretraining", "delete it",
    ),
    "a pretraining that was set aside": (
        lambda outputs: (outputs / "store" / K).rename(outputs / "store" / f"{K}.damaged-2"),
        f"store/{K}.damaged-2", "set aside as damaged", "delete it",
    ),
    "a damaged checkpoint": (
        lambda outputs: flip(outputs / WORK / "checkpoint-sft-5" / "arrays.safetensors"),
        f"{WORK}/checkpoint-sft-5/arrays.safetensors", "found it damaged", "delete it: the training continues",
    ),
    "a checkpoint of another training": (
        copied_checkpoint, f"{WORK}/checkpoint-identity-5", 'found {{"of": "', "delete it: the training continues",
    ),
    "a checkpoint of another run": (
        into(WORK, "toy/.work/ffffffffffff"),
        "toy/.work/ffffffffffff/checkpoint-sft-5", f'found {{{{"of": "{RUN}"', "delete it: the training continues",
    ),
    "a checkpoint elsewhere": (
        into(f"{WORK}/checkpoint-sft-5", "toy/checkpoint-sft-5"),
        "toy/checkpoint-sft-5", "a folder below .work is required", "delete it",
    ),
    "a run that violates an identity": (
        into(f"toy/{OWN.hash}", f"toy/{RUN}.failed"), f"toy/{RUN}.failed", "violates them", "report it",
    ),
    "the work folder of a finished run": (left_over, f"toy/.work/{OWN.hash}", "finished", "delete it"),
    "a draft of a killed process": (
        lambda outputs: (outputs / "toy" / ".abc-0123.draft").mkdir(),
        "toy/.abc-0123.draft", "of a killed process", "delete it",
    ),
    "the lock of such a draft": (
        lambda outputs: (outputs / "store" / ".abc-0123.draft.lock").touch(),
        "store/.abc-0123.draft.lock", "of a killed process", "delete it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line(name: str, outputs: Path, capsys: Captured) -> None:
    act, place, wrong, mend = FAULTS[name]
    act(outputs)
    status, lines, counts = told(outputs, capsys)
    assert status == 1
    (line,) = lines
    assert line.startswith(f"{outputs / place}: ")
    found, _, fix = line.rpartition("; ")
    assert wrong.format(outputs) in found
    assert fix.startswith(mend) or mend in fix
    assert counts.endswith("; 1 fault")


def test_every_kind_has_a_fault() -> None:
    """So that a new kind gets a test; for an archive see its own tests, for what cannot be read below."""
    assert set(inspection._CHECKS) == {
        "record", "pretraining", "checkpoint", "archive", "failed", "damaged", "unfinished", "draft", "unreadable"
    }  # fmt: skip


def test_records_that_were_exchanged_are_two_faults(outputs: Path, capsys: Captured) -> None:
    exchanged(outputs / "toy" / OWN.hash, outputs / "toy" / NEXT.hash)
    status, lines, counts = told(outputs, capsys)
    assert (status, counts) == (1, f"{COUNTS}; 2 faults")
    names = [(OWN.hash, NEXT.hash), (NEXT.hash, OWN.hash)]
    assert lines == [
        f"{outputs}/toy/{name}: the record of run {name} is required, found that of run {found}; "
        "rename the folder, or delete it if it is a copy"
        for name, found in sorted(names)
    ]


def test_a_damaged_record_is_no_reason_to_look_no_further(outputs: Path, capsys: Captured) -> None:
    for file in [*outputs.glob("toy/*/run.json"), *outputs.glob("store/*/facts.json")]:
        flip(file)
    assert told(outputs, capsys)[::2] == (1, f"{COUNTS}; 3 faults")


# -- what is under way is no fault ------------------------------------------------------------------------------------

HOLD = """
import sys
from pathlib import Path
from sim.disk.locks import acquire
locks = [acquire(Path(file)) for file in sys.argv[1:]]
print("held", flush=True)
sys.stdin.read()
"""


def test_what_a_process_is_writing_is_no_fault(outputs: Path, capsys: Captured) -> None:
    draft = outputs / "toy" / ".abc-0123.draft"
    child = start(HOLD, f"{draft}.lock", ledger.work(outputs / "toy" / OWN.hash) / ledger.LOCK)
    try:
        assert hear(child) == "held"
        assert told(outputs, capsys)[:2] == (0, [])
        draft.mkdir()
        (draft / "run.json").touch()
        assert told(outputs, capsys)[:2] == (0, [])
    finally:
        kill(child)
    assert len(told(outputs, capsys)[1]) == 2


def test_a_lock_can_be_taken_while_it_is_inspected(outputs: Path) -> None:
    lock = acquire(outputs / "toy" / ".abc-0123.draft.lock")
    assert lock is not None
    with lock:
        assert main([str(outputs)]) == 0


def test_what_is_removed_meanwhile_is_no_fault(
    outputs: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a checkpoint, when the training that wrote it has ended."""
    right = checkpoints.read

    def late(place: Path) -> dict[str, np.ndarray]:
        shutil.rmtree(place, ignore_errors=True)
        return right(place)

    monkeypatch.setattr(checkpoints, "read", late)
    assert main([str(outputs)]) == 0
    assert capsys.readouterr().out == f"{outputs}: {COUNTS}; nothing is wrong\n"


# -- the command ------------------------------------------------------------------------------------------------------


def test_json(outputs: Path, capsys: Captured) -> None:
    shutil.copytree(outputs / "toy" / OWN.hash, outputs / "toy" / "copy")
    assert main([str(outputs)]) == 1
    line = capsys.readouterr().out.splitlines()[0]
    assert main([str(outputs), "--json"]) == 1
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {
        "folder": str(outputs),
        "counts": {
            "record": 3, "pretraining": 1, "checkpoint": 2, "archive": 0, "failed": 0, "damaged": 0,
            "unfinished": 2, "draft": 0, "unreadable": 0,
        },
        "faults": [{"place": f"{outputs}/toy/copy", "kind": "record", "line": line}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("folder", "found"), [("missing", "no such folder"), ("file", "a file"), ("empty", "no result in it")]
)
@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_bad_input_is_refused(
    tmp_path: Path, folder: str, found: str, flags: tuple[str, ...], capsys: Captured
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty" / "reports").mkdir(parents=True)
    assert main([str(tmp_path / folder), *flags]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    mend = "correct the path, or run an experiment first"
    assert said.err == f"{tmp_path / folder}: the folder of the results (outputs) is required, found {found}; {mend}\n"


def test_the_folder_is_outputs_unless_it_is_given(
    outputs: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(outputs.parent)
    assert main([]) == 0
    assert capsys.readouterr().out == f"outputs: {COUNTS}; nothing is wrong\n"
    monkeypatch.chdir(outputs / "toy" / OWN.hash)
    assert main(["."]) == 0
    assert capsys.readouterr().out == ".: 1 record; nothing is wrong\n"


def test_a_folder_that_cannot_be_read_is_a_fault(
    outputs: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = outputs / "store"
    monkeypatch.setattr(os, "access", lambda place, mode: Path(place) != closed)
    monkeypatch.setattr(inspection, "_names", lambda place: [] if place == closed else sorted(os.listdir(place)))
    assert main([str(outputs)]) == 1
    line, counts = capsys.readouterr().out.splitlines()
    assert line == f"{closed}: a folder that can be read is required, found no permission; correct its permissions"
    assert counts.endswith("1 work folder, 1 unreadable folder; 1 fault")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_cannot_be_read_is_a_fault(outputs: Path, capsys: Captured) -> None:
    file = outputs / "toy" / OWN.hash / "run.json"
    file.chmod(0)
    status, (line,), _ = told(outputs, capsys)
    assert (status, line.rpartition("; ")[2]) == (1, "correct its permissions")


def test_it_is_a_program_that_loads_little(outputs: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "sim.verify", str(outputs)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{outputs}: {COUNTS}; nothing is wrong\n"
    loaded = set(re.findall(r"\|\s+(\w+)[\w.]*$", done.stderr, re.MULTILINE))
    assert "safetensors" in loaded
    assert not loaded & {"jax", "hydra", "polars", "matplotlib"}
