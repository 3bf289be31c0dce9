"""The path of the lost mass in closed form, against scipy's integrator on all logits."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from sim.theory.decay import flat_sgd_constant
from sim.theory.flow import even_flow


@pytest.mark.parametrize(("kept", "lost", "mass"), [(3, 5, 0.75), (1, 3, 0.2), (6, 1, 0.999)])
def test_it_is_the_gradient_flow_of_a_softmax(kept, lost, mass):
    s = np.where(np.arange(kept + lost) < kept, 1.0 / kept, 0.0)
    start = np.log(np.where(s > 0, (1 - mass) / kept, mass / lost))

    def flow(_: float, logits: np.ndarray) -> np.ndarray:
        q = np.exp(logits - logits.max())
        return s - q / q.sum()

    times = np.array([0.5, 5.0, 50.0, 500.0])
    path = solve_ivp(flow, (0.0, 500.0), start, "LSODA", times, rtol=1e-10, atol=1e-12).y
    q = np.exp(path - np.logaddexp.reduce(path))
    np.testing.assert_allclose(q[kept:].sum(axis=0), even_flow(kept, lost, mass, times), rtol=1e-6)


def test_it_begins_at_its_mass_and_tends_to_the_constant_from_above():
    assert even_flow(2, 3, 0.3, np.zeros(1)) == pytest.approx(0.3, rel=1e-14)
    times = np.array([1e3, 1e6, 1e12])
    products = times * even_flow(2, 3, 0.3, times) / flat_sgd_constant(2, 3)
    share = np.log(times * 5 / 6) / (times * 5 / 6)
    assert (products > 1.0).all()
    assert (products - 1.0)[-1] / share[-1] == pytest.approx(1.0, abs=0.2)  # up to log log
    assert products[-1] == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("bad", [(0, 1, 0.5), (1, 0, 0.5), (1, 1, 0.0), (1, 1, 1.0), (1, 1, float("nan"))])
def test_refused(bad):
    with pytest.raises(ValueError, match="kept, lost >= 1 and a mass between 0 and 1 are required"):
        even_flow(*bad, np.ones(1))
