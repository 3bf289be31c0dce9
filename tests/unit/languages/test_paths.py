"""The likeliest paths of hidden automata against a list of all paths."""

import math
from fractions import Fraction

import numpy as np
import pytest

from sim.languages.hidden import HiddenAutomaton
from sim.languages.likeliest import likeliest
from sim.languages.paths import likeliest_path, viterbi
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError
from sim.selftest.oracles.machines import Walk, paths

AB = Vocabulary(("<eos>", "a", "b"))


def machine(initial, arcs, stopping) -> HiddenAutomaton:
    transitions = np.zeros((3, len(stopping), len(stopping)))
    for s, a, t, p in arcs:
        transitions[a, s, t] = p
    return HiddenAutomaton(AB, np.array(initial, float), transitions, np.array(stopping, float))


def test_the_likeliest_path_need_not_give_the_likeliest_string() -> None:
    """The string a has three paths of 0.2 each, the string b one path of 0.4."""
    arcs = [(0, 1, t, 0.2) for t in (1, 2, 3)] + [(0, 2, 1, 0.4)]
    hidden = machine([1, 0, 0, 0], arcs, [0, 1, 1, 1])
    path = likeliest_path(hidden)
    assert (path.states, path.tokens) == ((0, 1), (2,))
    assert math.exp(path.log_p) == pytest.approx(0.4, rel=1e-15)
    assert likeliest(hidden, 1).strings[0][0] == (1,)
    best = viterbi(hidden, [1, 0])
    assert best.states == (0, 1)
    assert math.exp(best.log_p - hidden.log_prob([1])) == pytest.approx(1 / 3, rel=1e-14)


@pytest.mark.parametrize("seed", range(12))
def test_random_machines_by_listing_all_paths(seed: int) -> None:
    rng = np.random.default_rng(seed)
    S = int(rng.integers(1, 5))
    weights = rng.integers(0, 5, (S, 2 * S + 1))
    weights[:, 0] += 1
    rows = [[Fraction(int(w), int(row.sum())) for w in row] for row in weights]
    arcs = tuple((s, 1 + k // S, k % S, p) for s, row in enumerate(rows) for k, p in enumerate(row[1:]) if p)
    walk = Walk((Fraction(1), *[Fraction(0)] * (S - 1)), arcs, tuple(row[0] for row in rows))
    hidden = machine(walk.first, arcs, walk.stops)
    every = list(paths(walk, S))
    assert math.exp(likeliest_path(hidden).log_p) == pytest.approx(float(max(p for _, p in every)), rel=1e-14)
    x = max((x for x, _ in every), key=len)
    assert math.exp(viterbi(hidden, x).log_p) == pytest.approx(float(max(p for y, p in every if y == x)), rel=1e-14)


def test_a_loop_that_never_loses_does_not_trap_the_path() -> None:
    """The stop of the only state is so rare that 1 minus it rounds to 1."""
    path = likeliest_path(machine([1], [(0, 1, 0, 1.0)], [1e-20]))
    assert (path.states, path.tokens) == ((0,), ())
    assert path.log_p == pytest.approx(math.log(1e-20), rel=1e-15)


def test_an_impossible_string_has_no_path() -> None:
    with pytest.raises(SpecificationError, match="path: a possible string is required, found 'b'"):
        viterbi(machine([1], [(0, 1, 0, 0.5)], [0.5]), [2])
