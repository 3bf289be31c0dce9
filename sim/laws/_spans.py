"""Products of sparse matrices that parse a whole batch at once with a grammar without recursion.

All strings of a batch are one graph: nodes between tokens, one edge for every token, no edge between strings. The
matrix of a symbol has the entry [i, j] = weight of the tokens from i to j under this symbol (its inside weight). That
of a right-hand side is the product of the matrices of its symbols, and a non-terminal is the weighted sum of its
right-hand sides. Almost no span can be derived, so the matrices are sparse. Every token has the weight e^scale, which
cancels in the end. Only sums and products of non-negative numbers are used.
Source: Baker 1979 (inside and outside weights); Stolcke 1995, Computational Linguistics 21(2) (prefixes).
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from sim.languages.pcfg.rules import Symbol
from sim.laws._order import Order
from sim.laws._parts import Nodes, Part, added, total, weighted_sum
from sim.laws.protocol import Uses, lengths_of
from sim.numerics import EOS


@dataclass(frozen=True, eq=False)
class Spans:
    """The inside matrices of a batch int[N, T], filled up with EOS. K = number of tokens + N nodes."""

    order: Order
    tokens: np.ndarray
    horizon: int = 0  # the length up to which a prefix is followed, see `Order.scale`
    lengths: np.ndarray = field(init=False)
    first: np.ndarray = field(init=False)  # int[N], the first node of every string
    size: int = field(init=False)  # K

    def __post_init__(self) -> None:
        lengths = lengths_of(self.tokens)
        ends = np.cumsum(lengths + 1)
        for name, value in (
            ("lengths", lengths),
            ("first", ends - lengths - 1),
            ("size", int(lengths.sum()) + len(ends)),
        ):
            object.__setattr__(self, name, value)

    @cached_property
    def range(self) -> tuple[float, type[np.floating]]:
        """The log scale of a token [nat], and the type of the numbers, see `Order.scale`."""
        return self.order.scale(int(self.lengths.max(initial=0)), self.horizon)

    @property
    def last(self) -> np.ndarray:
        """The last node of every string: int[N]."""
        return self.first + self.lengths

    @cached_property
    def place(self) -> np.ndarray:
        """The number of tokens before every node, in its string: int[K]."""
        return np.arange(self.size) - np.repeat(self.first, self.lengths + 1)

    @cached_property
    def weight(self) -> np.ndarray:
        """The probability of every rule, in the type of the numbers: floating[R]."""
        return np.exp(self.order.grammar.log_p.astype(self.range[1]))

    @cached_property
    def products(self) -> dict[tuple[Symbol, ...], Part]:
        """The matrix of every symbol, (symbol,), and of every beginning of a right-hand side."""
        found = self._edges()
        for head in self.order.bottom_up:
            rules = [(self.weight[number], self._product(rhs, found)) for number, rhs in self.order.rules[head]]
            found[(~head,)] = weighted_sum(rules)
        return found

    def _edges(self) -> dict[tuple[Symbol, ...], Part]:
        """The matrices of the empty product and of all tokens."""
        scale, kind = self.range
        inner = self.tokens != EOS
        begin = (self.first[:, None] + np.arange(self.tokens.shape[1]))[inner]
        token = self.tokens[inner]
        nodes = np.arange(self.size)
        found: dict[tuple[Symbol, ...], Part] = {(): Part(self.size, (nodes, nodes, np.ones(self.size, kind)))}
        for symbol in range(1, len(self.order.grammar.vocabulary)):
            here = begin[token == symbol]
            found[(symbol,)] = Part(self.size, (here, here + 1, np.full(len(here), np.exp(kind(scale)), kind)))
        return found

    def _product(self, rhs: tuple[Symbol, ...], found: dict[tuple[Symbol, ...], Part]) -> Part:
        if rhs not in found:
            found[rhs] = self._product(rhs[:-1], found).then(found[rhs[-1:]])
        return found[rhs]

    @cached_property
    def _root(self) -> Nodes:
        return Nodes(self.size, (self.first, np.ones(len(self.first), self.range[1])))

    @cached_property
    def ends(self) -> np.ndarray:
        """The weight of the tokens before every node as a whole string: floating[K]."""
        return self.products[(~self.order.grammar.start,)].after(self._root).dense

    @cached_property
    def forward(self) -> np.ndarray:
        """Weight of the tokens before every node as a prefix with token v next: floating[V, K]; EOS is `ends`.

        A forward weight of a symbol at a node is that of the tokens before it, if the symbol begins there. It goes down
        from the start through the same matrices.
        """
        weights: dict[Symbol, list[Nodes]] = {~self.order.grammar.start: [self._root]}
        for head in reversed(self.order.bottom_up):
            own = total(weights.pop(~head))
            for number, rhs in self.order.rules[head]:
                begun = own.times(self.weight[number])
                for at, symbol in enumerate(rhs):
                    weights.setdefault(symbol, []).append(begun)
                    if at < len(rhs) - 1:
                        begun = self.products[(symbol,)].after(begun)
        found = np.zeros((len(self.order.grammar.vocabulary), self.size), self.range[1])
        found[EOS] = self.ends
        for symbol, terms in weights.items():
            found[symbol] = added(terms)
        return found

    def logs(self, weights: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """log of the true weights of so many tokens [nat], float64; -inf for 0."""
        scale, kind = self.range
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(weights) - kind(scale) * tokens, np.float64)

    def uses(self) -> Uses:
        """The expected uses of every rule at every span, given the string: inside times outside, divided by P(x).

        The outside weight of a span is the derivative of P(x) by its inside weight, so it goes through the products
        backwards, and only to spans that have an inside weight.
        Source: Eisner 2016, "Inside-outside and forward-backward algorithms are just backprop".
        """
        total, kind = self.ends[self.last], self.range[1]
        whole = np.flatnonzero(total > 0)
        corners = (self.first[whole], self.last[whole])
        outside: dict[Symbol, sp.csr_array] = {
            ~self.order.grammar.start: sp.coo_array((np.ones(len(whole), kind), corners), (self.size,) * 2).tocsr()
        }
        found = []
        for head in reversed(self.order.bottom_up):
            own = outside.pop(~head, None)
            for number, rhs in self.order.rules[head] if own is not None and own.nnz else ():
                term = own * self.weight[number]
                place = term.multiply(self.products[rhs].full).tocoo()
                if place.nnz:
                    found.append((number, place.row, place.col, place.data))
                    self._back(term, rhs, outside)
        return self._collected(found, total)

    def _back(self, term: sp.csr_array, rhs: tuple[Symbol, ...], outside: dict[Symbol, sp.csr_array]) -> None:
        """Add to the outside weights of the symbols of a right-hand side, whose own outside weights are `term`."""
        for at in range(len(rhs) - 1, -1, -1):
            before, symbol = self.products[rhs[:at]].full, rhs[at]
            term = _within(term, self.products[rhs[: at + 1]].full)
            share = _within(before.T.tocsr() @ term, self.products[(symbol,)].full) if at else term
            if symbol < 0:
                outside[symbol] = outside[symbol] + share if symbol in outside else share
            if at:
                term = term @ self.products[(symbol,)].full.T.tocsr()

    def _collected(self, found: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]], total: np.ndarray) -> Uses:
        rule = np.repeat([one[0] for one in found], [len(one[1]) for one in found]).astype(np.int64)
        begin, end, weight = (
            np.concatenate([one[at] for one in found]) if found else np.zeros(0, np.int64) for at in (1, 2, 3)
        )
        string = np.searchsorted(self.first, begin, side="right") - 1
        expected = np.asarray(weight / total[string], np.float64) if len(weight) else np.zeros(0)
        rank = np.lexsort((rule, -end, begin, string))
        places = (self.place[begin[rank]], self.place[end[rank]])
        return Uses(string[rank], rule[rank], *places, expected[rank])


def _within(matrix: sp.csr_array, pattern: sp.csr_array) -> sp.csr_array:
    """The entries of a matrix at the places where `pattern` has one."""
    ones = sp.csr_array((np.ones_like(pattern.data), pattern.indices, pattern.indptr), shape=pattern.shape)
    return matrix.multiply(ones).tocsr()
