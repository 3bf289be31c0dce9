"""python -m sim.run from end to end, in processes of its own: what is printed, what is published, what is refused."""

import io
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import sim.run
import sim.running.single
import sim.show.progress
from sim import verify
from sim.disk import ledger
from sim.disk.folders import finished
from sim.disk.records import read
from sim.grammars.styles_content import styles_content
from sim.metrics.frames import metrics_table, strings_table
from sim.metrics.table import residuals, violations
from sim.numerics import SpecificationError
from sim.running.build import settings
from sim.running.identity import target
from tests.composed import ROOT, compose, options
from tests.unit.faults import tree

SMALL = ("grammar.num_prompts=1", "model.width=8", "model.depth=1", "pretrain.num_steps=4", "finetune.num_steps=4")
TABLE = ("scale=smoke", "model=tabular_trie", "pretrain.num_steps=4", "finetune.num_steps=4")


@dataclass
class Finished:
    status: int
    stdout: str
    stderr: str


def run(where: Path, *arguments: str) -> Finished:
    """The command, started in the root of the checkout as a person does; records go below `where`."""
    environment = {name: value for name, value in os.environ.items() if name != "HYDRA_FULL_ERROR"}
    command = [sys.executable, "-m", "sim.run", *arguments, f"outputs={where}"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return Finished(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    outputs = tmp_path_factory.mktemp("outputs")
    return outputs, run(outputs, "experiment=demo", "scale=smoke", *SMALL)


def test_the_demo_is_published(demo: tuple[Path, Finished]) -> None:
    outputs, done = demo
    assert done.status == 0, done.stderr
    (folder,) = finished(outputs / "demo")
    assert [path.name for path in (outputs / "demo").iterdir()] == [folder.name], "nothing is left of the work on it"
    record = read(folder)
    assert (record.name, record.hash) == ("demo", folder.name)
    assert list(record.phases) == ["pretrain", "sft", "identity"]
    assert violations(residuals(record)) == []
    assert verify.main([str(outputs)]) == 0
    assert metrics_table(record).height > 100
    assert strings_table(record)["phase"].n_unique() == 3
    assert record.facts["provenance"]["backend"] == "cpu"
    assert record.facts["seconds"] > 0


def test_what_the_demo_prints(demo: tuple[Path, Finished]) -> None:
    outputs, done = demo
    (folder,) = finished(outputs / "demo")
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{folder}: finished in ")
    assert second.startswith("NOT VALID: after pretraining the joint KL(P||q0) must be at most pretrain.limit = ")
    assert "raise pretrain.num_steps (now 4)" in second


def test_progress_is_shown_without_a_terminal(demo: tuple[Path, Finished]) -> None:
    lines = demo[1].stderr.splitlines()
    assert lines[0] == "pretraining on P: step 0 of 4"
    assert any(line.startswith("pretraining on P: step 4 of 4 loss ") for line in lines)
    assert any(line.startswith("fine-tuning on S, control on P: step 4 of 4 loss ") for line in lines)
    assert all(line.startswith(("pretraining on P: ", "fine-tuning on S")) for line in lines), "and nothing else"


def test_a_second_run_is_not_done_again(demo: tuple[Path, Finished]) -> None:
    outputs, first = demo
    (folder,) = finished(outputs / "demo")
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    again = run(outputs, "experiment=demo", "scale=smoke", *SMALL, "seed=0.0", "finetune.prefixes=sampled")
    assert again.status == 0, again.stderr
    assert again.stdout.splitlines() == [f"{folder}: finished before, kept as it is", first.stdout.splitlines()[1]]
    assert again.stderr == ""
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before


def test_a_damaged_record_is_not_passed_on(demo: tuple[Path, Finished], tmp_path: Path) -> None:
    outputs, _ = demo
    (folder,) = finished(outputs / "demo")
    copy = tmp_path / "demo" / folder.name
    copy.mkdir(parents=True)
    for file in folder.iterdir():
        content = bytearray(file.read_bytes())
        content[-1] ^= file.suffix == ".safetensors"
        (copy / file.name).write_bytes(bytes(content))
    again = run(tmp_path, "experiment=demo", "scale=smoke", *SMALL)
    assert (again.status, again.stdout) == (2, "")
    assert again.stderr.count("\n") == 1
    assert "found it damaged; delete" in again.stderr


def test_a_renamed_record_is_not_another_run(demo: tuple[Path, Finished], tmp_path: Path) -> None:
    (folder,) = finished(demo[0] / "demo")
    words = ("experiment=demo", "scale=smoke", *SMALL, "seed=1")
    wrong = target(settings(compose(*words, f"outputs={tmp_path}")))
    shutil.copytree(folder, wrong)
    before = tree(tmp_path)
    again = run(tmp_path, *words)
    assert (again.status, again.stdout) == (2, "")
    assert again.stderr == (
        f"{wrong}: the record of run {wrong.name} is required, found that of run {folder.name}; "
        "rename the folder, or delete it if it is a copy\n"
    )
    assert tree(tmp_path) == before, "nothing is overwritten, and nothing is left"


REFUSED = [
    # command line, the one line on stderr
    (("restriction.keep=asistant",), "(did you mean 'assistant'?)"),
    (("model.widht=8",), "model.widht: unknown argument of transformer (did you mean 'width'?)"),
    (("model=3",), f"model: one of {', '.join(options('model'))} is required, found 3"),
    (("grammar.styles={plian:1}",), "grammar.styles.plian: unknown argument of grammar.styles (did you mean 'plain'?)"),
]


@pytest.mark.parametrize(("arguments", "line"), REFUSED, ids=[" ".join(arguments) for arguments, _ in REFUSED])
def test_a_mistake_is_one_line_and_leaves_nothing(tmp_path: Path, arguments: tuple[str, ...], line: str) -> None:
    done = run(tmp_path, *arguments)
    assert (done.status, done.stdout) == (2, "")
    assert line in done.stderr
    assert done.stderr.count("\n") == 1
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


# -- in this process --------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("terminal", [True, False])
def test_progress(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    stderr = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    with sim.show.progress.Progress() as progress:
        for phase, results in (("pretrain", [2.5]), ("finetune", [1.25, 0.5])):
            for step in range(0, 101, 5):
                progress.update(phase, step, 100, results)
        assert len(progress._bars.tasks) == (2 if terminal else 0), "one bar for each phase"
        assert all(task.completed == 100 for task in progress._bars.tasks)
    shown = stderr.getvalue()
    assert "loss 1.2500 / 0.5000 nat" in shown
    if not terminal:
        assert len(shown.splitlines()) == 2 * 11, "one line for each tenth"
        assert "fine-tuning on S, control on P: step 100 of 100 loss 1.2500 / 0.5000 nat" in shown


def task(where: Path, *overrides: str) -> None:
    sim.run.task(OmegaConf.create(compose(*TABLE, *overrides, f"outputs={where}")))


def test_nothing_is_computed_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(sim.running.single, "perform", lambda *_, **__: pytest.fail("something was computed"))
    with pytest.raises(SpecificationError, match="outputs: a folder that can be written is required"):
        task(tmp_path / "file")


def test_styles_and_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = ("grammar=styles_content", "grammar.num_prompts=2", "grammar.answer_length=3")
    style = styles_content().styles.names[-1]
    task(tmp_path, *world, f"restriction.keep={style}", "pretrain.limit=100")
    (folder,) = finished(tmp_path / "scratch")
    record = read(folder)
    assert record.p.styles.names[record.p.styles.of[record.restricted.event][0]] == style
    assert record.facts["pretraining"]["valid"] is True
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{folder}: finished in "), "a valid run needs no warning"


def test_a_training_that_diverges_says_so_in_one_line(tmp_path: Path) -> None:
    file = ("grammar=file", f"grammar.path={ROOT}/examples/grammars/strings.yaml", "restriction=everything")
    rate = ("optimizer@pretrain.optimizer=adam", "pretrain.optimizer.weight_decay=1e30", "model.scale=1.0")
    with pytest.raises(
        SpecificationError, match=r"^pretrain: at step \d+.* training diverged; lower the learning rate$"
    ):
        task(tmp_path, *file, *rate)
    (state,) = ledger.states(tmp_path / "scratch")
    assert state.state == "failed"
    assert state.facts["reason"].endswith("training diverged; lower the learning rate")
    assert not list(tmp_path.rglob("manifest.json"))
