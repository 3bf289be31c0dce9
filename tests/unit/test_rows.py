"""Tables of records: which records count, the schema, and every supported document with its probabilities."""

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sim.languages.finite import Styles
from sim.measure import rows
from sim.numerics import SpecificationError
from sim.records import write
from sim.rows import documents_table, finished, metrics_table, read_record, strings_table
from tests.unit.metrics.small_worlds import BAR
from tests.unit.recorded_worlds import STYLES, recorded, style_of, twins

SCHEMA = {
    "run": pl.String,
    "name": pl.String,
    "seed": pl.Int32,
    "phase": pl.String,
    "step": pl.Int64,
    "view": pl.String,
    "metric": pl.String,
    "of": pl.String,
    "value": pl.Float64,
    "lower": pl.Float64,
    "upper": pl.Float64,
    "exactness": pl.String,
    "unit": pl.String,
    "prompt_law": pl.String,
}


@pytest.mark.parametrize(("leak", "styles"), [(Fraction(0), True), (Fraction(1), False)])
def test_the_schema_does_not_depend_on_the_run(leak: Fraction, styles: bool) -> None:
    """Not on whether the first, or any, number is exact; nor on the styles."""
    record = recorded(*twins(1, leak=leak), styles=styles)
    table = metrics_table(record)
    assert dict(table.schema) == SCHEMA
    assert table.height == len(rows(record))
    assert table.select("run", "name", "seed").unique().rows() == [("0123456789ab", "toy", 3)]
    assert table["value"].null_count() == table.filter(exactness="bounded").height
    assert table.drop("value").null_count().sum_horizontal().item() == 0


def test_strings_table() -> None:
    world, other = twins(2)
    record = recorded(other, world)
    table = strings_table(record).join(documents_table(record), on="index")
    documents = world.documents()
    assert table.group_by("phase", "step").len().sort("phase", "step").rows() == [
        (phase, step, len(documents))
        for phase, step in [("identity", 0), ("identity", 10), ("pretrain", 10), ("sft", 0), ("sft", 10)]
    ], "of pretraining, where it ended"
    names = world.language.vocabulary.symbols
    for row in table.filter(phase="sft", step=10).iter_rows(named=True):
        document = documents[row["index"]]
        cut = document.index(BAR) + 1
        prompt, answer = document[:cut], document[cut:-1]
        assert row["prompt"].split() == [names[token] for token in prompt]
        assert row["answer"].split() == [names[token] for token in answer]
        assert row["style"] == STYLES[style_of(document)]

        def given(law: dict, prompt: tuple = prompt, document: tuple = document) -> float:
            total = sum(v for y, v in law.items() if y[: len(prompt)] == prompt)
            return float(law[document] / total) if total else 0.0

        assert row["prompt_mass"] == pytest.approx(float(sum(v for y, v in world.p.items() if y[:cut] == prompt)))
        assert row["p"] == pytest.approx(given(world.p), rel=1e-12)
        assert row["s"] == pytest.approx(given(world.s), rel=1e-12)
        assert row["q"] == pytest.approx(given(world.q), rel=1e-12)


def test_strings_table_of_whole_documents() -> None:
    world, _ = twins(2)
    record = recorded(world)
    table = strings_table(record, view="joint").filter(phase="sft")
    table = documents_table(record, view="joint").join(table, on="index", maintain_order="left")
    np.testing.assert_allclose(table["p"], [float(world.p[d]) for d in world.documents()], rtol=1e-12)
    np.testing.assert_allclose(table["q"], [float(world.q[d]) for d in world.documents()], rtol=1e-12)
    assert table["prompt_mass"].to_list() == [1.0] * table.height


def test_documents_of_several_styles_are_filed_under_the_likeliest() -> None:
    world, _ = twins(2)
    assert documents_table(recorded(world, styles=False))["style"].unique().to_list() == [""]
    record = recorded(world)
    shared = np.log([[0.25, 0.75]] + [[0.6, 0.4]] * (record.p.trie.num_strings - 1))
    object.__setattr__(record.p, "styles", Styles(STYLES, shared))
    assert documents_table(record)["style"].to_list() == ["long"] + ["short"] * (len(shared) - 1)


# -- which records count ----------------------------------------------------------------------------------------------


def test_finished_records_the_oldest_first(tmp_path: Path) -> None:
    written = [write(recorded(*twins(1)), tmp_path / name) for name in ("bbb", "aaa", "ccc")]
    for age, one in enumerate(written):
        os.utime(one / "manifest.json", (1000 + age, 1000 + age))
    assert finished(tmp_path) == written
    assert read_record(written[0]).hash == "0123456789ab"


def test_drafts_and_failures_do_not_count(tmp_path: Path) -> None:
    for name in ("abc.failed", ".abc-draft"):
        write(recorded(*twins(1)), tmp_path / name)
    (tmp_path / "reports" / "abc").mkdir(parents=True)
    for nothing in (tmp_path, tmp_path / "reports", tmp_path / "missing"):
        with pytest.raises(SpecificationError, match="at least one finished run is required, found none"):
            finished(nothing)
    done = write(recorded(*twins(1)), tmp_path / "abc")
    assert finished(tmp_path) == [done]
