"""A model that was handed in beside the atlas: in the same world alone, and counted by plain loops."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from experiments.atlas.reference import read
from experiments.demo import beside_atlas
from sim.disk.records import Record
from sim.exam.building import frozen
from sim.exam.scoring import Terms, scored
from sim.exam.sheets import Sheet
from sim.show.blocks import Paragraph, Table

SAME = "styles_content_small@1"
"""The frozen world that is the world of seed 0 of the atlas."""


def record_of(name: str, terms: Terms | None = None) -> Record:
    world = frozen(name)
    sheets = [Sheet(Path("x"), one, step, world.p.answers) for one, step in (("before", 0), ("after", 5))]
    return scored(sheets, world, terms or Terms())


def path_of(fit: float, forgetting: float) -> pl.DataFrame:
    return pl.DataFrame({"model": ["after", "after"], "step": [0, 5], "fit_upper": [3.0, fit],
                         "forgetting_upper": [0.0, forgetting]})  # fmt: skip


def test_ways_are_those_of_the_same_world() -> None:
    known = read()
    assert known is not None
    found = beside_atlas.ways(record_of(SAME))
    ends = [row for row in known.places.iter_rows(named=True) if row["seed"] == 0 and row["level"] is None]
    assert found.height == len(ends) > 40
    assert set(found["seed"]) == {0}


@pytest.mark.parametrize("name", ["english_small@1", "prompt_answers_small@1"])
def test_another_world_has_none(name: str) -> None:
    found = beside_atlas.ways(record_of(name))
    assert found.is_empty()
    assert list(beside_atlas.blocks({"atlas": found, "path": path_of(0.1, 3.0)})) == []


def test_bounds_are_not_placed() -> None:
    assert beside_atlas.ways(record_of(SAME, Terms(tokenizer="other"))).is_empty()


def test_a_position_is_counted() -> None:
    found = beside_atlas.ways(record_of(SAME))
    fit, forgetting = np.median(found["fit"].to_numpy()), np.median(found["forgetting"].to_numpy())
    said, table = beside_atlas.blocks({"atlas": found, "path": path_of(float(fit), float(forgetting))})
    pairs = list(found.select("fit", "forgetting").iter_rows())
    better = sum(1 for a, b in pairs if a <= fit and b <= forgetting)
    worse = sum(1 for a, b in pairs if a >= fit and b >= forgetting)
    assert isinstance(said, Paragraph)
    assert f"Of the {len(pairs)} ways" in said.text
    assert f"{better} fit at least as well and forget no more, and {worse} fit no better" in said.text
    assert isinstance(table, Table)
    assert [row[0] for row in table.rows].count(beside_atlas.YOURS) == 1
    assert len(table.rows) == beside_atlas.NEAREST + 1
    fits = [float(row[2]) for row in table.rows]
    assert fits == sorted(fits)
