import math

import mpmath
import numpy as np
import pytest
from small_worlds import make_world

from sim.metrics.divergence import cross_entropy, hellinger, jensen_shannon, kl, total_variation

VIEWS = ["response", "joint"]


def oracle(world, view, term) -> float:
    """E_x of a sum over supported strings and ⊥ of term(p, q), at 50 digits."""
    with mpmath.workdps(50):
        total = mpmath.mpf(0)
        for (weight, p), (_, q) in zip(world.laws(view, "p"), world.laws(view, "q"), strict=True):
            pairs = [(p[d], q.get(d, 0)) for d in p] + [(0, 1 - sum(q.get(d, 0) for d in p))]
            total += _real(weight) * sum(term(_real(a), _real(b)) for a, b in pairs)
        return float(total)


def _real(value):
    return mpmath.mpf(getattr(value, "numerator", value)) / getattr(value, "denominator", 1)


def _xlog(a, b):
    return a * mpmath.log(a / b) if a else mpmath.mpf(0)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("seed", range(4))
def test_divergences_equal_mpmath(seed, view):
    world = make_world(seed)
    p, q, log_law = world.truth(view), world.scored(view), world.log_law(view)
    args = p.merged, q.merged, q.log_merged_weights(log_law)
    js = oracle(world, view, lambda a, b: (_xlog(a, (a + b) / 2) + _xlog(b, (a + b) / 2)) / 2)
    square = oracle(world, view, lambda a, b: (mpmath.sqrt(a) - mpmath.sqrt(b)) ** 2 / 2)
    assert kl(*args) == pytest.approx(oracle(world, view, _xlog), abs=1e-13)
    assert kl(p.log_q, q.log_q, q.log_weights(log_law)) == pytest.approx(oracle(world, view, _xlog), abs=1e-13)
    assert total_variation(*args) == pytest.approx(oracle(world, view, lambda a, b: abs(a - b) / 2), abs=1e-13)
    assert jensen_shannon(*args) == pytest.approx(js, abs=1e-13)
    assert hellinger(*args) == pytest.approx(math.sqrt(square), abs=1e-13)
    surprise = oracle(world, view, lambda a, b: -a * mpmath.log(b) if a else mpmath.mpf(0))
    assert cross_entropy(p.log_q, q.log_q, q.log_weights(log_law)) == pytest.approx(surprise, abs=1e-13)


HALF, ZERO = math.log(0.5), -math.inf
JS_SURE_COIN = 0.5 * (math.log(4 / 3) + 0.5 * math.log(2 / 3) + 0.5 * math.log(2))  # sure against a fair coin


@pytest.mark.parametrize(
    ("log_p", "log_q", "values"),  # KL, TV, JS, Hellinger squared
    [
        ([HALF, HALF, ZERO], [HALF, HALF, ZERO], [0.0, 0.0, 0.0, 0.0]),
        ([0.0, ZERO, ZERO], [HALF, HALF, ZERO], [math.log(2), 0.5, JS_SURE_COIN, 1 - math.sqrt(0.5)]),
        ([HALF, HALF, ZERO], [0.0, ZERO, ZERO], [math.inf, 0.5, JS_SURE_COIN, 1 - math.sqrt(0.5)]),
        ([0.0, ZERO, ZERO], [ZERO, ZERO, 0.0], [math.inf, 1.0, math.log(2), 1.0]),
    ],
)
def test_zeros(log_p, log_q, values):
    found = [f(np.array(log_p), np.array(log_q)) for f in (kl, total_variation, jensen_shannon, hellinger)]
    assert found == pytest.approx([*values[:3], math.sqrt(values[3])], abs=1e-15)


def test_prompts_of_weight_zero_do_not_count():
    log_p, log_q = np.array([0.0, 0.0]), np.array([HALF, ZERO])
    assert kl(log_p, log_q, np.array([0.0, ZERO])) == pytest.approx(math.log(2))
    assert total_variation(log_p, log_q, np.array([0.0, ZERO])) == pytest.approx(0.25)
    assert kl(log_p, log_q, np.array([HALF, HALF])) == math.inf
