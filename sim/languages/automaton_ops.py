"""Deterministic machines as arrays: reachability, products, and sums over all paths by elimination.

A machine is an array `next_state` int[S, V] and a mask `arcs` bool[S, V] of the entries that count. Column 0 is the
stop, which is never an arc.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse import csgraph

from sim.languages.absorbing import SMALLEST, Absorbing, Moves
from sim.languages.matrices import components, series
from sim.numerics import EOS, SpecificationError, log_sum_exp


def sum_of_others(values: np.ndarray) -> np.ndarray:
    """For every entry, the sum of the other entries of its row, without any subtraction: float64[S, K]."""
    before, after = np.zeros_like(values), np.zeros_like(values)
    np.cumsum(values[:, :-1], axis=1, out=before[:, 1:])
    after[:, :-1] = np.cumsum(values[:, :0:-1], axis=1)[:, ::-1]
    return before + after


def row_entropies(prob: np.ndarray) -> np.ndarray:
    """Entropy -sum_a p log p of every row [nat]: float64[S]. No digit is lost where one outcome is nearly certain.

    The log of a p above 1/2 is computed from the sum of the other entries, because p itself is rounded to 1e-16.
    """
    certain = np.log1p(-np.minimum(sum_of_others(prob), 0.5))
    log_prob = np.where(prob > 0.5, certain, np.log(np.where(prob > 0, prob, 1.0)))
    return -(prob * log_prob).sum(axis=1)


def row_divergences(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    """KL(p || q) of every row [nat]: float64[S]; math.inf if q is 0 somewhere where p is not.

    It is computed as sum_a (p log(p / q) - p + q), which is equal because rows sum to 1. Every term is at least 0. If
    two rows are nearly equal, the sum of p log(p / q) would leave only rounding errors, and a state may be visited
    10^12 times.
    """
    used, met = log_p > -np.inf, log_q > -np.inf
    u = np.where(used & met, np.where(met, log_q, 0.0) - np.where(used, log_p, 0.0), 0.0)
    small = np.clip(u, -0.1, 0.1)
    term = total = small**2 / 2
    for n in range(3, 12):
        term = term * small / n
        total = total + term
    excess = np.where(np.abs(u) < 0.1, total, np.expm1(u) - u)  # e^u - 1 - u
    values = np.where(used, np.exp(log_p) * excess, np.exp(log_q))
    return np.where((used & ~met).any(axis=1), np.inf, values.sum(axis=1))


def arc_matrix(next_state: np.ndarray, arcs: np.ndarray, weights: np.ndarray) -> sp.csr_array:
    """M_st, the sum of the `weights` [S, V] of all arcs from s to t: sparse float64[S, S]."""
    source, symbol = np.nonzero(arcs)
    entries = weights[source, symbol], (source, next_state[source, symbol])
    return sp.coo_array(entries, (len(next_state),) * 2).tocsr()


def reachable(next_state: np.ndarray, arcs: np.ndarray, start: int) -> np.ndarray:
    """The states that some path from `start` visits: bool[S]."""
    seen = np.zeros(len(next_state), bool)
    graph = arc_matrix(next_state, arcs, np.ones(arcs.shape))
    seen[csgraph.breadth_first_order(graph, start, return_predecessors=False)] = True
    return seen


def steps_to_stop(moves: sp.csr_array, stops: np.ndarray) -> np.ndarray:
    """The fewest symbols from each state to a state that may stop (`stops` bool[S]): float64[S]; inf without a path."""
    ending = np.flatnonzero(stops)
    if not len(ending):
        return np.full(len(stops), np.inf)
    steps = csgraph.dijkstra(moves.T.tocsr(), indices=ending, unweighted=True, min_only=True)
    return np.asarray(steps)


def successors(moves: sp.csr_array) -> list[list[int]]:
    """The states that each state leads to."""
    return [own.tolist() for own in np.split(moves.indices, moves.indptr[1:-1])]


def path_counts(next_state: np.ndarray, arcs: np.ndarray, stops: np.ndarray, start: int) -> Iterator[int]:
    """Yield, for ever, how many paths from `start` to a stop have exactly 0, 1, 2, … symbols, as Python integers."""
    source, symbol = np.nonzero(arcs)
    pairs = list(zip(source.tolist(), next_state[source, symbol].tolist(), strict=True))
    stopping = np.flatnonzero(stops).tolist()
    ways = [0] * len(next_state)
    ways[start] = 1
    while True:
        yield sum(ways[s] for s in stopping)
        following = [0] * len(next_state)
        for s, t in pairs:
            following[t] += ways[s]
        ways = following


def likeliest_to_stop(next_state: np.ndarray, log_prob: np.ndarray) -> np.ndarray:
    """log probability of the likeliest string from each state on [nat]: float64[S]. Column 0 is the stop."""
    arcs = log_prob > -np.inf
    arcs[:, EOS] = False
    source, symbol = np.nonzero(arcs)
    target, gain = next_state[source, symbol], log_prob[source, symbol]
    if (log_prob > 0).any():  # a sum above 1, within the tolerance; Dijkstra's algorithm needs logs of at most 0
        best = log_prob[:, EOS].copy()
        for _ in range(len(best)):
            np.maximum.at(best, source, gain + best[target])
        return best
    ending = np.flatnonzero(log_prob[:, EOS] > -np.inf)
    source, target = np.append(source, ending), np.append(target, np.full(len(ending), len(log_prob)))
    gain = np.append(gain, log_prob[ending, EOS])
    order = np.lexsort((-gain, source, target))  # of several arcs between two states, the likeliest counts
    first = np.append(True, (np.diff(source[order]) != 0) | (np.diff(target[order]) != 0))
    kept = order[first]
    back = sp.coo_array((-gain[kept], (target[kept], source[kept])), (len(log_prob) + 1,) * 2).tocsr()
    return -np.asarray(csgraph.dijkstra(back, indices=len(log_prob))[:-1])


def num_paths(next_state: np.ndarray, kept: np.ndarray, start: int) -> int:
    """The number of paths from `start` to a stop along the kept arcs and stops (column 0). There must be no cycle."""
    table = next_state.tolist()
    following = [[row[a] for a in np.flatnonzero(keep) if a != EOS] for row, keep in zip(table, kept, strict=True)]
    count: list[int] = kept[:, EOS].astype(int).tolist()
    for block in components(following):  # each state comes after those that it leads to
        for state in block:
            count[state] += sum(count[t] for t in following[state])
    return count[start]


def product(
    next_a: np.ndarray, arcs_a: np.ndarray, start_a: int, next_b: np.ndarray, arcs_b: np.ndarray, start_b: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """The product of two machines, which read the same symbols, on the K pairs reachable from the two starts.

    Returns the state of a and the state of b in every pair, int[K] each, `next_state` int[K, V] (-1 where either
    machine lacks the arc), and the pair of the starts.
    """
    Q = len(next_b)
    found = frontier = np.array([start_a * Q + start_b])
    while len(frontier):
        s, q = divmod(frontier, Q)
        both = arcs_a[s] & arcs_b[q]
        frontier = np.setdiff1d((next_a[s] * Q + next_b[q])[both], found)
        found = np.union1d(found, frontier)
    s, q = divmod(found, Q)
    following = np.searchsorted(found, next_a[s] * Q + next_b[q])
    table = np.where(arcs_a[s] & arcs_b[q], following, -1)
    return s, q, table, int(np.searchsorted(found, start_a * Q + start_b))


def horizon_masses(moves: Moves, stop: np.ndarray, initial: np.ndarray, length: int) -> tuple[float, float]:
    """log of the mass of strings within, and beyond, a horizon of `length` tokens [nat].

    The state's law is rescaled at every step, so that neither mass underflows.
    """
    here, log_scale, within = initial, 0.0, [-np.inf]
    for _ in range(length):
        with np.errstate(divide="ignore"):
            within.append(float(np.log(here @ stop)) + log_scale)
        here = here @ moves
        total = float(here.sum())
        if total == 0:
            log_scale = -np.inf
            break
        here, log_scale = here / total, log_scale + math.log(total)
    return float(log_sum_exp(np.array(within))), log_scale


def shortest_horizon(moves: Moves, initial: np.ndarray, dropped: float, at_most: int) -> int | None:
    """The smallest horizon [tokens] that drops a mass of at most `dropped`; None if it is above `at_most`."""
    here = initial
    for length in range(1, at_most + 1):
        here = here @ moves
        if here.sum() <= dropped:
            return length
    return None


@dataclass(frozen=True, eq=False)
class Normalised:
    """Weights of paths turned into probabilities. States without a path to a stop are removed."""

    next_state: np.ndarray  # int[S', V]
    log_prob: np.ndarray  # float64[S', V] [nat], p(s, a) = w(s, a) Z_t / Z_s
    start: int
    log_mass: float  # log Z of the start [nat], the total weight of all paths
    states: np.ndarray  # int[S'], the former number of each state


def normalised(
    next_state: np.ndarray, log_weight: np.ndarray, start: int, leaves: np.ndarray | None = None
) -> Normalised | None:
    """Turn weights w(s, a) >= 0 of arcs and stops (column 0) into probabilities; None if their total is 0 or infinite.

    The backward weights are Z = (I - W)^-1 w(., stop). If the arc weights of every row sum to at most 1, `leaves` [S]
    can hold 1 minus that sum; Z is then found by elimination without subtraction, and otherwise by the series.
    Raises `SpecificationError` if a backward weight underflows.
    Source: Grenander 1976, "Lectures in pattern theory I", for this normalisation; Chi 1999 for its name.
    """
    arcs = log_weight > -np.inf
    stops = arcs[:, EOS].copy()
    arcs[:, EOS] = False
    weight = np.exp(log_weight)
    moves = arc_matrix(next_state, arcs, weight)
    useful = np.isfinite(steps_to_stop(moves, stops))
    if not useful[start]:
        return None
    moves = moves[useful]
    ending = weight[useful, EOS]
    if leaves is not None:
        mass = Absorbing(moves[:, useful], leaves[useful] + moves[:, ~useful].sum(axis=1)).solve(ending)
    else:
        total = series(moves[:, useful].toarray())
        if total is None:
            return None
        mass = total @ ending
    if not (mass >= SMALLEST).all():
        raise SpecificationError(
            "the total weight of the continuations of a prefix must be above 1e-308, found an underflow"
        )
    log_mass = np.full(len(next_state), -np.inf)
    log_mass[useful] = np.log(mass)
    following = np.where(arcs, log_mass[next_state], -np.inf)
    following[:, EOS] = 0.0
    number = np.cumsum(useful) - 1
    log_prob = (log_weight + following)[useful] - log_mass[useful][:, None]
    table = np.where(log_prob > -np.inf, number[next_state[useful]], -1)
    table[:, EOS] = -1
    return Normalised(table, log_prob, int(number[start]), float(log_mass[start]), np.flatnonzero(useful))


def enumerate_paths(
    next_state: np.ndarray, log_prob: np.ndarray, start: int, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """All paths of at most `length` - 1 symbols that stop: tokens int32[N, length], EOS-padded, and log P [nat] [N].

    Paths are extended level by level. A prefix that cannot stop in time is dropped, so no level is larger than N.
    """
    arcs = log_prob > -np.inf
    stops = arcs[:, EOS].copy()
    arcs[:, EOS] = False
    needed = steps_to_stop(arc_matrix(next_state, arcs, np.ones(arcs.shape)), stops)
    state, log_p, prefix = np.array([start]), np.zeros(1), np.zeros((1, 0), np.int32)
    strings, log_ps = [np.zeros((0, length), np.int32)], [np.zeros(0)]
    for depth in range(length):
        ends = stops[state]
        block = np.zeros((int(ends.sum()), length), np.int32)
        block[:, :depth] = prefix[ends]
        strings.append(block)
        log_ps.append(log_p[ends] + log_prob[state[ends], EOS])
        in_time = arcs & (needed[next_state] + depth + 2 <= length)
        row, token = np.nonzero(in_time[state])
        prefix = np.column_stack([prefix[row], token.astype(np.int32)])
        log_p = log_p[row] + log_prob[state[row], token]
        state = next_state[state[row], token]
    return np.concatenate(strings), np.concatenate(log_ps)
