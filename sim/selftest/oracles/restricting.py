"""Results of restrictions of a listed law, in fractions, string by string."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction

import mpmath

from sim.selftest.oracles import lists
from sim.selftest.oracles.lists import NONE, Law, Symbols
from sim.selftest.oracles.numbers import DIGITS, entropy, real

Grouping = Callable[[Symbols], Symbols]


def head(law: Law, part: Grouping, count: int | None, mass: Fraction | None, slack: Fraction) -> set[Symbols]:
    """Return the heaviest strings of each part: `count` of them, or as few as hold the share `mass` - `slack`.

    Equally heavy strings are taken in lexicographic order.
    """
    found: set[Symbols] = set()
    for one in {part(x) for x, p in law.items() if p}:
        own = {x: p for x, p in law.items() if p and part(x) == one}
        held, whole = NONE, sum(own.values(), NONE)
        order = sorted((-p, (*x, 0), x) for x, p in own.items())
        for number, (_, _, x) in enumerate(order):
            if number == count or (mass is not None and number and held >= (mass - slack) * whole):
                break
            found.add(x)
            held += own[x]
    return found


def sides(law: Law, part: Grouping, dropped: set[Symbols]) -> tuple[mpmath.mpf, mpmath.mpf, Fraction]:
    """Return E b (H(P_A) - H(P_B)) / E b, E h(b) / E b and E b. B is the dropped set of each part and b its share."""
    with mpmath.workdps(DIGITS):
        gap, needed, total = mpmath.mpf(0), mpmath.mpf(0), NONE
        for one in {part(x) for x, p in law.items() if p}:
            own = {x: p for x, p in law.items() if p and part(x) == one}
            weight = sum(own.values(), NONE)
            gone = {x: p for x, p in own.items() if x in dropped}
            left = {x: p for x, p in own.items() if x not in dropped}
            b = sum(gone.values(), NONE) / weight
            inside = [entropy(lists.normalised(some).values()) if some else mpmath.mpf(0) for some in (left, gone)]
            gap += real(weight * b) * (inside[0] - inside[1])
            needed += real(weight) * entropy([b, 1 - b])
            total += weight * b
        return gap / real(total), needed / real(total), total


def mixture(
    law: Law, posterior: Mapping[Symbols, Sequence[Fraction]], weights: Sequence[Fraction]
) -> dict[Symbols, Fraction]:
    """Return the mixture sum_z w_z P(. | z) / sum_z w_z."""
    out = dict.fromkeys(law, NONE)
    for z, weight in enumerate(weights):
        if weight:
            own = lists.given(law, {x: posterior[x][z] for x in law})[0]
            out = {x: p + weight / sum(weights) * own[x] for x, p in out.items()}
    return out


def deviations(
    x: Symbols, first: int, wrong: Callable[[Symbols], list[int]], rate: Fraction, insert: bool, most: int
) -> dict[Symbols, Fraction]:
    """Return the variants of a string and their probabilities, with at most `most` deviations from `first` on."""
    out: dict[Symbols, Fraction] = {}

    def onward(place: int, written: Symbols, weight: Fraction, left: int) -> Iterator[tuple[Symbols, Fraction]]:
        if place == len(x):
            yield written, weight
            return
        choices = wrong(x[:place]) if place >= first else []
        stay = 1 - rate if choices else Fraction(1)
        yield from onward(place + 1, (*written, x[place]), weight * stay, left)
        if left:
            for token in choices:
                text = (*written, token, x[place]) if insert else (*written, token)
                yield from onward(place + 1, text, weight * rate / len(choices), left - 1)

    for text, weight in onward(0, (), Fraction(1), most):
        out[text] = out.get(text, NONE) + weight
    return out
