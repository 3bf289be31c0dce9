"""Every sign that a figure writes has a glyph: a missing one is taken from a Chinese font, and never drawn as a box."""

import functools
import re
from collections.abc import Collection, Mapping

import matplotlib as mpl
import polars as pl
from matplotlib import font_manager, get_cachedir
from matplotlib.figure import Figure
from matplotlib.text import Text

from figures.fonts import chinese_font
from sim.numerics import SpecificationError
from sim.show.width import WIDE


def prepare(tables: Mapping[str, pl.DataFrame]) -> None:
    """Let texts that will be drawn take Chinese signs from a Chinese font, if the tables hold any, and there is one.

    So places in the figure are measured with these signs. It is to be called within `figures.style.styled`.
    """
    texts = (column for table in tables.values() for column in table.get_columns() if column.dtype == pl.String)
    if any(column.str.contains(f"[{WIDE}]").any() for column in texts) and (font := chinese_font(search=True)):
        families = list(mpl.rcParams["font.family"])
        mpl.rcParams["font.family"] = families if font in families else [*families, font]


def complete(drawn: Figure) -> None:
    """Give each text whose fonts lack a glyph a Chinese font beside them.

    Words come from a language, such as `grammar=chinese`, or from a grammar file. A font that was installed after
    matplotlib made its list of fonts is found, too. Raises SpecificationError if no font has the glyph, before anything
    is written.
    """
    for text in drawn.findobj(Text):
        assert isinstance(text, Text)
        if not _lacking(text, families := list(text.get_fontfamily())):
            continue
        font = chinese_font(search=True)
        families += [font] if font else []
        if lacking := _lacking(text, families):
            raise SpecificationError(
                f"figures: a font with the sign {lacking[0]!r} is required, found none; install one, such as "
                "fonts-noto-cjk (Debian, Ubuntu) or Noto Sans CJK SC; if there is one, remove matplotlib's list "
                f"of fonts, {get_cachedir()}/fontlist*.json"
            )
        text.set_fontfamily(families)


def _lacking(text: Text, families: Collection[str]) -> list[str]:
    """The signs of a text that none of some fonts has. Formulas have fonts of their own."""
    words = text.get_text()
    if words.isascii():
        return []
    if text.get_parse_math():
        words = re.sub(r"(?<!\\)\$[^$]*\$", "", words)
    known = [_glyphs(name) for name in families]
    return [sign for sign in words if not sign.isspace() and not any(ord(sign) in font for font in known)]


@functools.cache
def _glyphs(family: str) -> frozenset[int]:
    # In a list it is a name. A string alone would be a pattern, in which a hyphen, as in sans-serif, begins a size.
    file = font_manager.findfont(font_manager.FontProperties(family=[family]))
    return frozenset(font_manager.get_font(file).get_charmap())
