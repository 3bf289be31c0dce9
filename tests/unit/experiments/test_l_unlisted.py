"""Claim L: what its predictions say of imitated runs, and that each of them can be refuted."""

import dataclasses
from pathlib import Path

import polars as pl
import pytest

from experiments.__main__ import main
from experiments.l_unlisted import CLAIM
from experiments.l_unlisted.tables import Runs, tables
from experiments.predictions import Finding, table
from experiments.study import Judged, judge
from sim.numerics import SpecificationError
from tests.unit.experiments import told
from tests.unit.experiments.tiny_studies import archived, study, variant
from tests.unit.imitated_large import ARMS, LANGUAGES, large


def findings(study: Runs) -> dict[str, list[Finding]]:
    return told.findings(CLAIM, tables(study))


def verdicts(study: Runs) -> dict[str, set[str]]:
    return told.verdicts(CLAIM, tables(study))


def test_a_model_that_follows_its_data_under_a_condition() -> None:
    found = findings(large())
    said = verdicts(large())
    assert {name for name, own in said.items() if own == {"holds"}} == {
        "L.0", "L.1a", "L.1b", "L.2a", "L.2b", "L.3a", "L.3b", "L.3d", "L.3e"
    }  # fmt: skip
    assert said["L.3c"] == {"refuted"}, "E of 1 nat keeps 0.37"
    assert said["L.4a"] == said["L.4b"] == {"reported"}
    assert len(found["L.1a"]) == len(LANGUAGES) * len(ARMS)
    assert len(found["L.0"]) == len(LANGUAGES) * 2, "exact targets"
    assert found["L.2b"][0].predicted == 2.0
    standing, why = CLAIM.verdict(table(CLAIM, CLAIM.judge(tables(large())), [CLAIM.announced]))
    assert (standing, "H(S) < H(P)" in why) == ("holds only if", True)


@pytest.mark.parametrize(
    ("changed", "refuted"),
    [
        ({"drift": 1.0}, "L.0"), ({"slope": 0.5}, "L.1a"), ({"slope": -1.0}, "L.2a"), ({"slope": -1.0}, "L.2b"),
        ({"forgotten": 0.1}, "L.3a"), ({"gate": 0.2}, "L.3b"), ({"faster": -0.5}, "L.3d"), ({"noise": -0.4}, "L.3e"),
    ],
)  # fmt: skip
def test_every_prediction_can_be_refuted(changed: dict[str, float], refuted: str) -> None:
    assert "refuted" in verdicts(large(**changed))[refuted]  # type: ignore[arg-type]


def test_what_is_kept_can_hold() -> None:
    assert verdicts(large(erased=0.1, faster=0.05, noise=0.05))["L.3c"] == {"holds"}
    kept = findings(large(erased=0.1, faster=0.0, noise=0.0))["L.3c"][0].measured
    assert kept is not None
    assert kept.estimate == pytest.approx(0.9, abs=0.01), "exp(-E)"


def test_an_offset_of_more_than_a_quarter_of_the_effect_is_refuted() -> None:
    shifted = large()
    runs = shifted.runs.with_columns(pl.col("h_after") + pl.when(kind="sub_grammar").then(0.7).otherwise(0.0))
    assert verdicts(Runs(runs))["L.1b"] == {"refuted"}


def test_only_fitted_and_valid_runs_count() -> None:
    for found in (large(valid=False), large(fit=0.06)):
        assert set().union(*verdicts(found).values()) == {"not valid"}
    assert tables(large(valid=False))["parts"].height > 0, "the figure is marked then"


def test_a_world_without_an_estimate_does_not_count() -> None:
    runs = large().runs.with_columns(
        erased_after=pl.when(pl.col("seed") == 5).then(None).otherwise(pl.col("erased_after"))
    )
    found = findings(Runs(runs))
    assert {one.verdict for one in found["L.3c"]} == {"undecided"}, "four worlds are too few"
    assert "2 runs have no estimate" in found["L.3c"][0].note
    assert {one.verdict for one in found["L.2a"]} == {"holds"}


