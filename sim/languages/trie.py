"""The prefix trie of a finite support, as arrays. It holds every distinct prefix once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.numerics import EOS


@dataclass(frozen=True, eq=False)
class Trie:
    """Prefix trie of N distinct strings, with M nodes (the prefixes that a token follows) and E edges (legal tokens).

    `strings` is int32[N, L]; its rows are unique, in lexicographic order, EOS-terminated and EOS-padded. Nodes are
    numbered in level order, and the root is node 0. An edge is a legal pair (node, token); edges are in level order
    too. The strings below a node are contiguous rows. Raises ValueError if the strings are not of this form.
    `Trie.of` sorts strings and builds the trie.
    """

    strings: np.ndarray
    vocab_size: int

    def __post_init__(self) -> None:
        strings = self.strings
        if strings.ndim != 2 or not strings.size or strings.dtype != np.int32:
            raise ValueError(f"strings: int32[N, L] with N, L >= 1 is required, found {strings.dtype}{strings.shape}")
        if strings.min() < 0 or strings.max() >= self.vocab_size:
            raise ValueError(f"strings: tokens must lie in 0..{self.vocab_size - 1}, found others")
        if (strings[:, -1] != EOS).any() or ((strings[:, :-1] == EOS) & (strings[:, 1:] != EOS)).any():
            raise ValueError("strings: each must end in EOS and hold only EOS after its first one")
        if len(strings) > 1 and not (self._shared[1:] < self.strings.shape[1]).all():
            raise ValueError("strings: different strings are required, found duplicates")
        if len(strings) > 1 and not self._ascending():
            raise ValueError("strings: lexicographic order is required, found another; build the trie with Trie.of")

    def _ascending(self) -> bool:
        rows, at = np.arange(1, len(self.strings)), self._shared[1:]
        return bool((self.strings[rows, at] > self.strings[rows - 1, at]).all())

    @classmethod
    def of(cls, strings: np.ndarray, vocab_size: int) -> tuple["Trie", np.ndarray]:
        """Return the trie of strings in any order, and that order: row i of the trie is `strings[order[i]]`."""
        with np.errstate(invalid="ignore"):
            tokens = np.ascontiguousarray(strings, np.int32)
        if (tokens != strings).any():
            raise ValueError("strings: whole numbers that int32 can hold are required, found other values")
        order = np.lexsort(tokens.T[::-1])
        return cls(tokens[order], vocab_size), order

    @property
    def num_strings(self) -> int:
        """The number of strings N."""
        return len(self.strings)

    @property
    def length(self) -> int:
        """The horizon L, EOS included."""
        return self.strings.shape[1]

    @cached_property
    def lengths(self) -> np.ndarray:
        """The number of tokens of each string, EOS included: int[N]."""
        return np.argmax(self.strings == EOS, axis=1) + 1

    @cached_property
    def _shared(self) -> np.ndarray:
        """The number of leading tokens that each string shares with the string before it: int[N]; 0 for the first."""
        equal = self.strings[1:] == self.strings[:-1]
        shared = np.where(equal.all(axis=1), equal.shape[1], np.argmin(equal, axis=1))
        return np.concatenate([[0], shared])

    @cached_property
    def _ids(self) -> tuple[np.ndarray, np.ndarray]:
        """The node and the edge at every (string, position), numbered in level order; -1 after a string's end."""
        position = np.arange(self.length)
        alive = position < self.lengths[:, None]
        new_node = alive & (position > self._shared[:, None])
        new_node[0] = alive[0]
        new_edge = alive & (position >= self._shared[:, None])
        new_edge[0] = alive[0]
        ids = []
        for new in (new_node, new_edge):
            below = np.concatenate([[0], np.cumsum(new.sum(axis=0))[:-1]])
            ids.append(np.where(alive, below + np.cumsum(new, axis=0) - 1, -1))
        return ids[0], ids[1]

    @property
    def node(self) -> np.ndarray:
        """The node at which token t of a string is predicted: int[N, L]; -1 after the string's end."""
        return self._ids[0]

    @property
    def edge(self) -> np.ndarray:
        """The edge of token t of a string: int[N, L]; -1 after the string's end."""
        return self._ids[1]

    @cached_property
    def num_nodes(self) -> int:
        """The number of nodes M."""
        return int(self.node.max()) + 1

    @cached_property
    def num_edges(self) -> int:
        """The number of edges E."""
        return int(self.edge.max()) + 1

    @cached_property
    def _edges(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        node, token, child = (np.zeros(self.num_edges, np.int64) for _ in range(3))
        alive = self.edge >= 0
        at = self.edge[alive]
        following = np.concatenate([self.node[:, 1:], np.full((self.num_strings, 1), -1)], axis=1)
        node[at], token[at], child[at] = self.node[alive], self.strings[alive], following[alive]
        return node, token, child

    @property
    def edge_node(self) -> np.ndarray:
        """The node that each edge leaves: int[E]."""
        return self._edges[0]

    @property
    def edge_token(self) -> np.ndarray:
        """The token of each edge: int[E]."""
        return self._edges[1]

    @property
    def edge_child(self) -> np.ndarray:
        """The node that each edge leads to: int[E]; -1 if the edge ends the string (EOS)."""
        return self._edges[2]

    @cached_property
    def _nodes(self) -> tuple[np.ndarray, np.ndarray]:
        parent, token = np.full(self.num_nodes, -1), np.full(self.num_nodes, -1)
        inner = self.edge_child >= 0
        parent[self.edge_child[inner]] = self.edge_node[inner]
        token[self.edge_child[inner]] = self.edge_token[inner]
        return parent, token

    @property
    def parent(self) -> np.ndarray:
        """The parent of each node: int[M]; -1 for the root."""
        return self._nodes[0]

    @property
    def token(self) -> np.ndarray:
        """The token that leads to each node: int[M]; -1 for the root."""
        return self._nodes[1]

    @cached_property
    def first_string(self) -> np.ndarray:
        """The first string that passes through each node: int[M]."""
        first = np.full(self.num_nodes, self.num_strings)
        alive = self.node >= 0
        rows = np.broadcast_to(np.arange(self.num_strings)[:, None], self.node.shape)
        np.minimum.at(first, self.node[alive], rows[alive])
        return first

    @cached_property
    def depth(self) -> np.ndarray:
        """The number of tokens before each node: int[M]."""
        depth = np.zeros(self.num_nodes, np.int64)
        alive = self.node >= 0
        depth[self.node[alive]] = np.broadcast_to(np.arange(self.length), self.node.shape)[alive]
        return depth

    @cached_property
    def next_node(self) -> np.ndarray:
        """The node after each token: int32[M+1, V]. Illegal tokens and EOS lead to the dead node M."""
        table = np.full((self.num_nodes + 1, self.vocab_size), self.num_nodes, np.int32)
        inner = self.edge_child >= 0
        table[self.edge_node[inner], self.edge_token[inner]] = self.edge_child[inner]
        return table

    @cached_property
    def legal(self) -> np.ndarray:
        """Whether some listed string continues a node with a token, EOS included: bool[M, V]."""
        table = np.zeros((self.num_nodes, self.vocab_size), bool)
        table[self.edge_node, self.edge_token] = True
        return table
