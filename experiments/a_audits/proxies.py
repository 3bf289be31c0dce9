"""The proxies of diversity: of every model the exact expectation over k samples, and the values on drawn samples."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from experiments.a_audits import bleu, drawn, expected
from experiments.a_audits.texts import ORDERS, Texts

SAMPLES = {10: 200, 100: 100, 1_000: 40, 10_000: 20}
"""Numbers k of samples for each prompt, and how many sets of them are drawn of every model."""

FEWEST, USUAL = 8, 128
"""Least number of sets, and the number of answers to a prompt from which on there are fewer."""

TOGETHER = 100
"""Models whose samples are drawn together, which bounds the memory."""

DISTINCT = {f"distinct-{order}": order for order in ORDERS}
SELF_BLEU, PLUG_IN, CHAO_SHEN, EXACT = "self-BLEU", "plug-in entropy", "Chao–Shen", "exact N₁"

PLAIN: Mapping[str, tuple[Callable[[np.ndarray, int], np.ndarray], Callable[[np.ndarray], np.ndarray]]] = {
    "unique answers": (expected.unique_share, drawn.unique_share),
    PLUG_IN: (expected.plug_in, drawn.plug_in),
    "Miller–Madow": (expected.miller_madow, drawn.miller_madow),
    "Good–Turing": (expected.missing, drawn.missing),
    "collision": (expected.collision, drawn.collision),
}
"""Proxies that know nothing of texts: their exact expectation, and their value on samples."""

PROXIES = (*DISTINCT, SELF_BLEU, "unique answers", "token overlap", "collision", PLUG_IN, "Miller–Madow", CHAO_SHEN,
           "Good–Turing", EXACT)  # fmt: skip
"""All proxies, in the order in which they are shown; a larger value says more diverse."""


@dataclass
class Values:
    """A proxy of M models at one k: its expectation, the standard error of that, and R values on samples.

    `error` is 0 where the expectation is exact. Values are means over prompts.
    """

    expected: np.ndarray
    error: np.ndarray
    estimates: np.ndarray  # float64[M, R]
    exact: bool = True

    def add(self, weight: float, other: "Values") -> None:
        """Add what is found for another prompt, with its weight."""
        self.expected = self.expected + weight * other.expected
        self.error = np.hypot(self.error, weight * other.error)
        self.estimates = self.estimates + weight * other.estimates
        self.exact = self.exact and other.exact


@dataclass(frozen=True)
class Prompt:
    """A prompt: its probability, its answers, and the law of every model on them, float64[M, N], each sums to 1."""

    weight: float
    texts: Texts
    q: np.ndarray
    cache: dict[int, np.ndarray] = field(default_factory=dict, repr=False)


def sets_of(num_samples: int, num_answers: int) -> int:
    """Number of sets of samples that are drawn of a model; even, because halves are used apart."""
    found = int(SAMPLES[num_samples] * min(1.0, USUAL / num_answers))
    return max(FEWEST, found - found % 2)


def audited(prompts: list[Prompt], num_samples: int, seed: int) -> dict[str, Values]:
    """Return every proxy of every model, averaged over prompts. `seed` decides the samples."""
    number = min(sets_of(num_samples, len(one.texts.answers)) for one in prompts)
    total: dict[str, Values] = {}
    for place, one in enumerate(prompts):
        generator = np.random.default_rng([seed, num_samples, place])
        for name, values in _of_prompt(one, num_samples, number, generator):
            if name not in total:
                zero = np.zeros(len(one.q))
                total[name] = Values(zero, zero, np.zeros(values.estimates.shape))
            total[name].add(one.weight, values)
    return {name: total[name] for name in PROXIES}


def _of_prompt(
    one: Prompt, num_samples: int, number: int, generator: np.random.Generator
) -> Iterator[tuple[str, Values]]:
    parts = [
        dict(_of_models(one.texts, q, num_samples, number, generator))
        for q in np.array_split(one.q, -(-len(one.q) // TOGETHER))
    ]
    for name in parts[0]:
        own = [part[name] for part in parts]
        expectation, error, estimates = (
            np.concatenate([getattr(part, key) for part in own]) for key in ("expected", "error", "estimates")
        )
        yield name, Values(expectation, error, estimates, own[0].exact)


def _of_models(
    texts: Texts, q: np.ndarray, num_samples: int, number: int, generator: np.random.Generator
) -> Iterator[tuple[str, Values]]:
    counts = generator.multinomial(num_samples, q, size=(number, len(q))).transpose(1, 0, 2)
    flat = np.ascontiguousarray(counts).reshape(-1, q.shape[1])

    def by_model(values: np.ndarray) -> np.ndarray:
        return values.reshape(len(q), number)

    for name, order in DISTINCT.items():
        yield name, _distinct(texts, q, flat, num_samples, order)
    found = by_model(-bleu.on_samples(texts, flat))
    if bleu.is_exact(texts):
        yield SELF_BLEU, _exact(-bleu.expected(texts, q, num_samples), found)
    else:
        yield SELF_BLEU, _estimated(found)
    for name, (expectation, value) in PLAIN.items():
        yield name, _exact(expectation(q, num_samples), by_model(value(flat)))
    yield "token overlap", _exact(expected.overlap(texts, q), by_model(drawn.overlap(texts, flat)))
    yield CHAO_SHEN, _estimated(by_model(drawn.chao_shen(flat)))
    truth = expected.entropy(q)
    yield EXACT, _exact(truth, np.repeat(truth[:, None], number, axis=1))


def _exact(expectation: np.ndarray, estimates: np.ndarray) -> Values:
    return Values(expectation, np.zeros(len(expectation)), estimates)


def _estimated(estimates: np.ndarray) -> Values:
    """The expectation from the first half of the samples, so that the second half says how far samples are from it."""
    first, second = np.split(estimates, 2, axis=1)
    error = first.std(axis=1, ddof=1) / np.sqrt(first.shape[1])
    return Values(first.mean(axis=1), error, np.hstack([second, second]), exact=False)


def _distinct(texts: Texts, q: np.ndarray, counts: np.ndarray, num_samples: int, order: int) -> Values:
    """Distinct-n, D / L: different n-grams per n-gram of the whole sample, the expectation of the ratio.

    If all answers have equally many n-grams, L is a constant and E[D / L] = E[D] / L is exact. Else
    E[D / L] = (E[D] - Cov(D / L, L)) / E[L], with exact E[D] and E[L], and the small covariance estimated on samples.
    """
    found = drawn.different_grams(texts, counts, order)
    total = drawn.total_grams(texts, counts, order)
    estimates = drawn.ratio(found, total).reshape(len(q), -1)
    mean, sum_of = expected.mean_count(texts, q, order), expected.different_grams(texts, q, num_samples, order)
    k = num_samples
    if np.ptp(texts.counts(order)) == 0:
        return _exact(drawn.ratio(sum_of, k * mean), estimates)
    product = (estimates - estimates.mean(axis=1, keepdims=True)) * (total.reshape(len(q), -1) - (k * mean)[:, None])
    number = product.shape[1]
    covariance, spread = product.sum(axis=1) / (number - 1), product.std(axis=1, ddof=1) / np.sqrt(number)
    return Values(drawn.ratio(sum_of - covariance, k * mean), drawn.ratio(spread, k * mean), estimates, exact=False)
