"""Do the verdicts on C1 and C2 depend on the language, the size of the model, the optimiser or its rate?"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from experiments import c1_entropy as c1
from experiments import c2_support as c2
from experiments.board import short
from experiments.predictions import Claim, Need, Tables, table
from experiments.statistics import interval
from experiments.study import Study
from sim.quantity import Quantity, exponential
from sim.show.blocks import Block, Heading, Paragraph, Table

TOGETHER = True
"""All runs of the folder are reported together."""

CLAIMS = (c1.CLAIM, c2.CLAIM)

KEYS = {
    "language": "grammar", "width": "model.width", "optimizer": "optimizer", "rate": "optimizer.learning_rate",
}  # fmt: skip
"""What tells the combinations apart, and its column in the table of runs."""

LOST = (Need(("style_erasure", "kl"), phases=("sft",)),)
"""The numbers that say how much is kept behind the gate."""

FITTED = 0.03
"""Largest KL(S‖q) in the end at which a run says how much is kept [nat per answer]."""

HALF = 0.5
"""A combination keeps what is lost if exp(−E) lies above this, and erases it if it lies below."""

CELL = ("language", "width", "optimiser", "rate")
C1 = (*CELL, "valid runs", "C1", "slope of H(q) on H(S)", "H(q) − H(S) [nat]", "control [nat]")
C2 = (*CELL, "C2", "sizes fall, least", "sizes rise, least", "share of the gate", "kept, exact", "kept, sampled",
      "relearning, area [nat]")  # fmt: skip
"""The columns of the two tables."""


def analyse(folder: Path) -> Tables:
    """Return `cells` (a row for each combination), `findings` of both claims in each, and `kept` (see `kept`)."""
    studies = {claim.identifier: Study.of(folder, claim.needs) for claim in CLAIMS}
    behind = kept(Study.of(folder, LOST))
    runs = with_width(studies["C1"].runs)
    findings, rows = [], []
    for values, own in runs.group_by(*KEYS.values(), maintain_order=True):
        row: dict[str, Any] = dict(zip(KEYS, values, strict=True))
        row |= {"runs": own.height, "valid": int(own["valid"].sum())}
        for claim in CLAIMS:
            counted = own.filter(pl.col("objective.targets") == "exact") if claim is c1.CLAIM else own
            made = claim.tables(studies[claim.identifier].restricted(counted))
            found = judged(claim, made)
            standing, reason = claim.verdict(found)
            row |= {claim.identifier: standing, f"{claim.identifier} reason": reason}
            findings.append(found.with_columns(**{name: pl.lit(row[name]) for name in KEYS}))
        rows.append(row)
    return {"cells": pl.DataFrame(rows).sort(*KEYS), "findings": pl.concat(findings), "kept": behind}


def with_width(runs: pl.DataFrame) -> pl.DataFrame:
    """Return a table of runs with the width of each model; it is 0 for tables, which have none."""
    width = pl.col("model.width").fill_null(0) if "model.width" in runs.columns else pl.lit(0)
    return runs.with_columns(width.cast(pl.Int64).alias("model.width"))


def judged(claim: Claim, tables: Tables) -> pl.DataFrame:
    """Return the findings of a claim on the runs of one cell. These runs were not made for the claim."""
    return table(claim, claim.judge(tables), [claim.announced])


# -- how much is kept behind the gate ---------------------------------------------------------------------------------


def kept(study: Study) -> pl.DataFrame:
    """Return the valid runs that lose a style, or a way to begin: E [nat] in the end, fit KL(S‖q), and their cell."""
    lost = study.pick("style_erasure", "E", "P(x)", "sft").select("run", erased="lower")
    fit = study.pick("kl", "S||q", "S(x)", "sft").select("run", fit="lower")
    runs = with_width(study.runs).filter(pl.col("valid"), pl.col("restriction.kind").is_in(["style", "regular"]))
    cells = {name: pl.col(column) for name, column in KEYS.items()}
    found = runs.select("run", "seed", targets="objective.targets", **cells)
    return found.join(lost, on="run").join(fit, on="run").sort(*KEYS, "targets", "seed")


def factor(own: pl.DataFrame) -> Quantity | None:
    """Return exp(−E) of the mean E over seeds, with its interval; None without a run that has fitted S.

    It is a geometric mean, because the factor is skewed. The interval is [0, 0] if a string was lost entirely.
    """
    values = own.filter(pl.col("fit") <= FITTED)["erased"].to_numpy()
    if not len(values):
        return None
    if np.isinf(values).any():
        return Quantity.of(0.0)
    return interval(values).decreasing(lambda value: exponential(-value))


def verdict(own: pl.DataFrame) -> str:
    """Return whether what is lost is kept behind the gate, erased, or undecided; "–" without a run."""
    found = factor(own)
    if found is None:
        return "–"
    return "kept" if found.lower > HALF else "erased" if found.upper < HALF else "undecided"


# -- report -----------------------------------------------------------------------------------------------------------


def report(tables: Mapping[str, pl.DataFrame]) -> list[Block]:
    """Report a table for each claim, and its conclusions."""
    findings, cells, behind = tables["findings"], tables["cells"], tables["kept"]
    first, second = [], []
    for row in cells.iter_rows(named=True):
        of = {name: row[name] for name in KEYS}
        own, where = findings.filter(**of), (row["language"], str(row["width"]), row["optimizer"], f"{row['rate']:g}")
        runs = f"{row['valid']} of {row['runs']}"
        first.append((*where, runs, row["C1"], *(_shown(own, name) for name in ("C1.1a", "C1.1b", "C1.0"))))
        ways = (_least(own, name) for name in ("C2.1a", "C2.1b"))
        known = (_factor(behind.filter(**of, targets=targets)) for targets in ("exact", "sampled"))
        second.append((*where, row["C2"], *ways, _shown(own, "C2.3c"), *known, _shown(own, "C2.4b")))
    return [
        Heading("Verdicts by language, size, optimiser and rate"),
        Table(C1, tuple(first), len(CELL), "C1"),
        Table(C2, tuple(second), len(CELL), "C2"),
        *_sentences(cells, behind),
    ]


def _shown(own: pl.DataFrame, identifier: str) -> str:
    """Write the measured value with its interval, and the verdict unless the prediction holds."""
    said = []
    for row in own.filter(prediction=identifier).iter_rows(named=True):
        number = "–" if row["measured"] is None else f"{short(row['measured'])} "
        number += "" if row["measured"] is None else f"[{short(row['lower'])}, {short(row['upper'])}]"
        said.append(number if row["verdict"] == "holds" else f"{number} ({row['verdict']})")
    return "; ".join(said) or "–"


def _factor(own: pl.DataFrame) -> str:
    """Write exp(−E) with its interval, and how many of the runs have fitted S if not all have."""
    found = factor(own)
    fitted = own.filter(pl.col("fit") <= FITTED).height
    part = "" if fitted == own.height else f" ({fitted} of {own.height} fitted)"
    if found is None:
        return f"–{part}"
    middle = 0.0 if found.estimate is None else found.estimate
    return f"{short(middle)} [{short(found.lower)}, {short(found.upper)}]{part}"


def _least(own: pl.DataFrame, identifier: str) -> str:
    """Write the least measured value over the cases, and in how many of them the prediction does not hold."""
    found = own.filter(pl.col("prediction") == identifier, pl.col("measured").is_not_null())
    if not found.height:
        return "–"
    broken = found.height - found.filter(verdict="holds").height
    return short(float(found["measured"].to_numpy().min())) + (f" ({broken} of {found.height} fail)" if broken else "")


def _sentences(cells: pl.DataFrame, behind: pl.DataFrame) -> Iterator[Block]:
    for claim in ("C1", "C2"):
        for (standing,), own in cells.group_by(claim, maintain_order=True):
            where = f"{own.height} of {cells.height} combinations"
            reasons = "; ".join(dict.fromkeys(reason.split(";")[0] for reason in own[f"{claim} reason"]))
            yield Paragraph(f"{claim} {standing} in {where}: {reasons}.", bullet=True)
    for (targets,), own in behind.group_by("targets", maintain_order=True):
        found = [verdict(cell) for _, cell in own.group_by(*KEYS, maintain_order=True)]
        counts = [f"{name} in {found.count(name)}" for name in ("kept", "erased", "undecided")]
        yield Paragraph(
            f"Behind the gate, {targets} targets: {', '.join(counts)} of {len(found)} combinations. Kept means that "
            f"exp(−E) lies above {HALF:g}, erased that it lies below.",
            bullet=True,
        )
    yield Paragraph(f"Predictions: {', '.join(claim.announced for claim in CLAIMS)}.", bullet=True)
