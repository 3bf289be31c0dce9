"""Probabilities that a model or a truth gives to supported strings, and what is known of the mass off the support.

Sample space. A distribution over strings is the law of the first L tokens (L is the horizon, EOS included). Its strings
have at most L-1 symbols and EOS, or they are *unfinished*: L symbols without EOS. A model may fail to stop in time. Its
unfinished strings are illegal, so they are part of the mass q(⊥) off the support.
An exit e is a node n (at depth t) with an illegal token a. Its mass is q_e = q(n) q(a|n). Every string off the support
belongs to exactly one exit. Behind an exit, R_e strings are possible. R_e = 1 if a is EOS. Otherwise, with r = L-1-t
tokens left, R_e = sum_{j=0}^{r} (V-1)^j (j < r: finished after j more symbols and EOS; j = r: unfinished). At the last
position r = 0, so each illegal token is one string.
The record does not say which illegal token was EOS. So `exit_room` uses the second value for all: an upper bound.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from sim.languages.finite import FiniteLanguage, Prompts
from sim.languages.trie import Trie
from sim.metrics.nodes import Nodes, UnrecordedError
from sim.numerics import expectation, log_group_sum, nearest

View = Literal["response", "joint"]
VIEWS: tuple[View, ...] = ("response", "joint")
"""`response` is conditional on the prompt, so prompt tokens are given. `joint` has the whole document in one group."""

NODE_ARRAYS = ("leak", "leak_plogp", "leak_square", "leak_max")
"""Recorded per node n, over its illegal tokens a: the sums of q(a|n), q log q and q^2, and the largest q(a|n)."""

EXITS = ("off", "exit_entropy", "exit_room", "exit_square", "exit_max")
"""The fields of `Scored` with a number for each prompt group, about the mass off the support."""


@dataclass(frozen=True, eq=False)
class Scored:
    """A distribution on the trie of a support (N strings, M nodes, E edges), for each of G prompt groups x.

    In the response view all masses are conditional on x; the joint view has one group. What is known at nodes
    and edges has the names of the fields of `Nodes`. If it was not recorded, these raise UnrecordedError.
    """

    trie: Trie
    group: np.ndarray  # int[N], prompt group of each string
    log_q: np.ndarray  # float64[N], log q(y|x) [nat]
    off: np.ndarray  # float64[G], q(⊥|x)
    exit_entropy: np.ndarray  # float64[G], sum_e -q_e log q_e [nat]
    exit_room: np.ndarray  # float64[G], sum_e q_e log R_e [nat]
    exit_square: np.ndarray  # float64[G], sum_e q_e^2
    exit_max: np.ndarray  # float64[G], max_e q_e
    node_group: np.ndarray  # int[M], -1 inside prompts
    node_position: np.ndarray  # int[M], scored tokens before a node (0 = first of the answer), -1 inside prompts
    nodes: Nodes | None
    if TYPE_CHECKING:
        edge_log_q: np.ndarray
        leak: np.ndarray
        leak_max: np.ndarray
        node_log_mass: np.ndarray
        node_off: np.ndarray
        node_off_max: np.ndarray
        next_entropy: np.ndarray
        next_max: np.ndarray

    def __getattr__(self, name: str) -> np.ndarray:
        """Return a field of `nodes`. It is called for names that are not fields of this class."""
        if name not in Nodes.__dataclass_fields__:
            raise AttributeError(name)
        if self.nodes is None:
            raise UnrecordedError(f"{name} was not recorded at this evaluation")
        found: np.ndarray = getattr(self.nodes, name)
        return found

    @property
    def num_groups(self) -> int:
        """Number of prompt groups G."""
        return len(self.off)

    def log_weights(self, log_law: np.ndarray) -> np.ndarray:
        """log prompt law at the prompt of each string [nat]: float64[N] from float64[G]."""
        return log_law[self.group]

    def covers(self, log_law: np.ndarray) -> bool:
        """Whether every prompt of a log law, float64[G], has answers, so that averages under the law exist."""
        total = np.bincount(self.group, np.exp(self.log_q), self.num_groups)
        return bool((total[log_law > -np.inf] > 0.0).all())

    @cached_property
    def merged(self) -> np.ndarray:
        """log q [nat] with the mass off the support as one more atom ⊥ per x: float64[N+G]. q sums to 1 for each x."""
        with np.errstate(divide="ignore"):
            return np.concatenate([self.log_q, np.log(self.off)])

    @cached_property
    def largest(self) -> np.ndarray:
        """Probability of the likeliest supported string of each group: float64[G]; 0 if it has none."""
        return group_max(np.exp(self.log_q), self.group, self.num_groups)

    @cached_property
    def merged_group(self) -> np.ndarray:
        """Group of each atom of `merged`: int[N+G]."""
        return np.concatenate([self.group, np.arange(self.num_groups)])

    def log_merged_weights(self, log_law: np.ndarray) -> np.ndarray:
        """log prompt law at each atom of `merged` [nat]: float64[N+G]."""
        return log_law[self.merged_group]


def log_completions(vocab_size: int, length: int) -> np.ndarray:
    """log R [nat] behind a symbol that is emitted at depth t = 0..L-1: float64[L]; R = sum_{j=0}^{L-1-t} (V-1)^j."""
    if vocab_size < 2:
        return np.zeros(length)
    return np.logaddexp.accumulate(np.arange(length) * np.log(vocab_size - 1.0))[::-1].copy()


def conditional(log_q: np.ndarray, group: np.ndarray, num_groups: int) -> np.ndarray:
    """log of the share of each entry in its group [nat]: float64[N]; -inf in groups of mass 0."""
    return share(log_q, log_group_sum(log_q, group, num_groups), group)


def share(log_q: np.ndarray, log_mass: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Do the same as `conditional` with the log mass of every group, float64[G] [nat]."""
    total = log_mass[group]
    return np.where(log_q > -np.inf, log_q - np.where(total > -np.inf, total, 0.0), -np.inf)


