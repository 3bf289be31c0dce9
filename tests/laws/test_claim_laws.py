"""Every claim runs at scale=smoke from its one command to verdicts, figures and board; far too short to be valid."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(file.stem for file in (ROOT / "experiments").glob("c[0-9]*.py"))


def python(*arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("JAX_NUMPY")}
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_claim_goes_from_its_command_to_the_board(name: str, tmp_path: Path) -> None:
    small = [f"experiment={name}", f"outputs={tmp_path}", "scale=smoke", "seed=0", "objective.targets=exact"]
    assert "finished" in python("sim.run", "-m", *small)
    printed = python("experiments", name, str(tmp_path / name))
    assert "not valid" in printed
    assert "edited" not in printed
    drawn = python("figures", name, str(tmp_path / name))
    assert ".png" in drawn
    target = tmp_path / name / "reports" / "claim"
    verdicts = pl.read_parquet(target / "tables" / "verdicts.parquet")
    assert set(verdicts["outcome"]) <= {"not valid", "holds", "refuted", "undecided", "reported"}
    assert not verdicts["edited"].any()
    board = python("experiments", "board", str(tmp_path))
    assert "What stands and what falls" in board
    page = (tmp_path / "board" / "board.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == len(list((target / "figures").glob("*.png"))) > 0
