"""Data that pile up over generations: against all draws in exact fractions, an infinite product, and its limits."""

import itertools
import math
from collections import Counter
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from sim.theory.generations import accumulated_distances, accumulated_share, expected_distances

P = (Fraction(1, 2), Fraction(1, 3), Fraction(1, 6))
C = float(sum(p**2 for p in P))


def distances(n: int, generations: int) -> list[Fraction]:
    """R_0, R_1, ...: the state is how often each string occurs so far, and every sequence of n draws is tried."""
    states: dict[tuple[int, ...], Fraction] = {(0, 0, 0): Fraction(1)}
    found = []
    for _ in range(generations + 1):
        after: dict[tuple[int, ...], Fraction] = Counter()
        for counts, weight in states.items():
            law = [Fraction(one, sum(counts)) for one in counts] if sum(counts) else P
            for drawn in itertools.product(range(3), repeat=n):
                more = tuple(counts[one] + drawn.count(one) for one in range(3))
                after[more] += weight * math.prod((law[one] for one in drawn), start=Fraction(1))
        states = {one: weight for one, weight in after.items() if weight}
        found.append(
            sum(w * sum((Fraction(c, sum(s)) - p) ** 2 for c, p in zip(s, P, strict=True)) for s, w in states.items())
        )
    return found


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_law_is_that_of_all_draws(n: int) -> None:
    generations = 3 if n < 3 else 2
    assert accumulated_distances(C, n, generations) == pytest.approx(
        [float(one) for one in distances(n, generations)], rel=1e-13
    )


@pytest.mark.parametrize("n", [1, 1.5, 2, 10, 1000, 1e9, math.inf])
def test_the_limit_is_an_infinite_product(n: float) -> None:
    x = mpmath.mpf(0) if n == math.inf else 1 / mpmath.sqrt(n)
    wanted = mpmath.sin(mpmath.pi * x) / (mpmath.pi * x) if x else mpmath.mpf(1)
    assert accumulated_share(n) == pytest.approx(float(wanted), abs=1e-15)
    left = 1.0 - accumulated_distances(C, n, 20_000)[-1] / (1 - C)
    assert left == pytest.approx(float(wanted), abs=1e-4 / n)
    assert left >= accumulated_share(n) - 1e-12


def test_it_is_bounded_where_replaced_data_lose_everything() -> None:
    """The bound π²/6 (1 − C)/n holds at every generation, and without piling up R_g passes it."""
    n = 10
    piled, replaced = accumulated_distances(C, n, 500), expected_distances(C, n, 0.0, 501)[1:]
    bound = math.pi**2 / 6 * (1 - C) / n
    assert (piled <= bound).all()
    assert (np.diff(piled) > 0).all()
    assert piled[0] == pytest.approx(replaced[0]) == pytest.approx((1 - C) / n)
    assert (replaced[5:] > bound).all()


def test_what_is_no_number_of_samples_is_refused() -> None:
    for wrong in (0, 0.5, math.nan):
        for call in (accumulated_share, lambda n: accumulated_distances(C, n, 2)):
            with pytest.raises(ValueError, match="at least 1 sample is required"):
                call(wrong)
