"""Build an `Automaton` or a `Chain` from exact probabilities. States that cannot be reached are dropped."""

import warnings
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from sim.grammars._reading import problem
from sim.languages.automaton import Automaton
from sim.languages.automaton_ops import arc_matrix, reachable, steps_to_stop
from sim.languages.chain import Chain
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, log_fraction

MAX_TABLE = 20_000_000
"""Largest number of states times symbols of an automaton: its tables are dense."""

Row = Mapping[int, tuple[int, Fraction]]
"""The arcs of a state: token -> (next state, probability). EOS is the decision to stop; its next state is not read."""


def machine(
    path: str, vocabulary: Vocabulary, state_names: Sequence[str], rows: Sequence[Row], start: int, what: str
) -> Automaton:
    """The automaton of normalised rows. `what` is the word for a state in messages ("state", "symbol").

    Raises `SpecificationError` with the states from which no string can end. Warns of unreachable states, which are
    dropped; the vocabulary keeps their symbols. An arc of probability 0 is not part of the support.
    """
    refuse_large(path, len(rows), len(vocabulary), what)
    next_state, log_prob = _table(rows, len(vocabulary))
    arcs = log_prob > -np.inf
    stops = arcs[:, EOS].copy()
    arcs[:, EOS] = False
    moves = arc_matrix(next_state, arcs, np.ones(arcs.shape))
    refuse_endless(path, np.isfinite(steps_to_stop(moves, stops)), state_names, what, [start])
    return Automaton(vocabulary, *_reached(path, state_names, next_state, log_prob, arcs, start, what))


def chain(
    path: str, vocabulary: Vocabulary, state_names: Sequence[str], rows: Sequence[Row], start: int, what: str
) -> Chain:
    """As `machine`, for normalised rows without an end: a chain that never stops."""
    refuse_large(path, len(rows), len(vocabulary), what)
    next_state, log_prob = _table(rows, len(vocabulary))
    arcs = log_prob > -np.inf
    return Chain(vocabulary, *_reached(path, state_names, next_state, log_prob, arcs, start, what))


def _table(rows: Sequence[Row], size: int) -> tuple[np.ndarray, np.ndarray]:
    """The next states int[S, V] and log probabilities [nat] float64[S, V] of rows."""
    next_state = np.full((len(rows), size), -1)
    log_prob = np.full((len(rows), size), -np.inf)
    for s, row in enumerate(rows):
        for token, (target, p) in row.items():
            if p > 0:
                next_state[s, token], log_prob[s, token] = target, log_fraction(p)
    return next_state, log_prob


def _reached(
    path: str,
    state_names: Sequence[str],
    next_state: np.ndarray,
    log_prob: np.ndarray,
    arcs: np.ndarray,
    start: int,
    what: str,
) -> tuple[np.ndarray, np.ndarray, int, tuple[str, ...]]:
    """The part that can be reached: next states, log probabilities, start and names. Warns of what is left out."""
    seen = reachable(next_state, arcs, start)
    warn_unreachable(path, seen, state_names, what)
    number = np.cumsum(seen) - 1
    renumbered = np.where(arcs[seen], number[next_state[seen]], -1)
    kept = tuple(name for name, used in zip(state_names, seen, strict=True) if used)
    return renumbered, log_prob[seen], int(number[start]), kept


def refuse_large(path: str, num_states: int, num_symbols: int, what: str) -> None:
    """Raise `SpecificationError` if a table of states and symbols, the end included, would be too large."""
    if num_states * num_symbols > MAX_TABLE:
        requirement = f"a table of at most {MAX_TABLE:,} cells is required ({what} times symbol)"
        found = f"{num_states:,} x {num_symbols:,}"
        raise problem(path, requirement, found, "use fewer of them, or a pcfg, which has no such table")


def refuse_endless(
    path: str, ends: np.ndarray, state_names: Sequence[str], what: str, starts: Sequence[int] | np.ndarray
) -> None:
    """Raise `SpecificationError` that names the states from which no string can end, where `ends` bool[S] is false.

    The message says so if no string can end from any of the `starts`, because the language is empty then.
    """
    lost = np.flatnonzero(~ends)
    if len(lost):
        listed = ", ".join(repr(state_names[s]) for s in lost[:5])
        if not ends[starts].any():
            listed += ", so the language is empty"
        fix = f"give {'it' if len(lost) == 1 else 'one of them'} a probability to stop, or remove it"
        raise problem(path, f"from every {what} a string must be able to end", f"no end after {what} {listed}", fix)


def warn_unreachable(path: str, seen: np.ndarray, state_names: Sequence[str], what: str) -> None:
    """Warn of the states that are left out because no path leads to them, where `seen` bool[S] is false."""
    if not seen.all():
        listed = ", ".join(repr(state_names[s]) for s in np.flatnonzero(~seen)[:5])
        warnings.warn(f"{path}: {what} {listed} cannot be reached from the start (left out)", stacklevel=3)
