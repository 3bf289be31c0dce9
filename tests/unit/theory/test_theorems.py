"""Theorems of docs/theory.md that no other test checks: random laws, many digits, and minimisers."""

import math
from itertools import product

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize

from sim.numerics import log_softmax
from sim.theory.answer_optima import tilted
from sim.theory.memory import corrected_memory_law, memory_law
from tests.unit.models.tiny_worlds import language, mask, table64


def entropy(p: np.ndarray) -> float:
    return -math.fsum(x * math.log(x) for x in p.tolist() if x)


def kl(p: np.ndarray, q: np.ndarray) -> float:
    return math.fsum(x * math.log(x / y) for x, y in zip(p.tolist(), q.tolist(), strict=True) if x)


# -- entropy of a part ------------------------------------------------------------------------------------------------


def test_a_part_of_a_language_can_have_more_entropy_but_no_part_of_an_even_one():
    dice = np.random.default_rng(0)
    rises = []
    for _ in range(200):
        p = dice.dirichlet(np.full(6, 0.3))
        kept = np.zeros(6, bool)
        kept[dice.choice(6, dice.integers(1, 6), replace=False)] = True
        part = p[kept] / p[kept].sum()
        change = math.log(p[kept].sum()) - float(part @ np.log(p[kept])) - entropy(p)
        assert entropy(part) - entropy(p) == pytest.approx(change, abs=1e-10)
        rises.append(change > 0)
        assert entropy(part) <= math.log(kept.sum()) + 1e-12
    assert 0 < sum(rises) < 100
    spike = np.array([0.9, *[0.01] * 10])  # without its heavy text, ten even ones are left
    assert entropy(spike[1:] / 0.1) == pytest.approx(math.log(10))
    assert entropy(spike) == pytest.approx(0.555, abs=1e-3)


# -- gate and erasure -------------------------------------------------------------------------------------------------


def test_new_weights_of_the_styles_undo_the_gate_and_nothing_else():
    """Over all weights of three styles, the least KL(P‖·) is the sum of P(z) KL(P_z‖q_z); it needs the weights P(z)."""
    dice = np.random.default_rng(1)
    p, q = dice.dirichlet(np.ones(9)).reshape(3, 3), dice.dirichlet(np.full(9, 0.5)).reshape(3, 3)
    within = q / q.sum(axis=1, keepdims=True)

    def value(logits: np.ndarray) -> float:
        weights = np.exp(logits) / np.exp(logits).sum()
        return kl(p.ravel(), (weights[:, None] * within).ravel())

    best = minimize(value, np.zeros(3), method="BFGS", options={"gtol": 1e-9})
    left = sum(p[z].sum() * kl(p[z] / p[z].sum(), within[z]) for z in range(3))
    assert best.fun == pytest.approx(left, rel=1e-9)
    np.testing.assert_allclose(np.exp(best.x) / np.exp(best.x).sum(), p.sum(axis=1), atol=1e-5)


def test_a_gate_at_a_style_token_has_rank_one_and_erases_nothing():
    """The tilted law is the softmax of the old logits plus one outer product, at every prefix of two prompts."""
    strings = {"a|xu": 3, "a|xv": 1, "a|yu": 2, "a|yv": 5, "a|z": 1, "b|xu": 1, "b|xvv": 4, "b|yv": 2, "b|zu": 3}
    p = language({f"{text}": weight for text, weight in strings.items()}, prompt_end="|")
    kept = mask(p, lambda text: "|x" in text)
    group, gain = p.prompts.group, 2.5
    log_prompt = np.log(np.bincount(group, np.exp(p.log_p)))[group]
    tuned = p.with_law(log_prompt + tilted(p.log_p, np.where(kept, gain, 0.0), group))
    before, after = table64(p), table64(tuned)
    token = {symbol: p.vocabulary.encode([symbol])[0] for symbol in "x|"}
    at_gate = np.zeros(len(before))
    at_gate[[p.trie.node[row, 2] for row in range(len(kept))]] = 1.0  # the prefix "a|" or "b|"
    move = gain * np.outer(at_gate, np.arange(before.shape[1]) == token["x"])
    assert np.linalg.matrix_rank(move) == 1
    rows = np.isfinite(before).any(axis=1)
    legal = np.isfinite(before)
    np.testing.assert_allclose(log_softmax((before + move)[rows])[legal[rows]], after[legal], atol=1e-12)
    for z in "yz":  # what is behind the gate is what it was
        own = mask(p, lambda text, z=z: f"|{z}" in text)
        for x in (0, 1):
            here = own & (group == x)
            laws = [np.exp(one.log_p[here]) / np.exp(one.log_p[here]).sum() for one in (p, tuned)]
            np.testing.assert_allclose(laws[0], laws[1], rtol=1e-12)


