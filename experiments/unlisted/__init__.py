"""Languages whose strings are not listed: how far a model is from P and S, what it lost, and how well this is known.

All runs of a folder are reported together; runs that differ in nothing but the seed are averaged.
"""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from experiments.predictions import Tables
from experiments.unlisted.said import blocks
from experiments.unlisted.tables import over_seeds, rows, runs
from sim.disk.folders import finished
from sim.show.blocks import Block
from sim.unlisted.record import read

TOGETHER = True
"""All runs of the folder are reported together."""

UNLISTED = True
"""It reads runs on languages that are not listed (`sim.unlisted.record`), and no others."""


def analyse(folder: Path) -> Tables:
    """Return `runs` (a row for each run), `numbers` (every estimate with its interval) and `seeds` (means over runs).

    Raises SpecificationError for a folder without such runs, and for one that holds runs of listed strings too.
    """
    records = [read(source) for source in finished(folder)]
    return {"runs": runs(records), "numbers": (found := rows(records)), "seeds": over_seeds(found)}


def report(tables: Mapping[str, pl.DataFrame]) -> list[Block]:
    """Describe what the models are, what they lost, and what cannot be known."""
    return blocks(tables)
