"""Laws of strings of some lengths, against all derivations written down, and against the chart of lengths."""

import math
from fractions import Fraction

import numpy as np
import pytest

import sim
from sim.grammars._levels import level_grammar
from sim.laws._lengths import Lengths
from sim.laws.by_length import ByLength, of_length, within
from sim.laws.narrowing import narrowed
from sim.laws.nonrecursive import NonRecursive
from sim.laws.protocol import Law
from sim.numerics import SpecificationError
from tests.unit.laws.all_trees import Written, trees, weight, words
from tests.unit.laws.test_nonrecursive import AMBIGUOUS, EMPTY, LEVELS, every, log, row_of

CASES = {
    "levels, a horizon": (LEVELS, lambda law: within(law, 6), range(6)),
    "levels, one length": (LEVELS, lambda law: of_length(law, 5), [5]),
    "ambiguous, two lengths": (
        AMBIGUOUS,
        lambda law: ByLength(law, np.array([False, False, True, False, True])),
        [2, 4],
    ),
    "empty, a horizon": (EMPTY, lambda law: within(law, 3), range(3)),
    "levels, everything": (LEVELS, lambda law: within(law, 99), range(99)),
}


@pytest.fixture(params=CASES, scope="module")
def known(request) -> tuple[ByLength, Written, np.ndarray]:
    """The law, the same by hand, and sequences of tokens."""
    language, condition, lengths = CASES[request.param]
    written = Written(language)
    batch = every(language, max(map(len, written.strings)) + 1)
    mass = sum(p for string, p in written.strings.items() if len(string) in lengths)
    kept = {string: p / mass for string, p in written.strings.items() if len(string) in lengths}
    law = condition(NonRecursive(language))
    assert law.log_mass == pytest.approx(math.log(mass), abs=1e-14)
    assert law.dropped_mass == pytest.approx(float(1 - mass), rel=1e-14, abs=0)
    written.strings, written.prefixes = kept, {}
    for string, p in kept.items():
        for end in range(len(string) + 1):
            written.prefixes[string[:end]] = written.prefixes.get(string[:end], Fraction(0)) + p
    written.derivations = [weight(language, t) / mass for t in trees(language, 0) if len(words(t)) in lengths]
    return law, written, batch


def test_it_is_a_law(known):
    assert isinstance(known[0], Law)


def test_probabilities_of_all_sequences(known):
    law, written, batch = known
    true = [log(written.strings.get(row_of(row), Fraction(0))) for row in batch]
    np.testing.assert_allclose(law.log_prob(batch), true, atol=1e-13)


def test_prefixes_and_next_tokens_of_all_sequences(known):
    law, written, batch = known
    prefixes = np.empty((len(batch), batch.shape[1] + 1))
    laws = np.zeros((*prefixes.shape, len(law.vocabulary)))
    nexts: dict[tuple[int, ...], list[float]] = {}
    for row, own, after in zip(batch, prefixes, laws, strict=True):
        string = row_of(row)
        whole = written.strings.get(string, Fraction(0))
        own[:], after[:, 0] = log(whole), whole > 0
        for t in range(len(string) + 1):
            own[t] = log(written.prefixes.get(string[:t], Fraction(0)))
            if string[:t] not in nexts:
                nexts[string[:t]] = [float(p) for p in written.next(string[:t])]
            after[t] = nexts[string[:t]]
    np.testing.assert_allclose(law.prefix_log_prob(batch), prefixes, atol=1e-13, rtol=0)
    np.testing.assert_allclose(law.next_token(batch), laws, atol=1e-14, rtol=0)


def test_parses_are_those_of_the_strings_that_are_kept(known):
    law, written, batch = known
    own, whole = law.parse(batch), law.law.parse(batch)
    assert {row_of(batch[s]) for s in own.string} <= written.strings.keys()
    kept = np.array([row_of(batch[s]) in written.strings for s in whole.string])
    np.testing.assert_array_equal(own.expected, whole.expected[kept])


def test_numbers_of_the_whole_law(known):
    law, written, _ = known
    written.check_numbers(law)


def test_samples_have_the_lengths_and_the_law(known):
    law, written, _ = known
    drawn = law.sample(np.random.default_rng(0), 3000)
    assert drawn.shape[0] == 3000
    assert (drawn[:, -1] == 0).all()
    assert (law.log_prob(drawn) > -np.inf).all()
    counts = dict.fromkeys(written.strings, 0)
    for row in drawn:
        counts[row_of(row)] += 1
    for string, p in written.strings.items():  # 6 standard errors of a count: a false alarm in 5e8 strings
        error = 6 * math.sqrt(3000 * float(p) * (1 - float(p))) + 1
        assert abs(counts[string] - 3000 * float(p)) <= error, string


def test_the_law_of_lengths_is_that_of_the_chart():
    language = level_grammar(5, 3, 2, (2, 3), zipf=1.0, seed=7)
    law = NonRecursive(language)
    found = Lengths(law.order)
    np.testing.assert_allclose(found.law, language.lengths.law(len(found.law)), rtol=1e-12, atol=1e-300)
    assert found.surprise.sum() == pytest.approx(law.latent_entropy(), rel=1e-13)
    for length in (90, 130):
        assert within(law, length).dropped_mass == pytest.approx(language.dropped_mass(length), rel=1e-12)
        assert within(law, length).log_mass == pytest.approx(language.log_mass_within(length), rel=1e-12)


def test_a_long_string_under_a_horizon():
    """The next tokens of a truncated language of five levels multiply to the probability of the string."""
    law = NonRecursive(level_grammar(5, 3, 2, (2, 3), zipf=1.0, seed=7))
    short = within(law, int(law.expected_length()))
    batch = short.sample(np.random.default_rng(0), 12)
    laws = short.next_token(batch)
    np.testing.assert_allclose(laws.sum(axis=2), 1.0, atol=1e-12)
    taken = np.take_along_axis(laws, np.pad(batch, ((0, 0), (0, 1)))[..., None], axis=2)[..., 0]
    np.testing.assert_allclose(np.log(taken).sum(axis=1), law.log_prob(batch) - short.log_mass, atol=1e-10)


def test_refusals():
    law = NonRecursive(LEVELS)
    for wrong in (
        lambda: within(law, 3),
        lambda: within(law, -1),
        lambda: of_length(law, 99),
        lambda: of_length(law, 0),
    ):
        with pytest.raises(SpecificationError, match="they have 3 to 7 symbols and an end"):
            wrong()
    with pytest.raises(SpecificationError, match="restrict it first"):
        narrowed(within(law, 6), "regular", pattern="a.*")
    rare = NonRecursive(level_grammar(6, 3, 2, (2, 3), seed=0))
    with pytest.raises(sim.SpecificationError, match="drawn until their length fits"):
        of_length(rare, rare.language.shape.least[0]).sample(np.random.default_rng(0), 1)
