"""What a model would be if its styles were given the weights that they have in P, and nothing else were changed.

q_w(y|x) = q(y|x) P(z|x) / q(z|x) for the style z of the answer y, with q(z|x) = q(supp P_z | x). Of all weights by
style and prompt these make KL(P‖q_w) least, by Gibbs' inequality, and then it is Σ_z P(z) KL(P_z‖q_z). So what decoding
by style can undo is the gate, and what is wrong within the styles remains.
"""

from collections.abc import Iterator

import numpy as np

from sim.metrics.divergence import kl
from sim.metrics.elsewhere import on_support
from sim.metrics.scene import Cell, Evaluation, Metric, World
from sim.metrics.scored import Scored
from sim.numerics import log_group_sum
from sim.quantity import Quantity


def reweighted(world: World, q: Scored) -> np.ndarray:
    """log q_w(y|x) [nat]: float64[N]; -inf where q is 0 and off supp P. Raises ValueError if styles overlap."""
    styles = world.record.p.styles
    assert styles is not None, "only worlds with styles have weights of styles"
    cell = q.group * len(styles.names) + styles.of
    number = q.num_groups * len(styles.names)
    inside = on_support(world, q)
    wanted, found = (log_group_sum(one, cell, number)[cell] for one in (world.p.log_q, inside))
    return np.where(inside > -np.inf, inside + wanted - np.where(inside > -np.inf, found, 0.0), -np.inf)


def _reweighted_kl(evaluation: Evaluation) -> Iterator[Cell]:
    world, styles = evaluation.world, evaluation.world.record.p.styles
    if evaluation.is_truth or styles is None or not styles.disjoint:
        return
    log_q = reweighted(world, evaluation.q)
    value = kl(world.p.log_q, log_q, evaluation.q.log_weights(world.p_law))
    yield Cell("P||q_w", Quantity.of(value), world.law_names[0])


METRICS = [
    Metric(
        "reweighted_kl", "KL(P‖q_w)", "nat", "divergence from P if the styles got their weights back",
        _reweighted_kl,
    )
]  # fmt: skip
