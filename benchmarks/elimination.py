"""Sums over all walks of a chain: elimination in blocks against the elimination of one state after the other."""

from functools import partial

import numpy as np

from benchmarks.harness import Result, alternate, ratios, seconds
from sim.languages.absorbing import Absorbing

GOALS = {400: (2.0, None), 800: (5.0, None), 1600: (12.0, None)}
"""Numbers of states, each with the goal and the stretch goal of the ratio."""


def one_by_one(moves: np.ndarray, leaves: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(I - M)^-1 v, with one outer product for each state: the plain form of the method. The arguments are kept.

    Source: Grassmann, Taksar & Heyman 1985, Operations Research 33(5).
    """
    moves, leaves, values = moves.copy(), leaves.copy(), values.copy()
    size = len(leaves)
    exits = leaves.copy()
    for k in range(size - 1, 0, -1):
        exits[k] = leaves[k] + moves[k, :k].sum()
        share = moves[:k, k] / exits[k]
        moves[:k, :k] += np.outer(share, moves[k, :k])
        leaves[:k] += share * leaves[k]
        values[:k] += share * values[k]
    exits[0] = leaves[0]
    out = np.empty(size)
    for k in range(size):
        out[k] = (values[k] + moves[k, :k] @ out[:k]) / exits[k]
    return out


def chain(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return dense moves, chances to stop of about 1e-12, and values."""
    dice = np.random.default_rng(0)
    weight, leaves = dice.random((size, size)), 1e-12 * dice.random(size)
    total = weight.sum(axis=1) + leaves
    return weight / total[:, None], leaves / total, dice.random(size)


def measure(size: int, rounds: int) -> Result:
    """Measure the ratio for one number of states, and the largest relative difference of the two results."""
    moves, leaves, values = chain(size)
    plain = partial(one_by_one, moves, leaves, values)

    def blocked() -> np.ndarray:
        return Absorbing(moves, leaves).solve(values)

    difference = float(np.abs(blocked() / plain() - 1).max())
    found = alternate({"one by one": lambda: seconds(plain), "in blocks": lambda: seconds(blocked)}, rounds)
    reach, stretch = GOALS.get(size, (None, None))
    return Result(
        "elimination",
        f"elimination in blocks against one state after the other, {size:,} states",
        **ratios(found["one by one"], found["in blocks"]),
        reach=reach,
        stretch=stretch,
        note="a chain that stops with probability 1e-12",
        measured={f"{name} s": float(np.median(times)) for name, times in found.items()} | {"difference": difference},
    )


def run(quick: bool = False) -> list[Result]:
    """Measure all sizes."""
    return [measure(20, 1)] if quick else [measure(size, 5) for size in GOALS]
