import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import minimize

from sim.theory.optima import replay, replay_forgetting, rewarded, rewarded_event

P = [Fraction(k, 55) for k in range(1, 11)]
A = [k % 3 == 0 for k in range(10)]
P_A = sum(p for p, kept in zip(P, A, strict=True) if kept)
S = [p / P_A if kept else Fraction(0) for p, kept in zip(P, A, strict=True)]


def logs(law):
    return np.array([math.log(value) if value else -math.inf for value in law])


def kl(p, q) -> float:
    return math.fsum(float(a) * math.log(a / b) for a, b in zip(p, q, strict=True) if a)


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


def test_given_the_prompt_the_joint_mixture_has_weights_of_its_own():
    """Two prompts with different P(A|x): λ_x = λ P(x) / ((1-λ) S(x) + λ P(x)), and the averaged forgetting."""
    weight = Fraction(1, 5)
    x = [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    total = kl_closed = 0.0
    law_p = [sum(p for p, g in zip(P, x, strict=True) if g == k) for k in range(2)]
    law_s = [sum(s for s, g in zip(S, x, strict=True) if g == k) for k in range(2)]
    for k in range(2):
        rows = [i for i in range(10) if x[i] == k]
        mixture = [(1 - weight) * S[i] + weight * P[i] for i in rows]
        given = [m / sum(mixture) for m in mixture]
        own = weight * law_p[k] / ((1 - weight) * law_s[k] + weight * law_p[k])
        assert given == [(1 - own) * S[i] / law_s[k] + own * P[i] / law_p[k] for i in rows]
        total += float(law_p[k]) * kl([P[i] / law_p[k] for i in rows], given)
        kept = sum(P[i] for i in rows if A[i]) / law_p[k]
        kl_closed += float(law_p[k]) * float(replay_forgetting(math.log(kept), float(own)))
    assert kl_closed == pytest.approx(total, abs=1e-14)


Q0 = np.array([float(p) for p in P])
REWARD = np.array([0.3, -1.0, 2.0, 0.0, 0.5, -0.2, 1.1, 0.9, -2.0, 0.4])


def shortfall(logits, reward, beta):
    """beta KL(q||q0) - E_q[r], which the optimum makes smallest."""
    q = np.exp(logits - logits.max())
    q /= q.sum()
    return float(beta * (q * (np.log(q) - np.log(Q0))).sum() - (q * reward).sum())


@pytest.mark.parametrize("beta", [0.2, 1.0, 5.0])
def test_the_rewarded_optimum_is_what_a_minimiser_finds(beta):
    found = rewarded(np.log(Q0), REWARD, beta)
    numeric = minimize(shortfall, np.zeros(10), (REWARD, beta), method="BFGS", options={"gtol": 1e-9})
    q = np.exp(numeric.x - numeric.x.max())
    np.testing.assert_allclose(np.exp(found.log_q), q / q.sum(), rtol=1e-4, atol=3e-6)
    assert -numeric.fun - 1e-12 <= found.objective == pytest.approx(-numeric.fun, abs=1e-6)
    assert shortfall(found.log_q, REWARD, beta) == pytest.approx(-found.objective, abs=1e-12)


def test_numbers_of_the_rewarded_optimum_by_their_definitions():
    beta = 0.7
    found = rewarded(np.log(Q0), REWARD, beta)
    weights = [q * math.exp(r / beta) for q, r in zip(Q0, REWARD, strict=True)]
    q = [w / math.fsum(weights) for w in weights]
    assert found.log_normaliser == pytest.approx(math.log(math.fsum(weights)), rel=1e-14)
    assert found.kl == pytest.approx(kl(q, Q0), rel=1e-13)
    assert found.entropy == pytest.approx(-math.fsum(x * math.log(x) for x in q), rel=1e-14)
    assert found.reward == pytest.approx(math.fsum(x * r for x, r in zip(q, REWARD, strict=True)), rel=1e-14)
    assert found.mass(np.array(A)) == pytest.approx(
        math.fsum(x for x, kept in zip(q, A, strict=True) if kept), rel=1e-14
    )
    assert found.objective == pytest.approx(found.reward - beta * found.kl, rel=1e-13)


def test_a_weak_reward_keeps_the_digits_of_the_kl():
    """KL(q*||q0) tends to Var(r) / 2 beta^2, about 1e-20 here, which a difference of logs would lose."""
    beta = 1e10
    mean = float(Q0 @ REWARD)
    variance = float(Q0 @ (REWARD - mean) ** 2)
    assert rewarded(np.log(Q0), REWARD, beta).kl == pytest.approx(variance / (2 * beta**2), rel=1e-5)


@pytest.mark.parametrize("gain", [-30.0, 0.0, 1.5, 700.0])
def test_a_rewarded_event_needs_only_its_mass(gain):
    event = np.array(A)
    whole = rewarded(np.log(Q0), np.where(event, gain, 0.0), 1.0)
    mass, apart = rewarded_event(math.log(P_A), gain)
    assert (mass, apart) == pytest.approx((whole.mass(event), whole.kl), rel=1e-12, abs=1e-16)
    odds = math.exp(gain) * float(P_A / (1 - P_A))
    assert mass == pytest.approx(odds / (1 + odds), rel=1e-12)
    within = [[x for x, kept in zip(law, A, strict=True) if kept] for law in (np.exp(whole.log_q), Q0)]
    np.testing.assert_allclose(within[0] / np.sum(within[0]), within[1] / np.sum(within[1]), rtol=1e-12)


def test_ends_of_the_reward():
    assert rewarded_event(0.0, 3.0) == (1.0, 0.0)
    strong = rewarded(np.log(Q0), REWARD, 1e-300)
    assert np.exp(strong.log_q).tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert (strong.entropy, strong.reward) == (0.0, 2.0)
    assert strong.kl == pytest.approx(-math.log(Q0[2]), rel=1e-14)
    barred = rewarded(np.log(Q0), np.where(A, 0.0, -np.inf), 1.0)
    assert barred.log_normaliser == pytest.approx(math.log(P_A), rel=1e-14)
    assert barred.kl == pytest.approx(-math.log(P_A), rel=1e-14)
    half = rewarded(np.log(Q0 / 2), np.zeros(10), 1.0)  # the other half of q0 is off the list
    assert half.kl == pytest.approx(math.log(2), rel=1e-14)


def test_rewards_without_an_optimum_are_refused():
    for beta in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="a finite beta above 0 is required"):
            rewarded(np.log(Q0), REWARD, beta)
    with pytest.raises(ValueError, match="finite rewards or -inf are required"):
        rewarded(np.log(Q0), np.where(A, np.inf, 0.0), 1.0)
    with pytest.raises(ValueError, match="a string with q0 > 0 and a reward above -inf is required"):
        rewarded(np.log(Q0), np.full(10, -np.inf), 1.0)
    with pytest.raises(ValueError, match="log_mass <= 0 and a finite gain are required"):
        rewarded_event(0.1, 1.0)
