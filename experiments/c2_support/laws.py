"""C2: the cases of the predictions about laws: decay of lost mass, kernel, Fisher form, forgetting, replay."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from experiments.c2_support.mass import counted
from experiments.c2_support.race import PREDICTORS, TARGETS, margins, race
from experiments.c2_support.tables import HALF
from experiments.predictions import Case, Tables

FITTED = 0.02
"""Largest KL(q*‖q) at which a replay counts as trained to its optimum [nat per document]."""

TABLES = ("tabular_strings", "tabular_trie")
"""The kinds of the tabular models in the configuration."""


# -- decay ------------------------------------------------------------------------------------------------------------


def ceiling(tables: Tables) -> Iterator[Case]:
    """C2.2g, for every run of Adam, valid or not, that is long enough to reach late times."""
    adam = tables["laws"]
    if adam.height:  # the law holds after 1 / (1 - β₂) steps, about half the inverse of its ceiling
        late_enough = HALF * pl.col("num_steps") * 2 * pl.col("ceiling") >= 1
        adam = adam.filter(pl.col("optimizer") == "adam", late_enough, pl.col("rate").is_finite())
    if adam.height:
        yield Case.exact("all runs", (adam["ceiling"] - adam["rate"]).to_numpy(), "1/step", note="the least slack")


def _long(tables: Tables, optimizer: str, tabular: bool) -> Iterator[tuple[str, pl.DataFrame]]:
    """Iterate over the laws of the long runs by model. A path with too few late evaluations has no slope."""
    laws = counted(tables, "laws")
    if not laws.height:
        return
    laws = laws.filter(pl.col("exponent").is_finite(), pl.col("rate").is_finite())
    shown = {"sgd": "SGD", "adam": "Adam"}[optimizer]
    for (model, name), own in laws.filter(optimizer=optimizer).group_by("model", "model_shown", maintain_order=True):
        if (model in TABLES) == tabular:
            yield f"{name}, {shown}", own


def _exponents(tables: Tables, tabular: bool) -> Iterator[Case]:
    for case, own in _long(tables, "sgd", tabular):
        yield Case.exact(case, own["exponent"].to_numpy())


def _growths(tables: Tables, tabular: bool) -> Iterator[Case]:
    """The slopes of KL(P‖q_t). Each is shifted by the deviation of its P(B) from the mean, which is the prediction."""
    for case, own in _long(tables, "sgd", tabular):
        lost = float(own["p_lost"].to_numpy().mean())
        yield Case.exact(case, lost + (own["growth"] - own["p_lost"]).to_numpy(), "nat", predicted=lost)


def table_exponents(tables: Tables) -> Iterator[Case]:
    """C2.2a: the exponents of tables."""
    return _exponents(tables, tabular=True)


def net_exponents(tables: Tables) -> Iterator[Case]:
    """C2.2d: the exponents of transformers."""
    return _exponents(tables, tabular=False)


def table_growths(tables: Tables) -> Iterator[Case]:
    """C2.2b: the slopes of tables."""
    return _growths(tables, tabular=True)


def net_growths(tables: Tables) -> Iterator[Case]:
    """C2.2e: the slopes of transformers."""
    return _growths(tables, tabular=False)


def table_rates(tables: Tables) -> Iterator[Case]:
    """C2.2c: the rates of tables, in units of the rate of the law."""
    for case, own in _long(tables, "adam", tabular=True):
        yield Case.exact(case, (own["rate"] / own["law"]).to_numpy())


def net_steeper(tables: Tables) -> Iterator[Case]:
    """C2.2f: the distance of the exponent below -1."""
    for case, own in _long(tables, "adam", tabular=False):
        yield Case.exact(case, -1.0 - own["exponent"].to_numpy())


# -- kernel -----------------------------------------------------------------------------------------------------------


def _kernels(tables: Tables, slowest: bool) -> Iterator[tuple[str, pl.DataFrame]]:
    """Iterate, by width, over the runs with the smallest or with the largest learning rate."""
    kernels = counted(tables, "kernels")
    if not kernels.height:
        return
    rates = kernels["learning_rate"].to_numpy()
    rate = float(rates.min() if slowest else rates.max())
    for (width,), own in kernels.group_by("width", maintain_order=True):
        yield f"width {width}, lr {rate:g}", own.filter(learning_rate=rate).sort("seed", "step")


def first_step(tables: Tables) -> Iterator[Case]:
    """C2.5a: R² after one step."""
    for case, own in _kernels(tables, slowest=True):
        yield Case.exact(case, own.filter(step=1)["r2"].to_numpy())


def kernel_moves(tables: Tables) -> Iterator[Case]:
    """C2.5b: the fall of R² from the first to the last evaluation."""
    for case, own in _kernels(tables, slowest=False):
        change = own.group_by("seed", maintain_order=True).agg(pl.col("r2").first() - pl.col("r2").last())
        yield Case.exact(case, change["r2"].to_numpy())


def fisher(tables: Tables) -> Iterator[Case]:
    """C2.5c: the Fisher form over KL(q0‖q) after one step."""
    for case, own in _kernels(tables, slowest=True):
        one = own.filter(step=1)
        yield Case.exact(case, (one["fisher"] / one["kl"]).to_numpy())


# -- race and replay --------------------------------------------------------------------------------------------------


def _race(tables: Tables) -> pl.DataFrame:
    entrants = counted(tables, "entrants")
    return race(entrants) if entrants.height else entrants


def rivals(tables: Tables) -> Iterator[Case]:
    """C2.6a: R² of the forward KL minus R² of each rival."""
    found = _race(tables)
    for rival, margin in margins(found, "elsewhere").items() if found.height else ():
        yield Case.exact(f"against {rival}", margin)


def predictors(tables: Tables) -> Iterator[Case]:
    """C2.6b: R² of every predictor."""
    found = _race(tables)
    if not found.height:
        return
    for target in TARGETS:
        for name in PREDICTORS:
            where = "on all prompts" if target == "forgotten" else "elsewhere"
            yield Case.exact(f"{name}, {where}", found.filter(target=target, predictor=name)["r2"].to_numpy(), "R²")


def replay_gaps(tables: Tables) -> Iterator[Case]:
    """C2.7a, for the runs that came near their optimum."""
    replays = counted(tables, "replays")
    for (targets, weight), own in replays.group_by("targets", "weight", maintain_order=True) if replays.height else ():
        case = f"{targets} targets, λ = {weight:g}"
        near = own.filter(pl.col("gap") <= FITTED)
        if not near.height:
            none = np.zeros(0)
            yield Case(case, none, none, "nat", note="no run came near its optimum", undecided=True)
            continue
        yield Case.exact(case, (near["kl"] - near["kl_best"]).to_numpy(), "nat", note=f"{near.height} runs")


def replay_bounds(tables: Tables) -> Iterator[Case]:
    """C2.7b, for every run, valid or not."""
    replays = tables["replays"]
    if replays.height:
        slack = np.minimum(
            (replays["bound"] - replays["kl_best"]).to_numpy(),
            -np.abs((replays["closed_form"] - replays["kl_best"]).to_numpy()),
        )
        yield Case.exact("all runs", slack, "nat", note="the least slack")
