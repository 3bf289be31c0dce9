"""Texts in cells of a terminal: a Chinese character is two cells wide, and lines may break between such characters."""

import re
import textwrap

from rich.cells import cell_len, set_cell_size

WIDE = "\u2e80-\u303f\u3040-\u9fff\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6"
"""Characters that are two cells wide: those of Chinese, Japanese and Korean, and their signs."""

CLOSING = "，。！？、；：”’）》」』】…,.!?;:)\\]"
"""Signs that never begin a line."""

PIECES = re.compile(f"\\s+|[{WIDE}][{CLOSING}]*|[^\\s{WIDE}]+[{CLOSING}]*")
"""A space, a wide character, or a word; the latter with the signs behind them."""


def cells(text: str) -> int:
    """The width of a text in cells."""
    return cell_len(text)


def padded(text: str, width: int) -> str:
    """The text with spaces behind it up to a width; a wider text stays as it is."""
    return text + " " * max(0, width - cells(text))


def shortened(text: str, width: int) -> str:
    """The text, or as much of it as fits into a width together with “…”."""
    return text if cells(text) <= width else set_cell_size(text, width - 1).rstrip() + "…"


def filled(text: str, width: int, first: str = "", rest: str = "") -> str:
    """Break a text into lines that are at most `width` cells wide. `first` and `rest` stand before its lines.

    It is `textwrap.fill` where no character is wide. Otherwise a line may also end between wide characters.
    """
    if cells(text) == len(text):
        return textwrap.fill(text, width, initial_indent=first, subsequent_indent=rest)
    lines, line, begin = list[str](), first, True
    for piece in PIECES.findall(text.replace("\n", " ")):
        if not begin and cells(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line, begin = rest, True
        if begin and piece.isspace():
            continue
        line, begin = line + piece, False
    return "\n".join([*lines, line.rstrip()])
