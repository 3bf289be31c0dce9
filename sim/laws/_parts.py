"""Weights of the spans of a batch, and of its nodes: lists of those that are not 0 where they are few.

Almost no span can be derived, so the matrix of a symbol over K nodes has far fewer than K entries in a grammar of many
symbols. Products of lists cost as much as the entries do, and nothing for each of the K nodes. Where entries are many,
products are those of scipy's sparse matrices, and vectors have all their entries. Sums of more than one term are in
scipy's order, so that a number has the same bits in both ways.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp

FEW = 1 / 2
"""A list has at most so many entries per node."""

SOUGHT = 1 / 128
"""Where at most so many entries per node are looked up, a search for each is faster than a table of all nodes."""

Entries: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Two nodes and a weight of each entry: int64[E], int64[E], floating[E]."""


class Nodes:
    """A vector floating[K] over nodes: the nodes with a weight in ascending order, and the weights; or all entries."""

    def __init__(
        self, size: int, listed: tuple[np.ndarray, np.ndarray] | None, whole: np.ndarray | None = None
    ) -> None:
        self.size, self.listed, self._whole = size, listed, whole

    @property
    def dense(self) -> np.ndarray:
        """All entries: floating[K]."""
        return added([self]) if self._whole is None else self._whole

    def times(self, weight: np.floating) -> "Nodes":
        """The vector times a number."""
        if self.listed is None:
            return Nodes(self.size, None, self.dense * weight)
        return Nodes(self.size, (self.listed[0], self.listed[1] * weight))


def total(terms: Sequence[Nodes]) -> Nodes:
    """The sum of at least one vector, in this order."""
    if len(terms) == 1:
        return terms[0]
    lists = [one.listed for one in terms if one.listed is not None]
    if len(lists) < len(terms) or sum(len(node) for node, _ in lists) > FEW * terms[0].size:
        return Nodes(terms[0].size, None, added(terms))
    node, value = (np.concatenate([one[at] for one in lists]) for at in (0, 1))
    return Nodes(terms[0].size, _summed(node, value))


def added(terms: Sequence[Nodes]) -> np.ndarray:
    """The sum of at least one vector, in this order: floating[K], new."""
    first = terms[0].dense if terms[0].listed is None else terms[0].listed[1]
    found = np.zeros(terms[0].size, first.dtype)
    for one in terms:
        if one.listed is None:
            found += one.dense
        else:
            found[one.listed[0]] += one.listed[1]
    return found


