"""Two dials of C2: prompts that S never shows against styles that it contradicts, and how small a part of P S is.

Everything is a change against q0, the model before the fine-tuning, in the end of the fine-tuning.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from experiments.board import short
from experiments.predictions import Need, Tables
from experiments.statistics import interval
from experiments.study import Study
from sim.show.blocks import Block, Heading, Paragraph, Table

TOGETHER = True
"""All runs of the folder are reported together."""

NEEDS = (Need(("kl", "gate", "style_erasure", "kl_lost", "event_mass", "hill_1"), phases=("sft",)),)

DIALS = ("absent", "contradicted")
"""Parts of the study: the mass that S lacks is in prompts of its own, or in styles at every prompt."""

TINY = ("tiny", "tiniest")
"""Parts in which S is a random part of the answers to every prompt."""

SETUP = ("targets", "rate")

QUANTITIES = {
    "forgotten": "KL(P‖q) − KL(P‖q₀) [nat]",
    "gate": "gate [nat]",
    "lost": "KL(P_B‖q) − KL(P_B‖q₀) [nat]",
    "erased": "E [nat]",
    "size": "e^H(q) / e^H(P)",
    "left": "q(B)",
}
"""What is reported of a run, and its name in a table."""

COMPARED = ("forgotten", "gate", "lost", "erased")


def analyse(folder: Path) -> Tables:
    """Return `runs` (numbers of every run), `dials` (both kinds of loss beside each other) and `tiny` (by P(A))."""
    study = Study.of(folder, NEEDS)
    found = numbers(study)
    counted = found.filter("valid")
    return {"runs": found, "dials": dials(counted), "tiny": tiny(counted)}


def numbers(study: Study) -> pl.DataFrame:
    """Return a row for each run: whether it is valid, its setup, P(A), P(B), the fit KL(S‖q), and QUANTITIES."""
    runs = study.runs
    found = runs.select(
        "run", "seed", "part", "valid", targets="objective.targets",
        rate=pl.col("optimizer.learning_rate").cast(pl.Float64),
        share=(pl.col("restriction.share") if "restriction.share" in runs.columns else pl.lit(None)).cast(pl.Float64),
    )  # fmt: skip
    for name, of in (("p_kept", "P(A)"), ("p_lost", "P(B)")):
        found = found.join(study.pick("event_mass", of).select("run", pl.col("lower").alias(name)), on="run")
    ends = {
        "fit": ("kl", "S||q", "S(x)"), "forgotten": ("kl", "P||q", "P(x)"), "gate": ("gate", "A", "P(x)"),
        "lost": ("kl_lost", "P_B||q", "P_B(x)"), "erased": ("style_erasure", "E", "P(x)"),
        "left": ("event_mass", "q(B)", "P(x)"),
    }  # fmt: skip
    for name, (metric, of, law) in ends.items():
        last = study.pick(metric, of, law, "sft").select("run", pl.col("lower").alias(name))
        found = found.join(last, on="run", how="left", maintain_order="left")
        if name in ("forgotten", "gate", "lost"):
            first = study.pick(metric, of, law, "sft", "first").select("run", start="lower")
            found = found.join(first, on="run", how="left", maintain_order="left")
            found = found.with_columns(pl.col(name) - pl.col("start")).drop("start")
    sizes = {"p": study.pick("hill_1", "P", "P(x)"), "q": study.pick("hill_1", "q", "P(x)", "sft")}
    for name, one in sizes.items():
        middle = (pl.col("lower") + pl.col("upper")) / 2
        found = found.join(one.select("run", middle.alias(f"size_{name}")), on="run", how="left", maintain_order="left")
    return found.with_columns(size=pl.col("size_q") / pl.col("size_p")).drop("size_q", "size_p").sort("part", "seed")


def dials(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the loss of absent prompts and of contradicted styles, and their difference, paired by world.

    A row for each setup, removed mass P(B) and quantity: mean, lower and upper (95 %) of both kinds and of the
    difference contradicted − absent, and the number of worlds.
    """
    rows = []
    kinds = runs.filter(pl.col("part").is_in(DIALS)).with_columns(removed=pl.col("p_lost").round(6))
    for (targets, rate, removed), own in kinds.group_by(*SETUP, "removed", maintain_order=True):
        absent, against = (own.filter(part=part) for part in DIALS)
        both = absent.join(against, on="seed", suffix="_other").sort("seed")
        for name in COMPARED if both.height else ():
            one, other = both[name].to_numpy(), both[f"{name}_other"].to_numpy()
            with np.errstate(invalid="ignore"):  # a difference of infinite numbers is not known
                columns = dict(zip(DIALS, (one, other), strict=True)) | {"difference": other - one}
            tags = {"targets": targets, "rate": rate, "removed": removed, "quantity": name, "worlds": both.height}
            rows.append(tags | _means(columns))
    return pl.DataFrame(rows).sort(*SETUP, "removed", maintain_order=True) if rows else pl.DataFrame()


