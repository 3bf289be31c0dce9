"""Variances of sums of marks, from second differences of generating functions, and eigenvalues with many digits.

The total weight with factors 1 + h mark is G(h), and E[X^2] = G''(0) + E[sum of mark^2]. The package instead adds local
variances, and never subtracts.
"""

from collections.abc import Sequence
from fractions import Fraction

import mpmath

from sim.selftest.oracles import fixed, grammars, walks
from sim.selftest.oracles.grammars import Grammar
from sim.selftest.oracles.machines import Walk
from sim.selftest.oracles.numbers import real

PLACES = 150
"""Decimal digits for eigenvalues. A multiple eigenvalue keeps only a fraction of them."""


def of_walk(walk: Walk, marks: walks.Marks) -> mpmath.mpf:
    """Variance of the sum of the marks along a walk."""
    up, middle, down = (walks.tilted(walk, marks, sign) for sign in (1, 0, -1))
    with mpmath.workdps(walks.DIGITS):
        pairs = walks.real((up - 2 * middle + down) << 2 * walks.STEP)
        squares = walks.expected(walk, lambda s, a, t, p: marks(s, a, t, p) ** 2)
        return pairs + squares - walks.expected(walk, marks) ** 2


def of_grammar(grammar: Grammar, marks: grammars.Marks) -> mpmath.mpf:
    """Variance of the sum of the marks of the rules that a derivation uses, for a subcritical grammar."""
    ends = []
    for sign in (1, -1):
        rules = {
            head: [(rhs, grammars.marked(p, marks(head, rhs, p), sign)) for rhs, p in own]
            for head, own in grammar.rules.items()
        }
        found = grammars.masses(rules, 3 * grammars.HALF_STEP, dict.fromkeys(grammar.rules, fixed.ONE))
        assert found is not None, "subcritical"
        ends.append(found[grammar.start])
    with mpmath.workdps(walks.DIGITS):
        pairs = fixed.real((ends[0] - 2 * fixed.ONE + ends[1]) << 2 * grammars.HALF_STEP)
        squares = grammars.expected(grammar, lambda head, rhs, p: marks(head, rhs, p) ** 2)
        return pairs + squares - grammars.expected(grammar, marks) ** 2


def spectral_radius(matrix: Sequence[Sequence[Fraction]]) -> mpmath.mpf:
    """Largest absolute value of an eigenvalue."""
    with mpmath.workdps(PLACES):
        rows = mpmath.matrix([[mpmath.mpf(x.numerator) / x.denominator for x in row] for row in matrix])
        return max(abs(value) for value in mpmath.eig(rows, left=False, right=False)) + real(Fraction(0))
