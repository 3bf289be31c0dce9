"""The atlas: what every method of fine-tuning forgets at equal fit, and how far it lies above the exact frontier.

Nothing is judged: methods are ranked, with intervals over worlds, and ties are said as ties.
"""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from experiments.atlas.kinds import methods
from experiments.atlas.said import blocks
from experiments.atlas.tables import NEEDS
from experiments.atlas.tables import tables as tables_of
from experiments.predictions import Tables
from experiments.study import Study
from sim.show.blocks import Block

TOGETHER = True
"""All runs of the folder are reported together."""


def analyse(folder: Path) -> Tables:
    """Return the tables of `experiments.atlas.tables`, and `methods` of `experiments.atlas.kinds`."""
    study = Study.of(folder, NEEDS)
    found = tables_of(study)
    return {**found, "methods": methods(study, found["runs"])}


def report(tables: Mapping[str, pl.DataFrame]) -> list[Block]:
    """Report the ranking at equal fit, then the ends, the optima and the two other planes."""
    return blocks(tables)
