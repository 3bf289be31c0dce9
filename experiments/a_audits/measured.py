"""What is measured for the predictions of A: the share of pairs with a construct error, one number for each world."""

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
import polars as pl

from experiments.a_audits.pairs import ALL, BETWEEN, CHANGES, MATCHED, SIZES
from experiments.a_audits.proxies import DISTINCT, EXACT, PLUG_IN, PROXIES, SAMPLES, SELF_BLEU
from experiments.predictions import Case, Tables

JUDGED = "styles_content"
"""The kind of language whose worlds are judged: that of the methods and of the claims. Others are reported."""

LIMIT = 0.05
"""The share of pairs with a construct error that the specification predicts to be exceeded."""

NEAR = LIMIT / 4
"""Largest share of a control that counts as none: a quarter of the predicted effect."""

Measure = Callable[[Tables], Iterator[Case]]


def cells(tables: Tables, proxy: str, k: int, pairs: str = ALL, size: str = "") -> pl.DataFrame:
    """Return the row of each judged world, sorted by seed."""
    found = tables["errors"].filter(language=JUDGED, proxy=proxy, k=k, pairs=pairs, size=size)
    return found.sort("seed", "world")


def construct(proxies: Collection[str], groups: Sequence[str]) -> Measure:
    """Share of pairs whose expectation has the wrong sign. Where it is estimated, a pair may be open: two bounds."""

    def measure(tables: Tables) -> Iterator[Case]:
        for proxy in proxies:
            for k in SAMPLES:
                for pairs in groups:
                    yield _share(f"{proxy}, k = {k:,}, {pairs} pairs", cells(tables, proxy, k, pairs))

    return measure


def by_size(proxies: Collection[str]) -> Measure:
    """The same by |ΔH|; worlds that have such pairs."""

    def measure(tables: Tables) -> Iterator[Case]:
        words = tables["errors"]["size"].unique()
        order = [f"{low:g} to" for low in SIZES[:-2]] + [f"from {SIZES[-2]:g}"]
        for proxy in proxies:
            for k in SAMPLES:
                for size in sorted((one for one in words if one), key=lambda one: _place(one, order)):
                    own = cells(tables, proxy, k, ALL, size)
                    yield _share(f"{proxy}, k = {k:,}, |ΔH| {size} nats", own)

    return measure


def _place(word: str, order: Sequence[str]) -> int:
    return next(at for at, start in enumerate(order) if word.startswith(start))


def sampling(tables: Tables) -> Iterator[Case]:
    """Mean probability that k samples give another sign than the expectation, over the pairs where it has one."""
    for proxy in PROXIES[:-1]:
        for k in SAMPLES:
            own = cells(tables, proxy, k)["sampling"].drop_nulls().to_numpy()
            yield Case.exact(f"{proxy}, k = {k:,}", own, note="estimated from drawn samples")


def exact(tables: Tables) -> Iterator[Case]:
    """Minus the share of construct errors of exact N₁: exactly 0."""
    for k in SAMPLES:
        own = cells(tables, EXACT, k)
        yield Case.exact(f"k = {k:,}", -(own["wrong"] / own["number"]).to_numpy())


def control(tables: Tables) -> Iterator[Case]:
    """Share of construct errors of the plug-in entropy from many samples."""
    k = max(SAMPLES)
    yield _share(f"{PLUG_IN}, k = {k:,}", cells(tables, PLUG_IN, k))


def elsewhere(tables: Tables) -> Iterator[Case]:
    """Construct errors of distinct-n and self-BLEU in other kinds of language."""
    others = tables["errors"].filter(pl.col("language") != JUDGED, pairs=ALL, size="")
    for (language, proxy, k), own in others.group_by("language", "proxy", "k", maintain_order=True):
        if proxy in (*DISTINCT, SELF_BLEU):
            yield _share(f"{language}, {proxy}, k = {k:,}", own)


def _share(name: str, own: pl.DataFrame) -> Case:
    number = own["number"].to_numpy()
    lower = (own["wrong"] / own["number"]).to_numpy()
    upper = ((own["wrong"] + own["open"]) / own["number"]).to_numpy()
    blind = int(own["blind"].sum())
    note = f"{number.sum():,} pairs" + (f", {blind:,} with equal expectations" if blind else "")
    return Case(name, np.asarray(lower, np.float64), np.asarray(upper, np.float64), note=note)


GROUPS = (CHANGES, BETWEEN)
"""The groups of pairs that are reported apart."""

ALL_PAIRS, MATCHED_PAIRS = (ALL,), (MATCHED,)
"""The groups of pairs that are judged."""
