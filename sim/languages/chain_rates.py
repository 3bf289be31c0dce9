"""Quantities of chains that never stop: the KL rate between two of them, and the excess entropy of one."""

import math

import numpy as np

from sim.languages.automaton_ops import product, row_divergences, row_entropies
from sim.languages.chain import Chain
from sim.numerics import SpecificationError
from sim.quantity import Quantity

MOST, LEVELS = 200_000, 200
"""The excess entropy sums over words until they have so many entries (words times states), or so many symbols."""

NEGLIGIBLE = 1e-15
"""The sum ends if the words that do not yet determine the state have at most this much entropy left [nat]."""


def kl_rate(p: Chain, q: Chain) -> float:
    """lim KL(P_n || Q_n) / n [nat per symbol] for the laws of the first n symbols of two chains; exact.

    It is math.inf if Q cannot emit a sequence that P can. Otherwise both chains run in step on what P emits, and the
    rate is the long-run mean of the divergence of the next symbol. As for the entropy rate, this is a mean over the
    closed classes of the pairs of states, weighted by the probability to end up in each. Raises `SpecificationError` if
    the vocabularies differ.
    Source: Rached, Alajaji & Campbell 2004, IEEE Trans. Inf. Theory 50(5), "The Kullback-Leibler divergence rate
    between Markov sources".
    """
    if p.vocabulary.symbols != q.vocabulary.symbols:
        raise SpecificationError(
            "KL rate: two chains with the same vocabulary are required, found different vocabularies"
        )
    arcs_p, arcs_q = p.arc_log_prob > -np.inf, q.arc_log_prob > -np.inf
    s, t, table, start = product(p.next_state, arcs_p, p.start, q.next_state, arcs_q, q.start)
    apart = row_divergences(p.arc_log_prob[s], q.arc_log_prob[t])
    if np.isinf(apart).any():
        return math.inf
    both = Chain(p.vocabulary, table, p.arc_log_prob[s], start)
    return math.fsum(share * float(law @ apart[block]) for share, block, law in both.classes if share)


def excess_entropy(chain: Chain) -> Quantity:
    """E = lim I(X_1..X_n; X_n+1..X_2n) [nat], the information that the past has about the future.

    The chain is taken in its stationary law, whatever its first state: a periodic chain begins in a random phase, so
    one of period d has E >= log d. With several closed classes it is the mean over the classes, weighted by the
    probability to end up in each; so it is the information given the class.

    E is the sum over n of H(X_n+1 | X_1..X_n) minus the entropy rate, that is, the sum over words w of P(w) times
    I(next symbol; state | w). Words that determine the state add 0, so for a Markov chain of order k the sum ends at
    n = k, and E = H(X_1..X_k) - k h. It is exact if the sum ends. Otherwise it is bounded: the words that are left add
    at most the sum of P(w) H(state | w).
    Source: Crutchfield & Feldman 2003, Chaos 13(1), "Regularities unseen, randomness observed".
    """
    found = [(share, _of_class(chain, block, law)) for share, block, law in chain.classes if share]
    lower, upper = (math.fsum(share * ends[i] for share, ends in found) for i in (0, 1))
    return Quantity.of(lower) if upper - lower <= NEGLIGIBLE else Quantity(lower, upper)


def _of_class(chain: Chain, block: np.ndarray, law: np.ndarray) -> tuple[float, float]:
    """Bounds of E of one closed class [nat]. A word is a row P(word, state), with at least two entries above 0."""
    number = np.zeros(len(chain.moves), np.int64)
    number[block] = np.arange(len(block))
    logs, target, law = _merged(chain.arc_log_prob[block], number[chain.next_state[block]], law)
    prob = np.exp(logs)
    moves = np.zeros((prob.shape[1], len(law), len(law)))
    for state, symbol in zip(*np.nonzero(prob), strict=True):
        moves[symbol, state, target[state, symbol]] = prob[state, symbol]
    words, total, work = law[None][: len(law) > 1], 0.0, 0
    for _ in range(LEVELS):
        if not len(words):
            return total, total
        masses = words.sum(axis=1)
        left = float(masses @ row_entropies(words / masses[:, None]))
        work += words.size
        if left <= NEGLIGIBLE or work > MOST:
            break
        total += _information(words, prob)
        longer = np.concatenate(words @ moves)
        words = longer[np.count_nonzero(longer, axis=1) > 1]
    return total, total + left


def _merged(logs: np.ndarray, target: np.ndarray, law: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The class with states of equal futures merged: its rows [K, V], next states [K, V] and law [K].

    Two states have equal futures if their rows are equal, and their next states have equal futures. Source: Moore 1956.
    """
    arcs = logs > -np.inf
    kinds = np.unique(logs, axis=0, return_inverse=True)[1].reshape(-1)
    while True:
        after = np.where(arcs, kinds[target], -1)
        finer = np.unique(np.column_stack([kinds, after]), axis=0, return_inverse=True)[1].reshape(-1)
        if finer.max() == kinds.max():
            first = np.unique(kinds, return_index=True)[1]
            return logs[first], kinds[target[first]], np.bincount(kinds, law)
        kinds = finer


def _information(words: np.ndarray, prob: np.ndarray) -> float:
    """Sum of P(w) I(next symbol; state | w) [nat], as a mean of divergences from mixtures. None of them is negative."""
    mixtures = (words / words.sum(axis=1, keepdims=True)) @ prob
    word, state = np.nonzero(words)
    with np.errstate(divide="ignore"):
        apart = row_divergences(np.log(prob)[state], np.log(mixtures)[word])
    return float(words[word, state] @ apart)
