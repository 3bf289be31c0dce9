"""Pairs of models of one world: whether a proxy has the sign of the change of the exact N₁, and which error if not."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.a_audits.proxies import SAMPLES, Prompt, Values, audited

SURE = 1e-9
"""Smallest |ΔH| [nat] of a pair; below, rounding may decide the sign."""

BLIND = 1e-10
"""Largest relative difference of two exact expectations that counts as none."""

OPEN = 3.0
"""Largest difference of two estimated expectations, in standard errors, that decides nothing."""

TIE = 1e-12
"""Largest difference of two values on samples that counts as none."""

MOST = 5_000
"""Most pairs of a world; of more, as many are drawn."""

SIZES = (0.0, 0.03, 0.1, 0.3, 1.0, np.inf)
"""Limits of the classes of |ΔH| [nat]."""

ALL, CHANGES, BETWEEN, MATCHED = "all", "before and after", "between methods", "matched"
SAME_OFF, SAME_LENGTH = 0.01, 0.01
"""Largest difference of q(⊥) [1], and of the mean length [share], of a matched pair."""


@dataclass(frozen=True)
class Models:
    """M models of one world, without duplicates. Laws are those of answers that P can write, given the prompt.

    entropy: H [nat], exact; off: q(⊥); length: mean number of tokens of an answer; before: whether it is a model before
    the fine-tuning. All are means over P(x), float64[M].
    """

    world: str
    seed: int
    language: str
    prompts: list[Prompt]
    entropy: np.ndarray
    off: np.ndarray
    length: np.ndarray
    before: np.ndarray


@dataclass(frozen=True)
class Pairs:
    """Pairs of models: their numbers, int[P] each, and ΔH [nat]."""

    one: np.ndarray
    other: np.ndarray
    change: np.ndarray
    total: int  # number of all pairs, of which these may be a sample

    @classmethod
    def of(cls, models: Models) -> "Pairs":
        """Return the pairs whose ΔH has a sure sign: all, or `MOST` that are drawn at random."""
        one, other = np.triu_indices(len(models.entropy), 1)
        change = models.entropy[one] - models.entropy[other]
        sure = np.flatnonzero(np.abs(change) > SURE)
        chosen = sure
        if len(sure) > MOST:
            generator = np.random.default_rng(int(models.world, 16))
            chosen = np.sort(generator.choice(sure, MOST, replace=False))
        return cls(one[chosen], other[chosen], change[chosen], len(sure))

    def groups(self, models: Models) -> Iterator[tuple[str, str, np.ndarray]]:
        """Iterate over groups of pairs: a name, a class of |ΔH|, and which pairs, bool[P]."""
        changes = models.before[self.one] != models.before[self.other]
        matched = np.abs(models.off[self.one] - models.off[self.other]) <= SAME_OFF
        lengths = models.length[self.one], models.length[self.other]
        matched &= np.abs(lengths[0] - lengths[1]) <= SAME_LENGTH * np.maximum(*lengths)
        everything = np.ones(len(self.one), bool)
        size = np.abs(self.change)
        between = ~models.before[self.one] & ~models.before[self.other]
        for name, own in ((ALL, everything), (CHANGES, changes), (BETWEEN, between), (MATCHED, matched)):
            yield name, "", own
        for low, high in itertools.pairwise(SIZES):
            words = f"from {low:g}" if np.isinf(high) else f"{low:g} to {high:g}"
            yield ALL, words, (size >= low) & (size < high)


def errors(models: Models) -> Iterator[dict[str, Any]]:
    """Iterate over rows: for every group of pairs, k and proxy how many pairs have which error.

    wrong: the expectation has the wrong sign (construct error); blind: the expectations of both models are equal; open:
    the expectation is estimated, and its sign is not sure; sampling: mean probability, over the pairs whose expectation
    has a sign, that samples have another one (a tie counts half); total: the same against ΔH, over all pairs.
    """
    pairs = Pairs.of(models)
    groups = [(name, size, own) for name, size, own in pairs.groups(models) if own.any()]
    seed = int(models.world, 16)
    for k in SAMPLES:
        for proxy, values in audited(models.prompts, k, seed).items():
            found = of_pairs(pairs, values)
            for name, size, own in groups:
                signed = own & ~found["blind"] & ~found["open"]
                yield {
                    "world": models.world, "seed": models.seed, "language": models.language, "pairs": name,
                    "size": size, "proxy": proxy, "k": k, "exact": values.exact, "number": int(own.sum()),
                    "wrong": int(found["wrong"][own].sum()), "blind": int(found["blind"][own].sum()),
                    "open": int(found["open"][own].sum()),
                    "sampling": float(found["sampling"][signed].mean()) if signed.any() else None,
                    "total": float(found["total"][own].mean()),
                }  # fmt: skip


def of_pairs(pairs: Pairs, values: Values) -> Mapping[str, np.ndarray]:
    """Return wrong, blind and open, bool[P], and sampling and total, float64[P], see `errors`."""
    one, other = values.expected[pairs.one], values.expected[pairs.other]
    difference = one - other
    error = np.hypot(values.error[pairs.one], values.error[pairs.other])
    equal = np.abs(difference) <= BLIND * np.maximum(np.abs(one), np.abs(other))
    unsure = (np.abs(difference) <= OPEN * error) & (not values.exact)
    blind = equal & ~unsure
    sign, truth = np.sign(difference), np.sign(pairs.change)
    drawn = values.estimates[pairs.one] - values.estimates[pairs.other]
    signs = np.where(np.abs(drawn) <= TIE, 0.0, np.sign(drawn))
    return {
        "wrong": (sign != truth) & ~blind & ~unsure,
        "blind": blind,
        "open": unsure,
        "sampling": np.abs(signs - sign[:, None]).mean(axis=1) / 2.0,
        "total": np.abs(signs - truth[:, None]).mean(axis=1) / 2.0,
    }
