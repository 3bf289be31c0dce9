"""The best n-gram for given data: maximum likelihood in a model class that need not contain S, in closed form."""

from dataclasses import dataclass

import numpy as np

from sim.languages.contexts import contexts
from sim.languages.finite import FiniteLanguage
from sim.numerics import expectation, log_group_sum


@dataclass(frozen=True, eq=False)
class NgramFit:
    """The n-gram q* with the least KL(S‖q), and exact numbers about it. Prompts x have the law S(x).

    Numbers of prompts that S never shows, and of their answers, are nan, because S says nothing about them.
    """

    log_next: np.ndarray  # log q*(a | c) [nat], float64[C, V]; nan in contexts that S never visits
    log_q: np.ndarray  # log q*(y|x) of the listed answers [nat], float64[N]
    off_s: np.ndarray  # q*(not in supp S | x), float64[G]
    off_list: np.ndarray  # q*(not listed | x), float64[G]: the part of it that P lacks
    log_prompts: np.ndarray  # log S(x) [nat], float64[G]
    kl: float  # KL(S‖q*) [nat per string], the mean over prompts

    @property
    def leak(self) -> float:
        """q*(not in supp S), the mean over prompts."""
        return self._mean(self.off_s)

    @property
    def leak_from_list(self) -> float:
        """q*(not listed), the mean over prompts; the list is supp P with all strings of the trie."""
        return self._mean(self.off_list)

    def _mean(self, values: np.ndarray) -> float:
        shown = self.log_prompts > -np.inf
        return expectation(self.log_prompts[shown], values[shown])


def fit(s: FiniteLanguage, order: int, on_document: bool = False) -> NgramFit:
    """Fit the model `tabular_ngram` of an order to S: the optimum of SFT in this class. It is S only if S is in it.

    q*(a|c) = sum of S(h) S(a|h) / sum of S(h), over the scored prefixes h with context c: the conditionals of S,
    averaged. Scored are the answers, or whole documents (then there is one prompt, the empty one). q* never reaches a
    context that S does not visit, so its law is known wherever S shows the prompt. Masses outside are sums over the
    places where strings leave, so nothing cancels. Raises ValueError if `order` is below 1.
    """
    trie, prompts = s.trie, s.prompts
    context, following = contexts(trie, order)
    start = np.zeros(trie.num_strings, np.int64) if on_document else prompts.length
    group = np.zeros(trie.num_strings, np.int64) if on_document else prompts.group
    log_prompts = np.zeros(1) if on_document else prompts.log_p
    scored = (trie.node >= 0) & (np.arange(trie.length) >= start[:, None])
    edges = np.unique(trie.edge[scored])
    cell = context[trie.edge_node[edges]] * trie.vocab_size + trie.edge_token[edges]
    log_flow = s.node_log_mass[trie.edge_node[edges]] + s.edge_log_prob[edges]
    number = len(following) - 1
    log_next = log_group_sum(log_flow, cell, number * trie.vocab_size).reshape(number, -1)
    visits = log_group_sum(log_next.ravel(), np.repeat(np.arange(number), trie.vocab_size), number)[:, None]
    log_next = log_next - np.where(visits > -np.inf, visits, 0.0)

    token_log_q = np.where(scored, log_next[context[trie.node], trie.strings], 0.0)
    upto = np.cumsum(token_log_q, axis=1)
    log_q, before = upto[:, -1], np.concatenate([np.zeros((trie.num_strings, 1)), upto[:, :-1]], axis=1)
    rows, positions = np.nonzero(scored)
    nodes, first = np.unique(trie.node[rows, positions], return_index=True)  # each node once, by one of its strings
    leaving = np.where(trie.legal[nodes], 0.0, np.exp(log_next[context[nodes]])).sum(axis=1)
    exits = np.exp(before[rows[first], positions[first]]) * leaving
    groups = len(log_prompts)
    off_list = np.bincount(group[rows[first]], exits, groups)
    lost = s.log_p == -np.inf
    off_s = off_list + np.bincount(group[lost], np.exp(log_q[lost]), groups)
    log_s = s.log_p - np.where(log_prompts > -np.inf, log_prompts, 0.0)[group]
    ratio = np.where(lost, 0.0, np.where(lost, 0.0, log_s) - np.where(lost, 0.0, log_q))
    shown = log_prompts > -np.inf
    return NgramFit(
        np.where(visits > -np.inf, log_next, np.nan),
        np.where(shown[group], log_q, np.nan),
        np.where(shown, off_s, np.nan),
        np.where(shown, off_list, np.nan),
        log_prompts,
        expectation(s.log_p, ratio),
    )
