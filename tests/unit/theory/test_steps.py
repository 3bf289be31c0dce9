"""What one step on a table forgets: against independent sums, at the limits, and where the bound fails."""

import itertools
import math

import numpy as np
import pytest

from sim.theory.steps import forgotten, gradient_step, signed_limit, signed_step, step_bound

DICE = np.random.default_rng(20)


def laws(count: int, size: int = 7) -> list[np.ndarray]:
    """Log-probabilities of random laws, some of them very uneven."""
    return [np.log(DICE.dirichlet(np.full(size, 0.4)) * (1 - 1e-9) + 1e-9 / size) for _ in range(count)]


def softmax(logits: list[float]) -> list[float]:
    top = max(logits)
    weights = [math.exp(one - top) for one in logits]
    return [one / math.fsum(weights) for one in weights]


def kl(p: list[float], q: list[float]) -> float:
    return math.fsum(x * math.log(x / y) for x, y in zip(p, q, strict=True) if x)


@pytest.mark.parametrize("rate", [0.01, 0.3, 1.0, 5.0])
def test_a_step_of_gradient_descent_forgets_at_most_the_rate_times_the_root_of_the_loss(rate: float) -> None:
    """For all laws P that sit on one string, and so for all laws; the steps are computed a second time by hand."""
    tightest = 0.0
    for log_s, log_q in zip(laws(100), laws(100), strict=True):
        after, bound = gradient_step(log_s, log_q, rate), step_bound(log_s, log_q, rate)
        s, q = np.exp(log_s).tolist(), np.exp(log_q).tolist()
        moved = softmax([math.log(y) + rate * (x - y) for x, y in zip(s, q, strict=True)])
        assert np.exp(after) == pytest.approx(moved, rel=1e-12)
        assert bound == pytest.approx(rate * math.sqrt(2 * kl(s, q)), rel=1e-9)
        for string in range(len(s)):
            point = np.where(np.arange(len(s)) == string, 0.0, -np.inf)
            assert forgotten(point, log_q, after) == pytest.approx(math.log(q[string] / moved[string]), abs=1e-12)
            assert abs(log_q[string] - after[string]) <= bound
            tightest = max(tightest, abs(log_q[string] - after[string]) / bound)
        log_p = laws(1)[0]
        assert forgotten(log_p, log_q, after) == pytest.approx(
            kl(np.exp(log_p).tolist(), moved) - kl(np.exp(log_p).tolist(), q), abs=1e-10
        )
    assert tightest > 0.4, "the bound is of the right size"


def test_the_bound_of_a_trie_holds_for_every_string() -> None:
    """Two tokens, each prefix with a softmax of its own, and gradients weighted by the probability of the prefix."""
    steps, size, rate = 2, 3, 0.7
    for _ in range(200):
        first_s, first_q = np.exp(laws(2, size))
        then_s, then_q = np.exp(laws(size, size)), np.exp(laws(size, size))
        first = softmax([math.log(q) + rate * (s - q) for s, q in zip(first_s, first_q, strict=True)])
        then = [
            softmax([math.log(q) + rate * first_s[a] * (s - q) for s, q in zip(then_s[a], then_q[a], strict=True)])
            for a in range(size)
        ]
        strings = list(itertools.product(range(size), repeat=2))
        log_s, log_q, after = (
            np.array([math.log(one[a] * two[a][b]) for a, b in strings])
            for one, two in ((first_s, then_s), (first_q, then_q), (first, then))
        )
        assert (np.abs(log_q - after) <= step_bound(log_s, log_q, rate, steps)).all()


def test_steps_of_equal_length_forget_however_small_the_loss_is() -> None:
    """S = P_A, and q lies near it: the rise tends to 2 rate P(B), and its quotient by the bound grows without limit."""
    p, lost, rate = np.array([0.1, 0.2, 0.3, 0.4]), 0.7, 0.05
    kept = np.array([True, True, False, False])
    with np.errstate(divide="ignore"):
        log_s = np.log(np.where(kept, p / 0.3, 0.0))
    ratios = []
    for small in (1e-2, 1e-4, 1e-8):
        log_q = np.log(np.where(kept, (1 - small) * p / 0.3, small * p / lost))
        rise = forgotten(np.log(p), log_q, signed_step(log_s, log_q, rate))
        by_hand = math.log((1 - small) * math.exp(rate) + small * math.exp(-rate)) - rate * (0.3 - 0.7)
        assert rise == pytest.approx(by_hand, abs=1e-12)
        assert forgotten(np.log(p), log_q, gradient_step(log_s, log_q, rate)) <= step_bound(log_s, log_q, rate)
        ratios.append(rise / step_bound(log_s, log_q, rate))
    assert rise == pytest.approx(signed_limit(lost, rate), rel=1e-6)
    assert ratios[1] > 5 * ratios[0]
    assert ratios[2] > 50 * ratios[1]


def test_what_is_no_rate_is_refused() -> None:
    log_s, log_q = laws(2)
    for wrong in (-0.1, math.inf, math.nan):
        for call in (gradient_step, signed_step, step_bound):
            with pytest.raises(ValueError, match="a finite rate of at least 0 is required"):
                call(log_s, log_q, wrong)
    with pytest.raises(ValueError, match="at least 1 step is required"):
        step_bound(log_s, log_q, 0.1, 0)
    with pytest.raises(ValueError, match="a probability"):
        signed_limit(1.5, 0.1)
