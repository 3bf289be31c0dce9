"""How far a fine-tuning moves away from S between its evaluations: the largest KL(S‖q) of any step."""

import math
from collections.abc import Iterator

import numpy as np

from sim.disk.records import PhaseRecord
from sim.languages.trie import Trie
from sim.metrics.scene import Cell, Evaluation, Metric
from sim.metrics.scored import View
from sim.quantity import Quantity

ROUNDOFF = 2.0**-24
"""The unit roundoff of float32."""


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
    size, length, nodes = trie.vocab_size, trie.length, trie.num_nodes
    each = (2 * size + 14) * math.log(size) + size + 8
    error = ROUNDOFF * (length * each + (size + nodes + 8) * max(0.0, value))
    return Quantity.within_rounding(value - error, value + error, error)


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


METRICS = [
    Metric(
        "largest_fit_kl",
        "max KL(S‖q_t)",
        "nat",
        "largest KL(S‖q_t) of all steps t after the previous evaluation, summed in float32 (finetune.kl_every_step)",
        _largest,
    )
]
