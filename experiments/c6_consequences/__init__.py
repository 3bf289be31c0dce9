"""C6, consequences: one style, dull at high temperature, and worse than the base model with examples?"""

from collections.abc import Sequence
from types import ModuleType

import polars as pl

from experiments.c6_consequences import agreement, examples, generations, temperature
from experiments.c6_consequences.amendments import AMENDMENTS
from experiments.predictions import Claim, Tables
from experiments.study import Study

TOPICS: Sequence[ModuleType] = (agreement, examples, generations, temperature)
"""The parts of the claim. Each has PREDICTIONS, NEEDS, and a function `tables` from a study to its own tables."""

APART = {"world": "grammar.seed", "fresh": "restriction.fresh"}
"""Leaves of the configuration that tell runs of a part apart, beside the seed of the model. Some parts lack them."""


def tables(study: Study) -> Tables:
    """Return `runs` and the tables of all topics; a table is empty if its part of the study has no run."""
    apart = [
        (pl.col(leaf) if leaf in study.runs.columns else pl.lit(None)).cast(pl.Float64).alias(name)
        for name, leaf in APART.items()
    ]
    runs = study.runs.select("run", "seed", "valid", "claim", "part", *apart)
    runs = runs.sort("part", *APART, "seed", "run", nulls_last=True)
    return {"runs": runs} | {name: table for topic in TOPICS for name, table in topic.tables(study).items()}


CLAIM = Claim(
    identifier="C6",
    file=__file__,
    title="Consequences",
    sentence="The tuned model always answers in one style; at a high temperature it is less creative than the base "
    "model; for creative work the base model with a few examples is better.",
    rule="Each prediction says at which fit runs are compared.",
    predictions=tuple(one for topic in TOPICS for one in topic.PREDICTIONS),
    needs=tuple(one for topic in TOPICS for one in topic.NEEDS),
    tables=tables,
    condition="the data are narrower than the style itself",
    paired=("part", *APART, "seed"),
    amendments=AMENDMENTS,
)
