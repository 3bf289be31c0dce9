"""Claims as code: what is announced, how runs become verdicts, and the board that shows them."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from experiments._board import Result, blocks, page
from experiments._claims import both_ends, table
from experiments._report import markdown
from experiments._statistics import Interval, interval
from experiments._study import check_paired, results

from experiments import c1_entropy as c1
from experiments.__main__ import experiment
from sim.numerics import SpecificationError
from tests.composed import ROOT, compose

NAMES = sorted(file.stem for file in (ROOT / "experiments").glob("c[0-9]*.py"))

H_S = {"P itself": 4.5, "style z0": 3.1, "style-blind z0": 3.1, "tilt 0.7": 4.2, "tilt 1.5": 4.7, "drop mode 0.2": 4.6}


def runs(
    follow: float = 1.0, drift: float = 0.0, fit: float = 0.01, num_seeds: int = 5, rise: float = 1.0
) -> pl.DataFrame:
    """Runs of models whose entropy moves from H(P) = 4.5 by `follow` times what H(S) asks for, `rise` times upwards."""
    dice, rows = np.random.default_rng(0), []
    for targets in ("exact", "sampled"):
        for name, h_s in H_S.items():
            for seed in range(num_seeds):
                noise = 0.004 * dice.standard_normal()
                step = follow * (h_s - 4.5) * (rise if h_s > 4.5 else 1.0)
                h_q = 4.5 + step + noise
                rows.append(
                    {
                        "run": f"{len(rows):x}", "seed": seed, "targets": targets, "restriction": name, "valid": True,
                        "claim": c1.CLAIM.announced, "fit": fit, "h_p": 4.5, "h_kept": h_s, "h_s": h_s,
                        "h_q0_lower": 4.499, "h_q0_upper": 4.501, "h_q_lower": h_q - 0.002, "h_q_upper": h_q + 0.002,
                        "h_control_lower": 4.499 + drift + noise, "h_control_upper": 4.501 + drift + noise,
                        "conditioning": 4.5 - h_s, "narrowing": 0.0, "slack": 0.1,
                        "learning_lower": h_s - h_q - 0.002, "learning_upper": h_s - h_q + 0.002,
                        "top_one_truth": (4.5 - h_s) / 10, "top_one_model": (4.5 - h_q) / 10,
                    }
                )  # fmt: skip
    return pl.DataFrame(rows)


def judged(frame: pl.DataFrame) -> pl.DataFrame:
    return table(c1.CLAIM, c1.check({"runs": frame}), edited=False)


def outcomes(verdicts: pl.DataFrame, prediction: str) -> set[str]:
    return set(verdicts.filter(prediction=prediction)["outcome"])


@pytest.mark.parametrize("name", NAMES)
def test_the_runs_of_a_claim_are_announced_with_its_predictions(name):
    """Who edits a prediction has to change the experiment too: it shows, and old runs no longer count for it."""
    claim = experiment(name).CLAIM
    assert claim.name == name
    assert compose(f"experiment={name}")["claim"] == claim.announced


@pytest.mark.parametrize("name", NAMES)
def test_every_prediction_says_what_decides_it(name):
    claim = experiment(name).CLAIM
    assert len({one.identifier for one in claim.predictions}) == len(claim.predictions)
    for one in claim.predictions:
        assert re.fullmatch(rf"{claim.identifier}\.\d+[a-z]?", one.identifier)
        assert one.statement
        assert one.rule
        assert one.control
        assert one.predicted
        assert (one.margin is not None) == (one.kind in ("equality", "bound", "slope", "exponent"))


def test_the_digest_is_of_everything_that_was_announced():
    first, *rest = c1.CLAIM.predictions
    for changed in ({"margin": 0.2}, {"statement": "x"}, {"rule": "x"}, {"control": "x"}, {"kind": "report"}):
        other = replace(c1.CLAIM, predictions=(replace(first, **changed), *rest))
        assert other.digest != c1.CLAIM.digest
    assert replace(c1.CLAIM, rule="x").digest != c1.CLAIM.digest


def test_models_that_follow_their_data_hold_the_claim_under_its_condition():
    verdicts = judged(runs())
    assert set(verdicts["outcome"]) == {"holds"}
    assert set(verdicts["prediction"]) == {one.identifier for one in c1.CLAIM.predictions}
    assert c1.standing(verdicts)[0] == "holds only if"


def test_models_that_move_half_way_refute_it():
    verdicts = judged(runs(follow=0.5))
    assert outcomes(verdicts, "C1.1a") == {"refuted"}
    assert outcomes(verdicts, "C1.2a") == {"holds"}
    assert c1.standing(verdicts)[0] == "refuted"


def test_models_whose_entropy_never_rises_support_the_sentence():
    verdicts = judged(runs(rise=-0.3))
    assert outcomes(verdicts, "C1.2b") == {"refuted"}
    assert c1.standing(verdicts)[0] == "supported"


def test_a_control_that_moves_takes_the_verdict_away():
    verdicts = judged(runs(drift=0.5))
    assert outcomes(verdicts, "C1.0") == {"refuted"}
    assert c1.standing(verdicts)[0] == "not valid"


def test_one_seed_decides_nothing():
    verdicts = judged(runs(num_seeds=1))
    assert outcomes(verdicts, "C1.2a") == {"undecided"}
    assert c1.standing(verdicts)[0] == "undecided"


def test_what_has_not_converged_does_not_count():
    frame = runs()
    late = frame.with_columns(fit=pl.when(pl.col("restriction") == "tilt 1.5").then(0.3).otherwise(pl.col("fit")))
    cases = judged(late).filter(prediction="C1.2b")["case"].to_list()
    assert cases == ["exact targets, drop mode 0.2", "sampled targets, drop mode 0.2"]


def test_runs_that_never_reached_the_truth_do_not_count():
    verdicts = judged(runs().with_columns(valid=pl.lit(False)))
    assert outcomes(verdicts, "C1.1a") == {"not valid"}
    assert outcomes(verdicts, "C1.3") == {"holds"}  # a bound is about every model
    assert c1.standing(verdicts)[0] == "not valid"


def test_a_violated_bound_is_found_in_a_single_run():
    frame = runs()
    broken = frame.with_columns(slack=pl.when(pl.int_range(frame.height) == 7).then(-1e-3).otherwise(pl.col("slack")))
    assert outcomes(judged(broken), "C1.3") == {"refuted"}


def test_a_number_of_which_two_bounds_are_known_is_judged_at_both():
    low, high = interval([1.0, 1.1, 0.9]), interval([3.0, 3.1, 2.9])
    assert both_ends(("holds", low), ("holds", high)) == ("holds", Interval(2.0, low.lower, high.upper, 0.95, 3, "t"))
    assert both_ends(("holds", low), ("refuted", high))[0] == "undecided"


def result(folder: Path, edited: bool = False) -> Result:
    verdicts = table(c1.CLAIM, c1.check({"runs": runs()}), edited)
    return Result(c1.CLAIM, verdicts, *c1.standing(verdicts), folder)


def test_the_board_shows_every_prediction_with_its_interval_and_its_verdict(tmp_path):
    text = markdown(list(blocks([result(tmp_path)])))
    for one in c1.CLAIM.predictions:
        assert f"| {one.identifier} |" in text
        assert one.statement in text
    assert "holds only if H(S) < H(P)" in text
    assert c1.CLAIM.command in text
    assert c1.CLAIM.digest in text
    assert re.search(
        r"\| C1\.2b \| exact targets, tilt 1\.5 \| above 0 \(truth 0\.2\) \| 0\.2\d* \[0\.1\d+, 0\.2\d*\] nat \| 5 \|",
        text,
    )
    assert "with 5 seeds 9" in text  # the simulated coverage
    assert "edited" not in text
    assert text.index("What stands and what falls") > text.index("C1.6")


def test_the_page_is_one_file_that_needs_no_other(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "entropy.png").write_bytes(b"\x89PNG not really")
    text = page([result(tmp_path)])
    assert 'src="data:image/png;base64,' in text
    assert not re.search(r'(?:src|href)="(?!data:)', text)
    assert "H(S) &lt; H(P)" in text
    assert text.count('class="holds"') == result(tmp_path).verdicts.height


def test_predictions_that_were_edited_after_the_runs_are_pointed_out(tmp_path):
    said = "edited after these runs were made"
    assert said in markdown(list(blocks([result(tmp_path, edited=True)])))
    assert said in page([result(tmp_path, edited=True)])


def test_a_run_that_would_count_twice_is_refused():
    """Two studies in one folder: the same seeds again would make the intervals narrower than they are."""
    frame = runs()
    check_paired(frame, c1.PAIRED, Path("outputs/c1_entropy"))
    with pytest.raises(
        SpecificationError,
        match=r"outputs/c1_entropy: one run of each kind is required, found 2 of targets exact, .*seed 3",
    ):
        check_paired(
            pl.concat([frame, frame[3:4].with_columns(run=pl.lit("again"))]), c1.PAIRED, Path("outputs/c1_entropy")
        )


def test_verdicts_on_earlier_predictions_are_pointed_out_too(tmp_path):
    tables = tmp_path / "c1_entropy" / "reports" / "claim" / "tables"
    tables.mkdir(parents=True)
    result(tmp_path).verdicts.with_columns(digest=pl.lit("0" * 12)).write_parquet(tables / "verdicts.parquet")
    (found,) = results(tmp_path, [c1])
    assert found.edited


def test_a_board_needs_a_verdict(tmp_path):
    with pytest.raises(
        SpecificationError, match=r"verdicts of at least one claim are required, found none; run .*c1_entropy"
    ):
        results(tmp_path, [c1])
    tables = tmp_path / "c1_entropy" / "reports" / "claim" / "tables"
    tables.mkdir(parents=True)
    result(tmp_path).verdicts.write_parquet(tables / "verdicts.parquet")
    (found,) = results(tmp_path, [c1])
    assert found.standing == "holds only if"
