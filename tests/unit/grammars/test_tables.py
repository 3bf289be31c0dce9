"""Random tables: what is random in them, and what is exact."""

from collections import Counter

import numpy as np
import pytest

from sim.grammars._tables import different_words, random_law


@pytest.mark.parametrize(("count", "num_possible", "exponent"), [(5, 5, 1.0), (6, 2, 2.0), (4, 1, 0.5), (7, 3, 0.0)])
def test_a_law_is_zipfs_with_one_offset_over_its_possible_outcomes(
    count: int, num_possible: int, exponent: float
) -> None:
    law = random_law(np.random.default_rng(3), count, num_possible, exponent)
    assert law.shape == (count,)
    assert np.count_nonzero(law) == num_possible
    assert law.sum() == pytest.approx(1, abs=1e-15)
    ranked = np.sort(law)[::-1][:num_possible]
    if exponent == 0:
        assert (ranked == 1 / num_possible).all()
    elif num_possible > 1:
        ranks = ranked ** (-1 / exponent)  # proportional to r + offset
        offset = ranks[0] / (ranks[1] - ranks[0]) - 1
        assert 0 <= offset < 1
        np.testing.assert_allclose(np.diff(ranks), ranks[1] - ranks[0], rtol=1e-9)


def test_every_outcome_can_be_the_forbidden_one() -> None:
    generator = np.random.default_rng(0)
    forbidden = Counter(int(np.argmin(random_law(generator, 4, 3, 1.0))) for _ in range(4_000))
    # four standard errors of a share of 1/4
    assert all(abs(count / 4_000 - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 4_000) for count in forbidden.values())
    assert set(forbidden) == {0, 1, 2, 3}


def test_words_are_different_and_a_full_set_holds_them_all() -> None:
    words = different_words(np.random.default_rng(1), 27, 3, 3)
    assert words.shape == (27, 3)
    assert sorted(map(tuple, words.tolist())) == [(a, b, c) for a in range(3) for b in range(3) for c in range(3)]
    some = different_words(np.random.default_rng(1), 9, 10, 25)
    assert len(set(map(tuple, some.tolist()))) == 9
    assert some.min() >= 0
    assert some.max() <= 9


def test_every_pair_of_words_is_as_likely() -> None:
    """Without replacement: the 12 ordered pairs of 4 words, each within four standard errors of 1/12."""
    generator = np.random.default_rng(2)
    pairs = Counter(tuple((different_words(generator, 2, 2, 2) @ [2, 1]).tolist()) for _ in range(6_000))
    assert len(pairs) == 12
    assert all(abs(count / 6_000 - 1 / 12) < 4 * np.sqrt(11 / 144 / 6_000) for count in pairs.values())
