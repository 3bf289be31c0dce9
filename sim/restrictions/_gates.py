"""Gates on the final features of a model: where they act, their directions, and the language that they make."""

from dataclasses import dataclass

import numpy as np

from sim.languages.finite import FiniteLanguage
from sim.languages.rank_bound import Gates
from sim.languages.readout import Aim, Readout
from sim.numerics import SpecificationError, log_softmax

WEAK = 1e-3
"""Gates use no direction of the features that has less than this share of the largest second moment."""

ROUNDING = 1e-12
"""Directions with less than this share of the largest second moment are rounding errors of float32: no features."""

COMMON = 0.5
"""Gates use the tokens that are legal in at least this share of all choices."""


@dataclass(frozen=True, eq=False)
class Choices:
    """The nodes of a trie at which a token of an answer is chosen, in whitened features.

    p: the language whose trie it is; nodes: int[H], the nodes inside answers that at least two tokens of P follow;
    readout: q0 there given that it stays on the trie, and psi(h) = basisᵀ phi(h), float64[H, m]. The mean of psi psiᵀ
    over choices is the identity, where a choice has the probability P(x) q0(prefix of y | x). basis: float64[d, m];
    strong: bool[m], the directions with a large second moment, see `WEAK`; tokens: bool[V], see `COMMON`.
    """

    p: FiniteLanguage
    nodes: np.ndarray
    readout: Readout
    basis: np.ndarray
    strong: np.ndarray
    tokens: np.ndarray

    def aim(self, matrix: np.ndarray) -> tuple[FiniteLanguage, Aim]:
        """Return the language S with the laws q_M at the choices, and S as the target of a fit."""
        log_s = self.readout.tilted(matrix)
        whole = np.zeros((self.p.trie.num_nodes, self.p.trie.vocab_size))
        whole[self.nodes] = log_s
        s = answered(self.p, whole)
        return s, Aim(self.readout, np.exp(s.node_log_mass[self.nodes]), log_s)

    def gates(self, rank: int, seed: int) -> Gates:
        """Return random orthonormal directions u and v of `rank` gates, with sigma = 1. v sums to 0."""
        generator = np.random.default_rng(seed)
        u = np.zeros((len(self.strong), rank))
        u[self.strong] = np.linalg.qr(generator.normal(size=(int(self.strong.sum()), rank)))[0]
        v = np.zeros((len(self.tokens), rank))
        drawn = generator.normal(size=(int(self.tokens.sum()), rank))
        v[self.tokens] = np.linalg.qr(drawn - drawn.mean(axis=0))[0]
        return Gates(u, v, np.ones(rank))


def answered(p: FiniteLanguage, log_next: np.ndarray) -> FiniteLanguage:
    """Return P(x) times the product of the given next-token laws over the answer y: log-laws float64[M, V].

    Tokens of prompts keep the law of P, and so does a string of probability 0. The laws must be normalised over the
    tokens that P has after each prefix; otherwise `FiniteLanguage` refuses the sum.
    """
    trie = p.trie
    of_edge = np.append(log_next[trie.edge_node, trie.edge_token], 0.0)  # the last one is for "no edge", number -1
    in_answer = np.arange(trie.length) >= p.prompts.length[:, None]
    log_answer = np.where(in_answer, of_edge[trie.edge], 0.0).sum(axis=1)
    return p.with_law(np.where(p.log_p > -np.inf, p.prompts.log_p[p.prompts.group] + log_answer, -np.inf))


def choices(p: FiniteLanguage, log_next: np.ndarray, features: np.ndarray, rank: int, place: str) -> Choices:
    """Return where the model q0 chooses, from log q0(a | node), float64[M, V], and phi(node), float64[M, d].

    Raises `SpecificationError` if there are too few directions of features or too few common tokens for `rank` gates,
    or if q0 excludes a token that P has.
    """
    trie = p.trie
    legal = np.zeros((trie.num_nodes, trie.vocab_size), bool)
    legal[trie.edge_node, trie.edge_token] = p.edge_log_prob > -np.inf
    if (log_next[legal] == -np.inf).any():
        raise SpecificationError(f"{place}: a model that gives every string of P a probability is required, found 0")
    first = trie.first_string
    nodes = np.flatnonzero((trie.depth >= p.prompts.length[first]) & (legal.sum(axis=1) > 1))
    if not len(nodes):
        raise SpecificationError(f"{place}: prefixes of answers that several tokens follow are required, found none")
    log_base = np.full(legal.shape, 0.0)
    log_base[nodes] = log_softmax(np.where(legal[nodes], log_next[nodes], -np.inf))
    weights = np.exp(answered(p, log_base).node_log_mass[nodes])
    weights /= weights.sum()
    sizes, axes = np.linalg.eigh(features[nodes].T @ (weights[:, None] * features[nodes]))
    kept = sizes > ROUNDING * sizes[-1]
    sizes, axes = sizes[kept], axes[:, kept]
    strong, tokens = sizes > WEAK * sizes[-1], weights @ legal[nodes] >= COMMON
    for name, found, wanted in (
        ("directions of the features", int(strong.sum()), rank),
        ("tokens that often may follow", int(tokens.sum()), rank + 1),
    ):
        if found < wanted:
            raise SpecificationError(
                f"{place}: at least {wanted} {name} are required for rank {rank}, found {found}; lower the rank, or "
                "take a larger world"
            )
    basis = axes / np.sqrt(sizes)
    return Choices(p, nodes, Readout(log_base[nodes], features[nodes]).rotated(basis), basis, strong, tokens)
