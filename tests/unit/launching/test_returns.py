"""`hydra.launcher.returns`: what a sweeper gets of every run, and what is refused before anything is computed."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

import sim.run
import sim.running.multirun
from hydra_plugins.sft_diversity._returns import answered
from sim import cli
from sim.disk.records import read
from sim.metrics.frames import metrics_table
from sim.running.outcomes import Outcome
from tests.composed import ROOT

RECORD = ROOT / "tests" / "archive" / "fe3430a4d566"
KL = "kl of=P||q prompt_law=P(x)"
TINY = ("scale=smoke", "model=tabular_trie", "grammar=file", "restriction=everything", "pretrain.num_steps=4",
        f"grammar.path={ROOT}/examples/grammars/strings.yaml", "finetune.num_steps=4")  # fmt: skip


def in_the_table() -> float:
    table = metrics_table(read(RECORD)).filter(metric="kl", of="P||q", prompt_law="P(x)", phase="sft", view="response")
    return float(table.filter(step=table["step"].max())["value"].item())


RETURNED: list[JobReturn] = []


class Recorder(Callback):
    """A callback that keeps the JobReturn of every run, as a sweeper gets it."""

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        RETURNED.append(job_return)


@pytest.fixture
def returned(monkeypatch: pytest.MonkeyPatch) -> list[JobReturn]:
    """What a sweeper gets. A run with an odd seed fails, the others have the record of the archive."""

    def multirun(written: Sequence[Any], folder: Path, options: Any) -> list[Outcome]:
        assert not hasattr(options, "returns")
        return [
            Outcome(Path("outputs/x/0a"), "failed", "diverged", overrides=overrides)
            if config()["seed"] % 2
            else Outcome(RECORD, "finished", overrides=overrides)
            for overrides, config in written
        ]

    RETURNED.clear()
    monkeypatch.setattr(sim.running.multirun, "multirun", multirun)
    return RETURNED


HEARING = f"+hydra.callbacks.recorder._target_={__name__}.Recorder"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    quiet = ("hydra/hydra_logging=none", "hydra/job_logging=none")
    monkeypatch.setattr(sys, "argv", ["run", "--multirun", *TINY, *arguments, *quiet])
    return cli.run_hydra(sim.run.task)


def test_a_sweeper_gets_the_number_of_the_table(
    returned: list[JobReturn], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    wanted = f"hydra.launcher.returns={json.dumps(KL)}"
    assert (
        run(monkeypatch, "seed=2,4,3", f"outputs={tmp_path}", wanted, HEARING) == 1
    )  # FailedPointsError of a run that the user cannot correct
    assert [one.return_value for one in returned[:2]] == [in_the_table()] * 2
    assert type(returned[0].return_value) is float
    assert returned[2].status == JobStatus.FAILED
    with pytest.raises(cli.FailedPointsError, match="diverged"):
        _ = returned[2].return_value
    assert capfd.readouterr().out.splitlines()[0] == "3 runs: 2 finished, 1 failed"


def test_without_a_name_it_gets_the_folder(
    returned: list[JobReturn], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "seed=2", f"outputs={tmp_path}", HEARING) == 0
    assert [one.return_value for one in returned] == [str(RECORD)]
    capfd.readouterr()


@pytest.mark.parametrize(
    ("returns", "refusal"),
    [
        ("klm", "hydra.launcher.returns: the name of a metric is required, found 'klm' (did you mean 'kl'?); "),
        ("entropy", "hydra.launcher.returns: one number is required, found 2 for 'entropy' "),
        ("kl of=q", "hydra.launcher.returns: one number is required, found none for 'kl of=q' after sft "),
        ("entropy prompt_law=P(x)", "hydra.launcher.returns: a number is required, found one that may be only bounded"),
        ("[kl]", "hydra.launcher.returns: a text or null is required, found "),
    ],
)
def test_what_no_run_will_have_is_refused_before_anything_is_computed(
    returns: str, refusal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sim.running.multirun, "multirun", lambda *_: pytest.fail("it computes"))
    wanted = returns if returns.startswith("[") else json.dumps(returns)
    words = ("seed=-1,2", f"outputs={tmp_path}", f"hydra.launcher.returns={wanted}")
    assert run(monkeypatch, *words) == cli.REFUSED
    said = capfd.readouterr()
    assert said.err.startswith(refusal)
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert not list(tmp_path.iterdir())


def test_with_detach_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("hydra.launcher.engine=slurm", "hydra.launcher.detach=true", "hydra.launcher.returns=zeros")
    assert run(monkeypatch, "seed=1", f"outputs={tmp_path}", *words) == cli.REFUSED
    assert capfd.readouterr().err == (
        "hydra.launcher.detach: false is required with returns='zeros', found true, because nobody waits for the "
        "numbers; leave one of the two out\n"
    )


def test_a_run_without_the_number_counts_as_failed(tmp_path: Path) -> None:
    outcomes = [Outcome(RECORD, state) for state in ("finished", "repeated")]
    for one in answered(outcomes, "kl"):
        assert (one.value, one.outcome.state, one.outcome.mistake) == (None, "failed", True)
        assert one.outcome.reason.startswith("hydra.launcher.returns: one number is required, found 4 for 'kl'")
    (gone,) = answered([Outcome(tmp_path / "gone", "finished")], KL)
    assert gone.outcome.wrong


def test_the_check_leaves_the_accelerator_to_the_workers() -> None:
    code = f"""
from tests.composed import compose
from hydra_plugins.sft_diversity._returns import check_first
check_first([lambda: compose({", ".join(map(repr, TINY))})], {KL!r})
from jax._src import xla_bridge
print(xla_bridge.backends_are_initialized())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "False\n", done.stderr


@pytest.mark.optional
def test_optuna_searches_and_the_same_command_continues(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    sweep = ("hydra/sweeper=optuna", "hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=2",
             "hydra.sweeper.sampler.seed=1",
             "optimizer.learning_rate=interval(0.001, 0.3)", "restriction=regular", "restriction.pattern=.* please",
             f"hydra.launcher.returns={json.dumps(KL)}")  # fmt: skip
    command = [sys.executable, "-m", "sim.run", "-m", *TINY, *sweep, f"outputs={tmp_path}", "name=x"]
    bests = []
    for state in ("finished", "kept"):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(f"2 runs: 2 {state}") == 2, "two batches of two points, the same ones in both commands"
        results = max((tmp_path / "x" / "multirun").glob("*/optimization_results.yaml"))
        bests.append(float(results.read_text(encoding="utf-8").partition("best_value:")[2]))
    tables = [metrics_table(read(place)) for place in sorted((tmp_path / "x").glob("[0-9a-f]" * 12))]
    numbers = [
        one.filter(metric="kl", of="P||q", prompt_law="P(x)", phase="sft", view="response", step=4)["value"].item()
        for one in tables
    ]
    assert len(numbers) == 4
    assert bests == [min(numbers)] * 2
