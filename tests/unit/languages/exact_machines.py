"""Deterministic machines of fractions, with brute force and elimination that share no code with what is tested."""

import math
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from sim.languages.automaton import Automaton
from sim.languages.vocabulary import Vocabulary

LETTERS = "abcde"


class Exact:
    """A machine of fractions: rows[s] = {token: (next, p)}, token 0 to stop."""

    def __init__(self, rows, num_symbols):
        self.rows, self.num_symbols = rows, num_symbols

    def automaton(self):
        S, V = len(self.rows), self.num_symbols + 1
        next_state, log_prob = np.full((S, V), -1), np.full((S, V), -np.inf)
        for s, row in enumerate(self.rows):
            for a, (t, p) in row.items():
                next_state[s, a], log_prob[s, a] = t, math.log(p)
        return Automaton(Vocabulary(("<eos>", *LETTERS[: self.num_symbols]), joiner=""), next_state, log_prob, 0)

    def strings(self, length):
        """{string: probability} of all strings with fewer than `length` symbols."""
        found, alive = {}, {(): (0, Fraction(1))}
        for _ in range(length):
            following = {}
            for x, (s, p) in alive.items():
                for a, (t, q) in self.rows[s].items():
                    if a == 0:
                        found[x] = p * q
                    else:
                        following[(*x, a)] = (t, p * q)
            alive = following
        return found

    def visits(self, power=1):
        """Row of the start state of (I - M)^-1, by elimination over fractions, M the sum of p^power."""
        S = len(self.rows)
        A = [[Fraction(int(i == j)) for j in range(S)] + [Fraction(int(i == 0))] for i in range(S)]
        for s, row in enumerate(self.rows):
            for a, (t, p) in row.items():
                if a:
                    A[t][s] -= p**power
        for k in range(S):
            pivot = next(i for i in range(k, S) if A[i][k] != 0)
            A[k], A[pivot] = A[pivot], A[k]
            A[k] = [x / A[k][k] for x in A[k]]
            for i in range(S):
                if i != k:
                    A[i] = [x - A[i][k] * y for x, y in zip(A[i], A[k], strict=True)]
        return [A[i][S] for i in range(S)]


@st.composite
def machines(draw, acyclic=False, max_states=4, num_symbols=None):
    S = draw(st.integers(1, max_states))
    K = num_symbols or draw(st.integers(1, 3))
    rows = []
    for s in range(S):
        low = s + 1 if acyclic else 0
        row = {0: (-1, draw(st.integers(0, 3)))}
        for a in range(1, K + 1):
            if low < S:
                row[a] = (draw(st.integers(low, S - 1)), draw(st.integers(0, 4)))
        rows.append(row)
    productive = {s for s, row in enumerate(rows) if row[0][1]}
    for _ in range(S):
        productive |= {s for s, row in enumerate(rows) if any(w and t in productive for a, (t, w) in row.items() if a)}
    for s, row in enumerate(rows):
        if s not in productive:
            row[0] = (-1, 1)
    totals = [sum(w for _, w in row.values()) for row in rows]
    exact = [
        {a: (t, Fraction(w, total)) for a, (t, w) in row.items() if w} for row, total in zip(rows, totals, strict=True)
    ]
    return Exact(exact, K)
