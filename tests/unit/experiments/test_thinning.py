"""Rows that nothing reads are left out, and all others stay, in their order."""

import matplotlib.pyplot as plt
import polars as pl
import pytest

from experiments import thinning
from experiments.thinning import shapes, without_unread_rows

PATHS = pl.DataFrame(
    [
        {"run": run, "step": step, "phase": phase, "part": part, "size": 10 * step + place}
        for place, (run, part) in enumerate([("a", "drawn"), ("b", "ends"), ("c", "ends")])
        for phase in ("sft", "control")
        for step in (0, 1, 5, 9)
    ]
)


def ends(paths: pl.DataFrame) -> list[tuple]:
    """What a prediction reads: the first and the last step of each run and phase."""
    return paths.group_by("run", "phase").agg(pl.col("size").first(), last=pl.col("size").last()).sort("run").rows()


def drawn(paths: pl.DataFrame) -> list[tuple]:
    """What a figure reads: one kind of paths."""
    return paths.filter(phase="sft", part="drawn").rows()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinning, "FEWEST", 2)


def thinned(*readers) -> pl.DataFrame:
    def read(name: str, tables: dict[str, pl.DataFrame]) -> list:
        assert name == "paths"
        return [sorted(one(tables["paths"])) for one in readers]

    return without_unread_rows({"paths": PATHS}, read)["paths"]


def test_what_is_drawn_stays_and_of_all_others_the_ends() -> None:
    found = thinned(ends, drawn)
    inner = pl.col("step").is_between(1, 5)
    kept = PATHS.filter(~inner | ((pl.col("phase") == "sft") & (pl.col("part") == "drawn")))
    assert found.equals(kept), "in the order that they had"
    assert sorted(ends(found)) == sorted(ends(PATHS))


def test_without_a_figure_the_ends_are_enough_and_with_one_of_everything_all_rows_stay() -> None:
    assert set(thinned(ends)["step"]) == {0, 9}
    assert thinned(ends, lambda paths: paths.rows()).equals(PATHS)


def test_what_cannot_be_read_and_what_is_small_or_no_path_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert without_unread_rows({"paths": PATHS}, lambda name, tables: None)["paths"] is PATHS
    flat = PATHS.drop("step")
    assert without_unread_rows({"flat": flat}, lambda *_: [])["flat"] is flat
    monkeypatch.setattr(thinning, "FEWEST", PATHS.height + 1)
    assert thinned(ends).equals(PATHS)


def test_shapes_see_every_number_that_is_drawn() -> None:
    def seen(line: float = 2.0, area: float = 1.0, point: float = 3.0, bar: float = 1.0, shade: float = 0.5) -> list:
        figure, axes = plt.subplots()
        axes.plot([0, 1], [1, line])
        axes.fill_between([0, 1], [0, 0], [area, 2])
        axes.scatter([1], [point])
        axes.bar([0], [bar])
        axes.imshow([[shade, 1.0]])
        plt.close(figure)
        return shapes(figure)

    assert seen() == seen()
    for changed in ({"line": 2.0001}, {"area": 1.0001}, {"point": 3.0001}, {"bar": 1.0001}, {"shade": 0.5001}):
        assert seen(**changed) != seen(), changed
