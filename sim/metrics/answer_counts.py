"""How many answers per prompt the model is worth, on the prompts that S shows, given the prompt and under S(x).

A law that is fitted exactly to m independent answers has E C = C + (1 - C) / m and E|S - P|^2 = (1 - C) / m, with
C = C(P_x). So both `excess_collision` and its analogue by distance are 1/m in the mean, and their inverses estimate the
number m_eff of independent answers. Average the excess over worlds, and invert afterwards: it may be below 0 in one
world, while its inverse, m_eff, is then +inf. All numbers are ratios of means over prompts.
"""

import math
from collections.abc import Iterator

import numpy as np

from sim.metrics.diversity import collision, collision_interval
from sim.metrics.memorisation import rho, tuned
from sim.metrics.scene import Cell, Evaluation, Metric, World
from sim.metrics.scored import Scored, average
from sim.quantity import Quantity
from sim.theory.answers import effective_answers


def number_drawn(world: World, independent: bool = False) -> float | None:
    """The number m of answers that were drawn for each prompt of S, from a note of the restriction; None if none were.

    With `independent` they must be draws from P itself, so those of a tempered annotator do not count.
    """
    notes = world.record.restricted.notes
    return None if independent and "temperature" in notes else notes.get("num_answers")


def variety(world: World) -> float:
    """E_S(x) [1 - C(P_x)], the probability that two answers of P to a prompt of S differ."""
    return 1.0 - collision(world.p.log_q, world.p.log_weights(world.s_law))


def excess(world: World, q: Scored) -> Quantity | None:
    """E_S(x) [C(q_x) - C(P_x)] / E_S(x) [1 - C(P_x)]; None if P has one answer to each prompt. It may be below 0."""
    room = variety(world)
    gap = collision_interval(q, world.s_law) - Quantity.of(1.0 - room)
    return gap.scaled(1.0 / room) if room > 0.0 else None


def distance(world: World, q: Scored) -> Quantity:
    """E_S(x) sum_y (q - P)^2, over all strings. Those off the support add at most the sum of the squared exits."""
    weight = np.exp(q.log_weights(world.s_law))
    on = float((weight * (np.exp(q.log_q) - np.exp(world.p.log_q)) ** 2).sum())
    return Quantity(on, on + average(world.s_law, q.exit_square))


def inverse(value: float) -> float:
    """1 / value; +inf for a value of at most 0, because no finite number of answers is so diverse."""
    return math.inf if value <= 0.0 else 1.0 / value


def _subject(evaluation: Evaluation) -> tuple[str, Scored] | None:
    """The data at the truth, and the model after the pretraining; None in the joint view and otherwise."""
    if evaluation.is_truth:
        return ("S", evaluation.world.s) if evaluation.world.view == "response" else None
    return ("q", evaluation.q) if tuned(evaluation) else None


def _excess(evaluation: Evaluation) -> Iterator[Cell]:
    if (one := _subject(evaluation)) is not None and (found := excess(evaluation.world, one[1])) is not None:
        yield Cell(one[0], found, evaluation.world.law_names[1])


def _m_eff(evaluation: Evaluation) -> Iterator[Cell]:
    world, one = evaluation.world, _subject(evaluation)
    number = number_drawn(world, independent=True)
    if number is None or one is None:
        return
    if (found := excess(world, one[1])) is not None:
        yield Cell(f"C({one[0]})", found.decreasing(inverse), world.law_names[1])
    if not evaluation.is_truth and (share := rho(world, evaluation.q)) is not None:
        yield Cell("m/rho^2", Quantity.of(effective_answers(number, share)), world.law_names[1])


def _m_dist(evaluation: Evaluation) -> Iterator[Cell]:
    world, one = evaluation.world, _subject(evaluation)
    if one is not None and (room := variety(world)) > 0.0:
        yield Cell(one[0], distance(world, one[1]).scaled(1.0 / room).decreasing(inverse), world.law_names[1])


METRICS = [
    Metric(
        "excess_collision", "1/m_eff", "1", "excess of the collision probability over P's, as a share of 1 − C(P)",
        _excess,
    ),
    Metric(
        "m_eff", "m_eff", "answers", "number of drawn answers per prompt with this collision probability, and m/ρ̂²",
        _m_eff,
    ),
    Metric(
        "m_dist", "m_dist", "answers", "number of drawn answers per prompt whose law is so far from P", _m_dist,
    ),
]  # fmt: skip
