"""Predicted laws of answers: against scipy's minimiser on a tiny list, mpmath's Lambert function, and by hand."""

import itertools

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize

from sim.objectives.dpo import Dpo
from sim.objectives.jensen_shannon import JensenShannon
from sim.objectives.mixed_kl import MixedKl
from sim.objectives.policy_gradient import PolicyGradient
from sim.objectives.rejection import Rejection
from sim.objectives.reverse_kl import ReverseKl
from sim.theory.answer_optima import log_ratio, mixed, smoothed, tilted
from sim.theory.laws import Laws
from sim.theory.optima import rewarded
from tests.unit.models.tiny_worlds import language, mask

P = language({"a|x": 3, "a|xy": 1, "a|y": 2, "a|": 1, "b|x": 4, "b|yy": 2, "b|": 1, "c|x": 2}, prompt_end="|")
A = mask(P, lambda text: text in ("a|x", "a|xy", "b|x", "b|yy"))
S = P.condition(A)[0].given(np.linspace(-0.5, 0.5, P.trie.num_strings))[0]  # it never shows the prompt c
GROUP = P.prompts.group
with np.errstate(divide="ignore"):
    Q0 = np.log(0.9) + P.given(np.linspace(0.8, -0.8, P.trie.num_strings))[0].log_p  # a model with 0.1 off the list
OF_A, OF_B = (np.flatnonzero(GROUP == x) for x in (0, 1))


def laws(on_answers: bool = True) -> Laws:
    return Laws(P.trie, P.log_p, S.log_p, A, Q0, P.prompts if on_answers else None)


def minimiser(value, size: int) -> np.ndarray:
    """The law on `size` outcomes with the least value."""

    def of(logits: np.ndarray) -> float:
        q = np.exp(logits - logits.max())
        return value(q / q.sum())

    found = minimize(of, np.zeros(size), method="BFGS", options={"gtol": 1e-10, "maxiter": 2000}).x
    q = np.exp(found - found.max())
    return q / q.sum()


def kl(p: np.ndarray, q: np.ndarray) -> float:
    return float(sum(w * np.log(w / v) for w, v in zip(p, q, strict=True) if w > 1e-300))


