import math
from fractions import Fraction

import numpy as np
import pytest

from sim.theory.optima import replay, replay_forgetting

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
