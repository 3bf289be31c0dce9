"""Fonts: Latin letters come with matplotlib, and Chinese ones from the fonts that are installed."""

import functools
from contextlib import suppress
from pathlib import Path

from matplotlib import font_manager

from sim.numerics import SpecificationError

LATIN = "DejaVu Sans"
"""The font that comes with matplotlib."""

CHINESE = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC", "Hiragino Sans GB",
    "Microsoft YaHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Noto Sans CJK JP", "SimHei", "Heiti SC", "SimSun",
    "AR PL UMing CN", "Droid Sans Fallback", "Arial Unicode MS",
)  # fmt: skip
"""Fonts with Chinese glyphs, best first."""


def families(language: str) -> list[str]:
    """Return the fonts for a language, the first of which is preferred; glyphs that it lacks come from the next one.

    In Chinese figures the Chinese font comes first, because words beside a formula take their glyphs from the first
    font only. Raises SpecificationError if a Chinese figure is wanted and no Chinese font is installed.
    """
    chinese = chinese_font(search=language == "zh")
    if language != "zh":
        return [LATIN, *([chinese] if chinese else [])]
    if chinese is None:
        raise SpecificationError(
            "--language zh: a font with Chinese letters is required, found none; install one, such as fonts-noto-cjk "
            "(Debian, Ubuntu) or Noto Sans SC"
        )
    return [chinese, LATIN]


@functools.cache
def chinese_font(search: bool = False) -> str | None:
    """Return the best Chinese font that matplotlib knows, or None.

    search: if it knows none, look for fonts that were installed after matplotlib made its list of fonts.
    """
    if found := _best():
        return found
    known = {str(font.fname) for font in font_manager.fontManager.ttflist}
    new = sorted(set(font_manager.findSystemFonts()) - known) if search else []
    for group in ([file for file in new if _likely(file)], [file for file in new if not _likely(file)]):
        for file in group:
            with suppress(Exception):  # a file that is no font is no reason to stop
                font_manager.fontManager.addfont(file)
        if found := _best():
            return found
    return None


def _best() -> str | None:
    names = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in CHINESE if name in names), None)


def _likely(file: str) -> bool:
    """Return whether a file is probably a Chinese font without serifs, by its name."""
    name = Path(file).name.lower()
    return "sans" in name and ("cjk" in name or "sc" in name)
