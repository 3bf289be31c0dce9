"""C5, rank: does the low rank of the update limit diversity?"""

from collections.abc import Sequence
from types import ModuleType

from experiments.c5_rank import ranks, spectra, threshold
from experiments.c5_rank.amendments import AMENDMENTS
from experiments.predictions import Claim, Tables
from experiments.study import Study

TOPICS: Sequence[ModuleType] = (spectra, ranks, threshold)
"""The parts of the claim. Each has PREDICTIONS, NEEDS, and a function `tables` from a study to its own tables."""


def tables(study: Study) -> Tables:
    """Return `runs` and the tables of all topics; a table is empty if its part of the study has no run."""
    runs = study.runs.select("run", "seed", "valid", "claim", "part").sort("part", "seed", "run")
    return {"runs": runs} | {name: table for topic in TOPICS for name, table in topic.tables(study).items()}


CLAIM = Claim(
    identifier="C5",
    file=__file__,
    title="Rank",
    sentence="The update ΔW of fine-tuning has a very low rank, and this low rank limits how diverse a distribution "
    "the model can express.",
    rule="Each prediction says at which fit runs are compared.",
    predictions=tuple(one for topic in TOPICS for one in topic.PREDICTIONS),
    needs=tuple(one for topic in TOPICS for one in topic.NEEDS),
    tables=tables,
    paired=("part", "seed"),
    amendments=AMENDMENTS,
)
