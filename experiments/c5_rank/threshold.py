"""C5.4: data that need an update of rank k of the output matrix. Does an update inside the network need fewer?

S is made of q0 by k gates on its final features (`sim.restrictions.feature_gate`). The restriction reports what the
best output matrices of lower ranks pay, and a certified lower bound of it.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from experiments.predictions import Case, Need, Prediction, Tables
from experiments.study import Study

LIMIT = 0.01
"""KL(S‖q) at which a model counts as having reached S [nat per answer]."""

EXCESS = 0.05
"""What every output matrix of rank k − 1 has to pay in KL(S‖q), by the construction of S [nat per answer]."""

OUTPUT, INNER = "threshold_output", "threshold_inner"
"""Beginnings of the names of the parts: adapters of rank k of the output matrix; of attention and perceptrons."""

NEEDS = (
    Need(("restriction_note",), phases=("truth",), part="threshold"),
    Need(("kl",), phases=("sft",), part="threshold"),
)

LEAVES = {"k": "restriction.rank", "rank": "finetune.adapter.rank"}


def tables(study: Study) -> dict[str, pl.DataFrame]:
    """Return `threshold_fits` and `threshold_runs`; they are empty if the part has no run.

    `threshold_fits`: a row for each world and rank r < k: found, KL(S‖q) of the best output matrix of rank r that was
    found [nat], an upper bound of the least one; bound, a certified lower bound for all ranks below k; sigma; leak, the
    KL(S‖q) of the matrix of rank k. `threshold_runs`: a row for each run: part, k, rank of its adapters, start and end
    = KL(S‖q) at the first and the last evaluation, least over all evaluations [nat].
    """
    runs = study.runs.filter(pl.col("part").str.starts_with("threshold").fill_null(False))
    if not runs.height:
        return {"threshold_fits": pl.DataFrame(), "threshold_runs": pl.DataFrame()}
    given = [pl.col(leaf).cast(pl.Int64).alias(name) for name, leaf in LEAVES.items()]
    runs = runs.select("run", "seed", "valid", "part", *given)
    return {"threshold_fits": _fits(study, runs), "threshold_runs": _runs(study, runs)}


def _fits(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    notes = study.pick("restriction_note", "restriction", at=None).select("run", "at", "lower")
    said = notes.filter(~pl.col("at").str.starts_with("fit_"))
    wide = said.pivot("at", index="run", values="lower", maintain_order=True)
    fits = notes.filter(pl.col("at").str.starts_with("fit_"))
    fits = fits.select("run", r=pl.col("at").str.strip_prefix("fit_").cast(pl.Int64), found="lower")
    both = fits.join(wide, on="run").rename({"excess_bound": "bound", "leak_cost": "leak"})
    own = runs.filter(pl.col("part").str.starts_with(OUTPUT)).drop("part", "rank")  # the other part has the same worlds
    return own.join(both, on="run").sort("k", "seed", "r")


def _runs(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    path = study.pick("kl", "S||q", "S(x)", "sft", "every").sort("step")
    ends = path.group_by("run", maintain_order=True).agg(
        start=pl.col("lower").first(), end=pl.col("lower").last(), least=pl.col("lower").min()
    )
    return runs.join(ends, on="run", how="left", maintain_order="left").sort("part", "k", "rank", "seed")


def counted(tables: Tables, name: str) -> pl.DataFrame:
    """Return the rows of valid runs of a table; an empty table stays as it is."""
    found = tables[name]
    return found.filter("valid") if found.height else found


def pays(tables: Tables) -> Iterator[Case]:
    """KL(S‖q) of the best matrix of rank k − 1 that was found minus what is required; the note has the bounds."""
    found = counted(tables, "threshold_fits")
    last = found.filter(pl.col("r") == pl.col("k") - 1) if found.height else found
    for (k,), own in last.group_by("k", maintain_order=True) if last.height else ():
        bounds, certified = own["bound"].to_numpy(), int((own["bound"] >= EXCESS).sum())
        note = f"certified in {certified} of {own.height} worlds; lower bounds {bounds.min():.3g} to {bounds.max():.3g}"
        yield Case.exact(f"k = {k}", own["found"].to_numpy() - EXCESS, "nat", note=note)


def consistent(tables: Tables) -> Iterator[Case]:
    """KL(S‖q) of the best matrices of ranks below k that were found minus the certified lower bound."""
    found = counted(tables, "threshold_fits")
    for (k,), own in found.group_by("k", maintain_order=True) if found.height else ():
        least = own.group_by("seed", maintain_order=True).agg((pl.col("found") - pl.col("bound")).min())
        yield Case.exact(f"k = {k}", least["found"].to_numpy(), "nat")


def _below(tables: Tables, part: str) -> Iterator[Case]:
    """log of LIMIT over KL(S‖q) at the end, by k and rank."""
    found = counted(tables, "threshold_runs")
    found = found.filter(pl.col("part").str.starts_with(part)) if found.height else found
    for (k, rank), own in found.group_by("k", "rank", maintain_order=True) if found.height else ():
        end = own["end"].to_numpy()
        yield Case.exact(
            f"k = {k}, rank {rank}", np.log(LIMIT / end), "nat", note=f"KL(S‖q) from {end.min():.2g} to {end.max():.2g}"
        )


def reached(tables: Tables) -> Iterator[Case]:
    """log of LIMIT over KL(S‖q) of adapters of the output matrix of rank k."""
    yield from _below(tables, OUTPUT)


def fewer(tables: Tables) -> Iterator[Case]:
    """log of LIMIT over KL(S‖q) of adapters inside the network of rank k/2."""
    yield from _below(tables, INNER)


def against_output(tables: Tables) -> Iterator[Case]:
    """log of KL(S‖q) of the best output matrix that was found over that of adapters inside of the same rank."""
    fits, runs = counted(tables, "threshold_fits"), counted(tables, "threshold_runs")
    if not fits.height or not runs.height:
        return
    own = runs.filter(pl.col("part").str.starts_with(INNER)).join(
        fits.select("k", "seed", "found", rank="r"), on=["k", "seed", "rank"]
    )
    for (k, rank), one in own.sort("k", "rank", "seed").group_by("k", "rank", maintain_order=True):
        yield Case.exact(f"k = {k}, rank {rank}", np.log((one["found"] / one["end"]).to_numpy()), "nat")


PREDICTIONS = (
    Prediction(
        "C5.4a", "Data with k gates on the final features need an output matrix of rank k.", "bound", pays,
        predicted=f"KL(S‖q) ≥ {EXCESS:g} nats for every rank below k",
        rule=f"The best output matrix of rank k − 1 that was found, minus {EXCESS:g}, every world; estimated where no "
        "lower bound certifies it.",
        control="none", value=0.0, margin=0.0, instrument=True, figure="threshold",
    ),
    Prediction(
        "C5.4b", "No fit of a lower rank is better than that bound.", "bound", consistent, predicted="slack ≥ 0",
        rule="The best output matrices of all ranks below k that were found, minus the bound.", control="none",
        value=0.0, margin=1e-9, instrument=True, figure="threshold",
    ),
    Prediction(
        "C5.4c", "Low-rank adapters of the output matrix, all else frozen, reach the data at rank k.", "sign", reached,
        predicted=f"log({LIMIT:g} / KL(S‖q)) above 0", rule="KL(S‖q) in the end, exact targets, the mean over worlds.",
        control="C5.4a", instrument=True, figure="threshold",
    ),
    Prediction(
        "C5.4d", "Low-rank adapters inside the network, the output frozen, reach the data at a rank of k/2.", "sign",
        fewer, predicted=f"log({LIMIT:g} / KL(S‖q)) above 0",
        rule="As C5.4c: the least rank that is enough is then below k. A rank here is that of each matrix.",
        control="C5.4c, at the same steps and rate", figure="threshold",
    ),
    Prediction(
        "C5.4e", "They are nearer to the data than the best output matrix of the same rank.", "report", against_output,
        predicted="–", rule="log of the ratio of both KL(S‖q).", control="none", figure="threshold",
    ),
)  # fmt: skip
