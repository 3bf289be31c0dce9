"""Rival causes of a trend over levels of a grammar: how often a symbol is used, where, and what hangs on its rule.

`python -m experiments level_rivals outputs/g_levels` reads the runs of claim G. It was written before any of
these runs was read, but after the predictions of the claim, so it decides nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from experiments.g_levels.places import Place
from experiments.g_levels.tables import RULE, Kept, counted, kept, table_of
from experiments.predictions import Tables
from experiments.statistics import interval
from sim.disk.folders import finished
from sim.quantity import Quantity
from sim.show.blocks import Block, Heading, Paragraph, Table
from sim.show.writing import text
from sim.unlisted.record import read

TOGETHER = True
"""All runs of the folder are reported together."""

UNLISTED = True
"""It reads runs on languages that are not listed (`sim.unlisted.record`), and no others."""

CAUSES = {"level": "level", "log_uses": "log n", "place": "place [tokens]", "span": "span [tokens]"}
"""What may explain a number: columns, and what the report calls them."""

NUMBERS = {"excess": "excess [nat]", "worse": "derived − siblings [nat/token]", "followed": "followed"}
"""What is to be explained."""

FEWEST = 3
"""Least number of worlds for an interval."""


def analyse(folder: Path) -> Tables:
    """Return `runs`, a row for each changed rule of the runs that count, and `slopes`, see `slopes_of`.

    log_uses: log n; place: the mean position at which S differs from P, weighted by KL(P_t||S_t), in strings of P
    [tokens]; span: the mean number of tokens that the changed rule derives. The first is exact, the others are means
    over the judged strings.
    """
    records = [kept(read(source)) for source in finished(folder)]
    about = pl.DataFrame(list(_about(records)), schema={"run": pl.String, "place": pl.Float64, "span": pl.Float64})
    runs = counted(table_of(records)).filter(pl.col("level").is_not_null()).join(about, on="run", how="left")
    runs = runs.with_columns(log_uses=pl.col("uses").log(), worse=pl.col("derived") - pl.col("siblings"))
    return {"runs": runs, "slopes": slopes_of(runs)}


def _about(records: Sequence[Kept]) -> Iterator[dict[str, Any]]:
    places = dict[str, Place]()
    for one in records:
        if one.kind == RULE:
            place = places.setdefault(one.world, Place.of(one.config, one.rows))
            node = one.config["restriction"]
            weight = place.divergence(node).sum(axis=0)
            uses = place.uses
            own = uses.part == place.number(node["rule"])
            mean = float((weight * np.arange(len(weight))).sum() / weight.sum())
            tokens = (uses.end - uses.begin)[own]
            yield {"run": one.hash, "place": mean, "span": float(np.average(tokens, weights=uses.expected[own]))}


def slopes_of(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the slopes of every number within worlds: of each cause alone, and of the level and a rival together.

    Least squares after the mean of each world is taken away. Intervals of 95 % by the jackknife over worlds: Student's
    t of the pseudo-values W b - (W - 1) b_w, where b_w lacks the world w. Columns: targets, number, cause, beside (the
    other cause in the same fit, "" if none), slope, lower, upper, worlds.
    Source: J. Tukey 1958, "Bias and confidence in not-quite large samples", Annals of Mathematical Statistics 29.
    """
    found = []
    for (targets,), own in runs.group_by("targets", maintain_order=True):
        for number in NUMBERS:
            known = own.drop_nulls(number)
            for causes in (*((one,) for one in CAUSES), *(("level", one) for one in CAUSES if one != "level")):
                for cause, (slope, q) in _fitted(known, number, causes).items():
                    beside = next((one for one in causes if one != cause), "")
                    found.append({"targets": targets, "number": number, "cause": cause, "beside": beside,
                                  "slope": slope, "lower": q.lower, "upper": q.upper, "worlds": q.count})  # fmt: skip
    texts = dict.fromkeys(("targets", "number", "cause", "beside"), pl.String())
    numbers = dict.fromkeys(("slope", "lower", "upper"), pl.Float64())
    return pl.DataFrame(found, schema=texts | numbers | {"worlds": pl.Int64()})


def _fitted(runs: pl.DataFrame, number: str, causes: Sequence[str]) -> dict[str, tuple[float, Quantity]]:
    """The slope of every cause, and its interval; nothing if there are fewer than FEWEST worlds."""
    worlds = runs["seed"].unique().sort().to_list()
    if len(worlds) < FEWEST:
        return {}
    whole = _slopes(runs, number, causes)
    without = np.array([_slopes(runs.filter(pl.col("seed") != one), number, causes) for one in worlds])
    pseudo = len(worlds) * whole - (len(worlds) - 1) * without
    return {cause: (slope, interval(own)) for cause, slope, own in zip(causes, whole.tolist(), pseudo.T, strict=True)}


def _slopes(runs: pl.DataFrame, number: str, causes: Sequence[str]) -> np.ndarray:
    within = [(pl.col(name) - pl.col(name).mean().over("seed")).alias(name) for name in (number, *causes)]
    values = runs.select("seed", number, *causes).with_columns(within)
    x, y = values.select(causes).to_numpy(), values[number].to_numpy()
    return np.asarray(np.linalg.lstsq(x, y, rcond=None)[0])


def report(tables: Mapping[str, pl.DataFrame]) -> list[Block]:
    """Report the slopes, with a table for each number."""
    slopes = tables["slopes"]
    blocks: list[Block] = [
        Heading("Rival causes of a trend over the levels of a grammar"),
        Paragraph(
            f"{tables['runs'].height} runs with a rarer rule, valid and at equal fit. Slopes within worlds, by least "
            "squares; 95 % intervals by the jackknife over worlds. They were not announced, so they decide nothing."
        ),
    ]
    for number, title in NUMBERS.items():
        own = slopes.filter(number=number)
        lines = tuple(
            (row["targets"], CAUSES[row["cause"]], CAUSES.get(row["beside"], "alone"), _shown(row), str(row["worlds"]))
            for row in own.iter_rows(named=True)
        )
        blocks.append(Table(("targets", "cause", "beside", "slope", "worlds"), lines, num_left=3, title=title))
    return blocks


def _shown(row: Mapping[str, Any]) -> str:
    q = Quantity(row["lower"], row["upper"], "over seeds", row["slope"])
    return f"{row['slope']:.3g} {text(q).removeprefix('≈ ')}".replace("-", "−")
