"""The atlas as tables: the path of every run, where it first reaches a fit, its end, and means over worlds."""

from typing import Any

import numpy as np
import polars as pl

from experiments.predictions import Need, Tables
from experiments.statistics import interval
from experiments.study import Study
from sim.numerics import SpecificationError
from sim.theory.frontier import least_forgetting

LEVELS = (0.3, 0.1, 0.03)
"""The fits KL(S‖q) [nat per answer] at which methods are compared."""

NUMBERS = {
    "fit": ("kl", "S||q", "S(x)"), "forgetting": ("kl", "P||q", "P(x)"), "e": ("style_erasure", "E", "P(x)"),
    "gate": ("gate", "A", "P(x)"), "lost": ("event_mass", "q(B)", "P(x)"),
}  # fmt: skip
"""What is read of every evaluation: columns, and the metric, what it is of, and the prompt law."""

NEEDS = (Need(("kl", "style_erasure", "gate", "event_mass", "entropy", "excursion", "off_support")),)
"""The numbers that the atlas needs, of all phases: a method may edit the result of its fine-tuning."""

NO_METHOD = ("truth", "pretrain", "identity", "carried", "linearised")
"""Phases that are no result of a method."""

NO_STRENGTH = ("run", "name", "valid", "claim", "part")
"""Columns of the table of runs that are no leaves of the configuration."""

MEANS = ("step", "fit", "forgetting", "least", "above", "e", "gate", "lost")
"""Columns whose means over worlds are shown, with intervals."""


def tables(study: Study) -> Tables:
    """Return `runs`, `paths` (every evaluation), `crossings`, `ends`, and `cells` (means over worlds of both)."""
    runs = named(study.runs)
    paths = paths_of(study, runs)
    crossed = crossings(paths)
    last = ends(study, paths)
    both = pl.concat([crossed, last.with_columns(level=pl.lit(None, pl.Float64))], how="diagonal_relaxed")
    return {"runs": runs, "paths": paths, "crossings": crossed, "ends": last, "cells": cells(both)}


