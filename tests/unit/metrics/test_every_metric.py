"""Laws of every metric that there is: it has rows, in its unit, and its numbers are exact only where it says so.

A metric is found and tested without an entry here. One that reads arrays of a probe has rows only where the probe ran:
the worlds of this file have the arrays of `tangent`, and tests/laws/test_run_laws.py runs all probes.
"""

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from sim.disk.records import Record
from sim.metrics.frames import metrics_help
from sim.metrics.scene import TRUTH, Cell, Evaluation, Metric, World, of_language, of_model
from sim.metrics.scored import Scored
from sim.metrics.table import Row, metrics, rows
from sim.quantity import Quantity
from tests.unit.metrics.metric_laws import check, sought
from tests.unit.metrics.oracle_worlds import MAKERS, made

METRICS = metrics()
every_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
BOUNDED = {"entropy", "hill_1", "hill_2", "hill_inf", "epsilon_support", "nucleus", "waterfall_learning"}
"""What mass off the support certainly leaves uncertain. Other metrics may be bounded too, but only where it does."""


ROUNDED = {"largest_fit_kl", "squared_path", "excursion"}
"""What was summed in float32, so that rounding is bounded."""


@pytest.fixture(scope="module")
def tables() -> dict[str, list[Row]]:
    return {name: rows(made(name).record) for name in MAKERS}


def of(tables: Mapping[str, list[Row]], metric: Metric) -> list[Row]:
    return [row for table in tables.values() for row in table if row["metric"] == metric.name]


def has_rows(metric: Metric, own: list[Row]) -> bool:
    """Whether a metric has rows. If not, it must have asked for arrays that no world has, else it fails."""
    if own:
        return True
    asked = set().union(*(sought(metric, made(name).record) for name in MAKERS))
    assert asked, f"{metric.name} has no number in any world, and it asks for no array of a probe"
    return False


@every_metric
def test_a_metric_has_rows_in_its_unit(metric: Metric, tables: dict[str, list[Row]]) -> None:
    (line,) = (line for line in metrics_help().splitlines() if line.split()[0] == metric.name)
    assert line.endswith(f"  {metric.description}")
    assert f"  {metric.unit}  " in line
    if not has_rows(metric, of(tables, metric)):
        pytest.skip("no world has the arrays that it reads")
    check(metric, of(tables, metric))


@every_metric
def test_a_number_is_bounded_only_where_mass_lies_off_the_support(metric: Metric, tables: dict[str, list[Row]]) -> None:
    """Languages have no such mass, so their numbers are exact."""
    for name, table in tables.items():
        leaking = leaks(made(name).record)
        for row in table:
            if row["metric"] == metric.name and row["exactness"] == "bounded" and metric.name not in ROUNDED:
                assert row["phase"] != TRUTH, row
                assert leaking[row["phase"]], row


def leaks(record: Record) -> dict[str, bool]:
    """Whether the model of a phase has mass off the support, at any evaluation of the phase."""
    return {phase: bool((one.arrays["leak"] > 0.0).any()) for phase, one in record.phases.items()}


def test_what_is_uncertain_off_the_support_is_bounded_there(tables: dict[str, list[Row]]) -> None:
    """Else a metric could take the mass off the support for a single string and call its number exact."""
    found = {row["metric"] for table in tables.values() for row in table if row["exactness"] == "bounded"}
    assert found >= BOUNDED


def test_without_mass_off_the_support_every_number_is_exact() -> None:
    found = [row for row in rows(without_leaks(made("prompts").record)) if row["exactness"] == "bounded"]
    assert {row["metric"] for row in found} == ROUNDED


def without_leaks(record: Record) -> Record:
    """The record with models that stay on the support: at every node the legal tokens are renormalised."""
    node, phases = record.p.trie.edge_node, {}
    for phase, one in record.phases.items():
        arrays = {
            name: np.zeros_like(values) if name.startswith("leak") else values
            for name, values in one.arrays.items()
            if not name.startswith("decoded_")  # what a rule makes of a model that leaks
        }
        kept = np.array([np.bincount(node, np.exp(log_q), record.p.trie.num_nodes) for log_q in arrays["edge_log_q"]])
        assert (kept > 0.0).all()
        arrays["edge_log_q"] = arrays["edge_log_q"] - np.log(kept)[:, node]
        phases[phase] = dataclasses.replace(one, arrays=arrays)
    return dataclasses.replace(record, phases=phases)


# -- the laws can fail ------------------------------------------------------------------------------------------------


def measuring(cells: list[Cell], name: str = "") -> Metric:
    """A metric with these cells at every evaluation, if an array with this name was recorded."""

    def measure(evaluation: Evaluation) -> Iterator[Cell]:
        if not name or name in evaluation.arrays:
            yield from cells

    return Metric("toy", "t", "1", "a toy", measure)


def test_a_metric_without_rows_fails_unless_it_reads_a_probe() -> None:
    with pytest.raises(AssertionError, match="toy has no number in any world"):
        has_rows(measuring([]), [])
    with pytest.raises(AssertionError, match="toy has no number in any world"):
        has_rows(measuring([], "tangent_velocity"), [])  # its worlds are here, and it yields nothing in them
    assert not has_rows(measuring([Cell("q", Quantity.of(1.0))], "of_another_probe"), [])
    assert sought(measuring([], "of_another_probe"), made("prompts").record) == {"of_another_probe"}


@pytest.mark.parametrize(
    "wrong",
    [{"unit": "nat"}, {"lower": math.nan}, {"upper": 0.75}, {"exactness": "bounded"}, {"exactness": "estimated"}],
    ids=str,
)
def test_a_wrong_row_is_found(wrong: dict[str, object]) -> None:
    right = {"unit": "1", "lower": 0.5, "upper": 0.5, "value": 0.5, "exactness": "exact"}
    check(measuring([]), [right])
    with pytest.raises(AssertionError):
        check(measuring([]), [right | wrong])


# -- keys -------------------------------------------------------------------------------------------------------------


def test_no_number_is_there_twice(tables: dict[str, list[Row]]) -> None:
    names = ("phase", "step", "view", "metric", "of", "at", "prompt_law")
    for table in tables.values():
        keys = [tuple(row[name] for name in names) for row in table]
        assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", MAKERS)
def test_the_joint_view_names_no_prompt_law(name: str, tables: dict[str, list[Row]]) -> None:
    """The laws of the other one are named as functions of the prompt x."""
    joint, response = ([row for row in tables[name] if row["view"] == view] for view in ("joint", "response"))
    assert {row["prompt_law"] for row in joint} == {""}
    laws = {row["prompt_law"] for row in response} - {""}
    assert laws >= {"P(x)", "S(x)"}
    assert all(re.fullmatch(r"\S+\(x( \| .*)?\)", law) for law in laws), laws


def test_without_prompts_both_views_have_the_same_numbers(tables: dict[str, list[Row]]) -> None:
    """The response view averages over one empty prompt. A metric of whole documents alone has rows in one view only."""
    names = ("phase", "step", "metric", "of", "at")
    response, joint = (
        {
            tuple(row[name] for name in names): (row["lower"], row["upper"])
            for row in tables["no prompts"]
            if row["view"] == view
        }
        for view in ("response", "joint")
    )
    both = {key[2] for key in joint} & {key[2] for key in response}
    assert {key for key in joint if key[2] in both} == {key for key in response if key[2] in both}
    assert "expected_length" not in both
    assert len(both) > 20
    for key, ends in response.items():
        if key[2] not in both:
            continue
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
