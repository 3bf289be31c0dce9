"""docs/carry_over.md, written from the recorded tables and from what is announced: no number is copied by hand."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from experiments.carry_over.reference import read
from experiments.carry_over.said import (
    SHOWN,
    differences_table,
    notes,
    numbers_table,
    parts_table,
    signs_table,
    trainers_of,
    worlds_table,
)
from experiments.carry_over.signs import ARMS, FIT, LIMIT, SIGNS, WORLDS
from sim.show.blocks import Block, Paragraph, Table, markdown

NAME = "carry_over.md"
"""The file of the page."""

HEAD = Path(__file__).with_name("head.md")
"""The page as it is written by hand, with a word in brackets for each table."""


def page() -> str:
    """Return the whole page as Markdown."""
    found = read()
    parts, differences, carried = found["parts"], found["differences"], found["carried"]
    words = {
        "signs": _said(signs_table(parts)),
        "parts": _said(parts_table(parts)),
        "each": _said(worlds_table(carried)),
        "numbers": _said(numbers_table(differences, ("share", "e", "x"))),
        "more": _said(numbers_table(differences, ("kl", "fit", "off", "held"))),
        "differences": _said(differences_table(differences)),
        "refuted": "\n".join(f"* **{one.name}** (found here: {one.found}). {one.refuted}" for one in SIGNS.values()),
        "notes": _said(*(Paragraph(line, bullet=True) for line in notes(carried))),
        "worlds": ", ".join(f"`{name}`" for name in WORLDS),
        "missing": "\n".join(missing(carried)),
        "arms": ARMS, "fit": f"{FIT:g}", "limit": f"{LIMIT:g}",
    }  # fmt: skip
    return HEAD.read_text(encoding="utf-8").format(**words)


def _said(*blocks: Block) -> str:
    """Return blocks as Markdown, without the titles of tables, which the page has in its own words."""
    bare = [Table(one.columns, one.rows, one.num_left) if isinstance(one, Table) else one for one in blocks]
    return markdown(bare).strip()


def missing(carried: pl.DataFrame) -> Iterator[str]:
    """Iterate over a line for each trainer that has not been run in all announced worlds."""
    for trainer in trainers_of(carried):
        done = set(carried.filter(trainer=trainer)["world"])
        if left := [f"`{name}`" for name in WORLDS if name not in done]:
            yield f"* Announced, and not yet run with {SHOWN.get(trainer, trainer)}: {', '.join(left)}."
