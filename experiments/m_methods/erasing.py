"""M.3, M.5, M.6: warm-up, replay, and cross-entropy at the same excursion, or at the same length of steps."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from experiments.m_methods.methods import LEVELS, METHODS, REPLAYED, SHARE
from experiments.m_methods.optima import beside, counted, values
from experiments.predictions import Case, Tables

WARM = ("warmup_100", "warmup_300")

GONE = 0.18
"""Margin of E where none is predicted [nat]: a quarter of 0.73, what SFT with exact targets erased in other worlds."""

CALM = 0.05
"""An excursion begins within this of KL(S‖q*) [nat], so smaller X cannot be told apart, and are tied."""

EQUAL = 0.61
"""Margin of log E at equal Q: that of C2.8, a quarter of what a factor of two in the rate did there."""

BY_PATH = ("warmup_100", "warmup_300", "finch", "sharpness")
"""Methods that change the steps and keep the loss's optimum, S, and its targets."""


# -- warm-up ----------------------------------------------------------------------------------------------------------


def warm_excursions(tables: Tables) -> Iterator[Case]:
    """M.3a: X of SFT minus X with a warm-up."""
    for part in WARM:
        found = beside(tables, part, "x_lower", "x_upper")
        both = found.drop_nulls(["x_lower", "x_lower_sft"]) if found.height else found
        if both.height:
            low = values(both, "x_lower_sft") - values(both, "x_upper")
            high = values(both, "x_upper_sft") - values(both, "x_lower")
            note = f"{found.height - both.height} of {found.height} worlds without X"
            yield Case(METHODS[part].name, low, high, "nat", note=note)


def at_level(tables: Tables, part: str, control: str, level: float, name: str) -> pl.DataFrame:
    """Return a number of a method and of its control where each first has a fit, in the worlds in which both do."""
    both = counted(tables, "crossings", part, control, fits=False)
    both = both.filter(level=level) if both.height else both
    if not both.height:
        return both
    own, other = both.filter(part=part), both.filter(part=control)
    return (
        own.select("seed", name).join(other.select("seed", pl.col(name).alias(f"{name}_sft")), on="seed").sort("seed")
    )


def warm_erasures(tables: Tables) -> Iterator[Case]:
    """M.3b: E of SFT minus E with a warm-up, where KL(S‖q) first is 0.03."""
    for part in WARM:
        found = at_level(tables, part, "sampled", LEVELS[-1], "e")
        if found.height:
            own, other = values(found, "e"), values(found, "e_sft")
            note = f"{other.mean():.3g} and {own.mean():.3g} nats"
            yield Case.exact(METHODS[part].name, other - own, "nat", note=note)


def warm_ends(tables: Tables) -> Iterator[Case]:
    """M.3c: the same in the end."""
    for part in WARM:
        found = beside(tables, part, "e")
        if found.height:
            yield Case.exact(METHODS[part].name, values(found, "e_sft") - values(found, "e"), "nat")


# -- replay -----------------------------------------------------------------------------------------------------------


def replay_erases_less(tables: Tables) -> Iterator[Case]:
    """M.5a: E of SFT minus E with a replay of 1 %, same targets."""
    for part in REPLAYED:
        found = beside(tables, part, "e")
        if found.height:
            note = f"SFT erases {values(found, 'e_sft').mean():.3g} nats"
            yield Case.exact(METHODS[part].name, values(found, "e_sft") - values(found, "e"), "nat", note=note)


def replay_erases_nothing(tables: Tables) -> Iterator[Case]:
    """M.5b: E with a replay of 1 %."""
    for part in REPLAYED:
        found = counted(tables, "ends", part)
        if found.height:
            yield Case.exact(METHODS[part].name, values(found, "e"), "nat")


def replay_bound(tables: Tables) -> Iterator[Case]:
    """M.5c: −log λ − KL(P‖q*), plus KL(P‖q0) for self-replay."""
    for part in REPLAYED:
        found = counted(tables, "ends", part, fits=False)
        if found.height:
            own = values(found, "forgetting_start") if part.startswith("self") else 0.0
            slack = -math.log(SHARE) + own - values(found, "forgetting_best")
            yield Case.exact(METHODS[part].name, slack, "nat")


