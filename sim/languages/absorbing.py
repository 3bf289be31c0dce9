"""Sums over all walks that end: x = (I - M)^-1 v, solved without a subtraction from one factorisation.

Every number is a sum of products of non-negative numbers, so no digit is lost even if a walk takes 10^12 steps. A
solver with subtractions, such as LU, loses five digits there.
Source: Grassmann, Taksar & Heyman 1985, Operations Research 33(5); O'Cinneide 1993, Numer. Math. 65.
"""

import heapq
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp

from sim.languages.exact import unavailable
from sim.numerics import SpecificationError

Moves: TypeAlias = np.ndarray | sp.csr_array
"""The probabilities to move between states, as a dense or as a sparse matrix."""

SMALLEST = float(np.finfo(np.float64).tiny)
"""The smallest normal float, 2e-308. Smaller floats lose digits before they become 0."""

BLOCK = 96
"""Number of states that are eliminated together. The rest of the work is products of matrices."""

DENSE = 2_500
"""Largest number of states for which the matrix is made dense at once."""

CORE = 4_000
"""Largest dense matrix, of the states that are left when the states with few neighbours are eliminated."""

MOST_TERMS, MOST_PRODUCTS = 20_000, 4 * 10**9
"""Limits of a series: its terms, and terms times entries of the matrix."""

TRIAL = 50
"""Number of terms after which the length of a series is predicted."""

MOST_FILL, MOST_STEPS = 4_000, 10**7
"""Limits of sparse elimination: predecessors times successors of a state, and new entries of all states together."""


