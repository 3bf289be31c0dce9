"""C6.4: a model that is trained on its own samples, ten generations long, against the law of drift."""

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from experiments.c6_consequences._drift import tables as tables
from experiments.predictions import Case, Need, Prediction, Tables

MARGIN = 0.25
"""Margin of a ratio that is predicted to be 1, and share of a predicted effect that counts as none."""

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


def _ratios(own: pl.DataFrame) -> np.ndarray:
    """n / n_eff of every world, from single generations: sum of ‖q_g − m_g‖² over the sum of its expected values.

    The first generation from scratch is the second one, because the fine-tuning begins from q0.
    """
    first = 1 if own["part"][0] == SCRATCH else 0
    later = own.filter(pl.col("generation") > first)
    sums = later.group_by("seed", maintain_order=True).agg(
        pl.col("moved").sum(), expected=(pl.col("unit") / pl.col("num_samples")).sum()
    )
    return np.asarray((sums["moved"] / sums["expected"]).to_numpy())


def _curve(own: pl.DataFrame) -> np.ndarray:
    """The sum of ‖q_g − P‖² over the generations of every world, over the sum of the law."""
    later = own.filter(pl.col("generation") > 0)
    sums = later.group_by("seed", maintain_order=True).agg(pl.col("distance", "law").sum())
    return np.asarray((sums["distance"] / sums["law"]).to_numpy())


def single(part: str) -> Callable[[Tables], Iterator[Case]]:
    """n / n_eff from single generations."""

    def measure(tables: Tables) -> Iterator[Case]:
        for name, _, own in _cases(tables, part):
            yield Case.exact(name, _ratios(own))

    return measure


def whole(part: str) -> Callable[[Tables], Iterator[Case]]:
    """Distance from P over that of the law, all generations together."""

    def measure(tables: Tables) -> Iterator[Case]:
        for name, _, own in _cases(tables, part):
            yield Case.exact(name, _curve(own))

    return measure


def more_samples(read: Callable[[pl.DataFrame], np.ndarray]) -> Callable[[Tables], Iterator[Case]]:
    """1 minus a ratio to what n samples would give: above 0 if the network is worth more samples."""

    def measure(tables: Tables) -> Iterator[Case]:
        for name, fresh, own in _cases(tables, "generations_net"):
            if fresh < 1:
                ratio = read(own)
                rho = float(own["rho"].drop_nulls().to_numpy().mean())
                yield Case.exact(name, 1.0 - ratio, note=f"mean ratio {ratio.mean():.3g}, mean ρ̂ {rho:.3g}")

    return measure


def effective(part: str) -> Callable[[Tables], Iterator[Case]]:
    """log n_eff of every world, from single generations."""

    def measure(tables: Tables) -> Iterator[Case]:
        for name, _, own in _cases(tables, part):
            n = float(own["num_samples"][0])
            yield Case.exact(f"{name}, n = {n:g}", np.log(n / _ratios(own)), "documents", logarithmic=True)

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
    """Growth of ‖q − P‖² over the second half of the generations: without fresh data minus with 10 % of it."""
    own, other = (_growth(_of_share(tables, "generations_net", fresh)) for fresh in (0.0, SOME))
    if own.height and other.height:
        both = own.join(other, on="seed", suffix="_other").sort("seed")
        means = [float(both[name].to_numpy().mean()) for name in ("value", "value_other")]
        note = f"{means[0]:.3g} and {means[1]:.3g}"
        yield Case.exact("net", (both["value"] - both["value_other"]).to_numpy(), note=note)


def _growth(own: pl.DataFrame) -> pl.DataFrame:
    if not own.height:
        return own
    last = _last(own)
    both = _at(own, last, "distance").join(_at(own, last // 2, "distance"), on="seed", suffix="_half")
    return both.select("seed", value=pl.col("value") - pl.col("value_half"))


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
        rule="n / n_eff from single generations is 1 within a quarter.", control="100 % fresh is among the cases",
        value=1.0, margin=MARGIN, instrument=True, worlds=12, figure="generations",
    ),
    Prediction(
        "C6.4b", f"{EXACT} drifts from P as R_g = (1 − C)/n + (1 − 1/n)(1 − α)² R_(g−1) says.", "equality",
        whole("generations_table"), predicted="1, from the recursion, begun at the q0 of the run",
        rule="Sum of ‖q_g − P‖² over all generations, over that of the law, is 1 within a quarter.",
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
        "C6.4d", "A transformer moves less in a generation than an exact fit: n_eff > n.", "sign",
        more_samples(_ratios), predicted="1 − n/n_eff above 0",
        rule="1 − Σ‖q_g − m_g‖² / Σ(1 − ‖m_g‖²)/n is above 0.", control="C6.4a", worlds=12, figure="generations",
    ),
    Prediction(
        "C6.4e", "So it drifts less from P than the law of n documents says.", "sign", more_samples(_curve),
        predicted="1 − the ratio, above 0", rule="1 − Σ‖q_g − P‖² / Σ R_g is above 0.", control="C6.4b", worlds=12,
        figure="generations",
    ),
    Prediction(
        "C6.4f", "Without fresh data diversity falls over the generations.", "sign", falls, predicted="above 0",
        rule="Collision probability after the last generation is above that of the control in the same world.",
        control=FRESH, worlds=12, figure="generations",
    ),
    Prediction(
        "C6.4g", "With 10 % of fresh data the drift of a transformer levels out.", "sign", levels, predicted="above 0",
        rule="‖q − P‖² grows less over the second half of the generations than without fresh data.",
        control="the same without fresh data", worlds=12, figure="generations",
    ),
    Prediction(
        "C6.4h", "How many documents a transformer's n documents are worth.", "report", effective("generations_net"),
        predicted="more than n", rule="n_eff from single generations.", control="C6.4a", figure="generations",
    ),
    Prediction(
        "C6.4i", "The same where every generation begins from fresh parameters.", "report",
        effective(SCRATCH), predicted="none", rule="n_eff from single generations.", control="C6.4h",
        figure="generations",
    ),
    Prediction(
        "C6.4j", "How many of the last model's own samples leave the support and are rejected.", "report", rejected,
        predicted="none", rule="1 − q(supp P) after the last generation.", control="none", figure="generations",
    ),
)  # fmt: skip
