"""The tempered gate against figures that are known, against powers with fifty digits, and against a fine grid."""

import math
import random

import mpmath
import pytest

from sim.theory.tempering import Gate, Tempered, largest_leak

VALID = 0.9


def powers(gate: Gate, temperature: float) -> tuple[float, float, float]:
    """q_T of kept, lost and illegal tokens, token by token."""
    with mpmath.workdps(50):
        rest = gate.vocab_size - gate.num_lost - gate.num_kept
        kept = 1 - mpmath.mpf(gate.lost) - mpmath.mpf(gate.illegal)
        sets = [[kept / gate.num_kept] * gate.num_kept, [mpmath.mpf(gate.lost) / gate.num_lost] * gate.num_lost,
                [mpmath.mpf(gate.illegal) / rest] * rest]  # fmt: skip
        raised = [[q ** (1 / mpmath.mpf(temperature)) if q else mpmath.mpf(0) for q in one] for one in sets]
        total = mpmath.fsum(q for one in raised for q in one)
        return tuple(float(mpmath.fsum(one) / total) for one in raised)


@pytest.mark.parametrize(("size", "most", "valid"), [(16, 0.227, 0.1053), (64, 0.115, 0.0596), (1000, 0.046, 0.0289)])
def test_three_of_four_styles_cannot_be_brought_back(size: int, most: float, valid: float) -> None:
    """q(B) = 0.001 and q(⊥) = 0.0001: far below P(B) = 0.75, and below half of it."""
    gate = Gate(1e-3, 1e-4, size, 3)
    assert gate.most_lost().lost == pytest.approx(most, abs=6e-4)
    there = gate.most_lost(VALID)
    assert there.lost == pytest.approx(valid, abs=6e-5)
    assert there.validity == pytest.approx(VALID, abs=1e-12)


def test_with_hardly_any_leak_half_of_it_comes_back() -> None:
    assert Gate(1e-3, 1e-9, 16, 3).most_lost(VALID).lost == pytest.approx(0.3765, abs=1e-4)
    needed = largest_leak(0.375, VALID, 1e-3, 16, 3)
    assert needed == pytest.approx(1.1e-9, rel=1e-3)
    for factor, reaches in ((1 - 1e-9, True), (1 + 1e-9, False)):
        assert (Gate(1e-3, factor * needed, 16, 3).most_lost(VALID).lost >= 0.375) == reaches
    assert largest_leak(0.76, VALID, 1e-3, 16, 3) == 0.0, "three of four tokens have at most 3/4"


def drawn(dice: random.Random) -> Gate:
    lost = 10.0 ** dice.uniform(-8, -1)
    return Gate(lost, 10.0 ** dice.uniform(-9, -2), dice.choice([16, 64, 1000]), dice.randint(1, 3), dice.randint(1, 2))


@pytest.mark.parametrize("seed", range(8))
def test_no_temperature_of_a_grid_does_better(seed: int) -> None:
    gate = drawn(random.Random(seed))
    for validity in (0.0, 0.5, VALID):
        best = gate.most_lost(validity)
        wanted = powers(gate, best.temperature) if best.temperature < math.inf else (best.kept, best.lost, best.illegal)
        assert (best.kept, best.lost, best.illegal) == pytest.approx(wanted, rel=1e-12)
        assert best.validity >= validity - 1e-12
        grid = [gate.at(1.0 / (at / 300)) for at in range(1, 301)]
        allowed = [one.lost for one in grid if one.validity >= validity]
        assert max(allowed) <= best.lost * (1 + 1e-12)
        assert best.lost <= max(allowed) * 1.1, "and one of them comes near"


def test_a_model_that_leaks_too_much_at_once() -> None:
    assert Gate(1e-3, 0.2, 16, 3).most_lost(VALID) is None
    assert Gate(1e-3, 0.0, 16, 3).most_lost(VALID) == Tempered(math.inf, 0.25, 0.75, 0.0), "nothing leaks"
    assert Gate(0.5, 1e-3, 16, 1).most_lost().temperature == pytest.approx(1.0), "it is as likely as what is kept"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Gate(-0.1, 0.0, 16, 3), "masses of at least 0"), (lambda: Gate(0.9, 0.1, 16, 3), "leave something"),
        (lambda: Gate(0.1, 0.1, 4, 3), "a larger vocabulary"), (lambda: Gate(0.1, 0.1, 16, 0), "at least one lost"),
        (lambda: Gate(0.1, 0.1, 16, 3).at(0.0), "a temperature above 0 is required, found 0.0"),
        (lambda: Gate(0.1, 0.1, 16, 3).most_lost(1.0), "a validity from 0 to below 1"),
        (lambda: Gate(0.1, 0.1, 16, 3).most_lost(0.2), "a validity above 0.25"),
    ],
)  # fmt: skip
def test_what_is_no_gate_is_refused(make: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()
