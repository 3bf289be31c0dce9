"""A run as trackers see it: its configuration, and its numbers as series over the steps of a phase."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from sim.config.leaves import Leaf, leaves
from sim.disk.records import NOT_CONTENT
from sim.metrics.many import Measured
from sim.metrics.scene import TRUTH

SERIES = ("phase", "view", "metric", "of", "at", "prompt_law", "unit")
"""Columns of the tidy table that are the same for all numbers of a series."""

ENDS = ("lower", "upper")

Keys = frozenset[tuple[str, ...]]


@dataclass(frozen=True)
class Series:
    """One number over the steps of a phase, or one of its certified ends.

    name: see `named`; phase: `truth` for what is known before any training; about: what the metric is, in words; steps,
    values: one entry for each evaluation, as they are in the tidy table (float64).
    """

    name: str
    phase: str
    about: str
    steps: list[int]
    values: list[float]

    @property
    def is_truth(self) -> bool:
        """Whether it belongs to the world, so that it has one value and no steps."""
        return self.phase == TRUTH


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run. config: the leaves of its configuration by their dotted names, and `run`, `name` and `valid`."""

    hash: str
    name: str
    config: Mapping[str, Leaf]
    series: tuple[Series, ...]

    @property
    def label(self) -> str:
        """Its name and its hash. The hash alone, as the name of a folder, would stand for a record."""
        return f"{self.name or 'run'}-{self.hash}"


def runs(measured: Iterable[Measured], about: Mapping[str, str]) -> Iterator[Run]:
    """Iterate over runs as trackers see them, in their order. `about` describes each metric.

    A number that is not exact at some step of some run is given by its two ends in all runs, so that runs can be
    compared: its series has the name twice, with `end=lower` and `end=upper`.
    """
    measured = list(measured)
    inexact = frozenset[tuple[str, ...]]().union(*(_inexact(one.table) for one in measured))
    for one in measured:
        config = {key: value for key, value in one.config.items() if key not in NOT_CONTENT}
        name = str(one.config.get("name", ""))
        own: dict[str, Leaf] = {"run": one.hash, "name": name, "valid": one.valid}
        yield Run(one.hash, name, own | leaves(config), tuple(_series(one.table, inexact, about)))


def named(phase: str, view: str, metric: str, of: str, at: str, prompt_law: str, unit: str, end: str = "") -> str:
    """Return the name of a series, such as "sft/response/kl/P||q/law=P(x) [nat]".

    Its parts are cells of the tidy table. A part that is empty is left out; slashes within a part are written as %2F.
    """
    marked = [("at=", at), ("law=", prompt_law), ("end=", end)]
    parts = [phase, view, metric, *([of] if of else []), *(f"{mark}{part}" for mark, part in marked if part)]
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts) + f" [{unit}]"


def _inexact(table: pl.DataFrame) -> Keys:
    """Return the series that hold a number with two different ends."""
    return frozenset(table.filter(pl.col("lower") != pl.col("upper")).select(SERIES).unique().rows())


def _series(table: pl.DataFrame, inexact: Keys, about: Mapping[str, str]) -> Iterator[Series]:
    wanted = table.select(*SERIES, "step", *ENDS)
    for key, rows in wanted.group_by(SERIES, maintain_order=True):
        cells = dict(zip(SERIES, map(str, key), strict=True))
        steps, said = rows["step"].to_list(), about.get(cells["metric"], "")
        for end in ENDS if key in inexact else ("",):
            yield Series(named(**cells, end=end), cells["phase"], said, steps, rows[end or "lower"].to_list())
