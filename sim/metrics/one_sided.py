"""What log-probabilities of another tokenizer's own segmentation say about a model: bounds on one side, or nothing.

Such a model can write a text as several sequences of tokens. The sum over the tokens of one of them, the canonical one,
is a lower bound of log q(y|x), and exact if the others have no mass. So q(⊥) is an upper bound. Every divergence
E_q[f(p/q)] with a convex f falls if mass moves from ⊥, where p = 0, to a listed string: the derivative in q is
f(t) - t f'(t) at t = p/q, and it is largest at t = 0. So KL(P‖q), TV and JS are upper bounds, and so are the gate and
KL(S‖q), which fall as q grows on the list. Masses of events are lower bounds, and at most q(⊥) is missing. An entropy,
an erasure, or a distance between two models can be larger or smaller.
"""

import math

from sim.metrics.scene import Cell, Evaluation
from sim.metrics.support import TIE, off_support_mass
from sim.quantity import Quantity

UPPER = (
    "kl", "total_variation", "jensen_shannon", "off_support", "outside_p", "gate", "style_gate", "kl_lost",
    "coverage_lost", "zeros",
)  # fmt: skip
"""Metrics that are upper bounds. All of them are at least 0."""

MASSES = ("event_mass", "style_mass")
"""Metrics that are probabilities of sets of listed strings."""

POSITIVE = ("entropy", "kept", "erasure", "style_within")
"""Metrics of which nothing more is known than that they are at least 0 [nat]."""

COUNTS = ("hill_1", "hill_2", "hill_inf")
"""Metrics of which nothing more is known than that they are at least 1 [strings]."""


def one_sided(metric: str, cell: Cell, evaluation: Evaluation) -> Cell:
    """Return a number of the canonical segmentation as what it says about the model; [-∞, ∞] if it says nothing."""
    return Cell(cell.of, _bounds(metric, cell, evaluation), cell.law, cell.at)


def _bounds(metric: str, cell: Cell, evaluation: Evaluation) -> Quantity:
    lower, upper = cell.number.lower, cell.number.upper
    if metric in UPPER:
        return Quantity(0.0, upper)
    if metric in MASSES:
        law = evaluation.world.laws.get(cell.law, evaluation.world.p_law)
        return Quantity(lower, min(1.0, max(lower, lower + off_support_mass(evaluation.q, law))))
    if metric == "epsilon_support":
        return Quantity(lower, max(lower, float(math.floor(1.0 / float(cell.at) * (1.0 + TIE)))))
    least = {**dict.fromkeys(POSITIVE, 0.0), **dict.fromkeys(COUNTS, 1.0)}.get(metric, -math.inf)
    return Quantity(least, math.inf)
