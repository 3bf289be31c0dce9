"""C3.5: what forward, mixed and reverse KL do in a model that is too small for its data, and in one that is not."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from experiments.predictions import Case, Tables

SMALL, LARGE = "tabular_ngram", "tabular_trie"
"""A table that cannot express S, and one that can."""

DELTA = 1e-3
"""The share by which S is smoothed in the reverse KL."""

SETTLED = 0.005
"""Largest difference between the leak of the forward fit and that of the best n-gram."""

OBJECTIVES = ("reverse_kl", "mixed_kl", "sft")
"""The objectives by the leak that is predicted, the least first; sft is forward KL."""


def _fits(tables: Tables, model: str) -> pl.DataFrame:
    found = tables["modes"]
    return found.filter("valid", model=model).sort("seed") if found.height else found


def _columns(tables: Tables, model: str, name: str) -> dict[str, np.ndarray]:
    """Return a number of the worlds that have all objectives of a model, by objective."""
    found = _fits(tables, model)
    if not found.height:
        return {}
    there = [one for one in OBJECTIVES if one in found["objective"].to_list()]
    common = set.intersection(*(set(found.filter(objective=one)["seed"]) for one in there))
    kept = found.filter(pl.col("seed").is_in(list(common)))
    return {one: kept.filter(objective=one)[name].to_numpy() for one in there}


def instrument(tables: Tables) -> Iterator[Case]:
    """The leak of the forward fit minus that of the best n-gram in closed form."""
    found = _fits(tables, SMALL)
    own = found.filter(objective="sft") if found.height else found
    if own.height:
        yield Case.exact("forward KL, n-gram table", (own["leak"] - own["predicted"]).to_numpy())


def leaks(tables: Tables) -> Iterator[Case]:
    """The leak under reverse, mixed and forward KL."""
    found = _columns(tables, SMALL, "leak")
    if len(found) == len(OBJECTIVES):
        note = ", ".join(f"{one} {found[one].mean():.3g}" for one in OBJECTIVES)
        yield Case.exact("n-gram table", np.stack([found[one] for one in OBJECTIVES]), note=note)


def expressible(tables: Tables) -> Iterator[Case]:
    """The leak under forward KL minus that under reverse KL, in a table that can express S."""
    found = _columns(tables, LARGE, "leak")
    if {"sft", "reverse_kl"} <= set(found):
        yield Case.exact("trie table", found["sft"] - found["reverse_kl"])


def spreads(tables: Tables) -> Iterator[Case]:
    """H(q) − H(S) of the forward fit of the small model."""
    found = _fits(tables, SMALL)
    own = found.filter(objective="sft") if found.height else found
    if own.height:
        yield Case.exact("forward KL, n-gram table", (own["h_q"] - own["h_s"]).to_numpy(), "nat")


def entropies(tables: Tables) -> Iterator[Case]:
    """H(q) − H(S) under the other objectives, and of the table that can express S."""
    found = tables["modes"]
    for (model, objective), own in (
        found.filter("valid").sort("model", "objective", "seed").group_by("model", "objective", maintain_order=True)
        if found.height
        else ()
    ):
        yield Case.exact(f"{objective}, {model}", (own["h_q"] - own["h_s"]).to_numpy(), "nat")
