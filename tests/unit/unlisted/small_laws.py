"""A grammar that is small enough to list, seen as one that is not: every estimate has an exact counterpart."""

import numpy as np

from sim.languages.finite import FiniteLanguage
from sim.laws.narrowing import narrowed
from sim.laws.reading import law
from sim.unlisted.world import Seen, UnlistedWorld
from tests.unit.laws.all_trees import grammar

TINY = grammar(  # one derivation a string; strings of 2 to 5 symbols
    ("S", "A B", "1/3"), ("S", "B A A", "2/3"),
    ("A", "a b", "1/2"), ("A", "b", "1/4"), ("A", "a", "1/4"),
    ("B", "c", "1/5"), ("B", "c c", "4/5"), tokens="abc",
)  # fmt: skip
LESS = {"kind": "sub_grammar", "symbols": [], "rules": [{"lhs": "S", "rhs": ["A", "B"]}]}


def small(length: int = 7) -> UnlistedWorld:
    """The world of TINY without its first rule; the longest string has 6 symbols, and its end makes 7 tokens."""
    p = law(TINY)
    arguments = {key: value for key, value in LESS.items() if key != "kind"}
    return UnlistedWorld(Seen(p, length), narrowed(p, "sub_grammar", **arguments))


def listing(length: int = 7) -> FiniteLanguage:
    """All strings of TINY."""
    return TINY.enumerate(length, 1000)[0]


def laws_of_a_model(rows: np.ndarray, vocab_size: int, seed: int = 0) -> np.ndarray:
    """Next-token laws [nat] of a model that depends on the last two tokens: float64[N, L, V]."""
    table = np.random.default_rng(seed).normal(size=(vocab_size, vocab_size, vocab_size))
    before = np.pad(rows, ((0, 0), (2, 0)))[:, : rows.shape[1] + 1]
    logits = table[before[:, :-1], before[:, 1:]]
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
