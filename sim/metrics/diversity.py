"""Diversity of a distribution over strings: collision probability, Hill numbers, distinct strings among k samples.

Averages over prompts are taken before the last transformation: N_1 = e^(E_x H), N_2 = 1 / E_x C, N_inf = 1 / E_x max q.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np

from sim.metrics.entropy import entropy_interval, entropy_of
from sim.metrics.scene import Cell, Evaluation, Metric, of_language
from sim.metrics.scored import Scored, average
from sim.numerics import expectation
from sim.quantity import Quantity, exponential, logarithm, reciprocal


def collision(log_p: np.ndarray, log_w: np.ndarray | None = None) -> float:
    """C(p) = E_w sum p^2, the probability that two independent strings are equal. `log_p` is float64[K]. Exact."""
    doubled = 2.0 * np.asarray(log_p)
    return expectation(doubled if log_w is None else doubled + log_w, np.ones(len(doubled)))


def collision_interval(q: Scored, log_law: np.ndarray) -> Quantity:
    """C(q), averaged over the prompt law float64[G]. It is exact if q(⊥) = 0.

    The strings off the support add between 0 and sum_e q_e^2, where e runs over the exits (see `sim.metrics.scored`).
    """
    on = collision(q.log_q, q.log_weights(log_law))
    return Quantity(on, on + average(log_law, q.exit_square))


def collision_ratio(q: Scored, p: Scored, log_law: np.ndarray) -> Quantity:
    """C(q) / C(p) for a truth p. It is above 1 if q is less diverse than p."""
    return collision_interval(q, log_law).scaled(1.0 / collision(p.log_q, p.log_weights(log_law)))


def largest_interval(q: Scored, log_law: np.ndarray) -> Quantity:
    """E_x max_y q(y|x). It is exact if, for every x, the likeliest supported string exceeds every exit mass q_e."""
    return Quantity(average(log_law, q.largest), average(log_law, np.maximum(q.largest, q.exit_max)))


def hill_number(q: Scored, order: int | float, log_law: np.ndarray) -> Quantity:
    """Effective number of strings N_order [strings]: e^H (order 1), 1/C (order 2), 1/max q (order inf).

    Instead of order 0 use the eps-support, `sim.metrics.support.epsilon_support`. Raises ValueError for other orders.
    Source: M. Hill, 1973, "Diversity and evenness: a unifying notation and its consequences".
    """
    if order == 1:
        return entropy_interval(q, log_law).increasing(exponential)
    if order == 2:
        return collision_interval(q, log_law).decreasing(reciprocal)
    if order == np.inf:
        return largest_interval(q, log_law).decreasing(reciprocal)
    raise ValueError(f"hill_number: order 1, 2 or inf is required, found {order!r}; for order 0 use epsilon_support")


def renyi_entropy(q: Scored, order: int | float, log_law: np.ndarray) -> Quantity:
    """Rényi entropy log N_order [nat] for the orders of `hill_number`."""
    return hill_number(q, order, log_law).increasing(logarithm)


def distinct_of(q: Scored, num_samples: int, log_law: np.ndarray) -> Quantity:
    """Expected number of distinct answers among k samples per prompt: the sum of 1 - (1-q)^k over strings [strings].

    The strings off the support add between 1 - (1-q(⊥))^k and k q(⊥). So the result is exact if q(⊥) = 0. Raises
    ValueError unless k >= 1.
    """
    if num_samples < 1:
        raise ValueError(f"distinct_of: num_samples of at least 1 is required, found {num_samples!r}")
    on = expectation(q.log_weights(log_law), _hit(np.exp(q.log_q), num_samples))
    lower = _hit(q.off, num_samples)
    upper = np.maximum(num_samples * q.off, lower)  # at k = 1 both are equal up to rounding
    return Quantity(on + average(log_law, lower), on + average(log_law, upper))


def _hit(probability: np.ndarray, num_samples: int) -> np.ndarray:
    """1 - (1-p)^k without cancellation."""
    with np.errstate(divide="ignore"):
        return -np.expm1(num_samples * np.log1p(-np.minimum(probability, 1.0)))


def _effective(evaluation: Evaluation) -> Iterator[Cell]:
    for of, _, law, _ in evaluation.pairs():
        yield Cell(of, entropy_of(evaluation, of, law).increasing(exponential), law)


def _hill(order: int | float, q: Scored, log_law: np.ndarray) -> Quantity:
    return hill_number(q, order, log_law)


METRICS = [
    Metric("hill_1", "e^H", "strings", "effective number of strings, Hill number of order 1", _effective, "diversity"),
    of_language(
        "hill_2", "N₂ = 1/C", "strings", "effective number by the collision probability", partial(_hill, 2),
        section="diversity",
    ),
    of_language(
        "hill_inf", "N_∞", "strings", "effective number by the likeliest string", partial(_hill, np.inf),
        section="diversity",
    ),
]  # fmt: skip
