"""Runs of C6.2 that never ran: models between P and S, decoded exactly; all illegal tokens share the leak."""

from collections.abc import Iterator

from sim.disk.records import Record
from tests.unit.figures.tiny_studies import made
from tests.unit.imitated_consequences import with_decoded

PARTS = {"temperature_plain": 1e-3, "temperature_sharp": 1e-3, "temperature_erased": 1e-2, "temperature_control": 1.0}
"""The parts, and the weight of P in the end."""


def records(seeds: tuple[int, ...] = (0, 1)) -> Iterator[Record]:
    """Every part, for each seed."""
    for seed in seeds:
        for part, weight in PARTS.items():
            node = {"kind": "everything"} if part.endswith("control") else {"kind": "style", "keep": "poetic"}
            sharper = 2.0 * part.endswith("erased")
            yield with_decoded(made(node, part, seed, falling=(1.0, min(1.0, weight * (1 + seed))), sharper=sharper))
