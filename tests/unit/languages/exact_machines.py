"""Deterministic machines of fractions at random, as the objects under test and as the oracles' own."""

import math
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from sim.languages.automaton import Automaton
from sim.languages.vocabulary import Vocabulary
from sim.selftest.oracles.machines import Walk, paths

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

    @property
    def walk(self):
        """As the oracles of the self-test take it."""
        arcs = ((s, a, t, p) for s, row in enumerate(self.rows) for a, (t, p) in row.items() if a)
        first = (Fraction(int(s == 0)) for s in range(len(self.rows)))
        return Walk(tuple(first), tuple(arcs), tuple(row.get(0, (-1, Fraction(0)))[1] for row in self.rows))

    def strings(self, length):
        """{string: probability} of all strings with fewer than `length` symbols."""
        return dict(paths(self.walk, length))


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
