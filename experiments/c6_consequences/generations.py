"""C6.4: a model that is trained on its own samples, ten generations long, against the law of drift."""

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from experiments.c6_consequences._drift import tables as tables
from experiments.predictions import Case, Need, Prediction, Tables

MARGIN = 0.25
"""Margin of a ratio that is predicted to be 1, and share of a predicted effect that counts as none."""

BEYOND = 0.05
"""How far n/n_eff may exceed 1: a fit that leaves 5 % of the movement to noise of the training."""

SOME = 0.1
"""The share of fresh data with which drift is predicted to level out."""

SCRATCH = "generations_scratch"
"""The part in which generations begin from fresh parameters."""

NEEDS = (Need(("entropy",), views=("joint",), phases=("truth",), part="generations"),)


def _cases(tables: Tables, part: str) -> Iterator[tuple[str, float, pl.DataFrame]]:
    """Iterate over the shares of fresh data of a part: its name, the share, and the valid rows."""
    found = tables["generations"]
    own = found.filter(pl.col("valid"), part=part) if found.height else found
    for (fresh,), one in own.group_by("fresh", maintain_order=True) if own.height else ():
        assert isinstance(fresh, float)
        yield f"{fresh:.0%} fresh", fresh, one.sort("seed", "generation")


def _of_share(tables: Tables, part: str, fresh: float) -> pl.DataFrame:
    for _, share, own in _cases(tables, part):
        if share == fresh:
            return own
    return pl.DataFrame()


def _later(own: pl.DataFrame) -> pl.DataFrame:
    """The generations after q0. The first one from scratch is the second, because the fine-tuning begins from q0."""
    return own.filter(pl.col("generation") > (1 if own["part"][0] == SCRATCH else 0))


def _expected(own: pl.DataFrame) -> np.ndarray:
    """Sum of ‖q_g − m_g‖² of every world, over what n draws from m_g give in the mean."""
    sums = (
        _later(own)
        .group_by("seed", maintain_order=True)
        .agg(pl.col("moved").sum(), mean=(pl.col("unit") / pl.col("num_samples")).sum())
    )
    return np.asarray((sums["moved"] / sums["mean"]).to_numpy())


def _drawn(own: pl.DataFrame) -> np.ndarray:
    """n / n_eff of every world: the same over ‖Ŝ_g − m_g‖² of the data that were drawn, so without their noise."""
    sums = _later(own).group_by("seed", maintain_order=True).agg(pl.col("moved", "data").sum())
    return np.asarray((sums["moved"] / sums["data"]).to_numpy())


def _steps(own: pl.DataFrame) -> np.ndarray:
    """Sum of ‖q_g − P‖² of every world, over its mean given the generation before: R_g of exact fits, step by step."""
    before = (1.0 - pl.col("fresh")) ** 2 * pl.col("distance").shift(1).over("run")
    own = own.sort("seed", "generation").with_columns(mean=pl.col("unit") / pl.col("num_samples") + before)
    sums = _later(own).group_by("seed", maintain_order=True).agg(pl.col("distance", "mean").sum())
    return np.asarray((sums["distance"] / sums["mean"]).to_numpy())


def single(part: str) -> Callable[[Tables], Iterator[Case]]:
    """What single generations move, over what n draws give in the mean."""

    def measure(tables: Tables) -> Iterator[Case]:
        for name, _, own in _cases(tables, part):
            yield Case.exact(name, _expected(own))

    return measure


def whole(part: str) -> Callable[[Tables], Iterator[Case]]:
    """Distance from P over its mean given the generation before, all generations together."""

    def measure(tables: Tables) -> Iterator[Case]:
        for name, _, own in _cases(tables, part):
            yield Case.exact(name, _steps(own))

    return measure


def more_samples(part: str) -> Callable[[Tables], Iterator[Case]]:
    """1 − n/n_eff: above 0 if the network is worth more documents than it gets."""

    def measure(tables: Tables) -> Iterator[Case]:
        for name, _, own in _cases(tables, part):
            ratio, rho = _drawn(own), float(own["rho"].drop_nulls().to_numpy().mean())
            yield Case.exact(name, 1.0 - ratio, note=f"mean n/n_eff {ratio.mean():.3g}, mean ρ̂ {rho:.3g}")

    return measure


