"""A model that was handed in beside the reference of the atlas: only in the same world, which its hash decides."""

import math
from collections.abc import Iterator, Mapping

import polars as pl

from experiments.atlas.reference import read
from experiments.atlas.shared import truth_hash
from sim.disk.records import Record
from sim.show.blocks import Block, Paragraph, Table
from sim.show.writing import written

NEAREST = 6
"""Number of ways of the atlas that are shown: those whose fit is most alike, by its logarithm."""

YOURS = "→ yours"
"""The name of the model that was handed in."""

SCHEMA = {
    "method": pl.String, "strength": pl.String, "seed": pl.Int64,
    **dict.fromkeys(("fit", "forgetting", "e"), pl.Float64),
}  # fmt: skip


def ways(record: Record) -> pl.DataFrame:
    """Return how the ways of the atlas end in the world of a record: KL(S‖q), KL(P‖q) and E [nat per answer].

    There are no rows if the atlas has not been run in this very world, if its reference is not there, or where the
    numbers of the record are bounds, because of another tokenizer. A record of whole documents has another P(x).
    """
    known, exam = read(), record.facts["exam"]
    if known is None or record.config["exam"]["tokenizer"] != "own" or exam["prompts_ignored"]:
        return pl.DataFrame(schema=SCHEMA)
    here = known.places.filter(pl.col("truth") == truth_hash(record), pl.col("level").is_null())
    return here.select(*SCHEMA).drop_nulls(["fit", "forgetting"])


def blocks(tables: Mapping[str, pl.DataFrame]) -> Iterator[Block]:
    """Say where the model lies in the plane of fit and forgetting, among the ways of the atlas in the same world."""
    found, own = tables["atlas"], tables["path"].filter(model="after").sort("step")
    if not found.height or not own.height:
        return
    fit, forgetting = own["fit_upper"][-1], own["forgetting_upper"][-1]
    better = found.filter(pl.col("fit") <= fit, pl.col("forgetting") <= forgetting).height
    worse = found.filter(pl.col("fit") >= fit, pl.col("forgetting") >= forgetting).height
    yield Paragraph(
        f"Beside the atlas: this is the world of its seed {found['seed'][0]}, by the hash of P, S and A. Of the "
        f"{found.height} ways to fine-tune that its reference has there, {better} fit at least as well and forget no "
        f"more, and {worse} fit no better and forget no less. This is exact, but in one world, and those ways have a "
        "model and steps of their own: it is a position, not a ranking.",
        bullet=True,
    )
    yield nearest(found, fit, forgetting)


def nearest(found: pl.DataFrame, fit: float, forgetting: float) -> Table:
    """Return the table of the ways whose fit is most alike, with the model that was handed in, by fit."""
    apart = (pl.col("fit").log() - math.log(fit)).abs() if fit > 0.0 else pl.col("fit")
    near = found.sort(apart, maintain_order=True).head(NEAREST)
    mine = {"method": YOURS, "strength": "", "seed": near["seed"][0], "fit": fit, "forgetting": forgetting, "e": None}
    both = pl.concat([near, pl.DataFrame([mine], SCHEMA)]).sort("fit", maintain_order=True)
    rows = [
        (row["method"], row["strength"], written(row["fit"]), written(row["forgetting"]),
         "–" if row["e"] is None else written(row["e"]))
        for row in both.iter_rows(named=True)
    ]  # fmt: skip
    columns = ("way", "strength", "KL(S‖q)", "KL(P‖q)", "E")
    return Table(columns, tuple(rows), 2, "Ways of the atlas that end with a similar fit, in the same world [nat]")