def named(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the runs with their method, which is the part of the study, and its strength in words.

    The strength of a run is what differs from the other runs of its method in the same world. Raises SpecificationError
    if two runs of a world cannot be told apart.
    """
    rows = []
    for (part,), own in runs.group_by("part", maintain_order=True):
        leaves = [name for name in own.columns if name not in NO_STRENGTH]
        numbers = own.group_by("seed").agg(pl.col(one).n_unique() for one in leaves if one != "seed")
        varying = [one for one in numbers.columns if one != "seed" and (numbers[one] > 1).any()]
        for row in own.iter_rows(named=True):
            said = ", ".join(f"{one.rpartition('.')[2]} {_short(row[one])}" for one in varying)
            rows.append({"run": row["run"], "seed": row["seed"], "method": part, "strength": said})
    found = pl.DataFrame(rows)
    twice = found.filter(found.select("seed", "method", "strength").is_duplicated())
    if twice.height:
        raise SpecificationError(
            f"atlas: runs of a method that differ within a world are required, found {', '.join(twice['run'][:2])} of "
            f"{twice['method'][0]} that do not; move one of them to another folder"
        )
    return runs.select("run", "valid").join(found, on="run", maintain_order="left")


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def paths_of(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """Return every evaluation of the fine-tunings and of edited models, in the answers given the prompt.

    fit: KL(S‖q); forgetting: KL(P‖q); least: the least forgetting that any model can have at this fit; above: the
    difference, the distance to the frontier; e: erasure E; gate [all nat per answer]; lost: q(B).
    """
    parts = []
    phases = study.numbers["phase"].unique(maintain_order=True).to_list()
    for phase in (one for one in phases if one not in NO_METHOD):
        found = study.pick(*NUMBERS["fit"], phase, "every").select("run", "step", fit="lower")
        for name, (metric, of, law) in NUMBERS.items():
            if name != "fit":
                one = study.pick(metric, of, law, phase, "every").select("run", "step", pl.col("lower").alias(name))
                found = found.join(one, on=["run", "step"], how="left", maintain_order="left")
        if found.height:
            edit = "" if phase == "sft" else phase.replace("_", " ")
            parts.append(found.with_columns(phase=pl.lit(phase), edit=pl.lit(edit)))
    found = runs.join(pl.concat(parts), on="run", maintain_order="left").filter("valid")
    strength = pl.when(pl.col("edit") == "").then(pl.col("strength")).otherwise(pl.col("edit"))
    found = found.with_columns(strength=strength).sort("method", "seed", "run", "phase", "step", maintain_order=True)
    least: list[float] = []
    for (run,), own in found.group_by("run", maintain_order=True):
        record = study.record(str(run))
        laws = record.restricted.s.log_p, record.p.log_p
        least += [least_forgetting(*laws, fit, record.p.prompts.group) for fit in own["fit"]]
    lowest = pl.Series(least, dtype=pl.Float64)
    return found.with_columns(least=lowest, above=pl.col("forgetting") - lowest).drop("edit")


def crossings(paths: pl.DataFrame) -> pl.DataFrame:
    """Return the numbers of every fine-tuning where KL(S‖q) first falls to each level, between two evaluations.

    They are interpolated on a straight line in log KL(S‖q). A run that never gets there has no row. Nor has one whose
    result is edited: its method is not the path of the fine-tuning, but what becomes of its end.
    """
    rows = []
    edited = paths.filter(pl.col("phase") != "sft")["run"].implode()
    for keys, own in paths.filter(pl.col("phase") == "sft", ~pl.col("run").is_in(edited)).group_by(
        "run", "method", "strength", "seed", maintain_order=True
    ):
        fit = own["fit"].to_numpy()
        for level in LEVELS:
            reached = np.flatnonzero(fit <= level)
            if not len(reached) or not reached[0]:
                continue
            at = int(reached[0])
            share = (np.log(fit[at - 1]) - np.log(level)) / (np.log(fit[at - 1]) - np.log(fit[at]))
            row = dict(zip(("run", "method", "strength", "seed"), keys, strict=True)) | {"level": level}
            for name in MEANS:
                ends_ = own[name].to_numpy()[at - 1 : at + 1].astype(np.float64)
                row[name] = float(ends_[0] + share * (ends_[1] - ends_[0]))
            rows.append(row)
    names = dict.fromkeys(("run", "method", "strength"), pl.String) | {"seed": pl.Int64}
    return pl.DataFrame(rows, schema=names | dict.fromkeys(("level", *MEANS), pl.Float64))


def ends(study: Study, paths: pl.DataFrame) -> pl.DataFrame:
    """Return the numbers of every model in the end.

    Beside those of the path: x, the excursion X [nat], null for edited models; off, q(⊥); h_p, h_best and h_lower,
    h_upper: entropies of P, of q* and of the model [nat per answer]; objective_gap = H(q*) − H(P) and learning_gap =
    H(q) − H(q*), at the middle of the bounds; fit_best = KL(S‖q*). What a run lacks is null: q*, if nothing is
    predicted.
    """
    last = paths.group_by("run", "phase", maintain_order=True).last()
    columns = {
        "x": ("excursion", "X", "S(x)", "sft"), "h_p": ("entropy", "P", "P(x)", "truth"),
        "h_best": ("entropy", "q*", "P(x)", "truth"), "fit_best": ("kl", "S||q*", "S(x)", "truth"),
    }  # fmt: skip
    for name, (metric, of, law, phase) in columns.items():
        one = study.pick(metric, of, law, phase).select("run", ((pl.col("lower") + pl.col("upper")) / 2).alias(name))
        last = last.join(one, on="run", how="left", maintain_order="left")
    parts = [last.head(0).with_columns(pl.lit(None, pl.Float64).alias(one) for one in ("h_lower", "h_upper", "off"))]
    for edited in last["phase"].unique(maintain_order=True):
        own = last.filter(phase=edited)
        h = study.pick("entropy", "q", "P(x)", edited).select("run", h_lower="lower", h_upper="upper")
        off = study.pick("off_support", "q", "P(x)", edited).select("run", off="lower")
        parts.append(own.join(h, on="run", how="left").join(off, on="run", how="left"))
    found = pl.concat(parts).with_columns(x=pl.when(pl.col("phase") == "sft").then(pl.col("x")))
    middle = (pl.col("h_lower") + pl.col("h_upper")) / 2
    return found.with_columns(
        objective_gap=pl.col("h_best") - pl.col("h_p"), learning_gap=middle - pl.col("h_best")
    ).sort("method", "strength", "seed", maintain_order=True)


def cells(found: pl.DataFrame) -> pl.DataFrame:
    """Return means over worlds with 95 % intervals, for every method, strength, and level; a null level is the end.

    Columns: worlds, and of every number <name>, <name>_lower, <name>_upper. A mean is infinite if a world is, and then
    it has no interval.
    """
    rows = []
    numbers = (*MEANS, "x", "off", "objective_gap", "learning_gap", "fit_best")
    for keys, own in found.group_by("method", "strength", "level", maintain_order=True):
        row: dict[str, object] = dict(zip(("method", "strength", "level"), keys, strict=True))
        row["worlds"] = own["seed"].n_unique()
        for name in numbers:
            values = own[name].drop_nulls().to_numpy() if name in own.columns else np.zeros(0)
            values = values[~np.isnan(values)]
            said = interval(values) if len(values) > 1 and np.isfinite(values).all() else None
            row |= {
                name: float(values.mean()) if len(values) else None,
                f"{name}_lower": None if said is None else said.lower,
                f"{name}_upper": None if said is None else said.upper,
            }
        rows.append(row)
    of: dict[str, Any] = {f"{name}{end}": pl.Float64 for name in numbers for end in ("", "_lower", "_upper")}
    keys_ = {"method": pl.String, "strength": pl.String, "level": pl.Float64, "worlds": pl.Int64}
    return pl.DataFrame(rows, schema=keys_ | of)
