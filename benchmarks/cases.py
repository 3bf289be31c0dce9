"""The three model sizes at which training is measured, and their operation counts."""

from dataclasses import dataclass

import numpy as np

from sim.languages.finite import FiniteLanguage
from sim.languages.vocabulary import Vocabulary


@dataclass(frozen=True)
class Case:
    """Sizes of a transformer and its batches. `num_models` is the size of the ensemble."""

    vocab_size: int
    length: int
    width: int
    depth: int
    heads: int
    batch_size: int
    num_models: int

    @property
    def flops_per_token(self) -> int:
        """Floating-point operations of one training step per token. Only matrix products are counted.

        Forward, with width d, length T and vocabulary V: each layer needs 2 d (3d + d + 4d + 4d) = 24 d^2 for its
        weights and 2 * 2 d (T + 1)/2 for the two products of attention (only their unmasked half counts). The output
        needs 2 d V. Backward needs twice as many. Embedding, norms, softmax, GELU and the optimiser are not counted.
        """
        layer = 24 * self.width**2 + 2 * self.width * (self.length + 1)
        return 3 * (self.depth * layer + 2 * self.width * self.vocab_size)


CASES = {
    "A": Case(vocab_size=32, length=32, width=64, depth=2, heads=2, batch_size=128, num_models=8),
    "B": Case(vocab_size=32, length=64, width=128, depth=4, heads=4, batch_size=64, num_models=8),
    "C": Case(vocab_size=16, length=8, width=32, depth=2, heads=1, batch_size=64, num_models=16),
}
"""The cases for which there are performance goals."""

TINY = Case(vocab_size=5, length=4, width=8, depth=1, heads=2, batch_size=4, num_models=2)
"""The case of quick runs."""


def uniform_world(case: Case, num_strings: int = 1024) -> FiniteLanguage:
    """Return random strings of full length, all equally likely. So every position of every string is trained on."""
    dice = np.random.default_rng(0)
    drawn = dice.integers(1, case.vocab_size, size=(num_strings, case.length))
    drawn[:, -1] = 0
    strings = np.unique(drawn, axis=0)
    vocabulary = Vocabulary(("<eos>", *(f"y{token}" for token in range(1, case.vocab_size))))
    return FiniteLanguage.from_strings(vocabulary, strings, np.full(len(strings), -np.log(len(strings))))
