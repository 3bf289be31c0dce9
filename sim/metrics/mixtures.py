"""What mixing laws would have done where parameters are averaged: an edit that is a mean, beside mixtures of its parts.

The record says of which phases an edit is the mean, with their weights w_i (`Meaning.parts`). Their last models q_i are
mixed in three ways, which the column `at` names:

* arithmetic: m(y|x) = Σ w_i q_i(y|x), an ensemble of which one model is drawn for every answer. Exact.
* geometric per token: m(a|h) = Π q_i(a|h)^w_i / Z(h), with Z(h) the sum over all V tokens: an ensemble of logits. It is
  the trie table whose parameters are averaged.
* geometric per string: m(y|x) = Π q_i(y|x)^w_i / Z(x). It is the flat table whose parameters are averaged.

Then KL(P‖m) = Σ w_i KL(P‖q_i) + E_P Σ log Z for both geometric mixtures, and log Z is at most 0, by Hölder's
inequality. So, like the arithmetic one, they are at most as far from P, and from S, as the q_i are on average.
Z(h) is recorded with the edit (`mixture_log_z`, see `sim.training.mixture`). Z(x) is known between the sum over the
listed strings and this sum plus Π q_i(⊥|x)^w_i, the most that all others can add (Hölder again). So numbers of the
last kind are bounded, and exact for models that write nothing else.
Source: C. Genest and J. V. Zidek, 1986, "Combining probability distributions: a critique and an annotated
bibliography", for linear and logarithmic pools.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np

from sim.metrics.divergence import kl
from sim.metrics.scene import Cell, Evaluation, Metric, World
from sim.metrics.scored import Scored, no_leak
from sim.numerics import log_group_sum
from sim.quantity import Quantity

Parts: TypeAlias = Sequence[tuple[float, Scored]]
"""Weights above 0, which sum to 1, and models."""

Ends: TypeAlias = tuple[np.ndarray, np.ndarray]
"""log m(y|x) of the listed strings, between two bounds [nat]: float64[N] both, the lower one first."""

ARITHMETIC, BY_TOKEN, BY_STRING = "arithmetic", "geometric per token", "geometric per string"


def parts(evaluation: Evaluation) -> Parts:
    """The weights and the last models of the phases whose parameters were averaged; empty for any other model."""
    if evaluation.is_truth:
        return ()
    return [(weight, evaluation.world.scored(phase, -1)) for phase, weight in evaluation.meaning.parts]


def arithmetic(mixed: Parts) -> Ends:
    """log Σ w_i q_i(y|x). Both ends are equal."""
    found = np.logaddexp.reduce([np.log(weight) + q.log_q for weight, q in mixed])
    return found, found


def geometric_by_string(mixed: Parts) -> Ends:
    """log of Π q_i(y|x)^w_i / Z(x). The lower end has the largest Z(x)."""
    group = mixed[0][1].group
    product, off = _product(mixed, lambda q: q.log_q), _product(mixed, lambda q: _log(q.off))
    listed = log_group_sum(product, group, len(off))
    return _quotient(product, np.logaddexp(listed, off)[group]), _quotient(product, listed[group])


def geometric_by_token(world: World, mixed: Parts, log_z: np.ndarray) -> Ends:
    """log of the product over tokens of Π q_i(a|h)^w_i / Z(h), with log Z(h) at every node. Both ends are equal."""
    trie = world.record.p.trie
    log_m = _quotient(_product(mixed, lambda q: q.edge_log_q), log_z[trie.edge_node])
    found = world.trie.score(no_leak(log_m, trie.num_nodes)).log_q
    return found, found


def _product(mixed: Parts, log_of: Callable[[Scored], np.ndarray]) -> np.ndarray:
    """log Π f_i^w_i of some positive numbers of every model; -inf where one is 0, because all weights are above 0."""
    return np.asarray(sum(weight * log_of(q) for weight, q in mixed))


def _log(values: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(values)


def _quotient(product: np.ndarray, log_z: np.ndarray) -> np.ndarray:
    """The quotient; 0 where Z is 0, because no token or string has a positive probability in every q_i there."""
    return np.where(product > -np.inf, product - np.where(log_z > -np.inf, log_z, 0.0), -np.inf)


def _mixture_kl(evaluation: Evaluation) -> Iterator[Cell]:
    world, mixed = evaluation.world, parts(evaluation)
    if not mixed:
        return
    found = {ARITHMETIC: arithmetic(mixed), BY_STRING: geometric_by_string(mixed)}
    if "mixture_log_z" in evaluation.arrays:
        found[BY_TOKEN] = geometric_by_token(world, mixed, evaluation.arrays["mixture_log_z"])
    truths = (("P||m", world.p, world.p_law, world.law_names[0]), ("S||m", world.s, world.s_law, world.law_names[1]))
    for of, truth, log_law, law in truths:
        weights = truth.log_weights(log_law)
        for at, (lower, upper) in found.items():
            least, most = (kl(truth.log_q, log_m, weights) for log_m in (upper, lower))
            yield Cell(of, Quantity(least, most), law, at)


METRICS = [
    Metric(
        "mixture_kl", "KL(P‖m)", "nat",
        "divergence of a mixture (column at) of the models whose parameters were averaged, from P and from S",
        _mixture_kl,
    )
]  # fmt: skip
