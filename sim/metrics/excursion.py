"""How far a fine-tuning moves away from S between its evaluations: the largest KL(S‖q) of any step, the excursion X."""

import math
from collections.abc import Iterator

import numpy as np

from sim.disk.records import PhaseRecord
from sim.languages.trie import Trie
from sim.metrics.divergence import kl
from sim.metrics.scene import Cell, Evaluation, Metric
from sim.metrics.scored import View
from sim.quantity import Quantity

ROUNDOFF = 2.0**-24
"""The unit roundoff of float32."""

NEAR = 0.05
"""An excursion begins after the first step at which KL(S‖q) is at most this much above KL(S‖q*) [nat]."""


def kl_by_step(phase: PhaseRecord, view: View) -> np.ndarray | None:
    """KL(S‖q_t) [nat per string] after the steps t = 1, 2, ... of a phase, float64[T]; None if it was not recorded.

    The prompt law of the response view is S(x). The numbers were summed in float32, see `rounded`.
    """
    found = phase.kl_every_step
    return None if found is None else found[:, 1] if view == "response" else found.sum(axis=1)


def rounded(value: float, trie: Trie) -> Quantity:
    """Return bounds of a number of `kl_by_step` on a trie, for the logits as they are. An infinite one is exact.

    A first-order bound of the rounding errors, in any order of the sums, if exp and log are off by at most 4 units in
    the last place. At a node with the law S, log q is off by u (|log q| + |z| + V + 8 + 4 log V), where z is a logit
    less the largest one, and a sum of V terms by u V times the sum of their absolute values. With H(S) <= log V and
    cross-entropy H(S) + KL, a node is off by u ((2V + 14) log V + V + 8 + (V + 5) KL). The nodes have the total weight
    E|x| <= L, and adding M of them is off by u (M + 3) KL. Source: N. Higham, 2002, "Accuracy and stability of
    numerical algorithms", chapters 3 and 4.
    """
    if not np.isfinite(value):
        return Quantity.of(value)
    error = float(rounding(np.array(value), trie))
    return Quantity.within_rounding(value - error, value + error, error)


def rounding(values: np.ndarray, trie: Trie) -> np.ndarray:
    """The bound of the rounding errors of finite numbers [nat], which `rounded` derives; same shape."""
    size, length, nodes = trie.vocab_size, trie.length, trie.num_nodes
    each = (2 * size + 14) * math.log(size) + size + 8
    return np.asarray(ROUNDOFF * (length * each + (size + nodes + 8) * np.maximum(0.0, values)))


def excursion(by_step: np.ndarray, start: float, best: float, trie: Trie) -> Quantity | None:
    """X = max over t > t0 of KL(S‖q_t) - KL(S‖q*) [nat]; t0 is the first step with KL(S‖q_t) <= KL(S‖q*) + 0.05.

    by_step: KL(S‖q_t) after the steps 1, 2, ..., float64[T], rounded; start: KL(S‖q_0), so t0 may be 0; best: KL(S‖q*).
    Rounding may hide which step is t0. The bounds hold for every step that it may be: X falls as t0 moves later. X can
    be below 0 if q* differs from S. None if it is not certain that some step before the last one is a t0, or if `best`
    is infinite.
    """
    finite = np.isfinite(by_step)
    error = np.where(finite, rounding(np.where(finite, by_step, 0.0), trie), 0.0)
    if (by_step + error < 0.0).any():
        raise ArithmeticError(f"bounds: KL(S‖q) of at least 0 is required, found {(by_step + error).min()!r} at most")
    lower = np.concatenate([[start], np.maximum(0.0, by_step - error)])  # no KL is below 0
    upper = np.concatenate([[start], by_step + error])
    certain, possible = (np.flatnonzero(ends[:-1] <= best + NEAR) for ends in (upper, lower))
    if not certain.size or not np.isfinite(best):
        return None
    return Quantity(float(lower[certain[0] + 1 :].max()) - best, float(upper[possible[0] + 1 :].max()) - best)


def _largest(evaluation: Evaluation) -> Iterator[Cell]:
    if evaluation.is_truth or evaluation.index == 0:
        return
    world = evaluation.world
    phase = world.record.phases[evaluation.phase]
    found = kl_by_step(phase, world.view)
    if found is not None:
        before = int(phase.steps[evaluation.index - 1])
        largest = float(found[before : evaluation.step].max())
        yield Cell("q", rounded(largest, world.record.p.trie), world.law_names[1])


def _excursion(evaluation: Evaluation) -> Iterator[Cell]:
    """X of a phase that is trained on S, at its last evaluation; nothing if q* is not predicted."""
    world = evaluation.world
    if evaluation.is_truth or not evaluation.meaning.on_s or world.best is None:
        return
    phase = world.record.phases[evaluation.phase]
    found = kl_by_step(phase, world.view)
    if found is None or evaluation.index != len(phase.steps) - 1:
        return
    weights = world.s.log_weights(world.s_law)
    start, best = (kl(world.s.log_q, q.log_q, weights) for q in (world.start(evaluation.phase), world.best))
    x = excursion(found[: evaluation.step], start, best, world.record.p.trie)
    if x is not None:
        yield Cell("X", x, world.law_names[1])


METRICS = [
    Metric(
        "excursion", "X", "nat", "largest KL(S‖q_t) − KL(S‖q*) of all steps after the first within 0.05 nats of q*",
        _excursion,
    ),
    Metric(
        "largest_fit_kl",
        "max KL(S‖q_t)",
        "nat",
        "largest KL(S‖q_t) of all steps t after the previous evaluation, summed in float32 (finetune.kl_every_step)",
        _largest,
    ),
]  # fmt: skip
