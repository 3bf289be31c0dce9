"""The expected number of times that a derivation uses each non-terminal."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

import numpy as np

from sim.languages import fixpoints
from sim.languages.matrices import Growth


def visits(
    rows: Sequence[Mapping[int, Fraction]], growths: Sequence[tuple[list[int], Growth]], start: int
) -> np.ndarray:
    """u = e_start (I - M)^-1 for a matrix M given by rows: float64[N]; math.inf in critical components and after them.

    `growths` are the components of M, each after those that it leads to. The equations are solved in decimals, so that
    no digit is lost if a component is nearly critical.
    """
    inflow: list[Decimal | None] = [Decimal(0)] * len(rows)  # None means infinite
    inflow[start] = Decimal(1)
    found = np.full(len(rows), math.inf)
    with fixpoints.digits():
        for block, kind in reversed(growths):
            values = _visited(rows, block, [inflow[node] for node in block]) if kind == "subcritical" else None
            for at, node in enumerate(block):
                value = None if values is None else values[at]
                found[node] = math.inf if value is None else float(value)
                for child, rate in rows[node].items():
                    before = inflow[child]
                    if before is not None:
                        inflow[child] = None if value is None else before + value * fixpoints.decimal(rate)
    return found


def _visited(
    rows: Sequence[Mapping[int, Fraction]], block: Sequence[int], inflow: Sequence[Decimal | None]
) -> list[Decimal] | None:
    """The same for one component, from what enters it; None if it is infinite."""
    number = {node: i for i, node in enumerate(block)}
    across: list[dict[int, Decimal]] = [{} for _ in block]
    for node in block:
        for child, rate in rows[node].items():
            if child in number:
                across[number[child]][number[node]] = fixpoints.decimal(rate)
    entering = [value for value in inflow if value is not None]
    found = fixpoints.solve(across, [entering]) if len(entering) == len(block) else None
    return None if found is None else found[0]
