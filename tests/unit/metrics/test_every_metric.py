"""Laws of every metric that there is: it has rows, in its unit, and its numbers are exact only where it says so."""

import dataclasses
import math

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from sim.metrics.frames import metrics_help
from sim.metrics.scene import TRUTH, Cell, Metric, World, of_language, of_model
from sim.metrics.scored import Scored
from sim.metrics.table import Row, metrics, rows
from sim.quantity import Quantity
from tests.unit.metrics.oracle_worlds import MAKERS, made

METRICS = metrics()
UNITS = {"nat", "1", "strings", "symbols", "tokens", "see the restriction", "see docs"}
BOUNDED = {"entropy", "hill_1", "hill_2", "hill_inf", "epsilon_support", "nucleus", "waterfall_learning"}
"""What mass off the support leaves uncertain; every other metric is exact for any model."""


@pytest.fixture(scope="module")
def tables() -> dict[str, list[Row]]:
    return {name: rows(made(name).record) for name in MAKERS}


def of(tables: dict[str, list[Row]], metric: Metric) -> list[Row]:
    return [row for table in tables.values() for row in table if row["metric"] == metric.name]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_has_rows_in_its_unit(metric: Metric, tables: dict[str, list[Row]]) -> None:
    own = of(tables, metric)
    assert own, "a world that has such numbers belongs to oracle_worlds"
    assert {row["unit"] for row in own} == {metric.unit}
    assert metric.unit in UNITS
    (line,) = (line for line in metrics_help().splitlines() if line.split()[0] == metric.name)
    assert line.endswith(f"  {metric.description}")
    assert f"  {metric.unit}  " in line


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_number_is_exact_or_lies_between_two_bounds(metric: Metric, tables: dict[str, list[Row]]) -> None:
    own = of(tables, metric)
    for row in own:
        assert not math.isnan(row["lower"]), row
        if row["exactness"] == "exact":
            assert row["value"] == row["lower"] == row["upper"], row
        else:
            assert row["exactness"] == "bounded", row
            assert row["value"] is None, row
            assert row["lower"] < row["upper"], row
    kinds = {row["exactness"] for row in own}
    assert ("bounded" in kinds) == (metric.name in BOUNDED)
    assert {row["exactness"] for row in own if row["phase"] == TRUTH} <= {"exact"}


def test_no_number_is_there_twice(tables: dict[str, list[Row]]) -> None:
    names = ("phase", "step", "view", "metric", "of", "at", "prompt_law")
    for table in tables.values():
        keys = [tuple(row[name] for name in names) for row in table]
        assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", MAKERS)
def test_the_joint_view_names_no_prompt_law(name: str, tables: dict[str, list[Row]]) -> None:
    """The laws of the other one are among four."""
    joint, response = ([row for row in tables[name] if row["view"] == view] for view in ("joint", "response"))
    assert {row["prompt_law"] for row in joint} == {""}
    assert {row["prompt_law"] for row in response} <= {"", "P(x)", "S(x)", "P(x | S(x) = 0)", "P_B(x)"}


def test_without_prompts_both_views_have_the_same_numbers(tables: dict[str, list[Row]]) -> None:
    """The response view averages over one empty prompt; only the joint one has the length of whole documents."""
    names = ("phase", "step", "metric", "of", "at")
    response, joint = (
        {
            tuple(row[name] for name in names): (row["lower"], row["upper"])
            for row in tables["no prompts"]
            if row["view"] == view
        }
        for view in ("response", "joint")
    )
    alone = {key for key in joint if key[2] == "expected_length"}
    assert joint.keys() - alone == response.keys()
    for key, ends in response.items():
        np.testing.assert_allclose(ends, joint[key], rtol=1e-12, atol=1e-13, err_msg=str(key))


# -- exactness is a claim ---------------------------------------------------------------------------------------------


def plain(*_: object) -> float:
    return 0.5


@pytest.mark.parametrize("kind", [of_language, of_model])
def test_a_plain_number_is_not_exact_unless_its_metric_says_so(kind: object) -> None:
    truth = World(made("prompts").record, "response").truth
    model = next(World(made("prompts").record, "response").evaluations("sft"))
    evaluation = truth if kind is of_language else model
    silent, said = (kind("half", "½", "1", "a half", plain, **chosen) for chosen in ({}, {"exact": True}))
    with pytest.raises(TypeError, match="metric half: a Quantity or exact=True is required"):
        list(silent.measure(evaluation))
    assert {cell.number for cell in said.measure(evaluation)} == {Quantity.of(0.5)}


@pytest.mark.parametrize("kind", [of_language, of_model])
def test_a_bounded_number_stays_bounded_whatever_its_metric_says(kind: object) -> None:
    def bounded(first: World | Scored, second: Scored | np.ndarray) -> Quantity:
        return Quantity(0.25, 0.75)

    evaluation = next(World(made("prompts").record, "response").evaluations("sft"))
    cells = list(kind("half", "½", "1", "a half", bounded, exact=True).measure(evaluation))
    assert cells
    assert {cell.number.kind for cell in cells} == {"bounded"}


def test_a_cell_takes_no_plain_number() -> None:
    assert dataclasses.fields(Cell)[1].type is Quantity
    with pytest.raises(TypeCheckError):
        Cell("q", 0.5)  # type: ignore[arg-type]
