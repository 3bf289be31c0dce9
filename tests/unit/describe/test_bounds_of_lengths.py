"""If it is open whether a grammar is ambiguous, the lengths of its strings bound entropy and support from below."""

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sim.describe.bounds import Known
from sim.grammars.file import read
from sim.languages.likeliest import Likeliest

AMBIGUOUS = """
type: pcfg
start: S
rules:
  - {lhs: S, rhs: [A, A], p: 1/2}
  - {lhs: S, rhs: [A, A, A], p: 1/4}
  - {lhs: S, rhs: [A, B], p: 1/4}
  - {lhs: A, rhs: [a], p: 1/3}
  - {lhs: A, rhs: [b], p: 1/3}
  - {lhs: A, rhs: [a, b], p: 1/3}
  - {lhs: B, rhs: [b, a, b, a], p: 1/2}
  - {lhs: B, rhs: [a], p: 1/2}
"""
CASES = {"short": AMBIGUOUS, "longer": AMBIGUOUS.replace("rhs: [A, A, A]", "rhs: [A, A, B, B]")}


@pytest.fixture(params=CASES)
def bounded(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Known:
    """A grammar whose strings are not listed and whose likeliest strings are not found."""
    file = tmp_path / "grammar.yaml"
    file.write_text(CASES[request.param], encoding="utf-8")
    monkeypatch.setattr("sim.describe.bounds.likeliest", lambda language, number: Likeliest((), False))
    monkeypatch.setattr("sim.describe.bounds.ceilings", lambda language: None)
    return Known(read(str(file)), 1)


def truth(known: Known) -> tuple[float, float, int, int]:
    """H(P) and H(|x|) [nat], the numbers of strings and of lengths: of all strings with at most 24 symbols."""
    language, _ = known.language.enumerate(25, 10**6, "here")  # type: ignore[attr-defined]
    p, lengths = np.exp(language.log_p), language.trie.lengths
    law = np.bincount(lengths, p)
    law = law[law > 0]
    return -math.fsum(p * np.log(p)), -math.fsum(law * np.log(law)), len(p), len(law)


def test_the_entropy_is_at_least_that_of_the_lengths(bounded: Known) -> None:
    found, (entropy, of_lengths, _, _) = bounded.entropy(), truth(bounded)
    assert not found.exact
    assert 0.5 < of_lengths < entropy
    assert found.lower == pytest.approx(of_lengths, abs=1e-10)
    assert found.lower <= entropy + 1e-9
    assert found.upper >= entropy - 1e-9


def test_there_are_at_least_as_many_strings_as_lengths(bounded: Known) -> None:
    least, most = bounded.size()
    _, _, strings, lengths = truth(bounded)
    assert lengths <= least
    assert least <= strings <= most


def test_the_law_of_lengths_is_that_of_enumeration_in_fractions(bounded: Known) -> None:
    if bounded.language.longest != 6:
        pytest.skip("only the grammar with short strings is expanded")
    third, half, quarter = Fraction(1, 3), Fraction(1, 2), Fraction(1, 4)
    a = {1: 2 * third, 2: third}
    b = {4: half, 1: half}

    def joined(*parts: dict[int, Fraction]) -> dict[int, Fraction]:
        found = {0: Fraction(1)}
        for part in parts:
            longer: dict[int, Fraction] = {}
            for n, p in found.items():
                for m, q in part.items():
                    longer[n + m] = longer.get(n + m, Fraction(0)) + p * q
            found = longer
        return found

    law: dict[int, Fraction] = {}
    for weight, parts in ((half, (a, a)), (quarter, (a, a, a)), (quarter, (a, b))):
        for n, p in joined(*parts).items():
            law[n] = law.get(n, Fraction(0)) + weight * p
    expected = [float(law.get(n, Fraction(0))) for n in range(max(law) + 1)]
    np.testing.assert_allclose(bounded._length_law, expected, rtol=1e-13)
