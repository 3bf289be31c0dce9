"""The recorded result in the repository: the numbers of all arms, the signs, and the differences between trainers."""

from pathlib import Path

import polars as pl

from experiments.packing import packed
from experiments.predictions import Tables
from experiments.publishing import put, read_tables
from experiments.reduction import rounded
from sim.numerics import SpecificationError
from sim.show.published import Published, published

NAME = "carry_over"

TOP = Path(__file__).resolve().parents[1] / "reference"
"""The folder of what is recorded in this repository: `carry_over/published.json` and `carry_over/tables/`."""

READ = ("carried", "parts", "differences")
"""The tables that are recorded."""

DIGITS = 24
"""Significant bits of recorded numbers, about seven digits."""

BUDGET = 100_000
"""Largest size of the recorded tables together [bytes]."""


def publish(study: Path, top: Path | None = None) -> Published:
    """Record the tables of the report on a folder. Raises SpecificationError if they would be too large."""
    found = read_tables(study / "reports" / "together" / "tables")
    small = {name: rounded(found[name], DIGITS) for name in READ}
    size = sum(len(packed(one)) for one in small.values())
    if size > BUDGET:
        raise SpecificationError(
            f"{study}: tables of at most {BUDGET:,} bytes are required, found {size:,}; judge fewer worlds"
        )
    trainers = {"trainers": small["carried"]["trainer"].unique().sort().to_list(), "claim": None}
    return put(NAME, small, trainers, top or TOP)


def read(top: Path | None = None) -> Tables:
    """Return the recorded tables. Raises SpecificationError if there are none, or if a file was changed."""
    found = published(NAME, top or TOP)
    return {name: pl.read_parquet(found.file(name)) for name in READ}
