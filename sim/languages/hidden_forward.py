"""What is known of the state of a non-deterministic machine after some symbols, and the law of the next one.

A machine is `initial` float64[S], `transitions` float64[V, S, S] (a, s, t; zero for EOS) and `stopping` float64[S].
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from sim.languages.absorbing import SMALLEST
from sim.numerics import EOS, log_sum_exp


def forward(initial: np.ndarray, transitions: np.ndarray, tokens: Iterable[int]) -> tuple[np.ndarray, float]:
    """log P(state | symbols), float64[S], and log P(symbols) [nat]; -inf in both for symbols that cannot occur.

    Vectors are normalised at every step. A state whose share would leave the range of floats would be lost, and a later
    symbol may need it. Before that can happen at a step, all steps are done again with logs.
    Source: Baum et al. 1970, Annals of Mathematical Statistics 41(1), the forward variables.
    """
    symbols = list(tokens)
    if not all(EOS < token < len(transitions) for token in symbols):
        return np.full(len(initial), -np.inf), -math.inf
    found = _scaled_forward(initial, transitions, symbols)
    return _log_forward(initial, transitions, symbols) if found is None else found


def _scaled_forward(
    initial: np.ndarray, transitions: np.ndarray, symbols: Sequence[int]
) -> tuple[np.ndarray, float] | None:
    """`forward` with floats, or None if a share might leave their range."""
    here, log_p = initial, 0.0
    for token in symbols:
        own = transitions[token]
        if here.any() and own.any() and here[here > 0].min() * own[own > 0].min() < SMALLEST:
            return None
        here = here @ own
        total = float(here.sum())
        if total == 0:
            return np.full(len(here), -np.inf), -math.inf
        here, log_p = here / total, log_p + math.log(total)
    with np.errstate(divide="ignore"):
        return np.log(here), log_p


def _log_forward(initial: np.ndarray, transitions: np.ndarray, symbols: Sequence[int]) -> tuple[np.ndarray, float]:
    """`forward` with logs, which no probability is too small for."""
    with np.errstate(divide="ignore"):
        here = np.log(initial)
        moves = {token: np.log(transitions[token]) for token in set(symbols)}
    for token in symbols:
        here = log_sum_exp(here[:, None] + moves[token], axis=0)
    log_p = float(log_sum_exp(here))
    return (here if log_p == -math.inf else here - log_p), log_p


def log_next(log_here: np.ndarray, transitions: np.ndarray, stopping: np.ndarray | None = None) -> np.ndarray:
    """log P(next token | symbols) [nat], float64[V], from `log_here` = log P(state | symbols), float64[S]."""
    emits = transitions.sum(axis=2)
    if stopping is not None:
        emits[EOS] = stopping
    with np.errstate(divide="ignore"):
        return log_sum_exp(np.log(emits) + log_here, axis=1)
