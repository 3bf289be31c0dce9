"""C2.8, C2.9 and the crossed race: verdicts on tables whose truth is known, and how good the statistics are."""

import math

import numpy as np
import polars as pl
import pytest

from experiments.c2_support.arms import ARMS, BASE, matched
from experiments.c2_support.crossed import ENTRANTS, FEWEST, RACE, TARGETS, cells, lead
from experiments.c2_support.erasing import ERASING, RIVALS, by_world
from experiments.predictions import Finding, Tables
from experiments.ranks import advantage, rank_correlation
from experiments.statistics import interval
from tests.unit.experiments.erasing_tables import WORLDS, arms, edits, paths, racers, tables

PREDICTIONS = {one.identifier: one for one in (*ERASING, *RACE)}


def found(identifier: str, given: Tables) -> dict[str, Finding]:
    return {one.case: one for one in PREDICTIONS[identifier].judge(given)}


def verdicts(identifier: str, given: Tables) -> dict[str, str]:
    return {case: one.verdict for case, one in found(identifier, given).items()}


@pytest.fixture(scope="module")
def by_x() -> Tables:
    """A study in which E is a function of X."""
    ends = arms()
    return tables(arms=ends, arm_paths=paths(ends), edits=edits())


@pytest.fixture(scope="module")
def by_distance() -> Tables:
    """A study in which E is a function of the distance in weights, and X is not related to it."""
    ends = arms(lambda numbers: numbers["distance"])
    return tables(arms=ends, arm_paths=paths(ends), edits=edits())


# -- E against X ------------------------------------------------------------------------------------------------------


def test_a_function_of_x_is_found_and_explains_more_than_every_rival(by_x):
    assert verdicts("C2.8b", by_x) == {"E and X": "holds"}
    assert verdicts("C2.8c", by_x) == {f"against {name}": "holds" for name in RIVALS.values()}


def test_a_function_of_the_distance_refutes_it(by_distance):
    assert verdicts("C2.8b", by_distance) == {"E and X": "refuted"}
    assert verdicts("C2.8c", by_distance)["against ‖Δθ‖"] == "refuted"


def test_a_correlation_that_is_high_but_not_high_enough_is_refuted():
    noisy = found("C2.8b", tables(arms=arms(noise=0.8)))["E and X"]
    assert noisy.measured is not None
    assert 0.5 < noisy.measured.value < 0.9
    assert noisy.verdict == "refuted"


def test_arms_of_their_own_are_not_on_the_curve():
    odd = {part: {"x": 1000.0} for part, arm in ARMS.items() if arm.role == "own"}
    given = tables(arms=arms(**odd), arm_paths=paths(arms(**odd)))
    assert verdicts("C2.8b", given) == {"E and X": "holds"}
    values = {case: one.measured for case, one in found("C2.8g", given).items()}
    assert values["E and X, all arms"].value < values["E and X, those up to 0.05 tied"].value  # type: ignore[union-attr]


def test_runs_that_do_not_fit_or_have_no_excursion_are_left_out_and_counted():
    first = pl.col("part") == BASE
    ends = arms().with_columns(fits=~(first & (pl.col("seed") == 0)), missing=first & (pl.col("seed") < 3))
    one = found("C2.8b", tables(arms=ends))["E and X"]
    assert one.note == f"1 of {len(ARMS) * 12} runs left out for their fit, 2 without X"
    assert one.verdict == "holds"
    bad = ends.with_columns(fits=pl.lit(False))
    assert verdicts("C2.8b", tables(arms=bad)) == {"": "not valid"}


def test_a_run_that_never_reached_p_does_not_count(by_x):
    valid = by_x["runs"].with_columns(valid=pl.lit(False))
    for identifier in PREDICTIONS:
        assert verdicts(identifier, {**by_x, "runs": valid}) == {"": "not valid"}, identifier


def test_a_rival_counts_only_where_it_is_defined_and_varies():
    ends = arms().with_columns(rate_time=pl.lit(2.0), noise=pl.when(pl.col("seed") < 4).then("noise"))
    given = found("C2.8c", tables(arms=ends))
    assert (given["against lr·t"].verdict, given["against lr·t"].measured) == ("refused", None)
    assert given["against noise/√v"].measured.count == 4  # type: ignore[union-attr]
    assert "4 worlds" in given["against noise/√v"].note


