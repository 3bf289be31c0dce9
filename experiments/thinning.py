"""Tables without the rows that nothing reads: between the first and the last evaluation of a phase, in some parts.

A figure often draws the path of one kind of runs, and predictions read both ends of all of them. Rows are left out only
if all numbers of all predictions stay as they are, bit by bit, and all figures draw the same.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from experiments.predictions import Tables

FEWEST = 1500
"""Smaller tables are left as they are [rows]."""

KINDS = ("phase", "targets", "part", "restriction", "words", "use", "size")
"""Columns that tell kinds of rows apart, in the order in which they are tried."""


def without_unread_rows(tables: Tables, read: Callable[[str, Tables], Any]) -> Tables:
    """Return the tables without rows between the ends that nothing reads.

    read: what everybody reads of some tables who reads the table of a name, with all that figures draw; it returns None
    if they cannot be read.
    """
    found = dict(tables)
    for name, one in tables.items():
        if one.height < FEWEST or not {"run", "step"} <= set(one.columns):
            continue
        before = read(name, found)
        for condition in _conditions(one):
            thin = found[name].filter(~(condition & _between(found[name])))
            trial = {**found, name: thin}
            if before is not None and thin.height < found[name].height and read(name, trial) == before:
                found = trial
    return found


def _conditions(one: pl.DataFrame) -> Sequence[pl.Expr]:
    kinds = [kind for kind in KINDS if kind in one.columns and one[kind].dtype == pl.String]
    return [pl.lit(True)] + [pl.col(kind).eq(value) for kind in kinds for value in one[kind].unique().sort()]


def _between(one: pl.DataFrame) -> pl.Expr:
    """Return which rows are neither at the first nor at the last step of their run and phase."""
    groups = [name for name in ("run", "phase") if name in one.columns]
    step = pl.col("step")
    return (step > step.min().over(groups)) & (step < step.max().over(groups))


def shapes(drawn: Any) -> list[tuple[str, bytes]]:
    """Return all that a figure of matplotlib draws, number by number: lines, areas, points, bars and images."""
    found = []
    for artist in drawn.findobj():
        parts = [
            getattr(artist, name)() for name in ("get_xydata", "get_offsets", "get_array") if hasattr(artist, name)
        ]
        paths = artist.get_paths() if hasattr(artist, "get_paths") else []
        if hasattr(artist, "get_patch_transform"):  # the path of a bar is a unit square
            paths = [artist.get_patch_transform().transform_path(artist.get_path())]
        parts += [path.vertices for path in paths]
        found += [(type(artist).__name__, np.asarray(part).tobytes()) for part in parts if part is not None]
    return found
