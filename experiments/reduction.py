"""Smaller tables that say the same: without what nothing reads, in a fixed order, with as few digits as suffice.

What is published of a claim gives the findings that were judged and the captions of its figures, word for word as
people read them. Every step is checked: a column is left out only if all numbers of all predictions stay as they are,
and numbers keep more digits until every finding and every caption reads as before.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from experiments.board import lines
from experiments.predictions import Claim, Prediction, Tables, table
from sim.numerics import SpecificationError

BITS = (16, 24, 53)
"""Significant bits of published numbers: five digits (a relative error of at most 2^-17), seven, or all of float64."""

ALWAYS = ("run", "valid")
"""Columns of the table `runs` that are always kept: they say which runs there were, and which of them count."""


class Watched(dict[str, pl.DataFrame]):
    """Tables that remember which of them were asked for."""

    def __init__(self, tables: Mapping[str, pl.DataFrame]) -> None:
        super().__init__(tables)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> pl.DataFrame:
        self.asked.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a table, or the default."""
        self.asked.add(name)
        return super().get(name, default)


@dataclass(frozen=True)
class Reader:
    """A prediction or a figure: the tables that it reads, and what people read of them there.

    words: the words of its source, if it has to be searched for the names of columns.
    """

    name: str
    tables: frozenset[str]
    read: Callable[[Tables], Any]
    words: frozenset[str] = frozenset()


def ordered(tables: Mapping[str, pl.DataFrame]) -> Tables:
    """Return the tables with the rows of each run together, in the order of their hashes.

    Runs are finished in another order on another machine, and numbers of worlds would lie in another order too.
    """
    return {name: one.sort("run", maintain_order=True) if "run" in one.columns else one for name, one in tables.items()}


def reduced(claim: Claim, tables: Mapping[str, pl.DataFrame], figures: Sequence[Reader] = ()) -> Tables:
    """Return the tables of a claim as they are published. Raises SpecificationError if they would not say the same."""
    given = dict(tables)
    readers = [*(prediction(claim, one, given) for one in claim.predictions), *figures]
    wanted = {"runs"}.union(*(one.tables for one in readers))
    kept = ordered({name: one for name, one in given.items() if name in wanted})
    return with_digits(without_unread(claim, kept, readers), {one.name: one.read(given) for one in readers}, readers)


def prediction(claim: Claim, one: Prediction, tables: Tables) -> Reader:
    """Return a prediction as a reader. What people read are the lines of its findings on the board."""
    asked = Watched(tables)
    list(one.measure(asked))
    return Reader(
        one.identifier, frozenset(asked.asked), lambda found: tuple(lines(table(claim, one.judge(found), [])))
    )


def without_unread(claim: Claim, tables: Tables, readers: Sequence[Reader]) -> Tables:
    """Return the tables without the columns that no prediction and no figure reads.

    If a figure reads a table, a column stays if the sources of the figures have its name as a word. Any other column
    is left out if all numbers of all predictions are the same without it.
    """
    words = frozenset[str]().union(*(one.words for one in readers))
    drawn = {name for one in readers if one.words for name in one.tables}
    found = dict(tables)
    for name, one in tables.items():
        own = {reader.name for reader in readers if name in reader.tables}
        asking = [each for each in claim.predictions if each.identifier in own]
        before = measured(asking, found)
        for column in one.columns:
            if column == "run" or (name == "runs" and column in (*ALWAYS, *claim.paired)):
                continue
            if name in drawn and mentioned(column, words):
                continue
            trial = {**found, name: found[name].drop(column)}
            if measured(asking, trial) == before:
                found = trial
    return found


def mentioned(column: str, words: Iterable[str]) -> bool:
    """Return whether a source can mean a column: its name is a word there, also without the ending of a bound."""
    return column in words or re.sub("_(lower|upper)$", "", column) in words


def measured(asking: Sequence[Prediction], tables: Tables) -> list[Any] | None:
    """Return every number of some predictions, bit by bit; None if they cannot be computed from these tables."""
    try:
        return [
            (one.identifier, case.name, case.lower.tobytes(), case.upper.tobytes(), str((case.predicted, case.margin)),
             case.note, case.undecided)
            for one in asking
            for case in one.measure(tables)
        ]  # fmt: skip
    except Exception:  # whatever a prediction raises where a column is missing
        return None


def with_digits(tables: Tables, before: Mapping[str, Any], readers: Sequence[Reader]) -> Tables:
    """Return the tables with numbers of as few digits as give all readers the words of `before`."""
    level, unsure = dict.fromkeys(tables, 0), list(readers)
    while True:
        found = {name: rounded(one, BITS[level[name]]) for name, one in tables.items()}
        wrong = [one for one in unsure if one.read(found) != before[one.name]]
        more = {name for one in wrong for name in one.tables if level.get(name, len(BITS)) < len(BITS) - 1}
        if not wrong:
            return found
        if not more:
            raise SpecificationError(
                f"{wrong[0].name}: the same words from tables in another order of runs are required, found others; "
                "its numbers must not depend on the order in which runs were finished"
            )
        level.update({name: level[name] + 1 for name in more})
        unsure = [one for one in readers if more & one.tables]


def rounded(frame: pl.DataFrame, bits: int) -> pl.DataFrame:
    """Return a table with all its float64 numbers rounded to some significant bits, to the nearest; they stay float64.

    The relative error is at most 2^-(bits + 1). Rounded numbers end with zeros, so they need less space in a file.
    0, infinities, nan and what is missing stay as they are.
    """
    names = [name for name, kind in frame.schema.items() if kind == pl.Float64]
    return frame.with_columns(_rounded(frame[name], bits) for name in names) if bits < 53 else frame


def _rounded(column: pl.Series, bits: int) -> pl.Series:
    significand, exponent = np.frexp(column.fill_null(0.0).to_numpy())
    found = pl.Series(column.name, np.ldexp(np.round(significand * 2.0**bits), exponent - bits), pl.Float64)
    return found.zip_with(column.is_not_null(), column)
