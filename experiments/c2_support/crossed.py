"""C2.6: the crossed race: seven quantities foretell seven kinds of forgetting, on prompts that S never shows.

A functional foretells what is made of the same terms, so one target alone would name its own winner.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from experiments.c2_support.mass import counted
from experiments.c2_support.race import PREDICTORS, Predictor, quadratic
from experiments.c2_support.tables import NEEDS as OTHER_NEEDS
from experiments.predictions import Case, Need, Prediction, Tables
from experiments.ranks import rank_correlation
from experiments.study import Study

PART = "race"
"""Beginning of the names of the parts of the study that take part."""

UNSHOWN = "P(x | S(x) = 0)"

ENTRANTS = {
    "forward KL": PREDICTORS["forward KL"],
    "reverse KL": Predictor("KL(q_P‖q0)", "reverse_kl_moved", "q_P||q0"),
    "total variation": PREDICTORS["total variation"],
    "Jensen–Shannon": PREDICTORS["Jensen–Shannon"],
    "Fisher": PREDICTORS["Fisher"],
    "weight distance": PREDICTORS["weight distance"],
    "excursion": Predictor("X", "excursion", "X"),
}
"""What foretells, measured on the prompts of the fine-tuning, x ~ S(x). q_P is the model renormalised on supp P."""


@dataclass(frozen=True)
class Target:
    """What is foretold: the change of a number from q0 to q on prompts that S never shows, and who should foretell it.

    sign: +1 for a rise, -1 for a fall, 0 for the size of the change; favourites: the predicted winners.
    """

    metric: str
    of: str
    sign: int
    favourites: tuple[str, ...]
    at: str = ""


TARGETS = {
    "KL(P‖q)": Target("kl", "P||q", 1, ("forward KL",)),
    "KL(q‖P)": Target("reverse_kl", "q_P||P", 1, ("reverse KL",)),
    "TV(P, q)": Target("total_variation", "P,q", 1, ("total variation", "Jensen–Shannon")),
    "coverage, N = 2": Target("coverage_lost", "P,q", 1, ("forward KL",), "2"),
    "coverage, N = 10": Target("coverage_lost", "P,q", 1, ("forward KL",), "10"),
    "greedy accuracy": Target("greedy_accuracy", "q", -1, ("reverse KL",)),
    "collision": Target("collision", "q", 0, ("reverse KL",)),
}
"""The targets. The size of the change of collision counts, because no divergence knows its sign."""

LEAD = 0.01
"""A winner leads every other quantity by more than this in R²."""

FEWEST = 8
"""Least number of runs of a world through which a parabola is drawn."""

MEASURED = {one.metric for one in ENTRANTS.values()} | {one.metric for one in TARGETS.values()}
KNOWN = {metric for need in OTHER_NEEDS if need.part == PART for metric in need.metrics}
NEEDS = (Need(tuple(sorted(MEASURED - KNOWN)), phases=("sft",), part=PART),)
"""The numbers that are needed from the race, beside those that other tables need: none is read twice."""


def tables(study: Study, runs: pl.DataFrame) -> Tables:
    """Return `crossed_runs`, every run with all quantities, and `crossed`, R² of every cell of the race."""
    own = runs.filter(pl.col("part").str.starts_with(PART))
    found = entered(study.restricted(own), own.select("run", "seed", "part", "restriction", "optimizer"))
    return {"crossed_runs": found, "crossed": cells(found)}


def entered(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """Return every run with what foretells and what is foretold; a number that a run lacks is empty."""
    if not runs.height:
        return pl.DataFrame()
    for name, one in ENTRANTS.items():
        middle = (pl.col("lower") + pl.col("upper")) / 2
        found = study.pick(one.metric, one.of, one.law, "sft").select("run", middle.alias(name))
        runs = runs.join(found, on="run", how="left", maintain_order="left")
    for name, target in TARGETS.items():
        first, last = (
            study.pick(target.metric, target.of, UNSHOWN, "sft", step, at=target.at).select("run", "lower")
            for step in ("first", "last")
        )
        change = pl.col("lower") - pl.col("lower_first")
        change = target.sign * change if target.sign else change.abs()
        found = last.join(first, on="run", suffix="_first").select("run", change.alias(name))
        runs = runs.join(found, on="run", how="left", maintain_order="left")
    return runs


def cells(runs: pl.DataFrame) -> pl.DataFrame:
    """Return R² and the rank correlation of every cell in every world. A cell with too few runs is left out.

    Columns: seed, target, predictor, num_runs (those that have both numbers), r2, rho, favourite (whether it is the
    predicted winner, or one of several).
    """
    rows = []
    for (seed,), own in runs.sort("seed").group_by("seed", maintain_order=True) if runs.height else ():
        for target, what in TARGETS.items():
            for name in ENTRANTS:
                both = own.drop_nulls([name, target])
                if (r2 := _r2(both, name, target)) is not None:
                    rho = rank_correlation(both[name].to_numpy(), both[target].to_numpy())
                    rows.append((seed, target, name, both.height, r2, rho, name in what.favourites))
    schema = {"seed": pl.Int64, "target": pl.String, "predictor": pl.String, "num_runs": pl.Int64, "r2": pl.Float64,
              "rho": pl.Float64, "favourite": pl.Boolean}  # fmt: skip
    return pl.DataFrame(rows, schema, orient="row")


def _r2(runs: pl.DataFrame, name: str, target: str) -> float | None:
    """R² of a parabola through some runs; None if there are too few, or if one of the numbers does not vary."""
    if runs.height < FEWEST:
        return None
    x, y = runs[name].to_numpy(), runs[target].to_numpy()
    return None if np.ptp(x) == 0.0 or np.ptp(y) == 0.0 else quadratic(x, y)


def lead(runs: pl.DataFrame, target: str) -> float | None:
    """R² of the favourite minus that of the best other quantity, in one world; None if there is nothing to compare.

    Each pair is compared over the runs that have both numbers, so that a quantity that few runs have does not win by
    that. Of several favourites the better one counts.
    """
    favourites, least = TARGETS[target].favourites, []
    for rival in ENTRANTS:
        both = runs.drop_nulls([*favourites, rival, target])
        own, other = [_r2(both, name, target) for name in favourites], _r2(both, rival, target)
        known = [one for one in own if one is not None]
        if rival not in favourites and known and other is not None:
            least.append(max(known) - other)
    return min(least) if least else None


def winners(tables: Tables) -> Iterator[Case]:
    """C2.6c: the lead of the predicted winner of every target, one number for each world."""
    runs = counted(tables, "crossed_runs")
    worlds = [own for _, own in runs.sort("seed").group_by("seed", maintain_order=True)] if runs.height else []
    for name, target in TARGETS.items():
        leads = [found for own in worlds if (found := lead(own, name)) is not None]
        yield Case.exact(f"{name}: {' or '.join(target.favourites)}", np.array(leads), "R²")


def every_cell(tables: Tables) -> Iterator[Case]:
    """C2.6d: R² of every cell, over the valid runs."""
    found = cells(counted(tables, "crossed_runs"))
    for (target, name), own in found.group_by("target", "predictor", maintain_order=True):
        yield Case.exact(f"{target} by {name}", own["r2"].to_numpy(), "R²", note=f"{own['num_runs'].sum()} runs")


RACE = (
    Prediction(
        "C2.6c", "Each kind of forgetting is foretold best by the functional that is made of its terms.", "sign",
        winners, predicted="a lead above 0.01 in R²", rule="R² of the favourite (a parabola over the runs of a world; "
        "forgetting on prompts that S never shows) minus that of the best other quantity, minus 0.01, above 0.",
        control="the other six quantities", threshold=LEAD, figure="crossed",
    ),
    Prediction(
        "C2.6d", "R² of every cell of the crossed race.", "report", every_cell, predicted="–", rule="Shown.",
        control="none", figure="crossed",
    ),
)  # fmt: skip
"""The predictions of the crossed race. The conversation says nothing about it."""
