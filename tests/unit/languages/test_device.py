"""The device form of an exact language: conditionals, prompts, the end of strings, and samples that follow the law."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from sim.languages.alias import alias_table
from sim.languages.device import CIRCLE, alive, on_device, prompt_length
from sim.numerics import EOS
from tests.unit.models.tiny_worlds import language, mask, random_language, texts

FALSE_ALARM = 1e-6
"""Chance that a test of samples fails for a correct sampler; keys are fixed, so it fails always or never."""

PROMPTED = language({"a|b": 3, "a|": 1, "b|ab": 4, "b|a|": 2, "ab|b": 5}, prompt_end="|")


@pytest.mark.parametrize("seed", range(3))
def test_next_log_probs_are_the_exact_conditionals_in_single_precision(seed):
    whole = random_language(seed, 25, 3, 5)
    part = whole.condition(mask(whole, lambda text: not text.startswith("b")))[0]
    for spoken in (whole, part):
        listed = on_device(spoken)
        found = np.asarray(listed.next_log_probs(listed.strings))
        assert found.dtype == np.float32
        assert not np.isnan(found).any()
        for row, size, scores in zip(spoken.trie.strings, spoken.trie.lengths, found, strict=True):
            for t in range(size):
                reached = spoken.log_prob(row[:t]) if t == 0 else None
                try:
                    exact = spoken.next_log_probs(row[:t])
                except ValueError:  # a prefix of probability zero
                    exact = np.full(spoken.trie.vocab_size, -np.inf)
                np.testing.assert_allclose(scores[t], exact, rtol=1e-6, atol=1e-7, err_msg=f"{row} {t} {reached}")
            assert (scores[size:] == -np.inf).all()  # after EOS


def test_strings_off_the_support_are_dead_from_the_first_impossible_prefix():
    spoken = language({"ab": 1, "aa": 2, "b": 3})
    scores = np.asarray(on_device(spoken).next_log_probs(jnp.array([[2, 1, 0], [1, 0, 0]])))
    assert (scores[0, :2] > -np.inf).any(axis=1).all()
    assert (scores[0, 2] == -np.inf).all()  # after "ba", which is no prefix
    assert scores[1, 1, EOS] == -np.inf  # "a" may not stop


def test_leading_axes_are_free():
    listed = on_device(PROMPTED)
    tokens = jnp.stack([listed.strings, listed.strings[::-1]])
    scores = listed.next_log_probs(tokens)
    assert scores.shape == (*tokens.shape, listed.vocab_size)
    np.testing.assert_array_equal(scores[1, 0], listed.next_log_probs(tokens[1, 0]))
    np.testing.assert_array_equal(listed.prompt_length(tokens)[1], listed.prompt_length(tokens[0])[::-1])


def test_alive_is_true_up_to_and_including_the_first_eos():
    tokens = jnp.array([[1, 2, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 2, 0]])
    expected = [[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1], [1, 1, 0, 0]]
    np.testing.assert_array_equal(alive(tokens), np.array(expected, bool))
    np.testing.assert_array_equal(alive(tokens[0]), np.array(expected[0], bool))


def test_prompt_length_counts_the_closing_symbol_and_agrees_with_the_host():
    listed = on_device(PROMPTED)
    host = PROMPTED.vocabulary.prompt_length(PROMPTED.trie.strings)
    np.testing.assert_array_equal(listed.prompt_length(listed.strings), host)
    np.testing.assert_array_equal(host, [text.index("|") + 1 for text in texts(PROMPTED)])
    free = on_device(random_language(0, 8, 2, 4))
    np.testing.assert_array_equal(free.prompt_length(free.strings), 0)
    assert prompt_length(jnp.zeros((2, 3, 5), jnp.int32), None).shape == (2, 3)
    unclosed = jnp.array([[1, 1, 0, 0], [2, 1, 0, 0]])
    assert prompt_length(unclosed, 2).tolist() == [4, 1]  # never closed: prompt throughout


def test_a_restricted_language_has_arrays_of_the_same_shape():
    part = PROMPTED.condition(mask(PROMPTED, lambda text: text[0] == "a"))[0]
    whole_leaves, part_leaves = jax.tree.leaves(on_device(PROMPTED)), jax.tree.leaves(on_device(part))
    assert [(leaf.shape, leaf.dtype) for leaf in whole_leaves] == [(leaf.shape, leaf.dtype) for leaf in part_leaves]


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=40).filter(lambda weights: sum(weights) > 0))
def test_the_alias_table_is_the_law(weights):
    """In fractions: what the table samples, from its own float64 numbers, is the input within 1e-15."""
    law = np.array(weights) / sum(weights)
    keep, alias = alias_table(law)
    assert (keep >= 0).all()
    assert (keep <= 1).all()
    rebuilt = [Fraction(float(k)) for k in keep]
    for row, target in enumerate(alias):
        rebuilt[target] += 1 - Fraction(float(keep[row]))
    for found, weight in zip(rebuilt, weights, strict=True):
        assert abs(found / len(weights) - Fraction(weight, sum(weights))) < Fraction(1, 10**15)
        assert weight > 0 or found == 0


@pytest.mark.parametrize("power", [0.5, 2.0, 8.0])
def test_the_alias_table_of_a_large_uneven_law(power):
    law = np.random.default_rng(3).random(20_000) ** power
    law[::7] = 0.0
    law /= law.sum()
    keep, alias = alias_table(law)
    rebuilt = (keep + np.bincount(alias, 1 - keep, len(law))) / len(law)
    np.testing.assert_allclose(rebuilt, law, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(rebuilt[::7], 0.0)
    assert law.min() == 0
    assert alias_table.__doc__


def chi_square(counts: np.ndarray, law: np.ndarray) -> float:
    """Pearson's statistic, over outcomes of positive probability."""
    expected = counts.sum() * law[law > 0]
    assert expected.min() > 50
    return float(np.sum((counts[law > 0] - expected) ** 2 / expected))


