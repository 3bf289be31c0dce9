"""Balanced brackets of several kinds with bounded depth (Dyck-k). Tier A up to a horizon."""

from itertools import product
from typing import Annotated

import numpy as np

from sim.config import AtLeast, NonNegative, OpenFraction
from sim.grammars._mixture import zipf_law
from sim.grammars._stopping import Stop, listed, num_words, refuse_states, stopping
from sim.languages.automaton import Automaton
from sim.languages.finite import FiniteLanguage
from sim.languages.vocabulary import Vocabulary

BRACKETS = ("(", ")", "[", "]", "{", "}", "<", ">")
"""The brackets of the first kinds. Later kinds are numbered, as in (5 )5."""

SPREAD = 0.5
"""How far a seed moves the log-odds of opening another bracket at a stack, at most [nat]."""


def dyck_automaton(
    num_kinds: int = 2,
    max_depth: int = 3,
    p_open: float = 0.3,
    stop: float = 0.5,
    min_length: int = 4,
    zipf: float = 1.0,
    seed: int | None = None,
) -> Automaton:
    """The language of `dyck` without a horizon. The states of the automaton are the stacks of open brackets."""
    how = "max_depth, num_kinds or min_length"
    refuse_states(num_words(num_kinds, max_depth), how)
    stacks = [stack for depth in range(max_depth + 1) for stack in product(range(num_kinds), repeat=depth)]
    number = {stack: s for s, stack in enumerate(stacks)}
    kinds, opening = _choices(len(stacks), num_kinds, zipf, p_open, seed)
    laws = np.zeros((len(stacks), 2 * num_kinds))  # the symbols open 0, close 0, open 1, close 1, ...
    next_state = np.zeros(laws.shape, np.int64)
    for s, stack in enumerate(stacks):
        opens = 1.0 if not stack else opening[s] if len(stack) < max_depth else 0.0
        if stack:
            close = 2 * stack[-1] + 1
            laws[s, close], next_state[s, close] = 1 - opens, number[stack[:-1]]
        if opens > 0:
            laws[s, ::2] = opens * kinds[s]
            next_state[s, ::2] = [number[(*stack, kind)] for kind in range(num_kinds)]
    more = [f"{bracket}{kind}" for kind in range(len(BRACKETS) // 2 + 1, num_kinds + 1) for bracket in "()"]
    vocabulary = Vocabulary(("<eos>", *[*BRACKETS, *more][: 2 * num_kinds]))
    names = [" ".join(vocabulary.symbols[2 * kind + 1] for kind in stack) or "nothing open" for stack in stacks]
    return stopping(vocabulary, laws, next_state, names, np.eye(len(stacks))[0] * stop, min_length, how)


def _choices(
    num_stacks: int, num_kinds: int, zipf: float, p_open: float, seed: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """The law of kinds at every stack, float64[S, kinds], and the probability to open another bracket, float64[S]."""
    if seed is None:
        return np.tile(zipf_law(num_kinds, zipf), (num_stacks, 1)), np.full(num_stacks, p_open)
    generator = np.random.default_rng(seed)
    laws = [generator.permutation(zipf_law(num_kinds, zipf, generator.random())) for _ in range(num_stacks)]
    odds = p_open / (1 - p_open) * np.exp(generator.uniform(-SPREAD, SPREAD, num_stacks))
    return np.array(laws), odds / (1 + odds)


def dyck(
    *,
    num_kinds: Annotated[int, AtLeast(1)] = 2,
    max_depth: Annotated[int, AtLeast(1)] = 3,
    p_open: Annotated[float, OpenFraction] = 0.3,
    stop: Annotated[float, Stop] = 0.5,
    min_length: Annotated[int, AtLeast(0)] = 4,
    zipf: Annotated[float, NonNegative] = 1.0,
    length: Annotated[int, AtLeast(1)] = 11,
    seed: Annotated[int | None, AtLeast(0)] = None,
) -> tuple[FiniteLanguage, dict[str, float]]:
    """Balanced strings "( [ ] ) ( )" of `num_kinds` kinds of brackets, at most `max_depth` deep, shorter than `length`.

    If no bracket is open and `min_length` symbols have been written, the string ends with probability `stop`; otherwise
    a bracket opens. If some are open, another one opens with probability `p_open`, and otherwise the innermost one
    closes; at `max_depth` it always closes. Kinds follow Zipf's law with exponent `zipf`. With a `seed`, every stack
    has a law of its own: the kinds are in random order with a random offset, and the log-odds of opening are moved by
    up to ½. Every seed has the same strings (null: one law for all stacks). The length L counts EOS: the
    language is P(. | |x| <= L - 1), renormalised exactly, and the note `dropped_mass` is the mass that this leaves out.
    The language without a horizon is `dyck_automaton`. Raises `SpecificationError` for more than 1000 states (stacks
    with the number of symbols so far, up to `min_length`), for more than 10^6 strings, or if no string is short enough.
    Source: Hewitt, Hahn, Ganguli, Liang & Manning 2020, EMNLP, "RNNs can generate bounded hierarchical languages with
    optimal memory".
    """
    automaton = dyck_automaton(num_kinds, max_depth, p_open, stop, min_length, zipf, seed)
    return listed(automaton, length, "dyck", "num_kinds")


def label(**_: object) -> str:
    """The world in words."""
    return "brackets (context-free)"
