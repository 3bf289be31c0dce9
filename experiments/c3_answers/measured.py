"""What the predictions of C3 measure on transformers: a number, or two bounds of it, for every world."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import polars as pl

from experiments.predictions import Case, Tables

Measure: TypeAlias = Callable[[Tables], Iterator[Case]]

FIT = 0.05
"""Largest mean KL(S‖q) at which a cell counts as converged [nat per answer]."""

NEAR = 0.05
"""Entropies of controls and of held-out prompts that differ by at most this count as equal [nat]."""

COLLAPSED = 0.5
"""A model has collapsed on some prompts if it has lost more than this share of the entropy H(P)."""

COVERED = 0.02
"""Largest KL(S‖q) at which S is covered [nat]."""

WORLD = ("seed", "width", "rate")
"""Columns that a run shares with its control."""


# -- which runs count -------------------------------------------------------------------------------------------------


def counted(tables: Tables, *parts: str, name: str = "runs") -> pl.DataFrame:
    """Return the rows of valid runs of parts whose names begin so, sorted by world."""
    found = tables[name]
    if not found.height:
        return found
    begins = pl.any_horizontal(pl.col("part").str.starts_with(part) for part in parts)
    return found.filter(pl.col("valid"), begins).sort(
        "m", "width", "rate", "seed", nulls_last=True, maintain_order=True
    )


def converged(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the runs of the cells that have a mean fit within the limit."""
    return runs.filter(pl.col("fit").mean().over("part", "m", "n", "width", "rate") <= FIT) if runs.height else runs


