"""Estimators from samples: bias, spread and coverage, where the truth can be listed. It needs no runs.

Laws are tempered, truncated, mixed and reweighted languages, so that entropy, KL and missing mass are exact.
"""

from collections.abc import Callable, Mapping
from itertools import count

import polars as pl

from experiments.estimators.cells import LEVEL, REPETITIONS, cells
from experiments.estimators.pairs import pairs
from experiments.estimators.said import blocks
from experiments.estimators.worlds import worlds
from experiments.predictions import Tables
from sim.show.blocks import Block

ALONE = True
"""It reads no runs: `analyse()` takes nothing."""


def analyse(repetitions: int = REPETITIONS, watch: Callable[[str], None] = print) -> Tables:
    """Return `cells` (every estimator, size and pair of laws) and `worlds` (intervals over worlds).

    repetitions: samples of every size. watch: gets a line about every pair of laws, because all take half a minute. The
    generators have fixed seeds, so the tables are always the same with one version of numpy.
    """
    found = []
    for seed, one in zip(count(), pairs()):
        watch(f"{one.language}, {one.name}: {repetitions:,} samples of each size")
        found.append(cells(one, seed, repetitions=repetitions))
    return {"cells": pl.concat(found), "worlds": worlds(scale=repetitions / REPETITIONS)}


def report(tables: Mapping[str, pl.DataFrame]) -> list[Block]:
    """Describe what is biased, how often intervals hold the truth, and where there is none."""
    return blocks(tables, LEVEL)