def average(log_law: np.ndarray, values: np.ndarray) -> float:
    """E_x of a number per prompt, float64[G]. Prompts of probability 0 do not count, even with infinite values."""
    return expectation(log_law, values)


def group_max(values: np.ndarray, group: np.ndarray, num_groups: int) -> np.ndarray:
    """Largest value of each group, for non-negative values: float64[G]; 0 for an empty group."""
    if num_groups == 1:
        return np.max(values, initial=0.0, keepdims=True)
    top = np.zeros(num_groups)
    np.maximum.at(top, group, values)
    return top


def no_leak(edge_log_q: np.ndarray, num_nodes: int) -> dict[str, np.ndarray]:
    """Return the recorded arrays of a distribution that never leaves the support."""
    return {"edge_log_q": edge_log_q} | {name: np.zeros(num_nodes) for name in NODE_ARRAYS}


def score(trie: Trie, prompts: Prompts, arrays: Mapping[str, np.ndarray], view: str) -> Scored:
    """Make a `Scored` from recorded arrays (`edge_log_q` float64[E] and `NODE_ARRAYS` float64[M]).

    Raises ValueError if the view does not exist, or if an array is missing, has the wrong shape or holds a nan.
    """
    return TrieView.of(trie, prompts, view).score(arrays)


@dataclass(frozen=True, eq=False)
class TrieView:
    """A trie in one view. It holds what is the same for all distributions that are scored on this trie."""

    trie: Trie
    group: np.ndarray  # int[N], prompt group of each string
    num_groups: int
    node_group: np.ndarray  # int[M], as in `Scored`
    node_position: np.ndarray  # int[M], as in `Scored`

    @classmethod
    def of(cls, trie: Trie, prompts: Prompts, view: str) -> "TrieView":
        """Return a trie in a view. Raises ValueError if the view does not exist."""
        if view not in VIEWS:
            raise ValueError(f"view: 'response' or 'joint' is required, found {view!r}{nearest(view, VIEWS)}")
        N, L = trie.strings.shape
        length, group = (prompts.length, prompts.group) if view == "response" else (np.zeros(N, np.int64),) * 2
        counted = (trie.node >= 0) & (np.arange(L) >= length[:, None])  # neither inside the prompt nor after the end
        node_group, node_position = np.full(trie.num_nodes, -1), np.full(trie.num_nodes, -1)
        at = trie.node[counted]
        node_group[at] = np.broadcast_to(group[:, None], (N, L))[counted]
        node_position[at] = (np.arange(L) - length[:, None])[counted]
        return cls(trie, group, prompts.num_groups if view == "response" else 1, node_group, node_position)

    @cached_property
    def inside(self) -> np.ndarray:
        """The nodes that are not inside prompts, in ascending order."""
        return np.flatnonzero(self.node_group >= 0)

    @cached_property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Last node and last edge of each string: int[N] both."""
        rows, last = np.arange(self.trie.num_strings), self.trie.lengths - 1
        return self.trie.node[rows, last], self.trie.edge[rows, last]

    @cached_property
    def levels(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Edges between scored nodes by depth; each level holds the edges, their parent nodes and their child nodes."""
        trie = self.trie
        inner = np.flatnonzero((trie.edge_child >= 0) & (self.node_group[trie.edge_node] >= 0))
        depth = trie.depth[trie.edge_node[inner]]  # edges are in level order, so this ascends
        levels = np.split(inner, np.searchsorted(depth, np.arange(1, trie.length)))
        return [(edge, trie.edge_node[edge], trie.edge_child[edge]) for edge in levels if len(edge)]

    @cached_property
    def log_room(self) -> np.ndarray:
        """log R_e [nat] behind the exits at a node: float64[M]."""
        return log_completions(self.trie.vocab_size, self.trie.length)[self.trie.depth]

    def score(self, arrays: Mapping[str, np.ndarray]) -> Scored:
        """Make a `Scored` from recorded arrays on this trie; see the function `score`."""
        trie, record = self.trie, _checked(self.trie, arrays)
        edge_log_q = record["edge_log_q"]
        node_log_mass = np.where(self.node_position == 0, 0.0, -np.inf)
        for edge, above, below in self.levels:
            node_log_mass[below] = node_log_mass[above] + edge_log_q[edge]
        last_node, last_edge = self.ends
        exits, at_nodes = _exits(self, record, node_log_mass)
        nodes = Nodes(
            edge_log_q=edge_log_q,
            leak=record["leak"],
            leak_max=record["leak_max"],
            node_log_mass=node_log_mass,
            **at_nodes,
            **_next_token(trie, record),
        )
        return self._made(node_log_mass[last_node] + edge_log_q[last_edge], exits, nodes)

    def of_law(self, log_q: np.ndarray, exits: np.ndarray) -> Scored:
        """Make a `Scored` from log q(y|x), float64[N], and the fields EXITS, float64[5, G], without its nodes."""
        return self._made(log_q, dict(zip(EXITS, exits, strict=True)), None)

    def _made(self, log_q: np.ndarray, exits: Mapping[str, np.ndarray], nodes: Nodes | None) -> Scored:
        return Scored(
            trie=self.trie,
            group=self.group,
            log_q=log_q,
            node_group=self.node_group,
            node_position=self.node_position,
            nodes=nodes,
            **exits,
        )


