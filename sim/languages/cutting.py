"""Cut a text into symbols where nothing stands between them, as in Chinese."""

import unicodedata
from collections.abc import Collection

from sim.numerics import SpecificationError, nearest

SHOWN = 12
"""Most characters of a text that fits no symbol in a message."""


def cut(text: str, symbols: Collection[str]) -> list[str]:
    """Return the symbols that a text consists of, if it can be cut in exactly one way.

    A greedy choice of the longest symbol would miss texts that can be cut, so all cuts are counted, from the end on.
    Raises `SpecificationError` for the first place that no cut gets beyond, with the nearest symbol, and for a text
    that can be cut in two ways, with the first difference. `symbols` is a set or a mapping, so that a look is quick.
    """
    lengths = sorted({len(symbol) for symbol in symbols})
    ends: list[list[int]] = [[] for _ in text]  # where the symbols end that begin here, and after which all can be cut
    whole = [False] * len(text) + [True]
    for at in range(len(text) - 1, -1, -1):
        there = [at + length for length in lengths if at + length <= len(text) and text[at : at + length] in symbols]
        ends[at] = [end for end in there if whole[end]]
        whole[at] = bool(ends[at])
    if not whole[0]:
        raise SpecificationError(_unknown(text[_furthest(text, lengths, symbols) :], symbols))
    found, at = [], 0
    while at < len(text):
        if len(ends[at]) > 1:
            short, long = (text[at:end] for end in (ends[at][0], ends[at][-1]))
            raise SpecificationError(
                f"a text with one reading is required, found {long!r} at position {at}, which may be one symbol or "
                f"begin with {short!r}; write spaces between symbols"
            )
        found.append(text[at : ends[at][0]])
        at = ends[at][0]
    return found


def _furthest(text: str, lengths: Collection[int], symbols: Collection[str]) -> int:
    """Return the last position that can be reached by symbols from the beginning."""
    reached, last = {0}, 0
    for at in range(len(text)):
        if at in reached:
            last = at
            reached |= {at + length for length in lengths if text[at : at + length] in symbols}
    return last


def _unknown(rest: str, symbols: Collection[str]) -> str:
    """Return a message on a text that begins with no symbol. A half-width sign is hinted at its full-width one."""
    alike = [symbol for symbol in symbols if _half(rest).startswith(_half(symbol))]
    begin = [symbol for symbol in symbols if symbol[0] == rest[0]]
    hint = f" (did you mean {alike[0]!r}?)" if alike else nearest(rest[: max(map(len, begin), default=0)], begin)
    return f"unknown symbol {rest if len(rest) <= SHOWN else rest[: SHOWN - 1] + '…'!r}{hint}"


def _half(text: str) -> str:
    return unicodedata.normalize("NFKC", text)