def test_a_world_with_few_arms_has_no_number():
    few = arms().filter(pl.col("part").is_in(list(ARMS)[:5]))
    assert by_world(few, lambda own: 1.0).size == 0
    assert by_world(arms(), lambda own: math.nan if own["seed"][0] else 1.0).tolist() == [1.0]


# -- interventions and controls ---------------------------------------------------------------------------------------


def test_interventions_are_judged_where_they_cut_x():
    rough = {"erasing_clip": {"x": 60.0}, "erasing_warmup": {"e": 9.0}, "erasing_eps": {"e": 0.0}}
    given = found("C2.8d", tables(arms=arms(**rough)))
    assert {case: one.verdict for case, one in given.items()} == {
        "ε = 0.01": "holds", "warm-up of 300": "refuted", "clipping": "undecided", "sharpness-aware": "holds",
        "averaged weights": "holds",
    }  # fmt: skip
    assert given["clipping"].note.startswith("X was not cut")
    everything = found("C2.8e", tables(arms=arms(**rough)))
    assert set(everything) == {arm.name for part, arm in ARMS.items() if part != BASE}


def test_an_arm_is_compared_in_the_worlds_of_both():
    lone = (pl.col("part") == BASE) & (pl.col("seed") > 6)
    one = found("C2.8d", tables(arms=arms().filter(~lone)))["ε = 0.01"].measured
    assert one is not None
    assert one.count == 7


@pytest.mark.parametrize(("control", "verdict"), [(0.0, "holds"), (0.2, "refuted")])
def test_a_control_that_erases_is_found(control, verdict):
    given = tables(arms=arms(), edits=edits(control=control))
    assert set(verdicts("C2.8a", given).values()) == {verdict}
    assert set(verdicts("C2.8h", given).values()) == {"reported"}


def test_random_steps_are_reported_by_their_norm(by_x):
    steps = found("C2.8f", by_x)
    assert set(steps) == {"random step of norm 2", "random step of norm 4"}
    assert steps["random step of norm 4"].measured.value == pytest.approx(0.32, abs=0.02)  # type: ignore[union-attr]


def test_e_is_read_where_an_arm_is_as_far_as_the_least():
    path = pl.DataFrame(
        {
            "run": ["a"] * 3 + ["b"] * 3, "seed": [0] * 6, "part": ["a"] * 3 + ["b"] * 3, "step": [0, 1, 2] * 2,
            "gate": [0.0, 2.0, 4.0, 0.0, 1.0, 3.0], "e": [0.0, 1.0, 5.0, 0.0, 0.1, 0.3],
        }
    )  # fmt: skip
    early = matched(path, "gate").sort("run")
    assert early["e"].to_list() == pytest.approx([3.0, 0.3])  # a is at 3 halfway between its last two evaluations
    back = path.with_columns(gate=pl.when(pl.col("run") == "b").then(pl.Series([0, 0, 0, 0, 5, 3])).otherwise("gate"))
    assert matched(back, "gate").filter(run="b")["e"].to_list() == pytest.approx([0.06])  # the first crossing counts


# -- the rank of the gate ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "rest", "gate"),
    [
        ({}, "holds", "holds"), ({"rank_one": 0.5}, "refuted", "holds"), ({"lost": 0.05}, "holds", "refuted"),
        ({"full": 0.3, "rank_one": 0.29}, "refuted", "holds"),
    ],
)  # fmt: skip
def test_the_gate_has_rank_one_or_not(changed, rest, gate):
    given = tables(arms=arms(), edits=edits(**changed))
    assert verdicts("C2.9a", given) == {"rank 1": rest}
    assert verdicts("C2.9b", given) == {"rank 1": gate}


def test_all_truncations_and_controls_are_shown(by_x):
    cases = verdicts("C2.9c", by_x)
    assert set(cases.values()) == {"reported"}
    assert {"all ranks, E", "truncated to rank 16, E", "truncated to rank 1, control, E", "interpolated at 0.5, E",
            "8 random directions, E"} <= set(cases)  # fmt: skip
    assert len(cases) == len(verdicts("C2.9d", by_x)) == 2 + 3 * 5 + 1
    unfit = by_x["arms"].with_columns(fits=pl.col("seed") > 0)
    one = found("C2.9a", {**by_x, "arms": unfit})["rank 1"].measured
    assert one is not None
    assert one.count == len(WORLDS) - 1