def truth(language: FiniteLanguage, prompts: Prompts, view: str) -> Scored:
    """Return a language on its own trie as a `Scored`. It has no mass off the support.

    `prompts` defines the groups: those of P, for every language on P's trie. If the language gives a prompt
    probability 0, all its log q(y|x) are -inf; average only under laws that give it no weight. The probabilities of
    strings are the listed ones, those of nodes and edges come from the trie: identities compare the two.
    """
    return known(language, TrieView.of(language.trie, prompts, view))


def known(language: FiniteLanguage, view: TrieView) -> Scored:
    """Do the same as `truth` with a trie view that exists already."""
    scored = view.score(no_leak(language.edge_log_prob, language.trie.num_nodes))
    return replace(scored, log_q=conditional(language.log_p, scored.group, scored.num_groups))


def _checked(trie: Trie, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    shapes = {"edge_log_q": trie.num_edges} | dict.fromkeys(NODE_ARRAYS, trie.num_nodes)
    record = {}
    for name, size in shapes.items():
        if name not in arrays:
            raise ValueError(f"record: an array {name!r} is required, found {sorted(arrays)}; evaluate it on the trie")
        record[name] = np.asarray(arrays[name], np.float64)
        if record[name].shape != (size,):
            raise ValueError(f"record: {name} of shape ({size},) is required, found {record[name].shape}; use its trie")
        if np.isnan(record[name]).any():
            count = int(np.isnan(record[name]).sum())
            raise ValueError(f"record: {name} without nan is required, found {count} nan of {size}; training diverged")
    return record


def _exits(
    view: TrieView, record: Mapping[str, np.ndarray], log_mass: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    mass = np.exp(log_mass)
    off, off_max = mass * record["leak"], mass * record["leak_max"]
    surprise = -mass * record["leak_plogp"] - off * np.where(log_mass > -np.inf, log_mass, 0.0)
    room = off * view.log_room
    inside, num_groups = view.inside, view.num_groups
    group = view.node_group[inside]

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(group, values[inside], num_groups)

    exits = {
        "off": total(off),
        "exit_entropy": total(surprise),
        "exit_room": total(room),
        "exit_square": total(mass**2 * record["leak_square"]),
        "exit_max": group_max(off_max[inside], group, num_groups),
    }
    return exits, {"node_off": off, "node_off_max": off_max}


def _next_token(trie: Trie, record: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    log_q = record["edge_log_q"]
    q = np.exp(log_q)
    surprise = np.bincount(trie.edge_node, -q * np.where(log_q > -np.inf, log_q, 0.0), trie.num_nodes)
    top = group_max(q, trie.edge_node, trie.num_nodes)
    return {
        "next_entropy": surprise - record["leak_plogp"],
        "next_max": np.maximum(top, record["leak_max"]),
    }
