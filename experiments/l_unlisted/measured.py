"""What the predictions on languages that are not listed measure: a number for every world."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from experiments.l_unlisted.tables import SETUP, erased, gate_moved
from experiments.predictions import Case, Tables

FIT = 0.05
"""Largest mean KL(S‖q) at which the fine-tuning on a restriction counts as converged [nat per token]."""

QUARTER = 0.25
"""A difference of entropies up to this share of the smallest effect counts as none."""


def near(tables: Tables) -> pl.DataFrame:
    """The valid runs of the restrictions that are fitted, for their language, targets and rate."""
    kinds = [*SETUP, "restriction"]
    valid = tables["runs"].filter("valid")
    return valid.filter(pl.col("fit_after").mean().over(kinds) <= FIT)


def fitted(tables: Tables) -> Iterator[tuple[str, pl.DataFrame]]:
    """Iterate over the kinds of those runs."""
    for (language, targets, rate), own in near(tables).group_by(*SETUP, maintain_order=True):
        yield f"{language}, {targets} targets, rate {rate:g}", own


def _exact_targets(tables: Tables) -> Tables:
    return {"runs": tables["runs"].filter(targets="exact")}


def _effect(runs: pl.DataFrame) -> float:
    """The smallest mean |H(S) − H(P)| of a restriction [nat]."""
    change = runs.group_by("restriction").agg((pl.col("h_s") - pl.col("h_p")).mean().abs().alias("change"))
    return float(change["change"].to_numpy().min())


def _per_world(runs: pl.DataFrame, value: pl.Expr) -> np.ndarray:
    """A number that is averaged over the restrictions of a world, so that it counts once."""
    return runs.group_by("seed", maintain_order=True).agg(value.mean().alias("value"))["value"].to_numpy()


# -- entropy ----------------------------------------------------------------------------------------------------------


def control(tables: Tables) -> Iterator[Case]:
    """H(control) − H(q0) under exact targets, in units of the smallest effect."""
    for case, runs in fitted(_exact_targets(tables)):
        yield Case.exact(case, _per_world(runs, pl.col("h_control") - pl.col("h_before")) / _effect(runs))


def slopes(tables: Tables) -> Iterator[Case]:
    """The least-squares slope of H(q) on H(S), over the restrictions of a world and its control."""
    for case, runs in fitted(tables):
        found = []
        for _, own in runs.group_by("seed", maintain_order=True):
            x, y = (own[name].to_list() for name in ("h_s", "h_after"))
            found.append(float(np.polyfit([*x, own["h_p"][0]], [*y, own["h_control"][0]], 1)[0]))
        yield Case.exact(case, np.array(found), note=f"{runs['restriction'].n_unique()} restrictions and the control")


def offsets(tables: Tables) -> Iterator[Case]:
    """H(q) − H(S), mean over restrictions, under exact targets, in units of the smallest effect."""
    for case, runs in fitted(_exact_targets(tables)):
        yield Case.exact(case, _per_world(runs, pl.col("h_after") - pl.col("h_s")) / _effect(runs))


def falls(tables: Tables) -> Iterator[Case]:
    """H(q) − H(control) where H(S) < H(P)."""
    yield from _changes(tables, rises=False)


def rises(tables: Tables) -> Iterator[Case]:
    """H(q) − H(control) where H(S) > H(P)."""
    yield from _changes(tables, rises=True)


def _changes(tables: Tables, rises: bool) -> Iterator[Case]:
    for case, runs in fitted(tables):
        side = runs.filter((pl.col("h_s") > pl.col("h_p")) == rises)
        if side.height:
            expected = float((side["h_s"] - side["h_p"]).to_numpy().mean())
            values = _per_world(side, pl.col("h_after") - pl.col("h_control"))
            yield Case.exact(case, values, "nat", predicted=expected)


# -- what is absent ---------------------------------------------------------------------------------------------------


def forgotten(tables: Tables) -> Iterator[Case]:
    """KL(P‖q) − KL(P‖control)."""
    for case, runs in fitted(tables):
        yield Case.exact(case, _per_world(runs, pl.col("kl_after") - pl.col("kl_control")), "nat")


def gates(tables: Tables) -> Iterator[Case]:
    """The share of the gate in the gate and the erasure that the fine-tuning adds."""
    for case, runs in fitted(tables):
        shares, missing = [], 0
        for _, own in runs.group_by("seed", maintain_order=True):
            rows = [_share(row) for row in own.iter_rows(named=True)]
            known = [one for one in rows if one is not None]
            missing += len(rows) - len(known)
            shares += [float(np.mean(known))] if len(known) == len(rows) else []
        yield Case.exact(case, np.array(shares), note=_without(missing))


def _share(row: dict[str, Any]) -> float | None:
    e, moved = erased(row), gate_moved(row)
    if e is None or moved is None:
        return None
    return moved / (moved + row["mass_b"] * e)


def _without(missing: int) -> str:
    return f"{missing} runs have no estimate, and their worlds do not count" if missing else ""


def _erased(runs: pl.DataFrame) -> tuple[dict[int, float], int]:
    """E of every world, the mean over its restrictions, and the number of runs without one."""
    found, missing = dict[int, float](), 0
    for (seed,), own in runs.group_by("seed", maintain_order=True):
        values = [erased(row) for row in own.iter_rows(named=True)]
        known = [value for value in values if value is not None]
        missing += len(values) - len(known)
        if len(known) == len(values):
            found[int(seed)] = float(np.mean(known))
    return found, missing


def kept(tables: Tables) -> Iterator[Case]:
    """−E of every world; shown as exp(−E)."""
    for case, runs in fitted(tables):
        found, missing = _erased(runs)
        values = -np.array(list(found.values()))
        note = "geometric mean of the share that is kept"
        yield Case.exact(case, values, logarithmic=True, note="; ".join(filter(None, (note, _without(missing)))))


def faster(tables: Tables) -> Iterator[Case]:
    """E at the largest rate minus E at the smallest, in the same world, with equal targets."""
    for (language, targets), own in near(tables).group_by("language", "targets", maintain_order=True):
        rates = own["rate"].unique().sort().to_list()
        if len(rates) > 1:
            low, high = (_erased(own.filter(rate=rate)) for rate in (rates[0], rates[-1]))
            yield _difference(f"{language}, {targets} targets, rates {rates[-1]:g} and {rates[0]:g}", high, low)


def sampled(tables: Tables) -> Iterator[Case]:
    """E under sampled targets minus E under exact ones, in the same world, at the same rate."""
    for (language, rate), own in near(tables).group_by("language", "rate", maintain_order=True):
        if own["targets"].n_unique() > 1:
            high, low = (_erased(own.filter(targets=targets)) for targets in ("sampled", "exact"))
            yield _difference(f"{language}, rate {rate:g}", high, low)


def _difference(case: str, high: tuple[dict[int, float], int], low: tuple[dict[int, float], int]) -> Case:
    both = sorted(set(high[0]) & set(low[0]))
    values = np.array([high[0][seed] - low[0][seed] for seed in both])
    return Case.exact(case, values, "nat", note=_without(high[1] + low[1]))


def covered(tables: Tables) -> Iterator[Case]:
    """P(P/q ≥ 10): what the fine-tuning adds to it, beside the control."""
    for case, runs in fitted(tables):
        yield Case.exact(case, _per_world(runs, pl.col("rarer_after") - pl.col("rarer_control")))


def leaving(tables: Tables) -> Iterator[Case]:
    """q(outside of P) − that of the control."""
    for case, runs in fitted(tables):
        yield Case.exact(case, _per_world(runs, pl.col("outside_after") - pl.col("outside_control")))


HALF = -math.log(2.0)
"""The threshold of −E: half of a lost part is kept behind the gate."""
