"""The law of a grammar without recursion, against all of its derivations written down with rationals."""

import math
from fractions import Fraction

import numpy as np
import pytest

from sim.languages.exact import UnavailableError
from sim.languages.pcfg.language import ContextFree
from sim.laws.nonrecursive import NonRecursive
from sim.laws.protocol import Law
from sim.numerics import SpecificationError
from tests.unit.laws.all_trees import Written, grammar

LEVELS = grammar(  # level-wise, shared right-hand sides, different weights
    ("S", "A B", "1/3"), ("S", "B A A", "2/3"),
    ("A", "a b", "1/2"), ("A", "b a", "1/4"), ("A", "a", "1/4"),
    ("B", "a b", "1/5"), ("B", "b b a", "4/5"),
)  # fmt: skip
AMBIGUOUS = grammar(  # a string with several derivations, unit rules, tokens beside non-terminals, a token without use
    ("S", "A A", "1/2"), ("S", "A a B", "1/4"), ("S", "B", "1/4"),
    ("A", "a", "1/2"), ("A", "a a", "3/8"), ("A", "B", "1/8"),
    ("B", "a", "2/3"), ("B", "b a", "1/3"), tokens="abc",
)  # fmt: skip
EMPTY = grammar(  # empty right-hand sides: the same rule twice at one empty span
    ("S", "A A B", "1/2"), ("S", "B", "1/2"),
    ("A", "", "1/3"), ("A", "a", "2/3"),
    ("B", "A b", "1/4"), ("B", "", "3/4"),
)  # fmt: skip
RARE = grammar(  # a rule near the smallest probability that is allowed
    ("S", "A A A A", "1"), ("A", "a", "1e-300"), ("A", "b", str(1 - Fraction("1e-300"))),
)  # fmt: skip
ALL = {"levels": LEVELS, "ambiguous": AMBIGUOUS, "empty": EMPTY}


def every(language: ContextFree, length: int) -> np.ndarray:
    """All sequences of at most `length` tokens, filled up with EOS."""
    rows = [()]
    found = [()]
    for _ in range(length):
        rows = [(*row, token) for row in rows for token in range(1, len(language.vocabulary))]
        found += rows
    return np.array([row + (0,) * (length - len(row)) for row in found])


@pytest.fixture(params=ALL, scope="module")
def known(request) -> tuple[NonRecursive, Written, np.ndarray]:
    language = ALL[request.param]
    written = Written(language)
    assert sum(written.strings.values()) == 1
    return NonRecursive(language), written, every(language, max(map(len, written.strings)) + 1)


def row_of(tokens: np.ndarray) -> tuple[int, ...]:
    return tuple(int(token) for token in tokens if token)


def log(p: Fraction) -> float:
    return math.log(p) if p else -math.inf


def test_it_is_a_law(known):
    assert isinstance(known[0], Law)


def test_probabilities_of_all_sequences(known):
    law, written, batch = known
    true = [log(written.strings.get(row_of(row), Fraction(0))) for row in batch]
    np.testing.assert_allclose(law.log_prob(batch), true, atol=1e-13, rtol=0)


def test_prefixes_of_all_sequences(known):
    law, written, batch = known
    found = law.prefix_log_prob(batch)
    true = np.empty((len(batch), batch.shape[1] + 1))
    for row, own in zip(batch, true, strict=True):
        string = row_of(row)
        own[:] = log(written.strings.get(string, Fraction(0)))  # of a prefix that holds the end
        own[: len(string) + 1] = [log(written.prefixes.get(string[:t], Fraction(0))) for t in range(len(string) + 1)]
    np.testing.assert_allclose(found, true, atol=1e-13, rtol=0)


def test_next_tokens_of_all_sequences(known):
    law, written, batch = known
    found = law.next_token(batch)
    true = np.zeros((len(batch), batch.shape[1] + 1, len(law.language.vocabulary)))
    laws: dict[tuple[int, ...], list[float]] = {}
    for row, own in zip(batch, true, strict=True):
        string = row_of(row)
        own[:, 0] = string in written.strings  # after the end comes the end
        for t in range(len(string) + 1):
            if string[:t] not in laws:
                laws[string[:t]] = [float(p) for p in written.next(string[:t])]
            own[t] = laws[string[:t]]
    np.testing.assert_allclose(found, true, atol=1e-14, rtol=0)


