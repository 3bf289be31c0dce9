"""Do the verdicts on C1 and C2 depend on language, size of the model and optimiser? One row per combination."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from experiments import c1_entropy as c1
from experiments import c2_support as c2
from experiments._board import short
from experiments._c2_mass import last
from experiments._claims import table
from experiments._report import Block, Heading, Paragraph, Table
from experiments._statistics import interval
from sim.disk.records import Record, invalidity

TOGETHER = True
"""All runs of the folder make one report."""

CELL = ("language", "width", "optimiser")

C1 = (*CELL, "valid runs", "C1", "slope of H(q) on H(S)", "H(q) − H(S) [nat]", "control [nat]")
C2 = (*CELL, "C2", "sizes fall, least", "sizes rise, least", "share of the gate", "known behind", "least savings [×]")
"""Columns of the two tables."""

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
    """`verdicts` of both claims in every cell, `cells`, a row for each, and `ends`, how what is forgotten splits."""
    cells: dict[Cell, list[Record]] = {}
    for record in records:
        cells.setdefault(cell(record), []).append(record)
    verdicts, rows, ends = [], [], []
    for where in sorted(cells):
        row: dict[str, Any] = dict(zip(("language", "width", "optimizer"), where, strict=True))
        row |= {"runs": len(cells[where]), "valid": sum(invalidity(one) is None for one in cells[where])}
        for claim in (c1, c2):
            made = claim.analyse(cells[where])
            found = table(claim.CLAIM, claim.check(made), edited=False)
            standing, reason = claim.standing(found)
            row |= {claim.CLAIM.identifier: standing, f"{claim.CLAIM.identifier} reason": reason}
            tags = {name: pl.lit(value) for name, value in row.items() if name in ("language", "width", "optimizer")}
            verdicts.append(found.with_columns(**tags))
            if claim is c2 and made["relearning"].height:
                again = made["splits"].filter(pl.col("run").is_in(made["relearning"]["run"].implode()))
                ends.append(last(again).with_columns(**tags))
        rows.append(row)
    return {
        "cells": pl.DataFrame(rows),
        "verdicts": pl.concat(verdicts),
        "ends": pl.concat(ends) if ends else pl.DataFrame(),
    }


def report(tables: Mapping[str, pl.DataFrame]) -> list[Block]:
    """A table for each claim, and what they say."""
    verdicts, cells = tables["verdicts"], tables["cells"]
    first, second = [], []
    for row in cells.iter_rows(named=True):
        of = {name: row[name] for name in ("language", "width", "optimizer")}
        own, where = verdicts.filter(**of), (row["language"], str(row["width"]), row["optimizer"])
        runs = f"{row['valid']} of {row['runs']}"
        first.append((*where, runs, row["C1"], *(_shown(own, name) for name in ("C1.1a", "C1.1b", "C1.0"))))
        ways = (_least(own, name) for name in ("C2.1a", "C2.1b"))
        ends = tables["ends"]
        known = _interval(ends.filter(**of)["known_behind"].to_numpy()) if ends.height else "–"
        second.append((*where, row["C2"], *ways, _shown(own, "C2.3c"), known, _shown(own, "C2.4")))
    return [
        Heading("Verdicts by language, size and optimiser"),
        Table(C1, tuple(first), 3, "C1"),
        Table(C2, tuple(second), 3, "C2"),
        *_sentences(cells),
    ]


def _shown(own: pl.DataFrame, identifier: str) -> str:
    """Measured value with its interval, and the verdict where it is not that the prediction holds."""
    said = []
    for row in own.filter(prediction=identifier).iter_rows(named=True):
        number = "–" if row["measured"] is None else f"{short(row['measured'])} "
        number += "" if row["measured"] is None else f"[{short(row['lower'])}, {short(row['upper'])}]"
        said.append(number if row["outcome"] == "holds" else f"{number} ({row['outcome']})")
    return "; ".join(said) or "–"


def _interval(values: np.ndarray) -> str:
    """A mean with its interval."""
    if not len(values):
        return "–"
    found = interval(values)
    return f"{short(found.estimate)} [{short(found.lower)}, {short(found.upper)}]"


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
            reasons = "; ".join(dict.fromkeys(reason.split(";")[0] for reason in own[f"{claim} reason"]))
            said.append(Paragraph(f"{claim} {standing} in {where}: {reasons}.", bullet=True))
    said.append(Paragraph(f"Predictions: {c1.CLAIM.announced}, {c2.CLAIM.announced}.", bullet=True))
    return said
