"""Log-space arithmetic against mpmath, and the conventions 0 log 0 = 0 and 0 * inf = 0."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from sim.numerics import expectation, log_group_sum, log_softmax, log_sum_exp, nearest

INF = math.inf
LOGS = st.one_of(st.just(-INF), st.floats(-1e4, 1e4))


def exact_log_sum(values: list[float]) -> float:
    with mpmath.workdps(60):
        total = mpmath.fsum(mpmath.e ** mpmath.mpf(v) for v in values if v > -INF)
        return float(mpmath.log(total)) if total else -INF


@given(st.lists(LOGS, max_size=8))
def test_log_sum_exp(values: list[float]) -> None:
    found = float(log_sum_exp(np.array(values)))
    expected = exact_log_sum(values)
    assert found == expected if expected == -INF else found == pytest.approx(expected, rel=1e-14, abs=1e-13)


@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=3, max_side=4), elements=LOGS), st.sampled_from([0, 1, -1]))
def test_log_sum_exp_along_an_axis(values: np.ndarray, axis: int) -> None:
    expected = np.apply_along_axis(lambda row: exact_log_sum(list(row)), axis, values)
    found = log_sum_exp(values, axis=axis)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-12)


@pytest.mark.parametrize("extreme", [-1e300, -800.0, 800.0, 1e300])
def test_no_overflow_and_no_underflow(extreme: float) -> None:
    assert float(log_sum_exp(np.array([extreme, extreme]))) == pytest.approx(extreme + math.log(2), rel=1e-15)
    np.testing.assert_allclose(log_softmax(np.array([extreme, extreme])), -math.log(2), rtol=1e-15)


def test_empty_sums_are_impossible_events() -> None:
    assert log_sum_exp(np.array([])) == -INF
    assert log_sum_exp(np.zeros((3, 0)), axis=1).tolist() == [-INF] * 3
    assert log_group_sum(np.array([]), np.array([], int), 2).tolist() == [-INF, -INF]


@given(st.lists(st.tuples(st.integers(0, 3), LOGS), min_size=1, max_size=10))
def test_log_group_sum(pairs: list[tuple[int, float]]) -> None:
    group, values = np.array([g for g, _ in pairs]), np.array([v for _, v in pairs])
    expected = [exact_log_sum([v for g, v in pairs if g == index]) for index in range(5)]
    np.testing.assert_allclose(log_group_sum(values, group, 5), expected, rtol=1e-14, atol=1e-12)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=6))
def test_log_softmax_sums_to_one_and_keeps_impossible_tokens(logits: list[float]) -> None:
    found = log_softmax(np.array([*logits, -INF], np.float32))
    assert found.dtype == np.float64
    assert found[-1] == -INF
    assert math.fsum(np.exp(found)) == pytest.approx(1.0, abs=1e-14)
    np.testing.assert_allclose(
        found[:-1] - found[0], np.float32(logits) - np.float64(np.float32(logits[0])), atol=1e-12
    )


@pytest.mark.parametrize("row", [[-INF, -INF], [math.nan, 0.0], [INF, 0.0]])
def test_a_row_without_a_softmax_is_refused(row: list[float]) -> None:
    with pytest.raises(ValueError, match="a finite normaliser is required"):
        log_softmax(np.array([[0.0, 1.0], row]))


def test_expectation_by_hand() -> None:
    log_p = np.log(np.array([0.5, 0.25, 0.25]))
    assert expectation(log_p, np.array([1.0, 2.0, -4.0])) == 0.0
    assert expectation(log_p[:2], np.array([1.0, 2.0])) == 1.0, "of a sub-probability: the sum over what it covers"
    assert expectation(log_p, np.array(3.0)) == pytest.approx(3.0, rel=1e-15), "numbers broadcast"


@pytest.mark.parametrize("wild", [INF, -INF, math.nan])
def test_what_has_probability_zero_counts_nothing(wild: float) -> None:
    assert expectation(np.array([0.0, -INF]), np.array([2.0, wild])) == 2.0


def test_what_has_probability_counts_even_if_infinite() -> None:
    assert expectation(np.array([-700.0, 0.0]), np.array([INF, 1.0])) == INF


def test_a_nan_is_never_taken_for_probability_zero() -> None:
    assert math.isnan(expectation(np.array([math.nan, 0.0]), np.array([1.0, 1.0])))
    assert math.isnan(float(log_sum_exp(np.array([math.nan, 0.0]))))


def test_nearest() -> None:
    assert nearest("widht", ["depth", "width"]) == " (did you mean 'width'?)"
    assert nearest("zzz", ["depth", "width"]) == ""
    assert nearest("anything", []) == ""
