"""Slides of the published tables: 16:9, letters of 18 points or more, nothing cut or written over, in both languages.

The names and numbers of real runs are longer than those of imitated ones.
"""

import polars as pl
import pytest

from figures.fonts import chinese_font
from figures.language import LANGUAGES
from figures.style import styled
from sim.config import members
from sim.show.published import known, published
from tests.unit.figures import seen

LEAST = 18.0
"""Least size of letters [point]. A slide is as large as it is shown, so no factor is needed."""

FOUND = {name: published(name) for name in known()}
FIGURES = [
    name
    for name, one in members("figure").items()
    if (study := name.split("/")[0]) in FOUND and set(one.load().TABLES) <= set(FOUND[study].tables)
]


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", FIGURES)
def test_a_slide_can_be_read_from_the_last_row(name: str, language: str) -> None:
    if language == "zh" and chinese_font(search=True) is None:
        pytest.skip("no Chinese font is installed (fonts-noto-cjk)")
    module, where = members("figure")[name].load(), FOUND[name.split("/")[0]]
    tables = {table: pl.read_parquet(where.file(table)) for table in module.TABLES}
    with styled("slide", language):
        drawn = module.draw(tables)
        assert drawn is not None
        texts = seen.texts(drawn)
    width, height = drawn.get_size_inches()
    assert (width, width * 9) == pytest.approx((40 / 3, height * 16))
    assert min(one.text.get_fontsize() for one in texts) >= LEAST
    assert not list(seen.overlapping(texts))
    for one in texts:
        edges = (one.box.x0, one.box.y0, drawn.bbox.width - one.box.x1, drawn.bbox.height - one.box.y1)
        assert min(edges) >= -1.0, one.words


def test_most_claims_have_published_figures() -> None:
    assert len(FIGURES) >= 30
