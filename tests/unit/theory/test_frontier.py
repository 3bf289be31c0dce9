"""The frontier of fit and forgetting: fractions and many digits, random rivals, and scipy's constrained minimiser."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize

from sim.theory.frontier import (
    answers_point,
    divergence,
    frontier_law,
    frontier_point,
    least_forgetting,
    regret,
)

P = [Fraction(k, 21) for k in range(1, 7)]
S = [Fraction(1, 2), Fraction(0), Fraction(1, 3), Fraction(0), Fraction(0), Fraction(1, 6)]
WEIGHTS = (Fraction(1, 1000), Fraction(1, 7), Fraction(2), Fraction(10**6))


def logs(law) -> np.ndarray:
    return np.array([math.log(value) if value else -math.inf for value in law])


def kl(p, q) -> mpmath.mpf:
    exact = [(mpmath.mpf(a.numerator) / a.denominator, a / b) for a, b in zip(p, q, strict=True) if a]
    return mpmath.fsum(a * mpmath.log(mpmath.mpf(r.numerator) / r.denominator) for a, r in exact)


@pytest.mark.parametrize("weight", WEIGHTS, ids=str)
def test_a_point_of_the_frontier_in_many_digits(weight):
    law = [(s + weight * p) / (1 + weight) for s, p in zip(S, P, strict=True)]
    np.testing.assert_allclose(
        np.exp(frontier_law(logs(S), logs(P), float(weight))), [float(q) for q in law], rtol=1e-13
    )
    found = frontier_point(logs(S), logs(P), float(weight))
    with mpmath.workdps(50):
        assert found.fit == pytest.approx(float(kl(S, law)), rel=1e-9)
        assert found.forgetting == pytest.approx(float(kl(P, law)), rel=1e-9)
    assert found.forgetting <= math.log1p(1 / weight)


def test_nobody_is_below_the_frontier_and_the_regret_is_the_difference():
    dice = np.random.default_rng(0)
    log_s, log_p = logs(S), logs(P)
    for weight in (0.05, 1.0, 20.0):
        best = frontier_point(log_s, log_p, weight)
        for scale in (1.0, 0.8):  # a model may have mass off the list
            q = np.log(scale * dice.dirichlet(np.ones(6)))
            value = divergence(log_s, q) + weight * divergence(log_p, q)
            difference = value - best.fit - weight * best.forgetting
            assert regret(log_s, log_p, q, weight) == pytest.approx(difference, rel=1e-10)
            assert difference > 0.0
            assert divergence(log_p, q) > least_forgetting(log_s, log_p, divergence(log_s, q))
        assert regret(log_s, log_p, frontier_law(log_s, log_p, weight), weight) == pytest.approx(0.0, abs=1e-14)


@pytest.mark.parametrize("fit", [0.01, 0.2, 0.9])
def test_the_least_forgetting_is_what_a_constrained_minimiser_finds(fit):
    s, p = (np.array([float(value) for value in law]) for law in (S, P))
    kept = s > 0

    def law(logits):
        q = np.exp(logits - logits.max())
        return q / q.sum()

    within = {"type": "ineq", "fun": lambda x: fit - float(s[kept] @ np.log(s[kept] / law(x)[kept]))}
    chosen = {"constraints": [within], "options": {"ftol": 1e-13, "maxiter": 500}}
    best = minimize(lambda x: float(p @ np.log(p / law(x))), np.log(0.9 * s + 0.1 * p), method="SLSQP", **chosen)
    assert best.success
    assert least_forgetting(logs(S), logs(P), fit) == pytest.approx(best.fun, rel=1e-6)


def test_the_slope_of_the_frontier_is_the_weight_and_its_ends_are_the_two_laws():
    log_s, log_p = logs(S), logs(P)
    for weight in (0.03, 1.0, 40.0):
        near, far = (frontier_point(log_s, log_p, weight * factor) for factor in (1 - 1e-5, 1 + 1e-5))
        assert (near.fit - far.fit) / (far.forgetting - near.forgetting) == pytest.approx(weight, rel=1e-6)
    assert least_forgetting(log_s, log_p, 0.0) == math.inf
    assert least_forgetting(log_p, log_p, 0.0) == 0.0
    assert least_forgetting(log_s, log_p, divergence(log_s, log_p)) == 0.0
    tiny = least_forgetting(log_s, log_p, 1e-12)  # here KL(P‖q) is about -P(B) log λ, with a fit of λ P(B)
    lost = float(1 - sum(p for p, s in zip(P, S, strict=True) if s))
    assert tiny == pytest.approx(least_forgetting(log_s, log_p, 1e-11) + lost * math.log(10), rel=1e-6)


def test_refused():
    for weight in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="a finite weight λ above 0 is required"):
            frontier_point(logs(S), logs(P), weight)
        with pytest.raises(ValueError, match="a finite weight λ above 0 is required"):
            frontier_law(logs(S), logs(P), weight)
    with pytest.raises(ValueError, match=r"a fit KL\(S‖q\) of at least 0 is required, found -1"):
        least_forgetting(logs(S), logs(P), -1.0)


@pytest.mark.parametrize("fit", [0.02, 0.15])
def test_the_frontier_of_answers_is_what_a_constrained_minimiser_finds(fit):
    """Two prompts with three answers each; S has other prompts than P, and lacks two answers."""
    prompt = np.array([0, 0, 0, 1, 1, 1])
    s, p = np.array([0.4, 0.3, 0.0, 0.2, 0.0, 0.1]), np.array([0.1, 0.2, 0.1, 0.3, 0.2, 0.1])

    def laws(z):
        q = np.exp(z - np.array([z[:3].max()] * 3 + [z[3:].max()] * 3))
        return q / np.array([q[:3].sum()] * 3 + [q[3:].sum()] * 3)

    def within(joint, q):
        given = joint / np.array([joint[:3].sum()] * 3 + [joint[3:].sum()] * 3)
        return sum(w * math.log(g / v) for w, g, v in zip(joint, given, q, strict=True) if w)

    limit = {"type": "eq", "fun": lambda z: within(s, laws(z)) - fit}
    oracle = minimize(lambda z: within(p, laws(z)), np.zeros(6), constraints=[limit], options={"ftol": 1e-14}).fun
    with np.errstate(divide="ignore"):
        found = least_forgetting(np.log(s), np.log(p), fit, prompt)
        assert least_forgetting(np.log(s), np.log(p), 9.0, prompt) == 0.0
        assert least_forgetting(np.log(s), np.log(p), 0.0, prompt) == math.inf
        point = answers_point(np.log(s), np.log(p), 0.3, prompt)
    assert found == pytest.approx(oracle, abs=1e-6)
    mixture = (s + 0.3 * p) / np.array([(s + 0.3 * p)[:3].sum()] * 3 + [(s + 0.3 * p)[3:].sum()] * 3)
    assert point.fit == pytest.approx(within(s, mixture), abs=1e-12)
    assert point.forgetting == pytest.approx(within(p, mixture), abs=1e-12)