def slower(tables: Tables) -> Iterator[Case]:
    """Sum of ‖q_g − P‖² over the generations, of the long training minus that of the short one."""
    for name, fresh, own in _cases(tables, "generations_short"):
        sums = [
            one.group_by("seed").agg(pl.col("distance").sum())
            for one in (_of_share(tables, "generations_net", fresh), own)
            if one.height
        ]
        if len(sums) == len(("long", "short")):
            both = sums[0].join(sums[1], on="seed", suffix="_short").sort("seed")
            means = [float(both[column].to_numpy().mean()) for column in ("distance", "distance_short")]
            note = f"{means[0]:.3g} and {means[1]:.3g}"
            yield Case.exact(name, (both["distance"] - both["distance_short"]).to_numpy(), note=note)


def effective(part: str) -> Callable[[Tables], Iterator[Case]]:
    """log n_eff of every world."""

    def measure(tables: Tables) -> Iterator[Case]:
        for name, _, own in _cases(tables, part):
            n = float(own["num_samples"][0])
            yield Case.exact(f"{name}, n = {n:g}", np.log(n / _drawn(own)), "documents", logarithmic=True)

    return measure


def _at(own: pl.DataFrame, generation: int, column: str) -> pl.DataFrame:
    return own.filter(generation=generation).select("seed", value=column)


def _last(own: pl.DataFrame) -> int:
    return int(own["generation"].to_numpy().max())


def falls(tables: Tables) -> Iterator[Case]:
    """Collision probability after the last generation, without fresh data minus with fresh data only."""
    for part in ("generations_net", "generations_table"):
        own, other = _of_share(tables, part, 0.0), _of_share(tables, part, 1.0)
        if own.height and other.height:
            last = _last(own)
            both = _at(own, last, "collision").join(_at(other, last, "collision"), on="seed", suffix="_other")
            yield Case.exact(part.rpartition("_")[2], (both["value"] - both["value_other"]).to_numpy())


def levels(tables: Tables) -> Iterator[Case]:
    """Mean of ‖q_g − P‖² over the second half of the generations: without fresh data minus with 10 % of it."""
    own, other = (_second_half(_of_share(tables, "generations_net", fresh)) for fresh in (0.0, SOME))
    if own.height and other.height:
        both = own.join(other, on="seed", suffix="_other").sort("seed")
        means = [float(both[name].to_numpy().mean()) for name in ("value", "value_other")]
        note = f"{means[0]:.3g} and {means[1]:.3g}"
        yield Case.exact("net", (both["value"] - both["value_other"]).to_numpy(), note=note)


