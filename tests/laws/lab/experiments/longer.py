"""How often a run says one of the longest strings, before and after its fine-tuning."""

import polars as pl

from sim.disk.records import Record
from sim.metrics.frames import metrics_table
from sim.show.blocks import Block, Heading, Paragraph, Table


def analyse(record: Record) -> dict[str, pl.DataFrame]:
    """`lengths`: the mass of the longest strings at every evaluation."""
    found = metrics_table(record, ["long_mass"], ["joint"], ["sft"]).filter(of="q")
    return {"lengths": found.select("run", "step", "lower", "upper")}


def report(tables: dict[str, pl.DataFrame]) -> list[Block]:
    """A sentence, and a table with a row for each evaluation."""
    lengths = tables["lengths"]
    before, after = lengths["lower"][0], lengths["lower"][-1]
    rows = [(str(step), f"{mass:.3f}") for step, mass in lengths.select("step", "lower").iter_rows()]
    return [
        Heading("The longest strings"),
        Paragraph(f"Their mass is {before:.3f} before the fine-tuning and {after:.3f} after it; exact."),
        Table(("step", "mass"), tuple(rows)),
    ]
