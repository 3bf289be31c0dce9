"""How tokens are chosen at decoding time, as maps from a language to a language: temperature, top-k, top-p, min-p.

Each changes the law of the next token at every prefix and renormalises it there, the end of the string being one of the
tokens. Exact where a prefix's law can be listed: for listed languages and deterministic automata.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from sim.languages.automaton import Automaton
from sim.languages.automaton_ops import reachable
from sim.languages.exact import ExactLanguage, unavailable
from sim.languages.finite import FiniteLanguage
from sim.numerics import EOS, SpecificationError, log_softmax

Transform: TypeAlias = Callable[[np.ndarray], np.ndarray]
"""Laws of the next token, float64[S, V] of log probabilities [nat] with rows that sum to 1, to others."""

TIE = 1e-12
"""Log probabilities that differ by no more count as equal, whatever their rounding."""


def temperature(tau: float) -> Transform:
    """q(a | h) in proportion to p(a | h)^(1/tau); tau = 0 is greedy: uniform over the likeliest tokens.

    Raises `SpecificationError` for tau < 0.
    """
    if not 0 <= tau < math.inf:
        raise SpecificationError(f"temperature: a number of at least 0 is required, found {tau!r}")
    if tau == 0:
        return lambda log_p: _kept(log_p, log_p >= log_p.max(axis=1, keepdims=True) - TIE, flat=True)
    return lambda log_p: log_softmax(log_p / tau)


def top_k(number: int) -> Transform:
    """The `number` likeliest tokens, renormalised; of equals the one that comes first in the vocabulary stays."""
    if number < 1:
        raise SpecificationError(f"top_k: an integer of at least 1 is required, found {number!r}")
    return lambda log_p: _kept(log_p, _rank(log_p) < number)


def top_p(mass: float) -> Transform:
    """The fewest likeliest tokens that hold at least `mass`, renormalised (nucleus sampling); ties as in `top_k`.

    Source: Holtzman et al. 2020, "The curious case of neural text degeneration".
    """
    if not 0 < mass <= 1:
        raise SpecificationError(f"top_p: a number above 0 and at most 1 is required, found {mass!r}")

    def transform(log_p: np.ndarray) -> np.ndarray:
        rank = _rank(log_p)
        ordered = np.take_along_axis(np.exp(log_p), np.argsort(rank, axis=1), axis=1)
        before = np.cumsum(ordered, axis=1) - ordered
        needed = (np.take_along_axis(before, rank, axis=1) < mass - TIE) | (mass == 1)  # 1 takes the rarest token too
        return _kept(log_p, needed)

    return transform


def min_p(share: float) -> Transform:
    """The tokens with at least `share` of the probability of the likeliest one, renormalised.

    Source: Nguyen et al. 2024, "Min-p sampling", arXiv 2407.01082.
    """
    if not 0 <= share <= 1:
        raise SpecificationError(f"min_p: a number from 0 to 1 is required, found {share!r}")
    least = math.log(share) if share > 0 else -math.inf
    return lambda log_p: _kept(log_p, log_p >= log_p.max(axis=1, keepdims=True) + least - TIE)


def decoded(language: ExactLanguage, transform: Transform, place: str = "decoding") -> ExactLanguage:
    """The language that one samples from with a transform; exact, of the same kind.

    Raises `SpecificationError` where the transform takes the end away, so that some strings never stop, and
    `UnavailableError` for a language whose prefixes have no finite list of laws.
    """
    if isinstance(language, Automaton):
        return _decoded_automaton(language, transform, place)
    if isinstance(language, FiniteLanguage):
        trie = language.trie
        table = np.full((trie.num_nodes, trie.vocab_size), -np.inf)
        table[trie.edge_node, trie.edge_token] = language.edge_log_prob
        reached = language.node_log_mass > -np.inf
        table[reached] = transform(table[reached])
        edges = table[trie.edge_node, trie.edge_token]
        log_p = np.where(trie.edge >= 0, edges[trie.edge], 0.0).sum(axis=1)
        return language.with_law(log_p)
    why = "there are infinitely many different laws of the next token"
    raise unavailable(place, why, "list the strings with a length (tier A)")


def _decoded_automaton(language: Automaton, transform: Transform, place: str) -> Automaton:
    log_prob = transform(language.arc_log_prob)
    arcs = log_prob > -np.inf
    arcs[:, EOS] = False
    seen = reachable(language.next_state, arcs, language.start)
    number = np.cumsum(seen) - 1
    table = np.where(arcs[seen], number[language.next_state[seen]], -1)
    names = tuple(np.array(language.state_names, object)[seen]) if language.state_names else ()
    try:
        return Automaton(language.vocabulary, table, log_prob[seen], int(number[language.start]), names)
    except SpecificationError as problem:
        raise SpecificationError(
            f"{place}: some strings would never stop, their end is taken away: {problem}"
        ) from None


def _rank(log_p: np.ndarray) -> np.ndarray:
    """Place of every token in its row, the likeliest 0; equals in the order of the vocabulary."""
    order = np.argsort(-np.round(log_p / TIE), axis=1, kind="stable")
    return np.argsort(order, axis=1, kind="stable")


def _kept(log_p: np.ndarray, kept: np.ndarray, flat: bool = False) -> np.ndarray:
    values = np.zeros_like(log_p) if flat else log_p
    return log_softmax(np.where(kept & (log_p > -np.inf), values, -np.inf))
