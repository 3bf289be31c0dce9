"""C2: the cases of the predictions about laws: decay of lost mass, kernel, Fisher form, forgetting, replay."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from experiments.c2_support.mass import counted
from experiments.c2_support.race import PREDICTORS, TARGETS, margins, race
from experiments.predictions import Case, Tables

FITTED = 0.02
"""Largest KL(q*‖q) at which a replay counts as trained to its optimum [nat per document]."""

TABLES = ("tabular_strings", "tabular_trie")
"""The kinds of the tabular models in the configuration."""


# -- decay ------------------------------------------------------------------------------------------------------------


SPREAD, NEARLY = 0.6, 0.1
"""Largest spreads of log q_t(B) about the law of Adam's memory, and about the one with the bias correction [nat]."""

SETTLED = 0.05
"""lr t m_t is judged if it has changed by less than this share from half of the steps to the end."""


def _slacks(laws: pl.DataFrame, column: str, most: float) -> Iterator[Case]:
    """The slack of the spread of every run, by model and β₂."""
    laws = laws.filter(pl.col(column).is_not_null()) if laws.height else laws
    groups = ("model_shown", "b2", "learning_rate")
    for (name, b2, rate), own in laws.group_by(groups, maintain_order=True) if laws.height else ():
        slack = most - own[column].to_numpy()
        yield Case.exact(f"{name}, β₂ = {b2:g}, lr {rate:g}", slack, "nat", note="the least slack")


def _adam(tables: Tables, tabular: bool) -> pl.DataFrame:
    laws = counted(tables, "laws")
    own = pl.col("model").is_in(TABLES) if tabular else ~pl.col("model").is_in(TABLES)
    return laws.filter(own, pl.col("optimizer") == "adam") if laws.height else laws


def memory_of_tables(tables: Tables) -> Iterator[Case]:
    """C2.2g: the law of Adam's memory, tables within its conditions."""
    laws = _adam(tables, tabular=True)
    return _slacks(laws.filter("has_memory") if laws.height else laws, "memory", SPREAD)


def memory_of_nets(tables: Tables) -> Iterator[Case]:
    """C2.2h: the same of transformers. Their logits do not move by lr, so the condition on lr is not asked."""
    return _slacks(_adam(tables, tabular=False), "memory", SPREAD)


def corrected_memory(tables: Tables) -> Iterator[Case]:
    """C2.2i: the law with the bias correction, tables within its conditions at a β₂ of 0.999 or more."""
    laws = _adam(tables, tabular=True)
    return _slacks(laws.filter("has_memory", pl.col("b2") >= 0.999) if laws.height else laws, "corrected", NEARLY)


def _settled(tables: Tables, tabular: bool) -> Iterator[tuple[str, pl.DataFrame]]:
    """Iterate over the runs of SGD with a kernel in which lr t m_t has settled, by model."""
    for case, own in _long(tables, "sgd", tabular):
        yield case, own.filter(pl.col("limit").is_not_null(), pl.col("change") < SETTLED)


def _prefactors(tables: Tables, tabular: bool) -> Iterator[Case]:
    for case, own in _settled(tables, tabular):
        yield Case.exact(case, (own["prefactor"] / own["limit"]).to_numpy(), note=f"{own.height} runs have settled")


def table_prefactors(tables: Tables) -> Iterator[Case]:
    """C2.2j: κ lr t m_t of tables."""
    return _prefactors(tables, tabular=True)


def net_prefactors(tables: Tables) -> Iterator[Case]:
    """C2.2k: κ lr t m_t of transformers."""
    return _prefactors(tables, tabular=False)


def speeds(tables: Tables) -> Iterator[Case]:
    """C2.2l: the speed of 1/m_t, measured over what the kernel says, every model."""
    for tabular in (True, False):
        for case, own in _long(tables, "sgd", tabular):
            yield Case.exact(case, own.filter(pl.col("speed").is_not_null())["speed"].to_numpy())


def foreseen(tables: Tables) -> Iterator[Case]:
    """C2.2m: 1/κ by the kernel at q0 over lr t m_t in the end."""
    for tabular in (True, False):
        for case, own in _settled(tables, tabular):
            yield Case.exact(case, (own["limit_before"] / own["prefactor"]).to_numpy())


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
    """C2.2c: the rates of tables, in units of the rate of the law, for learning rates up to ρ."""
    for case, own in _long(tables, "adam", tabular=True):
        slow = own.filter(pl.col("learning_rate") <= pl.col("ceiling"))
        yield Case.exact(case, (slow["rate"] / slow["law"]).to_numpy())


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
