"""A context-free grammar without recursion, sorted for span products, and the range of the numbers that they meet."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from sim.languages.exact import unavailable
from sim.languages.matrices import components
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Symbol
from sim.laws._given import is_loop, leads_to
from sim.numerics import SpecificationError

Own: TypeAlias = tuple[int, tuple[Symbol, ...]]
"""A rule of a non-terminal: its number in the grammar, and its right-hand side."""

MARGIN = 40.0
"""Room [nat] between the certified range and that of the floats, for sums of many derivations, as they are added up."""

FLOATS = (np.float64, np.longdouble)
"""Types of numbers, the faster one first. On x86, numbers of the second reach from e^-11355 to e^11356."""


@dataclass(frozen=True, eq=False)
class Order:
    """The rules of every non-terminal, and the non-terminals sorted so that each comes after those that it leads to.

    Raises `SpecificationError` if a non-terminal occurs in what it derives.
    """

    grammar: ContextFree

    def __post_init__(self) -> None:
        for block in self._blocks:
            if is_loop(block, self._graph):
                name = self.grammar.nonterminals[block[0]]
                raise SpecificationError(
                    "law: a grammar without recursion is required, found a non-terminal that occurs in what it "
                    f"derives: {name!r}; take `sim.law`, which has a law of such grammars, too"
                )

    @cached_property
    def rules(self) -> list[list[Own]]:
        """The rules of every non-terminal."""
        found: list[list[Own]] = [[] for _ in self.grammar.nonterminals]
        for number, rule in enumerate(self.grammar.rules):
            found[rule.lhs].append((number, rule.rhs))
        return found

    @cached_property
    def _graph(self) -> list[set[int]]:
        return leads_to(self.grammar)

    @cached_property
    def _blocks(self) -> list[list[int]]:
        return components(self._graph)

    @cached_property
    def bottom_up(self) -> list[int]:
        """All non-terminals, each after those on the right-hand sides of its rules."""
        return [block[0] for block in self._blocks]

    @cached_property
    def height(self) -> int:
        """The number of rules on the longest way down from the start."""
        height = [0] * len(self._graph)
        for head in self.bottom_up:
            height[head] = 1 + max((height[child] for child in self._graph[head]), default=0)
        return height[self.grammar.start]

    def _worst(self, per_token: float) -> list[tuple[float, int]]:
        """The largest -log p - per_token |x| of a derivation of each non-terminal, and its |x|."""
        found: list[tuple[float, int]] = [(0.0, 0)] * len(self._graph)
        for head in self.bottom_up:
            best = (-math.inf, 0)
            for number, rhs in self.rules[head]:
                loss, length = -float(self.grammar.log_p[number]), 0
                for symbol in rhs:
                    more, tokens = (-per_token, 1) if symbol > 0 else found[~symbol]
                    loss, length = loss + more, length + tokens
                best = max(best, (loss, length))
            found[head] = best
        return found

    @cached_property
    def rarest(self) -> float:
        """-log p of the least likely derivation [nat], exact."""
        return self._worst(0.0)[self.grammar.start][0]

    @cached_property
    def rarest_per_token(self) -> float:
        """The largest -log p / |x| of a derivation of any non-terminal [nat per token]; math.inf with empty strings.

        Each step takes the derivation that is worst at the last rate, so the rate rises to the maximum.
        Source: Dinkelbach 1967, Management Science 13(7), "On nonlinear fractional programming".
        """
        rate = 0.0
        while True:
            loss, length = max(self._worst(rate))
            if loss <= 1e-12 * (1 + rate * length):
                return rate
            if not length:
                return math.inf
            rate += loss / length

    def range_of(self, length: int) -> float:
        """A bound on -log of the weight of a part of a derivation that derives at most `length` tokens [nat].

        Such a part is a way down from the start, with everything beside it derived.
        """
        down = self.height * -float(self.grammar.log_p.min())
        within = self.rarest_per_token * length + down if length else math.inf
        return min(self.rarest, within)

    def scale(self, length: int, horizon: int = 0) -> tuple[float, type[np.floating]]:
        """The log scale of a token [nat], and a type of floats in which no number of strings up to `length` is lost.

        With half of `range_of` spread over the tokens, the weights of parts lie within e^-half and e^half. Where parts
        are followed by what derives the rest, up to `horizon` tokens in all, that rest has no scale.
        Raises `UnavailableError` if no type is wide enough.
        """
        half = self.range_of(length) / 2
        return (half / length if length else 0.0), self.floats(max(half, self.range_of(horizon) if horizon else 0.0))

    def floats(self, reach: float) -> type[np.floating]:
        """The type of floats for weights between e^-reach and e^reach, which `scale` says more about."""
        for kind in FLOATS:
            if reach + MARGIN <= min(float(np.log(np.finfo(kind).max)), -float(np.log(np.finfo(kind).tiny))):
                return kind
        why = f"derivations have weights down to e^-{reach:.0f}, beyond the range of floats"
        raise unavailable("probability of a string", why, "ask for shorter strings, or remove very unlikely rules")