def test_uses_of_all_sequences(known):
    law, written, batch = known
    found = law.parse(batch)
    own = {(row_of(batch[s]), *place): p for s, *place, p in zip(*vars(found).values(), strict=True)}
    true = {
        (string, *place): p / written.strings[string]
        for string, uses in written.uses.items()
        for place, p in uses.items()
    }
    assert own.keys() == true.keys()
    for key, p in true.items():
        assert own[key] == pytest.approx(float(p), abs=1e-13), key
    assert len(own) == len(found.string), "no place is named twice"


def test_numbers_of_the_whole_language(known):
    law, written, _ = known
    written.check_numbers(law)


def test_the_entropy_of_strings_is_not_that_of_derivations():
    assert NonRecursive(grammar(("S", "a A", "1"), ("A", "a", "1/2"), ("A", "b", "1/2"))).entropy() == math.log(2)
    with pytest.raises(UnavailableError, match="ambiguous"):
        NonRecursive(AMBIGUOUS).entropy()


def test_a_list_is_a_batch_and_its_rows_have_their_lengths():
    law = NonRecursive(LEVELS)
    rows = [[1, 2, 1, 2], [], np.array([1, 1, 2])]
    np.testing.assert_array_equal(law.log_prob(rows), law.log_prob(np.array([[1, 2, 1, 2], [0] * 4, [1, 1, 2, 0]])))
    assert law.next_token([]).shape == (0, 1, 3)
    assert law.log_prob([]).shape == (0,)
    assert law.prefix_log_prob([]).shape == (0, 1)
    assert len(law.parse([]).string) == 0


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        ([[1, 3]], "tokens from 0 .* to 2 are required, found 3 in row 0, position 1"),
        ([[1, 2], [2, -1]], "found -1 in row 1, position 1; map other tokens and other padding first"),
        ([[1, 0, 2]], "only 0 may follow the first 0, which ends a string, found 2 in row 0, position 2"),
        (np.array([[1.0, 2.0]]), "integers of shape .* are required, found float64 of shape"),
        ([np.array([1.5])], "integers are required, found float64"),
        (np.array([1, 2]), "found int64 of shape \\(2,\\)"),
        ([np.array([[1]])], "found one that is not flat"),
    ],
)
def test_bad_batches_are_refused_in_one_line(batch, said):
    for method in ("log_prob", "prefix_log_prob", "next_token", "parse"):
        with pytest.raises(SpecificationError, match=said) as found:
            getattr(NonRecursive(LEVELS), method)(batch)
        assert "\n" not in str(found.value)


def test_recursion_is_refused():
    with pytest.raises(SpecificationError, match=r"without recursion is required, found .* 'A'"):
        NonRecursive(grammar(("S", "A", "1"), ("A", "a A", "1/2"), ("A", "b", "1/2")))


@pytest.mark.skipif(np.finfo(np.longdouble).tiny == np.finfo(float).tiny, reason="this machine has no wider float")
def test_very_unlikely_rules_leave_the_range_of_no_float():
    law = NonRecursive(RARE)
    found = law.log_prob([[2] * 4, [1, 2, 1, 2], [1] * 4])
    np.testing.assert_allclose(found, [0.0, 2 * math.log(1e-300), 4 * math.log(1e-300)], rtol=1e-14, atol=1e-15)
    assert law.next_token([[1] * 4])[0, :, 1] == pytest.approx([1e-300] * 4 + [0.0], rel=1e-13)
    half = law.order.range_of(4) / 2  # to see that the wider type was needed
    assert half > 709
    longer = grammar(("S", "B " * 30, "1"), ("B", "A " * 30, "1"), ("A", "a", "1e-300"), ("A", "b", RARE_REST))
    with pytest.raises(UnavailableError, match="beyond the range of floats"):
        NonRecursive(longer).log_prob([[1] * 900])


RARE_REST = str(1 - Fraction("1e-300"))
