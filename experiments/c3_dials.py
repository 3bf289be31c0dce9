"""Dials of C3: how much prompts share, how many there are, how long they are trained, and how answers are divided.

Everything is read at the end of the fine-tuning. It is a report: nothing is judged. It can be made of the runs of
`c3_answers` too. Then it says what held-out prompts have collapsed on: the same answer, or a copy of different ones.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from experiments.board import short
from experiments.c3_answers.tables import NEEDS
from experiments.c3_answers.tables import tables as tables_of_runs
from experiments.c3_answers.truth import topics_of
from experiments.predictions import Tables
from experiments.statistics import interval
from experiments.study import Study
from sim.disk.records import Record
from sim.metrics.scene import World
from sim.show.blocks import Block, Heading, Paragraph, Table

TOGETHER = True
"""All runs of the folder are reported together."""

LEAVES = {"kappa": "grammar.idiosyncrasy", "prompts": "grammar.num_prompts", "shown": "grammar.shown"}
"""Further columns that tell cells apart, and their leaves of the configuration."""

MEMBERS = ("cells", "annotators", "fewer", "rivals")
"""Beginnings of the names of the parts with finite or narrow data."""

SETUP = ("part", "kappa", "prompts", "shown", "n", "m", "temperature", "num_steps")

QUANTITIES = {
    "rho": "ρ̂",
    "residual": "residual",
    "trained": "H(P) − H(q), trained [nat]",
    "held": "H(P) − H(q), held-out [nat]",
    "loss": "b [nat]",
    "each": "H(q_x), held-out, valid answers [nat]",
    "together": "H of the mean of q_x over a topic [nat]",
    "copied": "held-out mass on answers in the topic's data",
}
"""What is reported of a cell, and its name in the table."""


def analyse(folder: Path) -> Tables:
    """Return `runs`, a row each, and `cells`: means over valid runs with 95 % intervals."""
    study = Study.of(folder, NEEDS)
    there = {name: leaf for name, leaf in LEAVES.items() if leaf in study.runs.columns}
    runs = tables_of_runs(study)["runs"].join(study.runs.select("run", **there), on="run", maintain_order="left")
    runs = runs.with_columns(pl.lit(None).alias(name) for name in LEAVES if name not in there)
    middles = {
        name: pl.col(f"h_p_{name}") - (pl.col(f"h_q_{name}_lower") + pl.col(f"h_q_{name}_upper")) / 2
        for name in ("trained", "held")
    }
    runs = runs.with_columns(residual=(pl.col("residual_lower") + pl.col("residual_upper")) / 2, **middles)
    runs = runs.join(copies(study, runs), on="run", how="left", maintain_order="left")
    return {"runs": runs, "cells": cells(runs.filter("valid"))}


def copies(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """Return what held-out prompts answer at the end of every run, see `copied`."""
    own = runs.filter(pl.any_horizontal(pl.col("part").str.starts_with(one) for one in MEMBERS))
    rows = [{"run": run} | copied(study.record(run)) for run in own["run"]]
    kinds = [("run", pl.String), *((name, pl.Float64) for name in ("each", "together", "copied"))]
    return pl.DataFrame(rows, schema=kinds)


def copied(record: Record) -> dict[str, float | None]:
    """Return `shared` of the tuned model given a valid answer. All prompts have the same answers in the same order."""
    p, s = record.p, record.restricted.s
    q = np.exp(World(record, "response").scored("sft", -1).log_q).reshape(p.prompts.num_groups, -1)
    shown = s.prompts.log_p > -np.inf
    return shared(q / q.sum(axis=1, keepdims=True), np.exp(s.log_p).reshape(q.shape) > 0, topics_of(record), shown)


def shared(q: np.ndarray, data: np.ndarray, topic: np.ndarray, shown: np.ndarray) -> dict[str, float | None]:
    """Return means over the topics of held-out prompts x; the held-out prompts of a topic count equally.

    q: float64[G, K], laws of the answers to every prompt; data: bool[G, K], whether the data have this answer; topic:
    int[G]; shown: bool[G], whether the data show the prompt. each: the mean of H(q_x) [nat]; together: the entropy of
    the mean of q_x over the prompts of the topic: if it is not larger than `each`, they all have the same law; copied:
    the mass of q_x on answers that the data give to other prompts of the topic. None without held-out prompts.
    """
    found = []
    for t in np.unique(topic[~shown]).tolist():
        held, given = q[(topic == t) & ~shown], data[(topic == t) & shown].any(axis=0)
        found.append((_entropy(held).mean(), _entropy(held.mean(axis=0)), held[:, given].sum(axis=1).mean()))
    means = np.mean(found, axis=0).tolist() if found else [None] * 3
    return dict(zip(("each", "together", "copied"), means, strict=True))


def _entropy(law: np.ndarray) -> np.ndarray:
    inside = np.where(law > 0.0, law, 1.0)
    return np.asarray(-(law * np.log(inside)).sum(axis=-1))


def cells(runs: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each cell and quantity: mean, lower, upper, and the number of worlds that have it."""
    rows = []
    for values, own in runs.sort(*SETUP, "seed").group_by(*SETUP, maintain_order=True) if runs.height else ():
        for name in QUANTITIES:
            known = own[name].drop_nulls().to_numpy()
            if len(known):
                found = interval(known)
                ends = {"mean": found.estimate, "lower": found.lower, "upper": found.upper, "worlds": len(known)}
                rows.append(dict(zip(SETUP, values, strict=True)) | {"quantity": name} | ends)
    return pl.DataFrame(rows, infer_schema_length=None)


def report(tables: Mapping[str, pl.DataFrame]) -> list[Block]:
    """Report every cell in a row."""
    found, lines = tables["cells"], []
    for values, own in found.group_by(*SETUP, maintain_order=True) if found.height else ():
        said = {
            row["quantity"]: f"{short(row['mean'])} [{short(row['lower'])}, {short(row['upper'])}]"
            for row in own.iter_rows(named=True)
        }
        named = ("–" if one is None else f"{one:g}" if isinstance(one, float) else str(one) for one in values)
        lines.append((*named, *(said.get(name, "–") for name in QUANTITIES), str(own["worlds"].max())))
    names = ("part", "κ", "prompts", "topic shown", "n", "m", "τ", "steps", *QUANTITIES.values(), "worlds")
    runs = tables["runs"]
    return [
        Heading("Dials of C3"),
        Table(names, tuple(lines), len(SETUP), "Means over worlds with 95 % intervals")
        if lines
        else Paragraph("No runs."),
        Paragraph(f"{int(runs['valid'].sum())} of {runs.height} runs are valid. The others do not count."),
    ]
