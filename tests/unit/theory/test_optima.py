import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import minimize

from sim.theory.optima import (
    forward_kl_to_base,
    frontier,
    mixture_weight,
    regret,
    replay,
    replay_forgetting,
)

P = [Fraction(k, 55) for k in range(1, 11)]
A = [k % 3 == 0 for k in range(10)]
P_A = sum(p for p, kept in zip(P, A, strict=True) if kept)
S = [p / P_A if kept else Fraction(0) for p, kept in zip(P, A, strict=True)]
BASE = [Fraction(11 - k, 65) if k else Fraction(20, 65) for k in range(1, 11)]
BASE = [b / sum(BASE) for b in BASE]


def logs(law):
    return np.array([math.log(value) if value else -math.inf for value in law])


def kl(p, q) -> float:
    return math.fsum(float(a) * math.log(a / b) for a, b in zip(p, q, strict=True) if a)


def minimiser(loss) -> np.ndarray:
    """A numerical optimum of a softmax table: loss and its gradient in q."""

    def wrapped(logits):
        q = np.exp(logits - logits.max())
        q /= q.sum()
        value, slope = loss(q)
        return value, q * (slope - q @ slope)

    found = minimize(wrapped, np.zeros(10), jac=True, method="L-BFGS-B", options={"maxiter": 5000, "ftol": 1e-15})
    q = np.exp(found.x - found.x.max())
    return q / q.sum()


@pytest.mark.parametrize("weight", [Fraction(1, 100), Fraction(1, 3), Fraction(1)])
def test_replay_is_the_mixture_and_its_forgetting_the_closed_form(weight):
    mixture = [(1 - weight) * s + weight * p for s, p in zip(S, P, strict=True)]
    np.testing.assert_allclose(np.exp(replay(logs(S), logs(P), float(weight))), [float(m) for m in mixture], rtol=1e-13)
    closed = float(replay_forgetting(math.log(P_A), float(weight)))
    assert closed == pytest.approx(kl(P, mixture), abs=1e-13)
    assert closed <= -math.log(weight) + 1e-15


def test_ends_of_replay():
    np.testing.assert_array_equal(replay(logs(S), logs(P), 0.0), logs(S))
    assert replay_forgetting(math.log(P_A), 0.0) == math.inf
    assert replay_forgetting(0.0, 0.0) == 0.0
    assert replay_forgetting(math.log(P_A), 1.0) == pytest.approx(0.0, abs=1e-15)
    with pytest.raises(ValueError, match=r"0 <= weight <= 1 is required, found 1\.5"):
        replay(logs(S), logs(P), 1.5)


def test_per_prompt_weights_are_those_of_the_joint_mixture():
    """Two prompts with different P(A|x): the answers of the joint mixture, and its averaged forgetting."""
    weight = Fraction(1, 5)
    x = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    total = kl_closed = 0.0
    law_p = [sum(p for p, g in zip(P, x, strict=True) if g == k) for k in range(2)]
    law_s = [sum(s for s, g in zip(S, x, strict=True) if g == k) for k in range(2)]
    weights = mixture_weight(logs(law_s), logs(law_p), float(weight))
    for k in range(2):
        rows = [i for i in range(10) if x[i] == k]
        mixture = [(1 - weight) * S[i] + weight * P[i] for i in rows]
        given = [m / sum(mixture) for m in mixture]
        exact = weight * law_p[k] / ((1 - weight) * law_s[k] + weight * law_p[k])
        assert weights[k] == pytest.approx(float(exact), abs=1e-15)
        total += float(law_p[k]) * kl([P[i] / law_p[k] for i in rows], given)
        kept = sum(P[i] for i in rows if A[i]) / law_p[k]
        kl_closed += float(law_p[k]) * float(replay_forgetting(math.log(kept), weights[k]))
    assert kl_closed == pytest.approx(total, abs=1e-14)
    np.testing.assert_allclose(mixture_weight(np.zeros(3), np.zeros(3), 0.3), 0.3)


@pytest.mark.parametrize("strength", [0.0, 0.1, 2.0])
def test_kl_to_base_matches_a_numerical_optimum(strength):
    s, base = np.array(S, float), np.array(BASE, float)
    target = s + strength * base
    found = minimiser(lambda q: (-float(target @ np.log(q)), -target / q))
    expected = np.exp(forward_kl_to_base(logs(S), logs(BASE), strength))
    np.testing.assert_allclose(expected, target / (1 + strength), rtol=1e-13)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("weight", [0.0, 0.5, 3.0])
def test_frontier_is_optimal_and_regret_is_the_excess(weight):
    best = np.exp(frontier(logs(S), logs(P), weight))

    def value(q):
        return kl(S, q) + weight * kl(P, q) if weight else kl(S, q)

    generator = np.random.default_rng(0)
    for _ in range(20):
        q = generator.dirichlet(np.ones(11))[:10]  # the rest is off the support
        excess = value(list(q)) - value([b if b else 1.0 for b in best])
        assert regret(logs(S), logs(P), np.log(q), weight) == pytest.approx(excess, abs=1e-12)
        assert excess > 0.0
    assert regret(logs(S), logs(P), frontier(logs(S), logs(P), weight), weight) == 0.0
    assert regret(logs(S), logs(P), np.full(10, -math.inf), weight) == math.inf
    with pytest.raises(ValueError, match="a finite strength >= 0 is required"):
        frontier(logs(S), logs(P), -0.1)