def replayed_forgetting(tables: Tables) -> Iterator[Case]:
    """M.5d: −log λ − KL(P‖q) of the trained models."""
    for part in REPLAYED:
        found = counted(tables, "ends", part)
        if found.height:
            yield Case.exact(METHODS[part].name, -math.log(SHARE) - values(found, "forgetting"), "nat")


# -- cross-entropy at the same X or Q ---------------------------------------------------------------------------------


def on_curve(at: float, x: np.ndarray, log_e: np.ndarray) -> float:
    """Read log E at a number of a method, between neighbouring points, on a straight line over the log of the number.

    Points with equal numbers become one, with the mean of their log E. The result is nan outside the points, and if
    there is none.
    """
    places = np.unique(x)
    if not len(places) or not places[0] <= at <= places[-1]:
        return math.nan
    means = np.array([log_e[x == one].mean() for one in places])
    return float(np.interp(math.log(at), np.log(places), means))


def _points(tables: Tables, by: str) -> pl.DataFrame:
    """The ends of all runs that fit, with at = max(X, `CALM`) or Q; runs without one are left out."""
    found = counted(tables, "ends", *METHODS)
    if not found.height:
        return found
    x = pl.max_horizontal((pl.col("x_lower") + pl.col("x_upper")) / 2, pl.lit(CALM))
    at = pl.when(pl.col("x_lower").is_not_null()).then(x) if by == "X" else pl.col("walked")
    return found.with_columns(at=at).drop_nulls("at")


def beside_curve(tables: Tables, part: str, by: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Return E of a method and E of plain SFT at the same X or Q, same world and targets, and what is left out.

    Both are float64[worlds], for the worlds in which the plain runs reach from below to above the method.
    """
    points = _points(tables, by)
    if not points.height:
        return np.zeros(0), np.zeros(0), ""
    same = [name for name, one in METHODS.items() if one.plain and one.targets == METHODS[part].targets]
    kind = [name for name in same if name != part]
    own, curve = points.filter(part=part), points.filter(pl.col("part").is_in(kind), pl.col("e") > 0.0)
    pairs = []
    for row in own.iter_rows(named=True):
        near = curve.filter(seed=row["seed"])
        log_e = on_curve(row["at"], near["at"].to_numpy(), np.log(near["e"].to_numpy()))
        pairs.append((row["e"], math.exp(log_e)))
    found = np.array(pairs, np.float64).reshape(-1, 2)
    inside = ~np.isnan(found[:, 1])
    return found[inside, 0], found[inside, 1], f"{(~inside).sum()} of {len(inside)} worlds outside the plain runs"


def below_curve(tables: Tables, by: str, parts: Sequence[str], predicted: float | None = -1.0) -> Iterator[Case]:
    """M.6a, M.6c, M.6d: E of a method minus E of plain SFT at the same X or Q."""
    for part in parts:
        e, plain, note = beside_curve(tables, part, by)
        if e.size:
            said = f"plain SFT erases {plain.mean():.3g} nats there; {note}"
            yield Case.exact(f"{METHODS[part].name}, at equal {by}", e - plain, "nat", predicted=predicted, note=said)


def same_curve(tables: Tables) -> Iterator[Case]:
    """M.6b: log E of methods that change the steps alone, minus log E of plain SFT at the same Q."""
    for part in BY_PATH:
        e, plain, note = beside_curve(tables, part, "Q")
        positive = e > 0.0
        if positive.any():
            ratio = np.log(e[positive]) - np.log(plain[positive])
            left = f"{note}; {(~positive).sum()} with E of at most 0"
            yield Case.exact(METHODS[part].name, ratio, "×", note=left, logarithmic=True)


TRAINED = tuple(name for name, one in METHODS.items() if one.trains_lost)
"""Methods whose loss scores answers that S leaves out."""

OTHERS = tuple(name for name, one in METHODS.items() if not one.trains_lost)
"""The other methods. Plain SFT is among them: read on the curve through the other rates, it says how good that is."""
