"""List the strings of a context-free grammar bottom up, each with the total weight of its derivations."""

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp

from sim.languages.pcfg.chart import Binary

Weights = dict[bytes, float]
"""A map from a string to the total weight of its derivations. A token takes four bytes."""

WIDTH = np.dtype(np.uint32)


def tokens_of(string: bytes) -> np.ndarray:
    """The tokens of a string: uint32[n]."""
    return np.frombuffer(string, WIDTH)


class TooManyError(ValueError):
    """There are more strings than may be listed."""


class Listing:
    """All strings of each symbol, length by length. Only strings that the wanted symbols can use are kept."""

    def __init__(self, form: Binary, wanted: Sequence[int], length: int, limit: int) -> None:
        self.form, self.wanted, self.length, self.limit = form, wanted, length, limit
        self.rules: list[list[tuple[int, int, float]]] = [[] for _ in form.null]
        for lhs, left, right, p in zip(form.lhs, form.left, form.right, form.p, strict=True):
            self.rules[lhs].append((int(left), int(right), float(p)))
        units = sp.csr_array(form.units)
        self.chains = [np.sort(own).tolist() for own in np.split(units.indices, units.indptr[1:-1])]
        self.weights = [
            dict(zip(own.tolist(), values.tolist(), strict=True))
            for own, values in zip(
                np.split(units.indices, units.indptr[1:-1]), np.split(units.data, units.indptr[1:-1]), strict=True
            )
        ]
        self.needed = self._needed()

    def _possible(self) -> np.ndarray:
        """Whether a symbol derives a string of n symbols, for n >= 1: bool[length + 1, K]."""
        form = self.form
        reach = sp.csr_array(form.units > 0).astype(np.int32)
        found = np.zeros((self.length + 1, len(form.null)), bool)
        for n in range(1, self.length + 1):
            own = np.zeros(len(form.null), bool)
            own[form.num_nonterminals :] = n == 1
            for k in range(1, n):
                ok = found[k, form.left] & found[n - k, form.right]
                own[form.lhs[ok]] = True
            found[n] = reach @ own.astype(np.int32) > 0
        return found

    def _needed(self) -> np.ndarray:
        """Whether the strings of n symbols that a symbol derives are parts of a wanted string: bool[length + 1, K]."""
        possible = self._possible()
        needed = np.zeros_like(possible)
        for n in range(self.length, 0, -1):
            needed[n, list(self.wanted)] = possible[n, list(self.wanted)]
            for symbol in np.flatnonzero(needed[n]):
                needed[n, [child for child in self.chains[symbol] if possible[n, child]]] = True
            for head in np.flatnonzero(needed[n]):
                for left, right, _ in self.rules[head]:
                    for k in range(1, n):
                        if possible[k, left] and possible[n - k, right]:
                            needed[k, left] = needed[n - k, right] = True
        return needed

    def lengths(self) -> Iterator[dict[int, Weights]]:
        """Yield, for n = 1, 2, ..., `length`, the strings of n symbols that every needed symbol derives.

        Raises TooManyError if a symbol has more than `limit` strings of one length.
        """
        first = self.form.num_nonterminals
        table: list[dict[int, Weights]] = [{}]
        for n in range(1, self.length + 1):
            own: dict[int, Weights] = {}
            for head in np.flatnonzero(self.needed[n]).tolist():
                if head >= first:
                    own[head] = {np.array([head - first + 1], WIDTH).tobytes(): 1.0}
                else:
                    own[head] = self._joined(head, n, table)
            table.append({symbol: self._closed(symbol, own) for symbol in own})
            yield table[n]

    def _joined(self, head: int, n: int, table: Sequence[dict[int, Weights]]) -> Weights:
        """The strings of two non-empty parts, by the rules of one symbol."""
        found: Weights = {}
        for left, right, p in self.rules[head]:
            for k in range(1, n):
                first, second = table[k].get(left), table[n - k].get(right)
                if not first or not second:
                    continue
                for x, u in first.items():
                    for y, v in second.items():
                        found[x + y] = found.get(x + y, 0.0) + p * u * v
                    if len(found) > self.limit:
                        raise TooManyError
        return found

    def _closed(self, symbol: int, own: dict[int, Weights]) -> Weights:
        """The strings of a symbol, together with those of all symbols that its chains lead to."""
        found: Weights = {}
        for child in self.chains[symbol]:
            weight = self.weights[symbol][child]
            for x, u in own.get(child, {}).items():
                found[x] = found.get(x, 0.0) + weight * u
        if len(found) > self.limit:
            raise TooManyError
        return found