@pytest.mark.parametrize("restricted", [False, True])
def test_samples_follow_the_law_and_never_leave_the_support(restricted):
    """Chi-square at a false-alarm rate of 1e-6."""
    spoken = random_language(5, 20, 3, 4)
    if restricted:
        spoken = spoken.condition(mask(spoken, lambda text: "c" not in text))[0]
    listed = on_device(spoken)
    num_samples = 100_000
    samples = np.asarray(jax.jit(lambda key: listed.sample(key, (num_samples,)))(jax.random.key(11)))
    index = {row.tobytes(): i for i, row in enumerate(spoken.trie.strings)}
    counts = np.bincount([index[row.tobytes()] for row in samples.astype(np.int32)], minlength=len(index))
    law = np.exp(spoken.log_p)
    assert counts[law == 0].sum() == 0
    assert (law == 0).any() == restricted
    assert chi_square(counts, law) < chi2.isf(FALSE_ALARM, (law > 0).sum() - 1)
    tilted = law * np.where(np.arange(len(law)) % 2, 1.05, 0.95)
    assert chi_square(counts, tilted / tilted.sum()) > chi2.isf(FALSE_ALARM, (law > 0).sum() - 1)  # the test can fail


def test_a_language_of_one_string_is_always_that_string():
    listed = on_device(language({"abc": 1.0}))
    samples = listed.sample(jax.random.key(0), (20,))
    np.testing.assert_array_equal(listed.sample(jax.random.key(1)), [1, 2, 3, 0])
    np.testing.assert_array_equal(samples, np.broadcast_to([1, 2, 3, 0], (20, 4)))


@given(
    st.lists(st.integers(0, 1000), min_size=2, max_size=40).filter(lambda weights: sum(weights) > 0),
    st.sampled_from([1, 2, 3, 5, 8, 13, 32, 50]),
    st.integers(0, 2**32 - 1),
)
def test_a_systematic_sample_holds_each_string_as_often_as_expected(weights, number, seed):
    """Each of N equally distant points of a circle: n P rounded up or down, whatever the random number is.

    All languages list as many strings, some of probability 0, so that the samples are of few shapes.
    """
    weights = weights + [0] * (40 - len(weights))
    spoken = language({"a" * n: weight for n, weight in enumerate(weights)})
    drawn = np.asarray(on_device(spoken).sample_evenly(jax.random.key(seed), number))
    counts = np.bincount((drawn == 1).sum(axis=1), minlength=len(weights))
    assert counts.sum() == number
    for count, weight in zip(counts, weights, strict=True):
        expected = Fraction(number * weight, sum(weights))
        assert abs(count - expected) < 1 + Fraction(number, 2**30)
        assert weight > 0 or count == 0


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=40).filter(lambda weights: sum(weights) > 0))
def test_a_systematic_sample_is_unbiased(weights):
    """Every point is uniform on the circle, so the share of the circle that a string has is its probability."""
    spoken = language({"a" * n: weight for n, weight in enumerate(weights)})
    start = [int(one) for one in np.asarray(on_device(spoken).start)] + [CIRCLE]
    order = np.argsort([text.count("a") for text in texts(spoken)])
    for row, weight in zip(order, weights, strict=True):
        assert abs(Fraction(start[row + 1] - start[row], CIRCLE) - Fraction(weight, sum(weights))) <= Fraction(
            1, CIRCLE
        )


def test_every_point_of_a_systematic_sample_is_uniform(monkeypatch):
    """On a circle of 60 points and for every random number: each of 7 draws takes each point equally often."""
    monkeypatch.setattr("sim.languages.device.CIRCLE", 60)
    listed = on_device(language({"a" * n: 1.0 for n in range(60)}))
    counts = np.zeros((7, 61))
    for number in range(60):
        monkeypatch.setattr(jax.random, "bits", lambda key, shape, dtype, number=number: jnp.uint32(number))
        drawn = np.asarray(listed.sample_evenly(jax.random.key(0), 7))
        counts[np.arange(7), (drawn == 1).sum(axis=1)] += 1
    np.testing.assert_array_equal(counts[:, :60], 1)
