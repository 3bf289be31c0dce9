"""Where a number of the page comes from: published findings and tables, formulas, or the reference of the atlas."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import polars as pl

from experiments.findings import formulas
from experiments.statistics import interval
from sim.config import members
from sim.numerics import SpecificationError, nearest
from sim.show.published import MANIFEST, known, published

ATLAS = Path(__file__).parents[1] / "reference"
"""The folder with the reference of the atlas: `atlas/published.json` and `atlas/tables/`."""

PLACES = "places"
"""Its table: a row for each method, strength, world (`seed`) and level, with all numbers."""

METHOD = ("method", "strength")
"""Columns of the reference that say which method it is. A level "end" is the end of the training, where it is null."""

Cell: TypeAlias = Mapping[str, str | float]
"""Columns and the values that they must have, such as {arm = "FINCH"}."""

Says: TypeAlias = Literal["above", "below", "within", ""]
"""What the statement says of a number: that it lies above or below `than`, or within `margin` of it; "" is nothing."""


@dataclass(frozen=True)
class Number:
    """A number that was found, with the ends of its interval; kind: how it is known; source: where it is from."""

    value: float
    lower: float
    upper: float
    unit: str
    kind: str
    source: str


@dataclass(frozen=True)
class Source:
    """Where a number comes from, and what the statement says of it. Exactly one of four is given.

    prediction, case: a published finding; table: `claim/table`, the mean over worlds of `column` where the columns have
    the values `where`, less that where they have the values `less`; formula: a function of `formulas.py`; atlas: as a
    table, of the reference of the atlas. label: what the number is; unit: "nat", or "1" for none.
    """

    label: str
    prediction: str = ""
    case: str = ""
    table: str = ""
    formula: str = ""
    atlas: bool = False
    column: str = ""
    where: Cell = field(default_factory=dict, hash=False)
    less: Cell = field(default_factory=dict, hash=False)
    unit: str = "1"
    says: Says = ""
    than: float = 0.0
    margin: float = 0.0


def number(source: Source) -> Number | None:
    """Return the number, or None if the tables in which it will be do not exist yet.

    Raises SpecificationError if they exist and do not have it.
    """
    ways = [bool(one) for one in (source.prediction, source.table, source.formula, source.atlas)]
    if sum(ways) != 1:
        raise SpecificationError(
            f"{source.label}: one of prediction, table, formula, atlas is required, found {sum(ways)}"
        )
    if source.prediction:
        return _finding(source)
    if source.table:
        return _mean(source)
    return _formula(source) if source.formula else _atlas(source)


@functools.cache
def _finding(source: Source) -> Number | None:
    name = _claim(source.prediction)
    if name not in known():
        return None
    rows = _read(name, "findings").filter(prediction=source.prediction, case=source.case).to_dicts()
    if len(rows) != 1:
        cases = _read(name, "findings").filter(prediction=source.prediction)["case"].to_list()
        raise SpecificationError(
            f"{source.label}: one of the published cases {', '.join(cases)} of {source.prediction} is required, found "
            f"{source.case!r}{nearest(source.case, cases)}"
        )
    (row,) = rows
    kind = f"mean over {row['num_seeds']} worlds" if row["num_seeds"] else row["exactness"]
    return Number(row["measured"], row["lower"], row["upper"], row["unit"], kind, source.prediction)


@functools.cache
def _mean(source: Source) -> Number | None:
    name, _, table = source.table.partition("/")
    if name not in known():
        return None
    frame = _read(name, table)
    found = _by_seed(source, frame, source.where)
    if source.less:
        found = found.join(_by_seed(source, frame, source.less), on="seed", suffix="_less")
        found = found.with_columns(pl.col("value") - pl.col("value_less"))
    return _over_worlds(source, found, f"table {source.table}")


def _over_worlds(source: Source, found: pl.DataFrame, where: str) -> Number:
    """The mean of the column `value`, one for each world, with its interval."""
    values = found.sort("seed")["value"].to_numpy()
    said = interval(values)
    kind = f"mean over {len(values)} worlds"
    return Number(float(np.mean(values)), said.lower, said.upper, source.unit, kind, where)


def _by_seed(source: Source, frame: pl.DataFrame, where: Cell) -> pl.DataFrame:
    """One value for each world: the mean over the rows that have the values of `where`."""
    missing = {source.column, *where} - set(frame.columns)
    if missing:
        raise SpecificationError(f"{source.label}: the columns {', '.join(sorted(missing))} are required")
    rows = frame.filter(*(pl.col(column) == value for column, value in where.items())).drop_nulls(source.column)
    if not rows.height:
        raise SpecificationError(f"{source.label}: rows with {dict(where)} are required, found none")
    return rows.group_by("seed").agg(pl.col(source.column).cast(pl.Float64).mean().alias("value"))


@functools.cache
def _formula(source: Source) -> Number:
    if source.formula not in formulas.FORMULAS:
        names = sorted(formulas.FORMULAS)
        raise SpecificationError(
            f"{source.label}: one of {', '.join(names)} is required, found {source.formula!r}"
            f"{nearest(source.formula, names)}"
        )
    function, kind = formulas.FORMULAS[source.formula]
    value = function()
    return Number(value, value, value, source.unit, kind, source.formula)


def _atlas(source: Source) -> Number | None:
    """The mean over the worlds of the reference; None without a reference, or if a method never gets to a fit."""
    if not (ATLAS / "atlas" / MANIFEST).is_file():
        return None
    frame = pl.read_parquet(published("atlas", ATLAS).file(PLACES))
    pairs = [_cells(source, frame, where) for where in (source.where, source.less) if where]
    if not all(pair.height for pair in pairs):
        return None
    found = pairs[0] if len(pairs) == 1 else pairs[0].join(pairs[1], on="seed", suffix="_less")
    if len(pairs) == 2:
        found = found.with_columns(pl.col("value") - pl.col("value_less"))
    return _over_worlds(source, found, "reference of the atlas")


def _cells(source: Source, frame: pl.DataFrame, where: Cell) -> pl.DataFrame:
    """One value for each world in which the method gets to the level; the level "end" is null in the reference."""
    own = frame.filter(*(pl.col(key) == where[key] for key in METHOD))
    if own.is_empty():
        known = frame.filter(method=where["method"])["strength"].unique().sort().to_list()
        raise SpecificationError(
            f"{source.label}: a method and a strength of the reference of the atlas are required, found "
            f"{where['method']!r}, {where['strength']!r}; strengths of this method: {known}"
        )
    level = pl.col("level").is_null() if where["level"] == "end" else pl.col("level") == where["level"]
    if source.column not in own.columns:
        raise SpecificationError(f"{source.label}: the columns {source.column} are required")
    return own.filter(level).select("seed", value=pl.col(source.column).cast(pl.Float64)).drop_nulls()


@functools.cache
def _claim(prediction: str) -> str:
    """The name of the claim of a prediction: "C2.8e" is of c2_support, and "M.1" would be of m_methods."""
    start = prediction.partition(".")[0].lower() + "_"
    names = [name for name in members("experiment") if name.startswith(start) and name in known()]
    return names[0] if len(names) == 1 else start


@functools.cache
def _read(name: str, table: str) -> pl.DataFrame:
    """A published table, whose SHA-256 was compared."""
    return pl.read_parquet(published(name).file(table))