@dataclass(eq=False)
class Absorbing:
    """The matrix (I - M)^-1 of a walk: it moves by `moves` M [S, S] >= 0, or it leaves for good by `leaves` [S] >= 0.

    `leaves` is 1 - sum_j M_ij. It is given, because a subtraction would lose its digits. Every state must be able to
    leave. A matrix of up to 2 500 states is factorised densely, once. A larger one is summed as a series if walks are
    short; otherwise its states with few neighbours are eliminated first. Time O(S^3) if it is dense.
    """

    moves: Moves
    leaves: np.ndarray

    def solve(self, values: np.ndarray) -> np.ndarray:
        """x = (I - M)^-1 v, the expected sum of `values` v along a walk from every state: float64[S].

        Raises `SpecificationError` if the chance to leave underflows, and `UnavailableError` for a matrix that is too
        large, has long walks, and does not become small by elimination.
        """
        values = np.array(values, np.float64)
        if len(self.leaves) > DENSE:
            found = self._series(values) if (values >= 0).all() else None
            return self._sparse.solve(values) if found is None else found
        return self._dense.solve(values)

    @cached_property
    def _dense(self) -> "Elimination":
        moves = self.moves if isinstance(self.moves, np.ndarray) else self.moves.toarray()
        return Elimination(moves, self.leaves)

    @cached_property
    def _sparse(self) -> "SparseElimination":
        return SparseElimination(sp.csr_array(self.moves), self.leaves)

    def _series(self, values: np.ndarray) -> np.ndarray | None:
        """v + M v + M^2 v + ..., until the rest is below rounding; None if that takes too many terms.

        After n terms the rest is M^n x <= r max(x) with r = M^n 1, and max(x) <= max(sum) / (1 - max(r)).
        """
        moves = sp.csr_array(self.moves)
        total, term, alive = values.copy(), values, np.ones(len(values))
        most = min(MOST_TERMS, MOST_PRODUCTS // max(1, 2 * moves.nnz))
        for number in range(1, most):
            term, alive = moves @ term, moves @ alive
            total += term
            longest = float(alive.max())
            if longest < 0.5 and (alive * (2 * total.max()) <= 1e-17 * total).all():
                return total
            if number == TRIAL and longest > math.exp(-40 * TRIAL / most):
                return None
        return None


class Elimination:
    """The elimination of the states of a dense matrix, from the last to the first, in blocks of `BLOCK` states.

    Within a block, states are eliminated one by one, without a subtraction. The rest is products of matrices.
    """

    def __init__(self, moves: np.ndarray, leaves: np.ndarray) -> None:
        self.table, leaves = np.array(moves, np.float64), np.array(leaves, np.float64)
        table = self.table
        self.blocks: list[tuple[int, int, np.ndarray]] = []  # first and last states, and walks that stay among them
        for end in range(len(leaves), 0, -BLOCK):
            at = max(0, end - BLOCK)
            inner = _inverse(table[at:end, at:end], leaves[at:end] + table[at:end, :at].sum(axis=1))
            self.blocks.append((at, end, inner))
            table[:at, :at] += table[:at, at:end] @ (inner @ table[at:end, :at])
            leaves[:at] += table[:at, at:end] @ (inner @ leaves[at:end])

    def solve(self, values: np.ndarray) -> np.ndarray:
        """(I - M)^-1 v: float64[S]."""
        out = np.array(values, np.float64)
        for at, end, inner in self.blocks:
            out[:at] += self.table[:at, at:end] @ (inner @ out[at:end])
        for at, end, inner in reversed(self.blocks):
            out[at:end] = inner @ (out[at:end] + self.table[at:end, :at] @ out[:at])
        return out


def _inverse(moves: np.ndarray, leaves: np.ndarray) -> np.ndarray:
    """(I - W)^-1 of one block, where `leaves` holds 1 - sum_j W_ij; one state is eliminated after the other.

    The result is the product of the inverses of the two triangular factors, which are sums and products too.
    """
    moves, leaves = moves.copy(), leaves.copy()
    size = len(leaves)
    exits = np.empty(size)
    for k in range(size - 1, -1, -1):
        exits[k] = leaves[k] + moves[k, :k].sum()
        if not exits[k] >= SMALLEST:
            raise _underflow()
        share = moves[:k, k] / exits[k]
        moves[:k, :k] += np.outer(share, moves[k, :k])
        leaves[:k] += share * leaves[k]
        moves[:k, k] = share
    upper, lower = np.eye(size), np.zeros((size, size))
    for k in range(size):
        back = size - 1 - k
        upper[back, back + 1 :] = moves[back, back + 1 :] @ upper[back + 1 :, back + 1 :]
        lower[k, :k] = moves[k, :k] @ lower[:k, :k] / exits[k]
        lower[k, k] = 1 / exits[k]
    return lower @ upper


def _underflow() -> SpecificationError:
    return SpecificationError(
        "automaton: the chance to stop must be above 1e-308 from every state, found an underflow; raise it"
    )


@dataclass(frozen=True)
class _Step:
    """The elimination of one state: its chance to leave, who leads to it with which share, and where it leads."""

    state: int
    exits: float
    before: list[tuple[int, float]]
    after: list[tuple[int, float]]


@dataclass
class SparseElimination:
    """Elimination of the states with the fewest neighbours first, and of what is left as a dense matrix."""

    moves: sp.csr_array
    leaves: np.ndarray
    steps: list[_Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        left = self.leaves.tolist()
        rows: list[dict[int, float]] = []
        for s in range(len(left)):
            own = slice(self.moves.indptr[s], self.moves.indptr[s + 1])
            row = dict(zip(self.moves.indices[own].tolist(), self.moves.data[own].tolist(), strict=True))
            rows.append({t: p for t, p in row.items() if t != s and p > 0})
        sources: list[set[int]] = [set() for _ in rows]
        for s, row in enumerate(rows):
            for t in row:
                sources[t].add(s)
        gone = self._eliminate(rows, sources, left)
        self.rest = [s for s, done in enumerate(gone) if not done]
        if len(self.rest) > CORE:
            why = f"{len(self.rest)} of the {len(left)} states are too closely connected for elimination, and walks are"
            raise unavailable("sums over all paths", f"{why} too long for a series", f"give it at most {DENSE} states")
        number = {s: i for i, s in enumerate(self.rest)}
        core = np.zeros((len(self.rest),) * 2)
        for s in self.rest:
            for t, p in rows[s].items():
                core[number[s], number[t]] = p
        self.core = Elimination(core, np.array([left[s] for s in self.rest]))

    def _eliminate(self, rows: list[dict[int, float]], sources: list[set[int]], left: list[float]) -> list[bool]:
        """Eliminate states in place while they have few neighbours. Returns which states are gone."""
        gone, work = [False] * len(rows), 0
        heap = [(len(row) * len(sources[s]), s) for s, row in enumerate(rows)]
        heapq.heapify(heap)
        while heap and work < MOST_STEPS:
            fill, k = heapq.heappop(heap)
            if gone[k]:
                continue
            now = len(rows[k]) * len(sources[k])
            if now > fill:
                heapq.heappush(heap, (now, k))
                continue
            if fill > MOST_FILL:
                break
            work += fill
            gone[k] = True
            self.steps.append(_eliminated(k, rows, sources, left))
            for s in {s for s, _ in self.steps[-1].before} | rows[k].keys():
                heapq.heappush(heap, (len(rows[s]) * len(sources[s]), s))
        return gone

    def solve(self, values: np.ndarray) -> np.ndarray:
        """(I - M)^-1 v: float64[S]."""
        out: list[float] = values.tolist()
        for step in self.steps:
            for s, share in step.before:
                out[s] += share * out[step.state]
        for s, value in zip(self.rest, self.core.solve(np.array([out[s] for s in self.rest])).tolist(), strict=True):
            out[s] = value
        for step in reversed(self.steps):
            out[step.state] = (out[step.state] + sum(p * out[t] for t, p in step.after)) / step.exits
        return np.array(out)


def _eliminated(k: int, rows: list[dict[int, float]], sources: list[set[int]], left: list[float]) -> _Step:
    """Replace every walk through state k by moves around it, and return the step."""
    after = list(rows[k].items())
    exits = left[k] + math.fsum(p for _, p in after)
    if not exits >= SMALLEST:
        raise _underflow()
    before = []
    for s in sources[k]:
        row = rows[s]
        share = row.pop(k) / exits
        before.append((s, share))
        left[s] += share * left[k]
        for t, p in after:
            if t != s:
                row[t] = row.get(t, 0.0) + share * p
                sources[t].add(s)
    for t, _ in after:
        sources[t].discard(k)
    return _Step(k, exits, before, after)
