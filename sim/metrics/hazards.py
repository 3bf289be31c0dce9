"""The hazard of leaving supp S at a step: under true prefixes, under the model's own prefixes, and their difference.

At a prefix h on supp S, the hazard ε(h) is the probability that the next token leaves supp S: to another string of P,
or to ⊥, out of supp P. Steps are counted from 1. The last step T is the last symbol of the longest answer of S; whether
an answer ends in time after it is not a step. The mean at a step is over the prefixes of S that reach it, or over the
model's own prefixes that are still on supp S. With w(h) = q(h) / S(h), own mean - true mean = Cov_S(w, ε) / E_S[w].
There are rows for the model, and at the truth for P, if P has every string of S.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from sim.metrics.positions import mean_by_position, node_weights
from sim.metrics.scene import Cell, Evaluation, Metric, World
from sim.metrics.scored import Scored
from sim.quantity import Quantity


@dataclass(frozen=True, eq=False)
class Leaving:
    """How a distribution q leaves supp S, step by step. Prompts have the law S(x)."""

    world: World
    q: Scored

    @cached_property
    def on(self) -> np.ndarray:
        """The nodes on supp S: bool[M]."""
        return node_weights(self.world.s, self.world.s_law) > 0.0

    @cached_property
    def to_p(self) -> np.ndarray:
        """Probability that the next token leads from a node on supp S to another string of P: float64[M]; else 0."""
        return self._leaving(self.world.p.edge_log_q > -np.inf)

    @cached_property
    def out(self) -> np.ndarray:
        """Probability that the next token leads from a node on supp S out of supp P: float64[M]; else 0."""
        beyond = self._leaving(self.world.p.edge_log_q == -np.inf)
        return beyond + np.where(self.on, self.q.leak, 0.0)

    def _leaving(self, edges: np.ndarray) -> np.ndarray:
        trie, s = self.world.record.p.trie, self.world.s
        gone = edges & (s.edge_log_q == -np.inf) & self.on[trie.edge_node]
        return np.bincount(trie.edge_node, np.where(gone, np.exp(self.q.edge_log_q), 0.0), trie.num_nodes)

    @cached_property
    def num_steps(self) -> int:
        """T, the number of symbols in the longest answer of S."""
        return int(self.world.s.node_position[self.on].max())

    @cached_property
    def live(self) -> np.ndarray:
        """Probability that a string of S reaches each step, so that it has not ended before: float64[T]."""
        return self._by_step(self.world.s, np.ones(len(self.on)))

    @cached_property
    def own_live(self) -> np.ndarray:
        """Probability that a string of q is still on supp S before each step, and has not ended: float64[T]."""
        return self._by_step(self.q, self.on.astype(np.float64))

    def _by_step(self, law: Scored, values: np.ndarray) -> np.ndarray:
        return mean_by_position(law, values, self.world.s_law)[: self.num_steps]

    def escaped(self, hazard: np.ndarray) -> np.ndarray:
        """Probability that a string of q leaves supp S at each step, for the hazards float64[M]: float64[T]."""
        return self._by_step(self.q, hazard)

    def of_all(self, hazard: np.ndarray) -> np.ndarray:
        """E_S[ε_t], the hazard at each step over all strings of S; ended ones count as 0: float64[T]."""
        return self._by_step(self.world.s, hazard)

    def true(self, hazard: np.ndarray) -> np.ndarray:
        """The mean hazard under true prefixes: float64[T]."""
        return self.of_all(hazard) / self.live

    def own(self, hazard: np.ndarray) -> np.ndarray:
        """The mean hazard under own prefixes: float64[T]; nan where q has no mass on supp S."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.escaped(hazard) / self.own_live)

    def shift(self, hazard: np.ndarray) -> np.ndarray:
        """Cov_S(w, ε_t) / E_S[w]: float64[T]; nan where q has no mass on supp S. It is `own` - `true`."""
        s, q, positions = self.world.s, self.q, self.world.s.node_position
        ratio = np.exp(np.where(self.on, q.node_log_mass, -np.inf) - np.where(self.on, s.node_log_mass, 0.0))
        mean_ratio, mean_hazard = self._by_step(s, ratio) / self.live, self.true(hazard)
        step = np.clip(positions, 0, self.num_steps - 1)
        apart = (ratio - mean_ratio[step]) * (hazard - mean_hazard[step])
        with np.errstate(invalid="ignore"):
            return np.asarray(self._by_step(s, apart) / self.live / mean_ratio)

    def mean(self, by_step: np.ndarray) -> float:
        """The mean over steps, each with the probability that a string of S reaches it."""
        return float(self.live @ by_step / self.live.sum())


def horizons(num_steps: int) -> list[int]:
    """The steps that tables show: 1, 2, 4, ... below T, and T."""
    return [*(2**k for k in range(num_steps.bit_length()) if 2**k < num_steps), *([num_steps] if num_steps else [])]


def walkers(evaluation: Evaluation) -> Iterator[tuple[str, Leaving]]:
    """The distributions that have a next-token law at all prefixes of S, by name: a model, or P if S is within P."""
    world = evaluation.world
    if evaluation.is_truth:
        shown = world.s.log_q + world.s.log_weights(world.s_law) > -np.inf
        found = {"P": world.p} if (world.p.log_q[shown] > -np.inf).all() else {}
    else:
        found = {"q": evaluation.q}
    for of, q in found.items():
        yield of, evaluation.once(("leaving", of), partial(Leaving, world, q))


def _rows(by_step: Callable[[Leaving, np.ndarray], np.ndarray]) -> Callable[[Evaluation], Iterator[Cell]]:
    """The rows of a mean hazard: over all steps, and at the ends of a phase at some steps. A nan gives no row."""

    def measure(evaluation: Evaluation) -> Iterator[Cell]:
        for of, found in walkers(evaluation):
            shown = horizons(found.num_steps)
            hazards = {of: found.to_p + found.out, f"{of} to P": found.to_p, f"{of} to ⊥": found.out}
            for name, hazard in hazards.items() if shown else ():
                values = by_step(found, hazard)
                numbers = {"": found.mean(values)}
                if evaluation.at_end:
                    numbers |= {str(t): float(values[t - 1]) for t in shown}
                for at, value in numbers.items():
                    if not np.isnan(value):
                        yield Cell(name, Quantity.of(value), evaluation.world.law_names[1], at)

    return measure


METRICS = [
    Metric(
        "hazard", "E_S[ε_t]", "1", "probability to leave supp S at a step (column at; else the mean), prefixes of S",
        _rows(Leaving.true),
    ),
    Metric(
        "own_hazard", "E_q[ε_t]", "1", "the same under the model's own prefixes that are still on supp S",
        _rows(Leaving.own),
    ),
    Metric(
        "hazard_shift", "Cov_S(w, ε_t) / E_S[w]", "1", "own minus true hazard, as a covariance with w = q(h)/S(h)",
        _rows(Leaving.shift),
    ),
]  # fmt: skip
