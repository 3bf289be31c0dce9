"""The cases of C5.2."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from experiments.c5_rank.paths import at_fit
from experiments.predictions import Case, Tables

FIT = 0.03
"""Runs are read in the end if KL(S‖q) exceeds KL(S‖q*) by at most this [nat per answer]."""

LEVEL = 0.05
"""KL(S‖q) at which ranks are compared on their paths [nat per answer]."""

EQUAL = 0.0625
"""Margin where no effect of the rank is predicted [nat]: a quarter of what C2.9a asked of the truncation."""

RANKS = ("1", "4", "full")

NAMES = {"1": "rank 1", "2": "rank 2", "4": "rank 4", "8": "rank 8", "full": "all ranks"}
"""Ranks in words, as they are written in the names of parts."""


def _counted(tables: Tables, use: str, name: str = "ends") -> pl.DataFrame:
    found = tables[f"ranks_{name}"]
    return found.filter("valid", use=use).sort("rank", "seed", maintain_order=True) if found.height else found


def chosen(tables: Tables) -> Iterator[Case]:
    """Mean log fit of each other rate minus that of the rate of the judged runs, over the choosing worlds."""
    choice = _counted(tables, "choice")
    for rank in RANKS if choice.height else ():
        judged = _counted(tables, "judged").filter(rank=rank)["rate"].unique().to_list()
        own = choice.filter(rank=rank).group_by("rate").agg(pl.col("fit").log().mean()).sort("rate")
        here = own.filter(pl.col("rate").is_in(judged))
        if here.height != 1 or own.height < 2:
            continue
        others = own.filter(~pl.col("rate").is_in(judged))
        rates = ", ".join(f"{rate:g}: {np.exp(fit):.2g}" for rate, fit in own.select("rate", "fit").iter_rows())
        slack = others["fit"].to_numpy() - here["fit"].to_numpy()[0]
        yield Case.exact(NAMES[rank], slack, note=f"rate {here['rate'][0]:g}; KL(S‖q) by rate {rates}")


def _beside(found: pl.DataFrame, ranks: tuple[str, ...] = RANKS) -> np.ndarray:
    """Return E of some ranks in the worlds that have all of them: float64[ranks, seeds]."""
    rows = found.select("seed", "rank", "e").pivot("rank", index="seed", values="e").sort("seed")
    if any(rank not in rows.columns for rank in ranks):
        return np.zeros((len(ranks), 0))
    return np.asarray(rows.drop_nulls(ranks).select(ranks).to_numpy().T, np.float64)


def erasures(tables: Tables) -> Iterator[Case]:
    """E of rank 1, 4 and full in the same worlds, sampled targets."""
    found = _counted(tables, "judged")
    if found.height:
        e = _beside(found.filter("fits"))
        means = ", ".join(f"{one:.3g}" for one in e.mean(axis=1)) if e.size else "none"
        note = f"means {means} nats; {found.height - found.filter('fits').height} of {found.height} do not fit"
        yield Case.exact("sampled targets", e, "nat", note=note)


def matched(tables: Tables) -> Iterator[Case]:
    """E where the fit first is at the level, interpolated and stopped."""
    paths = _counted(tables, "judged", "paths")
    for rank in RANKS if paths.height else ():
        own = paths.filter(rank=rank)
        runs = own.sort("seed", "step").group_by("seed", maintain_order=True)
        read = [at_fit(run["fit"].to_numpy(), run["e"].to_numpy(), LEVEL) for _, run in runs]
        there = [one for one in read if one is not None]
        missing = f"{len(read) - len(there)} of {len(read)} never are there"
        for name, values in (
            ("interpolated", [one.interpolated for one in there]), ("stopped", [one.stopped for one in there])
        ):  # fmt: skip
            if values:
                yield Case.exact(f"{NAMES[rank]}, {name}", np.array(values), "nat", note=missing)


def calm(tables: Tables) -> Iterator[Case]:
    """E of a rank minus E of all ranks, exact targets."""
    found = _counted(tables, "exact")
    for rank in RANKS[:-1] if found.height else ():
        e = _beside(found.filter("fits"), (rank, "full"))
        if e.size:
            note = f"{e[0].mean():.3g} and {e[1].mean():.3g} nats"
            yield Case.exact(f"{NAMES[rank]} against all", e[0] - e[1], "nat", note=note)


def every_rank(tables: Tables) -> Iterator[Case]:
    """E and exp(−E) of every rank, sampled and exact."""
    for use, words in (("judged", "sampled"), ("exact", "exact")):
        found = _counted(tables, use)
        for rank in RANKS if found.height else ():
            own = found.filter(rank=rank)
            if own.height:
                fit, norm, rate = (own[name].to_numpy().mean() for name in ("fit", "norm", "rate"))
                note = f"rate {rate:g}, KL(S‖q) {fit:.3g}, norm {norm:.3g}"
                yield Case.exact(f"{words} targets, {NAMES[rank]}, E", own["e"].to_numpy(), "nat", note=note)
                yield Case.exact(f"{words} targets, {NAMES[rank]}, kept", -own["e"].to_numpy(), "1", logarithmic=True)


def noise_floor(tables: Tables) -> Iterator[Case]:
    """E of the identity control of every rank, sampled targets."""
    found = _counted(tables, "judged")
    for rank in RANKS if found.height else ():
        own = found.filter(rank=rank).drop_nulls("e_control")
        if own.height:
            yield Case.exact(NAMES[rank], own["e_control"].to_numpy(), "nat")


def held_out(tables: Tables) -> Iterator[Case]:
    """What the model says at prompts that S never shows."""
    found = _counted(tables, "held")
    for rank in RANKS if found.height else ():
        own = found.filter(rank=rank)
        if own.height:
            note = f"KL(S‖q) {own['fit'].to_numpy().mean():.3g}, E {own['e'].to_numpy().mean():.3g} nats"
            yield Case.exact(f"{NAMES[rank]}, weight of the tuned style", own["weight"].to_numpy(), note=note)
            lower, upper = (own[name].to_numpy() for name in ("rest_lower", "rest_upper"))
            yield Case(f"{NAMES[rank]}, KL from the best mixture", lower, upper, "nat")
