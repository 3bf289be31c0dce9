"""The numbers that every report on a fine-tuning shows, side by side: truths and predictions, models, controls.

Numbers of one row are averages over one prompt law, which the column `law` names.
"""

import polars as pl

from experiments._lines import BASE, BEST, JOINT, LOST, NOT_CONTROLS, TRUTH, TUNED, Lines, P, S, controls
from experiments._numbers import NEGLIGIBLE

__all__ = ["BASE", "BEST", "JOINT", "LOST", "NOT_CONTROLS", "TRUTH", "TUNED", "P", "S", "controls", "summary", "target"]


def target(metrics: pl.DataFrame) -> str:
    """The column that predicts q after SFT: "S" where q* = S, "q*" where it differs, "" where no q* is known."""
    truths = metrics.filter(phase="truth", view="response")
    apart = truths.filter(metric="kl", of="S||q*")["lower"]
    if apart.is_empty():
        return ""
    everywhere = truths.filter(metric="entropy", prompt_law="P(x)")["of"].to_list()
    more_prompts = BEST in everywhere and S not in everywhere
    return BEST if apart[0] > NEGLIGIBLE or more_prompts else S


def summary(metrics: pl.DataFrame, documents: pl.DataFrame) -> pl.DataFrame:
    """Tidy: section, quantity, label, unit, law, column, lower, upper, exactness; a row per number that exists."""
    rows = [
        {
            "section": line.section,
            "quantity": line.quantity,
            "label": line.label,
            "unit": line.unit,
            "law": line.law,
            "column": column,
            "lower": number.lower if number else None,
            "upper": number.upper if number else None,
            "exactness": number.exactness if number else "",
        }
        for line in Lines(metrics, documents, target(metrics) == BEST).all()
        for column, number in line.cells.items()
    ]
    return pl.DataFrame(rows, schema_overrides={"lower": pl.Float64, "upper": pl.Float64})
