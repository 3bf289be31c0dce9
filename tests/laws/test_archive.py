"""A run that was made by an earlier version is read by this one, and gives the same numbers bit for bit."""

from pathlib import Path

import polars as pl
import pytest

from sim.disk.records import Record, read
from sim.rows import metrics_table
from sim.running.build import identity, settings

ARCHIVE = Path(__file__).resolve().parents[1] / "archive"
NAME = "fe3430a4d566"
KEY = ["phase", "step", "view", "metric", "of", "prompt_law"]


@pytest.fixture(scope="module")
def record() -> Record:
    return read(ARCHIVE / NAME)


def test_the_run_is_still_the_same_run(record: Record) -> None:
    assert identity(settings(record.config)) == NAME


def test_its_numbers_are_the_same_bit_for_bit(record: Record) -> None:
    before, now = pl.read_parquet(ARCHIVE / "rows.parquet"), metrics_table(record)
    assert before.height > 2000
    assert not before.select(KEY).is_duplicated().any()
    both = before.join(now, on=KEY, suffix="_now")
    assert both.height == before.height
    for column in ("lower", "upper", "exactness", "unit"):
        assert (both[column].eq_missing(both[f"{column}_now"])).all(), column
