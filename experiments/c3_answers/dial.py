"""C3.3 and C3.6: the dial of memorisation, from the paths of fine-tunings on finite data."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from experiments.c3_answers.measured import by_cell, cells, converged, counted
from experiments.predictions import Case, Tables

ASIDE = 0.1
"""The dial describes a model if at most this share of its squared movement is not along S − P."""

HALF = 0.5
"""The value of ρ̂ at which a model is halfway to its data."""

SHARES = (0.01, 0.03, 0.1, 1.0)
"""Shares of all steps at which ρ̂ is compared."""

BETWEEN = (0.25, 0.9)
"""Range of ρ̂ in which the mass of unseen answers is compared: below it little has moved, above it little is left."""

GRID = 20
"""Number of epochs at which two paths are compared, evenly spaced on a logarithmic axis."""


def _paths(tables: Tables, *parts: str) -> pl.DataFrame:
    kept = converged(counted(tables, *parts))
    paths = counted(tables, *parts, name="paths")
    if not paths.height:
        return paths
    return paths.filter(pl.col("run").is_in(kept["run"].implode()), pl.col("step") > 0).sort("seed", "step")


def residuals_at_the_end(tables: Tables) -> Iterator[Case]:
    """0.1 minus the share of the squared movement that is not along S − P, in the end."""
    for case, own in cells(tables):
        lower, upper = ASIDE - own["residual_upper"], ASIDE - own["residual_lower"]
        yield Case(case, lower.to_numpy(), upper.to_numpy(), note=f"mean ρ̂ {float(own['rho'].to_numpy().mean()):.3g}")


def residuals_halfway(tables: Tables) -> Iterator[Case]:
    """The same at the first evaluation with ρ̂ ≥ ½."""
    for case, own in by_cell(_paths(tables, "cells")):
        first = own.filter(pl.col("rho") >= HALF).group_by("seed", maintain_order=True).first()
        if first.height:
            rho = float(first["rho"].to_numpy().mean())
            yield Case.exact(case, ASIDE - first["residual"].to_numpy(), note=f"mean ρ̂ {rho:.3g}")


def collisions(tables: Tables) -> Iterator[Case]:
    """(C(q) − C) over ρ̂² (1 − C)/m in the end."""
    for case, own in cells(tables):
        scale = (own["m"] / own["rho"] ** 2).to_numpy()
        yield Case(case, own["excess_lower"].to_numpy() * scale, own["excess_upper"].to_numpy() * scale)


def epochs(tables: Tables) -> Iterator[Case]:
    """ρ̂ at the evaluations that lie nearest to some shares of all steps."""
    for case, own in by_cell(_paths(tables, "cells")):
        worlds = [_at_shares(one) for _, one in own.group_by("seed", maintain_order=True)]
        yield Case.exact(case, np.array(worlds).T, note="at 1, 3, 10 and 100 % of the steps")


def _at_shares(own: pl.DataFrame) -> list[float]:
    step, rho = own["step"].to_numpy(), own["rho"].to_numpy()
    wanted = np.array(SHARES) * own["num_steps"][0]
    return [float(rho[np.abs(np.log(step / one)).argmin()]) for one in wanted]


def _areas(paths: pl.DataFrame) -> pl.DataFrame:
    """Return the mean of ρ̂ over all evaluations of every run, which are evenly spaced in log steps."""
    keys = ("seed", "m", "n", "width", "rate")
    return paths.group_by(*keys, maintain_order=True).agg(pl.col("rho").mean()) if paths.height else paths


def widths(tables: Tables) -> Iterator[Case]:
    """The mean of ρ̂ over the evaluations of the widest model, minus that of the narrowest one."""
    found = _areas(_paths(tables, "cells"))
    sizes = sorted(found["width"].unique()) if found.height else []
    if len(sizes) > 1:
        wide, narrow = (found.filter(width=one) for one in (sizes[-1], sizes[0]))
        both = wide.join(narrow, on=["seed", "m", "n", "rate"], suffix="_narrow").sort("m", "rate", "seed")
        for (m, rate), own in both.group_by("m", "rate", maintain_order=True):
            values = (own["rho"] - own["rho_narrow"]).to_numpy()
            yield Case.exact(f"m = {m}, width {sizes[-1]} against {sizes[0]}, rate {rate:g}", values)


def _pairs(tables: Tables) -> Iterator[tuple[str, pl.DataFrame, pl.DataFrame]]:
    """Iterate over paths of few and of many prompts with equal m, in the same world."""
    few, many = _paths(tables, "fewer"), _paths(tables, "cells")
    if not few.height or not many.height:
        return
    keys = ("m", "width", "rate")
    for values, own in few.group_by(*keys, maintain_order=True):
        m, width, rate = values
        other = many.filter(m=m, width=width, rate=rate)
        if other.height:
            yield f"m = {m}, {own['n'][0]} prompts against {other['n'][0]}, width {width}, rate {rate:g}", own, other


def numbers_at_equal_steps(tables: Tables) -> Iterator[Case]:
    """The mean of ρ̂ over the evaluations with few prompts, minus that with many."""
    for case, few, many in _pairs(tables):
        both = _areas(few).join(_areas(many), on="seed", suffix="_many").sort("seed")
        yield Case.exact(case, (both["rho"] - both["rho_many"]).to_numpy())


def numbers_at_equal_epochs(tables: Tables) -> Iterator[Case]:
    """The mean difference of ρ̂ between few and many prompts over the epochs that both paths have."""
    for case, few, many in _pairs(tables):
        seeds = sorted(set(few["seed"]) & set(many["seed"]))
        values = [_apart(few.filter(seed=seed), many.filter(seed=seed)) for seed in seeds]
        yield Case.exact(case, np.array(values, np.float64))


def _apart(few: pl.DataFrame, many: pl.DataFrame) -> float:
    one, other = few["epochs"].log().to_numpy(), many["epochs"].log().to_numpy()
    grid = np.linspace(max(one.min(), other.min()), min(one.max(), other.max()), GRID)
    return float(np.mean(np.interp(grid, one, few["rho"]) - np.interp(grid, other, many["rho"])))


def unseen(tables: Tables) -> Iterator[Case]:
    """q(unseen valid) over (1 − ρ̂) P(unseen), the mean over the evaluations of a run at which the dial describes it."""
    paths = _paths(tables, "cells")
    if not paths.height:
        return
    missing = tables["runs"].select("run", "missing")
    low, high = BETWEEN
    kept = paths.filter(pl.col("rho").is_between(low, high), pl.col("residual") <= ASIDE)
    kept = kept.join(missing, on="run", maintain_order="left")
    kept = kept.with_columns(ratio=pl.col("unseen") / ((1 - pl.col("rho")) * pl.col("missing")))
    for case, own in by_cell(kept.sort("m", "width", "rate", "seed")):
        worlds = own.group_by("seed", maintain_order=True).agg(pl.col("ratio").mean())
        yield Case.exact(case, worlds["ratio"].to_numpy(), note=f"{own.height} evaluations")


def good_turing(tables: Tables) -> Iterator[Case]:
    """Good and Turing's estimate of P(unseen) from the data, over P(unseen)."""
    for case, own in by_cell(counted(tables, "cells").filter(pl.col("width") == pl.col("width").max())):
        yield Case.exact(case, (own["good_turing"] / own["missing"]).to_numpy())
