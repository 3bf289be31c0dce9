"""Rows of what S leaves out under its own prompts: its mass m_t, and how fast the recorded kernel says that it falls.

docs/laws.md has the laws. They hold for SGD with exact gradients and a loss on what the view looks at.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sim.metrics.scene import Cell, Evaluation, Metric, World
from sim.metrics.tangent import of_this_view
from sim.numerics import expectation
from sim.quantity import Quantity
from sim.theory.kernel import slowest, unpacked


class Target(NamedTuple):
    """S(x) S(y|x), float64[N], and the strings of P that S leaves out of its own prompts, bool[N]."""

    s: np.ndarray
    lost: np.ndarray


def target(world: World) -> Target | None:
    """What a fine-tuning on S goes for; None if S leaves nothing out of its own prompts."""
    log_s = world.s.log_weights(world.s_law) + world.s.log_q
    lost = (world.p.log_q > -np.inf) & (world.s.log_q == -np.inf) & (world.s_law[world.s.group] > -np.inf)
    return Target(np.exp(log_s), lost) if lost.any() else None


def _target(evaluation: Evaluation) -> Target | None:
    world = evaluation.world
    return None if evaluation.is_truth else world.truth.once("target of S", lambda: target(world))


def _log_lost(evaluation: Evaluation, lost: np.ndarray) -> np.ndarray:
    """log S(x) q(y|x) of the lost strings, else -inf: float64[N]."""
    world, q = evaluation.world, evaluation.q
    return np.where(lost, q.log_weights(world.s_law) + q.log_q, -np.inf)


def _lost_mass(evaluation: Evaluation) -> Iterator[Cell]:
    if (aim := _target(evaluation)) is not None:
        mass = expectation(_log_lost(evaluation, aim.lost), np.ones(len(aim.lost)))
        yield Cell("q", Quantity.of(mass), evaluation.world.law_names[1])


def _kernel(evaluation: Evaluation) -> tuple[Target, np.ndarray] | None:
    """The target and the recorded kernel; None if there is none, or if it is about another view."""
    if "kernel" not in evaluation.arrays or not of_this_view(evaluation.world):
        return None
    aim = _target(evaluation)
    return None if aim is None else (aim, unpacked(evaluation.arrays["kernel"]))


def _limit(evaluation: Evaluation) -> Iterator[Cell]:
    if (found := _kernel(evaluation)) is not None:
        (s, lost), kernel = found
        best = slowest(kernel, s, lost, evaluation.world.s.group)
        yield Cell("q", Quantity.of(1.0 / best.kappa), evaluation.world.law_names[1])


def _speed(evaluation: Evaluation) -> Iterator[Cell]:
    """-wᵀ K (S - q) / m with w = q_B / m: exact in the limit of small steps. Nothing where q loses all."""
    if (found := _kernel(evaluation)) is None:
        return
    (s, lost), kernel = found
    world, q = evaluation.world, evaluation.q
    mass = expectation(_log_lost(evaluation, lost), np.ones(len(lost)))
    if mass > 0.0:
        w = np.exp(_log_lost(evaluation, lost)) / mass
        v = (s - np.exp(q.log_weights(world.s_law) + q.log_q)) / mass
        yield Cell("q", Quantity.of(float(-w @ kernel @ v)), world.law_names[1])


METRICS = [
    Metric("lost_mass", "m", "1", "mass of what S leaves out of its own prompts", _lost_mass),
    Metric(
        "kernel_limit", "1/κ", "1", "limit of lr t m_t under SGD, by the kernel at this model", _limit,
    ),
    Metric("kernel_speed", "d(1/m)/d(lr t)", "1", "speed of 1/m_t under SGD, by the kernel at this model", _speed),
]  # fmt: skip
