"""The law of a deterministic automaton, and what the laws of all machines share."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.languages.automaton import Automaton
from sim.languages.hidden import HiddenAutomaton
from sim.laws._arcs import Arcs
from sim.laws._given import OfLanguage
from sim.laws.protocol import Batch, Uses, lengths_of, tokens_of
from sim.numerics import EOS


class MachineLaw(OfLanguage, ABC):
    """What the laws of automata and of hidden automata have in common. Its parts are starts, arcs and stops."""

    language: Automaton | HiddenAutomaton

    @cached_property
    def arcs(self) -> Arcs:
        """The parts: first the starts, then for each state its stop and its arcs. `arcs.log_p` are their logs [nat]."""
        return Arcs.of(self.language)

    @property
    def parts(self) -> tuple[str, ...]:
        """The starts, arcs and stops, as `(start) -> A`, `A -> a B` and `A -> (stop)`."""
        return self.arcs.names

    def sample(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """Draw `number` independent strings: int32[number, T], each with at least one EOS at its end.

        Raises `SpecificationError` if strings have more than 10^6 symbols on average, or together more than 2^28.
        """
        return self.arcs.strings(rng, number)

    @abstractmethod
    def latent_entropy(self) -> float:
        """Entropy of the paths [nat], exact. It is H(P) if every string has one path, else it is larger."""


@dataclass(frozen=True, eq=False)
class AutomatonLaw(MachineLaw):
    """The law of a deterministic automaton, a `sim.laws.protocol.Law`: a prefix has one state, so a batch is a walk.

    Logs of arcs are added, so nothing underflows, and a token takes one look into a table.
    """

    language: Automaton

    @cached_property
    def _tables(self) -> tuple[np.ndarray, np.ndarray]:
        """The next state and the log-probability of every token: int[S + 1, V], float64[S + 1, V].

        Row S, which is row -1 too, is where no state is: behind the end, and behind an impossible token.
        """
        automaton = self.language
        table = np.where(automaton.arcs, automaton.next_state, -1)
        log_p = np.where(automaton.arcs, automaton.arc_log_prob, -np.inf)
        log_p[:, EOS] = automaton.arc_log_prob[:, EOS]
        return np.pad(table, ((0, 1), (0, 0)), constant_values=-1), np.pad(log_p, ((0, 1), (0, 0)))

    def _walked(self, batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The tokens with one more EOS [N, T + 1], the states before each of them, and log P of the row up to it.

        The states are int[N, T + 2], -1 behind the end and behind an impossible token; the logs are float64[N, T + 2].
        """
        tokens = np.pad(tokens_of(batch, len(self.vocabulary)), ((0, 0), (0, 1)))
        table, log_arc = self._tables
        state = np.full((len(tokens), tokens.shape[1] + 1), -1)
        log_p = np.zeros(state.shape)
        state[:, 0] = self.language.start
        for t, token in enumerate(tokens.T):
            state[:, t + 1] = table[state[:, t], token]
            log_p[:, t + 1] = log_p[:, t] + log_arc[state[:, t], token]
        return tokens, state, log_p

    def log_prob(self, batch: Batch) -> np.ndarray:
        """log P(x) [nat] of every string, its end included: float64[N]; -inf outside the support."""
        return self._walked(batch)[2][:, -1]

    def prefix_log_prob(self, batch: Batch) -> np.ndarray:
        """log P(a string begins with the first t tokens of the row) [nat], for t = 0 ... T: float64[N, T + 1]."""
        return self._walked(batch)[2][:, :-1]

    def next_token(self, batch: Batch) -> np.ndarray:
        """P(next token | the first t tokens of the row), EOS first, for t = 0 ... T: float64[N, T + 1, V].

        Rows after an impossible prefix are 0. After the end of a possible string, the next token is EOS.
        """
        tokens, state, log_p = self._walked(batch)
        law: np.ndarray = np.pad(self.language.prob, ((0, 1), (0, 0)))[state[:, :-1]]
        ended = np.arange(tokens.shape[1]) > lengths_of(tokens)[:, None]
        law[ended & (log_p[:, -1:] > -np.inf), EOS] = 1.0
        return law

    def parse(self, batch: Batch) -> Uses:
        """The start, the arcs and the stop of every possible string, each with the expectation 1."""
        tokens, state, log_p = self._walked(batch)
        number = np.zeros(self.language.prob.shape, np.int64)
        number[self.arcs.source[1:], self.arcs.token[1:]] = np.arange(1, len(self.arcs.token))
        lengths = lengths_of(tokens)
        here = (np.arange(tokens.shape[1]) <= lengths[:, None]) & (log_p[:, -1:] > -np.inf)
        string, begin = np.nonzero(here)
        part = number[state[string, begin], tokens[string, begin]]
        end = begin + (tokens[string, begin] != EOS)
        first = np.flatnonzero(begin == 0)  # a start stands before what comes first
        place = np.insert(begin, first, 0), np.insert(end, first, 0)
        found = np.insert(string, first, string[first]), np.insert(part, first, 0), *place
        return Uses(*found, np.ones(len(place[0])))

    def latent_entropy(self) -> float:
        """Entropy of the paths [nat], exact. It is H(P), because every string has one path."""
        return self.language.entropy()
