"""A metric that is written wrongly is refused in one line with its file, its name and what is wrong with it."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sim.config.discovery import Member
from sim.metrics import table
from sim.metrics.scene import Cell, Evaluation, Metric, of_language
from sim.metrics.table import chosen_metrics, metrics, rows
from sim.numerics import SpecificationError
from sim.quantity import Quantity
from tests.unit.figures.tiny_runs import run

FILE = Path(__file__)


class Written(Member):
    """A file of metrics that holds what a test says."""

    content: Any = None

    def load(self) -> Any:
        return SimpleNamespace(METRICS=self.content() if callable(self.content) else self.content)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Let METRICS of this file be the only ones."""

    def declare(content: Any) -> None:
        monkeypatch.setattr(Written, "content", staticmethod(content) if callable(content) else content)
        monkeypatch.setattr(table, "members", lambda _: {"gini": Written("metric", "gini", __name__, FILE)})

    return declare


def measured(*cells: object) -> Callable[[Evaluation], Iterator[Cell]]:
    return lambda evaluation: (cell for cell in cells)  # type: ignore[misc]


def nan(evaluation: Evaluation) -> Iterator[Cell]:
    yield Cell("q", Quantity.of(float("nan")))


def of_a_model(evaluation: Evaluation) -> Iterator[Cell]:
    yield Cell("q", Quantity.of(float(evaluation.q.log_q[0])))


def gini(**changed: Any) -> Metric:
    """A metric as a program without run-time types would make it; the tests have such types."""
    one = Metric("gini", "G", "1", "chance that two answers differ", nan)
    for name, value in changed.items():
        object.__setattr__(one, name, value)
    one.__post_init__()
    return one


def plain_cell() -> Cell:
    cell = Cell("q", Quantity.of(0.5))
    object.__setattr__(cell, "number", 0.5)
    return cell


# -- what is declared -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([nan], "'nan'"),
        ([gini(), "gini"], "'gini'"),
        ({"gini": gini()}, r"\{'gini': .*"),
        (5, "5"),
    ],
    ids=["function", "text", "mapping", "number"],
)
def test_a_list_that_holds_something_else_is_refused_with_its_file(written, content, found):
    written(content if not callable(content) else [content])
    with pytest.raises(
        SpecificationError, match=rf"^{FILE}: METRICS: a list of Metric objects is required, found {found}"
    ):
        metrics()


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"name": "Gini index"}, "metric 'Gini index': a name in lower-case letters, digits and _ is required"),
        ({"name": None}, "metric None: a name in lower-case letters, digits and _ is required"),
        ({"symbol": 3}, "metric gini: symbol: text is required, found 3"),
        ({"measure": "gini"}, "metric gini: measure: a function of an Evaluation is required, found 'gini'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_metric_that_is_made_wrongly_is_refused_with_its_file(written, changed, line):
    with pytest.raises(SpecificationError, match=f"^{re.escape(line)}"):
        gini(**changed)
    written(lambda: [gini(**changed)])
    with pytest.raises(SpecificationError, match=f"^{re.escape(f'{FILE}: {line}')}"):
        metrics()


def test_a_second_metric_of_a_name_is_refused(written):
    written([gini(), gini()])
    with pytest.raises(SpecificationError, match=rf"^{FILE}: a new name is required .* found a second 'gini'"):
        metrics()


def test_a_wrong_name_is_refused_with_the_nearest_one_and_without_a_list_of_all():
    with pytest.raises(SpecificationError) as refused:
        chosen_metrics(("entropi",), "here: needs")
    said = "here: needs: the name of a metric is required, found 'entropi' (did you mean 'entropy'?)"
    assert str(refused.value) == f"{said}; python -m sim.rows --help lists them"


# -- what is measured -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measure", "found"),
    [
        (nan, r"ValueError: quantity: lower <= upper is required, found \[nan, nan\] \(line \d+, step 0 of truth\)"),
        (of_a_model, r"KeyError: 'q' \(line \d+, step 0 of truth\)"),
        (measured(0.5), r"TypeError: cells with a Quantity are required, found 0.5 \(step 0 of truth\)"),
        (measured(plain_cell()), r"TypeError: cells with a Quantity are required, found Cell\(of='q', number=0.5"),
        (lambda _: None, r"TypeError: 'NoneType' object is not iterable"),
        (
            of_language("gini", "G", "1", "x", lambda scored, law: 0.5).measure,
            "TypeError: metric gini: a Quantity or exact=True is required, found a plain number without either",
        ),
    ],
    ids=["nan", "only of a model", "a number", "a plain cell", "nothing", "not declared exact"],
)  # fmt: skip
def test_what_goes_wrong_in_a_metric_is_one_line_with_its_file_and_its_name(written, measure, found):
    written([gini(measure=measure)])
    with pytest.raises(
        SpecificationError, match=rf"^{FILE}: metric gini: numbers are required, found {found}"
    ) as refused:
        rows(run())
    assert "\n" not in str(refused.value)
    assert refused.value.__cause__ is not None, "so a traceback shows where"


def test_a_metric_without_a_mistake_is_measured(written):
    written([gini(measure=measured(Cell("q", Quantity.of(0.5))))])
    assert {row["value"] for row in rows(run())} == {0.5}
