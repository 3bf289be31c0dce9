"""The table of many runs. It is made run by run, so that only a few runs are in the memory at the same time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from sim.config.leaves import Leaf, varying
from sim.disk.records import invalidity
from sim.metrics.frames import NOT_VARIED, as_csv, numbers_table
from sim.metrics.kept import numbers
from sim.numerics import SpecificationError, in_one_line
from sim.pool import in_processes

FEW = 40
"""Up to this number of runs are measured in this process. Of more runs, each core measures some."""

CHUNK = 8
"""Number of runs that a process measures in turn."""

ROW_GROUP = 100_000
"""Number of rows of the table that are written together."""


@dataclass(frozen=True, eq=False)
class Measured:
    """A run without its arrays. Its numbers are in `file`, as `sim.metrics.frames.metrics_table` returns them."""

    hash: str
    config: Mapping[str, Any]
    valid: bool
    file: Path

    @property
    def table(self) -> pl.DataFrame:
        """The numbers of the run."""
        return pl.read_ipc(self.file.read_bytes())  # a file that is mapped into the memory would stay there


def measured(source: Path, folder: Path) -> Measured | str:
    """Write the numbers of the record at `source` to a file in `folder`. Return a line if the record is damaged."""
    try:
        record, found = numbers(source)
        table = numbers_table(record.hash, record.name, record.config["seed"], found)
        valid = invalidity(record) is None
    except SpecificationError as error:
        return in_one_line(error)
    except (OSError, KeyError, TypeError, ValueError) as error:  # right checksums, but not a record of ours
        return in_one_line(f"{source}: a record of this program is required, found {type(error).__name__}: {error}")
    file = folder / f"{source.name}.arrow"
    table.write_ipc(file, compression="lz4")
    return Measured(record.hash, record.config, valid, file)


def all_measured(sources: Sequence[Path], folder: Path) -> Iterator[Measured | str]:
    """Iterate over the results of `measured` for all records, in their order. Each core measures some of many runs."""
    one = partial(measured, folder=folder)
    if len(sources) <= FEW:
        yield from map(one, sources)
        return
    yield from in_processes(one, sources, f"{sources[0].parent}: measuring its runs", CHUNK)


class Joined:
    """Every measured number of one or more runs; the columns are described in `sim.metrics.frames.COLUMNS`.

    Runs are in the order of the leaves that vary, then of their seeds, then of their hashes.
    """

    def __init__(self, runs: Sequence[Measured]) -> None:
        self._runs = runs
        self._varied = varying([run.config for run in runs], NOT_VARIED)
        self._kinds = {name: pl.Series(values).dtype for name, values in self._varied.items()}

    @property
    def runs(self) -> list[Measured]:
        """The runs in their order."""
        return [self._runs[at] for at in self._order()]

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Iterate over the tables of the runs."""
        return map(self._widened, self._order())

    def write_parquet(self, file: Path) -> int:
        """Write one table and return the number of its rows. The runs are read one after the other."""
        height = 0

        def tables(names: Any, condition: Any, num_rows: Any, batch: Any) -> Iterator[pl.DataFrame]:
            nonlocal height
            assert names is condition is num_rows is None, "the whole table is asked for"
            for table in self:
                height += table.height
                yield table

        schema = self._widened(0).schema
        register_io_source(tables, schema=schema).sink_parquet(file, row_group_size=ROW_GROUP)
        return height

    def write_csv(self, file: Path) -> None:
        """Write one table as CSV; see `sim.metrics.frames.as_csv`."""
        with file.open("w", encoding="utf-8", newline="") as stream:
            for at, table in enumerate(self):
                stream.write(as_csv(table, header=at == 0))

    def _order(self) -> list[int]:
        return sorted(range(len(self._runs)), key=self._place)

    def _place(self, at: int) -> tuple[Any, ...]:
        own: list[tuple[bool, Leaf] | tuple[bool]] = [
            (False,) if values[at] is None else (True, values[at]) for values in self._varied.values()
        ]
        return *own, self._runs[at].config["seed"], self._runs[at].hash

    def _widened(self, at: int) -> pl.DataFrame:
        own = [pl.lit(values[at], self._kinds[name]).alias(name) for name, values in self._varied.items()]
        table, (first, rest) = self._runs[at].table, (("run", "name", "seed"), 3)
        valid = pl.lit(self._runs[at].valid).alias("valid")
        return table.select(*first, valid, *own, *table.columns[rest:])
