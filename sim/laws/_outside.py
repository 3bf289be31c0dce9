"""How often every rule is expected to be used at every span of a string: outside weights of a batch of charts.

The outside weight of a symbol at a span is the derivative of P(x) by its inside weight, divided by P(x). It goes from
wide spans to narrow ones. Chains of rules at one span are summed by the same closure as in the inside weights. Empty
spans have a closure of their own.
Source: Baker 1979 (inside and outside weights); Eisner 2016, "Inside-outside and forward-backward algorithms are just
backprop".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.languages.exact import unavailable
from sim.languages.matrices import Matrix, closure
from sim.laws._chart import Charts

Used = tuple[np.ndarray, int, int]
"""The expected uses of every rule of the grammar at the span from i to j: floating[n, rules], i, j."""


@dataclass(frozen=True, eq=False)
class Outside:
    """The outside pass over charts of possible strings. `num_rules` is the number of rules before they are made short.

    A rule that is made short is used where its first part is.
    """

    charts: Charts
    num_rules: int

    @cached_property
    def _numbers(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Which rules have two symbols; which have one, and which; which have none; the left-hand sides of all."""
        sides = self.charts.form.binary.sides[: self.num_rules]
        sizes = np.array([len(rhs) for _, rhs, _ in sides])
        pairs, singles, empty = (np.flatnonzero(sizes == size) for size in (2, 1, 0))
        symbols = np.array([sides[number][1][0] for number in singles], np.int64)
        return pairs, singles, symbols, empty, np.array([lhs for lhs, _, _ in sides])

    @cached_property
    def _p(self) -> np.ndarray:
        """The probability of every rule of the grammar: floating[rules]."""
        sides = self.charts.form.binary.sides[: self.num_rules]
        return np.array([float(p) for _, _, p in sides]).astype(self.charts.form.kind)

    @cached_property
    def _empties(self) -> Matrix:
        """The weights of chains at an empty span, (I - N)^-1: floating[K, K].

        N_AB is the derivative of the probability that A derives the empty string by that of B.
        """
        null = self.charts.form.binary.null
        rows: list[dict[int, float]] = [{} for _ in null]
        for lhs, rhs, p in self.charts.form.binary.sides:
            for at, symbol in enumerate(rhs):
                beside = float(p) * float(np.prod([null[other] for k, other in enumerate(rhs) if k != at]))
                if beside and null[symbol]:
                    rows[lhs][symbol] = rows[lhs].get(symbol, 0.0) + beside
        found = closure(rows)
        if found is None:
            why = "rules are used infinitely often, on average, where the empty string is derived"
            raise unavailable("parse", why, "describe a grammar with fewer empty rules")
        return found.astype(self.charts.form.kind)

    def uses(self) -> Iterator[Used]:
        """The expected uses of the rules, span by span."""
        charts, (n, T) = self.charts, self.charts.tokens.shape
        form, every = charts.form, np.arange(n)
        outside = np.zeros((n, T + 1, T + 1, len(form.null)), form.kind)
        whole = np.where(charts.lengths > 0, charts.laws[every, charts.lengths, 0], form.null[form.start])
        outside[every, 0, charts.lengths, form.start] = 1 / whole
        for width in range(T, 0, -1):
            for i in range(T + 1 - width):
                yield self._span(outside, i, i + width)
        if (form.null > 0).any():
            for i in range(T + 1):
                yield self._at_nothing(outside[:, i, i] @ self._empties, form.null), i, i

    def _span(self, outside: np.ndarray, i: int, j: int) -> Used:
        """The uses at a span that is not empty; it adds to the outside weights of what is within."""
        charts, form, binary = self.charts, self.charts.form, self.charts.form.binary
        own, inside = outside[:, i, j] @ form.units, charts.inside
        here = inside[:, i, j]
        begun = own[:, binary.lhs] * form.p
        first, second = inside[:, i, i + 1 : j][:, :, binary.left], inside[:, i + 1 : j, j][:, :, binary.right]
        outside[:, i, i + 1 : j] += _product(begun[:, None] * second, form.lefts)
        outside[:, i + 1 : j, j] += _product(begun[:, None] * first, form.rights)
        outside[:, i, i] += (begun * here[:, binary.right]) @ form.lefts
        outside[:, j, j] += (begun * here[:, binary.left]) @ form.rights
        split = (first * second).sum(axis=1)
        split += form.null[binary.left] * here[:, binary.right] + here[:, binary.left] * form.null[binary.right]
        return self._collected(own, split, here, np.zeros(1, form.kind)), i, j

    def _at_nothing(self, own: np.ndarray, null: np.ndarray) -> np.ndarray:
        """The uses at an empty span."""
        binary = self.charts.form.binary
        both = null[binary.left] * null[binary.right]
        every = np.broadcast_to(null, own.shape)
        return self._collected(own, np.broadcast_to(both, (len(own), len(both))), every, np.ones(1, null.dtype))

    def _collected(self, own: np.ndarray, split: np.ndarray, inside: np.ndarray, nothing: np.ndarray) -> np.ndarray:
        """Outside weight times probability times the inside weight of the right-hand side, for every rule."""
        pairs, singles, symbols, empty, heads = self._numbers
        found = own[:, heads] * self._p
        found[:, pairs] *= split[:, : len(pairs)]
        found[:, singles] *= inside[:, symbols]
        found[:, empty] *= nothing
        return np.asarray(found, np.float64)


def _product(numbers: np.ndarray, spread: Matrix) -> np.ndarray:
    """Numbers of rules [n, k, R] times a sparse matrix [R, K]."""
    n, k, R = numbers.shape
    return np.asarray(numbers.reshape(n * k, R) @ spread).reshape(n, k, spread.shape[1])
