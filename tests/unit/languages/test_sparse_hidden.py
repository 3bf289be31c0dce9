"""Two paths of a string are found with sparse matrices as with dense ones."""

import numpy as np
import pytest

from sim.languages import hidden_ops
from sim.languages.hidden_ops import has_two_paths


@pytest.mark.parametrize("stopping", [0.1, 0.6])
def test_sparse_and_dense_searches_agree(stopping, monkeypatch):
    dice = np.random.default_rng(0)
    found = []
    for _ in range(60):
        size = int(dice.integers(2, 7))
        transitions = dice.random((3, size, size)) * (dice.random((3, size, size)) < 0.8 / size)
        transitions[0] = 0.0
        facts = np.eye(size)[0], transitions, (dice.random(size) < stopping).astype(float)
        monkeypatch.setattr(hidden_ops, "SPARSE", 0)
        sparse = has_two_paths(*facts)
        monkeypatch.setattr(hidden_ops, "SPARSE", np.inf)
        assert has_two_paths(*facts) == sparse
        found.append(sparse)
    assert 3 < sum(found) < 57