class Part:
    """The matrix of a symbol or of a sequence of symbols: a list of entries, or some rows of a matrix of scipy."""

    def __init__(self, size: int, listed: Entries | None, rows: tuple[np.ndarray, sp.csr_array] | None = None) -> None:
        self.size, self.listed, self._given = size, listed, rows

    @classmethod
    def of(cls, matrix: sp.csr_array) -> "Part":
        """A matrix of scipy [K, K] as a part."""
        return cls(matrix.shape[1], None, _rows(matrix))

    def __len__(self) -> int:
        """The number of entries."""
        return self.rows[1].nnz if self.listed is None else len(self.listed[0])

    @cached_property
    def rows(self) -> tuple[np.ndarray, sp.csr_array]:
        """The nodes where spans begin, int[R], and their rows: sparse [R, K]."""
        return self._given if self._given is not None else _rows(self.full)

    @cached_property
    def full(self) -> sp.csr_array:
        """All rows: sparse [K, K]."""
        if self.listed is None:
            rows, inner = self.rows
            lengths = np.zeros(self.size + 1, inner.indptr.dtype)
            lengths[rows + 1] = np.diff(inner.indptr)
            pointer, indices, data = np.cumsum(lengths), inner.indices, inner.data
        else:
            (_, indices, data), pointer = self.listed, self._pointer
        return sp.csr_array((data, indices, pointer), shape=(self.size, self.size))

    @property
    def entries(self) -> Entries:
        """Where spans begin, in ascending order, where they end, and their weights."""
        if self.listed is not None:
            return self.listed
        rows, inner = self.rows
        return np.repeat(rows, np.diff(inner.indptr)), inner.indices, inner.data

    @cached_property
    def _pointer(self) -> np.ndarray:
        """The number of entries of a list that begin before each node: int32[K + 1]."""
        found = np.zeros(self.size + 1, np.int32)
        np.cumsum(np.bincount(self.entries[0], minlength=self.size), out=found[1:])
        return found

    def _behind(self, node: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For every given node, the first entry that begins there, and the number of these entries."""
        if len(node) > SOUGHT * self.size:
            first, last = self._pointer.take(node), self._pointer.take(node + 1)
        else:
            first, last = (np.searchsorted(self.entries[0], node, side=side) for side in ("left", "right"))
        return first, last - first

    @cached_property
    def _backwards(self) -> Entries:
        """The entries of a list, those of each node in reverse."""
        begin, end, value = self.entries
        fresh = np.flatnonzero(begin[1:] != begin[:-1]) + 1
        if len(fresh) == len(begin) - 1:
            return self.entries
        edge = np.concatenate([[0], fresh, [len(begin)]])
        rank = np.repeat(edge[:-1] + edge[1:] - 1, np.diff(edge)) - np.arange(len(begin))
        return begin, end.take(rank), value.take(rank)

    def then(self, other: "Part") -> "Part":
        """The product: a span of this and one of the other behind it."""
        if self.listed is not None and other.listed is not None:
            begin, end, value = self._backwards
            first, count = other._behind(end)
            if count.sum() <= FEW * self.size:
                source, (_, ends, values) = _ranges(first, count), other.listed
                value = np.repeat(value, count) * values.take(source)
                return Part(self.size, _distinct(np.repeat(begin, count), ends.take(source), value, self.size))
        rows, inner = self.rows
        return Part(self.size, None, (rows, inner @ other.full))

    def after(self, vector: Nodes) -> Nodes:
        """The row vector times the matrix."""
        if self.listed is None:
            rows, inner = self.rows
            return Nodes(self.size, None, np.asarray(vector.dense[rows] @ inner))
        begin, end, value = self.listed
        if vector.listed is not None and len(vector.listed[0]) <= len(begin):
            node, weight = vector.listed
            first, count = self._behind(node)
            source = _ranges(first, count)
            return Nodes(self.size, _summed(end.take(source), np.repeat(weight, count) * value.take(source)))
        weight = vector.dense.take(begin)
        kept = np.flatnonzero(weight)
        return Nodes(self.size, _summed(end.take(kept), weight.take(kept) * value.take(kept)))


def weighted_sum(parts: Sequence[tuple[np.floating, Part]]) -> Part:
    """The sum of at least one part, with the given weights."""
    size = parts[0][1].size
    lists = [(begin, end, weight * value) for weight, part in parts for begin, end, value in (part.entries,)]
    begin, end, value = (np.concatenate(column) for column in zip(*lists, strict=True))
    if len(value) <= FEW * size:
        place = begin * size + end
        rank = np.argsort(place, kind="stable")
        place = place.take(rank)
        if (place[1:] != place[:-1]).all():
            return Part(size, (begin.take(rank), end.take(rank), value.take(rank)))
    return Part.of(sp.coo_array((value, (begin, end)), (size, size)).tocsr())


def _rows(matrix: sp.csr_array) -> tuple[np.ndarray, sp.csr_array]:
    """The rows of a matrix [K, K] that are not empty: their numbers, and sparse [R, K]."""
    rows = np.flatnonzero(np.diff(matrix.indptr))
    pointer = np.append(matrix.indptr[rows], matrix.indptr[-1:])
    return rows, sp.csr_array((matrix.data, matrix.indices, pointer), shape=(len(rows), matrix.shape[1]))


def _summed(place: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct places in ascending order, and the sum of the values of each, added one by one in their order."""
    rank = np.argsort(place, kind="stable")
    place, value = place.take(rank), value.take(rank)
    fresh = place[1:] != place[:-1]
    if fresh.all():
        return place, value
    first = np.concatenate([[True], fresh])
    found = np.zeros(int(first.sum()), value.dtype)
    np.add.at(found, np.cumsum(first) - 1, value)
    return place[first], found


def _distinct(begin: np.ndarray, end: np.ndarray, value: np.ndarray, size: int) -> Entries:
    """Entries in which no place occurs twice: those of one place are added up from the last, and lie where it was."""
    place = begin * size + end
    alike = np.sort(place)
    if (alike[1:] != alike[:-1]).all():
        return begin, end, value
    rank = np.argsort(place[::-1], kind="stable")
    alike = place[::-1].take(rank)
    first = np.concatenate([[True], alike[1:] != alike[:-1]])
    found = np.zeros(int(first.sum()), value.dtype)
    np.add.at(found, np.cumsum(first) - 1, value[::-1].take(rank))
    at = len(place) - 1 - rank[first]
    order = np.argsort(at)
    return begin[at[order]], end[at[order]], found[order]


def _ranges(first: np.ndarray, count: np.ndarray) -> np.ndarray:
    """As many numbers from first[0] on as count[0] says, in reverse; then those of the others."""
    found = np.repeat(first + np.cumsum(count) - 1, count)
    found -= np.arange(len(found))
    return np.asarray(found)
