"""The device form of a grammar without recursion: products of bands, level by level, and prefixes down the levels.

The algebra is that of `sim.laws._spans`: the band of a right-hand side is the product of those of its symbols, and a
vector that goes down from the start through the same bands holds the weights of all prefixes. All right-hand sides of
one height and one length are multiplied at once. Bands of many widths are never made: a vector goes through such a
symbol by going through its right-hand sides. Every token has the weight e^scale, which cancels in the end.
Source: Baker 1979 (inside weights); Stolcke 1995, Computational Linguistics 21(2) (prefixes).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax.numpy as jnp
import numpy as np

from sim.languages.pcfg.rules import Symbol
from sim.laws._order import Order
from sim.laws.device.bands import Band, cut, joined, moved, stack, widened
from sim.laws.device.form import DeviceForm, Raw, at, held, lengths_of, normalised
from sim.laws.device.ranges import scale_of, widths
from sim.laws.nonrecursive import NonRecursive
from sim.typing import Array, Float, Int

WIDEST = 96
"""Largest number of widths of a symbol of which a band is made."""


@dataclass(frozen=True)
class Rules:
    """Some rules: their left-hand sides, their probabilities, and their right-hand sides."""

    heads: tuple[int, ...]
    p: np.ndarray  # floating[R]
    sides: tuple[tuple[Symbol, ...], ...]


@dataclass(frozen=True, eq=False)
class Levels(DeviceForm):
    """The form of a grammar without recursion. N strings, P = T + 1 places between tokens.

    Every weight of a single derivation is proved to be above the least float, whatever the string. A row is not sure
    if a weight is beyond the largest float, which makes its sums infinite, or if a quotient is lost. Raises
    `SpecificationError` if the grammar has weights for which `kind` is too narrow.
    """

    law: NonRecursive
    kind: Any

    def __post_init__(self) -> None:
        self._p, self._scale  # noqa: B018, they refuse what the floats cannot hold

    @property
    def _order(self) -> Order:
        return self.law.order

    @cached_property
    def _p(self) -> np.ndarray:
        """The probabilities of all rules: floating[R]."""
        return held(np.exp(self._order.grammar.log_p), self.kind)

    @cached_property
    def _scale(self) -> float:
        return scale_of(self._order, self.kind)

    @cached_property
    def _widths(self) -> dict[Symbol, tuple[int, int]]:
        return widths(self._order)

    @cached_property
    def _heights(self) -> list[list[int]]:
        """The non-terminals by the number of rules on the longest way down from them, from the lowest to the start."""
        height: dict[Symbol, int] = dict.fromkeys(range(1, len(self._order.grammar.vocabulary)), 0)
        groups: dict[int, list[int]] = {}
        for head in self._order.bottom_up:
            below = [height[symbol] for _, rhs in self._order.rules[head] for symbol in rhs]
            height[~head] = 1 + max(below, default=0)
            groups.setdefault(height[~head], []).append(head)
        return [groups[one] for one in sorted(groups)]

    def _rules(self, heads: Sequence[int]) -> Rules:
        own = [(head, number, rhs) for head in heads for number, rhs in self._order.rules[head]]
        p = self._p[[number for _, number, _ in own]]
        return Rules(tuple(head for head, _, _ in own), p, tuple(rhs for _, _, rhs in own))

    def _made(self, symbol: Symbol, length: int) -> bool:
        """Whether a band of the symbol is made for strings of `length` tokens."""
        low, high = self._widths[symbol]
        return symbol != ~self._order.grammar.start and min(high, length) - low < WIDEST

    def cells(self, length: int) -> int:
        """The weights of one string: two copies of all bands that are made, and the weights of prefixes."""
        wide = [
            min(high, length) - low + 1 for symbol, (low, high) in self._widths.items() if self._made(symbol, length)
        ]
        most = max((len(rhs) for rules in self._order.rules for _, rhs in rules), default=1)
        return (length + 1) * (4 * most * sum(max(one, 1) for one in wide) + 2 * len(self._widths))

    def _raw(self, tokens: Int[Array, "N T"]) -> Raw:
        ends, begun = self._prefixes(tokens, self._bands(tokens))
        weights = jnp.stack([ends, *(begun[token] for token in range(1, len(self.law.vocabulary)))], axis=-1)
        laws, total, kept = normalised(weights)
        scale, places = jnp.asarray(self._scale, self.kind), jnp.arange(tokens.shape[1] + 1)[None]
        lengths = lengths_of(tokens)
        log_whole = jnp.log(at(ends, lengths)) - scale * lengths
        kept |= places > lengths[:, None]
        return Raw(log_whole, jnp.log(total) - scale * places, laws, kept.all(axis=1))

    def _bands(self, tokens: Int[Array, "N T"]) -> dict[Symbol, Band]:
        """The bands of all tokens, and of the non-terminals of which they are made: [N, D, P]."""
        length, one = tokens.shape[1], jnp.asarray(np.exp(self._scale), self.kind)
        found = dict[Symbol, Band]()
        for token in range(1, len(self.law.vocabulary)):
            here = jnp.pad(jnp.where(tokens == token, one, 0), ((0, 0), (0, 1)))
            found[token] = Band(1, here[:, None])
        for heads in self._heights:
            made = [head for head in heads if self._made(~head, length)]
            if made:
                self._add(made, found, length)
        return found

    def _add(self, heads: Sequence[int], found: dict[Symbol, Band], length: int) -> None:
        """Add the bands of non-terminals of one height: the weighted sums of their right-hand sides."""
        rules = self._rules(heads)
        terms: dict[int, list[Array]] = {head: [] for head in heads}
        for size in sorted({len(side) for side in rules.sides}):
            own = [number for number, side in enumerate(rules.sides) if len(side) == size]
            high = max(min(self._widths[~rules.heads[number]][1], length) for number in own)
            product = self._product([rules.sides[number] for number in own], found, high, length)
            for place, number in enumerate(own):
                head = rules.heads[number]
                band = Band(product.low, rules.p[number] * product.values[:, place])
                terms[head].append(self._fitted(band, ~head, length))
        for head, several in terms.items():
            found[~head] = Band(self._widths[~head][0], sum(several[1:], several[0]))

    def _fitted(self, band: Band, symbol: Symbol, length: int) -> Array:
        """The values of exactly the widths of a symbol: a stack also has those of others, which are 0 here."""
        low, high = self._widths[symbol]
        high = max(min(high, length), low)
        if band.low > high:  # such spans are longer than every string
            return jnp.zeros((band.values.shape[0], high - low + 1, length + 1), self.kind)
        band = cut(band, high)
        skipped = max(low - band.low, 0)
        return widened(Band(band.low + skipped, band.values[..., skipped:, :]), low, high)

    def _product(self, sides: Sequence[tuple[Symbol, ...]], found: dict[Symbol, Band], high: int, length: int) -> Band:
        """The bands of right-hand sides of one length, [N, R, D, P], from the last symbol to the first."""
        first = next(iter(found.values())).values
        if not sides[0]:
            return Band(0, jnp.ones((first.shape[0], len(sides), 1, length + 1), self.kind))
        product = stack([found[side[-1]] for side in sides])
        for place in reversed(range(len(sides[0]) - 1)):
            product = joined(stack([found[side[place]] for side in sides]), product, high)
        return product

    def _prefixes(self, tokens: Int[Array, "N T"], bands: dict[Symbol, Band]) -> tuple[Array, dict[Symbol, Array]]:
        """The weight of the tokens before every place as a whole string, and with every symbol beginning there."""
        symbols = list(self._widths)
        begun = jnp.zeros((len(tokens), len(symbols), tokens.shape[1] + 1), self.kind)
        start = symbols.index(~self._order.grammar.start)
        begun, ends = begun.at[:, start, 0].set(1), begun[:, 0]
        for heads in reversed(self._heights):
            rules = self._rules(heads)
            now = begun[:, _at([symbols.index(~head) for head in rules.heads])] * rules.p[None, :, None]
            for place in range(max(len(side) for side in rules.sides)):
                on = [number for number, side in enumerate(rules.sides) if len(side) > place]
                next_ = _at([symbols.index(rules.sides[number][place]) for number in on])
                begun += jnp.einsum(
                    "nrk,rs->nsk", now[:, _at(on)], jnp.asarray(_sorted_to(next_, len(symbols), self.kind))
                )
                if heads != self._heights[-1]:  # what the start derives is followed to its end
                    on = [number for number in on if len(rules.sides[number]) > place + 1]
                now = self._through(now, on, [rules.sides[number][place] for number in on], bands)
            ends = now.sum(axis=1) if heads == self._heights[-1] else ends
        return ends, {symbol: begun[:, number] for number, symbol in enumerate(symbols)}

    def _through(self, now: Array, on: Sequence[int], symbols: Sequence[Symbol], bands: dict[Symbol, Band]) -> Array:
        """`now` [N, C, P] with the entries `on` of its second axis taken over all spans of a symbol each."""
        return now.at[:, _at(on)].set(self._after(now[:, _at(on)], symbols, bands)) if on else now

    def _after(self, now: Float[Array, "N C P"], symbols: Sequence[Symbol], bands: dict[Symbol, Band]) -> Array:
        """Each vector over all spans of its symbol: through the band, or through the right-hand sides."""
        made = [number for number, symbol in enumerate(symbols) if symbol in bands]
        found = now
        if made:
            band = stack([bands[symbols[number]] for number in made])
            found = found.at[:, _at(made)].set(moved(now[:, _at(made)], band))
        wide = [number for number, symbol in enumerate(symbols) if symbol not in bands]
        if wide:
            found = found.at[:, _at(wide)].set(self._split(now[:, _at(wide)], [symbols[n] for n in wide], bands))
        return found

    def _split(self, now: Float[Array, "N C P"], symbols: Sequence[Symbol], bands: dict[Symbol, Band]) -> Array:
        """`_after` for symbols without a band: the sum of the vectors over all right-hand sides of each."""
        owner, rules = [], []
        for number, symbol in enumerate(symbols):
            own = self._rules([~symbol])
            owner += [number] * len(own.sides)
            rules.append(own)
        sides = [side for own in rules for side in own.sides]
        p = np.concatenate([own.p for own in rules])
        parts = now[:, _at(owner)] * p[None, :, None]
        for place in range(max(len(side) for side in sides)):
            on = [number for number, side in enumerate(sides) if len(side) > place]
            parts = self._through(parts, on, [sides[number][place] for number in on], bands)
        return jnp.einsum("nrk,rc->nck", parts, jnp.asarray(_sorted_to(_at(owner), len(symbols), self.kind)))


def _at(numbers: Sequence[int]) -> np.ndarray:
    """Places in an axis: int32, as jax 0.10.2 mixes types of int64 ones where float64 is off after it was on."""
    return np.array(numbers, np.int32)


def _sorted_to(owner: np.ndarray, number: int, kind: Any) -> np.ndarray:
    """The matrix [R, C] that adds rows up by their owners."""
    return (owner[:, None] == np.arange(number)).astype(kind)
