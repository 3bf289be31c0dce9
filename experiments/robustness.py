"""Do the verdicts on C1 and C2 depend on language, size of the model and optimiser? One row per combination."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from experiments import c1_entropy as c1
from experiments import c2_support as c2
from experiments._board import short
from experiments._claims import table
from experiments._report import Block, Heading, Paragraph, Table
from sim.records import Record, invalidity

TOGETHER = True
"""All runs of the folder make one report."""

COLUMNS = (
    "language", "width", "optimiser", "runs",
    "C1", "slope of H(q)", "H(q) − H(S)", "control", "C2", "least share of the way", "gate", "savings",
)  # fmt: skip

LANGUAGES = {
    "styles_content": "styles and content",
    "ngram": "Markov chain",
    "dyck": "brackets (context-free)",
    "hmm": "hidden Markov",
}

Cell = tuple[str, int, str]


def cell(record: Record) -> Cell:
    """What a row of the table is about."""
    chosen = record.config
    kind, optimizer = chosen["grammar"]["kind"], chosen["optimizer"]
    momentum = optimizer["kind"] == "sgd" and optimizer["momentum"] > 0
    name = "SGD with momentum" if momentum else {"sgd": "SGD", "adam": "Adam"}[optimizer["kind"]]
    return LANGUAGES.get(kind, kind), chosen["model"]["width"], name


def analyse(records: Sequence[Record]) -> dict[str, pl.DataFrame]:
    """`verdicts` of both claims in every cell, and `cells`, a row for each with what the table shows."""
    cells: dict[Cell, list[Record]] = {}
    for record in records:
        cells.setdefault(cell(record), []).append(record)
    verdicts, rows = [], []
    for where in sorted(cells):
        row: dict[str, Any] = dict(zip(("language", "width", "optimizer"), where, strict=True))
        row |= {"runs": len(cells[where]), "valid": sum(invalidity(one) is None for one in cells[where])}
        for claim in (c1, c2):
            found = table(claim.CLAIM, claim.check(claim.analyse(cells[where])), edited=False)
            standing, reason = claim.standing(found)
            row |= {claim.CLAIM.identifier: standing, f"{claim.CLAIM.identifier} reason": reason}
            tags = {name: pl.lit(value) for name, value in row.items() if name in ("language", "width", "optimizer")}
            verdicts.append(found.with_columns(**tags))
        rows.append(row)
    return {"cells": pl.DataFrame(rows), "verdicts": pl.concat(verdicts)}


def report(tables: Mapping[str, pl.DataFrame]) -> list[Block]:
    """The table, and what it says."""
    verdicts, cells = tables["verdicts"], tables["cells"]
    rows = []
    for row in cells.iter_rows(named=True):
        own = verdicts.filter(
            pl.col("language") == row["language"], pl.col("width") == row["width"],
            pl.col("optimizer") == row["optimizer"],
        )  # fmt: skip
        ways = [_least(own, name) for name in ("C2.1a", "C2.1b")]
        rows.append(
            (
                row["language"], str(row["width"]), row["optimizer"], f"{row['valid']} of {row['runs']}",
                row["C1"], _shown(own, "C1.1a"), _shown(own, "C1.1b"), _shown(own, "C1.0"),
                row["C2"], f"down {ways[0]}, up {ways[1]}", _shown(own, "C2.3c"), _shown(own, "C2.4"),
            )
        )  # fmt: skip
    return [Heading("Verdicts by language, size and optimiser"), Table(COLUMNS, tuple(rows), 3), *_sentences(cells)]


def _shown(own: pl.DataFrame, identifier: str) -> str:
    """Measured value with its interval, and the verdict where it is not that the prediction holds."""
    said = []
    for row in own.filter(prediction=identifier).iter_rows(named=True):
        number = "–" if row["measured"] is None else f"{short(row['measured'])} "
        number += "" if row["measured"] is None else f"[{short(row['lower'])}, {short(row['upper'])}]"
        said.append(number if row["outcome"] == "holds" else f"{number} ({row['outcome']})")
    return "; ".join(said) or "–"


def _least(own: pl.DataFrame, identifier: str) -> str:
    """The least of the means over restrictions, and how many of them do not hold."""
    found = own.filter(pl.col("prediction") == identifier, pl.col("measured").is_not_null())
    if not found.height:
        return "–"
    broken = found.height - found.filter(outcome="holds").height
    return short(float(found["measured"].to_numpy().min())) + (f" ({broken} of {found.height} fail)" if broken else "")


def _sentences(cells: pl.DataFrame) -> list[Block]:
    said: list[Block] = []
    for claim in ("C1", "C2"):
        for (standing,), own in cells.group_by(claim, maintain_order=True):
            where = f"{own.height} of {cells.height} combinations"
            reasons = "; ".join(own[f"{claim} reason"].unique(maintain_order=True).to_list())
            said.append(Paragraph(f"{claim} {standing} in {where}: {reasons}.", bullet=True))
    said.append(Paragraph(f"Predictions: {c1.CLAIM.announced}, {c2.CLAIM.announced}.", bullet=True))
    return said
