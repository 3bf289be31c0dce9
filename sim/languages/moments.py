"""Variances over the strings of a language: of the length |x|, and of the surprise -log P(x), which is the varentropy.

Every variance is a sum of terms that are at least 0, so no digit is lost by a difference of large moments. A walk or a
derivation is a sequence of random choices. The variance of a sum of marks along it is the sum over all choices of the
local variance: of the mark of the choice plus the mean of what follows it (the choices are martingale differences).
"""

import numpy as np
import scipy.sparse as sp

from sim.languages.automaton import Automaton
from sim.languages.automaton_ops import row_entropies, sum_of_others
from sim.languages.endless import BLOCKS, NEVER_STOPS
from sim.languages.exact import ExactLanguage, unavailable
from sim.languages.finite import FiniteLanguage
from sim.languages.hidden import LIST_THEM, HiddenAutomaton
from sim.languages.machine import Machine
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.spread import derivation_variance
from sim.numerics import EOS

ENTRIES = 1_000_000
"""Number of arcs that are treated at once, because a hidden automaton may have very many."""


def length_variance(language: ExactLanguage) -> float:
    """Var |x| [symbols^2], EOS not counted; exact for every kind, because a path or derivation fixes the length.

    It is math.inf for a critical grammar that emits a symbol infinitely often on average. Raises `UnavailableError`
    for a chain that never stops.
    """
    if isinstance(language, FiniteLanguage):
        return float(_variances(np.exp(language.log_p), language.trie.lengths - 1.0))
    if isinstance(language, Machine):
        means = language.absorbing.solve(language.moves.sum(axis=1))
        prob, target = _rows(language.moves)
        local = []
        for part in _parts(prob):
            values = np.column_stack([1.0 + means[target[part]], np.zeros(len(prob[part]))])
            local.append(_variances(np.column_stack([prob[part], language.stops[part]]), values))
        return language.expected_sum(np.concatenate(local)) + float(_variances(language.first, means))
    if isinstance(language, ContextFree):
        return derivation_variance(language, np.array([rule.num_terminals for rule in language.rules], np.float64))
    raise _endless("variance of the length")


def varentropy(language: ExactLanguage) -> float:
    """V(P) = Var(-log P(x)) [nat^2], exact; 0 if all strings are equally likely, math.inf if H(P) is infinite.

    The rounding of the logs can leave about 1e-32 H(P)^2 where the true value is 0.
    Raises `UnavailableError` for a chain that never stops, and if strings can have several paths or derivations; see
    `path_varentropy` and `derivation_varentropy`.
    Source: Kontoyiannis & Verdu 2014, IEEE Trans. Inf. Theory 60(2), "Optimal lossless data compression".
    """
    if isinstance(language, FiniteLanguage):
        return float(_variances(np.exp(language.log_p), -np.where(language.log_p > -np.inf, language.log_p, 0.0)))
    if isinstance(language, Automaton):
        arcs = language.arcs[:, EOS + 1 :]
        prob, target = language.prob[:, EOS + 1 :], language.next_state[:, EOS + 1 :]
        return _surprise_variance(language, np.where(arcs, prob, 0.0), np.where(arcs, target, 0))
    if isinstance(language, HiddenAutomaton):
        if not language.unambiguous:
            why = "strings have several paths, and the varentropy of the paths differs from that of the strings"
            raise unavailable("varentropy", why, f"use path_varentropy, or {LIST_THEM}")
        return path_varentropy(language)
    if isinstance(language, ContextFree):
        if not language.ambiguity.unambiguous:
            why = "the grammar is ambiguous or may be, so strings and derivations can differ"
            raise unavailable("varentropy", why, f"use derivation_varentropy, or {LIST_THEM}")
        return derivation_varentropy(language)
    raise _endless("varentropy")


def path_varentropy(language: HiddenAutomaton) -> float:
    """Var(-log P(path)) [nat^2], where a path is its states and its symbols; exact."""
    arcs = np.moveaxis(language.transitions, 0, 1)  # [S, V, S]
    target = np.tile(np.arange(arcs.shape[2]), arcs.shape[1])
    arcs = arcs.reshape(len(arcs), -1)
    return _surprise_variance(language, arcs, np.broadcast_to(target, arcs.shape))


def derivation_varentropy(language: ContextFree) -> float:
    """Var(-log P(derivation)) [nat^2], exact; math.inf if the grammar is critical and its choices are uncertain."""
    return derivation_variance(language, -language.log_p)


def _rows(moves: sp.csr_array) -> tuple[np.ndarray, np.ndarray]:
    """The entries of a sparse matrix by rows, padded with zeros: float64[S, K], and the states they lead to."""
    counts = np.diff(moves.indptr)
    column = np.arange(len(moves.data)) - np.repeat(moves.indptr[:-1], counts)
    row = np.repeat(np.arange(len(counts)), counts)
    shape = len(counts), int(counts.max(initial=0))
    prob, target = np.zeros(shape), np.zeros(shape, np.int64)
    prob[row, column], target[row, column] = moves.data, moves.indices
    return prob, target


def _parts(arcs: np.ndarray) -> list[slice]:
    """Slices of rows that have at most ENTRIES entries together."""
    S, K = arcs.shape
    size = max(1, ENTRIES // max(1, K))
    return [slice(at, at + size) for at in range(0, S, size)]


def _surprise_variance(machine: Machine, arcs: np.ndarray, target: np.ndarray) -> float:
    """Variance of -log P(path), from the probabilities [S, K] of all arcs of a state and the states they lead to."""
    parts = _parts(arcs)
    laws = [np.column_stack([arcs[part], machine.stops[part]]) for part in parts]
    means = machine.absorbing.solve(np.concatenate([row_entropies(prob) for prob in laws]))
    local = []
    for part, prob in zip(parts, laws, strict=True):
        ahead = np.column_stack([means[target[part]], np.zeros(len(prob))])
        local.append(_variances(prob, _surprises(prob) + ahead))
    begin = _variances(machine.first, means + _surprises(machine.first[None])[0])
    return machine.expected_sum(np.concatenate(local)) + float(begin)


def _surprises(prob: np.ndarray) -> np.ndarray:
    """-log p of every entry of a row that sums to 1 [nat]; 0 where p is 0. A p near 1 is known by the other entries."""
    certain = np.log1p(-np.minimum(sum_of_others(prob), 0.5))
    return -np.where(prob > 0.5, certain, np.log(np.where(prob > 0, prob, 1.0)))


def _variances(prob: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Variance of `values` under the law `prob`, along the last axis; exactly 0 if all possible values are equal.

    Values are taken relative to that of the likeliest outcome, so that one nearly certain outcome costs no digits.
    """
    top = np.argmax(prob, axis=-1)[..., None]
    apart = np.where(prob > 0, values - np.take_along_axis(values, top, axis=-1), 0.0)
    mean = (prob * apart).sum(axis=-1, keepdims=True) / prob.sum(axis=-1, keepdims=True)
    return np.asarray((prob * (apart - mean) ** 2).sum(axis=-1))


def _endless(what: str) -> Exception:
    return unavailable(what, NEVER_STOPS, BLOCKS)
