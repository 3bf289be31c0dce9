"""The parts of a machine as a list: its starts, its arcs and its stops. They name what a parse finds, and are drawn."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.languages.automaton import Automaton
from sim.languages.hidden import HiddenAutomaton
from sim.languages.machine import Machine
from sim.laws._choices import Choices
from sim.numerics import EOS, SpecificationError

MOST_STEPS, MOST_ENTRIES = 1_000_000, 1 << 28
"""Largest mean length [symbols] of strings that are drawn, and largest number of tokens, the padding included."""


@dataclass(frozen=True, eq=False)
class Arcs:
    """The parts of a machine in groups: first its starts, then for each state its stop and its arcs.

    A start has no source and no token (-1, EOS), a stop has no target (-1). The arcs of a state are in the order of
    their tokens, then of their targets. Parts of probability 0 are left out.
    """

    machine: Machine
    source: np.ndarray  # int[R], -1 for a start
    token: np.ndarray  # int[R], EOS for a start or a stop
    target: np.ndarray  # int[R], -1 for a stop
    log_p: np.ndarray  # float64[R] [nat]

    @classmethod
    def of(cls, machine: Automaton | HiddenAutomaton) -> "Arcs":
        """The parts of an automaton or of a hidden automaton."""
        if isinstance(machine, Automaton):
            source, token = np.nonzero(machine.arcs)
            target, log_arc = machine.next_state[source, token], machine.arc_log_prob[source, token]
            log_stop = machine.arc_log_prob[:, EOS]
        else:
            token, source, target = np.nonzero(machine.transitions)
            log_arc = np.log(machine.transitions[token, source, target])
            with np.errstate(divide="ignore"):
                log_stop = np.log(machine.stopping)
        start, stop = np.flatnonzero(machine.first), np.flatnonzero(log_stop > -np.inf)
        none, last = np.full(len(start), -1), np.full(len(stop), -1)
        parts = (
            np.concatenate([none, stop, source]),
            np.concatenate([none * 0, last * 0, token]),
            np.concatenate([start, last, target]),
            np.concatenate([np.log(machine.first[start]), log_stop[stop], log_arc]),
        )
        order = np.lexsort((parts[2], parts[1], parts[0]))
        return cls(machine, *(part[order] for part in parts))

    @cached_property
    def edges(self) -> np.ndarray:
        """Where each group begins, and the end: int[S + 2]. Group 0 holds the starts, group s + 1 those of state s."""
        return np.searchsorted(self.source, np.arange(-1, len(self.machine.stops) + 1))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The parts as rules of a right-linear grammar: `(start) -> A`, `A -> a B`, `A -> (stop)`."""
        states = self.machine.state_names or tuple(map(str, range(len(self.machine.stops))))
        symbols = self.machine.vocabulary.symbols
        columns = (self.source.tolist(), self.token.tolist(), self.target.tolist())
        return tuple(_name(*part, states, symbols) for part in zip(*columns, strict=True))

    @cached_property
    def _choices(self) -> Choices:
        return Choices(np.exp(self.log_p), self.edges)

    def strings(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """Walk from the start to a stop, all strings at once: int32[number, T], with at least one EOS at each end.

        Raises `SpecificationError` if strings have more than 10^6 symbols on average, or together more than 2^28.
        """
        mean = self.machine.expected_length()
        if mean > MOST_STEPS:
            raise SpecificationError(
                f"sample: strings of at most {MOST_STEPS:,} symbols on average are required, found {mean:,.0f}; "
                "condition the language on shorter ones first"
            )
        alive, shown = np.arange(number), list[tuple[np.ndarray, np.ndarray]]()
        state = self.target[self._choices.drawn(np.zeros(number, np.int64), rng)]
        while len(alive):
            part = self._choices.drawn(state + 1, rng)
            part, alive = part[self.token[part] != EOS], alive[self.token[part] != EOS]
            shown.append((alive, self.token[part]))
            state = self.target[part]
            if number * (len(shown) + 1) > MOST_ENTRIES:
                raise SpecificationError(
                    f"sample: an array of at most {MOST_ENTRIES:,} tokens is required, found {number:,} strings with "
                    f"up to {len(shown):,} symbols or more; draw fewer at once"
                )
        rows = np.zeros((number, max(len(shown), 1)), np.int32)
        for at, (own, token) in enumerate(shown):
            rows[own, at] = token
        return rows


def _name(source: int, token: int, target: int, states: tuple[str, ...], symbols: tuple[str, ...]) -> str:
    if source < 0:
        return f"(start) -> {states[target]}"
    return f"{states[source]} -> " + ("(stop)" if target < 0 else f"{symbols[token]} {states[target]}")
