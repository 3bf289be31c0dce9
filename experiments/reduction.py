"""Smaller tables that say the same: without what nothing reads, in a fixed order, with as few digits as suffice.

What is published of a claim gives the findings that were judged and the captions of its figures. Every step is checked:
a column is left out only if all numbers of all predictions stay as they are and all figures can be drawn; rows are
left out in the same way (`experiments.thinning`). Numbers keep more digits until all verdicts are as before, all
captions too, word for word, and no number of a finding has moved by more than a thousandth of its interval or a
ten-thousandth of its size.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from experiments.predictions import Claim, Prediction, Tables, table
from experiments.thinning import without_unread_rows
from sim.numerics import SpecificationError

BITS = (13, 16, 24, 53)
"""Significant bits of published numbers: nearly four digits (relative error at most 2^-13), five, seven, or all."""

SETTING = 6
"""Largest number of decimal digits of a setting."""

SHARE, SIZE, TINY = 1e-3, 1e-4, 1e-12
"""How far a number of a finding may move: shares of its interval's width and of its size, and what counts as 0."""

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

    words: the words of its source, if it has to be searched for the names of columns; agrees: whether two readings say
    the same; look: what a figure draws, number by number.
    """

    name: str
    tables: frozenset[str]
    read: Callable[[Tables], Any]
    words: frozenset[str] = frozenset()
    agrees: Callable[[Any, Any], bool] = operator.eq
    look: Callable[[Tables], Any] | None = None


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
    kept = without_unread(claim, kept, readers)

    def read(name: str, found: Tables) -> Any:
        own = [one for one in readers if name in one.tables]
        numbers = measured([one for one in claim.predictions if one.identifier in {each.name for each in own}], found)
        try:
            return None if numbers is None else [numbers, *(one.look(found) for one in own if one.look is not None)]
        except Exception:  # whatever a figure raises where a row is missing
            return None

    kept = without_unread_rows(kept, read)
    return with_digits(kept, {one.name: one.read(given) for one in readers}, readers)


def prediction(claim: Claim, one: Prediction, tables: Tables) -> Reader:
    """Return a prediction as a reader. What people read are its findings."""
    asked = Watched(tables)
    list(one.measure(asked))

    def read(found: Tables) -> list[dict[str, Any]]:
        return table(claim, one.judge(found), []).to_dicts()

    return Reader(one.identifier, frozenset(asked.asked), read, agrees=agree)


def agree(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether two lists of findings have the same cases and verdicts, and nearly the same numbers.

    A number may move by a thousandth of the width of its interval, or by a ten-thousandth of its size.
    """
    plain = ("case", "verdict", "num_seeds", "unit")
    return len(before) == len(after) and all(
        [one[name] for name in plain] == [other[name] for name in plain] and _near(one, other)
        for one, other in zip(before, after, strict=True)
    )


