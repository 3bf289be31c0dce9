"""Samples of machines against exact laws: each test has a false-alarm rate of 1e-6 over the seeds, which are fixed.

The rates are those of the chi-square law and of the normal law of a mean, for large samples.
"""

import math

import numpy as np
import pytest
from scipy import stats

from sim.laws import _arcs
from sim.laws.hidden import HiddenLaw
from sim.laws.machine import AutomatonLaw
from sim.numerics import SpecificationError
from tests.unit.laws.all_paths import AMBIGUOUS, DETERMINED, HOLES, Machine
from tests.unit.laws.test_machine_laws import automaton_of, sequences, string_of

RATE, NUMBER = 1e-6, 20_000
WAYS = {
    "ambiguous": (AMBIGUOUS, lambda own: HiddenLaw(own.language())),
    "holes": (HOLES, lambda own: HiddenLaw(own.language())),
    "automaton": (DETERMINED, lambda own: AutomatonLaw(automaton_of(own))),
}


def fits(drawn: np.ndarray, machine: Machine) -> bool:
    """Whether the short strings, and all others together, are as often there as expected."""
    strings = [string_of(row) for row in sequences(machine, 3)]
    expected = np.array([float(machine.whole(string)) for string in strings]) * len(drawn)
    often = [string for string, count in zip(strings, expected, strict=True) if count > 20]
    seen = [string_of(row) for row in drawn]
    assert all(machine.whole(string) > 0 for string in set(seen) if len(string) <= 6)  # longer ones have many paths
    counts = np.array([seen.count(string) for string in often])
    true = expected[expected > 20]
    counts, true = np.append(counts, len(seen) - counts.sum()), np.append(true, len(drawn) - true.sum())
    return bool(((counts - true) ** 2 / true).sum() < stats.chi2.isf(RATE, len(true) - 1))


@pytest.mark.parametrize("name", WAYS)
def test_strings_are_drawn_with_their_probabilities(name):
    machine, make = WAYS[name]
    law = make(machine)
    drawn = law.sample(np.random.default_rng(1), NUMBER)
    assert drawn.dtype == np.int32
    assert (drawn[:, -1] == 0).all()
    assert (drawn[:, -2] > 0).any()
    assert fits(drawn, machine)
    lengths = (drawn != 0).sum(axis=1)
    z = (lengths.mean() - law.expected_length()) / lengths.std(ddof=1) * math.sqrt(NUMBER)
    assert abs(z) < stats.norm.isf(RATE / 2)


def test_wrong_samples_are_seen():
    """First states with 1/2 and 1/2 instead of 2/3 and 1/3."""
    other = Machine({"A": "1/2", "B": "1/2"}, AMBIGUOUS.arcs, AMBIGUOUS.stop)
    drawn = HiddenLaw(other.language()).sample(np.random.default_rng(1), NUMBER)
    assert fits(drawn, other)
    assert not fits(drawn, AMBIGUOUS)


@pytest.mark.parametrize("name", WAYS)
def test_parts_are_used_as_often_as_they_are_drawn(name):
    """The mean expected uses of a part are the visits of its state times its probability, by linear algebra."""
    machine, make = WAYS[name]
    law = make(machine)
    uses = law.parse(law.sample(np.random.default_rng(2), 2_000)).counts(2_000, len(law.parts))
    moves = law.language.moves.toarray()
    visits = np.append(law.language.first @ np.linalg.inv(np.eye(len(moves)) - moves), 1.0)  # a start is used once
    true = visits[law.arcs.source] * np.exp(law.arcs.log_p)
    spread = uses.std(axis=0, ddof=1) / math.sqrt(len(uses))
    assert (abs(uses.mean(axis=0) - true) <= stats.norm.isf(RATE / 2 / len(true)) * spread + 1e-9).all()


def test_no_strings_and_too_many(monkeypatch):
    law = HiddenLaw(AMBIGUOUS.language())
    assert law.sample(np.random.default_rng(0), 0).shape == (0, 1)
    monkeypatch.setattr(_arcs, "MOST_ENTRIES", 100)
    with pytest.raises(SpecificationError, match="array of at most 100 tokens is required, found 60 strings with up"):
        law.sample(np.random.default_rng(0), 60)
    monkeypatch.setattr(_arcs, "MOST_STEPS", 2)
    with pytest.raises(SpecificationError, match="at most 2 symbols on average are required, found 2;"):
        law.sample(np.random.default_rng(0), 1)
