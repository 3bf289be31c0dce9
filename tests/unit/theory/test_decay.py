"""The decay laws against small simulations in float64 with exact gradients."""

import itertools
import math
from collections.abc import Iterator

import mpmath
import numpy as np
import pytest
from scipy.optimize import brentq

from sim.theory.decay import (
    adam_ceiling,
    adam_rate,
    flat_sgd_constant,
    forgetting_slope,
    levelling_exponent,
    trie_sgd_constant,
    trie_sgd_constants,
)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.logaddexp.reduce(logits)


def sgd(log_q: np.ndarray, target: np.ndarray, rate: float, times: list[int]) -> Iterator[np.ndarray]:
    """log q_t at the given numbers of updates."""
    logits = log_q.copy()
    for t in range(1, max(times) + 1):
        logits += rate * (target - np.exp(log_softmax(logits)))
        if t in times:
            yield log_softmax(logits)


P = np.arange(1.0, 9.0) / 36.0
A = np.array([False, True, False, True, False, False, True, False])
S = np.where(A, P, 0.0) / P[A].sum()


def test_flat_sgd_reaches_its_constant_levels_out_and_forgets_at_its_slope():
    rate, times = 0.5, [10_000, 20_000, 40_000, 80_000]
    found = list(sgd(np.log(P), S, rate, times))
    constant = flat_sgd_constant(3, 5)
    assert constant == 15 / 8
    errors = [abs(rate * t * np.exp(q)[~A].sum() / constant - 1) for t, q in zip(times, found, strict=True)]
    assert errors[-1] < 5e-3
    assert errors[-1] < 0.7 * errors[0]
    spread = [np.ptp(q[~A]) for q in found]
    assert spread[0] < np.ptp(np.log(P)[~A]) / 10
    exponents = [math.log(before / after) / math.log(2) for before, after in itertools.pairwise(spread)]
    assert exponents[0] < exponents[-1] < levelling_exponent(3, 5)  # approached from below
    assert exponents[-1] == pytest.approx(levelling_exponent(3, 5), rel=0.02)
    forgetting = [float(P @ (np.log(P) - q)) for q in found]
    slope = (forgetting[-1] - forgetting[-2]) / math.log(times[-1] / times[-2])
    assert slope == pytest.approx(forgetting_slope(math.log(P[A].sum())), rel=5e-3)
    assert forgetting_slope(math.log(P[A].sum())) == pytest.approx(P[~A].sum())


def test_a_weight_slows_the_softmax_down():
    rate, weight, t = 1.0, 0.25, 80_000
    (q,) = sgd(np.log(P), S, rate * weight, [t])
    assert rate * t * np.exp(q)[~A].sum() == pytest.approx(flat_sgd_constant(3, 5, weight), rel=5e-3)


