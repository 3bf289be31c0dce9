"""C4: every prediction holds in worlds made so, and is refuted in worlds made otherwise."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from experiments.c4_cloning import CLAIM
from experiments.c4_cloning.cloning import EQUAL_FIT, local_slopes, narrowness
from experiments.c4_cloning.forgetting import ARMS, STAGE_ARMS
from experiments.c4_cloning.matching import at_gates, at_level, odds
from experiments.predictions import table
from sim.config.discovery import conf_folder
from sim.theory.horizon import discrete_slope
from tests.unit.experiments import cloning_tables as made

JUDGED = [one.identifier for one in CLAIM.predictions if one.kind != "report"]


@pytest.fixture(scope="module")
def all_holds():
    return made.everything()


@pytest.mark.parametrize("identifier", JUDGED)
def test_it_holds_where_the_world_is_made_so(identifier, all_holds):
    found = made.verdicts(identifier, all_holds)
    assert set(found.values()) == {"holds"}
    wanted = {"C4.0a": 2, "C4.0c": 5, "C4.1a": 4, "C4.1b": 4, "C4.1c": 7, "C4.2a": 6, "C4.2b": 3, "C4.2c": 9,
              "C4.2d": 3,
              "C4.2f": 3, "C4.3a": 2, "C4.3f": 2, "C4.3d": 2, "C4.3e": 2, "C4.4a": 3, "C4.4c": 3, "C4.4d": 2,
              "C4.4e": 2, "C4.4f": 2, "C4.6": 4}  # fmt: skip
    assert len(found) == wanted.get(identifier, 1)


@pytest.mark.parametrize(
    ("identifier", "frames"),
    [
        ("C4.0a", {"weights": made.weights(control=0.9)}),
        ("C4.0b", {"drift": made.drift(control=0.1)}),
        ("C4.1a", {"weights": made.weights(w=0.5)}),
        ("C4.1b", {"weights": made.weights(rest=0.2)}),
        ("C4.2a", {"horizons": made.horizons(power=0.3)}),
        ("C4.2b", {"horizons": made.horizons(power=0.3)}),
        ("C4.2f", {"horizons": made.horizons(power=-0.3)}),
        ("C4.2c", {"horizons": made.horizons(power=-0.8)}),
        ("C4.2d", {"horizons": made.horizons(back=0.001)}),
        ("C4.2e", {"drift": made.drift().with_columns(tv=pl.lit(0.3))}),
        ("C4.3a", {"drift": made.drift(shift=0.01)}),
        ("C4.3b", {"drift": made.drift(start=-0.01)}),
        ("C4.3c", {"drift": made.drift().with_columns(shift=pl.lit(0.5))}),
        ("C4.3d", {"returns": made.returns(noisy=1e-3)}),
        ("C4.3e", {"returns": made.returns(recovery=0.9)}),
        ("C4.3f", {"drift": made.drift(shift=0.05)}),
        ("C4.4a", {"forgetting": made.forgetting(rejection=0.1)}),
        ("C4.4b", {"forgetting": made.forgetting(klpg=0.1)}),
        ("C4.4c", {"forgetting": made.forgetting(pg=1e-5)}),
        ("C4.4d", {"forgetting": made.forgetting(pg=1e-5)}),
        ("C4.4e", {"forgetting": made.forgetting(tilted=0.5)}),
        ("C4.4f", {"forgetting": made.forgetting(early=-0.1)}),
        ("C4.4g", {"forgetting": made.forgetting(klpg=2.0)}),
        ("C4.4h", {"forgetting": made.forgetting(pg=0.1)}),
        ("C4.5a", {"optima": made.optima(gap=0.1)}),
        ("C4.5b", {"stages": made.stages(hard=1.0)}),
        ("C4.6", {"drift": made.drift(narrow=-1.0)}),
        ("C4.1c", {"sharing": made.sharing(touched=1e-3)}),
        ("C4.1d", {"sharing": made.sharing(said=-0.1)}),
        ("C4.1e", {"sharing": made.sharing(carried=0.1)}),
        ("C4.3g", {"sharing": made.sharing(back=-0.1)}),
    ],
)  # fmt: skip
def test_it_is_refuted_where_the_world_is_made_otherwise(identifier, frames):
    assert "refuted" in made.verdicts(identifier, made.frames(**frames)).values()


def test_a_control_that_forgets_is_not_null():
    frame = made.forgetting().with_columns(kl=pl.when(pl.col("step") > 0).then(0.5).otherwise(0.01))
    assert set(made.verdicts("C4.0c", made.frames(forgetting=frame)).values()) == {"refuted"}


def test_runs_that_do_not_fit_or_are_not_valid_do_not_count(all_holds):
    loose = made.drift().with_columns(fit=pl.lit(0.5))
    assert set(made.verdicts("C4.3a", made.frames(drift=loose)).values()) == {"not valid"}
    far = made.forgetting(gap=0.1)
    assert set(made.verdicts("C4.4b", made.frames(forgetting=far)).values()) == {"not valid"}
    wrong = made.weights(w=0.5).with_columns(valid=pl.lit(False))
    assert set(made.verdicts("C4.1a", made.frames(weights=wrong)).values()) == {"not valid"}


def test_five_worlds_are_not_enough_for_a_sign_of_a_shift():
    assert set(made.verdicts("C4.3a", made.frames(drift=made.drift(worlds=5))).values()) == {"undecided"}


def test_the_sentence_is_refuted_where_own_prefixes_are_safer(all_holds):
    findings = table(CLAIM, CLAIM.judge(all_holds), [CLAIM.announced])
    standing, reason = CLAIM.verdict(findings)
    assert standing == "refuted"
    assert "C4.3a holds" in reason
    without = findings.filter(pl.col("prediction") != "C4.3a").with_columns(
        verdict=pl.when(prediction="C4.2d").then(pl.lit("refuted")).otherwise("verdict"),
        p_refuted=pl.when(prediction="C4.2d").then(pl.lit(0.0)).otherwise("p_refuted"),
    )
    assert CLAIM.verdict(without)[0] == "supported"


# -- what is read at equal levels --------------------------------------------------------------------------------------


def test_a_level_is_read_between_its_two_neighbours():
    found = at_level(np.array([0.0, 1.0, 3.0]), np.array([5.0, 4.0, 8.0]), 2.0)
    assert found == (6.0, 4.0, 8.0)
    assert at_level(np.array([0.0, 1.0]), np.array([5.0, 4.0]), 1.0) == (4.0, 5.0, 4.0)


@pytest.mark.parametrize("level", [-1.0, 0.0, 3.5])
def test_a_level_that_is_not_crossed_gives_nothing(level):
    assert at_level(np.array([0.0, 1.0, 3.0]), np.zeros(3), level) is None


def test_a_path_that_comes_back_is_read_at_its_first_crossing():
    assert at_level(np.array([0.0, 2.0, 0.0, 2.0]), np.array([0.0, 2.0, 9.0, 9.0]), 1.0) == (1.0, 0.0, 2.0)


def test_arrays_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="arrays of one length are required, found 2 and 3"):
        at_level(np.zeros(2), np.zeros(3), 1.0)


def test_gates_are_read_over_the_logarithm_of_what_is_outside():
    path = pl.DataFrame(
        {"run": ["a"] * 2, "seed": [0] * 2, "part": ["x"] * 2, "restriction": ["s"] * 2, "targets": ["exact"] * 2,
         "paid": [0.0] * 2, "narrowed": [0.0] * 2, "phase": ["sft"] * 2, "step": [0, 1], "gate": [0.0, 0.9999],
         "forgot": [0.0, 4.0]}
    )  # fmt: skip
    found = at_gates(path)
    np.testing.assert_allclose(found["forgot"], [1.0, 2.0, 3.0])
    assert found["before"].to_list() == [0.0] * 3
    assert found["after"].to_list() == [4.0] * 3
    assert odds(np.array([1.0]))[0] == math.inf


def test_slopes_between_horizons_are_those_of_the_theory():
    slopes = local_slopes(made.horizons(worlds=1)).filter(part="horizon_returns")
    for row in slopes.iter_rows(named=True):
        wanted = discrete_slope(0.005, 0.2, row["first"], row["second"])
        np.testing.assert_allclose([row["lower"], row["upper"], row["plugged"]], wanted)


def test_hazards_at_equal_fit_lie_between_their_neighbours():
    found = narrowness(made.drift(worlds=1), equal_fit=True)
    assert found.height == 6
    assert (found["after"] < found["hazard"]).all()
    assert (found["hazard"] < found["before"]).all()
    share = (math.log(0.2) - math.log(EQUAL_FIT)) / (math.log(0.2) - math.log(0.05))
    row = found.row(0, named=True)
    np.testing.assert_allclose(row["hazard"], row["before"] ** (1 - share) * row["after"] ** share)


# -- the study --------------------------------------------------------------------------------------------------------


def test_every_part_of_the_study_is_read_by_the_claim():
    file = Path(conf_folder()) / "experiment" / "c4_cloning.yaml"
    parts = set(yaml.safe_load(file.read_text(encoding="utf-8"))["hydra"]["sweeper"]["studies"])
    assert {one.part for one in CLAIM.needs} == {
        next(need.part for need in CLAIM.needs if name.startswith(need.part)) for name in parts
    }
    assert {name.rpartition("_")[2] for name in parts if name.startswith("forget")} == set(ARMS)
    assert {name.rpartition("_")[2] for name in parts if name.startswith("stages")} == set(STAGE_ARMS)
