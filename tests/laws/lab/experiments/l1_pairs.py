"""L1: does fine-tuning on the longest strings make long strings likelier?"""

from collections.abc import Iterator

import polars as pl

from experiments.predictions import Case, Claim, Need, Prediction, Standing, Tables, verdicts_of
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


def standing(findings: pl.DataFrame) -> tuple[Standing, str]:
    """Supported if they got likelier; not valid if no run counts."""
    verdicts = verdicts_of(findings)["L1.1"]
    if "not valid" in verdicts:
        return "not valid", "no run counts"
    return ("supported", "they got likelier") if verdicts == {"holds"} else ("undecided", "they may not be likelier")


CLAIM = Claim(
    identifier="L1",
    file=__file__,
    title="longer strings",
    sentence="Fine-tuning on long strings makes long strings likelier.",
    rule="Supported if L1.1 holds.",
    predictions=(
        Prediction(
            "L1.1", "The mass of the longest strings rises.", "sign", _longer, predicted="> 0",
            rule="Mass after minus before is above 0.", control="none", says="same", figure="lengths",
        ),
    ),
    needs=(Need(("long_mass",), phases=("sft",)),),
    tables=tables,
    standing=standing,
)  # fmt: skip
