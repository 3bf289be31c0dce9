"""The law of Adam's memory against flat tables in float64 with exact gradients, inside its conditions and outside."""

import numpy as np
import pytest

from sim.theory.decay import adam_ceiling, adam_rate
from sim.theory.memory import WINDOW, corrected_memory_law, has_memory, memory_law, spread


def log_masses(
    rate: float, beta1: float, beta2: float, p_kept: float, steps: int, corrected: bool = True, seed: int = 0
) -> np.ndarray:
    """log q_t(B) after t = 1 .. `steps` updates of Adam, from q0 = P towards P(. | A): a softmax over 20 strings."""
    dice = np.random.default_rng(seed)
    p = np.concatenate([p_kept * dice.dirichlet(np.ones(6)), (1 - p_kept) * dice.dirichlet(np.ones(14))])
    target = np.where(np.arange(20) < 6, p / p_kept, 0.0)
    logits, first, second, found = np.log(p), np.zeros(20), np.zeros(20), np.zeros(steps)
    for t in range(1, steps + 1):
        e = np.exp(logits - logits.max())
        gradient = e / e.sum() - target
        first = beta1 * first + (1 - beta1) * gradient
        second = beta2 * second + (1 - beta2) * gradient**2
        scale = np.sqrt((1 - beta2**t) if corrected else 1.0) / ((1 - beta1**t) if corrected else 1.0)
        logits = logits - rate * scale * first / np.sqrt(second)
        found[t - 1] = np.logaddexp.reduce(logits[6:]) - np.logaddexp.reduce(logits)
    return found


def spreads(rate: float, beta1: float, beta2: float, p_kept: float) -> tuple[float, float, float]:
    """In the window: the spread about the law, about the corrected law, and by how much log m falls."""
    rho = adam_ceiling(beta2)
    log_m, t = log_masses(rate, beta1, beta2, p_kept, int(WINDOW[1] / rho)), np.arange(1, int(WINDOW[1] / rho) + 1)
    inside = t * rho >= WINDOW[0]
    log_m, t = log_m[inside], t[inside]
    laws = memory_law(beta2, t), corrected_memory_law(beta2, t)
    return spread(log_m, laws[0]), spread(log_m, laws[1]), float(log_m[0] - log_m[-1])


INSIDE = [
    (0.016, 0.9, 0.99, 0.25),
    (0.1, 0.9, 0.99, 0.9),
    (0.03, 0.0, 0.99, 0.5),
    (0.05, 0.9, 0.995, 0.3),
    (0.01, 0.9, 0.998, 0.5),
]
OUTSIDE = [
    (0.1, 0.9, 0.9, 0.25),  # ρ is 0.05 and the first moment remembers as long
    (0.03, 0.9, 0.9, 0.5),
    (0.5, 0.9, 0.99, 0.25),
    (0.5, 0.9, 0.99, 0.5),
    (0.0051, 0.9, 0.99, 0.25),  # lr is about ρ: little is lost within the memory
    (0.0008, 0.9, 0.998, 0.25),
    (0.0076, 0.9, 0.99, 0.01),
]


@pytest.mark.parametrize("setting", INSIDE)
def test_inside_its_conditions_the_lost_mass_follows_the_law(setting):
    assert has_memory(*setting)
    off, _, fall = spreads(*setting)
    assert off <= 0.6
    assert 4.5 < fall < 6.1  # a power law 1/t falls by 2.3, and log m + log(e^(ρ t) - 1) spreads by 3.1


@pytest.mark.parametrize("setting", OUTSIDE)
def test_outside_it_does_not(setting):
    assert not has_memory(*setting)
    assert spreads(*setting)[0] > 1.0


def test_with_large_and_still_small_steps_the_law_with_the_bias_correction_is_nearly_exact():
    off, exact, _ = spreads(0.02, 0.9, 0.998, 0.25)  # lr = 20 ρ
    assert exact < 0.05
    assert off > 0.35  # what the correction leaves of the simple law: 0.5 nats


@pytest.mark.parametrize(("corrected", "power"), [(True, -1.5), (False, -1.0)])
def test_within_the_memory_the_power_is_three_halves_with_the_correction_and_one_without(corrected, power):
    rate = 0.02 if corrected else 2e-4  # without it the first steps are sqrt(1e6) times as large
    log_m = log_masses(rate, 0.9, 1 - 1e-6, 0.25, 2000, corrected)  # ρ t is 0.001 at the end
    t = np.array([500, 1000, 2000])
    measured = float(np.polyfit(np.log(t), log_m[t - 1], 1)[0])
    assert measured == pytest.approx(power, abs=0.03)
    if corrected:
        law = corrected_memory_law(1 - 1e-6, t)
        assert float(np.polyfit(np.log(t), law, 1)[0]) == pytest.approx(-1.5, abs=1e-3)


def test_the_lost_mass_falls_faster_than_the_limit_of_constant_rates_at_all_times():
    rho = adam_ceiling(0.99)
    log_m = log_masses(0.03, 0.9, 0.99, 0.25, 1000)
    rates = -np.diff(log_m[99:])
    assert (rates > rho).mean() > 0.9
    assert rates.max() > 1.5 * rho
    assert adam_rate(0.03, 0.9, 0.99, 2.0) < rho  # the law of constant rates is about later times
    law = np.diff(-memory_law(0.99, np.arange(1, 2000)))
    assert (law > rho).all()
    assert law[-1] == pytest.approx(rho, rel=1e-3)
