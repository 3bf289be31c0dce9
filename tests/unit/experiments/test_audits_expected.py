"""Expectations of proxies over k samples: against the enumeration of all samples of a tiny language, by other code."""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import pytest
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from scipy.stats import binom

from experiments.a_audits import bleu, drawn, expected
from experiments.a_audits.proxies import DISTINCT, PROXIES, SAMPLES, Prompt, audited
from experiments.a_audits.texts import Texts
from sim.estimators.counts import chao_shen as chao_shen_of
from sim.estimators.counts import miller_madow, plug_in_entropy
from sim.estimators.good_turing import simpson

SAME = Texts(((1, 2, 1), (1, 2, 2), (2, 2, 2), (3, 1, 2)))
OTHER = Texts(((1, 2, 1), (2, 3), (3,), (2, 2, 2, 2)))
LAWS = [[Fraction(1, 2), Fraction(1, 4), Fraction(1, 8), Fraction(1, 8)], [Fraction(1, 3)] * 3 + [Fraction(0)]]
Q = np.array(LAWS, np.float64)
WORDS = [SAME, OTHER]
Sample = Sequence[tuple[int, ...]]


def over_all(texts: Texts, k: int, value: Callable[[Sample], float]) -> list[float]:
    """The expectation of a function of a sample, under each law: over all N^k samples."""
    found = []
    for law in LAWS:
        total = 0.0
        for drawn_at in itertools.product(range(len(law)), repeat=k):
            p = float(math.prod(law[at] for at in drawn_at))
            total += p * value([texts.answers[at] for at in drawn_at]) if p else 0.0
        found.append(total)
    return found


def grams(one: tuple[int, ...], n: int) -> list[tuple[int, ...]]:
    return list(zip(*(one[at:] for at in range(n)), strict=False))


def distinct(n: int) -> Callable[[Sample], float]:
    def value(sample: Sample) -> float:
        all_of = [gram for one in sample for gram in grams(one, n)]
        return len(set(all_of)) / len(all_of) if all_of else 0.0

    return value


def self_bleu(sample: Sample) -> float:
    """By nltk, without its brevity penalty, which is divided out."""
    total = 0.0
    for at, one in enumerate(sample):
        others = [*sample[:at], *sample[at + 1 :]]
        closest = min((len(other) for other in others), key=lambda length: (abs(length - len(one)), length))
        penalty = 1.0 if len(one) >= closest else math.exp(1.0 - closest / len(one))
        weights, smooth = (1 / 3, 1 / 3, 1 / 3), SmoothingFunction().method1
        total += sentence_bleu(others, one, weights, smoothing_function=smooth) / penalty
    return total / len(sample)


def overlapping(sample: Sample) -> float:
    pairs = list(itertools.combinations([set(one) for one in sample], 2))
    return -sum(len(a & b) / len(a | b) for a, b in pairs) / len(pairs)


def of_counts(value: Callable[[np.ndarray], float]) -> Callable[[Sample], float]:
    return lambda sample: value(np.array(list(Counter(sample).values())))


def unseen_mass(sample: Sample) -> float:
    return sum(times == 1 for times in Counter(sample).values()) / len(sample)


COUNTED: dict[str, tuple[Callable[[Sample], float], Callable[[np.ndarray, int], np.ndarray]]] = {
    "unique": (lambda sample: len(set(sample)) / len(sample), expected.unique_share),
    "plug-in": (of_counts(plug_in_entropy), expected.plug_in),
    "Miller": (of_counts(miller_madow), expected.miller_madow),
    "missing": (unseen_mass, expected.missing),
    "collision": (of_counts(lambda counts: -simpson(counts)), expected.collision),
}


