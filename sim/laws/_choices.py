"""Draw one of the outcomes of many groups at once, each group with its own probabilities."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np


@dataclass(frozen=True, eq=False)
class Choices:
    """Outcomes one after the other, group by group. Group g has the outcomes `edges`[g] to `edges`[g + 1] - 1."""

    p: np.ndarray  # float64[R], positive
    edges: np.ndarray  # int[G + 1]

    @cached_property
    def _sums(self) -> np.ndarray:
        """The sums of the probabilities of each group up to each outcome: float64[R]."""
        return np.concatenate([np.cumsum(self.p[begin:end]) for begin, end in pairwise(self.edges.tolist())])

    def drawn(self, group: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A random outcome of each of the given groups, by bisection of its sums: int[len(group)]."""
        low, high = self.edges[group], self.edges[group + 1] - 1
        point = rng.random(len(group)) * self._sums[high]
        for _ in range(int(np.diff(self.edges).max()).bit_length()):
            middle = (low + high) // 2
            above = self._sums[middle] > point
            low, high = np.where(above | (low == high), low, middle + 1), np.where(above, middle, high)
        return low
