"""How the expected number of steps off the path grows with the horizon T, for a walker with two states.

A walker begins on the path. At each step t = 1, 2, ... it leaves the path with the hazard ε_t if it is on it, and
returns with the recovery r_t if it is off it. J(T) is the expected number of steps 1..T that it spends off the path
[steps]. The local slope is s = d log J / d log T: 2 for rare errors that are never repaired, 1 for a walker that is off
the path nearly all the time.
Source: Ross & Bagnell 2010, "Efficient reductions for imitation learning", for the quadratic growth.
"""

import math

import numpy as np

SERIES_BELOW = 0.5
"""Below this u the slope is summed as a series, because its closed form subtracts nearly equal numbers."""


def off_by_step(hazards: np.ndarray, recoveries: np.ndarray) -> np.ndarray:
    """Probability that the walker is off the path at step t = 1..T: float64[T] from ε_t and r_t, float64[T] both.

    It is the recursion o_t = o_(t-1) (1 - r_t) + (1 - o_(t-1)) ε_t with o_0 = 0, in which nothing is subtracted from a
    nearly equal number. Raises ValueError for other shapes, and for numbers outside [0, 1].
    """
    if hazards.ndim != 1 or hazards.shape != recoveries.shape:
        raise ValueError(f"horizon: ε_t and r_t of one length are required, found {hazards.shape}, {recoveries.shape}")
    for name, values in (("ε_t", hazards), ("r_t", recoveries)):
        if not ((values >= 0.0) & (values <= 1.0)).all():
            raise ValueError(f"horizon: {name}: probabilities from 0 to 1 are required, found {values!r}")
    off, found = 0.0, np.empty(len(hazards))
    for t, (hazard, recovery) in enumerate(zip(hazards.tolist(), recoveries.tolist(), strict=True)):
        off = off * (1.0 - recovery) + (1.0 - off) * hazard
        found[t] = off
    return found


def steps_off(hazards: np.ndarray, recoveries: np.ndarray) -> np.ndarray:
    """J(1), ..., J(T) [steps]: float64[T] from ε_t and r_t, float64[T] both. See `off_by_step`."""
    return np.cumsum(off_by_step(hazards, recoveries))


def steps_off_at_rate(hazard: float, recovery: float, horizon: int) -> float:
    """J(T) for a constant hazard ε and recovery r [steps].

    With π = ε / (ε + r) and λ = 1 - ε - r the walker is off at step t with probability π (1 - λ^t), so
    J(T) = π T - π λ (1 - λ^T) / (1 - λ). It is summed over t, because the closed form loses digits if ε T is small.
    Raises ValueError unless 0 <= ε, r <= 1 and T >= 0.
    """
    if not (0.0 <= hazard <= 1.0 and 0.0 <= recovery <= 1.0 and horizon >= 0):
        raise ValueError(
            f"horizon: 0 <= ε, r <= 1 and T >= 0 are required, found ε = {hazard}, r = {recovery}, T = {horizon}"
        )
    if hazard == 0.0:
        return 0.0
    share = hazard / (hazard + recovery)
    return math.fsum(share * changed(hazard + recovery, t) for t in range(1, horizon + 1))


def changed(rate: float, steps: int) -> float:
    """1 - λ^n with λ = 1 - rate, for a rate from 0 to 2: how much of the start is forgotten after n steps.

    The transition matrix of n steps at once has the hazard π (1 - λ^n) and the recovery (1 - π) (1 - λ^n).
    """
    return -math.expm1(steps * math.log1p(-rate)) if rate < 1.0 else 1.0 - (1.0 - rate) ** steps


def slope_between(first: float, second: float, first_horizon: int, second_horizon: int) -> float:
    """Slope of log J on log T between two horizons, from J at each of them. Raises ValueError unless all are positive.

    Equal horizons raise ValueError too.
    """
    numbers: tuple[float, ...] = (first, second, first_horizon, second_horizon)
    if not all(0.0 < number < math.inf for number in numbers) or first_horizon == second_horizon:
        raise ValueError(f"slope: positive J at two different horizons are required, found {numbers}")
    return math.log(second / first) / math.log(second_horizon / first_horizon)


def discrete_slope(hazard: float, recovery: float, first_horizon: int, second_horizon: int) -> float:
    """Slope of log J on log T between two horizons, for a constant hazard and recovery. See `slope_between`."""
    first, second = (steps_off_at_rate(hazard, recovery, horizon) for horizon in (first_horizon, second_horizon))
    return slope_between(first, second, first_horizon, second_horizon)


def continuous_slope(u: float) -> float:
    """s(u) = u (1 - e^-u) / (u - 1 + e^-u), the local slope at u = ε T in continuous time without recovery.

    It falls from 2 (u -> 0) to 1 (u -> ∞). The discrete slope differs from it at small T, where J(1) = ε is linear.
    Raises ValueError unless u > 0.
    """
    if not u > 0.0:
        raise ValueError(f"slope: u > 0 is required, found {u!r}")
    if u >= SERIES_BELOW:
        return u * -math.expm1(-u) / (u + math.expm1(-u))
    terms = [(-u) ** k / math.factorial(k + 2) for k in range(20)]  # (u - 1 + e^-u) / u^2
    return -math.expm1(-u) / (u * math.fsum(terms))
