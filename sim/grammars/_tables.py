"""Random tables of the built-in worlds: laws with forbidden outcomes, and different words. A seed fixes them."""

import numpy as np

from sim.grammars._mixture import zipf_law


def random_law(generator: np.random.Generator, count: int, num_possible: int, exponent: float) -> np.ndarray:
    """A law over `count` outcomes, float64[count]. Exactly `num_possible` of them, drawn at random, are possible.

    These follow Zipf's law in random order, with a random offset that makes probabilities generic. The others are 0.
    """
    law = np.zeros(count)
    chosen = generator.permutation(count)[:num_possible]
    law[chosen] = zipf_law(num_possible, exponent, generator.random())
    return law


def different_words(generator: np.random.Generator, count: int, num_symbols: int, length: int) -> np.ndarray:
    """`count` different words of `length` symbols 0..num_symbols - 1, uniform without replacement: int[count, length].

    So many must exist: num_symbols ** length >= count.
    """
    words = np.zeros((0, length), np.int64)
    while len(words) < count:
        drawn = np.concatenate([words, generator.integers(num_symbols, size=(count, length))])
        _, first = np.unique(drawn, axis=0, return_index=True)
        words = drawn[np.sort(first)]
    return words[:count]
