"""Non-deterministic machines as arrays: pairs of states, sets of states, and sums over all paths.

A machine is `initial` float64[S], `transitions` float64[V, S, S] (a, s, t; zero for EOS) and `stopping` float64[S].
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp

from sim.languages.automaton_ops import row_entropies, sum_of_others
from sim.languages.events import Dfa
from sim.languages.exact import unavailable
from sim.languages.finite import SUM_TOLERANCE
from sim.languages.machine import Strings
from sim.numerics import EOS, SpecificationError

MAX_PAIRS = 2_000
"""Largest number of pairs of states for which a collision probability is computed."""

MAX_SETS = 20_000
"""Largest number of sets of states in the deterministic form of a hidden automaton's support."""

SPARSE = 50
"""If fewer than one in so many transitions is possible, pairs of states are searched with sparse matrices."""

MAX_ENTRIES = 100_000_000
"""Largest number of entries of the transitions [V, K, K] of a product with an event."""

Pairs: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""For K pairs of states: start weights [K], moves [K, K], 1 - their row sums [K], probability that both stop [K]."""


def check_laws(
    kind: str,
    initial: np.ndarray,
    transitions: np.ndarray,
    stopping: np.ndarray | None,
    totals: np.ndarray,
    state_names: Sequence[str],
) -> None:
    """Raise `SpecificationError` for negative numbers or nan, for EOS as a symbol, and for sums other than 1.

    `stopping` is None for a machine that never stops. `totals` [S] are the sums over everything that a state can do.
    """
    parts = [initial, transitions] if stopping is None else [initial, transitions, stopping]
    if not all((part >= 0).all() for part in parts) or transitions[EOS].any():
        raise SpecificationError(
            f"{kind}: probabilities of at least 0 are required, and none of EOS as a symbol, found others"
        )
    sums = np.append(totals, initial.sum())
    worst = int(np.argmax(np.abs(sums - 1)))
    if abs(sums[worst] - 1) > SUM_TOLERANCE:
        state = f"state {state_names[worst]!r}" if worst < len(state_names) else f"state {worst}"
        raise SpecificationError(
            f"{kind}: {'initial' if worst == len(totals) else state}: "
            f"probabilities{'' if stopping is None else ', stop included,'} must sum to 1 within {SUM_TOLERANCE:g}, "
            f"found {float(sums[worst])!r}; normalise them first"
        )


def path_entropies(
    initial: np.ndarray, transitions: np.ndarray, stopping: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Entropies [nat] of the next symbol given the state [S], of symbol and next state [S], and of the first state."""
    symbols = np.column_stack([transitions.sum(axis=2).T, stopping])
    arcs = np.column_stack([np.moveaxis(transitions, 1, 0).reshape(len(stopping), -1), stopping])
    return row_entropies(symbols), row_entropies(arcs), float(row_entropies(initial[None])[0])


def paired(initial: np.ndarray, transitions: np.ndarray, stopping: np.ndarray) -> Pairs | None:
    """Two independent walks that emit the same symbols, as one walk over unordered pairs of states.

    Only pairs that occur are listed. The result is None if there are more than `MAX_PAIRS` of them.
    """
    emits = transitions.sum(axis=2).T  # P(a | s)
    others = sum_of_others(emits)  # the probability of any symbol but a, without subtraction
    number: dict[tuple[int, int], int] = {}
    first = np.flatnonzero(initial)
    queue = [(int(s), int(t)) for s in first for t in first if s <= t]
    number.update({pair: i for i, pair in enumerate(queue)})
    rows, leaves = [], []
    for s, t in queue:
        left, right = (np.flatnonzero(transitions[:, state].any(axis=0)) for state in (s, t))
        both = np.einsum("ai,aj->ij", transitions[:, s, left], transitions[:, t, right])
        folded: dict[tuple[int, int], float] = {}
        for at, i in enumerate(left.tolist()):
            for j, p in zip(right.tolist(), both[at].tolist(), strict=True):
                if p > 0:
                    folded[min(i, j), max(i, j)] = folded.get((min(i, j), max(i, j)), 0.0) + p
        row = {}
        for pair in sorted(folded):
            if pair not in number:
                number[pair] = len(queue)
                queue.append(pair)
            row[number[pair]] = folded[pair]
        rows.append(row)
        leaves.append(stopping[s] + float(emits[s] @ (others[t] + stopping[t])))
        if len(queue) > MAX_PAIRS:
            return None
    moves = np.zeros((len(queue), len(queue)))
    for k, row in enumerate(rows):
        moves[k, list(row)] = list(row.values())
    left, right = np.array(queue).reshape(-1, 2).T
    weights = np.zeros(len(queue))
    for s in first.tolist():
        for t in first.tolist():
            weights[number[min(s, t), max(s, t)]] += initial[s] * initial[t]
    return weights, moves, np.array(leaves), stopping[left] * stopping[right]


def has_two_paths(initial: np.ndarray, transitions: np.ndarray, stopping: np.ndarray) -> bool:
    """Whether some string has two paths.

    It has if one prefix leads to two different states, and one continuation takes both of them to a stop.
    Source: Mandel & Simon 1977, "On finite semigroups of matrices"; Weber & Seidl 1991, for the square of an automaton.
    """
    if np.count_nonzero(transitions) * SPARSE < transitions.size:
        ways = [sp.csr_array(own > 0).astype(np.float32) for own in transitions if own.any()]
        begun = _closed_sparse(initial > 0, [(own.T.tocsr(), own) for own in ways])
        ends = _closed_sparse(stopping > 0, [(own, own.T.tocsr()) for own in ways])
        both = begun.multiply(ends)
        return bool(both.nnz > np.count_nonzero(both.diagonal()))
    arcs = (transitions > 0).astype(np.float32)
    back = np.swapaxes(arcs, 1, 2)
    begun = _closed(np.outer(initial > 0, initial > 0), lambda pairs: back @ pairs @ arcs)
    ends = _closed(np.outer(stopping > 0, stopping > 0), lambda pairs: arcs @ pairs @ back)
    return bool((begun & ends & ~np.eye(len(stopping), dtype=bool)).any())


