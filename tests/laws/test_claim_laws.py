"""Every claim runs at scale=smoke from its one command to verdicts, figures and board."""

import contextlib
import importlib
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import polars as pl
import pytest

from experiments.__main__ import experiment
from experiments.predictions import Claim, Standing
from experiments.statistics import Verdict
from sim.config import members

ROOT = Path(__file__).resolve().parents[2]
INLINE = "hydra.launcher.engine=inline"
"""No process besides that of the command. A claim in test_seams.py is computed in one, and so are multiruns."""

SMALLER = {
    "c1_entropy": ["objective.targets=exact", "model=tabular_trie", "hydra.sweeper.only=[arms,varied]"],
    "c2_support": [
        "objective.targets=exact", "model=tabular_trie", "hydra.sweeper.only=[decay_sgd_tables,replay]", INLINE,
    ],
    "c3_answers": ["hydra.sweeper.only=[cells_narrow]"],
    "c4_cloning": ["hydra.sweeper.only=[horizon_table]", "grammar.num_steps=4,8", INLINE],
    "c5_rank": ["hydra.sweeper.only=[ranks_exact_full]", "model.width=16", "grammar.num_prompts=2", INLINE],
    "c6_consequences": ["hydra.sweeper.only=[temperature_plain]", "model.width=16", "grammar.num_prompts=2"],
    "m_methods": ["hydra.sweeper.only=[sft]", "model.width=16", "grammar.num_prompts=2", INLINE],
    "l_unlisted": [
        "hydra.sweeper.only=[hidden,hidden_everything]", "objective.targets=exact",
        "model.width=16", "model.depth=1", "pretrain.num_steps=4", "pretrain.num_evals=2", "finetune.num_steps=4",
        "judged.rows=32", "judged.own=32", "judged.lost=32",
    ],
    "g_levels": [
        "hydra.sweeper.only=[event,everything]", "objective.targets=exact",
        "model.width=16", "model.depth=1", "pretrain.num_steps=4", "pretrain.num_evals=2", "finetune.num_steps=4",
        "judged.rows=32", "judged.own=32", "judged.lost=32",
    ],
}  # fmt: skip
"""What makes a claim small enough to run here, a small model or some of its parts; one without an entry runs whole."""

NAMES = [
    name
    for name, one in members("experiment").items()
    if hasattr(module := one.load(), "CLAIM") and module.CLAIM.trains
]


def python(*arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("JAX_NUMPY")}
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def said(module: str, *arguments: str) -> str:
    """The same in this process, which is faster: nothing is computed with jax."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert importlib.import_module(f"{module}.__main__").main(arguments) == 0
    return out.getvalue()


LEFT = {"c1_entropy", "c3_answers", "c6_consequences", "g_levels", "l_unlisted"}
"""Claims that the quick tests leave to the slow ones, because others go the same way in less time.

Kept are replay and tables (C2), prompts in worlds of several sizes (C4), edits of a transformer (C5), the methods (M),
of which no runs are imitated, and every new claim. Of those that are left, the quick tests compose and build the study
(test_run_laws.py), and judge and draw imitated ones (tests/unit/experiments/test_study.py, test_command.py); unlisted
languages are trained on in tests/unit/running/test_unlisted_runs.py.
"""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LEFT else name for name in NAMES]
)
def test_a_claim_goes_from_its_command_to_the_board(name: str, tmp_path: Path) -> None:
    goes_to_the_board(name, tmp_path, SMALLER.get(name, []))


WHOLE: dict[str, list[str]] = {
    "c3_answers": [], "c4_cloning": [], "m_methods": ["model.width=16"],
    "l_unlisted": [one for one in SMALLER["l_unlisted"] if not one.startswith(("hydra", "restriction"))],
    "g_levels": [one for one in SMALLER["g_levels"] if not one.startswith("hydra")],
}  # fmt: skip
"""Overrides for all of a claim; a claim without an entry is run with exact targets alone."""


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLER)
def test_all_of_a_claim_goes_to_the_board(name: str, tmp_path: Path) -> None:
    goes_to_the_board(name, tmp_path, WHOLE.get(name, ["objective.targets=exact"]))


def goes_to_the_board(name: str, tmp_path: Path, smaller: list[str]) -> None:
    claim: Claim = experiment(name).CLAIM
    small = [f"experiment={name}", f"outputs={tmp_path}", "scale=smoke", "seed=0", *smaller]
    assert "finished" in python("sim.run", *small)
    printed = " ".join(said("experiments", name, str(tmp_path / name)).split())
    assert "edited" not in printed
    target = tmp_path / name / "reports" / "claim"
    findings = pl.read_parquet(target / "tables" / "findings.parquet")
    assert set(findings["prediction"]) == {one.identifier for one in claim.predictions}
    assert set(findings["verdict"]) <= set(get_args(Verdict))
    standing, _ = claim.verdict(findings)
    assert standing in get_args(Standing)
    assert f"{claim.identifier} {claim.title}: {standing}" in printed, "what becomes of the sentence"
    assert set(findings["made_for"]) == {"these"}
    drawn = name in {figure.split("/")[0] for figure in members("figure")}
    if drawn:
        assert ".png" in said("figures", name, str(tmp_path / name))
    board = said("experiments", "board", str(tmp_path))
    assert "Verdict board" in board
    page = (tmp_path / "board" / "board.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == len(list((target / "figures").glob("*.png")))
    assert ("data:image/png;base64," in page) == drawn


@pytest.mark.slow
def test_robustness_is_one_table(tmp_path: Path) -> None:
    only = "hydra.sweeper.only=[support_chain_adam,recovery_chain_adam,rates_chain_adam]"
    small = ("scale=smoke", "seed=0", "model.width=32", "optimizer.learning_rate=2e-3", only)
    assert "finished" in python("sim.run", "experiment=robustness", f"outputs={tmp_path}", *small)
    printed = python("experiments", "robustness", str(tmp_path / "robustness"))
    assert "Markov chain" in printed
    assert "C1 not valid in 1 of 1 combinations" in printed
    assert "C2 not valid in 1 of 1 combinations" in printed
    target = tmp_path / "robustness" / "reports" / "together"
    assert (target / "report.md").read_text(encoding="utf-8").startswith("# Verdicts by language")
    assert pl.read_parquet(target / "tables" / "cells.parquet").height == 1
