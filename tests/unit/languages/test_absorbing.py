"""Sums over walks against mpmath, in chains that hardly ever end: every digit, by every way of solving."""

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp

from sim.languages import absorbing
from sim.languages.absorbing import Absorbing
from sim.languages.exact import UnavailableError
from sim.numerics import SpecificationError

RARE = 1e-12


def chain(size: int, stop: float, links: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Moves along a ring and to random states, chances to stop of about `stop`, and values."""
    dice = np.random.default_rng(seed)
    weight = np.zeros((size, size))
    weight[np.arange(size), (np.arange(size) + 1) % size] = dice.random(size) + 0.1
    for _ in range(links):
        weight[dice.integers(size), dice.integers(size)] += dice.random()
    leaves = stop * (dice.random(size) + 0.1)
    total = weight.sum(axis=1) + leaves
    return weight / total[:, None], leaves / total, dice.random(size)


def solved(moves: np.ndarray, leaves: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The same with 60 digits, where 1 - sum of moves is given by `leaves`."""
    with mpmath.workdps(60):
        rest = [mpmath.mpf(float(leave)) for leave in leaves]
        matrix = mpmath.matrix(len(leaves), len(leaves))
        for i, row in enumerate(moves.tolist()):
            for j, p in enumerate(row):
                matrix[i, j] = -mpmath.mpf(p)
            matrix[i, i] = rest[i] + mpmath.fsum(mpmath.mpf(p) for j, p in enumerate(row) if j != i)
        found = mpmath.lu_solve(matrix, mpmath.matrix(values.tolist()))
        return np.array([float(value) for value in found])


@pytest.mark.parametrize("block", [1, 7, 96])
@pytest.mark.parametrize("stop", [0.3, RARE])
def test_blocks_of_any_size_keep_every_digit(block, stop, monkeypatch):
    monkeypatch.setattr(absorbing, "BLOCK", block)
    moves, leaves, values = chain(30, stop, 60, 1)
    expected = solved(moves, leaves, values)
    walk = Absorbing(moves, leaves)
    np.testing.assert_allclose(walk.solve(values), expected, rtol=2e-14)
    assert walk.solve(values).max() > (1e11 if stop == RARE else 1)
    np.testing.assert_allclose(walk.solve(2 * values), 2 * expected, rtol=2e-14)  # from the same factors


@pytest.mark.parametrize(("links", "most"), [(0, 4_000), (60, 4_000), (60, 0)], ids=["ring", "fill-in", "core"])
def test_sparse_elimination_keeps_every_digit(links, most, monkeypatch):
    monkeypatch.setattr(absorbing, "DENSE", 5)
    monkeypatch.setattr(absorbing, "MOST_FILL", most)
    moves, leaves, values = chain(30, RARE, links, 2)
    walk = Absorbing(sp.csr_array(moves), leaves)
    np.testing.assert_allclose(walk.solve(values), solved(moves, leaves, values), rtol=2e-14)
    assert (len(walk._sparse.rest) == 30) == (most == 0)


def test_short_walks_are_summed_as_a_series(monkeypatch):
    monkeypatch.setattr(absorbing, "DENSE", 5)
    monkeypatch.setattr(absorbing, "SparseElimination", None)  # it would raise a TypeError
    moves, leaves, values = chain(30, 0.5, 60, 3)
    found = Absorbing(sp.csr_array(moves), leaves).solve(values)
    np.testing.assert_allclose(found, solved(moves, leaves, values), rtol=2e-14)


def test_a_machine_without_cycles_is_no_series(monkeypatch):
    """The walk of n steps has n terms, which is more than the trial."""
    monkeypatch.setattr(absorbing, "DENSE", 5)
    monkeypatch.setattr(absorbing, "MOST_TERMS", 100)
    size = 200
    moves = sp.csr_array(np.eye(size, k=1))
    leaves = np.append(np.zeros(size - 1), 1.0)
    found = Absorbing(moves, leaves).solve(np.ones(size))
    assert found.tolist() == list(range(size, 0, -1))


def test_what_is_out_of_reach_is_refused_in_one_line(monkeypatch):
    monkeypatch.setattr(absorbing, "DENSE", 5)
    monkeypatch.setattr(absorbing, "CORE", 10)
    monkeypatch.setattr(absorbing, "MOST_FILL", 0)
    moves, leaves, values = chain(30, RARE, 60, 2)
    with pytest.raises(UnavailableError, match=r"30 of the 30 states are too closely connected .* at most 5 states"):
        Absorbing(sp.csr_array(moves), leaves).solve(values)


@pytest.mark.parametrize("dense", [5, 100])
def test_a_chance_to_stop_that_underflows_is_refused(dense, monkeypatch):
    monkeypatch.setattr(absorbing, "DENSE", dense)
    moves, leaves = np.eye(6, k=1) + np.eye(6, k=-5), np.zeros(6)
    with pytest.raises(SpecificationError, match="found an underflow"):
        Absorbing(sp.csr_array(moves), leaves).solve(np.ones(6))