def test_a_language_without_any_estimate_is_refused_and_decides_nothing(tmp_path: Path) -> None:
    """As on cfg3b, where no string that the model writes is in P: gate and erasure are refused, the rest is judged."""
    without, other = LANGUAGES
    made = large().runs.with_columns(claim=pl.lit(CLAIM.announced))
    empty = pl.when(language=without).then(None)
    runs = made.with_columns(empty.otherwise(pl.col(name)).alias(name) for name in ("gate_after", "erased_after"))
    told = findings(Runs(runs))
    for name in ("L.3b", "L.3c", "L.3d", "L.3e"):
        cases = {one.case.split(",")[0]: one for one in told[name]}
        assert (cases[without].verdict, cases[without].measured) == ("refused", None)
        assert "runs have no estimate, and their worlds do not count" in cases[without].note
        assert cases[other].verdict == ("refuted" if name == "L.3c" else "holds")
    assert {one.verdict for one in told["L.2a"]} == {"holds"}
    same, whole = judged_from(Runs(runs), tmp_path / "one"), judged_from(Runs(made), tmp_path / "two")
    assert (same.standing, same.reason) == (whole.standing, whole.reason)


def test_parts_are_means_over_worlds_by_direction() -> None:
    parts = tables(large())["parts"]
    one = parts.filter(language=LANGUAGES[0], targets="exact", rate=5e-4, direction="more entropy than P")
    gate, erasure = (one.filter(part=part).row(0, named=True) for part in ("gate", "erasure"))
    assert gate["estimate"] == pytest.approx(3.0)
    assert erasure["estimate"] == pytest.approx(0.5 * 1.01, abs=0.01)
    assert erasure["lower"] < erasure["estimate"] < erasure["upper"]
    single = tables(Runs(large().runs.filter(seed=3)))["parts"]
    assert (single["lower"] == single["upper"]).all()


def test_a_run_without_its_control_is_refused() -> None:
    made = large()
    with pytest.raises(SpecificationError, match=r"a control .* is required, found none for 0"):
        tables(Runs(made.runs.filter((pl.col("kind") != "everything") | (pl.col("seed") != 2))))
    with pytest.raises(SpecificationError, match="one control of a kind and seed is required, found several"):
        tables(Runs(pl.concat([made.runs, made.runs.filter(kind="everything")])))


def judged_from(found: Runs, folder: Path) -> Judged:
    """The claim judged by imitated runs, as if they lay in a folder."""
    return judge(dataclasses.replace(CLAIM, read=lambda _: found), folder)


def test_its_runs_reach_the_board(tmp_path: Path) -> None:
    runs = large().runs.with_columns(claim=pl.lit(CLAIM.announced))
    found = judged_from(Runs(runs), tmp_path)
    assert (found.standing, found.made_for) == ("holds only if", "these")
    assert found.findings.height > 40
    assert {file.stem for file in (found.folder / "tables").glob("*.parquet")} == {"runs", "parts", "findings"}
    assert judged_from(large(), tmp_path / "other").made_for == "other"


def test_a_run_that_would_count_twice_is_refused(tmp_path: Path) -> None:
    runs = large().runs
    twice = pl.concat([runs, runs.filter(pl.col("kind") != "everything").with_columns(run=pl.col("run") + "b")])
    with pytest.raises(SpecificationError, match=r"one run of each kind is required, found 2 of language cfg3"):
        judged_from(Runs(twice), tmp_path)


def test_runs_on_listed_languages_are_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = study(tmp_path / "l_unlisted", [variant(archived(), 1)])
    assert main(["l_unlisted", str(folder)]) == 2
    said = capsys.readouterr().err
    assert "the record of a run on a language that is not listed is required" in said
    assert said.count("\n") == 1
