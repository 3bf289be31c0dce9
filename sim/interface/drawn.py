"""Draw a figure of an experiment for a notebook."""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sim.config import members
from sim.numerics import SpecificationError, nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def drawn(
    experiment: str, name: str, tables: Mapping[str, Any], whose: str = "this run", language: str = "en"
) -> "Figure":
    """Draw the figure `figures/<experiment>/<name>.py` from tables, in the style of the project. A notebook shows it.

    whose: where the tables come from, for messages; language: en or zh. Raises SpecificationError if the figure does
    not exist, if the tables have no numbers for it, or if the letters of the language have no font.
    """
    start = f"{experiment}/"
    found = {key.removeprefix(start): one for key, one in members("figure").items() if key.startswith(start)}
    if name not in found:
        raise SpecificationError(
            f"figure: one of {', '.join(found)} is required, found {name!r}{nearest(name, list(found))}"
        )
    module = found[name].load()
    # by name, like every member: sim does not depend on figures
    style, glyphs, curves = map(importlib.import_module, ("figures.style", "figures.glyphs", "figures.curves"))
    with style.styled(language=language):
        glyphs.prepare(tables)
        there = set(module.TABLES) <= set(tables) and curves.drawable(tables)
        figure: Figure | None = module.draw(tables) if there else None
    if figure is None:
        raise SpecificationError(f"figure: a figure for which {whose} has numbers is required, found {name!r}")
    glyphs.complete(figure)
    return figure
