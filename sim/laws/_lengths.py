"""The law of the number of tokens below every symbol of a grammar without recursion, and of the surprise at it."""

from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np

from sim.languages.pcfg.rules import Symbol
from sim.laws._order import Order

ONE = np.ones(1)
"""The law of the length of nothing."""


@dataclass(frozen=True, eq=False)
class Lengths:
    """Arrays over lengths n = 0, 1, ...: P(a derivation has n tokens), and E[-log p(derivation); it has n tokens].

    A right-hand side convolves the laws of its symbols, and a non-terminal is the weighted sum of its right-hand sides.
    No term is negative. Raises `UnavailableError` if the least likely derivation is beyond the range of floats.
    """

    order: Order

    @cached_property
    def _tables(self) -> tuple[dict[Symbol, np.ndarray], dict[Symbol, np.ndarray]]:
        log_p = self.order.grammar.log_p
        kind = self.order.floats(self.order.rarest)
        law = {token: np.array([0, 1], kind) for token in range(1, len(self.order.grammar.vocabulary))}
        surprise = {token: np.zeros(2, kind) for token in law}
        for head in self.order.bottom_up:
            laws, surprises = [], []
            for number, rhs in self.order.rules[head]:
                own, lost = ONE.astype(kind), -log_p[number] * ONE.astype(kind)
                for symbol in rhs:
                    lost = np.convolve(lost, law[symbol]) + np.convolve(own, surprise[symbol])
                    own = np.convolve(own, law[symbol])
                p = np.exp(kind(log_p[number]))
                laws.append(p * own)
                surprises.append(p * lost)
            law[~head], surprise[~head] = _sum(laws), _sum(surprises)
        return law, surprise

    @cached_property
    def law(self) -> np.ndarray:
        """P(|x| = n), for n up to the longest string: floating[n]."""
        return self._tables[0][~self.order.grammar.start]

    @cached_property
    def surprise(self) -> np.ndarray:
        """E[-log p(derivation); |x| = n] [nat]: floating[n]."""
        return self._tables[1][~self.order.grammar.start]

    def after(self, symbols: tuple[Symbol, ...]) -> np.ndarray:
        """The law of the number of tokens of a sequence of symbols: floating[n]."""
        law = self._tables[0]
        return reduce(np.convolve, (law[symbol] for symbol in symbols), np.ones(1, self.law.dtype))


def _sum(arrays: list[np.ndarray]) -> np.ndarray:
    total = np.zeros(max(map(len, arrays)), arrays[0].dtype)
    for one in arrays:
        total[: len(one)] += one
    return total
