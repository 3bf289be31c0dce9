"""Laws that a matrix changes: the loss and its slope, and the best matrices and their bound against a search."""

import mpmath
import numpy as np
import pytest
from scipy.optimize import check_grad, minimize

from sim.languages.rank_bound import Gates, curve, least_loss, symmetric_basis
from sim.languages.readout import Aim, Readout, best_of, fitted
from sim.numerics import log_softmax

PREFIXES, DEPTH = 7, 2


def small(v: int = 3, rank: int = 2, sigma: float = 1.5, seed: int = 3) -> tuple[Aim, Gates]:
    """Random laws of `v` tokens with whitened features, and the law with `rank` gates as their target."""
    generator = np.random.default_rng(seed)
    weights = generator.dirichlet(np.full(PREFIXES, 3.0))
    phi = generator.normal(size=(PREFIXES, DEPTH))
    sizes, axes = np.linalg.eigh(phi.T @ (weights[:, None] * phi))
    readout = Readout(log_softmax(generator.normal(size=(PREFIXES, v))), phi @ axes / np.sqrt(sizes))
    u = np.linalg.qr(generator.normal(size=(DEPTH, rank)))[0]
    drawn = generator.normal(size=(v, rank))
    gates = Gates(u, np.linalg.qr(drawn - drawn.mean(axis=0))[0], np.full(rank, sigma))
    return Aim(readout, weights, readout.tilted(gates.matrix)), gates


def oracle(aim: Aim, matrix: np.ndarray) -> mpmath.mpf:
    """The loss from its definition, with 30 digits."""
    total = mpmath.mpf(0)
    with mpmath.workdps(30):
        for h, weight in enumerate(aim.weights):
            scores = [
                mpmath.mpf(aim.readout.log_base[h, a])
                + sum(mpmath.mpf(aim.readout.features[h, i]) * mpmath.mpf(matrix[i, a]) for i in range(DEPTH))
                for a in range(matrix.shape[1])
            ]
            log_total = mpmath.log(sum(mpmath.exp(score) for score in scores))
            for a, score in enumerate(scores):
                log_s = mpmath.mpf(aim.log_target[h, a])
                total += mpmath.mpf(weight) * mpmath.exp(log_s) * (log_s - score + log_total)
    return total


def test_the_loss_is_the_divergence_and_has_its_slope() -> None:
    aim, gates = small()
    matrix = np.random.default_rng(0).normal(size=gates.matrix.shape)
    assert aim.loss(matrix) == pytest.approx(float(oracle(aim, matrix)), rel=1e-12)
    assert aim.loss(gates.matrix) == pytest.approx(0.0, abs=1e-15)
    assert aim.slope(matrix)[0] == pytest.approx(aim.loss(matrix), abs=1e-13)

    def value(flat: np.ndarray) -> float:
        return aim.loss(flat.reshape(matrix.shape))

    error = check_grad(value, lambda flat: aim.slope(flat.reshape(matrix.shape))[1].ravel(), matrix.ravel())
    assert error < 1e-6


def test_rotated_features_are_the_same_laws() -> None:
    aim, gates = small()
    basis = np.random.default_rng(1).normal(size=(DEPTH, DEPTH))
    other = aim.readout.rotated(basis).tilted(np.linalg.solve(basis, gates.matrix))
    np.testing.assert_allclose(other, aim.log_target, atol=1e-12)


def singular(aim: Aim, directions: int = 90) -> float:
    """The least loss of matrices of rank 1 for three tokens. Up to a constant, M = x (cos, sin)ᵀ on two contrasts.

    Given the angle the loss is convex in x, float64[2]. The search uses no gradient and not the code of the fits.
    """
    contrasts = np.linalg.qr(np.column_stack([np.ones(3), np.eye(3)[:, 1:]]))[0][:, 1:]
    best = np.inf
    x = np.zeros(2)
    for angle in np.linspace(0.0, np.pi, directions, endpoint=False):
        token = contrasts @ np.array([np.cos(angle), np.sin(angle)])

        def value(x: np.ndarray, token: np.ndarray = token) -> float:
            scores = aim.readout.log_base + np.outer(aim.readout.features @ x, token)
            log_q = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
            return float((aim.weights[:, None] * np.exp(aim.log_target) * (aim.log_target - log_q)).sum())

        found = minimize(value, x, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-7})
        x, best = found.x, min(best, found.fun)
    return float(best)


