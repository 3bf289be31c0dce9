"""The spectral radius: closed forms, numpy's eigenvalues, and its meaning for long strings."""

import math
from fractions import Fraction

import numpy as np
import pytest

from sim.languages.automaton import Automaton
from sim.languages.exact import UnavailableError
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule
from sim.languages.spectrum import radius, spectral_radius
from sim.languages.vocabulary import Vocabulary
from tests.unit.languages.small_languages import PLAIN, spoken

ONE = Vocabulary(("<eos>", "a"))


def grammar(*rules: tuple[int, tuple[int, ...], Fraction]) -> ContextFree:
    names = tuple("STU"[: 1 + max(lhs for lhs, _, _ in rules)])
    return ContextFree(PLAIN, names, tuple(Rule(*rule) for rule in rules))


@pytest.mark.parametrize("seed", range(20))
def test_random_matrices_by_their_eigenvalues(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 9))
    matrix = rng.random((size, size)) * (rng.random((size, size)) < rng.choice([0.2, 0.5, 1.0]))
    found = radius(matrix)
    assert found.exact
    assert found.lower == pytest.approx(float(np.abs(np.linalg.eigvals(matrix)).max()), rel=1e-11, abs=1e-12)


def test_a_periodic_matrix_with_entries_of_very_different_sizes() -> None:
    """A cycle of length 4 with weights whose product is 1e-12, and a faint way back."""
    cycle = np.roll(np.diag([1.0, 1e-10, 1e-1, 1e-1]), 1, axis=1)
    assert radius(cycle).value == pytest.approx(1e-3, rel=1e-13)
    cycle[0, 3] = 1e-30
    assert radius(cycle).value == pytest.approx(1e-3, rel=1e-12)


def test_no_loop_has_radius_zero() -> None:
    assert radius(np.triu(np.ones((4, 4)), 1)).value == 0.0


def test_long_strings_become_rarer_by_the_radius() -> None:
    table = np.array([[-1, 1, 0, -1], [-1, 0, -1, -1]])
    with np.errstate(divide="ignore"):
        machine = Automaton(PLAIN, table, np.log([[0.2, 0.5, 0.3, 0], [0.1, 0.9, 0, 0]]), 0)
    found = spectral_radius(machine)
    assert found.value == pytest.approx((0.3 + math.sqrt(0.09 + 4 * 0.45)) / 2, rel=1e-14)
    assert machine.dropped_mass(301) / machine.dropped_mass(300) == pytest.approx(found.value, rel=1e-10)


def test_states_that_never_occur_do_not_count() -> None:
    table = np.array([[-1, 0], [-1, 1]])
    assert spectral_radius(Automaton(ONE, table, np.log([[0.5, 0.5], [0.1, 0.9]]), 0)).value == 0.5


def test_grammars_around_the_critical_point() -> None:
    for p in (Fraction(1, 3), Fraction(1, 2), Fraction(1, 2) - Fraction(1, 10**30)):
        found = spectral_radius(grammar((0, (1, ~0, ~0), p), (0, (2,), 1 - p)))
        assert found.value == pytest.approx(float(2 * p), rel=1e-15)
    p, q = Fraction(3, 10), Fraction(9, 10)  # S -> T T, T -> S with p q: the mean matrix has the radius sqrt(2 p q)
    rules = (0, (~1, ~1), p), (0, (1,), 1 - p), (1, (~0,), q), (1, (2,), 1 - q)
    assert spectral_radius(grammar(*rules)).value == pytest.approx(math.sqrt(0.54), rel=1e-14)


def test_a_list_has_none() -> None:
    with pytest.raises(UnavailableError, match="only automata and grammars have one"):
        spectral_radius(spoken({(1,): Fraction(1)}))
