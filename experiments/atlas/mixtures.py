"""What mixing laws would have done in the place of averaging weights: the fit, the forgetting and the frontier."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from experiments.atlas.ranking import mean_of
from experiments.atlas.worlds import World
from experiments.study import Study

WEIGHTS = "weights"
"""What is mixed if the parameters are averaged; the others are the laws of `sim.metrics.mixtures`."""

WAY = ("language", "method", "strength")
NUMBERS = ("fit", "forgetting", "above")


def mixtures(study: Study, last: pl.DataFrame, worlds: Mapping[str, World]) -> pl.DataFrame:
    """Return means over worlds for every way that averages weights: of the model, and of the mixtures of its parts.

    Columns: language, method, strength, mixed, worlds; fit = KL(S‖·), forgetting = KL(P‖·), above: the distance to the
    frontier [all nat per answer], each with a 95 % interval; apart: the largest distance between the bounds of any of
    these numbers in any world. A number that is only bounded counts with the middle of its bounds.
    """
    each = of_runs(study, last, worlds)
    rows = []
    for values, own in each.group_by(*WAY, "mixed", maintain_order=True):
        row: dict[str, object] = dict(zip((*WAY, "mixed"), values, strict=True)) | {"worlds": own["seed"].n_unique()}
        bounds = [(own[f"{name}_least"].to_numpy(), own[f"{name}_most"].to_numpy()) for name in NUMBERS]
        for name, (least, most) in zip(NUMBERS, bounds, strict=True):
            row |= dict(zip((name, f"{name}_lower", f"{name}_upper"), mean_of((least + most) / 2), strict=True))
        with np.errstate(invalid="ignore"):  # infinite numbers have equal ends
            row["apart"] = max(float(np.where(most == least, 0.0, most - least).max()) for least, most in bounds)
        rows.append(row)
    numbers = dict.fromkeys((f"{name}{end}" for name in NUMBERS for end in ("", "_lower", "_upper")), pl.Float64)
    schema = dict.fromkeys((*WAY, "mixed"), pl.String) | {"worlds": pl.Int64} | numbers | {"apart": pl.Float64}
    return pl.DataFrame(rows, schema=schema)


def of_runs(study: Study, last: pl.DataFrame, worlds: Mapping[str, World]) -> pl.DataFrame:
    """Return the numbers of every run between bounds, as columns <name>_least and <name>_most."""
    parts = [_empty()]
    for (phase,), own in last.group_by("phase", maintain_order=True):
        fit, forgetting = (
            study.pick("mixture_kl", of, law, str(phase), at=None).select(
                "run", pl.col("at").alias("mixed"), pl.col("lower").alias(f"{name}_least"),
                pl.col("upper").alias(f"{name}_most"),
            )
            for name, of, law in (("fit", "S||m", "S(x)"), ("forgetting", "P||m", "P(x)"))
        )  # fmt: skip
        mixed = fit.join(forgetting, on=["run", "mixed"], maintain_order="left")
        itself = own.filter(pl.col("run").is_in(mixed["run"].implode())).select(
            "run", pl.lit(WEIGHTS).alias("mixed"), fit_least="fit", fit_most="fit", forgetting_least="forgetting",
            forgetting_most="forgetting",
        )  # fmt: skip
        named = own.select("run", *WAY, "seed", "world")
        parts.append(named.join(pl.concat([itself, mixed]), on="run", maintain_order="left_right"))
    found = pl.concat(parts, how="diagonal_relaxed")
    above = [
        [values[name] - float(worlds[values["world"]].least(np.array([values[fit]]))[0])
         for values in found.iter_rows(named=True)]
        for name, fit in (("forgetting_least", "fit_least"), ("forgetting_most", "fit_most"))
    ]  # fmt: skip
    ends = (pl.Series(f"above_{end}", one, pl.Float64) for end, one in zip(("least", "most"), above, strict=True))
    return found.with_columns(*ends)


def _empty() -> pl.DataFrame:
    ends = dict.fromkeys((f"{name}_{end}" for name in NUMBERS[:2] for end in ("least", "most")), pl.Float64)
    texts = dict.fromkeys(("run", *WAY, "world", "mixed"), pl.String)
    return pl.DataFrame(schema={**texts, "seed": pl.Int64, **ends})
