"""Signs that the first font lacks come from a Chinese font; without one a figure is refused, and no box is drawn."""

import matplotlib as mpl
import polars as pl
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from figures import glyphs
from figures.fonts import chinese_font
from figures.style import Drawn, figure, styled
from sim.numerics import SpecificationError

LATIN = ["DejaVu Sans"]
MOON = "月亮是什么样的？"


def written(words: str) -> tuple[Figure, Text]:
    """A figure with words in the font that comes with matplotlib."""
    with styled():
        drawn, (axes,) = figure(2.0, 1)
        text = axes.text(0.5, 0.5, words, family=LATIN)
    return drawn, text


def test_without_a_font_one_line_names_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glyphs, "chinese_font", lambda search: None)
    drawn, _ = written(MOON)
    with pytest.raises(
        SpecificationError, match="a font with the sign '月' is required, found none; install one"
    ) as no:
        glyphs.complete(drawn)
    assert "\n" not in str(no.value)
    assert "fonts-noto-cjk" in str(no.value)


@pytest.mark.skipif(chinese_font(search=True) is None, reason="no Chinese font is installed (fonts-noto-cjk)")
def test_a_font_is_found_and_nothing_is_missing(recwarn: pytest.WarningsRecorder) -> None:
    drawn, text = written(f"{MOON} moon ≥ $x$")
    glyphs.complete(drawn)
    assert text.get_fontfamily() == [*LATIN, chinese_font()]
    drawn.draw_without_rendering()
    assert not [one for one in recwarn if "missing from font" in str(one.message)]


def test_a_notebook_draws_no_box(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glyphs, "chinese_font", lambda search: None)
    drawn, _ = written(MOON)
    assert isinstance(drawn, Drawn)
    with pytest.raises(SpecificationError, match="install one"):
        drawn._repr_png_()


@pytest.mark.skipif(chinese_font(search=True) is None, reason="no Chinese font is installed (fonts-noto-cjk)")
def test_words_of_tables_are_measured_with_their_font() -> None:
    with styled():
        for words, added in (("moon", False), (MOON, True)):
            mpl.rcParams["font.family"] = LATIN
            glyphs.prepare({"run": pl.DataFrame({"seed": [1], "restriction": [words]})})
            assert mpl.rcParams["font.family"] == ([*LATIN, chinese_font()] if added else LATIN)


@pytest.mark.parametrize("words", ["moon", "KL(P‖q) ≥ 0 [nat]", r"$\mathrm{月}$", ""])
def test_no_font_is_searched_where_none_is_needed(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glyphs, "chinese_font", None)
    drawn, text = written(words)
    glyphs.complete(drawn)
    assert text.get_fontfamily() == LATIN


def test_a_dollar_of_the_data_is_no_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glyphs, "chinese_font", lambda search: None)
    drawn, _ = written(r"5 \$ 月 \$")
    with pytest.raises(SpecificationError, match="'月'"):
        glyphs.complete(drawn)


def test_a_family_with_a_hyphen_is_a_name() -> None:
    """Outside of the project's style the family is "sans-serif", as in a figure that a reader shows in a notebook."""
    drawn = Figure()
    drawn.text(0.5, 0.5, "KL(S‖q) [nat]", fontfamily="sans-serif")
    glyphs.complete(drawn)
