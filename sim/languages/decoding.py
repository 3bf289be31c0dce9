"""Decoding rules as maps from a language to a language: temperature, top-k, top-p and min-p.

Each rule changes the law of the next token at every prefix and renormalises it there. The end of the string is one of
the tokens. The result is exact for listed languages and deterministic automata, because they have finitely many laws.
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
"""A map from next-token laws to new ones: log probabilities [nat], float64[S, V]. Every row is a law."""

TIE = 1e-12
"""Log probabilities that differ by at most this count as equal, so that rounding does not matter."""


def temperature(tau: float) -> Transform:
    """q(a | h) proportional to p(a | h)^(1/tau). tau = 0 is greedy: uniform over the likeliest tokens.

    Raises `SpecificationError` unless tau is finite and at least 0.
    """
    if not 0 <= tau < math.inf:
        raise SpecificationError(f"temperature: a number of at least 0 is required, found {tau!r}")
    if tau == 0:
        return lambda log_p: _kept(log_p, log_p >= log_p.max(axis=1, keepdims=True) - TIE, flat=True)
    return lambda log_p: log_softmax(log_p / tau)


def top_k(number: int) -> Transform:
    """The `number` likeliest tokens, renormalised. Ties are broken by the order of the vocabulary."""
    if number < 1:
        raise SpecificationError(f"top_k: an integer of at least 1 is required, found {number!r}")
    return lambda log_p: _kept(log_p, _rank(log_p) < number)


def top_p(mass: float) -> Transform:
    """The likeliest tokens, as few as hold at least `mass`, renormalised (nucleus sampling). Ties as in `top_k`.

    Source: Holtzman et al. 2020, "The curious case of neural text degeneration".
    """
    if not 0 < mass <= 1:
        raise SpecificationError(f"top_p: a number above 0 and at most 1 is required, found {mass!r}")

    def transform(log_p: np.ndarray) -> np.ndarray:
        rank = _rank(log_p)
        ordered = np.take_along_axis(np.exp(log_p), np.argsort(rank, axis=1), axis=1)
        before = np.cumsum(ordered, axis=1) - ordered
        needed = (np.take_along_axis(before, rank, axis=1) < mass - TIE) | (mass == 1)  # 1 keeps the rarest token too
        return _kept(log_p, needed)

    return transform


def min_p(share: float) -> Transform:
    """The tokens with at least `share` times the probability of the likeliest token, renormalised.

    Source: Nguyen et al. 2024, "Min-p sampling", arXiv 2407.01082.
    """
    if not 0 <= share <= 1:
        raise SpecificationError(f"min_p: a number from 0 to 1 is required, found {share!r}")
    least = math.log(share) if share > 0 else -math.inf
    return lambda log_p: _kept(log_p, log_p >= log_p.max(axis=1, keepdims=True) + least - TIE)


KINDS: dict[str, Callable[[float], Transform]] = {
    "temperature": temperature,
    "top_k": lambda number: top_k(int(number)),
    "top_p": top_p,
    "min_p": min_p,
}
"""The kinds of rules by name. Their order is part of every record (`sim.probes.decoded`): add a new one at the end."""

Rule: TypeAlias = tuple[str, float]
"""A rule as its kind and its number."""


def label(rule: Rule) -> str:
    """Describe a rule, such as `T = 1.5`, `top-k 4`, `top-p 0.9` or `min-p 0.1`."""
    kind, number = rule
    return f"T = {number:g}" if kind == "temperature" else f"{kind.replace('_', '-')} {number:g}"


def decoded(language: ExactLanguage, transform: Transform, place: str = "decoding") -> ExactLanguage:
    """The language that is sampled when a transform is applied at every prefix; exact, of the same kind.

    Raises `SpecificationError` if the transform removes the end so that some strings never stop. Raises
    `UnavailableError` for other kinds of language, because their prefixes can have infinitely many different laws.
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
            f"{place}: some strings would never stop, because their end is removed: {problem}"
        ) from None


def _rank(log_p: np.ndarray) -> np.ndarray:
    """The rank of every token in its row, 0 for the likeliest; ties follow the order of the vocabulary."""
    order = np.argsort(-np.round(log_p / TIE), axis=1, kind="stable")
    return np.argsort(order, axis=1, kind="stable")


def _kept(log_p: np.ndarray, kept: np.ndarray, flat: bool = False) -> np.ndarray:
    values = np.zeros_like(log_p) if flat else log_p
    return log_softmax(np.where(kept & (log_p > -np.inf), values, -np.inf))
