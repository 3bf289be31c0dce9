"""The expected number of steps off the path of S: once off always off (`steps_off`), or with returns (`tokens_off`).

Steps are counted as in `hazards`, and prompts have the law S(x). Up to a step t:

* `steps_off` counts the steps after which the prefix is no prefix of a string of S. A string that left supp S never
  comes back, so the number is exact, whatever the model does afterwards.
* `tokens_off` counts the steps whose token S never has at this step of an answer to the prompt. A walk can come back.
  What happens after a leak off the list of strings is not recorded. The leaking token counts; the tokens after it
  count in the upper end only. After the end of an answer the token is EOS: a walk that breaks off stays off, unless
  strings of S have ended too.

`recovery` is the probability that the next token is one that S has there, at prefixes whose last token is not.
The rows "E_S[ε]" are what a walker of two states predicts (`sim.theory.horizon`) from hazards under true prefixes, and
for `tokens_off` from recoveries under the prefixes of P.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.metrics.hazards import Leaving, horizons, walkers
from sim.metrics.positions import node_weights
from sim.metrics.scene import Cell, Evaluation, Metric, World
from sim.metrics.scored import Scored
from sim.numerics import EOS
from sim.quantity import Quantity
from sim.theory.horizon import steps_off

ROUNDING = 1e-9
"""What rounding may add to a probability."""


@dataclass(frozen=True, eq=False)
class Known:
    """The tokens that S has at each step of an answer to each prompt, and what this says of nodes and edges."""

    world: World
    num_steps: int

    @cached_property
    def table(self) -> np.ndarray:
        """Whether S has a token at a step: bool[G, T, V]. EOS stands for every step after the end, too."""
        world, trie, T = self.world, self.world.record.p.trie, self.num_steps
        found = np.zeros((world.s.num_groups, T, trie.vocab_size), bool)
        edges = self._edges & (node_weights(world.s, world.s_law)[trie.edge_node] > 0.0)
        edges &= world.s.edge_log_q > -np.inf
        found[self.group[edges], self.step[edges], trie.edge_token[edges]] = True
        found[:, :, EOS] = np.logical_or.accumulate(found[:, :, EOS], axis=1)
        return found

    @cached_property
    def group(self) -> np.ndarray:
        """The prompt of each edge: int[E]; -1 inside prompts."""
        return self.world.s.node_group[self.world.record.p.trie.edge_node]

    @cached_property
    def step(self) -> np.ndarray:
        """The step of the token of each edge, from 0: int[E]; -1 inside prompts."""
        return self.world.s.node_position[self.world.record.p.trie.edge_node]

    @property
    def _edges(self) -> np.ndarray:
        return (self.step >= 0) & (self.step < self.num_steps)

    @cached_property
    def strange(self) -> np.ndarray:
        """The edges whose token S does not have at their step: bool[E]; False beyond the last step."""
        known = np.ones(len(self.step), bool)
        at = np.flatnonzero(self._edges)
        known[at] = self.table[self.group[at], self.step[at], self.world.record.p.trie.edge_token[at]]
        return ~known

    @cached_property
    def off(self) -> np.ndarray:
        """The nodes whose last token S does not have at its step: bool[M]."""
        trie = self.world.record.p.trie
        found = np.zeros(trie.num_nodes, bool)
        inner = self.strange & (trie.edge_child >= 0)
        found[trie.edge_child[inner]] = True
        return found

    def mass(self, weights: np.ndarray, edges: np.ndarray) -> np.ndarray:
        """Sum of the weights float64[E] of some edges at each step: float64[T]."""
        chosen = edges & self._edges
        return np.bincount(self.step[chosen], weights[chosen], self.num_steps)

    def nodes(self, weights: np.ndarray) -> np.ndarray:
        """Sum of the weights float64[M] of nodes at each step: float64[T]."""
        position = self.world.s.node_position
        chosen = (position >= 0) & (position < self.num_steps)
        return np.bincount(position[chosen], weights[chosen], self.num_steps)


def tokens_off(known: Known, q: Scored) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the expected number of tokens up to each step that S does not have there: two float64[T]."""
    world, trie, T = known.world, known.world.record.p.trie, known.num_steps
    at_node = node_weights(q, world.s_law)
    weights = at_node[trie.edge_node] * np.exp(q.edge_log_q)
    listed = known.mass(weights, known.strange)
    ends = (trie.edge_token == EOS) & (known.step >= 0) & (known.step < T)
    cell = known.group[ends] * T + known.step[ends]
    ended = np.bincount(cell, weights[ends], world.s.num_groups * T).reshape(-1, T)
    before = np.cumsum(ended, axis=1) - ended
    after_end = (before * ~known.table[:, :, EOS]).sum(axis=0)
    leaks = known.nodes(at_node * q.leak)
    lower = np.cumsum(listed + after_end + leaks)
    leaked_before = np.concatenate([np.zeros(1), np.cumsum(leaks)[:-1]])
    return lower, lower + np.cumsum(leaked_before)


