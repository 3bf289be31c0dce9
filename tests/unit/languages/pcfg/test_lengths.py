"""The number of symbols of a string: its law, horizons, and strings listed up to one."""

import math
import time
from fractions import Fraction

import numpy as np
import pytest
from written_grammars import grammar, tokens

from sim.numerics import SpecificationError


def geometric(stop):
    return grammar("S -> a S [{go}]\nS -> [{stop}]", "a", stop=stop, go=1 - Fraction(stop))


def test_the_geometric_law():
    lengths = geometric("1/4").lengths
    np.testing.assert_allclose(lengths.law(400), 0.25 * 0.75 ** np.arange(400), rtol=1e-12)
    assert lengths.dropped_mass(400) == pytest.approx(0.75**400, rel=1e-12)
    assert lengths.log_mass_within(5) == pytest.approx(math.log1p(-(0.75**5)), rel=1e-14)
    assert lengths.shortest_horizon(0.75**20 * 1.01) == 20
    assert lengths.shortest_horizon(0.75**20 * 0.99) == 21
    assert lengths.shortest_horizon(0.0) is None


def test_tails_below_the_range_of_floats_are_told_apart():
    lengths = geometric(1 - Fraction(1, 1000)).lengths
    assert lengths.dropped_mass(100) == pytest.approx(1e-300, rel=1e-12)
    assert lengths.shortest_horizon(1.5e-300) == 100
    assert lengths.dropped_mass(150) == 0.0
    assert lengths.shortest_horizon(0.0) == 108  # e^-745 is the smallest float


@pytest.mark.parametrize("length", [0, -1, -5])
def test_a_horizon_of_no_tokens_holds_nothing(length):
    """Not even the empty string, whose end takes one token."""
    p = geometric("1/2")
    assert p.log_mass_within(length) == -math.inf
    assert p.dropped_mass(length) == 1.0
    assert p.count(length) == 0
    with pytest.raises(SpecificationError, match="length must be at least 1, the shortest string and its end, found"):
        p.enumerate(length, 10)


def test_a_horizon_of_one_token_holds_the_empty_string():
    listed, dropped = geometric("1/4").enumerate(1, 10)
    assert listed.support_size == 1
    assert listed.log_prob([]) == 0.0
    assert dropped == pytest.approx(0.75, rel=1e-15)


def test_listing_sums_over_derivations():
    p = grammar("S -> S S [1/3]\nS -> a [1/3]\nS -> b [1/3]")
    listed, dropped = p.enumerate(5, 100)
    assert listed.support_size == 2 + 4 + 8 + 16
    kept = 1 - dropped
    for string, trees in (("a", 1), ("ab", 1), ("aba", 2), ("abab", 5)):
        n = len(string)
        wanted = trees * (1 / 3) ** (2 * n - 1)
        assert math.exp(listed.log_prob(tokens(p, string))) == pytest.approx(wanted / kept, rel=1e-13)


def test_long_laws_take_no_long_time():
    p = grammar("S -> a S b S [1/2]\nS -> [1/2]")
    began = time.perf_counter()
    law = p.lengths.law(2001)
    assert time.perf_counter() - began < 5
    n = 1000
    wanted = math.lgamma(2 * n + 1) - 2 * math.lgamma(n + 1) - math.log(n + 1) - (2 * n + 1) * math.log(2)
    assert math.log(law[2 * n]) == pytest.approx(wanted, abs=1e-9)
    tails = [math.comb(2 * k, k) / 4**k for k in (127, 128)]  # of k pairs of brackets or more
    assert tails[1] <= 0.05 < tails[0]
    assert p.dropped_mass(255) == pytest.approx(tails[1], rel=1e-12)
    assert p.shortest_horizon(0.05) == 255
