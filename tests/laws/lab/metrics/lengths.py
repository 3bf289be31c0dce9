"""How much of the mass is on long strings, and how large the parameters are."""

from collections.abc import Iterator

import numpy as np

from sim.metrics.scene import Cell, Evaluation, Metric
from sim.quantity import Quantity


def _long(evaluation: Evaluation) -> Iterator[Cell]:
    lengths = evaluation.world.record.p.trie.lengths
    for of, scored, law_name, _ in evaluation.pairs():
        yield Cell(of, Quantity.of(float(np.exp(scored.log_q)[lengths == lengths.max()].sum())), law_name)


def _norm(evaluation: Evaluation) -> Iterator[Cell]:
    if "norm" in evaluation.arrays:
        yield Cell("q", Quantity.of(float(evaluation.arrays["norm"][0])))


METRICS = [
    Metric("long_mass", "q(long)", "1", "probability of the longest strings", _long, section="lengths"),
    Metric("parameter_norm", "‖θ‖", "1", "Euclidean norm of the parameters", _norm),
]
