"""Charts of a whole batch: the inside weights of all spans, column by column, and how symbols begin after prefixes.

Column j holds the spans that end after j tokens. A symbol that begins after i tokens, with everything before it
derived, has a forward weight; the left corners of it, which are summed once as (I - W)^-1, give the law of the next
token. The sum of that law is the weight of the prefix. Every column is divided by it, so spans (i, j) have the unit
P(first j tokens) / P(first i tokens). Only sums and products of non-negative numbers are used.
Source: Jelinek & Lafferty 1991, Computational Linguistics 17(3); Stolcke 1995, Computational Linguistics 21(2).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from sim.languages.matrices import Matrix
from sim.languages.pcfg.chart import Binary
from sim.laws.protocol import lengths_of
from sim.numerics import EOS


@dataclass(frozen=True, eq=False)
class Form:
    """A grammar with at most two symbols on the right, in one type of floats. K symbols, R rules with two symbols."""

    binary: Binary
    start: int
    kind: type[np.floating]

    @cached_property
    def p(self) -> np.ndarray:
        """The probabilities of the rules with two symbols: floating[R]."""
        return self.binary.p.astype(self.kind)

    @cached_property
    def null(self) -> np.ndarray:
        """The probabilities of the empty string: floating[K]."""
        return self.binary.null.astype(self.kind)

    @cached_property
    def units(self) -> Matrix:
        """The weights of chains of rules with one symbol: floating[K, K]."""
        return self.binary.units.astype(self.kind)

    @cached_property
    def corners(self) -> Matrix:
        """The weights of left corners: floating[K, K]."""
        return self.binary.corners.astype(self.kind)

    def spread(self, symbols: np.ndarray) -> sp.csr_array:
        """The matrix [R, K] that adds numbers of rules with two symbols up by one of their symbols."""
        R, K = len(self.p), len(self.null)
        ones = np.ones(R, self.kind)
        return sp.coo_array((ones, (np.arange(R), symbols)), shape=(R, K)).tocsr()

    @cached_property
    def heads(self) -> sp.csr_array:
        """`spread` to the left-hand sides."""
        return self.spread(self.binary.lhs)

    @cached_property
    def lefts(self) -> sp.csr_array:
        """`spread` to the first symbols."""
        return self.spread(self.binary.left)

    @cached_property
    def rights(self) -> sp.csr_array:
        """`spread` to the second symbols."""
        return self.spread(self.binary.right)

    @cached_property
    def range(self) -> tuple[float, float]:
        """The logs [nat] of the least and of the largest weight of a chart in which no product can be lost.

        A product has two weights of the chart, and the probabilities of a rule and of up to two chains.
        """
        units, corners = _entries(self.binary.units), _entries(self.binary.corners)
        factors = (self.binary.p, units, corners, corners)
        least = sum(float(np.log(values[values > 0].min(initial=1.0))) for values in factors)
        low = float((np.log(np.finfo(self.kind).tiny) - least) / 2)
        return low, -low


def _entries(matrix: Matrix) -> np.ndarray:
    return matrix if isinstance(matrix, np.ndarray) else matrix.data


@dataclass(frozen=True, eq=False)
class Charts:
    """The charts of n strings, T tokens in the longest."""

    form: Form
    tokens: np.ndarray  # int[n, T], filled up with EOS

    @cached_property
    def lengths(self) -> np.ndarray:
        """|x| of every string: int[n]."""
        return lengths_of(self.tokens)

    @cached_property
    def _filled(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """`inside`, the forward weights [n, T + 1, K], `laws` and `log_p`."""
        form, (n, T) = self.form, self.tokens.shape
        binary, K = form.binary, len(form.null)
        inside = np.zeros((n, T + 1, T + 1, K), form.kind)
        forward = np.zeros((n, T + 1, K), form.kind)
        begun = np.zeros((n, T + 1, len(form.p)), form.kind)
        laws = np.zeros((n, T + 1, binary.num_tokens), form.kind)
        log_p = np.full((n, T + 1), -np.inf)
        forward[:, 0, form.start], log_p[:, 0] = 1, 0.0
        for j in range(T + 1):
            if j:
                self._column(inside, j)
                reached = inside[:, :j, j][:, :, binary.left] * begun[:, :j]
                forward[:, j] = reached.sum(axis=1) @ form.rights
            corners = forward[:, j] @ form.corners
            laws[:, j, EOS] = inside[:, 0, j, form.start] if j else form.null[form.start]
            laws[:, j, EOS + 1 :] = corners[:, binary.num_nonterminals :]
            mass = laws[:, j].sum(axis=1)
            alive = mass > 0
            unit = np.where(alive, mass, 1)[:, None] if j else np.ones((n, 1), form.kind)
            laws[:, j] /= np.where(alive, mass, 1)[:, None]
            inside[:, :j, j] /= unit[:, None]
            forward[:, j] /= unit
            begun[:, j] = form.p * (corners / unit)[:, binary.lhs]
            if j:
                log_p[alive, j] = log_p[alive, j - 1] + np.log(mass[alive])
        return inside, forward, laws, log_p

    def _column(self, inside: np.ndarray, j: int) -> None:
        """Fill in the spans that end after token j, in the unit of column j - 1."""
        form, token = self.form, self.tokens[:, j - 1]
        leaf = np.zeros((len(token), len(form.null)), form.kind)
        known = np.flatnonzero(token != EOS)
        leaf[known, form.binary.num_nonterminals + token[known] - 1] = 1
        inside[:, j - 1, j] = leaf @ form.units.T
        for i in reversed(range(j - 1)):
            inside[:, i, j] = ((form.p * self.cut(inside, i, j)) @ form.heads) @ form.units.T

    def cut(self, inside: np.ndarray, i: int, j: int) -> np.ndarray:
        """The sum over the cuts i < k < j between the two symbols of every rule: floating[n, R]."""
        first = inside[:, i, i + 1 : j][:, :, self.form.binary.left]
        return np.asarray(np.einsum("nkr,nkr->nr", first, inside[:, i + 1 : j, j][:, :, self.form.binary.right]))

    @property
    def inside(self) -> np.ndarray:
        """The weight of tokens i + 1 ... j under every symbol, i < j: floating[n, T + 1, T + 1, K]."""
        return self._filled[0]

    @property
    def laws(self) -> np.ndarray:
        """P(next token | first t tokens), EOS first: floating[n, T + 1, V]; 0 if impossible, and behind the end."""
        return self._filled[2]

    @property
    def log_p(self) -> np.ndarray:
        """log P(first t tokens) [nat]: float64[n, T + 1]; -inf if impossible, and behind the end."""
        return self._filled[3]

    @cached_property
    def log_whole(self) -> np.ndarray:
        """log P(x) [nat]: float64[n]."""
        last = np.arange(len(self.tokens)), self.lengths
        with np.errstate(divide="ignore"):
            return np.asarray(self.log_p[last] + np.log(self.laws[last][:, EOS]), np.float64)

    @cached_property
    def sure(self) -> np.ndarray:
        """Whether no weight can have left the range of floats in the chart of each string: bool[n]."""
        low, high = self.form.range
        alive = self.log_p[:, 1:] > -np.inf
        steps = np.where(alive, self.log_p[:, 1:], 0) - np.where(alive, self.log_p[:, :-1], 0)
        rarest = steps.min(axis=1, initial=0.0)  # a column has the unit of the one before, until it is divided
        found = np.ones(len(self.tokens), bool)
        for weights in self._filled[:2]:
            axes = tuple(range(1, weights.ndim))
            least, most = np.where(weights > 0, weights, 1).min(axis=axes), weights.max(axis=axes)
            found &= np.isfinite(most) & (np.log(least) + rarest >= low) & (np.log(np.where(most > 0, most, 1)) <= high)
        return found
