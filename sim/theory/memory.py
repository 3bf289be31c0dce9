"""Adam's memory: how the lost mass of a table falls while the second moment remembers the first gradients.

`t` counts updates, `m_t = q_t(B)`, and `ρ = ½ |log β₂|` (`sim.theory.decay.adam_ceiling`) is the rate at which the root
of the second moment forgets. The conditions and their tests: docs/laws.md.
"""

import numpy as np

from sim.theory.decay import adam_ceiling

WINDOW = (0.5, 5.0)
"""The range of ρ t in which the law is judged."""


def memory_law(beta2: float, steps: np.ndarray) -> np.ndarray:
    """log of 1 / (e^(ρ t) - 1), the lost mass under Adam up to a constant [nat]: float64[T].

    Reason: the first gradients are much larger than all later ones. So sqrt(v_t) falls as e^(-ρ t), whatever the
    gradients do. Then d log m/dt = -c m e^(ρ t), with the solution 1/m = (c/ρ) (e^(ρ t) - 1). The rate is above ρ at
    all times, and tends to ρ. Source: docs/laws.md.
    """
    return np.asarray(-np.log(np.expm1(adam_ceiling(beta2) * np.asarray(steps, np.float64))))


def corrected_memory_law(beta2: float, steps: np.ndarray) -> np.ndarray:
    """log of 1 / (u - arctan u) with u = sqrt(e^(2 ρ t) - 1): the same with Adam's bias correction [nat], float64[T].

    The correction divides v by 1 - β₂^t = 1 - e^(-2 ρ t). Then d(1/m)/dt = c sqrt(e^(2 ρ t) - 1). For ρ t << 1, m falls
    as t^(-3/2). For ρ t >> 1 both laws agree. It is the limit for lr >> ρ with a small lr: exact to 0.03 nats.
    Source: docs/laws.md.
    """
    u = np.sqrt(np.expm1(2.0 * adam_ceiling(beta2) * np.asarray(steps, np.float64)))
    return np.asarray(-np.log(u - np.arctan(u)))


def has_memory(learning_rate: float, beta1: float, beta2: float, p_kept: float) -> bool:
    """Whether the lost mass of a table follows `memory_law` within 0.6 nats for 0.5 <= ρ t <= 5.

    Conditions: β₂ >= 0.99 and ρ <= 0.1 (1 - β₁), so that the first moment is much quicker than the second;
    3 ρ <= lr <= 0.1, so that much is lost within the memory, but not in single steps; and 1/4 <= P(A) <= 0.9, given as
    `p_kept`. They were found by simulation. They are for eps = 0, constant rates, a fresh state and S = P(. | A).
    """
    rho = adam_ceiling(beta2)
    quick = beta2 >= 0.99 and rho <= 0.1 * (1.0 - beta1)
    return quick and 3.0 * rho <= learning_rate <= 0.1 and 0.25 <= p_kept <= 0.9


def spread(log_mass: np.ndarray, law: np.ndarray) -> float:
    """Largest minus least difference between log m_t and a law that is known up to a constant [nat]."""
    return float(np.ptp(np.asarray(log_mass) - np.asarray(law)))
