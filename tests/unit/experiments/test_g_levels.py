"""Claim G: what its predictions say of imitated runs, and that each of them can be refuted."""

import dataclasses
from pathlib import Path

import polars as pl
import pytest

from experiments.g_levels import CLAIM
from experiments.g_levels.tables import EVENT, Runs, tables
from experiments.predictions import Finding, table
from experiments.study import Judged, judge
from sim.numerics import SpecificationError
from tests.unit.experiments import told
from tests.unit.imitated_levels import LEVELS, WORLDS, levelled


def findings(study: Runs) -> dict[str, list[Finding]]:
    return told.findings(CLAIM, tables(study))


def verdicts(study: Runs) -> dict[str, set[str]]:
    return told.verdicts(CLAIM, tables(study))


def test_runs_that_are_as_predicted() -> None:
    found, said = findings(levelled()), verdicts(levelled())
    assert {name for name, own in said.items() if own == {"holds"}} == {
        "G.0", "G.1", "G.2", "G.3", "G.4", "G.5a", "G.5b"
    }  # fmt: skip
    assert said["G.6a"] == said["G.6b"] == {"reported"}
    assert len(found["G.1"]) == len(found["G.3"]) == 2 * len(LEVELS)
    assert [len(found[name]) for name in ("G.0", "G.2", "G.4", "G.5a", "G.5b")] == [1, 2, 1, 2, 2]
    assert all(one.measured.count == len(WORLDS) for one in found["G.1"])  # type: ignore[union-attr]
    standing, why = CLAIM.verdict(table(CLAIM, CLAIM.judge(tables(levelled())), [CLAIM.announced]))
    assert (standing, why) == ("undecided", "no prediction speaks of the sentence")


@pytest.mark.parametrize(
    ("changed", "refuted"),
    [
        ({"drift": 0.2}, "G.0"), ({"followed": 0.3}, "G.1"), ({"slope": 0.2}, "G.2"), ({"slope": -0.2}, "G.2"),
        ({"worse": -0.05}, "G.3"), ({"noise": -0.05}, "G.4"), ({"event_followed": 1.3}, "G.5a"),
        ({"event_excess": -0.2}, "G.5b"),
    ],
)  # fmt: skip
def test_every_prediction_can_be_refuted(changed: dict[str, float], refuted: str) -> None:
    assert verdicts(levelled(**changed))[refuted] == {"refuted"}  # type: ignore[arg-type]


def test_only_fitted_and_valid_runs_count() -> None:
    said = verdicts(levelled(valid=False))
    assert set().union(*said.values()) == {"not valid"}
    assert tables(levelled(valid=False))["means"].height > 0, "the figure is marked then"
    said = verdicts(levelled(fit=-0.11))
    assert {name for name, own in said.items() if own == {"not valid"}} == {
        "G.1", "G.2", "G.3", "G.4", "G.5a", "G.5b", "G.6b"
    }  # fmt: skip
    other = levelled().runs.with_columns(fitted=~((pl.col("seed") == 4) & (pl.col("arm") == "level 2")))
    found = findings(Runs(other))
    slope = next(one for one in found["G.2"] if one.case == "exact targets")
    assert slope.measured is not None
    assert slope.measured.count == len(WORLDS) - 1, "a world without one of the levels has no slope"
    assert "2 runs are not at equal fit and do not count (seeds 4)" in slope.note


def test_a_run_without_an_estimate_does_not_count() -> None:
    gone = (pl.col("seed") == 5) & (pl.col("number") == 0) & (pl.col("level") == 3)
    runs = levelled().runs.with_columns(
        excess=pl.when(gone).then(None).otherwise(pl.col("excess")), gate=pl.when(gone).then(None).otherwise("gate")
    )
    counts = {one.case: one.measured.count for one in findings(Runs(runs))["G.2"]}  # type: ignore[union-attr]
    assert counts == {"exact targets": len(WORLDS), "sampled targets": len(WORLDS) - 1}
    (more,) = findings(Runs(runs))["G.4"]
    assert more.measured is not None
    assert more.measured.count == len(WORLDS) - 1


def test_means_are_over_worlds_and_the_rules_of_a_level() -> None:
    found = tables(levelled(worse=0.03, slope=0.1))["means"]
    one = found.filter(targets="exact", arm="level 3", number="derived").row(0, named=True)
    assert one["estimate"] == pytest.approx(0.04 + 0.01 * sum(seed % 3 for seed in WORLDS) / len(WORLDS))
    assert one["lower"] < one["estimate"] < one["upper"]
    assert one["worlds"] == len(WORLDS)
    assert set(found["arm"]) == {EVENT, *(f"level {level}" for level in LEVELS)}
    single = tables(Runs(levelled().runs.filter(seed=2)))["means"]
    assert (single["lower"] == single["upper"]).all()


def judged_from(found: Runs, folder: Path) -> Judged:
    """The claim judged by imitated runs, as if they lay in a folder."""
    return judge(dataclasses.replace(CLAIM, read=lambda _: found), folder)


def test_its_runs_reach_the_board(tmp_path: Path) -> None:
    runs = levelled().runs.with_columns(claim=pl.lit(CLAIM.announced))
    found = judged_from(Runs(runs), tmp_path)
    assert (found.standing, found.made_for) == ("undecided", "these")
    assert {file.stem for file in (found.folder / "tables").glob("*.parquet")} == {"runs", "means", "findings"}
    assert judged_from(levelled(), tmp_path / "other").made_for == "other"


def test_a_run_that_would_count_twice_is_refused(tmp_path: Path) -> None:
    runs = levelled().runs
    twice = pl.concat([runs, runs.filter(arm=EVENT).with_columns(run=pl.col("run") + "b")])
    with pytest.raises(SpecificationError, match=r"one run of each kind is required, found 2 of targets"):
        judged_from(Runs(twice), tmp_path)