def _closed(pairs: np.ndarray, step: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """All pairs that any number of steps leads to: bool[S, S]."""
    while True:
        more = pairs | (step(pairs.astype(np.float32)) > 0).any(axis=0)
        if (more == pairs).all():
            return pairs
        pairs = more


def _closed_sparse(states: np.ndarray, steps: list[tuple[sp.csr_array, sp.csr_array]]) -> sp.csr_array:
    """As `_closed`, from all pairs of some states. A step is a pair of matrices, to multiply with from both sides."""
    own = sp.csr_array(np.asarray(states, np.float32)[:, None])
    pairs = new = sp.csr_array(own @ own.T)
    while new.nnz:
        found = pairs
        for before, after in steps:
            found = found + before @ new @ after
        found.data[:] = 1.0
        new = found - pairs
        new.eliminate_zeros()
        pairs = found
    return pairs


def deterministic(initial: np.ndarray, transitions: np.ndarray, stopping: np.ndarray) -> Strings:
    """The support as a deterministic machine, with sets of states as its states.

    Raises `UnavailableError` for more than `MAX_SETS` sets. Source: Rabin & Scott 1959.
    """
    arcs = transitions > 0
    sets = [initial > 0]
    number = {sets[0].tobytes(): 0}
    table = []
    for here in sets:
        row = np.full(len(arcs), -1)
        following = np.asarray(arcs[:, here].any(axis=1))
        for token in np.flatnonzero(following.any(axis=1)):
            key = following[token].tobytes()
            if key not in number:
                number[key] = len(sets)
                sets.append(following[token])
            row[token] = number[key]
        table.append(row)
        if len(sets) > MAX_SETS:
            why = f"its support needs more than {MAX_SETS} sets of states"
            raise unavailable("number of strings", why, "describe a smaller automaton")
    return Strings(np.array(table), np.array([(stopping[here] > 0).any() for here in sets]), 0)


def enumerate_forward(
    initial: np.ndarray, transitions: np.ndarray, stopping: np.ndarray, needed: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """All strings of at most `length` - 1 symbols: tokens int32[N, length], EOS-padded, and log P [nat] [N].

    Prefixes are extended level by level and summed over paths. `needed` [S] is the fewest symbols from a state to a
    stop. A prefix that cannot stop in time is dropped.
    """
    here, log_p, prefix = initial[None], np.zeros(1), np.zeros((1, 0), np.int32)
    strings, log_ps = [np.zeros((0, length), np.int32)], [np.zeros(0)]
    for depth in range(length):
        ending = here @ stopping
        ends = ending > 0
        block = np.zeros((int(ends.sum()), length), np.int32)
        block[:, :depth] = prefix[ends]
        strings.append(block)
        log_ps.append(log_p[ends] + np.log(ending[ends]))
        in_time = needed + depth + 2 <= length
        parts = []
        for token in range(EOS + 1, len(transitions)):
            following = here @ transitions[token]
            row = np.flatnonzero((following[:, in_time] > 0).any(axis=1))
            total = following[row].sum(axis=1)
            tokens = np.column_stack([prefix[row], np.full(len(row), token, np.int32)])
            parts.append((following[row] / total[:, None], log_p[row] + np.log(total), tokens))
        if not parts:  # the empty string is the only one
            break
        here, log_p, prefix = (np.concatenate(part) for part in zip(*parts, strict=True))
    return np.concatenate(strings), np.concatenate(log_ps)


def walked(start: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """The states that some path from a set of states visits: bool[S] from bool[S] and bool[S, S]."""
    seen = start
    while True:
        more = seen | np.asarray(moves[seen].any(axis=0))
        if (more == seen).all():
            return seen
        seen = more


def accepting_paths(
    initial: np.ndarray, transitions: np.ndarray, stopping: np.ndarray, event: Dfa
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The product of the machine and a DFA that read the same symbols, on the K pairs (s, q) that occur.

    Returns initial [K], transitions [V, K, K], the stopping probabilities [K] (0 where the DFA does not accept), and
    the state s of each pair, int[K]. Raises `UnavailableError` if the transitions would have over 10^8 entries.
    """
    pairs = [(int(s), event.start) for s in np.flatnonzero(initial)]
    number = {pair: k for k, pair in enumerate(pairs)}
    entries: list[tuple[int, int, int, float]] = []
    for k, (s, q) in enumerate(pairs):
        for a, t in zip(*(index.tolist() for index in np.nonzero(transitions[:, s])), strict=True):
            pair = (t, int(event.next_state[q, a]))
            if pair not in number:
                number[pair] = len(pairs)
                pairs.append(pair)
            entries.append((a, k, number[pair], transitions[a, s, t]))
    K = len(pairs)
    if len(transitions) * K * K > MAX_ENTRIES:
        why = f"the automaton and the event have {K} pairs of states together, which is too many"
        raise unavailable("restriction", why, f"simplify the event (at most {MAX_ENTRIES} transitions are allowed)")
    weights = np.zeros((len(transitions), K, K))
    for a, k, j, p in entries:
        weights[a, k, j] = p
    left, right = np.array(pairs).T
    start = np.zeros(K)
    start[: np.count_nonzero(initial)] = initial[initial > 0]
    return start, weights, stopping[left] * event.accept[right], left
