"""How fast gradient descent loses what S leaves out, from the kernel of any model: lr t m_t -> 1 / κ.

`t` counts updates, `m_t` is the mass of the lost strings under the prompts of S, and the loss is a sum over the tokens
of a string. docs/laws.md has the derivation.
"""

from dataclasses import dataclass

import numpy as np

NEGLIGIBLE = 1e-7
"""Directions along which the kernel is smaller than this, relative to its largest, count as flat: float32 noise."""


@dataclass(frozen=True, eq=False)
class Direction:
    """The direction v = u - w in which the last mass leaves, and its curvature κ = vᵀ K v."""

    kappa: float
    v: np.ndarray  # float64[N]: u on the kept strings, -w on the lost ones, 0 elsewhere


def unpacked(triangle: np.ndarray) -> np.ndarray:
    """Return the symmetric matrix float64[N, N] with the rows of its lower triangle in float64[N (N + 1) / 2]."""
    number = (int(np.sqrt(8 * len(triangle) + 1)) - 1) // 2
    found = np.zeros((number, number))
    found[np.tril_indices(number)] = triangle
    return np.asarray(found + np.tril(found, -1).T)


def slowest(kernel: np.ndarray, s: np.ndarray, lost: np.ndarray, group: np.ndarray) -> Direction:
    """Return the v = u - w that minimises vᵀ K v: w >= 0 on the lost strings sums to 1, u on the kept ones is free.

    kernel: float64[N, N], K(y, y') = ∇log q(y|x) · ∇log q(y'|x'); s: float64[N], S(x) S(y|x), 0 for strings that S
    leaves out; lost: bool[N], the strings that S leaves out of its own prompts; group: int[N], the prompt. Given the
    prompt, probabilities sum to 1, so v sums to 0 for every prompt. Then u sums to 1 as well.
    Reason: while q is near S, (S - q) / m tends to a v for which K v is 0 on the kept strings and the same on all lost
    strings that still matter; these are the conditions of the minimum. d(1/m)/d(lr t) is then vᵀ K v.
    Raises ValueError if no string is kept or none is lost.
    """
    kept = s > 0.0
    if not kept.any() or not lost.any():
        raise ValueError(f"slowest: a kept and a lost string are required, found {kept.sum()} and {lost.sum()}")
    ways = _ways(s, lost, group)
    free = _free(kept, group)
    bend, cross = free.T @ kernel @ free, free.T @ kernel @ ways
    follow = -_pseudo_inverse(bend) @ cross  # what the kept strings do about each lost one
    matrix = ways.T @ kernel @ ways + cross.T @ follow
    weights = nonnegative((matrix + matrix.T) / 2)
    w = weights / weights.sum()
    return Direction(1.0 / float(weights.sum()), ways @ w + free @ (follow @ w))


def nonnegative(matrix: np.ndarray) -> np.ndarray:
    """Return the z >= 0 that minimises ½ zᵀ M z - sum z, float64[K], for a positive definite M, float64[K, K].

    Conditions: (M z)_k = 1 where z_k > 0, and at least 1 elsewhere. The minimum of wᵀ M w over w >= 0 that sum to 1 is
    1 / sum z, at w = z / sum z. Raises ValueError if M is not positive definite.
    Source: C. L. Lawson, R. J. Hanson, 1974, "Solving least squares problems", chapter 23.
    """
    size = len(matrix)
    z, inside = np.zeros(size), np.zeros(size, bool)
    for _ in range(10 * size):
        need = np.where(inside, -np.inf, 1.0 - matrix @ z)
        if inside.all() or need.max() <= 1e-9:
            return z
        inside[int(np.argmax(need))] = True
        while (found := _on(matrix, inside)).min(where=inside, initial=np.inf) <= 0.0:
            falling = inside & (found <= 0.0)
            ratio = np.min(z[falling] / (z[falling] - found[falling]))
            z += ratio * (found - z)
            inside &= ~(falling & (z <= 1e-15 * z.max()))
            z[~inside] = 0.0
        z = found
    raise ValueError(
        f"nonnegative: a positive definite matrix is required, found the least eigenvalue {_least(matrix)}"
    )


def _on(matrix: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return z with M z = 1 on some of the rows, and 0 on the others."""
    found = np.zeros(len(matrix))
    found[inside] = np.linalg.solve(matrix[np.ix_(inside, inside)], np.ones(int(inside.sum())))
    return found


def _least(matrix: np.ndarray) -> float:
    return float(np.linalg.eigvalsh(matrix)[0])


def _ways(s: np.ndarray, lost: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return a column for each lost string: -1 there, and S(y|x) on the kept strings of its prompt."""
    of_prompt = np.divide(s, np.bincount(group, s)[group], out=np.zeros(len(s)), where=s > 0.0)
    columns = np.flatnonzero(lost)
    found = np.where(group[:, None] == group[columns], of_prompt[:, None], 0.0)
    found[columns, np.arange(len(columns))] = -1.0
    return np.asarray(found)


def _free(kept: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of what is 0 on all but the kept strings and sums to 0 for every prompt."""
    parts = []
    for one in np.unique(group[kept]):
        own = np.flatnonzero(kept & (group == one))
        basis = np.linalg.qr(np.column_stack([np.ones(len(own)), np.eye(len(own))[:, 1:]]))[0][:, 1:]
        part = np.zeros((len(kept), len(own) - 1))
        part[own] = basis
        parts.append(part)
    return np.concatenate(parts, axis=1)


def _pseudo_inverse(matrix: np.ndarray) -> np.ndarray:
    return np.linalg.pinv(matrix, rcond=NEGLIGIBLE, hermitian=True) if matrix.size else matrix