def test_the_gap_of_a_gate_falls_exponentially_with_its_gain():
    for mass, gain in product((0.01, 0.25, 0.9), (0.0, 1.0, 20.0)):
        kept = mass * math.exp(gain) / (mass * math.exp(gain) + 1 - mass)
        assert -math.log(kept) == pytest.approx(math.log1p(math.exp(-gain) * (1 - mass) / mass), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_an_update_of_rank_r_of_the_output_matrix_changes_log_ratios_by_a_matrix_of_rank_r_plus_one(rank):
    dice = np.random.default_rng(rank)
    features, head = dice.normal(size=(40, 12)), dice.normal(size=(12, 9))
    update = dice.normal(size=(12, rank)) @ dice.normal(size=(rank, 9))
    ratio = log_softmax(features @ (head + update)) - log_softmax(features @ head)
    assert np.linalg.matrix_rank(ratio, tol=1e-9) <= rank + 1
    even = ratio - ratio.mean(axis=1, keepdims=True)  # without the normaliser
    assert np.linalg.matrix_rank(even, tol=1e-9) == rank


# -- decay ------------------------------------------------------------------------------------------------------------


def test_the_laws_of_adams_memory_are_integrals():
    """1/m is the integral of e^(ρ s), and with the bias correction that of sqrt(e^(2 ρ s) - 1), times ρ."""
    beta2 = 0.99
    rho = mpmath.log(1 / mpmath.mpf(beta2)) / 2
    times = [3, 40, 300, 900]
    for law, speed in (
        (memory_law, lambda s: mpmath.exp(rho * s)),
        (corrected_memory_law, lambda s: mpmath.sqrt(mpmath.expm1(2 * rho * s))),
    ):
        exact = [-float(mpmath.log(rho * mpmath.quad(speed, np.linspace(0, t, 9).tolist()))) for t in times]
        np.testing.assert_allclose(law(beta2, np.array(times)), exact, rtol=1e-9)


def test_the_root_of_the_second_moment_never_falls_faster_than_rho():
    dice = np.random.default_rng(2)
    gradients, beta2, second = dice.normal(size=300) * np.exp(-0.2 * np.arange(300)), 0.98, 0.0
    roots = []
    for gradient in gradients:
        second = beta2 * second + (1 - beta2) * gradient**2
        roots.append(math.sqrt(second))
    falls = -np.diff(np.log(roots))
    assert falls.max() <= -0.5 * math.log(beta2) + 1e-12
    assert falls[-1] == pytest.approx(-0.5 * math.log(beta2), rel=1e-9)


# -- objectives -------------------------------------------------------------------------------------------------------


def test_preferences_without_noise_have_no_best_law():
    """With hard labels the loss of pairs falls without end as the gap between kept and lost answers grows."""
    gaps = np.array([0.0, 1.0, 10.0, 100.0])
    hard, noisy = np.log1p(np.exp(-gaps)), 0.8 * np.log1p(np.exp(-gaps)) + 0.2 * np.log1p(np.exp(gaps))
    assert (np.diff(hard) < 0).all()
    assert hard[-1] < 1e-40
    assert noisy.argmin() == 1  # near the logit of 0.8, which is 1.39


# -- temperature ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "most"), [(16, 0.227), (64, 0.115), (1000, 0.046)])
def test_a_temperature_pays_for_the_lost_styles_with_illegal_tokens(size, most):
    """One kept, three lost and V - 4 illegal tokens at the gate; q(B) = 1e-3 and q(illegal) = 1e-4."""
    number = np.array([1, 3, size - 4])
    each = np.array([1 - 1.1e-3, 1e-3, 1e-4]) / number
    powers = 1.0 / np.geomspace(1.0, 1e3, 4000)[:, None]
    weights = number * each**powers
    masses = weights / weights.sum(axis=1, keepdims=True)
    assert masses[:, 1].max() == pytest.approx(most, abs=6e-4)
    assert (np.diff(masses[:, 1] / masses[:, 0]) > 0).all()
    assert (np.diff(masses[:, 1] / masses[:, 2]) < 0).all()
    assert (np.diff(masses[:, :2].sum(axis=1)) < 0).all()  # validity falls


def test_the_odds_of_lost_against_illegal_tokens_are_bounded_for_any_probabilities():
    dice = np.random.default_rng(3)
    nearest = 1.0
    for _ in range(300):
        lost, illegal = (dice.dirichlet(np.full(n, 0.5)) * dice.uniform() for n in dice.integers(1, 6, 2))
        power = 1.0 / dice.uniform(1.0, 20.0)
        bound = len(lost) ** (1.0 - power) * (lost.sum() / illegal.sum()) ** power
        nearest = min(nearest, 1.0 - float((lost**power).sum() / (illegal**power).sum()) / bound)
    assert -1e-12 <= nearest < 1e-6, "it is attained by one illegal token and even lost ones"