def test_trie_sgd_reaches_its_constants_and_keeps_what_is_below():
    """Two levels over four tokens: S takes tokens 0, 1 at the root; {0} after 0; {0, 1, 2} after 1."""
    root, after = np.array([0.7, 0.3, 0.0, 0.0]), np.array([[1.0, 0, 0, 0], [0.5, 0.2, 0.3, 0]])
    rate, t = 1.0, 60_000
    reach = np.array([1.0, 0.7, 0.3])
    base = np.log(np.array([0.4, 0.3, 0.2, 0.1]))
    found = [list(sgd(base, target, rate * w, [t // 4, t])) for target, w in zip([root, *after], reach, strict=True)]
    kept, forbidden = np.array([2, 1, 3]), np.array([2, 3, 1])
    lost = [np.exp(q[-1])[np.array(target) == 0] for q, target in zip(found, [root, *after], strict=True)]
    constants = trie_sgd_constants(kept, forbidden, np.log(reach))
    np.testing.assert_allclose([rate * t * m.sum() for m in lost], constants, rtol=1e-2)
    spread = [np.ptp(q[1:]) for q in found[1]]
    assert math.log(spread[0] / spread[1]) / math.log(4) == pytest.approx(levelling_exponent(1, 3), rel=0.03)
    total = lost[0].sum() + np.exp(found[0][-1][0]) * lost[1].sum() + np.exp(found[0][-1][1]) * lost[2].sum()
    assert rate * t * total == pytest.approx(trie_sgd_constant(kept, forbidden), rel=1e-2)
    assert trie_sgd_constant(kept, forbidden) == pytest.approx(1 + 3 / 4 + 3 / 4)
    # P = base at every node: the slope of KL(P‖q_t) is the mass of the strings that S never takes
    p = np.exp(base)
    gap = [found[k][0] - found[k][1] for k in range(3)]
    growth = p @ gap[0] + p[0] * (p @ gap[1]) + p[1] * (p @ gap[2])
    lost_mass = 1 - (p[0] * p[0] + p[1] * (p[0] + p[1] + p[2]))
    assert growth / math.log(4) == pytest.approx(forgetting_slope(math.log(1 - lost_mass)), rel=1e-2)
    assert trie_sgd_constants(np.array([3]), np.array([0]), np.zeros(1)) == 0.0


def adam(rate: float, beta1: float, beta2: float, num_steps: int) -> np.ndarray:
    """log q_t [steps, 8] of the flat table under Adam with eps = 0, bias correction and a fresh state."""
    logits, first, second = np.log(P), np.zeros(8), np.zeros(8)
    path = np.zeros((num_steps, 8))
    for t in range(1, num_steps + 1):
        gradient = np.exp(log_softmax(logits)) - S
        first = beta1 * first + (1 - beta1) * gradient
        second = beta2 * second + (1 - beta2) * gradient**2
        logits -= rate * (first / (1 - beta1**t)) / np.sqrt(second / (1 - beta2**t))
        path[t - 1] = log_softmax(logits)
    return path


@pytest.mark.parametrize(
    ("rate", "beta1", "beta2"), [(1e-2, 0.9, 0.99), (1e-3, 0.9, 0.99), (1e-3, 0.0, 0.98), (3e-2, 0.5, 0.95)]
)
def test_adam_keeps_ratios_and_decays_at_the_predicted_rate(rate, beta1, beta2):
    path = adam(rate, beta1, beta2, 6000)
    late = np.logaddexp.reduce(path[[3000, 5999]][:, ~A], axis=1)
    measured = float(late[0] - late[1]) / 2999
    slow, fast = (adam_rate(rate, beta1, beta2, speed) for speed in (1.0, 2.0))
    assert slow * (1 - 1e-3) <= measured <= fast * (1 + 1e-3)
    lost = path[-1][~A] - np.log(P)[~A]
    np.testing.assert_allclose(lost, lost[0], rtol=1e-9)


def test_adam_rate_is_the_rate_of_a_logit_whose_gradient_is_its_probability():
    """c = 1 exactly: one lost logit against a fixed normaliser, d log q = d logit."""
    rate, beta1, beta2 = 2e-3, 0.9, 0.99
    log_q, first, second, path = 0.0, 0.0, 0.0, []
    for t in range(1, 8001):
        gradient = math.exp(log_q)
        first = beta1 * first + (1 - beta1) * gradient
        second = beta2 * second + (1 - beta2) * gradient**2
        log_q -= rate * (first / (1 - beta1**t)) / math.sqrt(second / (1 - beta2**t))
        path.append(log_q)
    assert (path[5999] - path[7999]) / 2000 == pytest.approx(adam_rate(rate, beta1, beta2), rel=1e-9)


@pytest.mark.parametrize("beta1", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("beta2", [0.99, 0.999, 1 - 1e-6])
@pytest.mark.parametrize("rate", [1e-6, 1e-3, 1.0])
def test_adam_rate_solves_its_equation_uniquely(rate, beta1, beta2):
    found = adam_rate(rate, beta1, beta2, 1.5)
    assert 0 < found <= 1.5 * rate
    assert beta1 * math.exp(found) < 1
    assert beta2 * math.exp(2 * found) < 1 + 1e-15
    with mpmath.workdps(60):
        b1, b2, lr = mpmath.mpf(beta1), mpmath.mpf(beta2), mpmath.mpf(rate)

        def excess(r):
            step = (1 - b1) / (1 - b1 * mpmath.exp(r)) * mpmath.sqrt((1 - b2 * mpmath.exp(2 * r)) / (1 - b2))
            return mpmath.mpf(1.5) * lr * step - r

        end = -mpmath.log(b2) / 2
        before, after = mpmath.mpf(found) * (1 - mpmath.mpf(1e-9)), mpmath.mpf(found) * (1 + mpmath.mpf(1e-9))
        assert excess(before) > 0
        assert after > end or excess(after) < 0
        values = [excess(end * k / 100) for k in range(101)]
        assert all(x > y for x, y in itertools.pairwise(values))  # falls, so the root is the only one


def test_limits_of_the_adam_rate():
    assert adam_rate(0.01, 0.0, 0.0) == pytest.approx(0.01)  # the sign of the gradient
    assert adam_rate(1e-9, 0.9, 0.99) == pytest.approx(1e-9, rel=1e-6)  # small steps: full speed
    assert adam_rate(10.0, 0.9, 0.999) == pytest.approx(-0.5 * math.log(0.999), rel=1e-6)  # the dial is β2
    r = brentq(lambda r: 1e-3 * math.sqrt((1 - 0.9 * math.exp(2 * r)) / 0.1) - r, 0, 0.05)
    assert adam_rate(1e-3, 0.0, 0.9) == pytest.approx(r, rel=1e-9)


@pytest.mark.parametrize(
    "bad", [(0.0, 0.9, 0.99, 1.0), (1e-3, 0.99, 0.9, 1.0), (1e-3, 0.9, 1.0, 1.0), (1e-3, 0.9, 0.99, 3.0)]
)
def test_adam_rate_refuses_what_is_outside_its_domain(bad):
    with pytest.raises(ValueError, match="are required, found"):
        adam_rate(*bad)


def test_sgd_constant_refuses_empty_sides():
    with pytest.raises(ValueError, match="kept, lost >= 1"):
        flat_sgd_constant(3, 0)


@pytest.mark.parametrize("beta2", [0.9, 0.99, 0.999])
def test_the_rate_of_adam_rises_to_its_ceiling(beta2):
    rates = [adam_rate(rate, min(0.9, beta2), beta2) for rate in (1e-4, 1e-2, 1.0, 1e3)]
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(adam_ceiling(beta2), rel=1e-3)
    assert rates[-1] <= adam_ceiling(beta2)


@pytest.mark.parametrize("beta2", [0.0, 1.0, -0.5])
def test_a_ceiling_needs_a_decaying_second_moment(beta2):
    with pytest.raises(ValueError, match="0 < beta2 < 1 is required"):
        adam_ceiling(beta2)
