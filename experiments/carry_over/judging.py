"""From numbers to verdicts: every part of a sign by trainer, and what trainers differ in, over worlds."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from experiments.carry_over.signs import FIT, LIMIT, NAMES, SIGNS, Part, Sign, Term
from experiments.statistics import interval, sign

FITTED = ("small", "half", "large", "even")
"""Arms that are to reach S: their share, E and X are read only where they do."""

OF_PATH = ("share", "e", "x")
"""Numbers that need a model that has reached S."""

AGAINST = "jax"
"""The trainer with which the others are compared."""

COMPARED = ("fit", "kl", "share", "e", "x", "lost", "off", "held")
"""Numbers that are compared between trainers."""

PARTS = {
    **dict.fromkeys(("trainer", "sign", "part"), pl.String), "threshold": pl.Float64, "worlds": pl.Int64,
    "left": pl.Int64, **dict.fromkeys(("mean", "lower", "upper"), pl.Float64), "verdict": pl.String,
}  # fmt: skip

DIFFERENCES = {
    **dict.fromkeys(("arm", "number", "trainer"), pl.String), "worlds": pl.Int64,
    **dict.fromkeys(("mean", "lower", "upper", "less", "less_lower", "less_upper"), pl.Float64),
    "pairs": pl.Int64,
}  # fmt: skip


def usable(carried: pl.DataFrame, statistic: str, arm: str) -> pl.DataFrame:
    """Return `trainer`, `world`, `seed` and `value` of a number of an arm, where it counts.

    It counts if the model knew the world before (LIMIT), and for OF_PATH of the arms FITTED if it reached S (FIT).
    """
    found = carried.filter(pl.col("arm") == arm, pl.col("before") <= LIMIT)
    if arm in FITTED and statistic in OF_PATH:
        found = found.filter(pl.col("fit") <= FIT)
    return found.select("trainer", "world", "seed", value=pl.col(statistic)).drop_nulls()


def by_world(carried: pl.DataFrame, terms: tuple[Term, ...]) -> pl.DataFrame:
    """Return `trainer`, `world` and `value`: the sum of the terms, averaged over the seeds that have all of them."""
    keys = ["trainer", "world", "seed"]
    total = usable(carried, terms[0].statistic, terms[0].arm).with_columns(pl.col("value") * terms[0].factor)
    for term in terms[1:]:
        more = usable(carried, term.statistic, term.arm).rename({"value": "more"})
        total = total.join(more, on=keys, how="inner", maintain_order="left").select(
            *keys, value=pl.col("value") + term.factor * pl.col("more")
        )
    return total.group_by("trainer", "world").agg(pl.col("value").mean()).sort("trainer", "world")


def judged(carried: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each trainer and part of a sign: PARTS. `left` counts worlds without a number that counts.

    verdict: holds, refuted or undecided; or `not run` if no world of the trainer has what the part needs.
    """
    rows = [
        _row(trainer, one, part, carried.filter(trainer=trainer))
        for trainer in carried["trainer"].unique().sort()
        for one in SIGNS.values()
        for part in one.parts
    ]
    return pl.DataFrame(rows, PARTS, orient="row")


def _row(trainer: str, one: Sign, part: Part, own: pl.DataFrame) -> dict[str, Any]:
    values = by_world(own, part.terms)["value"].to_numpy()
    known = {"trainer": trainer, "sign": one.name, "part": part.name, "threshold": part.threshold}
    known |= {"worlds": len(values), "left": own["world"].n_unique() - len(values)}
    if not len(values):
        return {**known, "verdict": "not run"}
    verdict, found = sign(values, part.threshold)
    return {**known, "mean": found.estimate, "lower": found.lower, "upper": found.upper, "verdict": verdict}


def standing(parts: pl.DataFrame, trainer: str, name: str) -> str:
    """Return what becomes of a sign for a trainer: holds, fails, undecided or not run."""
    found = set(parts.filter(trainer=trainer, sign=name)["verdict"])
    if "refuted" in found:
        return "fails"
    if "not run" in found or not found:
        return "not run"
    return "holds" if found == {"holds"} else "undecided"


def compared(carried: pl.DataFrame) -> pl.DataFrame:
    """Return the mean over worlds of every number of every arm by trainer, and what it is less that of AGAINST.

    Columns: DIFFERENCES; `less` is paired by world, over `pairs` worlds. Intervals are those of Student's t.
    """
    return pl.DataFrame(list(_compared(carried)), DIFFERENCES, orient="row")


def _compared(carried: pl.DataFrame) -> Iterator[dict[str, Any]]:
    trainers = carried["trainer"].unique().sort().to_list()
    for arm in [name for name in NAMES if name in set(carried["arm"])]:
        for number in COMPARED:
            found = by_world(carried, (Term(number, arm),))  # type: ignore[arg-type]
            for trainer in trainers:
                own = found.filter(trainer=trainer)
                if own.height:
                    row = {"arm": arm, "number": number, "trainer": trainer, "worlds": own.height}
                    yield row | _interval("", own["value"].to_numpy()) | _less(found, own, trainer)


def _less(found: pl.DataFrame, own: pl.DataFrame, trainer: str) -> dict[str, Any]:
    both = own.join(found.filter(trainer=AGAINST), on="world", how="inner", maintain_order="left")
    if trainer == AGAINST or not both.height:
        return {}
    return {"pairs": both.height} | _interval("less", (both["value"] - both["value_right"]).to_numpy())


def _interval(name: str, values: np.ndarray) -> dict[str, Any]:
    found = interval(values)
    start = f"{name}_" if name else ""
    return {name or "mean": found.estimate, f"{start}lower": found.lower, f"{start}upper": found.upper}
