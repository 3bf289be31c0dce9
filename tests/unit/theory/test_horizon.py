"""The walker of two states against all its paths in fractions, and against closed forms in many digits."""

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from sim.theory.horizon import (
    changed,
    continuous_slope,
    discrete_slope,
    off_by_step,
    slope_between,
    steps_off,
    steps_off_at_rate,
)

HAZARDS = [Fraction(1, 7), Fraction(0), Fraction(2, 3), Fraction(1, 100), Fraction(1), Fraction(1, 2)]
RECOVERIES = [Fraction(1, 3), Fraction(1, 2), Fraction(0), Fraction(1, 5), Fraction(1, 9), Fraction(1)]


def over_all_paths(hazards: list[Fraction], recoveries: list[Fraction]) -> list[Fraction]:
    """J(1), ..., J(T): every sequence of states with its probability and its steps off the path."""
    found = [Fraction(0)] * len(hazards)
    for path in itertools.product((False, True), repeat=len(hazards)):
        mass, before = Fraction(1), False
        for off, hazard, recovery in zip(path, hazards, recoveries, strict=True):
            change = recovery if before else hazard
            mass, before = mass * (change if off != before else 1 - change), off
        for t in range(len(path)):
            found[t] += mass * sum(path[: t + 1])
    return found


@pytest.mark.parametrize("recoveries", [RECOVERIES, [Fraction(0)] * 6], ids=["returning", "absorbing"])
def test_the_recursion_is_the_mean_over_all_paths(recoveries: list[Fraction]) -> None:
    hazards, back = (np.array(one, np.float64) for one in (HAZARDS, recoveries))
    wanted = [float(value) for value in over_all_paths(HAZARDS, recoveries)]
    np.testing.assert_allclose(steps_off(hazards, back), wanted, rtol=1e-14)
    np.testing.assert_allclose(off_by_step(hazards, back), np.diff(wanted, prepend=0.0), rtol=1e-13)


@pytest.mark.parametrize(
    ("hazard", "recovery"), [(0.01, 0.0), (0.2, 0.3), (0.9, 0.8), (1e-12, 0.0), (1e-9, 1e-9), (0.5, 0.5), (1.0, 1.0)]
)
def test_a_constant_rate_has_the_closed_form(hazard: float, recovery: float) -> None:
    """The closed form in 60 digits; in float64 it would have none left at a hazard of 1e-12."""
    for horizon in (1, 2, 7, 256):
        with mpmath.workdps(60):
            e, r = mpmath.mpf(hazard), mpmath.mpf(recovery)
            share, decay = e / (e + r), 1 - e - r
            wanted = float(share * horizon - share * decay * (1 - decay**horizon) / (1 - decay))
        assert steps_off_at_rate(hazard, recovery, horizon) == pytest.approx(wanted, rel=1e-13)
        by_step = steps_off(np.full(horizon, hazard), np.full(horizon, recovery))
        assert by_step[-1] == pytest.approx(wanted, rel=1e-12)
    assert steps_off_at_rate(0.0, recovery, 9) == 0.0


def test_several_steps_at_once_are_a_power_of_the_matrix() -> None:
    hazard, recovery = Fraction(3, 10), Fraction(2, 10)
    on, off = Fraction(1), Fraction(0)
    for n in range(1, 8):
        on, off = on * (1 - hazard) + off * recovery, on * hazard + off * (1 - recovery)
        assert 0.6 * changed(0.5, n) == pytest.approx(float(off), rel=1e-14)
    assert changed(1.5, 3) == pytest.approx(1 + 0.5**3)


def test_the_discrete_slope_differs_from_the_continuous_one_at_short_horizons() -> None:
    """From T = 4 to 8 at a hazard of 0.01: J(4) = 0.0990 and J(8) = 0.3517."""
    ratio = over_all_paths([Fraction(1, 100)] * 8, [Fraction(0)] * 8)
    assert discrete_slope(0.01, 0.0, 4, 8) == pytest.approx(math.log2(ratio[7] / ratio[3]), rel=1e-12)
    assert discrete_slope(0.01, 0.0, 4, 8) == pytest.approx(1.829, abs=5e-4)
    assert 1.97 < continuous_slope(0.08) < continuous_slope(0.04) < 1.99
    assert discrete_slope(1e-9, 0.0, 4, 8) == pytest.approx(math.log2(36 / 10), rel=1e-6)  # J = ε T (T + 1) / 2
    assert discrete_slope(1e-5, 0.0, 2**14, 2**15) == pytest.approx(
        slope_between(*(u + math.expm1(-u) for u in (0.16384, 0.32768)), 1, 2), abs=1e-4
    )


def test_the_continuous_slope_is_the_derivative_of_its_growth_law() -> None:
    for u in (1e-9, 1e-3, 0.1, 0.499, 0.5, 1.0, 10.0, 700.0):
        with mpmath.workdps(60):
            wanted = mpmath.diff(lambda x: mpmath.log(mpmath.exp(x) - 1 + mpmath.exp(-mpmath.exp(x))), mpmath.log(u))
        assert continuous_slope(u) == pytest.approx(float(wanted), rel=1e-12)
    assert [round(continuous_slope(u), 2) for u in (0.1, 1.0, 10.0)] == [1.97, 1.72, 1.11]


def test_refused() -> None:
    with pytest.raises(ValueError, match="ε_t and r_t of one length are required"):
        steps_off(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="r_t: probabilities from 0 to 1 are required"):
        steps_off(np.zeros(2), np.array([0.5, 1.5]))
    with pytest.raises(ValueError, match="0 <= ε, r <= 1 and T >= 0 are required, found ε = -1"):
        steps_off_at_rate(-1.0, 0.0, 3)
    with pytest.raises(ValueError, match="positive J at two different horizons"):
        slope_between(1.0, 2.0, 4, 4)
    with pytest.raises(ValueError, match="u > 0 is required, found 0"):
        continuous_slope(0.0)
