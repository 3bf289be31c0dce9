"""Inside and prefix probabilities of a context-free grammar, token by token, with empty rules, unit rules and cycles.

Only sums and products of non-negative numbers are used. A chain is a sequence of rules that each leave one symbol,
while the other symbols derive the empty string. All chains are summed once as (I - W)^-1, and so are the left corners,
which prefixes need.
Source: Jelinek & Lafferty 1991, Computational Linguistics 17(3); Stolcke 1995, Computational Linguistics 21(2).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp

from sim.languages import fixpoints
from sim.languages.exact import unavailable
from sim.languages.matrices import Matrix, closure, delicate
from sim.languages.pcfg.rules import Rule, binarised
from sim.languages.systems import Term, least
from sim.numerics import EOS

MOST_CELLS = 200_000_000
"""Largest number of cells of a chart."""

Side: TypeAlias = tuple[int, tuple[int, ...], Fraction]
"""A rule in terms of symbol numbers: left-hand side, right-hand side, probability."""


@dataclass(frozen=True, eq=False)
class Binary:
    """A grammar with at most two symbols on the right of every rule, as arrays over K symbols.

    Symbol k is non-terminal k if k < `num_nonterminals`: first those of the grammar, then the rests of long rules.
    Otherwise it is token k - num_nonterminals + 1.
    """

    num_nonterminals: int
    num_tokens: int
    lhs: np.ndarray  # int[R], left-hand sides of the rules with two symbols
    left: np.ndarray  # int[R], their first symbols
    right: np.ndarray  # int[R], their second symbols
    p: np.ndarray  # float64[R], their probabilities
    null: np.ndarray  # float64[K], probability of deriving the empty string
    units: Matrix  # float64[K, K], total probability of all chains from one symbol to another
    sides: tuple[Side, ...]  # all rules, in terms of symbol numbers

    @classmethod
    def of(cls, rules: tuple[Rule, ...], num_nonterminals: int, num_tokens: int) -> "Binary":
        """Build the arrays from rules. Raises ArithmeticError if chains do not sum (a cycle of weight 1 or more)."""
        short, N = binarised(rules, num_nonterminals)
        K = N + num_tokens - 1

        def index(symbol: int) -> int:
            return ~symbol if symbol < 0 else N + symbol - 1

        sides = tuple((rule.lhs, tuple(index(symbol) for symbol in rule.rhs), rule.p) for rule in short)
        null = least(_silent(sides, K)).x
        units = closure(_rows(sides, null.tolist(), N, False))
        if units is None or delicate(units):
            units = closure(_rows(sides, _exact_null(sides, K), N, False))
        if units is None:
            raise ArithmeticError("context-free grammar: chains of rules do not sum to a finite weight")
        pairs = [(lhs, *rhs, float(p)) for lhs, rhs, p in sides if len(rhs) == 2]
        heads, left, right = (np.array([pair[at] for pair in pairs], np.int64) for at in range(3))
        return cls(N, num_tokens, heads, left, right, np.array([pair[3] for pair in pairs]), null, units, sides)

    @cached_property
    def rights(self) -> sp.csr_array:
        """Which symbol is the second one of each rule with two symbols: sparse float64[R, K]."""
        entries = np.ones(len(self.right)), (np.arange(len(self.right)), self.right)
        return sp.coo_array(entries, (len(self.right), len(self.null))).tocsr()

    @cached_property
    def corners(self) -> Matrix:
        """As `units`, but with any string to the right of the last symbol: float64[K, K]."""
        total = closure(_rows(self.sides, self.null.tolist(), self.num_nonterminals, True))
        if total is None or delicate(total):
            exact = _exact_null(self.sides, len(self.null))
            total = closure(_rows(self.sides, exact, self.num_nonterminals, True))
        if total is None:
            raise ArithmeticError("context-free grammar: left corners do not sum to a finite weight")
        return total


def _silent(sides: Sequence[Side], K: int) -> list[list[Term]]:
    """The equations for the probabilities of deriving the empty string."""
    equations: list[list[Term]] = [[] for _ in range(K)]
    for lhs, rhs, p in sides:
        equations[lhs].append((p, rhs))  # a token is an unknown without terms, so it is 0
    return equations


def _exact_null(sides: Sequence[Side], K: int) -> list[Decimal]:
    found = least(_silent(sides, K), in_decimals=True).decimals
    assert found is not None, "asked for"
    return [Decimal(0) if value is None else value for value in found]


def _rows(sides: Sequence[Side], null: Sequence[Any], N: int, open_end: bool) -> list[dict[int, Any]]:
    """Weights of one step from a symbol to another, while the other symbol of the rule derives the empty string.

    With `open_end` a symbol to the right may derive anything. The weights are floats or decimals, as `null` is. Symbols
    that derive only the empty string are left out: they are no part of any string, and their chains need not sum.
    """
    loud = _emitting(sides, N, len(null))
    rows: list[dict[int, Any]] = [{} for _ in null]
    with fixpoints.digits():
        exact = any(isinstance(value, Decimal) for value in null)
        for lhs, rhs, p in sides:
            weight: Any = fixpoints.decimal(p) if exact else float(p)
            for at, symbol in enumerate(rhs):
                free = len(rhs) == 1 or (open_end and at == 0)
                beside = weight if free else weight * null[rhs[1 - at]]
                if beside and loud[symbol]:
                    rows[lhs][symbol] = rows[lhs].get(symbol, 0) + beside
    return rows


def _emitting(sides: Sequence[Side], N: int, K: int) -> list[bool]:
    """Whether each symbol derives a string that is not empty. Every symbol must derive some string."""
    found = [False] * K
    users: list[list[int]] = [[] for _ in range(K)]
    for lhs, rhs, _ in sides:
        for symbol in rhs:
            users[symbol].append(lhs)
    waiting = list(range(N, K))
    while waiting:
        symbol = waiting.pop()
        if not found[symbol]:
            found[symbol] = True
            waiting += users[symbol]
    return found


def log_inside(form: Binary, start: int, tokens: Sequence[int], scale: float) -> float:
    """log P(x) [nat] of a whole string. All spans of one width are computed at once; it is faster than a `Chart`.

    `scale` is about the surprise of a token [nat per token]; it keeps spans within the range of floats. If they leave
    the range, a `Chart` is used, which finds its own scale.
    """
    n, K = len(tokens), len(form.null)
    if n == 0 or not all(EOS < token < form.num_tokens for token in tokens):
        value = float(form.null[start]) if n == 0 else 0.0
        return math.log(value) if value > 0 else -math.inf
    _check_size(n, K)
    inside = np.zeros((n + 1, n + 1, K))
    leaf = np.zeros((n, K))
    leaf[np.arange(n), form.num_nonterminals + np.asarray(tokens) - 1] = math.exp(min(scale, 500.0))
    inside[np.arange(n), np.arange(n) + 1] = leaf @ form.units.T
    with np.errstate(over="ignore", invalid="ignore"):
        for width in range(2, n + 1):
            first = np.arange(n - width + 1)
            total = np.zeros((len(first), len(form.p)))
            for size in range(1, width):  # the size of the left part
                left = inside[first, first + size][:, form.left]
                total += left * inside[first + size, first + width][:, form.right]
            joined = np.zeros((len(first), K))
            np.add.at(joined.T, form.lhs, (total * form.p).T)
            inside[first, first + width] = joined @ form.units.T
    value = float(inside[0, n, start])
    if 0.0 < value < math.inf:
        return math.log(value) - n * min(scale, 500.0)
    chart = Chart(form, start)
    for token in tokens:
        chart.extend(int(token))
    return chart.log_inside


def _check_size(length: int, num_symbols: int) -> None:
    """Raise `UnavailableError` if a chart would be too large."""
    if length * length * num_symbols > MOST_CELLS:
        why = f"{num_symbols:,} symbols and rests of rules, and a string of {length:,} tokens, need a chart"
        raise unavailable("probability of a string", f"{why} of over {MOST_CELLS:,} cells", "ask for a shorter string")


class Chart:
    """The inside probabilities of all spans of the tokens read so far.

    They are scaled so that long strings do not underflow: the true value of the span from i to j is
    e^(scale_j - scale_i) times its entry in the table.
    """

    def __init__(self, form: Binary, start: int) -> None:
        self.form, self.start = form, start
        self.scale = [0.0]  # the log scale [nat] after 0, 1, 2, ... tokens
        K = len(form.null)
        _check_size(8, K)
        self.inside = np.zeros((8, 8, K))  # [i, j]: probability of deriving tokens i+1..j, for i < j
        self.alive = True

    @property
    def length(self) -> int:
        """The number of tokens read so far."""
        return len(self.scale) - 1

    def extend(self, token: int) -> None:
        """Read one more token."""
        j = self.length + 1
        if j >= len(self.inside):
            _check_size(2 * j, self.inside.shape[2])
            bigger = np.zeros((2 * j, 2 * j, self.inside.shape[2]))
            bigger[: len(self.inside), : len(self.inside)] = self.inside
            self.inside = bigger
        if not self.alive or not EOS < token < self.form.num_tokens:
            self.alive = False
            return
        prefix = np.zeros((j, self.inside.shape[2]))
        leaf = np.zeros(self.inside.shape[2])
        leaf[self.form.num_nonterminals + token - 1] = 1.0
        for i in reversed(range(j)):
            last = leaf if i == j - 1 else 0.0
            self.inside[i, j] = self.form.units @ (last + self._split(i, j, self.inside[i + 1 : j, j]))
            prefix[i] = self.form.corners @ (last + self._split(i, j, prefix[i + 1 : j]))
        mass = float(prefix[0, self.start])
        if not np.isfinite(mass):
            raise ArithmeticError("context-free grammar: the probability of a span is above the range of floats")
        self.alive = mass > 0.0
        if self.alive:
            self.inside[:j, j] /= mass
            self.scale.append(self.scale[-1] + math.log(mass))

    def copy(self) -> "Chart":
        """A copy of the chart, which can be extended independently."""
        other = Chart(self.form, self.start)
        other.scale, other.inside, other.alive = list(self.scale), self.inside.copy(), self.alive
        return other

    def _split(self, i: int, j: int, rest: np.ndarray) -> np.ndarray:
        """Sum over rules, and over the cuts i < k < j between their two symbols; `rest` is [j - i - 1, K]."""
        form, K = self.form, self.inside.shape[2]
        first = self.inside[i, i + 1 : j][:, form.left]
        second = rest[:, form.right]
        return np.bincount(form.lhs, form.p * np.einsum("kr,kr->r", first, second), K)

    @property
    def log_prefix(self) -> float:
        """log of the probability that a string begins with the tokens read so far [nat]."""
        return self.scale[-1] if self.alive else -math.inf

    @property
    def log_inside(self) -> float:
        """log of the probability of the tokens read so far as a whole string [nat]."""
        if not self.alive:
            return -math.inf
        j = self.length
        value = float(self.form.null[self.start] if j == 0 else self.inside[0, j, self.start])
        return self.scale[-1] + math.log(value) if value > 0 else -math.inf

    def next_law(self) -> np.ndarray:
        """P(next token | tokens read so far), EOS first: float64[V]. It is meaningless if they have probability 0."""
        form, n = self.form, self.length
        tokens = form.num_nonterminals + np.arange(form.num_tokens - 1)
        weight = np.zeros((n + 1, len(form.null)))  # [i, A]: of all ways to have A begin after i tokens
        weight[0, self.start] = 1.0
        for i in range(n):
            begun = form.p * (weight[i] @ form.corners)[form.lhs]
            weight[i + 1 :] += (self.inside[i, i + 1 : n + 1][:, form.left] * begun) @ form.rights
        ends = form.null[self.start] if n == 0 else self.inside[0, n, self.start]
        return np.concatenate([[ends], (weight[n] @ form.corners)[tokens]])
