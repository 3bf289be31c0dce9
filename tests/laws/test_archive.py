"""A run that was made by an earlier version is read by this one, and gives the same numbers bit for bit."""

from pathlib import Path

import polars as pl
import pytest

from sim.disk.records import Record, read
from sim.metrics.frames import metrics_table
from sim.running.build import settings
from sim.running.identity import identity

ARCHIVE = Path(__file__).resolve().parents[1] / "archive"
NAME = "fe3430a4d566"
KEY = ["phase", "step", "view", "metric", "of", "at", "prompt_law"]


@pytest.fixture(scope="module")
def record() -> Record:
    return read(ARCHIVE / NAME)


def test_the_run_is_still_the_same_run(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apart from settings that are younger. Its version is not the present one, so it would be done again."""
    monkeypatch.setattr("sim.disk.records.RESULTS_VERSION", 4)
    chosen = settings(record.config)
    del chosen["record"], chosen["finetune"]["kl_every_step"], chosen["grammar"]["style_zipf"]
    for one in (chosen, chosen["pretrain"]):
        del one["optimizer"]["clip"], one["optimizer"]["average"]
        one["objective"].pop("sharpness", None), one["objective"].pop("switch", None)
    assert identity(chosen) == NAME


def columns_of_today(rows: pl.DataFrame) -> pl.DataFrame:
    """The parameters that once followed a name in `of`, or stood in its place, are in a column `at` today."""
    words = pl.col("of").str.split(" ")
    threshold = pl.col("of").str.split(" eps=")
    metric, named = pl.col("metric"), {"style_within": "z", "restriction_note": "restriction"}
    at = pl.when(metric == "epsilon_support").then(threshold.list.last()).when(metric == "style_mass")
    of = (
        pl.when(metric.is_in(["epsilon_support", "style_mass"]))
        .then(words.list.first())
        .when(metric.is_in(list(named)))
    )
    return rows.with_columns(
        at=at.then(words.list.last()).when(metric.is_in(list(named))).then("of").otherwise(pl.lit("")),
        of=of.then(metric.replace(named)).otherwise("of"),
    )


def test_its_numbers_are_the_same_bit_for_bit(record: Record) -> None:
    before, now = columns_of_today(pl.read_parquet(ARCHIVE / "rows.parquet")), metrics_table(record)
    assert before.height > 2000
    assert not before.select(KEY).is_duplicated().any()
    both = before.join(now, on=KEY, suffix="_now")
    assert both.height == before.height
    for column in ("lower", "upper", "exactness", "unit"):
        assert (both[column].eq_missing(both[f"{column}_now"])).all(), column
