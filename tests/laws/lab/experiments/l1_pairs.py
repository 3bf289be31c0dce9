"""L1: does fine-tuning on the longest strings make long strings likelier?"""

from collections.abc import Iterator

import polars as pl

from experiments.predictions import Case, Claim, Need, Prediction, Tables
from experiments.study import Study


def tables(study: Study) -> Tables:
    """`runs`: mass of the longest strings before and after."""
    runs = study.runs.select("run", "seed", "claim", "valid", "objective")
    before, after = (study.pick("long_mass", "q", "P(x)", "sft", step) for step in ("first", "last"))
    return {"runs": study.beside(runs, before=before, after=after)}


def _longer(tables: Tables) -> Iterator[Case]:
    runs = tables["runs"].filter(pl.col("valid"))
    if runs.height:
        lower, upper = runs["after_lower"] - runs["before_upper"], runs["after_upper"] - runs["before_lower"]
        yield Case("", lower.to_numpy(), upper.to_numpy(), predicted=1.0)


CLAIM = Claim(
    identifier="L1",
    file=__file__,
    title="longer strings",
    sentence="Fine-tuning on long strings makes long strings likelier.",
    rule="Supported if L1.1 holds.",
    predictions=(
        Prediction(
            "L1.1", "The mass of the longest strings rises.", "sign", _longer, predicted="> 0",
            rule="Mass after minus before is above 0.", control="none", says="same", worlds=2, figure="lengths",
        ),
    ),
    needs=(Need(("long_mass",), phases=("sft",)),),
    tables=tables,
)  # fmt: skip
