"""What the data show and do not show: answers seen, unseen and invalid; diversity on prompts that S never shows.

All numbers are given the prompt (response view). The prompts that S shows have the law S(x), the others
P(x | S(x) = 0).
"""

from collections.abc import Iterator

import numpy as np

from sim.metrics.answer_counts import number_drawn
from sim.metrics.divergence import unshown
from sim.metrics.diversity import collision_interval
from sim.metrics.entropy import entropy_interval
from sim.metrics.scene import Cell, Evaluation, Metric, World
from sim.metrics.scored import Scored, average
from sim.quantity import Quantity


def split(world: World, q: Scored) -> dict[str, np.ndarray]:
    """q(. | x) of three sets of strings, for each prompt, float64[G] each; they sum to 1.

    seen: the answers to x in the data, S(y|x) > 0; unseen: other answers that P can give to x; invalid: all others.
    """
    has, valid = world.s.log_q > -np.inf, world.p.log_q > -np.inf
    mass = np.exp(q.log_q)

    def total(inside: np.ndarray) -> np.ndarray:
        return np.bincount(q.group, np.where(inside, mass, 0.0), q.num_groups)

    return {"seen": total(has), "unseen": total(valid & ~has), "invalid": total(~valid & ~has) + q.off}


def seen_once(world: World, number: float) -> np.ndarray:
    """f_1 / m of each prompt, float64[G]: Good and Turing's estimate of P(unseen | x) from m answers.

    Raises ArithmeticError if the shares of S are not those of m answers.
    """
    counts = number * np.exp(world.s.log_q)
    whole = np.rint(counts)
    if np.abs(counts - whole).max() > 1e-6:
        raise ArithmeticError(f"counts of {number:g} answers are required in S, found {counts.tolist()[:8]}")
    return np.asarray(np.bincount(world.s.group, whole == 1.0, world.s.num_groups) / number)


def _subjects(evaluation: Evaluation) -> dict[str, Scored]:
    """P at the truth, and every model; empty in the joint view."""
    if evaluation.world.view == "joint":
        return {}
    return {"P": evaluation.world.p} if evaluation.is_truth else {"q": evaluation.q}


def _answer_mass(evaluation: Evaluation) -> Iterator[Cell]:
    world = evaluation.world
    for of, one in _subjects(evaluation).items():
        for law, log_law in ({world.law_names[1]: world.s_law} | unshown(world)).items():
            for at, mass in split(world, one).items():
                if at != "seen" or log_law is world.s_law:
                    yield Cell(of, Quantity.of(average(log_law, mass)), law, at)


def _good_turing(evaluation: Evaluation) -> Iterator[Cell]:
    world = evaluation.world
    number = number_drawn(world)
    if evaluation.is_truth and world.view == "response" and number is not None:
        value = average(world.s_law, seen_once(world, number))
        yield Cell("S", Quantity(value, value, "estimated", value, level=0.0, count=int(number), method="Good-Turing"),
                   world.law_names[1])  # fmt: skip


def _collision(evaluation: Evaluation) -> Iterator[Cell]:
    world = evaluation.world
    others = {"S": world.s} if evaluation.is_truth else {}
    for of, one in (_subjects(evaluation) | others).items() if world.view == "response" else ():
        for law, log_law in (world.laws | unshown(world)).items():
            if not evaluation.is_truth or one.covers(log_law):
                yield Cell(of, collision_interval(one, log_law), law)


def _entropy(evaluation: Evaluation) -> Iterator[Cell]:
    for of, one in _subjects(evaluation).items():
        for law, log_law in unshown(evaluation.world).items():
            yield Cell(of, entropy_interval(one, log_law), law)


METRICS = [
    Metric(
        "answer_mass", "q(seen), q(unseen), q(⊥)", "1",
        "mass of answers in the data, of valid ones that the data lack, of invalid ones (column at)", _answer_mass,
    ),
    Metric("good_turing", "f₁/m", "1", "estimate of P(unseen) from the answers that the data have once", _good_turing),
    Metric("answer_collision", "E C(·|x)", "1", "probability that two answers to a prompt are equal", _collision),
    Metric("entropy_held_out", "H(·|x ∉ S)", "nat", "entropy of an answer to a prompt that S never shows", _entropy),
]  # fmt: skip
