"""The expected number of times that a derivation uses each non-terminal."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

import numpy as np

from sim.languages import fixpoints
from sim.languages.exact import unavailable
from sim.languages.large import LARGE, Large
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
                if value is not None and found[node] == math.inf:
                    why = "some rule is used over 1e308 times on average"
                    raise unavailable("expected length", why, "describe a grammar with shorter strings")
                for child, rate in rows[node].items():
                    before = inflow[child]
                    if before is not None:
                        inflow[child] = None if value is None else before + value * fixpoints.decimal(rate)
    return found


def _visited(
    rows: Sequence[Mapping[int, Fraction]], block: Sequence[int], inflow: Sequence[Decimal | None]
) -> list[Decimal] | None:
    """The same for one component, from what enters it; None if it is infinite."""
    entering = [value for value in inflow if value is not None]
    if len(entering) < len(block):
        return None
    if len(block) > LARGE:
        total = Large.of(rows, block).visits(np.array([float(value) for value in entering]))
        assert total is not None, "its certificate has been found, or it would be refused"
        return [Decimal(value) for value in total.tolist()]
    number = {node: i for i, node in enumerate(block)}
    across: list[dict[int, Decimal]] = [{} for _ in block]
    for node in block:
        for child, rate in rows[node].items():
            if child in number:
                across[number[child]][number[node]] = fixpoints.decimal(rate)
    found = fixpoints.solve(across, [entering])
    return None if found is None else found[0]