def _second_half(own: pl.DataFrame) -> pl.DataFrame:
    if not own.height:
        return own
    late = own.filter(pl.col("generation") > _last(own) // 2)
    return late.group_by("seed", maintain_order=True).agg(value=pl.col("distance").mean())


def still(tables: Tables) -> Iterator[Case]:
    """‖q − P‖² after the last generation minus that of q0, with infinite data; the margin is of the law with 10 %."""
    law = _of_share(tables, "generations_net", SOME)
    if not law.height:
        return
    last = _last(law)
    size = float((_at(law, last, "law")["value"] - _at(law, 0, "law")["value"]).to_numpy().mean())
    for name, _, own in _cases(tables, "generations_infinite"):
        both = _at(own, last, "distance").join(_at(own, 0, "distance"), on="seed", suffix="_0").sort("seed")
        yield Case.exact(name, (both["value"] - both["value_0"]).to_numpy(), margin=MARGIN * size)


def rejected(tables: Tables) -> Iterator[Case]:
    """Share of the draws that leave supp P, after the last generation."""
    for part in ("generations_net", SCRATCH):
        for name, _, own in _cases(tables, part):
            yield Case.exact(f"{part.rpartition('_')[2]}, {name}", _at(own, _last(own), "rejected")["value"].to_numpy())


EXACT = "A table that fits the n documents of every generation exactly"
FRESH = "the same with n fresh documents of P in every generation (100 % fresh)"

PREDICTIONS = (
    Prediction(
        "C6.4a", f"{EXACT} moves away from the law they were drawn from as n draws do.", "equality",
        single("generations_table"), predicted="1, from ‖q_g − m_g‖² = (1 − ‖m_g‖²)/n in the mean",
        rule="Sum of ‖q_g − m_g‖² over that of its mean is 1 within a quarter.",
        control="100 % fresh is among the cases",
        value=1.0, margin=MARGIN, instrument=True, worlds=12, figure="generations",
    ),
    Prediction(
        "C6.4b", f"{EXACT} drifts from P as R_g = (1 − C)/n + (1 − 1/n)(1 − α)² R_(g−1) says.", "equality",
        whole("generations_table"), predicted="1, from the recursion, begun at the generation before",
        rule="Sum of ‖q_g − P‖², over that of (1 − ‖m_g‖²)/n + (1 − α)² ‖q_(g−1) − P‖², which has the mean of the "
        "recursion, is 1 within a quarter.",
        control="100 % fresh is among the cases", value=1.0, margin=MARGIN, instrument=True, worlds=12,
        figure="generations",
    ),
    Prediction(
        "C6.4c", "With infinitely many samples a transformer does not drift.", "equality", still, predicted="0",
        rule="‖q − P‖² after the last generation, minus that of q₀, within a quarter of what the law gives for n "
        "documents with 10 % of fresh data.", control="it is the control of infinite data", value=0.0, margin=MARGIN,
        null=True, worlds=12, figure="generations",
    ),
    Prediction(
        "C6.4d", "A transformer that fits every data set moves no further in a generation than its data: n_eff ≥ n.",
        "bound", more_samples("generations_net"), predicted="1 − n/n_eff of at least 0; n/n_eff is ρ² if the model "
        "goes the share ρ of the way to its data",
        rule="1 − Σ‖q_g − m_g‖² / Σ‖Ŝ_g − m_g‖² is at least minus the margin in every world.", control="C6.4a",
        margin=BEYOND, figure="generations",
    ),
    Prediction(
        "C6.4e", "With 20 steps at a small rate a transformer is worth more documents: n_eff > n.",
        "sign", more_samples("generations_short"), predicted="1 − n/n_eff above 0",
        rule="1 − Σ‖q_g − m_g‖² / Σ‖Ŝ_g − m_g‖² is above 0.", control="C6.4d", worlds=12, figure="generations",
    ),
    Prediction(
        "C6.4k", "So it drifts more slowly from P than one that is trained longer.", "sign", slower,
        predicted="above 0", rule="Σ‖q_g − P‖² of the long training minus that of the short one, in the same world.",
        control="the long training", worlds=12, figure="generations",
    ),
    Prediction(
        "C6.4f", "Without fresh data diversity falls over the generations.", "sign", falls, predicted="above 0",
        rule="Collision probability after the last generation is above that of the control in the same world.",
        control=FRESH, worlds=12, figure="generations",
    ),
    Prediction(
        "C6.4g", "With 10 % of fresh data the drift of a transformer levels out: it stays nearer to P.", "sign", levels,
        predicted="above 0", rule="Mean of ‖q_g − P‖² over the second half of the generations, without fresh data "
        "minus with 10 % of it, in the same world.",
        control="the same without fresh data", worlds=12, figure="generations",
    ),
    Prediction(
        "C6.4h", "How many documents a transformer's n documents are worth.", "report", effective("generations_net"),
        predicted="more than n", rule="n Σ‖Ŝ_g − m_g‖² / Σ‖q_g − m_g‖².", control="C6.4a", figure="generations",
    ),
    Prediction(
        "C6.4i", "The same where every generation begins from fresh parameters.", "report",
        effective(SCRATCH), predicted="none", rule="As C6.4h, from the second generation on.", control="C6.4h",
        figure="generations",
    ),
    Prediction(
        "C6.4l", "The same after 20 steps at 3·10⁻⁴. In the pilot n_eff was below n there, without fresh data.",
        "report", effective("generations_middle"), predicted="none", rule="As C6.4h.", control="C6.4h",
        figure="generations",
    ),
    Prediction(
        "C6.4j", "How many of the last model's own samples leave the support and are rejected.", "report", rejected,
        predicted="none", rule="1 − q(supp P) after the last generation.", control="none", figure="generations",
    ),
)  # fmt: skip
