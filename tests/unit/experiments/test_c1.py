"""Claim C1: from the entropies of runs to verdicts and to what becomes of the sentence, on tables with known ends."""

import numpy as np
import polars as pl
import pytest

from experiments import c1_entropy as c1
from experiments.predictions import Finding, table
from sim.config import described

Node = dict[str, object]

RESTRICTIONS: list[tuple[Node, float]] = [
    ({"kind": "everything"}, 4.5),
    ({"kind": "style", "keep": "z0"}, 3.1),
    ({"kind": "style_blind", "like": "z0"}, 3.1),
    ({"kind": "sharpen", "temperature": 0.7}, 4.2),
    ({"kind": "sharpen", "temperature": 1.5}, 4.7),
    ({"kind": "drop_mode", "mass": 0.2}, 4.6),
]
"""What S is, and H(S) [nat]; H(P) is 4.5."""

FLATTENED, WITHOUT_MODE = (described("restriction", node) for node, h_s in RESTRICTIONS if h_s > 4.5)


def runs(
    follow: float = 1.0, drift: float = 0.0, fit: float = 0.01, num_seeds: int = 5, rise: float = 1.0
) -> pl.DataFrame:
    """Runs of models whose entropy moves from H(P) = 4.5 by `follow` times what H(S) asks for, `rise` times upwards."""
    dice, rows = np.random.default_rng(0), []
    for targets in ("exact", "sampled"):
        for node, h_s in RESTRICTIONS:
            for seed in range(num_seeds):
                noise = 0.004 * dice.standard_normal()
                step = follow * (h_s - 4.5) * (rise if h_s > 4.5 else 1.0)
                h_q = 4.5 + step + noise
                rows.append(
                    {
                        "run": f"{len(rows):x}", "seed": seed, "targets": targets, "valid": True,
                        "restriction": described("restriction", node), "kind": node["kind"],
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
    return table(c1.CLAIM, c1.CLAIM.judge({"runs": frame}), frame["claim"].to_list())


def verdicts(found: pl.DataFrame, prediction: str) -> set[str]:
    return set(found.filter(prediction=prediction)["verdict"])


def test_models_that_follow_their_data_hold_the_claim_under_its_condition():
    found = judged(runs())
    assert set(found["verdict"]) == {"holds"}
    assert set(found["prediction"]) == {one.identifier for one in c1.CLAIM.predictions}
    assert c1.CLAIM.verdict(found)[0] == "holds only if"
    assert set(found["made_for"]) == {"these"}


def test_the_changes_that_are_predicted_are_those_of_the_data():
    """A style and P itself do not rise, P itself does not even fall; the rest goes where H(S) lies."""
    found = judged(runs()).filter(pl.col("prediction").is_in(["C1.2a", "C1.2b"]))
    falls, rises = (
        {case for case in found.filter(prediction=name)["case"] if case.startswith("exact")}
        for name in ("C1.2a", "C1.2b")
    )
    assert rises == {f"exact targets, {name}" for name in (FLATTENED, WITHOUT_MODE)}
    assert falls == {
        "exact targets, style z0",
        "exact targets, random set like z0",
        "exact targets, sharpened, τ = 0.7",
    }
    for row in found.iter_rows(named=True):
        assert row["measured"] == pytest.approx(row["predicted"], abs=0.01)
        assert row["upper"] - row["lower"] > 2 * 0.003  # what is only known between bounds is no narrower than they are


def test_models_that_move_half_way_refute_it():
    found = judged(runs(follow=0.5))
    assert verdicts(found, "C1.1a") == {"refuted"}
    assert verdicts(found, "C1.2a") == {"holds"}
    assert c1.CLAIM.verdict(found)[0] == "refuted"


def test_models_whose_entropy_never_rises_support_the_sentence():
    found = judged(runs(rise=-0.3))
    assert verdicts(found, "C1.2b") == {"refuted"}
    assert c1.CLAIM.verdict(found)[0] == "supported"


def test_a_control_that_moves_takes_the_verdict_away():
    found = judged(runs(drift=0.5))
    assert verdicts(found, "C1.0") == {"refuted"}
    assert c1.CLAIM.verdict(found)[0] == "not valid"


def test_one_seed_decides_nothing():
    found = judged(runs(num_seeds=1))
    assert verdicts(found, "C1.2a") == {"undecided"}
    assert c1.CLAIM.verdict(found)[0] == "undecided"


def test_what_has_not_converged_does_not_count():
    frame = runs()
    late = frame.with_columns(fit=pl.when(pl.col("restriction") == FLATTENED).then(0.3).otherwise(pl.col("fit")))
    cases = judged(late).filter(prediction="C1.2b")["case"].to_list()
    assert cases == [f"{targets} targets, {WITHOUT_MODE}" for targets in ("exact", "sampled")]


def test_runs_that_never_reached_the_truth_do_not_count():
    found = judged(runs().with_columns(valid=pl.lit(False)))
    assert verdicts(found, "C1.1a") == {"not valid"}
    assert verdicts(found, "C1.3") == {"holds"}  # a bound is about every model
    assert c1.CLAIM.verdict(found)[0] == "not valid"


def test_a_violated_bound_is_found_in_a_single_run():
    frame = runs()
    broken = frame.with_columns(slack=pl.when(pl.int_range(frame.height) == 7).then(-1e-3).otherwise(pl.col("slack")))
    assert verdicts(judged(broken), "C1.3") == {"refuted"}


def test_narrow_data_of_a_plain_style_are_found_in_a_single_run():
    frame = runs()
    style = (pl.col("kind") == "style") & (pl.col("seed") == 2)
    broken = frame.with_columns(narrowing=pl.when(style).then(0.01).otherwise(pl.col("narrowing")))
    assert verdicts(judged(broken), "C1.4a") == {"refuted"}


def test_one_restriction_has_no_slope():
    """As in a study that is stopped after its first runs: the rest is judged, and nothing ends in a traceback."""
    found = judged(runs().filter(kind="style"))
    assert verdicts(found, "C1.1a") == {"undecided"}
    assert found.filter(prediction="C1.1a")["note"].unique().to_list() == ["one restriction has no slope"]
    assert verdicts(found, "C1.1b") == {"holds"}
    stopped = judged(runs().filter((pl.col("seed") < 4) | (pl.col("kind") == "style")))
    assert verdicts(stopped, "C1.1a") == {"holds"}
    assert set(stopped.filter(prediction="C1.1a")["num_seeds"]) == {4}


def test_a_style_without_its_random_set_is_not_compared():
    frame = runs()
    lonely = frame.filter((pl.col("kind") != "style_blind") | (pl.col("seed") < 3))
    assert verdicts(judged(lonely), "C1.6") == {"not valid"}
    apart = pl.when(pl.col("kind") == "style_blind").then(0.4).otherwise(0.0)
    ends = [(pl.col(name) + apart).alias(name) for name in ("h_q_lower", "h_q_upper")]
    assert verdicts(judged(frame.with_columns(*ends)), "C1.6") == {"refuted"}


def standing(**changed: str) -> str:
    held = dict.fromkeys((one.identifier for one in c1.CLAIM.predictions), "holds") | {
        name.replace("_", "."): verdict for name, verdict in changed.items()
    }
    found = [Finding(name, "", None, None, "", verdict) for name, verdict in held.items()]
    return c1.CLAIM.verdict(table(c1.CLAIM, found, []))[0]


def test_what_becomes_of_the_sentence():
    assert standing() == "holds only if"
    assert standing(C1_0="refuted") == standing(C1_0="not valid") == "not valid"
    assert standing(C1_1a="refuted") == standing(C1_1b="refuted") == "refuted"
    assert standing(C1_2b="refuted") == "supported"
    assert standing(C1_2a="undecided") == standing(C1_1a="undecided") == standing(C1_0="undecided") == "undecided"
    assert standing(C1_5="refuted") == standing(C1_6="refuted") == "holds only if"  # no part of the sentence
