"""The spectral radius of a language's matrix: how fast the probability of long strings or derivations falls."""

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from scipy.sparse import csgraph

from sim.languages.automaton_ops import successors
from sim.languages.exact import ExactLanguage, unavailable
from sim.languages.machine import Machine
from sim.languages.matrices import components
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import expectation
from sim.quantity import Quantity

STEPS = 200
"""Largest number of steps of the iteration. It usually needs fewer than ten."""

BEYOND = 1.0 + 1e-14
"""The shift is larger than the upper bound by this factor, or the last equations would be singular."""

DENSE = 2_500
"""Largest block of states for which linear equations are solved."""

RESTORED = 10**8
"""Most products of entries with which small entries of x are restored, in each step."""

CLOSE = 1e-13
"""The radius counts as exact, up to rounding, if its certified bounds differ by at most this, relative to it."""


def spectral_radius(language: ExactLanguage) -> Quantity:
    """The spectral radius r of the matrix M of a machine or a grammar, with certified bounds [1].

    For an automaton, M_st is the probability to move from s to t, without the stop, among the states that occur. Then
    r < 1, r = 0 if no state leads back to itself, and else P(|x| >= n) falls like r^n. For a grammar, M_AB is the mean
    number of B in a rule of A: derivations are sub-critical if r < 1 and critical if r = 1; r = 1 is decided by
    rational arithmetic. Raises `UnavailableError` for lists and for chains that never stop.
    """
    if isinstance(language, Machine):
        seen = _seen(language)
        return radius(language.moves[seen][:, seen])
    if isinstance(language, ContextFree):
        if language.growth == "critical":
            return Quantity.of(1.0)
        size = len(language.nonterminals)
        means = expectation(language.rules, size)
        entries = [(float(mean), head, child) for head, row in enumerate(means) for child, mean in row.items()]
        values, heads, children = zip(*entries, strict=True) if entries else ((), (), ())
        return radius(sp.csr_array((np.array(values, np.float64), (heads, children)), shape=(size, size)))
    raise unavailable("spectral radius", "only automata and grammars have one", "describe one of these")


def _seen(machine: Machine) -> np.ndarray:
    """The states that a walk can reach, in ascending order."""
    S = len(machine.first)
    entered = sp.block_array(  # a new state in front leads to the first states
        [[sp.csr_array((1, 1)), sp.csr_array(machine.first[None])], [sp.csr_array((S, 1)), machine.moves]], format="csr"
    )
    return np.sort(csgraph.breadth_first_order(entered, 0, return_predecessors=False)[1:]) - 1


def radius(matrix: np.ndarray | sp.csr_array) -> Quantity:
    """The spectral radius of a matrix M >= 0: the largest one of its strongly connected components."""
    sparse = sp.csr_array(matrix)
    sparse.eliminate_zeros()
    lower = upper = 0.0
    for block in components(successors(sparse)):
        if len(block) == 1:
            low = high = float(sparse[block[0], block[0]])
        else:
            low, high = _bounds(sparse[block][:, block])
        lower, upper = max(lower, low), max(upper, high)
    if upper - lower <= CLOSE * upper:
        return Quantity.of(upper if lower == upper else 0.5 * (lower + upper))
    return Quantity(lower, upper)


def _bounds(sparse: sp.csr_array) -> tuple[float, float]:
    """Bounds of the radius of an irreducible matrix B: min_i (B x)_i / x_i <= r <= max_i (B x)_i / x_i for x > 0.

    x is improved by inverse iteration with the upper bound as the shift. It converges quadratically at first, and for
    periodic matrices too. A block of more than DENSE states takes steps of the power method of B + r I instead.
    Source: Collatz 1942 and Wielandt 1950 for the bounds; Noda 1971, Numer. Math. 17, for the iteration.
    """
    S = sparse.shape[0]
    block = sparse.toarray() if S <= DENSE else sparse
    restoring = min(S, max(8, RESTORED // max(1, sparse.nnz)))
    x, low, high = np.ones(S), 0.0, np.inf
    for _ in range(STEPS):
        ratio = _rescued(lambda: (block @ x) / x)  # noqa: B023
        if ratio is None:
            break
        below, above = max(low, float(ratio.min())), min(high, float(ratio.max()))
        gained = high - low > above - below
        low, high = min(below, above), above
        if high - low <= 1e-15 * high or not gained:
            break
        if S > DENSE:
            following = _rescued(lambda: block @ x + high * x)  # noqa: B023
        else:
            following = _rescued(lambda: np.linalg.solve(high * BEYOND * np.eye(S) - block, x))  # noqa: B023
        if following is None:
            break
        x = np.abs(following) / np.abs(following).max()
        for _ in range(restoring):  # the solver loses the digits of small entries; sums of products restore them
            x = block @ x
            x /= x.max()
    return low, high


def _rescued(compute: Callable[[], np.ndarray]) -> np.ndarray | None:
    """The result, or None if it is not finite or if the matrix is singular to rounding."""
    with np.errstate(all="ignore"):
        try:
            found = compute()
        except np.linalg.LinAlgError:
            return None
    return found if np.isfinite(found).all() else None