def tiny(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the quantities by setup and by the P(A) that was asked for: means over worlds with 95 % intervals."""
    rows = []
    small = runs.filter(pl.col("part").is_in(TINY)).sort(*SETUP, "share", descending=[False, False, True])
    for (targets, rate, share), own in small.group_by(*SETUP, "share", maintain_order=True):
        tags = {"targets": targets, "rate": rate, "share": share, "worlds": own.height}
        for name in ("p_kept", "fit", *QUANTITIES):
            rows.append(tags | {"quantity": name} | _means({"value": own[name].to_numpy()}))
    return pl.DataFrame(rows)


def _means(columns: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return <name>, <name>_lower and <name>_upper; a mean with an infinite number is infinite and has no interval."""
    found: dict[str, float] = {}
    for name, values in columns.items():
        if not np.isfinite(values).all():
            found |= {name: float("inf"), f"{name}_lower": float("-inf"), f"{name}_upper": float("inf")}
            continue
        one = interval(values)
        assert one.estimate is not None
        found |= {name: one.estimate, f"{name}_lower": one.lower, f"{name}_upper": one.upper}
    return found


# -- report -----------------------------------------------------------------------------------------------------------


def report(tables: Mapping[str, pl.DataFrame]) -> list[Block]:
    """Report both dials, each with a table and what it says."""
    runs = tables["runs"]
    valid = Paragraph(f"{int(runs['valid'].sum())} of {runs.height} runs are valid. The others do not count.")
    return [*_dials(tables["dials"]), *_tiny(tables["tiny"]), valid]


def _dials(found: pl.DataFrame) -> Iterator[Block]:
    yield Heading("Absent or contradicted, at equal removed mass")
    names = ("targets", "rate", "P(B)", "quantity", "absent prompts", "contradicted styles", "difference", "worlds")
    rows = [
        (row["targets"], f"{row['rate']:g}", short(row["removed"]), QUANTITIES[row["quantity"]],
         *(_said(row, name) for name in (*DIALS, "difference")), str(row["worlds"]))
        for row in found.iter_rows(named=True)
    ]  # fmt: skip
    yield (
        Table(names, tuple(rows), 4, "Means over worlds with 95 % intervals") if rows else Paragraph("No pair of runs.")
    )
    for name in COMPARED if rows else ():
        own = found.filter(quantity=name)
        more = own.filter(pl.col("difference_lower") > 0).height
        less = own.filter(pl.col("difference_upper") < 0).height
        yield Paragraph(
            f"{QUANTITIES[name]}: contradicted styles lose more than absent prompts in {more} of {own.height} rows, "
            f"and less in {less}.",
            bullet=True,
        )


def _tiny(found: pl.DataFrame) -> Iterator[Block]:
    yield Heading("A tiny subset")
    shown = {"p_kept": "P(A)", "fit": "KL(S‖q) [nat]", **QUANTITIES}
    rows = []
    for (targets, rate, share, worlds), own in (
        found.group_by(*SETUP, "share", "worlds", maintain_order=True) if found.height else ()
    ):
        values = {row["quantity"]: _said(row, "value") for row in own.iter_rows(named=True)}
        rows.append((targets, f"{rate:g}", f"{share:g}", *(values[name] for name in shown), str(worlds)))
    names = ("targets", "rate", "asked", *shown.values(), "worlds")
    yield Table(names, tuple(rows), 3, "Means over worlds with 95 % intervals") if rows else Paragraph("No runs.")


def _said(row: Mapping[str, object], name: str) -> str:
    ends = (row[name], row[f"{name}_lower"], row[f"{name}_upper"])
    middle, lower, upper = (short(float(str(end))) for end in ends)
    return f"{middle} [{lower}, {upper}]"
