"""Numbers of the page that need no run: exact sums and closed forms of `sim.theory` on small tables."""

import functools
import math
from collections.abc import Callable

import numpy as np

from sim.numerics import log_softmax
from sim.theory.frontier import frontier_point, least_forgetting
from sim.theory.generations import accumulated_distances, accumulated_share, expected_distances
from sim.theory.horizon import steps_off_at_rate
from sim.theory.optima import replay_forgetting
from sim.theory.steps import forgotten, gradient_step, signed_step, step_bound
from sim.theory.token_optima import greedy, powered

ROW = np.array([[0.4, 0.25, 0.15, 0.12, 0.08]])
"""A law of the next token, with one likeliest token, on which objectives of tokens are compared."""

BETA = 0.7
"""GEM's temperature β in the public code of its authors."""

KEPT = 0.25
"""P(A) of the worlds of C2: one style of four."""

FITS = (0.3, 0.03)
"""The largest and the smallest fit [nat] at which the atlas compares methods."""

DRAWS = 32
"""Documents of a generation in C6.4."""

RATE, LAWS, SIZE = 0.3, 1000, 8
"""The rate, the number of random pairs of laws, and their length, for what one step forgets."""

SMALL = 1e-6
"""A loss KL(S‖q) [nat] that training passes by."""

HAZARD, HORIZONS = 0.01, (4, 16, 64, 256)
"""The probability of an error per step, and the horizons."""


def entropy_of(law: np.ndarray) -> float:
    """H(p) = −Σ p log p [nat] of a law, float64[N]."""
    return -math.fsum(x * math.log(x) for x in law.tolist() if x > 0)


# -- objectives of tokens ---------------------------------------------------------------------------------------------


def gem_stationarity() -> float:
    """Spread of the derivative of KL(q‖S) − γ H(q), γ = 1/β − 1, over tokens at GEM's optimum S^β [nat].

    The derivative by q_a is (1 + γ) log q_a − log S_a + constant. At a stationary law it is the same for all tokens.
    """
    gamma = 1.0 / BETA - 1.0
    slope = (1.0 + gamma) * np.log(powered(ROW, BETA)[0]) - np.log(ROW[0])
    return float(np.ptp(slope))


def gem_gradient() -> float:
    """Largest difference between the gradient of GEM's loss and β times that of cross-entropy at temperature β.

    The loss of the public code for a label y is −Σ_a w_a (log p_y − log p_a), with w = softmax(z/β) held fixed, and a
    linear h. Its derivative by the logits z is w_a − [a = y]. It is taken by central differences of the loss.
    """
    z, label, h = np.log(ROW[0]) * 1.7, 2, 1e-5
    weights = np.exp(log_softmax(z / BETA))

    def loss(logits: np.ndarray) -> float:
        log_p = log_softmax(logits)
        return -float(weights @ (log_p[label] - log_p))

    unit = np.eye(len(z))
    slopes = np.array([(loss(z + h * one) - loss(z - h * one)) / (2.0 * h) for one in unit])
    return float(np.abs(slopes - BETA * (weights - unit[label]) / BETA).max())


def gem_entropy() -> float:
    """H(S^β) − H(S) [nat] of one law of the next token."""
    return entropy_of(powered(ROW, BETA)[0]) - entropy_of(ROW[0])


def sft_as_policy_gradient() -> float:
    """Largest difference between ∇ log q(y) and E_{a∼q}[[a = y]/q(a) ∇ log q(a)], over the logits and labels y.

    The second is the policy gradient for the reward [a = y]/q(a), held fixed; ∇ log q(a) is the unit vector less q.
    """
    q = ROW[0]
    unit = np.eye(len(q))
    found = 0.0
    for label in range(len(q)):
        terms = [q[a] * (float(a == label) / q[a]) * (unit[a] - q) for a in range(len(q))]
        found = max(found, float(np.abs(np.sum(terms, axis=0) - (unit[label] - q)).max()))
    return found


def dft_entropy() -> float:
    """H(q*) − H(S) [nat] of one law of the next token: DFT leads to a point mass."""
    best = greedy(ROW)
    if best is None:
        raise ArithmeticError("one likeliest token is required")
    return entropy_of(best[0]) - entropy_of(ROW[0])


# -- fit and forgetting -----------------------------------------------------------------------------------------------


