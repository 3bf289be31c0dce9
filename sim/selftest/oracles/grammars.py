"""Context-free grammars in fractions: quantities of all their derivations, from definitions instead of algorithms.

Tokens are numbers from 1; non-terminals are names.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from typing import TypeAlias

import mpmath

from sim.selftest.oracles import fixed, numbers
from sim.selftest.oracles.fixed import Fixed
from sim.selftest.oracles.lists import Symbols

Rhs: TypeAlias = tuple[int | str, ...]
"""A right-hand side of a rule."""

Marks: TypeAlias = Callable[[str, Rhs, Fraction], mpmath.mpf]
"""The value that each use of a rule adds to a sum, from (left-hand side, right-hand side, probability)."""

HALF_STEP = 130
"""Half the width of a central difference is 2^-HALF_STEP."""

INFINITY = mpmath.mpf("inf")


@dataclass(frozen=True)
class Grammar:
    """Rules of every non-terminal with rational weights. Weights are probabilities unless the grammar was changed."""

    start: str
    rules: Mapping[str, Sequence[tuple[Rhs, Fraction]]]

    def all_rules(self) -> Iterator[tuple[str, Rhs, Fraction]]:
        """Yield (left-hand side, right-hand side, weight) of every rule."""
        return ((head, rhs, p) for head, own in self.rules.items() for rhs, p in own)

    @cached_property
    def tokens(self) -> list[int]:
        """The tokens that occur in the rules."""
        return sorted({s for _, rhs, _ in self.all_rules() for s in rhs if isinstance(s, int)})

    def weighted(self, weight: Callable[[Fraction], Fixed] = fixed.fixed) -> "Weighted":
        """Return the rules with weights in fixed point."""
        return {head: [(rhs, weight(p)) for rhs, p in own] for head, own in self.rules.items()}

    @cached_property
    def below(self) -> dict[str, set[str]]:
        """For each non-terminal, the non-terminals that a derivation from it can reach in one or more steps."""
        found = {head: {s for rhs, _ in own for s in names(rhs)} for head, own in self.rules.items()}
        for middle, first in product(self.rules, self.rules):
            if middle in found[first]:
                found[first] |= found[middle]
        return found

    @cached_property
    def nullable(self) -> set[str]:
        """Non-terminals that derive the empty string."""
        found: set[str] = set()
        for _ in self.rules:
            found |= {head for head, rhs, _ in self.all_rules() if all(s in found for s in rhs)}
        return found

    @cached_property
    def emitting(self) -> set[str]:
        """Non-terminals that derive a non-empty string. This assumes that every non-terminal derives some string."""
        direct = {head for head, rhs, _ in self.all_rules() if any(isinstance(s, int) for s in rhs)}
        return {head for head in self.rules if ({head} | self.below[head]) & direct}

    @cached_property
    def cyclic(self) -> bool:
        """Whether a non-terminal derives itself with nothing beside it."""
        return any(flag == (head, False) for head in self.rules for flag in self._steps(head, silent=True))

    @cached_property
    def endless(self) -> bool:
        """Whether there are infinitely many strings, because a non-terminal derives itself with a symbol beside it."""
        return any((head, True) in self._steps(head, silent=False) for head in self.rules)

    def _steps(self, head: str, silent: bool) -> set[tuple[str, bool]]:
        """Return pairs (B, whether a symbol is beside B) for all B that derivations of `head` reach.

        If `silent`, only derivations in which everything beside B is empty count.
        """
        found: set[tuple[str, bool]] = set()
        work = [(head, False)]
        while work:
            here, beside = work.pop()
            for rhs, _ in self.rules[here]:
                for at, s in enumerate(rhs):
                    others = rhs[:at] + rhs[at + 1 :]
                    if isinstance(s, int) or (silent and not all(o in self.nullable for o in others)):
                        continue
                    loud = not silent and any(isinstance(o, int) or o in self.emitting for o in others)
                    if (s, beside or loud) not in found:
                        found.add((s, beside or loud))
                        work.append((s, beside or loud))
        return found

    def loops(self) -> bool:
        """Return whether a non-terminal can derive itself. Then there are infinitely many derivations."""
        return any(head in self.below[head] for head in self.rules)

    def block(self, head: str) -> list[str]:
        """Return the component of a non-terminal: itself, and those that it reaches and that reach it."""
        return [b for b in self.rules if b == head or (b in self.below[head] and head in self.below[b])]

    @cached_property
    def critical(self) -> set[str]:
        """Non-terminals of components with spectral radius exactly 1."""
        return {head for head in self.rules if radius(matrix(self, self.block(head))) == 0}

    def growth(self) -> str:
        """Return whether the grammar as a whole is subcritical, critical or supercritical."""
        return ("subcritical", "critical", "supercritical")[radius(matrix(self, list(self.rules))) + 1]


Weighted: TypeAlias = Mapping[str, Sequence[tuple[Rhs, Fixed]]]
"""A grammar with weights in fixed point."""


def names(rhs: Rhs) -> list[str]:
    """Return the non-terminals of a right-hand side."""
    return [s for s in rhs if isinstance(s, str)]


def matrix(grammar: Grammar, heads: Sequence[str]) -> list[list[Fraction]]:
    """Return M[A][B], the expected number of B on the right-hand side of A."""
    own = {head: grammar.rules[head] for head in heads}
    return [[sum((p * rhs.count(b) for rhs, p in own[a]), Fraction(0)) for b in heads] for a in heads]


def radius(m: Sequence[Sequence[Fraction]]) -> int:
    """Return -1, 0 or 1 if the spectral radius of a matrix >= 0 is below, at or above 1.

    The characteristic polynomial (Faddeev & LeVerrier) is expanded at 1 + y. If the radius is below 1, all coefficients
    are positive. If it is 1, they are positive after division by a power of y. If it is above 1, some are not positive.
    """
    size = len(m)
    coefficients, power = [Fraction(1)], [[Fraction(i == j) for j in range(size)] for i in range(size)]
    for k in range(1, size + 1):
        power = [[sum((a * b for a, b in zip(row, col, strict=True)), Fraction(0)) for col in zip(*power, strict=True)]
                 for row in m]  # fmt: skip
        c = -sum((power[i][i] for i in range(size)), Fraction(0)) / k
        coefficients.append(c)
        power = [[entry + (c if i == j else 0) for j, entry in enumerate(row)] for i, row in enumerate(power)]
    for end in range(size + 1, 1, -1):  # repeated division by x - 1: the remainders are the coefficients at 1 + y
        for at in range(1, end):
            coefficients[at] += coefficients[at - 1]
    zeros = 0
    while coefficients[-1 - zeros] == 0:
        zeros += 1
    if any(c <= 0 for c in coefficients[: size + 1 - zeros]):
        return 1
    return 0 if zeros else -1


def system(rules: Weighted) -> dict[str, list[tuple[Fixed, tuple[str, ...]]]]:
    """Return the system with the total weight of the derivations of each non-terminal as its least solution."""
    return {h: [(w, tuple(names(rhs))) for rhs, w in own] for h, own in rules.items()}


def masses(
    rules: Weighted, bits: int = fixed.ROUGH, near: Mapping[str, Fixed] | None = None
) -> dict[str, Fixed] | None:
    """Total weight of the derivations of every non-terminal; None if one of them is infinite."""
    return fixed.least(system(rules), bits, near)


def normalised(rules: Weighted, mass: Mapping[str, Fixed]) -> Weighted:
    """Return rule probabilities, proportional to the weight of the derivations that begin with a rule.

    Impossible rules and non-terminals are left out.
    """
    found: dict[str, list[tuple[Rhs, Fixed]]] = {}
    for head, own in rules.items():
        if mass[head]:
            shares = ((rhs, fixed.total([w, *(mass[s] for s in names(rhs))])) for rhs, w in own)
            found[head] = [(rhs, (share << fixed.PLACES) // mass[head]) for rhs, share in shares if share]
    return found


def double_roots(rules: Weighted) -> set[str]:
    """Return the non-terminals of critical components. Weights must be probabilities: every non-terminal has mass 1."""
    shape = Grammar("", {head: [(rhs, Fraction(1)) for rhs, _ in own] for head, own in rules.items()})
    blocks = {head: shape.block(head) for head in rules}
    return {
        head
        for head, block in blocks.items()
        if fixed.slow({h: [(w, tuple(s for s in names(rhs) if s in block)) for rhs, w in rules[h]] for h in block})
    }


def collision(grammar: Grammar) -> mpmath.mpf:
    """Probability that two independent derivations are equal."""
    found = masses(grammar.weighted(lambda p: fixed.fixed(p * p)))
    assert found is not None, "squares of probabilities have a finite total"
    return fixed.real(found[grammar.start])


def expected(grammar: Grammar, marks: Marks, base: Mapping[str, Fixed] | None = None) -> mpmath.mpf:
    """Sum over derivations of P times the sum of the marks of the rules that they use, for a subcritical grammar.

    It is the derivative at h = 0 of the total weight with factors 1 + h mark, taken as a central difference.
    `base` gives the masses of the non-terminals if the weights are not probabilities.
    """
    ends = []
    base = dict.fromkeys(grammar.rules, fixed.ONE) if base is None else base
    for sign in (1, -1):
        rules = {
            head: [(rhs, marked(p, marks(head, rhs, p), sign)) for rhs, p in own] for head, own in grammar.rules.items()
        }
        found = masses(rules, 3 * HALF_STEP, base)
        assert found is not None, "subcritical"
        ends.append(found[grammar.start])
    return fixed.real(ends[0] - ends[1] << HALF_STEP - 1)


def marked(p: Fraction, mark: mpmath.mpf, sign: int) -> Fixed:
    """Return p (1 + sign h mark) in fixed point, with h = 2^-HALF_STEP."""
    with mpmath.workprec(2 * fixed.PLACES):
        return fixed.fixed(p) + sign * int(mpmath.ldexp(numbers.real(p) * mark, fixed.PLACES - HALF_STEP))


def emitted(grammar: Grammar) -> dict[str, mpmath.mpf]:
    """Expected number of tokens on the right-hand side for one use of each non-terminal."""
    return {
        head: numbers.real(sum((p * sum(isinstance(s, int) for s in rhs) for rhs, p in own), Fraction(0)))
        for head, own in grammar.rules.items()
    }


def likeliest(grammar: Grammar) -> Fraction:
    """Largest probability of a derivation."""
    best = dict.fromkeys(grammar.rules, Fraction(0))
    for _ in grammar.rules:  # in a likeliest derivation no non-terminal derives itself
        for head, own in grammar.rules.items():
            for rhs, p in own:
                for s in names(rhs):
                    p *= best[s]
                best[head] = max(best[head], p)
    return best[grammar.start]


def strings(grammar: Grammar, most: int, longest: int) -> set[Symbols] | None:
    """Return all strings by joining sets until nothing is new; None if there are more than `most` or longer ones."""
    found: dict[str, set[Symbols]] = {head: set() for head in grammar.rules}
    changed = True
    while changed:
        changed = False
        for head, rhs, _ in grammar.all_rules():
            joined: set[Symbols] = {()}
            for s in rhs:
                parts = found[s] if isinstance(s, str) else {(s,)}
                joined = {x + y for x in joined for y in parts}
                if len(joined) > most or any(len(x) > longest for x in joined):
                    return None
            changed |= not joined <= found[head]
            found[head] |= joined
            if len(found[head]) > most:
                return None
    return found[grammar.start]


def shortest(grammar: Grammar) -> dict[str, int]:
    """Number of symbols of the shortest string of each non-terminal."""
    far = 10**6
    found = dict.fromkeys(grammar.rules, far)
    for _ in range(len(grammar.rules) + 1):
        for head, rhs, _ in grammar.all_rules():
            found[head] = min(found[head], sum(found[s] if isinstance(s, str) else 1 for s in rhs))
    return found


def visits(grammar: Grammar, head: str) -> mpmath.mpf:
    """Expected number of times that a non-terminal is replaced in a derivation."""
    above = [a for a in grammar.critical if a == grammar.start or a in grammar.below[grammar.start]]
    if any(head == a or head in grammar.below[a] for a in above):
        return INFINITY
    if not above:
        return expected(grammar, lambda lhs, rhs, p: mpmath.mpf(lhs == head))
    return expected(_cut(grammar), lambda lhs, rhs, p: mpmath.mpf(lhs == head))


def _cut(grammar: Grammar) -> Grammar:
    """Let critical non-terminals derive the empty string at once. Visits that do not depend on them stay the same."""
    rules = {h: [((), Fraction(1))] if h in grammar.critical else own for h, own in grammar.rules.items()}
    return Grammar(grammar.start, rules)
