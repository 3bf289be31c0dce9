"""Markov chains that never stop. They have no strings, but they have prefixes, blocks and an entropy rate."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.languages.absorbing import Absorbing
from sim.languages.automaton import Automaton
from sim.languages.automaton_ops import arc_matrix, row_entropies
from sim.languages.endless import Endless
from sim.languages.exact import Prefix
from sim.languages.matrices import components
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS
from sim.quantity import Quantity


@dataclass(frozen=True, eq=False)
class Chain(Endless):
    """A source that emits symbols for ever: state s emits symbol a with probability p(s, a) and moves to a next state.

    `next_state` int[S, V] matters only where `arc_log_prob` float64[S, V] [nat] is above -inf. Column 0, the end, is
    always -inf. The chain starts in the state `start`. Every state can be reached, and the probabilities of a row sum
    to 1; neither is checked here.
    """

    vocabulary: Vocabulary
    next_state: np.ndarray
    arc_log_prob: np.ndarray
    start: int
    state_names: tuple[str, ...] = ()

    @cached_property
    def moves(self) -> np.ndarray:
        """The probabilities to move between states: float64[S, S]; rows sum to 1."""
        return arc_matrix(self.next_state, self.arc_log_prob > -np.inf, np.exp(self.arc_log_prob)).toarray()

    @cached_property
    def next_entropy(self) -> np.ndarray:
        """The entropy of the next symbol in each state [nat]: float64[S]."""
        return row_entropies(np.exp(self.arc_log_prob))

    @cached_property
    def classes(self) -> list[tuple[float, np.ndarray, np.ndarray]]:
        """The closed classes of states: the probability to end up in each, its states and its stationary law."""
        return closed_classes(self.moves, np.eye(1, len(self.moves), self.start)[0])

    def entropy_rate(self) -> float:
        """lim H(X_1..X_n) / n [nat per symbol], the mean entropy of the next symbol in the long run; exact.

        It is a mean over the closed classes of states, weighted by the probability to end up in each.
        """
        return math.fsum(share * float(law @ self.next_entropy[block]) for share, block, law in self.classes)

    def rate(self) -> Quantity:
        """The entropy rate, exact [nat per symbol]."""
        return Quantity.of(self.entropy_rate())

    def frequencies(self) -> np.ndarray:
        """The long-run frequency of every symbol, as a mean over the closed classes of states: float64[V]."""
        p = np.exp(self.arc_log_prob)
        return np.asarray(sum(share * (law @ p[block]) for share, block, law in self.classes))

    def block_entropies(self, number: int) -> np.ndarray:
        """H(X_1..X_n) [nat] for n = 0, 1, ..., `number`: float64[number + 1]; exact."""
        here, total = np.eye(1, len(self.moves), self.start)[0], [0.0]
        for _ in range(number):
            total.append(total[-1] + float(here @ self.next_entropy))
            here = here @ self.moves
        return np.array(total)

    def _walk(self, prefix: Prefix) -> tuple[int, float]:
        state, log_p = self.start, 0.0
        for token in (int(t) for t in prefix):
            if not EOS < token < len(self.vocabulary) or self.arc_log_prob[state, token] == -np.inf:
                return -1, -np.inf
            log_p += float(self.arc_log_prob[state, token])
            state = int(self.next_state[state, token])
        return state, log_p

    def log_prefix(self, prefix: Prefix) -> float:
        """log of the probability that a sequence begins with `prefix` [nat]; -inf if no sequence does."""
        return self._walk(prefix)[1]

    def _next_law(self, prefix: Prefix) -> np.ndarray | None:
        state, _ = self._walk(prefix)
        return None if state < 0 else self.arc_log_prob[state].copy()

    def blocks(self, number: int) -> Automaton:
        """The law of the first `number` symbols, as an automaton with the states (time, state)."""
        S, V = self.next_state.shape
        table = np.full((number + 1, S, V), -1)
        log_prob = np.full((number + 1, S, V), -np.inf)
        arcs = self.arc_log_prob > -np.inf
        for t in range(number):
            table[t] = np.where(arcs, self.next_state + (t + 1) * S, -1)
            log_prob[t] = self.arc_log_prob
        log_prob[number, :, EOS] = 0.0
        names = tuple(f"{name}@{t}" for t in range(number + 1) for name in (self.state_names or range(S)))
        return Automaton(self.vocabulary, table.reshape(-1, V), log_prob.reshape(-1, V), self.start, names)


def closed_classes(moves: np.ndarray, first: np.ndarray) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """The closed classes of states of a chain that starts from the law `first` float64[S].

    A class is given by the probability to end up in it, its states, and its stationary law.
    """
    graph = [np.flatnonzero(row).tolist() for row in moves]
    closed = [block for block in components(graph) if all(set(graph[s]) <= set(block) for s in block)]
    inside = np.isin(np.arange(len(graph)), [s for block in closed for s in block])
    passing = np.flatnonzero(~inside)
    found = []
    for block in closed:
        entry = np.zeros(len(graph))
        entry[block] = 1.0
        if len(passing):
            rows = moves[passing]
            leaves, values = rows[:, inside].sum(axis=1), rows[:, block].sum(axis=1)
            entry[passing] = Absorbing(rows[:, passing], leaves).solve(values)
        found.append((float(first @ entry), np.array(block), stationary(moves[np.ix_(block, block)])))
    return found


def stationary(moves: np.ndarray) -> np.ndarray:
    """The law pi with pi = pi M, for an irreducible stochastic matrix M: float64[S].

    It is found by elimination without any subtraction.
    Source: Grassmann, Taksar & Heyman 1985, Operations Research 33(5).
    """
    moves = np.array(moves, np.float64)
    S = len(moves)
    exits = np.zeros(S)
    for k in range(S - 1, 0, -1):
        exits[k] = moves[k, :k].sum()
        moves[:k, :k] += np.outer(moves[:k, k] / exits[k], moves[k, :k])
    law = np.ones(S)
    for k in range(1, S):
        law[k] = law[:k] @ moves[:k, k] / exits[k]
    return law / law.sum()