def least_at(fit: float) -> float:
    """The least KL(P‖q) [nat] of any model with KL(S‖q) = fit, for S = P_A and P(A) = ¼."""
    return least_forgetting(*_gate(), fit)


def slopes_of_the_frontier() -> float:
    """The slope of the least forgetting at the smallest fit over that at the largest: 1 if it were a straight line.

    The slope is −1/λ at the fit of q_λ (docs/theory.md, T6); λ is found by bisection.
    """
    weights = []
    for fit in FITS:
        low, high = 1e-9, 1e9
        for _ in range(200):
            middle = math.sqrt(low * high)
            low, high = (middle, high) if frontier_point(*_gate(), middle).fit < fit else (low, middle)
        weights.append(high)
    return weights[0] / weights[1]


def replay_of_one_percent() -> float:
    """KL(P‖q*) [nat] of the optimum of 1 % replay, for S = P_A and P(A) = ¼."""
    return float(replay_forgetting(math.log(KEPT), 0.01))


def _gate() -> tuple[np.ndarray, np.ndarray]:
    """log S and log P on the two events A and B: all that matters where S = P_A."""
    return np.array([0.0, -np.inf]), np.log([KEPT, 1.0 - KEPT])


# -- one step ---------------------------------------------------------------------------------------------------------


@functools.cache
def gradient_over_bound() -> float:
    """The most that one step of gradient descent forgets of a string, over lr √(2 KL(S‖q)), for random laws."""
    dice = np.random.default_rng(0)
    found = 0.0
    for _ in range(LAWS):
        log_s, log_q = (np.log(dice.dirichlet(np.full(SIZE, 0.4)) * (1 - 1e-9) + 1e-9 / SIZE) for _ in range(2))
        moved = np.abs(log_q - gradient_step(log_s, log_q, RATE)).max()
        found = max(found, float(moved) / step_bound(log_s, log_q, RATE))
    return found


def signed_over_bound() -> float:
    """What a step of length lr in every logit forgets of P, over lr √(2 KL(S‖q)), at a loss of 10⁻⁶ nats.

    P has the two strings A and B, S = P_A, and q = (1 − ε)P_A + εP_B.
    """
    log_s, log_p = _gate()
    lost = -math.expm1(-SMALL)
    log_q = np.log([1.0 - lost, lost])
    return forgotten(log_p, log_q, signed_step(log_s, log_q, RATE)) / step_bound(log_s, log_q, RATE)


# -- generations and walks --------------------------------------------------------------------------------------------


def left_after_ten() -> float:
    """E[1 − ‖p_10‖²]/(1 − C): the share of diversity that is left after ten generations of 32 own documents."""
    return 1.0 - float(expected_distances(0.0, DRAWS, 0.0, 10)[-1])


def left_for_ever_if_piled() -> float:
    """The same if data pile up, without end."""
    return accumulated_share(DRAWS)


def largest_piled_error() -> float:
    """The largest n R_g/(1 − C) over a thousand generations in which data pile up; π²/6 is its bound."""
    return float(accumulated_distances(0.0, DRAWS, 1000).max()) * DRAWS


def errors_over_quadratic_bound() -> float:
    """The largest J(T)/(εT²) over horizons for errors that are never repaired; the bound says at most 1."""
    return max(steps_off_at_rate(HAZARD, 0.0, horizon) / (HAZARD * horizon**2) for horizon in HORIZONS)


EXACT, RANDOM = "exact", "the largest of 1,000 random pairs of laws"

FORMULAS: dict[str, tuple[Callable[[], float], str]] = {
    **{
        function.__name__: (function, EXACT)
        for function in (
            gem_stationarity, gem_entropy, sft_as_policy_gradient, dft_entropy, slopes_of_the_frontier,
            replay_of_one_percent, signed_over_bound, left_after_ten, left_for_ever_if_piled, largest_piled_error,
            errors_over_quadratic_bound,
        )
    },
    "gem_gradient": (gem_gradient, "exact but for the rounding of differences"),
    "gradient_over_bound": (gradient_over_bound, RANDOM),
    "least_at_the_smallest_fit": (functools.partial(least_at, FITS[-1]), EXACT),
}  # fmt: skip
"""The formulas by name, and how their numbers are known."""