@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("name", COUNTED)
def test_expectations_of_counts_are_sums_over_all_samples(name: str, k: int) -> None:
    value, expectation = COUNTED[name]
    np.testing.assert_allclose(expectation(Q, k), over_all(SAME, k, value), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("texts", WORDS, ids=["one length", "lengths"])
def test_expectations_of_words_are_sums_over_all_samples(texts: Texts, k: int) -> None:
    np.testing.assert_allclose(expected.overlap(texts, Q), over_all(texts, k, overlapping), rtol=1e-13)
    np.testing.assert_allclose(bleu.expected(texts, Q, k), over_all(texts, k, self_bleu), rtol=1e-12)
    for n in (1, 2, 3):
        number = expected.different_grams(texts, Q, k, n)
        wanted = over_all(texts, k, lambda sample, n=n: len({g for one in sample for g in grams(one, n)}))  # type: ignore[misc]
        np.testing.assert_allclose(number, wanted, rtol=1e-13)
        if texts is SAME:
            found = number / (k * expected.mean_count(texts, Q, n))
            np.testing.assert_allclose(found, over_all(texts, k, distinct(n)), rtol=1e-13)


@pytest.mark.parametrize("texts", WORDS, ids=["one length", "lengths"])
def test_values_on_samples_are_those_of_other_code(texts: Texts) -> None:
    rng = np.random.default_rng(1)
    counts = rng.multinomial(5, Q[0], size=40)
    samples = [[one for one, times in zip(texts.answers, row, strict=True) for _ in range(times)] for row in counts]

    def agree(found: np.ndarray, value: Callable[[Sample], float]) -> None:
        np.testing.assert_allclose(found, [value(sample) for sample in samples], rtol=1e-12, atol=1e-15)

    for name, function in (("unique", drawn.unique_share), ("plug-in", drawn.plug_in), ("Miller", drawn.miller_madow),
                           ("missing", drawn.missing), ("collision", drawn.collision)):  # fmt: skip
        agree(function(counts), COUNTED[name][0])
    agree(drawn.chao_shen(counts), of_counts(chao_shen_of))
    agree(drawn.overlap(texts, counts), overlapping)
    agree(bleu.on_samples(texts, counts), self_bleu)
    for n in (1, 2, 3):
        agree(drawn.ratio(drawn.different_grams(texts, counts, n), drawn.total_grams(texts, counts, n)), distinct(n))


@pytest.mark.parametrize("k", [100, 10_000])
def test_binomial_sums_reach_far_enough(k: int) -> None:
    q = np.array([0.0, 1e-12, 1e-4, 0.03, 0.5, 1.0 - 1e-9, 1.0])
    c = np.arange(1, k + 1)
    wanted = [-(binom.pmf(c, k, one) * (c / k) * np.log(c / k)).sum() for one in q]
    np.testing.assert_allclose(expected.of_a_string(q, k), wanted, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("texts", WORDS, ids=["one length", "lengths"])
def test_means_of_samples_are_the_expectations(texts: Texts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SAMPLES, 10, 4_000)
    found = audited([Prompt(0.25, texts, Q), Prompt(0.75, texts, Q[::-1])], 10, 3)
    assert list(found) == list(PROXIES)
    for name, one in found.items():
        error = np.maximum(one.estimates.std(axis=1, ddof=1) / math.sqrt(one.estimates.shape[1]), 1e-12)
        assert (np.abs(one.estimates.mean(axis=1) - one.expected) <= 5.0 * np.hypot(error, one.error)).all(), name
        assert one.exact == (name != "Chao–Shen" and not (texts is OTHER and name in DISTINCT)), name
        assert one.exact == (not one.error.any())


def test_the_expectation_of_a_ratio_is_not_the_ratio_of_expectations() -> None:
    """With several lengths the covariance matters, and it is estimated well."""
    wanted = np.array(over_all(OTHER, 3, distinct(1)))
    rng = np.random.default_rng(2)
    counts = rng.multinomial(3, Q, size=(20_000, 2)).transpose(1, 0, 2).reshape(-1, 4)
    from experiments.a_audits.proxies import _distinct

    found = _distinct(OTHER, Q, counts, 3, 1)
    ratio = expected.different_grams(OTHER, Q, 3, 1) / (3 * expected.mean_count(OTHER, Q, 1))
    assert (np.abs(found.expected - wanted) <= 4.0 * found.error).all()
    assert (np.abs(ratio - wanted) > 8.0 * found.error).all()


def test_answers_that_are_too_long_are_estimated() -> None:
    long = Texts((tuple(range(6)), (1, 2, 3, 4, 5, 0)))
    assert bleu.bits(long) == 15
    assert not bleu.is_exact(long)
    with pytest.raises(ValueError, match="at most 12 n-grams"):
        bleu.expected(long, np.full((1, 2), 0.5), 3)
    assert not audited([Prompt(1.0, long, np.full((1, 2), 0.5))], 10, 0)["self-BLEU"].exact