def _near(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    names = [name for name in ("measured", "lower", "upper", "predicted") if one[name] is not None]
    if any(other[name] is None for name in names):
        return False
    width = 0.0 if one["lower"] is None else one["upper"] - one["lower"]
    for name in names:
        allowed = max(SHARE * width if math.isfinite(width) else 0.0, SIZE * abs(one[name]), TINY)
        if one[name] != other[name] and not abs(one[name] - other[name]) <= allowed:
            return False
    return True


def without_unread(claim: Claim, tables: Tables, readers: Sequence[Reader]) -> Tables:
    """Return the tables without the columns that no prediction and no figure reads.

    A column is left out if all numbers of all predictions are the same without it. If a figure reads the table, the
    sources of the figures must not have its name as a word either, and the figure must say the same without it.
    """
    found = dict(tables)
    for name, one in tables.items():
        own = [reader for reader in readers if name in reader.tables]
        drawn = [reader for reader in own if reader.words]
        words = frozenset[str]().union(*(reader.words for reader in drawn))
        asking = [each for each in claim.predictions if each.identifier in {reader.name for reader in own}]
        before = measured(asking, found)
        needed = {"run", *ALWAYS, *claim.paired} if name == "runs" else {"run"}
        free = [column for column in one.columns if column not in needed and not mentioned(column, words)]
        for column in unread_by(drawn, name, free, found):
            trial = {**found, name: found[name].drop(column)}
            if measured(asking, trial) == before:
                found = trial
    return found


def unread_by(drawn: Sequence[Reader], name: str, free: Sequence[str], tables: Tables) -> list[str]:
    """Return which columns of a table figures do not read: all at once if possible, else those that can go alone."""
    said = [one.read(tables) for one in drawn]

    def without(*columns: str) -> bool:
        try:
            return [one.read({**tables, name: tables[name].drop(columns)}) for one in drawn] == said
        except Exception:  # whatever a figure raises where a column is missing
            return False

    if not drawn or without(*free):
        return list(free)
    return [column for column in free if without(column)]


def mentioned(column: str, words: frozenset[str]) -> bool:
    """Return whether a source can mean a column: it has all words of its name, or of that without a bound."""
    names = column, re.sub("_(lower|upper)$", "", column)
    return any(words.issuperset(re.findall(r"\w+", name)) for name in names)


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


Place: TypeAlias = tuple[str, str]
"""A table and a column of it that holds numbers."""


def with_digits(tables: Tables, before: Mapping[str, Any], readers: Sequence[Reader]) -> Tables:
    """Return the tables with numbers of as few digits as give all readers the words of `before`.

    If a reader finds other words, those columns get more digits that alone make it do so, or else all that it reads.
    """
    level = {(name, column): 0 for name, one in tables.items() for column in numeric(one)}
    unsure = list(readers)
    while True:
        found = {name: shortened(one, _bits(name, level)) for name, one in tables.items()}
        wrong = [one for one in unsure if not one.agrees(before[one.name], one.read(found))]
        if not wrong:
            return found
        more = {place for one in wrong for place in _blamed(one, tables, before[one.name], level)}
        if not more:
            raise SpecificationError(
                f"{wrong[0].name}: the same words from tables in another order of runs are required, found others; "
                "its numbers must not depend on the order in which runs were finished"
            )
        level.update({place: level[place] + 1 for place in more})
        unsure = [one for one in readers if one.tables & {name for name, _ in more}]


def _bits(table: str, level: Mapping[Place, int]) -> dict[str, int]:
    return {column: BITS[at] for (name, column), at in level.items() if name == table}


def _blamed(one: Reader, tables: Tables, before: Any, level: Mapping[Place, int]) -> list[Place]:
    """Return the columns whose digits alone change what is read; if there is none, all that can have more digits."""
    open_ = [place for place, at in level.items() if place[0] in one.tables and at + 1 < len(BITS)]
    alone = []
    for name, column in open_:
        trial = {**tables, name: shortened(tables[name], {column: BITS[level[name, column]]})}
        if not one.agrees(before, one.read(trial)):
            alone.append((name, column))
    return alone or open_


def numeric(frame: pl.DataFrame) -> list[str]:
    """Return the names of the columns of float64 numbers, without settings, such as a rate of 0.003.

    A column holds settings if every number in it has at most `SETTING` decimal digits. Figures write them as they are.
    """
    names = [name for name, kind in frame.schema.items() if kind == pl.Float64]
    return [name for name in names if any(float(f"{x:.{SETTING}g}") != x for x in frame[name].unique().to_list() if x)]


def rounded(frame: pl.DataFrame, bits: int) -> pl.DataFrame:
    """Return a table with all its float64 numbers rounded to some significant bits, see `shortened`."""
    return shortened(frame, dict.fromkeys(numeric(frame), bits))


def shortened(frame: pl.DataFrame, bits: Mapping[str, int]) -> pl.DataFrame:
    """Return a table with the numbers of some columns rounded to significant bits, to the nearest; they stay float64.

    The relative error is at most 2^-bits. Rounded numbers end with zeros, so they need less space in a file.
    0, infinities, nan and what is missing stay as they are.
    """
    return frame.with_columns(_rounded(frame[name], one) for name, one in bits.items() if one < 53)


def _rounded(column: pl.Series, bits: int) -> pl.Series:
    significand, exponent = np.frexp(column.fill_null(0.0).to_numpy())
    found = pl.Series(column.name, np.ldexp(np.round(significand * 2.0**bits), exponent - bits), pl.Float64)
    return found.zip_with(column.is_not_null(), column)
