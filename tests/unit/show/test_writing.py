"""How numbers are written: bounds are rounded outward, marks say what a number is worth, signs survive."""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.quantity import Quantity
from sim.show.writing import (
    NEGLIGIBLE,
    bare,
    counted,
    difference,
    legend,
    percent,
    restored,
    settled,
    sign_of,
    text,
    written,
)


def number(shown: str) -> float:
    return float(shown.replace("−", "-").replace("∞", "inf"))


@given(st.floats(-1e6, 1e6))
def test_bounds_are_rounded_outward(value: float) -> None:
    below, above = number(written(value, ROUND_FLOOR)), number(written(value, ROUND_CEILING))
    assert below <= value <= above
    assert above - below <= max(1e-12, abs(value) * 0.11)


@given(st.one_of(st.floats(-1e98, 1e98), st.sampled_from([math.inf, -math.inf])))
def test_a_number_has_few_characters_and_its_sign(value: float) -> None:
    value = value if abs(value) > 1e-98 else 0.0
    shown = written(value)
    assert len(shown.removeprefix("−")) <= 8
    assert shown.startswith("−") == (value < 0)
    assert (shown == "0") == (value == 0)
    assert number(shown) == pytest.approx(value, rel=0.06)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (Quantity.of(2.0), "= 2.000"),
        (Quantity.of(0.0), "= 0"),
        (Quantity.of(3e-17), "< 1e-12"),
        (Quantity.of(-3e-17), "< 1e-12"),
        (Quantity.of(123456.7), "= 1.23e+05"),
        (Quantity(3e-17, 2.51e6), "[3.0e-17, 2.51e+06]"),
        (Quantity.of(math.inf), "= ∞"),
        (Quantity(-math.inf, 0.0), "[−∞, 0]"),
        (Quantity.of(0.00012345), "= 1.2e-04"),
        (Quantity.of(-0.00012345), "= −1.2e-04"),
        (Quantity(1.00049, 1.00051), "[1.000, 1.001]"),
        (Quantity(12.345, 123.45), "[12.34, 123.5]"),
        (Quantity(0.5, 0.75, "estimated", 0.6), "≈ [0.500, 0.750]"),
        (Quantity(0.5, 0.75, "over seeds", 0.6), "≈ [0.500, 0.750]"),
    ],
)
def test_marks(number: Quantity, shown: str) -> None:
    assert text(number) == shown
    assert bare(number) == shown.removeprefix("= ")


def test_a_difference_of_equal_numbers_is_zero_and_a_small_number_is_not() -> None:
    assert text(difference(Quantity.of(2.0), Quantity.of(2.0 + 4e-16))) == "= 0"
    assert settled(Quantity.of(3e-17)) == Quantity.of(0.0)
    assert settled(Quantity(0.0, 3e-17)) == Quantity(0.0, 3e-17)
    assert settled(Quantity.of(2 * NEGLIGIBLE)) == Quantity.of(2 * NEGLIGIBLE)


def test_a_difference_is_as_certain_as_its_parts() -> None:
    found = difference(Quantity(2.0, 3.0), Quantity.of(1.0))
    assert (found.lower, found.upper, found.kind, sign_of(found)) == (1.0, 2.0, "bounded", 1)
    assert sign_of(difference(Quantity(0.0, 3.0), Quantity.of(1.0))) == 0
    assert sign_of(Quantity(-2.0, -1.0)) == -1
    assert sign_of(Quantity.of(NEGLIGIBLE)) == 0


@pytest.mark.parametrize("kind", ["exact", "bounded", "estimated", "over seeds"])
def test_a_number_of_a_table_is_what_it_was(kind: str) -> None:
    ends = (0.5, 0.5) if kind == "exact" else (0.5, 0.75)
    found = restored(*ends, kind, 0.6)
    assert (found.lower, found.upper, found.kind) == (*ends, kind)
    assert found.value == {"exact": 0.5, "bounded": None}.get(kind, 0.6)


@pytest.mark.parametrize(
    ("share", "shown"),
    [(1.0, "100 %"), (0.99997, "> 99.9 %"), (1.0001, "> 100 %"), (0.5, "50.0 %"), (0.0, "0 %"), (2e-5, "0.002 %"),
     (-0.25, "−25.0 %")],
)  # fmt: skip
def test_percentages_are_whole_only_where_they_are(share: float, shown: str) -> None:
    assert percent(share) == shown


def test_counts_have_their_noun() -> None:
    assert [counted(one, "string") for one in (0, 1, 2, 1234)] == [
        "0 strings",
        "1 string",
        "2 strings",
        "1,234 strings",
    ]


def test_the_legend_explains_the_marks_that_occur() -> None:
    assert "[a, b]" not in legend({"exact"})
    assert "≈" not in legend({"exact", "bounded"})
    assert all(mark in legend({"exact", "bounded", "estimated"}) for mark in ("= ", "< ", "[a, b]", "≈", "–", "1e-12"))
    assert "–" in legend(set())
