"""The numbers of docs/atlas.md are those of the reference in the repository."""

import re
from pathlib import Path

import numpy as np
import polars as pl

from experiments.statistics import interval

ROOT = Path(__file__).resolve().parents[3]
PLACES = ROOT / "experiments" / "reference" / "atlas" / "tables" / "places.parquet"
ROW = re.compile(
    r"^\| [^|]+ \| [^|]+ \| (?:\d+|–) \| ([^|]+) \| (?:\d+|–) \| ([^|]+) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE
)


def shown(value: float) -> str:
    """A number as the page writes it."""
    text = f"{value:.2g}" if abs(value) < 0.1 else f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"
    return text.replace("-", "−")


def told(frame: pl.DataFrame, column: str, level: float) -> set[str]:
    """Means and intervals over worlds of all ways at a fit, as the page writes them."""
    found = set()
    for _, own in frame.filter(pl.col("level") == level).group_by("method", "strength"):
        values = own[column].drop_nulls().to_numpy().astype(np.float64)
        if len(values) > 1:
            said = interval(values)
            found.add(f"{shown(values.mean())} [{shown(said.lower)}, {shown(said.upper)}]")
    return found


def test_distances_of_the_page_are_those_of_the_reference() -> None:
    rows = ROW.findall((ROOT / "docs" / "atlas.md").read_text(encoding="utf-8"))
    frame = pl.read_parquet(PLACES)
    assert len(rows) >= 15
    for column, level in ((0, 0.1), (1, 0.03)):
        known = told(frame, "above", level)
        for row in rows:
            assert row[column] == "–" or row[column] in known, row
