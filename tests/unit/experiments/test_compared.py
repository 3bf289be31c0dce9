"""A reader's numbers beside the published ones: equal ones, rounded ones, other worlds, and a planted difference."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from experiments import comparison, machines
from experiments.cases import Case, Prediction, Tables
from experiments.comparison import ABSENT, NEW, NO_SIGN, SAME, SAME_VERDICT, UNTESTED, compared
from experiments.predictions import Claim, table
from experiments.significance import p_difference
from sim.numerics import SpecificationError
from sim.show.blocks import markdown
from sim.show.published import Published

WORLDS = 12
DICE = np.random.default_rng(5)
VALUES = {name: DICE.normal(size=WORLDS) for name in ("mean", "steady", "slack")} | {"slack": np.ones(WORLDS)}
ABOUT = {"claim": "", "runs": 12, "last_run": "2000-01-01", "published_on": "a processor", "results_version": ["5"]}


def measure(column: str):
    def cases(tables: Tables):
        own = tables["runs"].filter("valid").sort("seed")
        yield Case.exact("all worlds", own[column].to_numpy(), "nat")

    return cases


def prediction(name: str, kind: str = "sign", **rest) -> Prediction:
    return Prediction(
        f"T.{name}", "A statement.", kind, measure(name), "a sign", "A rule.", "a control", says="same", **rest
    )


@pytest.fixture(scope="module")
def claim(tmp_path_factory: pytest.TempPathFactory) -> Claim:
    file = tmp_path_factory.mktemp("claims") / "toy.py"
    file.write_text('"""A claim."""\n')
    wanted = (prediction("mean"), prediction("steady"), prediction("slack", "bound", value=0.0, margin=1e-9))
    return Claim("T", str(file), "A claim", "A sentence.", "A rule.", wanted, (), lambda study: {})


def tables(claim: Claim, values: dict[str, np.ndarray], prefix: str = "run", backwards: bool = False) -> Tables:
    size = len(values["mean"])
    runs = pl.DataFrame({"run": [f"{prefix}{at:02d}" for at in range(size)], "seed": range(size), **values})
    runs = runs.with_columns(valid=pl.lit(True))
    found = {"runs": runs.reverse() if backwards else runs}
    return {**found, "findings": table(claim, claim.judge(found), [claim.announced])}


def results(claim: Claim, own: Tables, there: Tables | None = None) -> dict[str, str]:
    found = compared(claim, there or tables(claim, VALUES), own)
    return {one.prediction.removeprefix("T."): one.result for one in found}


def test_equal_numbers_are_the_same_in_any_order(claim: Claim) -> None:
    assert results(claim, tables(claim, VALUES, backwards=True)) == {
        "mean": SAME,
        "steady": SAME,
        "slack": SAME_VERDICT,
    }


def test_the_digits_of_published_numbers_are_no_difference(claim: Claim) -> None:
    nearly = {name: values * (1 + 2.0**-17) for name, values in VALUES.items()}
    assert results(claim, tables(claim, nearly))["mean"] == SAME


@pytest.mark.parametrize("size", [1e-3, 0.1])
def test_rounding_that_has_no_direction_is_no_difference(claim: Claim, size: float) -> None:
    dice = np.random.default_rng(1)
    rounding = {name: values + (name != "slack") * size * dice.normal(size=WORLDS) for name, values in VALUES.items()}
    assert results(claim, tables(claim, rounding)) == {"mean": SAME, "steady": SAME, "slack": SAME_VERDICT}


@pytest.mark.parametrize("size", [1e-3, 0.1])
def test_a_planted_difference_in_the_same_runs_is_found(claim: Claim, size: float) -> None:
    """It is far below the spread between worlds, and three times the rounding."""
    dice = np.random.default_rng(1)
    planted = {**VALUES, "mean": VALUES["mean"] + size * (1 + dice.normal(size=WORLDS) / 3)}
    found = results(claim, tables(claim, planted))
    assert found["mean"] == "differs: the same runs give other numbers"
    assert found["steady"] == SAME


def test_other_worlds_are_two_samples(claim: Claim) -> None:
    other = {name: np.random.default_rng(9).normal(size=20) for name in VALUES} | {"slack": np.ones(20)}
    assert results(claim, tables(claim, other, "other")) == {"mean": NO_SIGN, "steady": NO_SIGN, "slack": SAME_VERDICT}
    moved = {**other, "mean": other["mean"] + 3}
    found = results(claim, tables(claim, moved, "other"))
    assert found["mean"] == "differs: more than worlds differ from each other"
    assert found["steady"] == NO_SIGN


def test_one_world_is_not_tested(claim: Claim) -> None:
    one = {name: values[:1] for name, values in VALUES.items()}
    assert results(claim, tables(claim, one, "other"))["mean"] == UNTESTED


def test_a_bound_is_compared_by_its_verdict(claim: Claim) -> None:
    broken = {**VALUES, "slack": VALUES["slack"] - 2}
    assert results(claim, tables(claim, broken))["slack"] == "differs: holds there, refuted here"


def test_what_only_one_side_has(claim: Claim) -> None:
    there, here = tables(claim, VALUES), tables(claim, VALUES)
    fewer = {**here, "findings": here["findings"].filter(pl.col("prediction") != "T.mean")}
    assert results(claim, fewer, there)["mean"] == ABSENT
    assert results(claim, there, fewer)["mean"] == NEW


def test_published_findings_of_other_predictions_are_compared_by_verdict(claim: Claim) -> None:
    there = tables(claim, VALUES)
    old = {**there, "findings": there["findings"].with_columns(digest=pl.lit("0" * 12))}
    assert set(results(claim, tables(claim, VALUES), old).values()) == {SAME_VERDICT}


def test_the_page_names_what_differs_first(claim: Claim) -> None:
    planted = tables(claim, {**VALUES, "mean": VALUES["mean"] + 1e-3})
    there = tables(claim, VALUES)
    found = compared(claim, there, planted)
    about = Published("toy", Path(), {**ABOUT, "claim": claim.announced})
    text = markdown(list(comparison.blocks(claim, found, about, there, planted)))
    assert "2 findings were tested. 1 differ: T.mean." in text
    assert text.index("T.mean") < text.index("T.steady")
    assert "Both sides made the same runs" in text
    assert "results version 5" in text
    other = tables(claim, VALUES, "other")
    text = markdown(
        list(comparison.blocks(claim, compared(claim, there, other), replace(about, about=ABOUT), there, other))
    )
    assert "None differs." in text
    assert "as two samples" in text
    assert "belong to the predictions" in text


def test_an_ordering_has_a_test_for_each_column() -> None:
    both = np.zeros((3, WORLDS)) + np.arange(3.0)[:, None]
    one = Case.exact("order", both + DICE.normal(size=both.shape))
    moved = one.lower.copy()
    moved[1] += 0.01
    assert comparison.p_paired(one, one) == 1.0
    assert comparison.p_paired(one, Case.exact("order", moved)) < 1e-6


def test_a_bounded_number_differs_only_if_both_ends_do() -> None:
    low = DICE.normal(size=WORLDS)
    wide, higher = Case("wide", low, low + 2), Case("higher", low + 1 + DICE.normal(size=WORLDS) / 9, low + 4)
    assert comparison.p_unpaired(wide, higher) == 1.0
    apart = Case("apart", low + 9 + DICE.normal(size=WORLDS) / 9, low + 12)
    assert comparison.p_unpaired(wide, apart) < 1e-6
    assert comparison.p_unpaired(wide, apart) == comparison.p_unpaired(apart, wide)
    assert comparison.p_paired(wide, Case("up", low + 1e-3, low + 2)) == 1.0


# -- Welch's test -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(2, 2), (5, 12), (12, 40)])
def test_the_p_value_of_a_difference_is_that_of_scipy(sizes: tuple[int, int]) -> None:
    for _ in range(20):
        x, y = (DICE.normal(DICE.normal(), DICE.choice([0.1, 3.0]), size) for size in sizes)
        assert p_difference(x, y) == pytest.approx(stats.ttest_ind(x, y, equal_var=False).pvalue, rel=1e-9)


def test_samples_without_spread_and_single_values() -> None:
    assert p_difference([1.0, 1.0], [1.0, 1.0]) == 1.0
    assert p_difference([1.0, 1.0], [2.0, 2.0]) == 0.0
    assert p_difference([1.0], [2.0, 2.0]) == p_difference([1.0, np.inf], [2.0, 2.0]) == 1.0


# -- single runs: the spread between machines -------------------------------------------------------------------------


def metrics(run: str, seed: int, kl: float, wide: float = 0.0) -> pl.DataFrame:
    """The numbers of a run: KL(P‖q) after the fine-tuning at two evaluations, and what is not compared."""
    rows = [
        {"phase": phase, "step": step, "view": view, "metric": metric, "of": "P||q", "at": at, "prompt_law": "P(x)",
         "lower": value - wide, "upper": value + wide, "exactness": "bounded" if wide else "exact"}
        for phase, step, view, metric, at, value in [
            ("sft", 0, "response", "kl", "", 0.01), ("sft", 9, "response", "kl", "", kl),
            ("sft", 9, "joint", "kl", "", 99.0), ("sft", 9, "response", "kl", "0.1", 99.0),
            ("sft", 9, "response", "hill_1", "", 99.0), ("edit", 9, "response", "kl", "", 99.0),
        ]
    ]  # fmt: skip
    return pl.DataFrame(rows).with_columns(run=pl.lit(run), seed=pl.lit(seed))


PLACES = [
    {"a": metrics("a", 0, 9.0), "b": metrics("b", 1, 11.0), "c": metrics("c", 2, 13.0)},
    {"a": metrics("a", 0, 9.2), "b": metrics("b", 1, 10.8), "d": metrics("d", 3, 50.0)},
]


def test_the_spread_is_pooled_over_the_runs_that_all_places_have() -> None:
    (row,) = machines.spread(PLACES).iter_rows(named=True)
    assert row["machine"] == pytest.approx(np.sqrt((np.var([9.0, 9.2], ddof=1) + np.var([11.0, 10.8], ddof=1)) / 2))
    assert (row["machine_freedom"], row["seed_freedom"]) == (2, 1)
    assert row["machine_most"] == pytest.approx(0.2)
    assert row["seed"] == pytest.approx(np.std([9.1, 10.9], ddof=1))
    assert row["value"] == pytest.approx(10.0)


def test_places_without_a_common_run_are_refused() -> None:
    for places in ([], PLACES[:1], [{"a": PLACES[0]["a"]}, {"b": PLACES[0]["b"]}]):
        with pytest.raises(SpecificationError, match="--beside: folders that hold the same runs are required, found"):
            machines.spread(places)


def test_the_tolerance_covers_the_difference_of_two_machines() -> None:
    """Simulated: of two numbers with the measured spread, no more than 5 % differ by more than the tolerance."""
    dice, outside, repeats = np.random.default_rng(3), 0, 2_000
    for _ in range(repeats):
        measured = dice.normal(0, 0.3, (3, 4))
        row = {"machine": float(np.sqrt(measured.var(axis=1, ddof=1).mean())), "machine_freedom": 9, "seed": 1.0}
        outside += abs(np.diff(dice.normal(0, 0.3, 2))[0]) > machines.tolerance(row, True, 1)
    assert 0.035 < outside / repeats < 0.065


@pytest.mark.parametrize(
    ("own", "run", "wanted"),
    [
        (9.0, "a", "the same"),
        (9.4, "a", "same up to rounding of machines"),
        (12.0, "a", "differs: by more than two machines do"),
        (9.9, "z", "another seed: no sign of a difference"),
        (99.0, "z", "differs: by more than machines and seeds do"),
    ],
)
def test_a_run_beside_the_published_one(own: float, run: str, wanted: str) -> None:
    there = {"metrics": metrics("a", 0, 9.0), "machines": machines.spread(PLACES)}
    (row,) = machines.compared(there, {"metrics": metrics(run, 0, own)}).iter_rows(named=True)
    assert row["result"] == wanted
    assert row["difference"] == pytest.approx(own - 9.0, abs=1e-12)


def test_without_a_measured_spread_nothing_is_said() -> None:
    assert machines.NOTHING.schema.keys() == machines.spread(PLACES).schema.keys()
    there = {"metrics": metrics("a", 0, 9.0)}
    (row,) = machines.compared(there, {"metrics": metrics("a", 0, 9.1)}).iter_rows(named=True)
    assert row["result"] == "no tolerance was measured"
