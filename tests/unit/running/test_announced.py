"""The key `claim` of a run: refused unless it is announced, and a kept run for other predictions is pointed out."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

import sim.run
import sim.running.multirun
import sim.running.single
from sim import cli
from sim.config import members
from sim.disk.records import write
from sim.numerics import SpecificationError
from sim.running.announced import check_claim, claim_of, kept_for_others
from sim.running.outcomes import Outcome
from tests.composed import compose
from tests.unit.experiments.tiny_studies import archived, variant

C1 = claim_of("c1_entropy").announced
C2 = claim_of("c2_support").announced
EDITED = f"{C1.partition('@')[0]}@{'0' * 12}"

TINY = ("model=tabular_trie", "scale=smoke", "pretrain.num_steps=4", "finetune.num_steps=4")


def test_what_a_claim_announces_is_accepted() -> None:
    for name in members("experiment"):
        if (claim := claim_of(name)) is not None:
            check_claim(claim.announced)
    check_claim(None)
    assert claim_of("demo") is None
    assert claim_of("nothing") is None


@pytest.mark.parametrize("written", [EDITED, "c1_entropy", "c1_entropy@"])
def test_another_digest_is_refused_with_the_one_that_is_required(written: str) -> None:
    with pytest.raises(SpecificationError) as refused:
        check_claim(written)
    said = str(refused.value)
    assert said.startswith(f"claim: {C1} is required, found {written!r}; write it into the YAML file of the experiment")
    assert "experiments/c1_entropy/__init__.py have this digest" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("written", "hint"), [("c1_entrop@000000000000", " (did you mean 'c1_entropy'?)"), (f"demo@{'0' * 12}", "")]
)
def test_an_unknown_claim_is_refused_with_those_that_there_are(written: str, hint: str) -> None:
    with pytest.raises(SpecificationError) as refused:
        check_claim(written)
    claims = ", ".join(claim.announced for name in members("experiment") if (claim := claim_of(name)) is not None)
    assert f"{C1}, {C2}, " in claims
    assert str(refused.value) == f"claim: one of {claims}, or null, is required, found {written!r}{hint}"


# -- before a run -----------------------------------------------------------------------------------------------------


def multirun(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    quiet = ("hydra/hydra_logging=none", "hydra/job_logging=none")
    monkeypatch.setattr(sys, "argv", ["run", "--multirun", *TINY, *arguments, *quiet])
    return cli.run_hydra(sim.run.task)


def single(*arguments: str) -> None:
    sim.run.task(OmegaConf.create(compose(*TINY, *arguments)))


def test_a_run_for_a_wrong_claim_computes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sim.running.single, "perform", lambda *_, **__: pytest.fail("something was computed"))
    with pytest.raises(SpecificationError, match=rf"^claim: {C1} is required, found '{EDITED}'"):
        single(f"claim={EDITED}", f"outputs={tmp_path / 'outputs'}")
    assert not list(tmp_path.iterdir())


def test_a_multirun_for_a_wrong_claim_computes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sim.running.multirun, "multirun", lambda *_, **__: pytest.fail("something was computed"))
    assert multirun(monkeypatch, f"claim={EDITED}", "seed=1,2", f"outputs={tmp_path / 'outputs'}") == cli.REFUSED
    said = capfd.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1), "one line, not one for each run"
    assert said.err.startswith(f"claim: {C1} is required, found '{EDITED}'")
    assert not list(tmp_path.iterdir())


def test_a_claim_that_is_swept_costs_its_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sim.running.multirun.Driver, "submit", ended)
    assert multirun(monkeypatch, f"claim=null,{EDITED}", f"outputs={tmp_path}") == cli.REFUSED
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "2 runs: 1 finished, 1 failed"
    assert f"claim: {C1} is required, found '{EDITED}'" in lines[1]


def ended(driver: Any, points: Any) -> None:
    driver.found |= {point.target: Outcome(point.target, "finished") for point in points}


# -- runs that are kept -----------------------------------------------------------------------------------------------


def kept(folder: Path, number: int, claim: str | None) -> Path:
    record = variant(archived(), number, claim=claim)
    return write(record, folder / record.hash)


def test_kept_runs_for_other_predictions_are_pointed_out(tmp_path: Path) -> None:
    runs = [kept(tmp_path, number, EDITED) for number in range(5)]
    (line,) = kept_for_others([(C1, run) for run in [*runs, kept(tmp_path, 5, C1)]])
    names = ", ".join(run.name for run in runs[:3])
    assert line == (
        f"WARNING: kept although made for {EDITED}, not for {C1}: {names} and 2 more runs; these runs do not test the "
        "claim: move or delete their records, and give the command again"
    )
    (line,) = kept_for_others([(C1, kept(tmp_path, 6, None))])
    assert f"made for no claim, not for {C1}: 000000000006; these" in line


def test_kept_runs_for_these_predictions_are_not(tmp_path: Path) -> None:
    before = f"c1_entropy@{claim_of('c1_entropy').amendments[-1].digest_before}"
    assert kept_for_others([(C1, kept(tmp_path, 1, C1)), (C1, kept(tmp_path, 2, before))]) == []
    assert kept_for_others([(None, kept(tmp_path, 3, EDITED))]) == []


def test_a_run_says_that_it_was_kept_for_other_predictions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same run, once for no claim and once for a claim, is one record."""
    single(f"outputs={tmp_path}")
    assert "WARNING" not in capsys.readouterr().out
    single(f"outputs={tmp_path}", f"claim={C1}")
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("WARNING")]
    assert line.startswith(f"WARNING: kept although made for no claim, not for {C1}: ")


def test_a_multirun_says_which_runs_were_kept_for_other_predictions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    states = [Outcome(kept(tmp_path, 1, EDITED), "kept"), Outcome(kept(tmp_path, 2, EDITED), "finished")]

    def done(runs: Sequence[tuple[Any, Callable[[], Any]]], *_: Any) -> list[Outcome]:
        assert all(config() for _, config in runs)
        return states

    monkeypatch.setattr(sim.running.multirun, "multirun", done)
    assert multirun(monkeypatch, f"claim={C1}", "seed=1,2", f"outputs={tmp_path}") == 0
    (line,) = [line for line in capfd.readouterr().out.splitlines() if line.startswith("WARNING")]
    assert line.startswith(f"WARNING: kept although made for {EDITED}, not for {C1}: 000000000001; these runs do not")
