"""What a model says about the lost answers, given that one of them is said."""

from collections.abc import Iterator

import numpy as np

from sim.metrics.divergence import kl
from sim.metrics.forgetting import log_event
from sim.metrics.scene import Cell, Evaluation, Metric
from sim.metrics.scored import share
from sim.metrics.split import lost
from sim.quantity import Quantity


def _kl_lost_given(evaluation: Evaluation) -> Iterator[Cell]:
    """KL(P_B‖q(. | B)) under the prompts of P_B. Nothing if nothing is lost, or if q(B|x) = 0 at such a prompt."""
    world, gone = evaluation.world, lost(evaluation.world)
    if evaluation.is_truth or not gone.any():
        return
    language = world.truth.once("P_B", lambda: world.record.p.condition(gone)[0])
    p_b, law = world.truth.once("P_B scored", lambda: world.of(language)), world.law_of(language)
    mass, q = log_event(evaluation.q, gone), evaluation.q
    if (mass[law > -np.inf] > -np.inf).all():
        inside = share(np.where(gone, q.log_q, -np.inf), mass, q.group)
        value = kl(p_b.log_q, inside, p_b.log_weights(law))
        yield Cell("P_B||q_B", Quantity.of(value), "P_B(x)" if world.view == "response" else "")


METRICS = [
    Metric(
        "kl_lost_given", "KL(P_B‖q(·|B))", "nat", "divergence from P_B, given that the model says what S leaves out",
        _kl_lost_given,
    )
]  # fmt: skip
