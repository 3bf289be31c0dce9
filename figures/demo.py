"""The figures of the main job."""

from collections.abc import Callable

from matplotlib.figure import Figure

from figures import forgetting, styles, support, waterfall
from figures._data import Tables

FIGURES: dict[str, Callable[[Tables], Figure | None]] = {
    "waterfall": waterfall.draw,
    "forgetting": forgetting.draw,
    "support": support.draw,
    "styles": styles.draw,
}
