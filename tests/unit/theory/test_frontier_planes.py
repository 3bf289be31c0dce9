"""The frontiers of entropy and of coverage: fractions, many digits, scipy's minimisers, and random rivals."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from scipy.optimize import brentq, minimize

from sim.languages.decoding import decoded, temperature
from sim.languages.finite import FiniteLanguage
from sim.languages.trie import Trie
from sim.languages.vocabulary import Vocabulary
from sim.theory._inverse import inverse
from sim.theory.frontier import frontier_points, least_forgettings
from sim.theory.frontier_coverage import best_law, covered, filled_points, most_coverage
from sim.theory.frontier_entropy import most_entropy, tempered_points

P = [Fraction(8, 20), Fraction(5, 20), Fraction(0), Fraction(4, 20), Fraction(2, 20), Fraction(1, 20)]
PROMPT = np.array([0, 1, 0, 1, 0, 1])
SIZES = (6, 4)


def logs(law) -> np.ndarray:
    return np.array([math.log(value) if value else -math.inf for value in law])


def given(law, prompt=PROMPT):
    """P(x), and P(y|x) at each document."""
    total = [sum(v for v, x in zip(law, prompt, strict=True) if x == one) for one in (0, 1)]
    return total, [v / total[x] for v, x in zip(law, prompt, strict=True)]


def softmax(z: np.ndarray) -> np.ndarray:
    """A law of answers for each prompt; answers that P cannot give get nothing."""
    q = np.where(np.array(P, float) > 0, np.exp(z), 0.0)
    return q / np.bincount(PROMPT, q)[PROMPT]


# -- entropy ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("b", [0.0, 0.3, 1.0, 4.0])
def test_a_tempered_law_in_many_digits(b):
    with mpmath.workdps(40):
        total, answers = given([mpmath.mpf(p.numerator) / p.denominator for p in P])
        power = [a**b if a else mpmath.mpf(0) for a in answers]
        z = [sum(v for v, x in zip(power, PROMPT, strict=True) if x == one) for one in (0, 1)]
        q = [v / z[x] for v, x in zip(power, PROMPT, strict=True)]
        weights = [total[x] for x in PROMPT]
        surprisal = -mpmath.fsum(w * v * mpmath.log(a) for w, v, a in zip(weights, q, answers, strict=True) if a)
        entropy = -mpmath.fsum(w * v * mpmath.log(v) for w, v in zip(weights, q, strict=True) if v)
    found = tempered_points(logs(P), np.array([b]), PROMPT)
    assert [one[0] for one in found] == pytest.approx([float(surprisal), float(entropy)], rel=1e-14)


@pytest.mark.parametrize("surprisal", [0.5, 0.8, 1.05])
def test_the_most_entropy_is_what_a_constrained_maximiser_finds(surprisal):
    total, answers = (np.array(one, float) for one in given(P))
    weight = total[PROMPT]
    cost = np.where(answers > 0, -np.log(np.where(answers > 0, answers, 1.0)), 0.0)

    def entropy(z):
        q = softmax(z)
        return float(weight @ np.where(q > 0, -q * np.log(np.where(q > 0, q, 1.0)), 0.0))

    within = {"type": "ineq", "fun": lambda z: surprisal - float(weight @ (softmax(z) * cost))}
    best = minimize(lambda z: -entropy(z), np.zeros(6), constraints=[within], method="SLSQP", options={"ftol": 1e-13})
    assert best.success
    assert most_entropy(logs(P), np.array([surprisal]), PROMPT)[0] == pytest.approx(-best.fun, abs=1e-6)


def test_what_lies_below_the_frontier_of_entropy_is_a_divergence_to_the_tempered_law():
    """H(q_b) - H(q) = KL(q‖q_b) at equal surprisal; so nobody is above it, and only q_b is on it."""
    dice, log_p = np.random.default_rng(1), logs(P)
    total, answers = (np.array(one, float) for one in given(P))
    weight, inside = total[PROMPT], answers > 0
    loosest = tempered_points(log_p, np.zeros(1), PROMPT)[0][0]
    compared = 0
    for _ in range(20):
        q = softmax(2.0 * dice.normal(size=6))[inside]
        surprisal, entropy = (-float(weight[inside] @ (q * np.log(one))) for one in (answers[inside], q))
        gap = most_entropy(log_p, np.array([surprisal]), PROMPT)[0] - entropy
        assert gap > 0.0
        if surprisal < loosest:
            b = brentq(lambda b, wanted=surprisal: tempered_points(log_p, np.array([b]), PROMPT)[0][0] - wanted, 0, 99)
            power = np.where(inside, answers, 1.0) ** b
            best = (power * inside / np.bincount(PROMPT, power * inside)[PROMPT])[inside]
            assert gap == pytest.approx(float(weight[inside] @ (q * np.log(q / best))), abs=1e-9)
            compared += 1
    assert compared > 5


def test_the_ends_of_the_frontier_of_entropy():
    log_p, (total, answers) = logs(P), given(P)
    even = float(total[0]) * math.log(2) + float(total[1]) * math.log(3)
    assert most_entropy(log_p, np.array([50.0]), PROMPT)[0] == pytest.approx(even, rel=1e-15)
    least = -float(total[0]) * math.log(answers[0]) - float(total[1]) * math.log(answers[1])
    assert most_entropy(log_p, np.array([least]), PROMPT)[0] == pytest.approx(0.0, abs=1e-9)
    assert most_entropy(np.log([0.4, 0.4, 0.2]), np.array([-math.log(0.4)]))[0] == pytest.approx(math.log(2), abs=1e-9)
    with pytest.raises(ValueError, match="a surprisal of at least that of the likeliest answers"):
        most_entropy(log_p, np.array([least - 0.1]), PROMPT)
    with pytest.raises(ValueError, match="finite 1/τ of at least 0"):
        tempered_points(log_p, np.array([-1.0]))


def test_a_temperature_of_every_token_lies_at_or_below_the_frontier():
    """It is on it if all tokens of a string are drawn alike, and below where one prefix has more to come than another.

    Language: `a` ends at once with probability ½; after `b` come sixteen unequal answers.
    """
    tail = np.arange(1.0, 17.0) / 136.0
    strings = [(1, 0, 0), *((2, 3 + i, 0) for i in range(16))]
    law = np.log(np.concatenate([[0.5], 0.5 * tail]))
    vocabulary = Vocabulary(("<eos>", "a", "b", *"cdefghijklmnopqr"), None)
    language = FiniteLanguage(vocabulary, Trie.of(np.array(strings), 19)[0], law)
    for tau in (0.5, 2.0):
        flatter = decoded(language, temperature(tau))
        q = np.array([flatter.log_prob(one) for one in strings])
        assert np.exp(q).sum() == pytest.approx(1.0, abs=1e-12)
        surprisal, entropy = (-float(np.exp(q) @ one) for one in (law, q))
        assert most_entropy(law, np.array([surprisal]))[0] > entropy + 0.01
    even = np.log(np.full(4, 0.25))
    assert most_entropy(even, np.array([math.log(4)]))[0] == pytest.approx(math.log(4))


# -- coverage ---------------------------------------------------------------------------------------------------------


def test_water_is_filled_to_one_level_in_fractions():
    """N = 2: q = 1 - t/P, and the multiplier is 2t. P = 8, 5, 4, 2, 1 of 20; with t = 1/8 the last two stay dry."""
    p = [one for one in P if one]
    level = Fraction(1, 8)
    q = [max(Fraction(0), 1 - level / one) for one in p]
    leak, coverage = 1 - sum(q), sum(a * (1 - (1 - b) ** 2) for a, b in zip(p, q, strict=True))
    assert (leak, sum(one > 0 for one in q)) == (Fraction(-9, 16), 3)
    tight = Fraction(2, 1) / (1 / p[0] + 1 / p[1] + 1 / p[2])  # here the three of them are full
    (more, at), (less, there) = (filled_points(logs(p), np.array([float(2 * one)]), 2) for one in (level, tight))
    assert (*more, *at) == pytest.approx((*less, *there), abs=1e-14)
    full = [1 - tight / one for one in p[:3]]
    best = sum(a * (1 - (1 - b) ** 2) for a, b in zip(p, full, strict=False))
    assert most_coverage(logs(p), np.array([0.0]), 2)[0] == pytest.approx(float(best), rel=1e-14)
    level = Fraction(1, 5)  # the third answer is dry
    mass = 2 - level / p[0] - level / p[1]
    leak = 1 - mass
    coverage = sum(a - level**2 / a for a in p[:2])
    assert most_coverage(logs(p), np.array([float(leak)]), 2)[0] == pytest.approx(float(coverage), rel=1e-13)
    (x,), (y,) = filled_points(logs(p), np.array([float(2 * level)]), 2)
    assert (x, y) == pytest.approx((float(leak), float(coverage)), rel=1e-13)


@pytest.mark.parametrize("samples", [2, 10])
@pytest.mark.parametrize("leak", [0.0, 0.1, 0.55, 0.9])
def test_the_most_coverage_is_what_a_constrained_maximiser_finds(samples, leak):
    total, answers = (np.array(one, float) for one in given(P))
    weight = total[PROMPT]

    def coverage(q):
        return float(weight @ (answers * (1.0 - (1.0 - q) ** samples)))

    limits = [{"type": "ineq", "fun": lambda q, x=x: 1.0 - q[PROMPT == x].sum()} for x in (0, 1)]
    limits += [{"type": "eq", "fun": lambda q: float(weight @ q) - (1.0 - leak)}]
    start = (1.0 - leak) * np.array([0.5, 0.3, 0.0, 0.3, 0.5, 0.4])
    bounds = [(0.0, 1.0) if one else (0.0, 0.0) for one in P]
    best = minimize(lambda q: -coverage(q), start, bounds=bounds, constraints=limits, method="SLSQP",
                    options={"ftol": 1e-14, "maxiter": 500})  # fmt: skip
    found = most_coverage(logs(P), np.array([leak]), samples, PROMPT)[0]
    assert found == pytest.approx(-best.fun, abs=1e-7)
    law = best_law(logs(P), leak, samples, PROMPT)
    assert float(weight @ law) == pytest.approx(1.0 - leak, abs=1e-12)
    assert np.bincount(PROMPT, law).max() <= 1.0 + 1e-12
    with np.errstate(divide="ignore"):
        own = covered(logs(answers), np.log(law), samples, np.log(weight))
    assert own == pytest.approx(found, abs=1e-12) == coverage(law)


@pytest.mark.parametrize("samples", [2, 3, 10])
def test_the_best_law_satisfies_the_conditions_of_karush_kuhn_and_tucker(samples):
    """P N (1 - q)^(N-1) is one multiplier on answers with mass, and less on dry ones; a full prompt may have more."""
    answers = np.array(given(P)[1], float)
    q = best_law(logs(P), 0.2, samples, PROMPT)
    slope = answers * samples * (1.0 - q) ** (samples - 1)
    mass = np.bincount(PROMPT, q)
    levels = []
    for x in (0, 1):
        wet = (x == PROMPT) & (q > 0)
        assert slope[wet] == pytest.approx(slope[wet].max(), rel=1e-10)
        assert (slope[(x == PROMPT) & (q == 0)] <= slope[wet].max() * (1 + 1e-12)).all()
        levels.append(slope[wet].max())
    free = [level for level, one in zip(levels, mass, strict=True) if one < 1.0 - 1e-9]
    assert free
    assert min(levels) == pytest.approx(free[0], rel=1e-10)


def test_nobody_covers_more_and_the_slope_is_the_multiplier():
    dice = np.random.default_rng(3)
    total, answers = (np.array(one, float) for one in given(P))
    weight = total[PROMPT]
    for _ in range(20):
        scale = dice.uniform(0.2, 1.0, 2)[PROMPT]
        q = scale * softmax(2.0 * dice.normal(size=6))
        with np.errstate(divide="ignore"):
            own = covered(logs(answers), np.log(q), 10, np.log(weight))
        assert own < most_coverage(logs(P), np.array([1.0 - float(weight @ q)]), 10, PROMPT)[0]
    for m in (0.4, 1.1):
        (left, right), (low, high) = filled_points(logs(P), np.array([m - 1e-6, m + 1e-6]), 2, PROMPT)
        assert (low - high) / (right - left) == pytest.approx(m, rel=1e-5)
    one_answer = most_coverage(np.zeros(1), np.array([0.0, 0.3, 1.0]), 2)
    assert one_answer == pytest.approx([1.0, 1.0 - 0.09, 0.0])


def test_bad_numbers_are_refused():
    with pytest.raises(ValueError, match=r"leaks q\(⊥\) in \[0, 1\] are required"):
        most_coverage(logs(P), np.array([1.1]), 2)
    with pytest.raises(ValueError, match="at least 2 samples are required, found 1"):
        most_coverage(logs(P), np.array([0.1]), 1)
    with pytest.raises(ValueError, match="finite multipliers of at least 0"):
        filled_points(logs(P), np.array([math.inf]), 2)


# -- means over worlds ------------------------------------------------------------------------------------------------


def test_the_mean_of_points_at_equal_multiplier_is_the_frontier_of_the_mean():
    """Two worlds: no pair of models has a mean beyond it. The best pair is found by a search over both fits."""
    dice, worlds = np.random.default_rng(5), []
    for _ in range(2):
        p = dice.dirichlet(np.ones(5))
        s = np.where(np.arange(5) < 2, p, 0.0)
        with np.errstate(divide="ignore"):
            worlds.append((np.log(s / s.sum()), np.log(p)))
    for weight in (0.1, 1.0, 5.0):
        points = [[float(one[0]) for one in frontier_points(*world, np.array([weight]))] for world in worlds]
        fit, forgetting = np.mean(points, axis=0)
        first = np.linspace(1e-6, 2.0 * fit - 1e-6, 20_001)
        both = least_forgettings(*worlds[0], first) + least_forgettings(*worlds[1], 2.0 * fit - first)
        assert both.min() / 2.0 == pytest.approx(forgetting, abs=1e-6)
        assert (both / 2.0 >= forgetting - 1e-12).all()


def test_places_of_values():
    rising = lambda x: (np.exp(x), np.exp(x))  # noqa: E731
    targets = np.array([1e-200, 1e-3, 1.0, 7.0, 1e200])
    np.testing.assert_allclose(inverse(rising, targets, -600.0, 600.0), np.log(targets), atol=1e-12, rtol=1e-14)
    assert inverse(rising, np.array([0.0]), -5.0, 5.0)[0] == pytest.approx(-5.0)
    with pytest.raises(ValueError, match="target values are required, found nan"):
        inverse(rising, np.array([math.nan]), -1.0, 1.0)
