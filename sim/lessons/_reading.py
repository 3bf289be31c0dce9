"""Short ways to what is measured in a run, and to the published tables and figures of a claim."""

import textwrap
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import polars as pl

from sim.config import members
from sim.interface.drawn import drawn
from sim.interface.result import Result
from sim.numerics import SpecificationError, nearest
from sim.quantity import Quantity
from sim.show import published as tables_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("step", "lower", "upper")

WIDTH = 110
"""The longest line of a caption [letters]."""


def path(result: Result, metric: str, of: str, law: str = "P(x)", phase: str = "sft", at: str = "") -> pl.DataFrame:
    """Return one quantity of a model at every evaluation of a phase: the columns step, lower and upper.

    metric, of, law, phase and at are the columns of `result.table()`; answers are given their prompts, and averaged
    over the law of prompts. An exact number has lower = upper; a bounded one lies between them. For `phase="truth"`
    the one row has no step. Raises SpecificationError if nothing of this kind was measured.
    """
    wanted = {"phase": phase, "metric": metric, "of": of, "prompt_law": law, "at": at}
    measured = result.table().filter(view="response")
    found = measured.filter(**wanted)
    if found.is_empty():
        raise SpecificationError(nothing(measured, wanted))
    return found.sort("step").select(COLUMNS)


def nothing(measured: pl.DataFrame, wanted: Mapping[str, str]) -> str:
    """Return one line about the first column in which what is wanted was not measured, given the columns before."""
    for column, value in wanted.items():
        values = measured[column].unique().sort().to_list()
        if value not in values:
            break
        measured = measured.filter(pl.col(column) == value)
    shown = ", ".join(map(repr, values[:12])) + (", ..." if len(values) > 12 else "")
    return f"{column}: one of {shown} is required here, found {value!r:.60}{nearest(str(value), values)}"


def last(result: Result, metric: str, of: str, law: str = "P(x)", phase: str = "sft", at: str = "") -> Quantity:
    """Return one quantity at the last evaluation of a phase, exact or between bounds; arguments as of `path`."""
    _, lower, upper = path(result, metric, of, law, phase, at).row(-1)
    return Quantity(lower, upper)


def published(claim: str) -> Mapping[str, pl.DataFrame]:
    """Return the published tables of a claim by name, such as `published("c1_entropy")["runs"]`.

    The SHA-256 of each table is compared first. Raises SpecificationError if a table is damaged or if there are none.
    """
    found = tables_of.published(claim)
    return MappingProxyType({name: pl.read_parquet(found.file(name)) for name in found.tables})


def picture(claim: str, name: str) -> "Figure":
    """Draw a figure of a claim from its published tables, such as `picture("c1_entropy", "subsets")`.

    Its caption is printed, because it says what is drawn, and what is exact, bounded or estimated. Raises
    SpecificationError if there is no such figure or if its tables are not published.
    """
    tables: Mapping[str, Any] = published(claim)
    figure = drawn(claim, name, tables, f"the published tables of {claim}")
    print(textwrap.fill(members("figure")[f"{claim}/{name}"].load().caption(tables), WIDTH))
    return figure