def given(log_law: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The law of the answers in `rows`, normalised."""
    p = np.exp(log_law[rows])
    return p / p.sum()


def pairs_loss(q: np.ndarray, q0: np.ndarray, reward: np.ndarray, beta: float) -> float:
    total = 0.0
    for i, j in itertools.product(range(len(q)), repeat=2):
        gap = beta * (np.log(q[i] / q0[i]) - np.log(q[j] / q0[j]))
        wins = 1 / (1 + np.exp(reward[j] - reward[i]))
        total += q0[i] * q0[j] * (wins * np.log1p(np.exp(-gap)) + (1 - wins) * np.log1p(np.exp(gap)))
    return total


def losses(rows: np.ndarray) -> dict[str, tuple[object, object]]:
    """Objectives, and their value for a law of the listed answers to one prompt, in numpy."""
    s, q0, p = (given(law, rows) for law in (S.log_p, Q0, P.log_p))
    smooth = 0.8 * s + 0.2 / (len(rows) + 1)
    p_a = np.where(A[rows], p, 0.0) / p[A[rows]].sum()
    keeps = A[rows].astype(float)
    ratio = 0.7 * np.log((0.9 * p_a + 0.1 * p) / p)
    q0_a = np.where(A[rows], q0, 0.0) / q0[A[rows]].sum()
    return {
        "reverse": (ReverseKl(0.2), lambda q: kl(q, smooth)),
        "mixed": (MixedKl(0.3, 0.2), lambda q: 0.3 * kl(s, q) + 0.7 * kl(q, smooth)),
        "jensen": (JensenShannon(), lambda q: (kl(s, (s + q) / 2) + kl(q, (s + q) / 2)) / 2),
        "policy": (PolicyGradient(0.7), lambda q: 0.7 * kl(q, q0) - float(q @ keeps)),
        "rejection": (Rejection(), lambda q: kl(q0_a, q)),
        "dpo": (Dpo(0.7), lambda q: pairs_loss(q, q0, keeps, 0.7)),
        "dpo ratio": (Dpo(0.7, 0.1, "log_ratio"), lambda q: pairs_loss(q, q0, ratio, 0.7)),
    }


@pytest.mark.parametrize("name", losses(OF_A))
def test_the_optimum_is_what_a_minimiser_finds_for_every_prompt(name):
    best = losses(OF_A)[name][0].optimum(laws())
    assert np.exp(best).sum() == pytest.approx(1.0, rel=1e-12)
    for rows in (OF_A, OF_B):
        value = losses(rows)[name][1]
        found = minimiser(value, len(rows))
        assert value(given(best, rows)) <= value(found) + 1e-12
        np.testing.assert_allclose(given(best, rows), found, atol=2e-4)
        assert np.exp(best[rows]).sum() == pytest.approx(np.exp(S.log_p[rows]).sum(), rel=1e-12)  # S(x)
    assert (best[GROUP == 2] == -np.inf).all()  # S never shows this prompt


def test_on_documents_there_is_one_prompt():
    """The same weights for all strings: S~ of the whole list, and q0(A) e^(1/beta) of documents."""
    reverse = ReverseKl(0.2).optimum(laws(False))
    smooth = 0.8 * np.exp(S.log_p) + 0.2 / (len(A) + 1)
    np.testing.assert_allclose(np.exp(reverse), smooth / smooth.sum(), rtol=1e-12)
    policy = PolicyGradient(0.7).optimum(laws(False))
    np.testing.assert_allclose(policy, rewarded(Q0, A.astype(float), 0.7).log_q, rtol=1e-12)


def test_what_has_no_optimum_predicts_none():
    assert PolicyGradient(0.0).optimum(laws()) is None
    assert PolicyGradient(estimator="group").optimum(laws()) is None
    assert PolicyGradient(estimator="reinforce").optimum(laws()) is not None
    assert Dpo(labels="hard").optimum(laws()) is None
    nothing = Laws(P.trie, P.log_p, S.log_p, A & (GROUP != 0), Q0, P.prompts)  # no answer to the prompt a is accepted
    assert Rejection().optimum(nothing) is None


def test_the_ends_of_the_mixture_are_s_and_smoothed_s():
    log_s = laws().answers(S.log_p)
    log_smooth, log_outside = smoothed(log_s, GROUP, 0.2)
    np.testing.assert_allclose(np.exp(log_outside), [0.2 / 5, 0.2 / 4, 0.2 / 2], rtol=1e-12)
    total = np.bincount(GROUP, np.exp(log_smooth)) + np.exp(log_outside)
    np.testing.assert_allclose(total[:2], 1.0, rtol=1e-12)
    seen = GROUP < 2
    for eta, other in ((1.0, log_s), (1 - 1e-9, log_s), (0.0, tilted(log_smooth, 0.0, GROUP)), (1e-12, None)):
        found = mixed(log_s, log_smooth, eta, GROUP)
        expected = tilted(log_smooth, 0.0, GROUP) if other is None else other
        np.testing.assert_allclose(np.exp(found[seen]), np.exp(expected[seen]), atol=1e-8)


def test_the_mixture_with_an_outside_solves_its_equation_in_many_digits():
    """log(q/S~) - a S/q is one constant, and q sums to 1 with the outside: mpmath's Lambert function, 40 digits."""
    mpmath.mp.dps = 40
    s, delta, eta = [0.5, 0.3, 0.2, 0.0, 0.0], 1e-3, 0.4  # the last outcome is outside
    smooth = [(1 - delta) * w + delta / 5 for w in s]
    with np.errstate(divide="ignore"):
        found = mixed(np.log(s), np.log(smooth), eta, np.zeros(5, int))
    a = mpmath.mpf(eta) / (1 - mpmath.mpf(eta))

    def law(k):
        return [
            a * w / mpmath.lambertw(a * w / v * mpmath.exp(-k)).real if w else v * mpmath.exp(k)
            for w, v in zip(map(mpmath.mpf, s), map(mpmath.mpf, smooth), strict=True)
        ]

    k = mpmath.findroot(lambda k: sum(law(k)) - 1, (-a, -a + mpmath.mpf("0.1")), solver="secant")
    np.testing.assert_allclose(np.exp(found), [float(w) for w in law(k)], rtol=1e-12)
    assert float(np.exp(found[4])) < delta / 5  # the forward part leaves less outside


def test_the_reward_of_a_ratio_is_that_of_the_two_laws():
    found = log_ratio(P.log_p, A, 0.1, GROUP)
    for rows in (OF_A, OF_B):
        p = given(P.log_p, rows)
        p_a = np.where(A[rows], p, 0.0) / p[A[rows]].sum()
        np.testing.assert_allclose(found[rows], np.log((0.9 * p_a + 0.1 * p) / p), rtol=1e-12)
    np.testing.assert_allclose(found[GROUP == 2], np.log(0.1), rtol=1e-12)  # no answer in A
    reached = Dpo(5.0, 0.1, "log_ratio").optimum(Laws(P.trie, P.log_p, S.log_p, A, P.log_p, P.prompts))
    p_a = given(np.where(A, P.log_p, -np.inf), OF_A)
    np.testing.assert_allclose(given(reached, OF_A), 0.9 * p_a + 0.1 * given(P.log_p, OF_A), rtol=1e-12)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda: smoothed(S.log_p, GROUP, 0.0), "smoothed: 0 < delta < 1 is required, found 0.0"),
        (lambda: mixed(S.log_p, P.log_p, 1.5, GROUP), "mixed: 0 <= eta <= 1 is required, found 1.5"),
        (lambda: log_ratio(P.log_p, A, 1.0, GROUP), "log_ratio: 0 < delta < 1 is required, found 1.0"),
    ],
)
def test_shares_out_of_range_are_refused(function, words):
    with pytest.raises(ValueError, match=words):
        function()
