"""M.0, M.1, M.2, M.4: the null control, optima that differ from S, the greedy path of DFT, and FINCH."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from experiments.m_methods.methods import CONTROLS, METHODS, OTHER_OPTIMUM, control_of
from experiments.predictions import Case, Tables

LEAKING = ("label_smoothing", "entropy_bonus")
"""Methods whose optimum has mass off the support of P, because they reward every token.

Their H(q*) is known given that the answer is listed, and H(q) is not. So M.1b does not ask for it.
"""

STAGES = (0.0, 0.02, 0.1, 1.0)
"""Shares of the steps of DFT at which the mass of the greedy answer is read."""


def counted(tables: Tables, name: str, *parts: str, fits: bool = True) -> pl.DataFrame:
    """Return the rows of valid runs of some methods, sorted by seed; with `fits`, only of those that fit in the end."""
    found = tables[name]
    if not found.height:
        return found
    found = found.filter("valid", pl.col("part").is_in(list(parts)))
    return (found.filter("fits") if fits else found).sort("part", "seed", maintain_order=True)


def beside(tables: Tables, part: str, *columns: str) -> pl.DataFrame:
    """Return the ends of a method beside those of SFT with its targets in the same worlds: columns <name>_sft."""
    own = counted(tables, "ends", part)
    if not own.height:
        return own
    control = counted(tables, "ends", control_of(part))
    control = control.select("seed", *(pl.col(name).alias(f"{name}_sft") for name in columns))
    return own.join(control, on="seed").sort("seed")


def values(found: pl.DataFrame, name: str) -> np.ndarray:
    """Return a column as float64[seeds]."""
    return np.asarray(found[name].to_numpy(), np.float64)


def identity(tables: Tables, targets: str) -> Iterator[Case]:
    """M.0: E of the identity control of SFT."""
    part = "sft" if targets == "exact" else "sampled"
    found = counted(tables, "ends", part, fits=False)
    found = found.drop_nulls("e_identity") if found.height else found
    if found.height:
        yield Case.exact(f"{targets} targets", values(found, "e_identity"), "nat")


def entropies(tables: Tables) -> Iterator[Case]:
    """M.1a: H(q) of a method minus that of SFT, times the sign of H(q*) − H(S) in the world."""
    for part in OTHER_OPTIMUM:
        found = beside(tables, part, "h_lower", "h_upper")
        if found.height:
            effect = values(found, "h_best") - values(found, "h_s")
            low = values(found, "h_lower") - values(found, "h_upper_sft")
            high = values(found, "h_upper") - values(found, "h_lower_sft")
            up = effect > 0.0
            lower, upper = np.where(up, low, -high), np.where(up, high, -low)
            note = f"H(q*) − H(S) is {effect.mean():+.3g}, from {effect.min():+.3g} to {effect.max():+.3g}"
            yield Case(METHODS[part].name, lower, upper, "nat", note=note)


def reached(tables: Tables) -> Iterator[Case]:
    """M.1b: H(q) − H(q*), with a quarter of |H(q*) − H(S)| as the margin."""
    for part in OTHER_OPTIMUM:
        found = counted(tables, "ends", part)
        if found.height and part not in LEAKING:
            best = values(found, "h_best")
            margin = float(np.abs(best - values(found, "h_s")).mean()) / 4
            low, high = (values(found, f"h_{end}") - best for end in ("lower", "upper"))
            yield Case(METHODS[part].name, low, high, "nat", margin=margin)


def forgotten(tables: Tables) -> Iterator[Case]:
    """M.1c: KL(P‖q) of SFT minus that of methods with a finite KL(P‖q*)."""
    for part in OTHER_OPTIMUM:
        found = beside(tables, part, "forgetting")
        if found.height and np.isfinite(best := values(found, "forgetting_best")).all():
            less = values(found, "forgetting_sft") - values(found, "forgetting")
            yield Case.exact(METHODS[part].name, less, "nat", note=f"KL(P‖q*) is {best.mean():.3g}")


def leaks(tables: Tables) -> Iterator[Case]:
    """M.1d: q(⊥) of methods that reward every token, minus that of SFT."""
    for part in LEAKING:
        found = beside(tables, part, "off")
        if found.height:
            yield Case.exact(METHODS[part].name, values(found, "off") - values(found, "off_sft"))


def learning_gaps(tables: Tables) -> Iterator[Case]:
    """M.1e: KL(P‖q) − KL(P‖q*) where it is finite, and KL(q*‖q)."""
    for part in (*CONTROLS.values(), *OTHER_OPTIMUM, "replay_sampled", "self_replay_sampled"):
        found = counted(tables, "ends", part)
        if not found.height:
            continue
        name = METHODS[part].name
        best = values(found, "forgetting_best")
        if np.isfinite(best).all():
            yield Case.exact(f"{name}, KL(P‖q) − KL(P‖q*)", values(found, "forgetting") - best, "nat")
        behind = found.drop_nulls("behind")
        if behind.height:
            yield Case.exact(f"{name}, KL(q*‖q)", values(behind, "behind"), "nat")


def _stages(tables: Tables) -> np.ndarray:
    """log of the geometric mean of q(greedy answer | x) under DFT at `STAGES`: float64[stages, seeds]."""
    path = tables["greedy"]
    path = path.filter("valid").drop_nulls("behind") if path.height else path
    runs = path.sort("seed", "step").group_by("seed", maintain_order=True) if path.height else ()
    columns = []
    for _, own in runs:
        step, mass = own["step"].to_numpy(), -own["behind"].to_numpy()
        columns.append([float(mass[np.flatnonzero(step <= share * step[-1])[-1]]) for share in STAGES])
    return np.array(columns, np.float64).T.reshape(len(STAGES), -1)


def greedy_end(tables: Tables) -> Iterator[Case]:
    """M.2a: log of the geometric mean of q(greedy answer | x) in the end."""
    yield Case.exact("in the end", _stages(tables)[-1], "1", logarithmic=True)


def greedy_path(tables: Tables) -> Iterator[Case]:
    """M.2b: the same at four stages of the training."""
    found = _stages(tables)
    means = ", ".join(f"{np.exp(one):.3g}" for one in found.mean(axis=1)) if found.size else "none"
    yield Case.exact("log q(greedy answer | x)", found, "nat", note=f"geometric means {means}")


def finch(tables: Tables) -> Iterator[Case]:
    """M.4: E, X and fit of FINCH, and E of SFT minus its E."""
    found = beside(tables, "finch", "e")
    if not found.height:
        return
    yield Case.exact("E", values(found, "e"), "nat")
    yield Case.exact("KL(S‖q)", values(found, "fit"), "nat")
    yield Case.exact("E(SFT) − E(FINCH)", values(found, "e_sft") - values(found, "e"), "nat")
    there = found.drop_nulls("x_lower")
    if there.height:
        yield Case("X", values(there, "x_lower"), values(there, "x_upper"), "nat")