@pytest.fixture(scope="module")
def least() -> dict[float, float]:
    return {sigma: singular(small(sigma=sigma)[0]) for sigma in (0.5, 2.0)}


@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_the_best_matrix_of_rank_one_is_that_of_a_search_over_all_directions(
    sigma: float, least: dict[float, float]
) -> None:
    aim, gates = small(sigma=sigma)
    starts = [gates.matrix, *np.random.default_rng(0).normal(size=(4, *gates.matrix.shape))]
    found = best_of(aim, starts, 1)
    assert np.linalg.matrix_rank(found.matrix, 1e-9) == 1
    assert found.loss == pytest.approx(least[sigma], rel=2e-3)
    assert fitted(aim, gates.matrix, 0).loss == aim.loss(np.zeros_like(gates.matrix))
    assert fitted(aim, gates.matrix, 2).loss < 1e-12, "the full rank is the target"


@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_no_matrix_of_a_lower_rank_undercuts_the_bound(sigma: float, least: dict[float, float]) -> None:
    bound = least_loss(*small(sigma=sigma))
    assert 0.1 * least[sigma] < bound < least[sigma], "it holds, and it is not empty"


@pytest.mark.parametrize("seed", range(3))
def test_the_bound_holds_for_more_tokens_and_ranks(seed: int) -> None:
    aim, gates = small(v=6, seed=seed, sigma=2.0)
    starts = [gates.matrix, *np.random.default_rng(seed).normal(size=(2, *gates.matrix.shape))]
    assert 0.0 < least_loss(aim, gates) < best_of(aim, starts, 1).loss


def test_the_bound_follows_the_weakest_gate() -> None:
    aim, gates = small()
    weak = Gates(gates.u, gates.v, np.array([1.5, 0.01]))
    own = Aim(aim.readout, aim.weights, aim.readout.tilted(weak.matrix))
    dropped = Gates(gates.u, gates.v, np.array([1.5, 0.0])).matrix
    assert least_loss(own, weak) < own.loss(dropped) < 1e-4


def test_nothing_is_certified_for_a_token_that_never_follows() -> None:
    aim, gates = small()
    log_base = aim.readout.log_base.copy()
    log_base[:, 0] = -np.inf
    readout = Readout(log_softmax(log_base), aim.readout.features)
    assert least_loss(Aim(readout, aim.weights, readout.tilted(gates.matrix)), gates) == 0.0


def test_the_curve_bounds_the_divergence_of_a_changed_law() -> None:
    with mpmath.workdps(30):
        for x in (1e-6, 1e-3, 0.00999, 0.0101, 0.3, 0.999, 1.0):
            exact = ((1 - mpmath.mpf(x)) * mpmath.log(1 - mpmath.mpf(x)) if x < 1 else 0) + mpmath.mpf(x)
            assert curve(np.array(x)) == pytest.approx(float(exact / mpmath.mpf(x) ** 2), rel=1e-11)
    x = np.linspace(0.01, 1.0, 50)[:, None]
    y = x * np.linspace(-0.9999, 9.0, 301)
    assert ((1 + y) * np.log1p(y) - y <= curve(x) * y**2 + 1e-15).all()


def test_the_basis_of_symmetric_matrices_is_orthonormal() -> None:
    basis = symmetric_basis(4)
    assert (basis == basis.transpose(0, 2, 1)).all()
    np.testing.assert_allclose(np.einsum("nij,mij->nm", basis, basis), np.eye(10), atol=1e-15)
