"""Laws of a model that may leave the support, over every string of at most L tokens, by enumeration.

An outcome is a tuple of tokens that ends with 0, the end, or has L tokens. A node is a prefix of a supported document.
An unsupported outcome leaves the support with the token after its longest node. This prefix with this token is its
exit.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from typing import TypeAlias

import mpmath

from sim.selftest.oracles import numbers

Outcome: TypeAlias = tuple[int, ...]
Law: TypeAlias = Mapping[Outcome, Fraction]
Conditionals: TypeAlias = Mapping[Outcome, Sequence[Fraction]]
"""The law of the next token after every prefix, with the end first."""

NONE = Fraction(0)
_LOGS: dict[Fraction, mpmath.mpf] = {}


def log(value: Fraction) -> mpmath.mpf:
    """log of a fraction as in `numbers`; results are cached."""
    if value not in _LOGS:
        if len(_LOGS) > 20_000:
            _LOGS.clear()
        _LOGS[value] = numbers.log(value)
    return _LOGS[value]


def total(terms: Iterable[mpmath.mpf]) -> mpmath.mpf:
    """Return the sum with fifty digits."""
    with mpmath.workdps(numbers.DIGITS):
        return mpmath.fsum(terms)


def times(weight: Fraction, value: mpmath.mpf) -> mpmath.mpf:
    """Return the product with fifty digits; 0 if the weight is 0, whatever the value."""
    with mpmath.workdps(numbers.DIGITS):
        return numbers.real(weight) * value if weight else mpmath.mpf(0)


def spread(conditionals: Conditionals, start: Outcome, length: int) -> dict[Outcome, Fraction]:
    """Return the law of the outcomes given that they begin with `start`."""
    found: dict[Outcome, Fraction] = {}
    alive = {start: Fraction(1)}
    while alive:
        following: dict[Outcome, Fraction] = {}
        for prefix, weight in alive.items():
            for token, share in enumerate(conditionals[prefix]):
                outcome = (*prefix, token)
                (found if token == 0 or len(outcome) == length else following)[outcome] = weight * share
        alive = following
    return found


class Seen:
    """A law of outcomes given one prompt, in relation to the documents of a support."""

    def __init__(
        self, law: Law, documents: Sequence[Outcome], start: Outcome, conditionals: Conditionals | None = None
    ) -> None:
        self.law, self.documents, self.start, self.conditionals = law, documents, start, conditionals

    @cached_property
    def on(self) -> list[Fraction]:
        """q of every document."""
        return [self.law.get(x, NONE) for x in self.documents]

    @cached_property
    def off(self) -> Fraction:
        """q of everything that is not a document."""
        return sum((q for x, q in self.law.items() if x not in set(self.documents)), NONE)

    @cached_property
    def merged(self) -> list[Fraction]:
        """q of every document, then q of everything else."""
        return [*self.on, self.off]

    @cached_property
    def nodes(self) -> list[Outcome]:
        """Prefixes of documents that are at least as long as the prompt and have not ended."""
        sizes = range(len(self.start), max(map(len, self.documents), default=0))
        return sorted({x[:size] for x in self.documents for size in sizes if size < len(x)})

    @cached_property
    def exits(self) -> dict[Outcome, Fraction]:
        """q of every exit, which is a node and a token that no document has there."""
        nodes, supported, found = set(self.nodes), set(self.documents), dict[Outcome, Fraction]()
        for outcome, q in self.law.items():
            if outcome in supported:
                continue
            size = next(n for n in range(len(self.start) + 1, len(outcome) + 1) if outcome[:n] not in nodes)
            found[outcome[:size]] = found.get(outcome[:size], NONE) + q
        return found

    @cached_property
    def _masses(self) -> dict[Outcome, Fraction]:
        found: dict[Outcome, Fraction] = {}
        for outcome, q in self.law.items():
            for size in range(len(outcome) + 1):
                found[outcome[:size]] = found.get(outcome[:size], NONE) + q
        return found

    def mass(self, prefix: Outcome) -> Fraction:
        """Probability that an outcome begins with `prefix`, given the prompt."""
        return self._masses.get(prefix, NONE)

    def next(self, node: Outcome, size: int) -> list[Fraction] | None:
        """Return the law of the next of `size` tokens; None after an impossible prefix if no conditionals are given."""
        if here := self.mass(node):
            return [self.mass((*node, token)) / here for token in range(size)]
        return None if self.conditionals is None else list(self.conditionals[node])

    def at(self, place: int) -> list[Outcome]:
        """Return the nodes after `place` tokens of the answer."""
        return [node for node in self.nodes if len(node) == len(self.start) + place]


def atoms_behind(depth: int, size: int, length: int) -> int:
    """Number of outcomes that begin with a given prefix of `depth` + 1 symbols, for a vocabulary of `size` tokens."""
    count, alive = 0, 1
    for _ in range(length - depth - 1):
        count, alive = count + alive, alive * (size - 1)
    return count + alive
