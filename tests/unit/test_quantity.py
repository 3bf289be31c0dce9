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


def test_the_difference_of_two_infinite_numbers_is_unknown():
    assert Quantity.of(math.inf) - Quantity.of(math.inf) == Quantity(-math.inf, math.inf)
    assert Quantity.of(1.0) - Quantity.of(math.inf) == Quantity.of(-math.inf)


def test_a_random_number_stays_random():
    mean = Quantity(1.0, 3.0, "over seeds", 2.0, 0.95, 5, "t")
    assert (mean.kind, mean.value, mean.exact) == ("over seeds", 2.0, False)
    assert Quantity(2.0, 2.0, "over seeds", 2.0).kind == "over seeds", "even where all seeds agree"
    shifted = mean - Quantity.of(1.0)
    assert (shifted.lower, shifted.upper, shifted.value, shifted.level) == (0.0, 2.0, 1.0, 0.95)
    assert mean.decreasing(lambda x: -x) == Quantity(-3.0, -1.0, "over seeds", -2.0, 0.95, 5, "t")
    loose = mean + Quantity(0.0, 1.0)
    assert (loose.kind, loose.value, loose.lower, loose.upper) == ("over seeds", None, 1.0, 4.0)
    both = mean + Quantity(0.0, 1.0, "estimated", 0.5, 0.95, 100, "t")
    assert (both.level, both.count, both.value) == (pytest.approx(0.9), 5, 2.5)


@pytest.mark.parametrize("ends", [(1.0, 0.0), (math.nan, 1.0), (0.0, math.nan)])
def test_bad_ends_are_refused(ends):
    with pytest.raises(ValueError, match="lower <= upper is required"):
        Quantity(*ends)


def test_bounds_that_rounding_has_swapped_are_put_in_order_and_no_others():
    assert Quantity.within_rounding(1.0 + 1e-13, 1.0, 1e-12) == Quantity.of(1.0)
    assert Quantity.within_rounding(-1e-13, -1e-14, 1e-12) == Quantity.of(0.0)
    assert Quantity.within_rounding(0.5, 2.0, 0.0) == Quantity(0.5, 2.0)
    for lower, upper in ((1.0 + 1e-11, 1.0), (-1.0, -1e-11), (0.0, float("nan"))):
        with pytest.raises(ArithmeticError, match="lower <= upper"):
            Quantity.within_rounding(lower, upper, 1e-12)
