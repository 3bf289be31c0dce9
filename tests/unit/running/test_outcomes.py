"""What a multirun says at its end, and its exit status."""

import json
from pathlib import Path
from typing import Any

import pytest

from sim.running import compiling
from sim.running.outcomes import FAILED, OK, REFUSED, Outcome, exit_status, told

HOME = Path("outputs/name")


def point(state: Any, run: str | None = "0a", *overrides: str, **more: Any) -> Outcome:
    return Outcome(None if run is None else HOME / run, state, overrides=overrides, **more)


STATUSES = [
    ([], OK),
    ([point("finished"), point("kept"), point("repeated")], OK),
    ([point("finished"), point("failed", mistake=True)], REFUSED),
    ([point("failed", None, mistake=True), point("refused", mistake=True)], REFUSED),
    ([point("failed")], FAILED),
    ([point("failed"), point("failed", mistake=True), point("finished")], FAILED),
    ([point("finished", invalid=True)], OK),
]


@pytest.mark.parametrize(("outcomes", "status"), STATUSES)
def test_exit_status(outcomes: list[Outcome], status: int) -> None:
    assert exit_status(outcomes) == status


def test_all_is_well() -> None:
    outcomes = [point("finished", f"{run}") for run in range(180)] + [
        point("kept", f"{run}") for run in range(180, 200)
    ]
    assert told(outcomes) == ["200 runs: 180 finished, 20 kept", "more: python -m sim.status outputs/name"]


def test_failures_are_told_apart_by_what_differs() -> None:
    outcomes = [
        point("finished", "0a", "model=table", "seed=1"),
        point("repeated", "0a", "model=table", "seed=1.0"),
        point("failed", "0b", "model=table", "seed=2", reason="its process was killed by SIGKILL"),
        point("failed", None, "model=table", "seed=-1", reason="seed: at least 0", mistake=True),
    ]
    assert told(outcomes) == [
        "4 runs: 1 finished, 1 repeated, 2 failed",
        "  0b (seed=2): its process was killed by SIGKILL",
        "  not started (seed=-1): seed: at least 0",
        "more: python -m sim.status outputs/name",
    ]


def test_a_single_point() -> None:
    assert told([point("failed", "0a", "seed=1", reason="no")])[:2] == ["1 run: 1 failed", "  0a (seed=1): no"]
    assert told([point("failed", "0a", reason="no")])[1] == "  0a (no overrides): no"


@pytest.mark.parametrize(("number", "named"), [(1, "0"), (3, "0, 1, 2"), (5, "0, 1, 2, ...")])
def test_runs_that_are_not_valid_are_named(number: int, named: str) -> None:
    outcomes = [point(became, f"{run}", invalid=True) for run in range(number) for became in ("finished", "repeated")]
    assert told(outcomes)[1] == (
        f"NOT VALID: {number} of the runs did not reach pretrain.limit, so no verdict may rest on these: {named}"
    )


def test_code_that_was_edited_since_a_kept_run_was_made_is_named() -> None:
    kept = point("kept", edited=("lab/objectives/focal.py",))
    assert "before an edit of lab/objectives/focal.py" in told([point("finished"), kept, kept])[1]
    assert len(told([kept, kept])) == 3


def test_every_folder_is_named() -> None:
    other = Outcome(Path("outputs/other/0a"), "kept")
    assert told([point("kept"), other, point("kept")])[-2:] == [
        "more: python -m sim.status outputs/name",
        "more: python -m sim.status outputs/other",
    ]


def test_the_programs_of_all_workers_are_counted(tmp_path: Path) -> None:
    assert compiling.told(tmp_path) == []
    for number, seconds in ((0, 1.25), (1, 2.5)):
        found = {"training": 1, "evaluation": number, "seconds": seconds}
        (tmp_path / f"worker-{number}.programs").write_text(json.dumps(found), encoding="utf-8")
    said = "programs: 2 for training, 1 for evaluation; compiled, or read from the cache, in 4 s"
    assert compiling.told(tmp_path) == [said]
