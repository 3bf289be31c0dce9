"""Does what was found carry over to other trainers: five announced signs, judged by log-probabilities handed in.

The runs are made by the programs in examples/: each hands in a folder for every world, and all are judged alike.
"""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from experiments.carry_over.judging import compared, judged
from experiments.carry_over.measured import numbers
from experiments.carry_over.page import NAME as PAGE
from experiments.carry_over.page import page as page
from experiments.carry_over.reference import TOP as TOP
from experiments.carry_over.reference import publish as publish
from experiments.carry_over.reference import read as recorded
from experiments.carry_over.said import blocks
from experiments.predictions import Tables
from sim.show.blocks import Block

__all__ = ["PAGE", "PUBLISHED", "TOGETHER", "TOP", "analyse", "page", "publish", "recorded", "report"]

TOGETHER = True
"""All hand-ins of the folder are reported together."""

PUBLISHED = ("carried", "parts", "differences")
"""The tables of the report that `publish` needs, see `experiments.carry_over.reference`."""


def analyse(folder: Path) -> Tables:
    """Return `carried`: the numbers of all arms; `parts`: of all signs; `differences`: between trainers."""
    carried = numbers(folder)
    return {"carried": carried, "parts": judged(carried), "differences": compared(carried)}


def report(tables: Mapping[str, pl.DataFrame]) -> list[Block]:
    """Report the signs by trainer, then the numbers of the arms side by side."""
    return blocks(tables)
