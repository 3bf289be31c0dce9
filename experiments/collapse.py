"""Collapse and replay side by side: how much of the language each way of fine-tuning keeps, from one pretrained model.

The tables are those of the demo for several runs at once. They feed the moving picture of `figures/collapse/`.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from experiments.demo.facts import facts
from experiments.predictions import Tables
from sim.disk.folders import finished
from sim.disk.records import read
from sim.metrics.frames import documents_table, metrics_table, phases_table, strings_table
from sim.numerics import SpecificationError
from sim.show.blocks import Block, Heading, Paragraph, Table

TOGETHER = True
"""All runs of the folder are reported together."""

METRICS = ("entropy", "kl", "event_mass", "style_mass", "gate")

COLUMNS = {
    ("entropy", "q", "P(x)"): "H(q) [nat]",
    ("kl", "P||q", "P(x)"): "KL(P‖q) [nat]",
    ("kl", "S||q", "S(x)"): "KL(S‖q) [nat]",
    ("event_mass", "q(A)", "P(x)"): "q(A)",
}
"""What is reported of the end of a run: metric, distribution and law of the prompts, and the name in the table."""


def analyse(folder: Path) -> Tables:
    """Return `runs`, and `metrics`, `phases`, `documents` and `strings` with a phase for the fine-tuning of every run.

    A phase is named after the objective; SFT comes first. Raises SpecificationError if the runs differ in their
    language or in their data.
    """
    records = sorted(map(read, finished(folder)), key=lambda record: record.config["objective"]["kind"] != "sft")
    documents = [documents_table(record) for record in records]
    check(folder, documents)
    numbers = [metrics_table(record, METRICS) for record in records]
    runs = pl.concat([facts(record, metrics_table(record)) for record in records])
    names = named(runs)
    phases, strings = (map(table, records) for table in (phases_table, strings_table))
    return {
        "runs": runs.with_columns(phase=pl.Series(names, dtype=pl.String)),
        "metrics": pl.concat([numbers[0].filter(phase="truth"), *map(_renamed, numbers, names)]),
        "phases": pl.concat(map(_renamed, phases, names)),
        "documents": documents[0],
        "strings": pl.concat(map(_renamed, strings, names)),
    }


def check(folder: Path, documents: Sequence[pl.DataFrame]) -> None:
    """Raise SpecificationError unless all runs have one P and one S."""
    laws = [one.select("p", "s") for one in documents]
    if not all(one.equals(laws[0], null_equal=True) for one in laws):
        raise SpecificationError(
            f"{folder}: runs on one language with one restriction are required, found several; "
            "put the runs to compare into a folder of their own"
        )


def named(runs: pl.DataFrame) -> list[str]:
    """Return a name for each run: its objective, and its hash where several runs have the same objective."""
    twice = runs.filter(pl.col("objective").is_duplicated())["run"].to_list()
    return [f"{name} ({run})" if run in twice else name for run, name in runs.select("run", "objective").iter_rows()]


def report(tables: Tables) -> list[Block]:
    """Return the report: the end of every run in a table, beside P and S."""
    names = tables["runs"]["phase"].to_list()
    rows = tuple((name, *(_end(tables["metrics"], name, *of) for of in COLUMNS)) for name in names)
    invalid = tables["runs"].filter(~pl.col("valid"))
    said = [Paragraph(f"NOT VALID: {name}") for name in invalid["phase"]]
    return [
        Heading("Collapse and replay"),
        *said,
        Paragraph("At the end of the fine-tuning. A number is exact; '3.2 to 3.3' are certified bounds."),
        Table(("fine-tuning", *COLUMNS.values()), rows),
    ]


def _renamed(table: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return the rows of the fine-tuning, as a phase with a name."""
    return table.filter(phase="sft").with_columns(phase=pl.lit(name))


def _end(metrics: pl.DataFrame, phase: str, metric: str, of: str, law: str) -> str:
    found = metrics.filter(phase=phase, view="response", metric=metric, of=of, prompt_law=law).sort("step")
    if found.is_empty():
        return ""
    low, high = (f"{found[end][-1]:.3g}" for end in ("lower", "upper"))
    return low if low == high else f"{low} to {high}"
