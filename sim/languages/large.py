"""Components of a matrix M >= 0 that are too large to be dense: their spectral radius, and sums over walks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from sim.languages.fixpoints import Number

LARGE, MOST_TERMS = 300, 20_000
"""A component of more rows than this is never made dense; its series has at most so many terms."""

SURE = 1e-9
"""A margin of the spectral radius that exceeds all rounding errors of a matrix of floats."""


@dataclass(frozen=True, eq=False)
class Large:
    """A matrix M >= 0 of one component that is too large to be dense: sparse float64[K, K]."""

    matrix: sp.csr_array

    @classmethod
    def of(cls, rows: Sequence[Mapping[int, Number]], block: Sequence[int]) -> "Large":
        """The entries of some rows among each other."""
        number = {node: i for i, node in enumerate(block)}
        found = [(i, number[j], float(w)) for i, node in enumerate(block) for j, w in rows[node].items() if j in number]
        source, target, weight = zip(*found, strict=True)
        return cls(sp.coo_array((weight, (source, target)), (len(block), len(block))).tocsr())

    def certificate(self) -> tuple[np.ndarray, float] | None:
        """A vector v > 0 and a margin d with M v <= (1 - d) v, which proves a spectral radius below 1; else None.

        v is the sum of the first terms of (I + M + M^2 + ...) 1. Source: Collatz & Wielandt.
        """
        total = term = np.ones(self.matrix.shape[0])
        with np.errstate(over="ignore"):
            for _ in range(MOST_TERMS):
                term = self.matrix @ term
                total = total + term
                if not np.isfinite(total).all():
                    return None
                if (term <= 0.1).all():
                    margin = 1.0 - float((self.matrix @ total / total).max())
                    return (total, margin) if margin > SURE else None
        return None

    def visits(self, entering: np.ndarray) -> np.ndarray | None:
        """e (I - M)^-1 for a row e >= 0: float64[K]; None if the series is not known to converge fast.

        The terms of the series from n on sum to at most e M^n v / (d v_j) in place j, see `certificate`.
        """
        proof = self.certificate()
        total, term, back = entering, entering, self.matrix.T.tocsr()
        if proof is None:
            return None
        vector, margin = proof
        for _ in range(MOST_TERMS):
            term = back @ term
            total = total + term
            if (float(term @ vector) <= 1e-17 * margin * vector * total).all():
                return np.asarray(total)
        return None