def by_cell(runs: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Iterate over the cells of runs of 16 prompts, by m, width and rate."""
    for (m, width, rate), own in runs.group_by("m", "width", "rate", maintain_order=True) if runs.height else ():
        yield f"m = {m}, width {width}, rate {rate:g}", own


def controlled(tables: Tables, runs: pl.DataFrame) -> pl.DataFrame:
    """Return runs beside their infinite-data control, whose entropies are called c_trained and c_held."""
    control = counted(tables, "infinite").filter(targets="sampled")
    ends = [f"{prompts}_{end}" for prompts in ("trained", "held") for end in ("lower", "upper")]
    names = {f"h_q_{end}": f"c_{end}" for end in ends}
    return runs.join(control.select(*WORLD, *names).rename(names), on=WORLD, maintain_order="left")


def change(own: pl.DataFrame, prompts: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the two bounds of H(q) − H(control) on trained or held prompts [nat]."""
    lower = own[f"h_q_{prompts}_lower"] - own[f"c_{prompts}_upper"]
    upper = own[f"h_q_{prompts}_upper"] - own[f"c_{prompts}_lower"]
    return lower.to_numpy(), upper.to_numpy()


def cells(tables: Tables) -> Iterator[tuple[str, pl.DataFrame]]:
    """Iterate over the converged cells of a sampled annotator, beside their control."""
    yield from by_cell(controlled(tables, converged(counted(tables, "cells"))))


# -- C3.0, C3.1: controls, and infinite data --------------------------------------------------------------------------


def still(targets: str) -> Measure:
    """H(q) − H(q0) after fine-tuning on fresh data: from P, and from P on half of the prompts."""

    def measure(tables: Tables) -> Iterator[Case]:
        for part, words in (("identity", "data from P"), ("infinite", "infinite data")):
            runs = counted(tables, part).filter(targets=targets)
            for (width,), own in runs.group_by("width", maintain_order=True) if runs.height else ():
                for prompts, named in (("trained", "tuned prompts"), ("held", "held-out prompts")):
                    known = own.filter(pl.col(f"h_q_{prompts}_lower").is_not_null())
                    if known.height:
                        lower = known[f"h_q_{prompts}_lower"] - known[f"h_q0_{prompts}_upper"]
                        upper = known[f"h_q_{prompts}_upper"] - known[f"h_q0_{prompts}_lower"]
                        yield Case(f"{words}, {named}, width {width}", lower.to_numpy(), upper.to_numpy(), "nat")

    return measure


def slopes(targets: str) -> Measure:
    """The slope of log(q/S) on log S with infinite data."""

    def measure(tables: Tables) -> Iterator[Case]:
        runs = counted(tables, "infinite").filter(targets=targets)
        for (width,), own in runs.group_by("width", maintain_order=True) if runs.height else ():
            yield Case.exact(f"width {width}", own["slope"].to_numpy())

    return measure


def covers(tables: Tables) -> Iterator[Case]:
    """0.02 nats minus KL(S‖q) with infinite data and exact targets."""
    runs = counted(tables, "infinite").filter(targets="exact")
    for (width,), own in runs.group_by("width", maintain_order=True) if runs.height else ():
        yield Case.exact(f"width {width}", COVERED - own["fit"].to_numpy(), "nat")


# -- C3.2: data sets, and the collapse on trained prompts -------------------------------------------------------------


def drawn(name: str) -> Measure:
    """A mean over data sets divided by its expectation; where the expectation is 0, there is no case."""

    def measure(tables: Tables) -> Iterator[Case]:
        for (m,), own in tables["datasets"].group_by("m", maintain_order=True):
            expected = own[f"expected_{name}"].to_numpy()
            if expected.min() > 0.0:
                yield Case.exact(f"m = {m}", own[name].to_numpy() / expected)

    return measure


def single(tables: Tables) -> Iterator[Case]:
    """0.02 nats minus the entropy of data sets of one answer per prompt."""
    yield Case.exact("m = 1", COVERED - tables["datasets"].filter(m=1)["entropy"].to_numpy(), "nat")


def collapse(tables: Tables) -> Iterator[Case]:
    """½ H(P) − H(q) on the trained prompts, m = 1."""
    for case, own in cells(tables):
        if own["m"][0] == 1:
            half = COLLAPSED * own["h_p_trained"]
            lower, upper = half - own["h_q_trained_upper"], half - own["h_q_trained_lower"]
            yield Case(case, lower.to_numpy(), upper.to_numpy(), "nat")


def trained(tables: Tables) -> Iterator[Case]:
    """H(q) on the trained prompts of every cell."""
    for case, own in cells(tables):
        dial = float((own["rho"] ** 2 / own["m"]).to_numpy().mean())
        note = f"mean ρ̂²/m {dial:.3g}; H(P) {float(own['h_p_trained'].to_numpy().mean()):.3g} nats"
        yield Case(case, own["h_q_trained_lower"].to_numpy(), own["h_q_trained_upper"].to_numpy(), "nat", note=note)


# -- C3.4, C3.7: held-out prompts -------------------------------------------------------------------------------------


def sharpened(tables: Tables) -> Iterator[Case]:
    """H(q) − H(control) + b on held-out prompts."""
    for case, own in cells(tables):
        lower, upper = change(own, "held")
        b, empty = own["loss"].to_numpy(), int(own["empty_topics"].sum())
        note = f"mean b {b.mean():.3g} nats, mean change {(lower + upper).mean() / 2:.3g}; {empty} topics without data"
        yield Case(case, lower + b, upper + b, "nat", note=note)


def flattened(tables: Tables) -> Iterator[Case]:
    """0.05 − (H(q) − H(control)) on held-out prompts."""
    for case, own in cells(tables):
        lower, upper = change(own, "held")
        yield Case(case, NEAR - upper, NEAR - lower, "nat")


def halfway(tables: Tables) -> Iterator[Case]:
    """H(q) − H(q0) on held-out prompts at the first evaluation with ρ̂ ≥ ½, middles of bounds."""
    paths = counted(tables, "cells", name="paths")
    for case, own in by_cell(paths):
        begun = own.filter(step=0).select("seed", start="h_held")
        first = own.filter(pl.col("rho") >= 0.5).sort("seed", "step").group_by("seed", maintain_order=True).first()
        both = first.join(begun, on="seed").sort("seed")
        if both.height:
            note = f"median epoch {float(np.median(both['epochs'].to_numpy())):.3g}"
            yield Case.exact(case, (both["h_held"] - both["start"]).to_numpy(), "nat", note=note)


def rivals(tables: Tables) -> Iterator[Case]:
    """H(q) − H(q0) + b on held-out prompts under exact targets, or with small steps."""
    for case, own in by_cell(counted(tables, "rivals")):
        lower = own["h_q_held_lower"] - own["h_q0_held_upper"] + own["loss"]
        upper = own["h_q_held_upper"] - own["h_q0_held_lower"] + own["loss"]
        rho, b = (float(own[name].to_numpy().mean()) for name in ("rho", "loss"))
        targets = own["targets"][0]
        note = f"mean ρ̂ {rho:.3g}, mean b {b:.3g} nats"
        yield Case(f"{case}, {targets} targets", lower.to_numpy(), upper.to_numpy(), "nat", note=note)


def homogeneous(tables: Tables) -> Iterator[Case]:
    """H(q) − H(control) on held-out prompts after a homogeneous annotator."""
    for case, own in by_cell(_always_the_same(tables)):
        share = float((own["h_q_held_upper"] / own["h_p_held"]).to_numpy().mean())
        yield Case(case, *change(own, "held"), "nat", predicted=-1.0, note=f"at most {share:.3g} of H(P) is left")


def varied(tables: Tables) -> Iterator[Case]:
    """H(q) on held-out prompts with one sampled answer per prompt, minus the same with the likeliest one."""
    one = counted(tables, "cells").filter(m=1)
    both = one.join(_always_the_same(tables), on=WORLD, suffix="_same", maintain_order="left")
    for case, own in by_cell(both):
        lower = own["h_q_held_lower"] - own["h_q_held_upper_same"]
        upper = own["h_q_held_upper"] - own["h_q_held_lower_same"]
        yield Case(case, lower.to_numpy(), upper.to_numpy(), "nat")


def _always_the_same(tables: Tables) -> pl.DataFrame:
    return controlled(tables, converged(counted(tables, "annotators").filter(annotator="homogeneous")))


def _tempered(tables: Tables) -> Iterator[tuple[str, pl.DataFrame]]:
    runs = controlled(tables, counted(tables, "annotators").filter(annotator="tempered"))
    for (tau, width), own in (
        runs.sort("temperature", "seed").group_by("temperature", "width", maintain_order=True) if runs.height else ()
    ):
        yield f"τ = {tau:g}, width {width}", own


def tempered(tables: Tables) -> Iterator[Case]:
    """H(q) − H(control) on held-out prompts after a tempered annotator with infinitely many answers."""
    for case, own in _tempered(tables):
        expected = float((own["h_s_trained"] - own["h_p_trained"]).to_numpy().mean())
        yield Case(case, *change(own, "held"), "nat", predicted=expected)


def transfer(tables: Tables) -> Iterator[Case]:
    """log τ on held-out prompts over log τ on trained prompts, of temperatures fitted to q against P."""
    for case, own in _tempered(tables):
        ratio = np.log(own["tau_held"].to_numpy()) / np.log(own["tau_trained"].to_numpy())
        yield Case.exact(case, ratio, note=f"mean τ̂ on held-out prompts {float(own['tau_held'].to_numpy().mean()):.3g}")


def fewer_prompts(tables: Tables) -> Iterator[Case]:
    """H(q) − H(P) on held-out prompts with 8 prompts of 32 answers, minus the same with 16 prompts of 16."""
    few = counted(tables, "fewer").filter(m=32)
    many = counted(tables, "cells").filter(m=16)
    both = many.join(few, on=WORLD, suffix="_few", maintain_order="left")
    for (width, rate), own in both.group_by("width", "rate", maintain_order=True) if both.height else ():
        truth = own["h_p_held_few"] - own["h_p_held"]
        lower = own["h_q_held_lower_few"] - own["h_q_held_upper"] - truth
        upper = own["h_q_held_upper_few"] - own["h_q_held_lower"] - truth
        yield Case(f"width {width}, rate {rate:g}", lower.to_numpy(), upper.to_numpy(), "nat", predicted=-1.0)
