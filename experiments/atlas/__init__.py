"""The atlas: what every method of fine-tuning forgets at equal fit, and how far it lies above the exact frontier.

Nothing is judged: methods are ranked, with intervals over worlds, and ties are said as ties.
"""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from experiments.atlas import beside, placing
from experiments.atlas.kinds import methods
from experiments.atlas.reference import READ, marked
from experiments.atlas.reference import TOP as TOP
from experiments.atlas.reference import publish as publish
from experiments.atlas.reference import read as read_reference
from experiments.atlas.said import blocks
from experiments.atlas.tables import NEEDS
from experiments.atlas.tables import tables as tables_of
from experiments.predictions import Tables
from experiments.study import Study
from sim.show.blocks import Block

TOGETHER = True
"""All runs of the folder are reported together."""

PUBLISHED = READ
"""The tables of the report that `publish` needs, see `experiments.atlas.reference`."""


def analyse(folder: Path, reference: Path | None = None) -> Tables:
    """Return the tables of `experiments.atlas.tables`, `methods` of `kinds`, and those of `placing`.

    Runs are placed beside the reference in a folder: that of this repository, unless another one is given.
    """
    there = read_reference(reference)
    study = Study.of(folder, NEEDS)
    found = tables_of(study)
    found |= {"methods": methods(study, found["runs"]), **marked(study, found["runs"])}
    return {**found, **placing.tables(found, there)}


def report(tables: Mapping[str, pl.DataFrame]) -> list[Block]:
    """Report the ranking at equal fit, then the ends, the optima and the two other planes."""
    return [*beside.blocks(tables), *blocks(tables)]
