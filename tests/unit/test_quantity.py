import math

import pytest

from sim.quantity import Quantity, exponential, logarithm, reciprocal


def test_exact_iff_both_ends_are_equal():
    assert Quantity.of(2.0).exact
    assert Quantity.of(2.0).value == 2.0
    assert Quantity.of(math.inf).width == 0.0
    wide = Quantity(1.0, 2.0)
    assert (wide.exact, wide.value, wide.width) == (False, None, 1.0)


def test_arithmetic_of_intervals():
    assert Quantity(1.0, 2.0) + Quantity(10.0, 30.0) == Quantity(11.0, 32.0)
    assert Quantity(1.0, 2.0) - Quantity(10.0, 30.0) == Quantity(-29.0, -8.0)
    assert Quantity(1.0, 2.0).scaled(-2.0) == Quantity(-4.0, -2.0)
    assert Quantity(0.0, 4.0).decreasing(reciprocal) == Quantity(0.25, math.inf)
    assert Quantity(0.0, 1.0).increasing(logarithm) == Quantity(-math.inf, 0.0)
    assert Quantity(0.0, 1e4).increasing(exponential) == Quantity(1.0, math.inf)


@pytest.mark.parametrize("ends", [(1.0, 0.0), (math.nan, 1.0), (0.0, math.nan)])
def test_bad_ends_are_refused(ends):
    with pytest.raises(ValueError, match="lower <= upper is required"):
        Quantity(*ends)
