"""Lists of entries against full matrices: the numbers are those of numpy, and the bits those of scipy's products."""

import numpy as np
import pytest
import scipy.sparse as sp

from sim.grammars._levels import level_grammar
from sim.laws import _parts
from sim.laws._parts import Nodes, Part, added, total, weighted_sum
from sim.laws.nonrecursive import NonRecursive

K = 24
LISTS = [0.0, 1.0, 1e9]
"""Values of FEW: all products are scipy's, some are, or none is."""


def matrix(seed: int, filled: float, whole: bool = False) -> np.ndarray:
    """A matrix float64[K, K] with some entries: fractions, or whole numbers, whose sums are exact."""
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 9, size=(K, K)).astype(float) if whole else rng.random((K, K))
    return np.where(rng.random((K, K)) < filled, values, 0.0)


def part_of(dense: np.ndarray, listed: bool) -> Part:
    if not listed:
        return Part.of(sp.csr_array(dense))
    begin, end = np.nonzero(dense)
    return Part(K, (begin, end, dense[begin, end]))


def dense_of(part: Part) -> np.ndarray:
    return np.asarray(part.full.toarray())


def nodes_of(dense: np.ndarray, listed: bool) -> Nodes:
    return Nodes(K, (np.flatnonzero(dense), dense[dense != 0])) if listed else Nodes(K, None, dense)


@pytest.fixture(params=LISTS)
def few(request, monkeypatch) -> float:
    monkeypatch.setattr(_parts, "FEW", request.param)
    return float(request.param)


@pytest.mark.parametrize("sought", [0.0, 1.0])
@pytest.mark.parametrize("listed", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("filled", [0.0, 0.03, 0.3, 1.0])
def test_products_and_sums_are_those_of_full_matrices(monkeypatch, few, filled, listed, sought):
    """Whole numbers, so that no order of a sum matters."""
    monkeypatch.setattr(_parts, "SOUGHT", sought)
    a, b, c = (matrix(seed, filled, whole=True) for seed in range(3))
    one, two, three = (part_of(dense, kind) for dense, kind in zip((a, b, c), (*listed, True), strict=True))
    assert len(one) == np.count_nonzero(a)
    assert (dense_of(one.then(two)) == a @ b).all()
    assert (dense_of(one.then(two).then(three)) == a @ b @ c).all()
    mean = weighted_sum([(np.float64(w), part) for w, part in zip((2, 0.5, 3), (one, two, three), strict=True)])
    assert (dense_of(mean) == 2 * a + b / 2 + 3 * c).all()
    assert (np.diff(mean.entries[0]) >= 0).all()
    for kind in (True, False):
        vector = nodes_of(a[0], kind)
        assert (two.after(vector).dense == a[0] @ b).all()
        assert (two.after(two.after(vector.times(np.float64(4)))).dense == 4 * a[0] @ b @ b).all()
        terms = [vector, nodes_of(b[0], True), nodes_of(c[0], True)]
        assert (total(terms).dense == a[0] + b[0] + c[0]).all()
        assert (added(terms) == total(terms).dense).all()


@pytest.mark.parametrize("filled", [0.1, 0.4, 1.0])
def test_both_ways_give_the_same_bits_in_the_same_order(monkeypatch, filled):
    """Sums of many fractions, of which the last bits depend on the order; the order of entries decides the next sum."""
    found = []
    for few, listed in ((1e9, True), (0.0, False)):
        monkeypatch.setattr(_parts, "FEW", few)
        one, two, three = (part_of(matrix(seed, filled), listed) for seed in range(3))
        pair = one.then(two)
        vector = nodes_of(matrix(3, 1.0)[0], listed)
        triple = pair.then(three)
        found.append([*pair.entries, *triple.entries, triple.after(vector).dense, two.after(two.after(vector)).dense])
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))
    pair = matrix(0, filled) @ matrix(1, filled)
    assert np.allclose(dense_of(Part(K, tuple(found[0][:3]))), pair, rtol=1e-13, atol=0)


@pytest.mark.parametrize("few", [1.0, 1e9])
@pytest.mark.parametrize("shared", [True, False])
def test_a_law_has_the_same_bits_with_lists_and_without(monkeypatch, shared, few):
    law = NonRecursive(level_grammar(4, 3, 4, (1, 2, 3) if shared else (2, 3), shared=shared, seed=4))
    batch = law.sample(np.random.default_rng(0), 30)
    batch[::7, 2] = batch[::7, 1]  # some are not in the language
    monkeypatch.setattr(_parts, "FEW", 0.0)
    before = law.next_token(batch)
    monkeypatch.setattr(_parts, "FEW", few)
    assert np.array_equal(law.next_token(batch), before)
