"""The atlas as tables: the path of every run, where it first reaches a fit, its end, and means over worlds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from experiments.atlas.mixtures import mixtures
from experiments.atlas.naming import named
from experiments.atlas.ranking import compared, mean_of, orders, places
from experiments.atlas.worlds import (
    PLACES,
    SAMPLES,
    World,
    laws,
    mean_planes,
    named_worlds,
    planes,
    worlds_of,
)
from experiments.predictions import Need, Tables
from experiments.study import Study
from sim.phases import is_sibling

LEVELS = (0.3, 0.1, 0.03)
"""The fits KL(S‖q) [nat per answer] at which methods are compared."""

NUMBERS = {
    "fit": ("kl", "S||q", "S(x)", ""), "forgetting": ("kl", "P||q", "P(x)", ""),
    "e": ("style_erasure", "E", "P(x)", ""), "gate": ("gate", "A", "P(x)", ""),
    "lost": ("event_mass", "q(B)", "P(x)", ""), "off": ("outside_p", "q", "P(x)", ""),
    **{name: (metric, "q", "P(x)", at) for name, (metric, at) in PLACES.items()},
}  # fmt: skip
"""What is read of every evaluation: columns, and the metric, what it is of, the prompt law, and the column `at`."""

BEST = {
    "fit_best": ("kl", "S||q*", "S(x)", ""), "forgetting_best": ("kl", "P||q*", "P(x)", ""),
    "h_best": ("entropy", "q*", "P(x)", ""), "h_p": ("entropy", "P", "P(x)", ""),
    **{f"{name}_best": (metric, "q*", "P(x)", at) for name, (metric, at) in PLACES.items()},
}  # fmt: skip
"""What is known before any training: the coordinates of the optimum q*, and H(P)."""

NEEDS = (Need((*dict.fromkeys(one[0] for one in (*NUMBERS.values(), *BEST.values())), "excursion", "mixture_kl")),)
"""The numbers that the atlas needs, of all phases: a method may edit the result of its fine-tuning."""

FITTED = 0.03
"""E and X are read at ends with KL(S‖q) at most this much above KL(S‖q*) [nat per answer]."""

NO_METHOD = ("truth", "pretrain", "identity", "carried", "linearised")
"""Phases that are no result of a method; nor are the siblings of a fine-tuning."""

MEANS = (
    "step", "fit", "forgetting", "least", "above", "e", "gate", "lost", "off", *PLACES, "below_entropy",
    f"below_coverage_{SAMPLES}",
)  # fmt: skip
"""Columns of paths and crossings whose means over worlds are shown, with intervals."""

OF_ENDS = (
    "x", "h_lower", "h_upper", "objective_gap", "learning_gap", "above_best", *BEST,
)  # fmt: skip
"""Further columns of ends."""


def tables(study: Study) -> Tables:
    """Return the tables of the atlas.

    runs: method, strength, language and world of each; paths: every evaluation; crossings, ends: of every run; cells:
    means over worlds of both; planes, mean_planes, laws: the frontiers, see `experiments.atlas.worlds`; places, orders:
    the ranking, see `experiments.atlas.ranking`; mixtures: averaged weights beside mixed laws, see
    `experiments.atlas.mixtures`.
    """
    runs = named(study.runs).join(named_worlds(study), on="run", maintain_order="left")
    valid = runs.filter("valid")
    worlds = worlds_of(study, valid)
    paths = paths_of(study, valid, worlds)
    crossed, last = crossings(paths), ends(study, paths, worlds)
    frontiers, sides = planes(worlds, valid), compared(crossed)
    return {
        "runs": runs, "paths": paths, "crossings": crossed, "ends": last, "cells": cells(crossed, last),
        "planes": frontiers, "mean_planes": mean_planes(frontiers), "laws": laws(study, valid),
        "places": places(sides, last), "orders": orders(sides), "mixtures": mixtures(study, last, worlds),
    }  # fmt: skip


def paths_of(study: Study, runs: pl.DataFrame, worlds: Mapping[str, World]) -> pl.DataFrame:
    """Return every evaluation of the fine-tunings and of edited models, in the answers given the prompt.

    fit: KL(S‖q); forgetting: KL(P‖q); least: the least forgetting that any model can have at this fit; above: the
    difference, the distance to the frontier; e: erasure E; gate [all nat per answer]; lost: q(B); off: q(⊥), the mass
    outside of supp P; h_lower, h_upper: H(q); surprisal, h_on: E[-log P] and H of the model on supp P; below_entropy:
    by how much h_on lies below the largest one at this surprisal [all nat per answer]; coverage_N: the probability that
    N samples hold an answer drawn from P; below_coverage_N: what is missing to the largest one at this leak.
    """
    parts = []
    phases = study.numbers["phase"].unique(maintain_order=True).to_list()
    for phase in (one for one in phases if one not in NO_METHOD and not is_sibling(one)):
        found = study.pick("kl", "S||q", "S(x)", phase, "every").select("run", "step")
        for name, (metric, of, law, at) in NUMBERS.items():
            one = study.pick(metric, of, law, phase, "every", at=at).select("run", "step", pl.col("lower").alias(name))
            found = found.join(one, on=["run", "step"], how="left", maintain_order="left")
        h = study.pick("entropy", "q", "P(x)", phase, "every")
        found = found.join(
            h.select("run", "step", h_lower="lower", h_upper="upper"), on=["run", "step"], how="left",
            maintain_order="left",
        )  # fmt: skip
        if found.height:
            edit = "" if phase == "sft" else phase.replace("_", " ")
            parts.append(found.with_columns(phase=pl.lit(phase), edit=pl.lit(edit)))
    found = runs.join(pl.concat(parts), on="run", maintain_order="left")
    strength = pl.when(pl.col("edit") == "").then(pl.col("strength")).otherwise(pl.col("edit"))
    found = found.with_columns(strength=strength).drop("edit")
    found = found.sort("language", "method", "seed", "run", "phase", "step", maintain_order=True)
    return beside_frontiers(found, worlds)


def beside_frontiers(paths: pl.DataFrame, worlds: Mapping[str, World]) -> pl.DataFrame:
    """Return the evaluations with their distances to the frontiers of their world."""
    parts = [paths.head(0)]
    for (world,), own in paths.group_by("world", maintain_order=True):
        on = worlds[str(world)]
        column = {name: own[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in ("fit", "surprisal", "off")}
        best = on.least(column["fit"]), on.most_entropy(column["surprisal"]), on.most_coverage(column["off"])
        names = ("least", "most_entropy", "most_coverage")
        parts.append(
            own.with_columns(pl.Series(name, one).fill_nan(None) for name, one in zip(names, best, strict=True))
        )
    found = pl.concat(parts, how="diagonal").sort(
        "language", "method", "seed", "run", "phase", "step", maintain_order=True
    )
    empty = {name: pl.Float64 for name in ("least", "most_entropy", "most_coverage") if name not in found.columns}
    return found.with_columns(pl.lit(None, kind).alias(name) for name, kind in empty.items()).with_columns(
        (pl.col("forgetting") - pl.col("least")).alias("above"),
        (pl.col("most_entropy") - pl.col("h_on")).alias("below_entropy"),
        (pl.col("most_coverage") - pl.col(f"coverage_{SAMPLES}")).alias(f"below_coverage_{SAMPLES}"),
    ).drop("most_entropy", "most_coverage")  # fmt: skip


def crossings(paths: pl.DataFrame) -> pl.DataFrame:
    """Return the numbers of every fine-tuning where KL(S‖q) first falls to each level, between two evaluations.

    They are interpolated on a straight line in log KL(S‖q). A run that never gets there has no row. Nor has one whose
    result is edited: its method is not the path of the fine-tuning, but what becomes of its end.
    """
    rows = []
    keys = ("run", "method", "strength", "seed", "language")
    edited = paths.filter(pl.col("phase") != "sft")["run"].implode()
    for values, own in paths.filter(pl.col("phase") == "sft", ~pl.col("run").is_in(edited)).group_by(
        keys, maintain_order=True
    ):
        fit = own["fit"].to_numpy()
        numbers = own.select(pl.col(MEANS).cast(pl.Float64)).to_numpy()
        for level in LEVELS:
            reached = np.flatnonzero(fit <= level)
            if not len(reached) or not reached[0]:
                continue
            at = int(reached[0])
            share = (np.log(fit[at - 1]) - np.log(level)) / (np.log(fit[at - 1]) - np.log(fit[at]))
            between = numbers[at - 1] + share * (numbers[at] - numbers[at - 1])
            between[MEANS.index("fit")] = level  # on a line in log KL(S‖q) it is where the line is read
            rows.append((*values, level, *(None if np.isnan(one) else float(one) for one in between)))
    names = dict.fromkeys(keys, pl.String) | {"seed": pl.Int64}
    return pl.DataFrame(rows, schema=names | dict.fromkeys(("level", *MEANS), pl.Float64), orient="row")


def ends(study: Study, paths: pl.DataFrame, worlds: Mapping[str, World]) -> pl.DataFrame:
    """Return the numbers of every model in the end, after equally many steps unless a method has others.

    Beside those of the path: x, the excursion X [nat], null for edited models; h_p and h_best: entropies of P and of q*
    [nat per answer]; objective_gap = H(q*) − H(P) and learning_gap = H(q) − H(q*), at the middle of the bounds;
    fit_best = KL(S‖q*), forgetting_best = KL(P‖q*), above_best: how far q* lies above the frontier, and the coordinates
    of q* in the other planes; fitted: whether KL(S‖q) is at most KL(S‖q*) + 0.03. What a run lacks is null: q*, if
    nothing is predicted; then `fitted` is false.
    """
    last = paths.group_by("run", "phase", maintain_order=True).last()
    columns = {name: (*one[:3], "truth", one[3]) for name, one in BEST.items()}
    columns["x"] = ("excursion", "X", "S(x)", "sft", "")
    for name, (metric, of, law, phase, at) in columns.items():
        one = study.pick(metric, of, law, phase, at=at)
        one = one.select("run", ((pl.col("lower") + pl.col("upper")) / 2).alias(name))
        last = last.join(one, on="run", how="left", maintain_order="left")
    least = [
        None if fit is None else float(worlds[world].least(np.array([fit]))[0])
        for world, fit in last.select("world", "fit_best").iter_rows()
    ]
    middle = (pl.col("h_lower") + pl.col("h_upper")) / 2
    return last.with_columns(
        x=pl.when(pl.col("phase") == "sft").then(pl.col("x")),
        objective_gap=pl.col("h_best") - pl.col("h_p"),
        learning_gap=middle - pl.col("h_best"),
        above_best=(pl.col("forgetting_best") - pl.Series(least, dtype=pl.Float64)).fill_nan(None),
        fitted=(pl.col("fit") <= pl.col("fit_best") + FITTED).fill_null(False),
    ).sort("language", "method", "strength", "seed", maintain_order=True)


def cells(crossed: pl.DataFrame, last: pl.DataFrame) -> pl.DataFrame:
    """Return means over worlds with 95 % intervals, for every method, strength, and level; a null level is the end.

    Columns: worlds, how many are behind a mean; tried, in how many it was run; fitted, in how many its end fits; and of
    every number <name>, <name>_lower, <name>_upper. E and X in the end are means over the worlds in which it fits. A
    mean is infinite if a world is, and then it has no interval.
    """
    fits = {name: pl.when("fitted").then(pl.col(name)) for name in ("e", "x")}
    both = pl.concat([crossed, last.with_columns(level=pl.lit(None, pl.Float64), **fits)], how="diagonal_relaxed")
    keys, numbers = ("language", "method", "strength"), (*MEANS, *OF_ENDS)
    tried = {key: own["seed"].n_unique() for key, own in last.group_by(keys)}
    rows = []
    for values, own in both.group_by(*keys, "level", maintain_order=True):
        row: dict[str, object] = dict(zip((*keys, "level"), values, strict=True))
        row |= {"worlds": own["seed"].n_unique(), "tried": tried.get(values[:-1])}
        row["fitted"] = int(own["fitted"].sum()) if values[-1] is None else None
        for name in numbers:
            found = own[name].drop_nulls().to_numpy() if name in own.columns else np.zeros(0)
            row |= dict(zip((name, f"{name}_lower", f"{name}_upper"), mean_of(found), strict=True))
        rows.append(row)
    of: dict[str, Any] = {f"{name}{end}": pl.Float64 for name in numbers for end in ("", "_lower", "_upper")}
    counts = dict.fromkeys(("worlds", "tried", "fitted"), pl.Int64)
    return pl.DataFrame(rows, schema=dict.fromkeys(keys, pl.String) | {"level": pl.Float64} | counts | of)
