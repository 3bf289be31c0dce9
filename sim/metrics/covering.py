"""Whether a model neglects the rare answers: the slope of log q(y|x) - log r(y|x) on log r(y|x), for r = S and r = P.

The fit is weighted least squares with an intercept for each prompt, because normalisers differ by prompt. So a model
q_x proportional to r_x^(1/tau) has exactly the slope 1/tau - 1: below 0 if it is flatter than r, above 0 if it is
sharper, and 0 if it covers r. So 1 / (1 + slope) is a fitted temperature. The column `at` names the weights of the
answers to a prompt, which together have the weight of the prompt law: `mass` weighs them by r(y|x), `equal` equally.
Only answers with r > 0 count. There is no row if q is 0 at one of them, or if r is uniform over its answers to every
prompt.
"""

from collections.abc import Iterator

import numpy as np

from sim.metrics.elsewhere import laws
from sim.metrics.memorisation import SAME, tuned
from sim.metrics.scene import Cell, Evaluation, Metric
from sim.metrics.scored import Scored
from sim.quantity import Quantity


def slope(r: Scored, q: Scored, log_law: np.ndarray, equal: bool = False) -> float | None:
    """The slope of log(q/r) on log r with an intercept for each prompt [1]; None where it does not exist."""
    inside = (r.log_q > -np.inf) & (r.log_weights(log_law) > -np.inf)
    log_r, log_q, group = r.log_q[inside], q.log_q[inside], r.group[inside]
    if not inside.any() or (log_q == -np.inf).any():
        return None
    own = np.ones(len(group)) if equal else np.exp(log_r)
    size = np.bincount(group, own, r.num_groups)
    weight = np.exp(log_law[group]) * own / size[group]

    def centred(values: np.ndarray) -> np.ndarray:
        return np.asarray(values - (np.bincount(group, own * values, r.num_groups)[group] / size[group]))

    x, y = centred(log_r), centred(log_q - log_r)
    if np.abs(x).max() <= SAME:
        return None
    return float((weight * x * y).sum() / (weight * x**2).sum())


def _slope(evaluation: Evaluation) -> Iterator[Cell]:
    world = evaluation.world
    if world.view == "joint" or not (evaluation.is_truth or tuned(evaluation)):
        return
    name, q = ("S", world.s) if evaluation.is_truth else ("q", evaluation.q)
    shown = {world.law_names[1]: world.s_law}
    pairs = [("P", world.p, shown if evaluation.is_truth else laws(world))]
    pairs += [] if evaluation.is_truth else [("S", world.s, shown)]
    for reference, r, averaged in pairs:
        for law, log_law in averaged.items():
            for at in ("mass", "equal"):
                if (found := slope(r, q, log_law, at == "equal")) is not None:
                    yield Cell(f"{reference},{name}", Quantity.of(found), law, at)


METRICS = [
    Metric(
        "covering_slope", "d log(q/r) / d log r", "1",
        "how the model treats rare answers; it is 1/τ − 1 for a model ∝ r^(1/τ) (weights in column at)", _slope,
    )
]  # fmt: skip
