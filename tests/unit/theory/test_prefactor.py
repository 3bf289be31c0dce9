"""The prefactor 1/κ of the lost mass under SGD: the minimum against scipy, tables in closed form, and simulations."""

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize, nnls

from sim.theory.decay import flat_sgd_constant
from sim.theory.kernel import nonnegative, slowest, unpacked


def positive(seed: int, size: int, rank: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(size, rank))
    return rows @ rows.T


def softmax_kernel(q: np.ndarray, features: np.ndarray) -> np.ndarray:
    """K of log softmax(features θ): gradients are features minus their mean under q."""
    rows = features - q @ features
    return rows @ rows.T


@pytest.mark.parametrize("seed", range(4))
def test_the_minimum_with_signs_is_that_of_scipy_and_fulfils_its_conditions(seed):
    matrix = positive(seed, 9, 12)
    z = nonnegative(matrix)
    root = np.linalg.cholesky(matrix)
    np.testing.assert_allclose(z, nnls(root.T, np.linalg.solve(root, np.ones(9)))[0], rtol=1e-9, atol=1e-12)
    slope = matrix @ z - 1.0
    np.testing.assert_allclose(slope[z > 0], 0.0, atol=1e-9)
    assert (slope >= -1e-9).all()
    if seed == 0:
        assert (z == 0).any(), "some signs bind"
        assert (z > 0).any()


def test_a_matrix_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="positive definite matrix is required"):
        nonnegative(np.array([[-1.0, 0.0], [0.0, -1.0]]))
    with pytest.raises(ValueError, match="a kept and a lost string are required, found 2 and 0"):
        slowest(np.eye(2), np.array([0.5, 0.5]), np.zeros(2, bool), np.zeros(2, int))


@pytest.mark.parametrize("seed", range(3))
def test_the_direction_is_the_minimum_over_all_directions_that_keep_the_sums(seed):
    """Two prompts; S lacks some strings of both. scipy's SQP finds the minimum from the definition."""
    kernel, group = positive(seed, 9, 20), np.array([0, 0, 0, 0, 0, 1, 1, 1, 1])
    s = np.array([0.3, 0.2, 0.0, 0.0, 0.0, 0.1, 0.4, 0.0, 0.0])
    lost = s == 0.0
    found = slowest(kernel, s, lost, group)
    constraints = [
        {"type": "eq", "fun": lambda v, g=g: v[group == g].sum()} for g in (0, 1)
    ] + [{"type": "eq", "fun": lambda v: v[lost].sum() + 1.0}]  # fmt: skip
    bounds = [(None, 0.0) if one else (None, None) for one in lost]
    chosen = {"bounds": bounds, "constraints": constraints, "options": {"ftol": 1e-14, "maxiter": 500}}
    best = minimize(
        lambda v: v @ kernel @ v, np.where(lost, -0.2, 0.25), jac=lambda v: 2 * kernel @ v, method="SLSQP", **chosen
    )
    assert best.success
    assert found.kappa == pytest.approx(best.fun, rel=1e-6)
    assert found.kappa == pytest.approx(found.v @ kernel @ found.v, rel=1e-9)
    assert found.v[lost].sum() == pytest.approx(-1.0)
    assert found.v[~lost].sum() == pytest.approx(1.0)
    assert found.v[group == 0].sum() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("kept", "lost"), [(3, 5), (1, 7), (6, 2)])
def test_the_flat_table_has_its_closed_form(kept, lost):
    """At any q: κ = 1/n_A + 1/n_B."""
    q = np.random.default_rng(kept).dirichlet(np.ones(kept + lost))
    s = np.where(np.arange(kept + lost) < kept, q, 0.0) / q[:kept].sum()
    found = slowest(softmax_kernel(q, np.eye(kept + lost)), s, s == 0.0, np.zeros(kept + lost, int))
    assert 1 / found.kappa == pytest.approx(flat_sgd_constant(kept, lost))
    np.testing.assert_allclose(found.v, np.where(s > 0, 1 / kept, -1 / lost), atol=1e-9)


