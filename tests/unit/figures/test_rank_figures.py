"""The figures of C5's topics `spectra` and `ranks`, from tables that nobody measured."""

import itertools

import polars as pl
import pytest

from figures.style import styled
from sim.config import members
from tests.unit.experiments.rank_tables import frames
from tests.unit.figures import seen
from tests.unit.figures.test_figures import SHOWN, SMALLEST

NAMES = ("ranks", "spectra", "truncated", "hidden")


@pytest.mark.parametrize(("name", "medium"), list(itertools.product(NAMES, ("paper", "slide"))))
def test_a_figure_can_be_read(name: str, medium: str) -> None:
    module, tables = members("figure")[f"c5_rank/{name}"].load(), {"runs": pl.DataFrame(), **frames()}
    assert set(module.TABLES) <= set(tables)
    with styled(medium):
        figure = module.draw(tables)
        texts = seen.texts(figure)
        factor = SHOWN / figure.get_figwidth() if medium == "slide" else 1.0
        assert min(one.text.get_fontsize() * factor for one in texts) >= SMALLEST[medium]
        assert not list(seen.overlapping(texts))
        for one in texts:
            assert "_" not in seen.without_mathtext(one.words)
            assert one.box.x0 >= -1.0
            assert one.box.x1 <= figure.bbox.width + 1.0
        for axes in figure.axes:
            colours: dict[tuple[str, ...], str] = {}
            for line in seen.lines(axes):
                assert colours.setdefault(seen.mark(line), line.get_color()) == line.get_color()
    said = module.caption(tables)
    assert said.startswith("C5.")
    assert said.endswith(".")
    assert "12 seeds" in said or "24 seeds" in said


@pytest.mark.parametrize("name", NAMES)
def test_without_a_run_nothing_is_drawn(name: str) -> None:
    module = members("figure")[f"c5_rank/{name}"].load()
    assert module.draw({one: pl.DataFrame() for one in module.TABLES}) is None
