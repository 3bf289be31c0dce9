"""Colours and marks that every reader can tell apart, and letters that can be read on them.

The palette is that of Okabe and Ito (2008, Color Universal Design), which readers with any colour vision tell apart;
a grey takes the place of its yellow, which cannot be seen on white.
Contrast is that of WCAG 2.2, success criterion 1.4.3: letters need a ratio of at least 4.5 to what lies behind them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.colors import to_hex, to_rgb

CONTRAST = 4.5
"""Least ratio of the luminances of letters and of their background."""

STYLE_CYCLE = ("#0072B2", "#CC79A7", "#E69F00", "#009E73", "#56B4E9", "#D55E00", "#000000", "#7A7A7A")
MARKERS = "osD^vPX*"
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (5, 1.5, 1, 1.5)))

PARTS = {
    "conditioning": "#0072B2",
    "narrowing": "#56B4E9",
    "objective": "#CC79A7",
    "learning": "#E69F00",
    "gate": "#0072B2",
    "kept": "#B0B0B0",
    "erasure": "#E69F00",
}
HATCHES = {"narrowing": "///", "objective": "xxx", "learning": "...", "kept": "xxx", "erasure": "///"}
"""Patterns that tell parts apart without colour. A part that is not named here is plain."""

PALE = "#E3E3E3"
GUIDE = "#595959"
"""Colour of thin lines that are not data. It is dark enough for letters."""
RED = "#C00000"


@dataclass(frozen=True)
class Look:
    """How a line or a cloud of points looks: colour, marker and dashes. Each of them alone tells it apart."""

    colour: str
    marker: str
    dashes: Any = "-"

    @property
    def line(self) -> dict[str, Any]:
        """Arguments of `Axes.plot` for a line."""
        return {"color": self.colour, "linestyle": self.dashes, "marker": self.marker}

    @property
    def points(self) -> dict[str, Any]:
        """Arguments of `Axes.plot` for points without a line."""
        return {"color": self.colour, "linestyle": "none", "marker": self.marker}

    @property
    def hollow(self) -> dict[str, Any]:
        """Arguments of `Axes.plot` for points that stand for something beside the data, such as what is beyond them."""
        return {**self.points, "markerfacecolor": "none"}


DISTRIBUTIONS = {
    "P": Look("#000000", "", (0, (3, 2))),
    "S": Look("#009E73", "D", (0, (1.5, 1))),
    "q0": Look("#56B4E9", "s"),
    "q": Look("#D55E00", "o"),
    "control": Look("#7A7A7A", "^", (0, (5, 1.5, 1, 1.5))),
}
"""The truths are dashed, the models solid."""


def look(index: int) -> Look:
    """Return the look of the line at an index. After eight lines, colours and marks are combined differently."""
    count = len(STYLE_CYCLE)
    return Look(STYLE_CYCLE[index % count], MARKERS[(index + index // count) % count], DASHES[index % len(DASHES)])


def looks(names: Sequence[str]) -> dict[str, Look]:
    """Return a look for each name, by its place."""
    return {name: look(index) for index, name in enumerate(names)}


def style_colours(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each style, by its place in the order of the world."""
    return {name: one.colour for name, one in looks(names).items()}


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, from 0 (black) to 1 (white)."""
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the ratio of the luminances of two colours, from 1 (equal) to 21 (black on white)."""
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def ink(colour: str, paper: str = "white") -> str:
    """Return a colour for letters on white: unchanged if it can be read, else darkened as little as necessary."""
    share = 1.0
    while contrast(_darkened(colour, share), paper) < CONTRAST:
        share -= 0.02
    return _darkened(colour, share)


def letters_on(colour: str) -> str:
    """Return black or white, whichever is easier to read on a colour."""
    return max(("black", "white"), key=lambda letters: contrast(letters, colour))


def _darkened(colour: str, share: float) -> str:
    red, green, blue = to_rgb(colour)
    return to_hex((share * red, share * green, share * blue))
