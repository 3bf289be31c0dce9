"""Measures from their definitions: sums over every outcome in fractions, averaged over prompts with given weights."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import TypeAlias

import mpmath

from sim.selftest.oracles.models import NONE, Seen, atoms_behind, log, times, total
from sim.selftest.oracles.numbers import DIGITS, real

Pairs: TypeAlias = Iterable[tuple[Fraction, Fraction]]
"""Pairs (p, q) of the probabilities of the same atom."""


def mean_of(weighted: Iterable[tuple[Fraction, mpmath.mpf | Fraction | int]]) -> mpmath.mpf:
    """Sum of weight times value; +inf if a value of positive weight is +inf."""
    return total(times(w, number(value)) for w, value in weighted if w)


def number(value: mpmath.mpf | Fraction | int) -> mpmath.mpf:
    """Convert a number to an mpf with fifty digits."""
    return real(Fraction(value)) if isinstance(value, Fraction | int) else value


def entropy(atoms: Iterable[Fraction]) -> mpmath.mpf:
    """-sum p log p [nat]."""
    return total(times(p, -log(p)) for p in atoms if p)


def kl(pairs: Pairs) -> mpmath.mpf:
    """sum p log(p / q) [nat]."""
    return total(times(p, log(p) - log(q)) for p, q in pairs if p)


def cross_entropy(pairs: Pairs) -> mpmath.mpf:
    """-sum p log q [nat]."""
    return total(times(p, -log(q)) for p, q in pairs if p)


def total_variation(pairs: Pairs) -> Fraction:
    """Half the sum of |p - q|."""
    return sum((abs(p - q) for p, q in pairs), NONE) / 2


def jensen_shannon(pairs: Pairs) -> mpmath.mpf:
    """H((p + q) / 2) - (H(p) + H(q)) / 2 [nat]."""
    both = list(pairs)
    middle = entropy((p + q) / 2 for p, q in both)
    with mpmath.workdps(DIGITS):
        return middle - (entropy(p for p, _ in both) + entropy(q for _, q in both)) / 2


def square_hellinger(pairs: Pairs) -> mpmath.mpf:
    """1 - sum sqrt(p q)."""
    with mpmath.workdps(DIGITS):
        return 1 - total(mpmath.sqrt(real(p * q)) for p, q in pairs)


def off_entropy(seen: Seen) -> mpmath.mpf:
    """Entropy of the law over documents and exits [nat]."""
    return entropy([*seen.on, *seen.exits.values()])


def room(seen: Seen, size: int, length: int) -> mpmath.mpf:
    """sum_e q_e log R_e [nat], with R_e the number of outcomes behind exit e; every exit counts as a symbol."""
    return total(times(q, log(Fraction(atoms_behind(len(e) - 1, size, length)))) for e, q in seen.exits.items())


def distinct(atoms: Iterable[Fraction], number: int) -> Fraction:
    """Expected number of different atoms among `number` independent draws."""
    return sum((1 - (1 - p) ** number for p in atoms), NONE)


def needed(atoms: Iterable[Fraction], mass: Fraction) -> int | None:
    """Return how many of the heaviest atoms are needed to hold a mass; None if all together do not."""
    held = NONE
    for number, p in enumerate(sorted(atoms, reverse=True), start=1):
        held += p
        if held >= mass:
            return number
    return None


def split(p: Seen, q: Seen, member: Callable[[tuple[int, ...]], Fraction]) -> tuple[mpmath.mpf, mpmath.mpf]:
    """Return a part's share of the gate, and P(part) KL(P_part || q_part) [nat].

    Both are 0 if the part is impossible under P. The second term is 0 if it is impossible under q.
    """
    joint = [(a * m, b * m) for a, b, m in zip(p.on, q.on, map(member, p.documents), strict=True)]
    mass_p, mass_q = (sum(side, NONE) for side in (list(column) for column in zip(*joint, strict=True)))
    if not mass_p:
        return mpmath.mpf(0), mpmath.mpf(0)
    gate = kl([(mass_p, mass_q)])
    inner = kl([(a / mass_p, b / mass_q) for a, b in joint]) if mass_q else mpmath.mpf(0)
    return gate, times(mass_p, inner)


def squares(atoms: Iterable[Fraction]) -> Fraction:
    """sum p^2."""
    return sum((p * p for p in atoms), NONE)


def share_of_support(p: Seen, q: Seen, least: Fraction) -> Fraction:
    """Share of the possible documents of p to which q gives at least the probability `least`."""
    found = [b >= least for a, b in zip(p.on, q.on, strict=True) if a]
    return Fraction(sum(found), len(found))


def held(p: Seen, q: Seen, counts: Callable[[Fraction, Fraction], bool]) -> Fraction:
    """P-mass of the possible documents for which a condition on (p, q) holds."""
    return sum((a for a, b in zip(p.on, q.on, strict=True) if a and counts(a, b)), NONE)


def next_entropy(q: Seen, node: tuple[int, ...], size: int) -> mpmath.mpf:
    """q(node) H(q(. | node)) [nat]."""
    return times(q.mass(node), entropy(q.next(node, size) or []))


def next_kl(p: Seen, q: Seen, node: tuple[int, ...], size: int) -> mpmath.mpf:
    """p(node) KL(p(. | node) || q(. | node)) [nat]; +inf if q never reaches the node and has no law there."""
    if not p.mass(node):
        return mpmath.mpf(0)
    theirs = q.next(node, size)
    return mpmath.inf if theirs is None else times(p.mass(node), kl(zip(p.next(node, size) or [], theirs, strict=True)))


def next_largest(q: Seen, node: tuple[int, ...], size: int) -> Fraction:
    """q(node) times the largest next-token probability."""
    law = q.next(node, size) if q.mass(node) else None
    return q.mass(node) * max(law) if law else NONE