def recoveries(known: Known, law: Scored, q: Scored) -> np.ndarray:
    """Mean probability that the next token of q is one that S has there, at prefixes that are off: float64[T].

    The mean is over the prefixes of `law` that have not ended; nan where it has none that are off.
    """
    trie = known.world.record.p.trie
    at_node = np.where(known.off, node_weights(law, known.world.s_law), 0.0)
    back = known.mass(at_node[trie.edge_node] * np.exp(q.edge_log_q), ~known.strange)
    with np.errstate(invalid="ignore"):
        return np.asarray(back / known.nodes(at_node))


def strange_hazards(known: Known, q: Scored) -> np.ndarray:
    """E_S of the probability that the next token is one that S does not have there, or leaks: float64[T]."""
    world, trie = known.world, known.world.record.p.trie
    at_node = node_weights(world.s, world.s_law)
    strange = known.mass(at_node[trie.edge_node] * np.exp(q.edge_log_q), known.strange)
    return np.asarray(strange + known.nodes(at_node * q.leak))


def _at_most_one(probabilities: np.ndarray) -> np.ndarray:
    """Return probabilities that rounding may have lifted above 1. Raises ArithmeticError if it was more than that."""
    if (probabilities > 1.0 + ROUNDING).any():
        raise ArithmeticError(f"hazards: at most 1 is required, found {probabilities.max()!r}")
    return np.minimum(probabilities, 1.0)


def _known(evaluation: Evaluation) -> Known:
    world = evaluation.world
    return world.truth.once("tokens of S", lambda: Known(world, Leaving(world, world.s).num_steps))


def _shown(evaluation: Evaluation, num_steps: int) -> dict[str, int]:
    """What the column `at` shows, and the step that it stands for: "" for the last one."""
    if not num_steps:
        return {}
    return {"": num_steps} | ({str(t): t for t in horizons(num_steps)} if evaluation.at_end else {})


def _steps_off(evaluation: Evaluation) -> Iterator[Cell]:
    for of, found in walkers(evaluation):
        hazard = found.to_p + found.out
        by_step = np.cumsum(np.cumsum(found.escaped(hazard)))
        true = _at_most_one(found.of_all(hazard))
        predicted = steps_off(true, np.zeros(len(true)))
        for at, t in _shown(evaluation, found.num_steps).items():
            yield Cell(of, Quantity.of(float(by_step[t - 1])), evaluation.world.law_names[1], at)
            yield Cell(f"{of}, E_S[ε]", Quantity.of(float(predicted[t - 1])), evaluation.world.law_names[1], at)


def _tokens_off(evaluation: Evaluation) -> Iterator[Cell]:
    known = _known(evaluation)
    for of, walker in walkers(evaluation):
        q = walker.q
        lower, upper = tokens_off(known, q)
        back = recoveries(known, evaluation.world.p, q)
        back = np.where(np.isnan(back), 0.0, back)  # nobody can come back at a step at which P is never off
        predicted = steps_off(_at_most_one(strange_hazards(known, q)), _at_most_one(back))
        for at, t in _shown(evaluation, known.num_steps).items():
            bounds = Quantity(float(lower[t - 1]), float(upper[t - 1]))
            yield Cell(of, bounds, evaluation.world.law_names[1], at)
            yield Cell(f"{of}, E_S[ε]", Quantity.of(float(predicted[t - 1])), evaluation.world.law_names[1], at)


def _recovery(evaluation: Evaluation) -> Iterator[Cell]:
    """Recovery under the prefixes of P and under the model's own, at some steps. No row where no prefix is off."""
    known = _known(evaluation)
    for of, walker in walkers(evaluation) if evaluation.at_end else ():
        for name, law in ((of, evaluation.world.p), (f"{of}, own", walker.q)):
            values = recoveries(known, law, walker.q)
            for t in horizons(known.num_steps):
                if not np.isnan(values[t - 1]):
                    yield Cell(name, Quantity.of(float(values[t - 1])), evaluation.world.law_names[1], str(t))


METRICS = [
    Metric(
        "steps_off", "J", "steps", "expected number of steps off supp S up to a step (column at; else the last)",
        _steps_off,
    ),
    Metric(
        "tokens_off", "J with returns", "steps", "expected number of tokens that S never has there, up to a step",
        _tokens_off,
    ),
    Metric(
        "recovery", "r_t", "1", "probability of a token that S has at a step, after one that it has not, prefixes of P",
        _recovery,
    ),
]  # fmt: skip