# -- the crossed race -------------------------------------------------------------------------------------------------


def test_predicted_winners_win_where_the_truth_is_theirs():
    given = tables(crossed_runs=racers())
    assert set(verdicts("C2.6c", given).values()) == {"holds"}
    assert len(verdicts("C2.6c", given)) == len(TARGETS)
    shown = verdicts("C2.6d", given)
    assert len(shown) == len(TARGETS) * len(ENTRANTS)
    assert set(shown.values()) == {"reported"}


@pytest.mark.parametrize("target", TARGETS)
def test_a_wrong_winner_is_refuted_and_no_other(target):
    given = verdicts("C2.6c", tables(crossed_runs=racers(wrong=target)))
    refuted = {case for case, verdict in given.items() if verdict == "refuted"}
    assert len(refuted) == 1
    assert next(iter(refuted)).startswith(target)


def test_of_two_favourites_the_better_one_counts():
    runs = racers(worlds=range(1))
    swapped = runs.rename({"total variation": "Jensen–Shannon", "Jensen–Shannon": "total variation"})
    assert lead(swapped, "TV(P, q)") == pytest.approx(lead(runs, "TV(P, q)"), rel=1e-9)


def test_a_quantity_that_few_runs_have_does_not_win_by_that():
    few = racers(worlds=range(1), with_excursion=FEWEST - 1)
    assert cells(few).filter(predictor="excursion").height == 0
    some = racers(worlds=range(1), with_excursion=FEWEST)
    assert cells(some).filter(predictor="excursion")["num_runs"].to_list() == [FEWEST] * len(TARGETS)
    assert (lead(some, "collision") or 0.0) > 0.0
    assert lead(racers(worlds=range(1)).head(FEWEST - 1), "collision") is None


# -- how good the statistics are --------------------------------------------------------------------------------------


def studies(number: int, cause: str, noise: float, related: float = 0.4) -> np.ndarray:
    """Advantages of X over R in many studies of 12 worlds with 15 arms, float64[number, 12].

    X and R of an arm are lognormal and related; E is a function of the ranks' cause plus noise.
    """
    dice, found = np.random.default_rng(3), np.empty((number, 12))
    for place in np.ndindex(number, 12):
        x, other = dice.standard_normal((2, 15))
        r = related * x + math.sqrt(1 - related**2) * other
        e = {"x": x, "r": r, "both": x + r}[cause] + noise * dice.standard_normal(15)
        found[place] = advantage(e, np.exp(x), np.exp(r))
    return found


def holds(values: np.ndarray, threshold: float) -> float:
    return float(np.mean([interval(row).lower > threshold for row in values]))


@pytest.mark.parametrize(("cause", "least", "most"), [("r", 0.0, 0.05), ("both", 0.0, 0.05), ("x", 0.8, 1.0)])
def test_the_statistic_is_rarely_wrong_and_mostly_finds_what_was_announced(cause, least, most):
    """Shares of studies in which "X explains more, by 0.3" holds: never where R or both are the cause."""
    assert least <= holds(studies(20, cause, 0.3), 0.3) <= most


@pytest.mark.slow
@pytest.mark.parametrize(("cause", "noise"), [("r", 0.3), ("both", 0.3), ("x", 0.3), ("x", 0.6), ("x", 0.8)])
def test_the_interval_of_the_statistic_covers(cause, noise):
    many = studies(400, cause, noise)
    shown = [interval(row) for row in many]
    assert 0.92 <= np.mean([one.lower <= many.mean() <= one.upper for one in shown]) <= 0.985
    assert holds(many, 0.3) <= 0.05 or (cause == "x" and holds(many, 0.3) >= (0.9 if noise < 0.7 else 0.6))


def test_a_rank_correlation_near_one_is_found():
    dice = np.random.default_rng(4)
    x = dice.standard_normal((20, 12, 15))
    for noise, least, most in ((0.15, 0.8, 1.0), (0.6, 0.0, 0.05)):
        e = x + noise * dice.standard_normal(x.shape)
        rho = np.array(
            [[rank_correlation(*pair) for pair in zip(*study, strict=True)] for study in zip(e, x, strict=True)]
        )
        assert least <= holds(rho, 0.9) <= most
