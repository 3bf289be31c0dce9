"""What the runs of an atlas are called: the method, which is a part of the study, its strength, and its unit."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from sim.config import GROUPS, members
from sim.numerics import SpecificationError

NO_STRENGTH = ("run", "name", "valid", "claim", "part", *GROUPS)
"""Columns of the table of runs that are no leaves of the configuration."""

PLAIN = "sft"
"""Cross-entropy on S. It has one optimum for whole answers and for tokens (T1); any other objective says its unit."""


def unit(run: Mapping[str, Any]) -> str:
    """Return what the loss of a run is about: answer, token, both; "" if nobody said.

    An objective that has both forms says which in its argument `level`, and any other one in its own file: UNIT.
    """
    level = {"string": "answer", "token": "token"}.get(str(run.get("objective.level")))
    file = members("objective").get(str(run.get("objective.kind")))
    if level or file is None:
        return level or ""
    return "both" if file.name == PLAIN else str(getattr(file.load(), "UNIT", ""))


def named(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the runs with their method, which is the part of the study, its strength in words, and its unit.

    The strength of a run is what differs from the other runs of its method in the same world. Raises SpecificationError
    if two runs of a world cannot be told apart.
    """
    rows = []
    where = [name for name in ("grammar.kind", "seed") if name in runs.columns]
    for keys, own in runs.group_by("part", *where[:-1], maintain_order=True):
        leaves = [name for name in own.columns if name not in (*NO_STRENGTH, *where)]
        numbers = own.group_by("seed").agg(pl.col(one).n_unique() for one in leaves)
        varying = [one for one in leaves if (numbers[one] > 1).any()]
        for row in own.iter_rows(named=True):
            said = ", ".join(f"{one.rpartition('.')[2]} {_short(row[one])}" for one in varying)
            place = "/".join(str(row[one]) for one in where)
            of = {"run": row["run"], "seed": row["seed"], "method": keys[0], "strength": said, "unit": unit(row)}
            rows.append(of | {"place": place})
    found = pl.DataFrame(rows)
    twice = found.filter(found.select("place", "method", "strength").is_duplicated())
    if twice.height:
        raise SpecificationError(
            f"atlas: runs of a method that differ within a world are required, found {', '.join(twice['run'][:2])} of "
            f"{twice['method'][0]} that do not; move one of them to another folder"
        )
    return runs.select("run", "valid").join(found.drop("place"), on="run", maintain_order="left")


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
