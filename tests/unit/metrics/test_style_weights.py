"""The mixture of styles that a model speaks, against scipy and closed forms; the bounds hold and are narrow."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from sim.languages.exact import UnavailableError
from sim.metrics.scene import World
from sim.metrics.style_weights import fitted, style_fits
from tests.unit.metrics.oracle_worlds import made


def problem(seed: int, styles: int, answers: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """A law q, the densities P(y|x, z) / P(y|x), the shares P(z|x), and KL(q‖P)."""
    dice = np.random.default_rng(seed)
    laws, shares = dice.dirichlet(np.full(answers, 0.7), styles), dice.dirichlet(np.ones(styles))
    whole = shares @ laws
    weights = dice.dirichlet(np.full(styles, 0.5))
    q = 0.9 * weights @ laws + 0.1 * dice.dirichlet(np.ones(answers))
    return q, (laws / whole).T, shares, float(q @ np.log(q / whole))


@pytest.mark.parametrize("seed", range(6))
def test_the_fit_is_the_optimum_that_scipy_finds(seed: int) -> None:
    q, density, start, kl_to_p = problem(seed, 2 + seed % 3, 9)
    fit = fitted(q, density, kl_to_p, start)
    found = minimize(
        lambda w: -q @ np.log(density @ w),
        start,
        jac=lambda w: -(q / (density @ w)) @ density,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * len(start),
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1.0, "jac": np.ones_like},
        options={"ftol": 1e-15, "maxiter": 500},
    )
    np.testing.assert_allclose(fit.weights, found.x, atol=1e-5)
    best = kl_to_p + found.fun
    assert fit.kl_lower - 1e-12 <= fit.kl_upper <= best + 1e-10, "no worse than scipy's"
    assert fit.kl_lower <= best + 1e-12
    assert fit.kl_upper - fit.kl_lower <= 1e-11
    assert (fit.lower <= fit.weights).all()
    assert (fit.weights <= fit.upper).all()
    assert (fit.lower - 1e-5 <= found.x).all()
    assert (found.x <= fit.upper + 1e-5).all()
    assert (fit.upper - fit.lower).max() < 1e-3


def test_an_exact_mixture_is_recovered_within_its_bounds_and_leaves_nothing() -> None:
    _, density, start, _ = problem(11, 3, 12)
    true = np.array([0.2, 0.8, 0.0])
    whole = np.random.default_rng(0).dirichlet(np.ones(12))
    laws = density.T * whole
    laws = laws / laws.sum(axis=1, keepdims=True)
    q = true @ laws
    fit = fitted(q, (laws / whole).T, float(q @ np.log(q / whole)), start)
    assert (fit.lower - 1e-12 <= true).all()
    assert (true <= fit.upper + 1e-12).all()
    np.testing.assert_allclose(fit.weights, true, atol=1e-4)
    assert fit.kl_upper < 1e-10


def test_weights_that_the_answers_do_not_determine_have_wide_bounds() -> None:
    """Two styles that say the same: only the sum of their weights is known."""
    law, other, whole = (np.array(one) for one in ([0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [0.4, 0.2, 0.4]))
    q = 0.5 * law + 0.5 * other
    density = np.stack([law, law, other], axis=1) / whole[:, None]
    fit = fitted(q, density, float(q @ np.log(q / whole)), np.array([0.3, 0.2, 0.5]))
    for z in (0, 1):
        assert fit.lower[z] <= 1e-6
        assert fit.upper[z] >= 0.5 - 1e-6
    assert fit.lower[2] == pytest.approx(0.5, abs=1e-4)
    assert fit.upper[2] == pytest.approx(0.5, abs=1e-4)


def test_a_style_that_nothing_was_drawn_from_has_weight_0() -> None:
    """At the edge of the simplex, where the gradient is below 1."""
    laws, whole = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]), np.array([0.25, 0.5, 0.25])
    q = np.array([0.8, 0.2, 0.0])
    fit = fitted(q, (laws / whole).T, float(q[:2] @ np.log(q[:2] / whole[:2])), np.array([0.5, 0.5]))
    np.testing.assert_allclose(fit.weights, [1.0, 0.0], atol=1e-9)
    assert fit.kl_upper == pytest.approx(0.8 * math.log(1.6) + 0.2 * math.log(0.4), abs=1e-11)
    assert fit.upper[1] < 1e-5
    assert fit.lower[0] > 1 - 1e-5


@pytest.mark.parametrize("name", ["no prompts", "all kept"])
def test_where_there_is_nothing_to_fit_it_says_so(name: str) -> None:
    world = World(made(name).record, "response")
    with pytest.raises(
        UnavailableError, match=r"style weights: .*; (choose a world with styles|restrict it to a part)"
    ):
        style_fits(world, world.scored("sft", -1))
    with pytest.raises(ValueError, match="a positive start is required"):
        fitted(np.ones(1), np.ones((1, 2)), 0.0, np.array([1.0, 0.0]))
