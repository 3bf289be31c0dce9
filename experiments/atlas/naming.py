"""What the runs of an atlas are called: the method, which is a part of the study, its strength, and its unit."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from sim.config import GROUPS, members
from sim.numerics import SpecificationError

NO_STRENGTH = ("run", "name", "valid", "claim", "part", *GROUPS)
"""Columns of the table of runs that are no leaves of the configuration."""

UNITS = {
    "coverage": "answer", "dpo": "answer", "jensen_shannon": "answer", "mixce": "answer", "mixed_kl": "answer",
    "policy_gradient": "answer", "reverse_kl": "answer", "reverse_kl_to_start": "answer", "annotation": "token",
    "dft": "token", "focal": "token", "gem": "token", "label_smoothing": "token", "rejection": "both",
    "replay": "both", "self_replay": "both", "sft": "both",
}  # fmt: skip
"""Whether the loss of an objective is about whole answers, about next-token laws, or has one optimum for both (T1).

An objective that has both forms says which in its argument `level`, and any other one in its own file: UNIT. This list
is for files that do not, since an edit of them would make their finished runs look outdated.
"""


def unit(run: Mapping[str, Any]) -> str:
    """Return the unit of the loss of a run: answer, token, both; "" if nobody said."""
    level = {"string": "answer", "token": "token"}.get(str(run.get("objective.level")))
    kind = str(run.get("objective.kind"))
    file = members("objective").get(kind)
    return level or (getattr(file.load(), "UNIT", "") if file else "") or UNITS.get(kind, "")


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