def trie_kernel(tables: dict[tuple[int, ...], np.ndarray], strings: list[tuple[int, ...]]) -> np.ndarray:
    """K of a table with a softmax for each prefix, from the gradient of each string."""
    rows = {node: place for place, node in enumerate(tables)}
    jacobian = np.zeros((len(strings), len(rows), 4))
    for at, string in enumerate(strings):
        for depth, token in enumerate(string):
            jacobian[at, rows[string[:depth]]] -= tables[string[:depth]]
            jacobian[at, rows[string[:depth]], token] += 1.0
    flat = jacobian.reshape(len(strings), -1)
    return flat @ flat.T


def test_the_trie_table_has_the_sum_over_its_gates_in_the_end_and_less_before():
    """64 strings of three tokens. In the end every forbidden token of a node has the same small probability."""
    strings = list(itertools.product(range(4), repeat=3))
    kept = np.array([s[0] < 2 and s[1] != 3 and s[2] != 0 for s in strings])
    dice = np.random.default_rng(0)
    nodes = [(), *itertools.product(range(4)), *itertools.product(range(4), repeat=2)]
    start = {node: dice.dirichlet(np.ones(4)) for node in nodes}
    end, constant = dict(start), 0.0
    for node in nodes:
        taken = {s[len(node)] for s, one in zip(strings, kept, strict=True) if one and s[: len(node)] == node}
        if taken:
            inside = np.isin(np.arange(4), list(taken))
            law = np.where(inside, start[node] / start[node][inside].sum(), 0.0)
            reach = (
                1.0 if not node else end[()][node[0]] if len(node) == 1 else end[()][node[0]] * end[node[:1]][node[1]]
            )
            end[node] = (law + 1e-9 * ~inside / reach) / (1 + 1e-9 * (~inside).sum() / reach)
            constant += len(taken) * (4 - len(taken)) / 4
    assert constant == 1.0 + 2 * 0.75 + 6 * 0.75
    limits = []
    for tables in (start, end):
        p = np.array([np.prod([tables[s[:d]][s[d]] for d in range(3)]) for s in strings])
        s = np.where(kept, p, 0.0) / p[kept].sum()
        limits.append(1 / slowest(trie_kernel(tables, strings), s, ~kept, np.zeros(64, int)).kappa)
    assert limits[1] == pytest.approx(constant, rel=1e-5)
    assert limits[0] < 0.95 * limits[1]  # the kernel at q0 knows of it, but not all


def test_a_model_with_shared_parameters_reaches_the_prefactor_of_its_last_kernel():
    """Softmax of random features: lost strings share parameters with kept ones, and some lose their weight early."""
    dice = np.random.default_rng(3)
    features, p = 0.5 * dice.normal(size=(10, 30)), dice.dirichlet(2 * np.ones(10))
    s = np.where(np.arange(10) < 4, p, 0.0) / p[:4].sum()
    bias, theta, rate, masses = np.log(p), np.zeros(30), 0.5, {}
    for t in range(1, 40_001):
        e = np.exp(bias + features @ theta)
        theta += rate * (s - e / e.sum()) @ features
        if t in (20_000, 39_990, 40_000):
            e = np.exp(bias + features @ theta)
            q = e / e.sum()
            masses[t] = q[4:].sum()
    kernel = softmax_kernel(q, features)
    found = slowest(kernel, s, s == 0.0, np.zeros(10, int))
    product = rate * 40_000 * masses[40_000]
    assert product == pytest.approx(rate * 20_000 * masses[20_000], rel=0.05)
    assert product == pytest.approx(1 / found.kappa, rel=0.05)
    w = np.where(s == 0.0, q, 0.0) / masses[40_000]
    v = (s - q) / masses[40_000]
    speed = (1 / masses[40_000] - 1 / masses[39_990]) / (10 * rate)
    assert speed == pytest.approx(-w @ kernel @ v, rel=1e-3)
    assert v @ kernel @ v == pytest.approx(found.kappa, rel=0.05)
    np.testing.assert_allclose(w, np.maximum(-found.v, 0.0), atol=0.03)


def test_a_triangle_is_unpacked_into_its_symmetric_matrix():
    matrix = positive(1, 5, 5)
    np.testing.assert_array_equal(unpacked(matrix[np.tril_indices(5)]), (matrix + matrix.T) / 2)
