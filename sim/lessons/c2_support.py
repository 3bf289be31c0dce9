"""Exercises of the lesson on C2: is what fine-tuning leaves out destroyed, or only unlikely?"""

import math

import numpy as np
import polars as pl

from sim.interface.result import Result
from sim.lessons._exercise import Exercise, Slip
from sim.lessons._reading import path, published
from sim.numerics import SpecificationError

LOST, LEFT = 0.75, 1e-3
"""P(B), what the data leave out, and q(B), what the model still gives to it."""

REPLAY = 0.01
"""The share of replayed data of P."""


def gate(kept: float, lost: float) -> float:
    """Return the gate of KL(P‖q) [nat]: P(A) log(P(A)/q(A)) + P(B) log(P(B)/q(B)), from q(A) and q(B)."""
    return (1.0 - LOST) * math.log((1.0 - LOST) / kept) + LOST * math.log(LOST / lost)


def gate_left() -> float:
    """Return the gate if the model gives the mass LEFT to what the data leave out."""
    return gate(1.0 - LEFT, LEFT)


def with_replay() -> float:
    """Return the gate of the optimum with replay, q = (1 − λ) P_A + λ P; it is all of KL(P‖q), as P_A and P_B stay."""
    return gate(1.0 - REPLAY * LOST, REPLAY * LOST)


def later_step() -> float:
    """Return the step at which q(B) is 10⁻⁵ if it falls as 1/t and is 10⁻³ at step 200."""
    return 200.0 * 1e-3 / 1e-5


def slope(result: Result) -> float:
    """Return the slope of log q(B) on log t between the first evaluation from step 100 on and the last one."""
    mass = path(result, "event_mass", "q(B)").filter(pl.col("step") >= 100)
    if mass.height < 2:
        raise SpecificationError(
            f"result: two evaluations from step 100 on are required, found {mass.height}; run the cell of the lesson"
        )
    logs = np.log(mass.select("step", "lower").to_numpy()[[0, -1]].astype(np.float64))
    return float((logs[1, 1] - logs[0, 1]) / (logs[1, 0] - logs[0, 0]))


def erased(part: str) -> float:
    """Return the mean erasure E of a part of the published runs [nat], over worlds."""
    return float(published("c2_support")["kept"].filter(part=part)["erased"].to_numpy().mean())


def kept() -> float:
    """Return exp(−E), with the mean E of Adam at 2·10⁻³ on sampled targets."""
    return math.exp(-erased("erasing_adam"))


EXERCISES = (
    Exercise(
        "Under gradient descent q(B), the mass of what the data leave out, falls as 1/t. It is 0.001 at step 200. At "
        "which step is it 0.00001?",
        later_step,
        "A hundredth of the mass takes a hundred times as many steps: what is left out is never at 0.",
        "1/t means that q(B) · t stays the same.",
        unit="steps",
    ),
    Exercise(
        "What is the slope of log q(B) on log t in your run, between the first evaluation at step 100 or later and the "
        "last one?",
        slope,
        "Theory says −1 in the limit. The rate only moves the line up or down.",
        'Take two rows of path(result, "event_mass", "q(B)"). The slope is the difference of the logarithms of q(B), '
        "divided by that of the logarithms of the steps.",
        of_run=True,
        slips=(Slip(lambda result: -slope(result), "The mass falls, so the slope has the other sign."),),
    ),
    Exercise(
        "P(B) = 3/4, and the model gives q(B) = 0.001 to it, at a prompt, and nothing to impossible answers. How large "
        "is the gate, P(A) log(P(A)/q(A)) + P(B) log(P(B)/q(B))?",
        gate_left,
        "Nearly all of it is P(B) log(P(B)/q(B)). It grows without a limit as q(B) falls, although no proportion "
        "among the lost answers has changed.",
        "q(A) is what is left: 1 − 0.001. Use natural logarithms, and both terms.",
        unit="nat",
        slips=(
            Slip(lambda: LOST * math.log(LOST / LEFT), "The term of A is missing. It is negative."),
            Slip(lambda: math.log(LOST / LEFT), "Weight the logarithm by P(B), and add the term of A."),
        ),
    ),
    Exercise(
        "Now 1 % of the training is data of P: the optimum is q = 0.99 P_A + 0.01 P, with P(B) = 3/4. How large is the "
        "forgetting KL(P‖q)?",
        with_replay,
        "The proportions within A and within B are those of P, so all of it is gate. It is about P(B) log(1/λ): a "
        "little replay puts an end to the growth.",
        "q(B) = 0.01 · P(B). The laws within A and within B stay as in P, so KL(P‖q) is the gate.",
        unit="nat",
        slips=(
            Slip(lambda: -math.log(REPLAY), "This is −log λ. Only B pays it: weight it, and add the term of A."),
            Slip(lambda: gate(1.0 - REPLAY, REPLAY), "q(B) is not 0.01: only P(B) = 3/4 of the replay lies in B."),
        ),
    ),
    Exercise(
        'In the published table "kept", E [nat] is the column erased. For the part "erasing_adam" (Adam at 0.002 on '
        "sampled targets), which share exp(−E) of a typical lost answer, given its style, is kept? Use the mean E.",
        kept,
        'The part "rates_adam" (steps of a twentieth) keeps more than 95 %, at an equal fit. So the way of training '
        "decides what is destroyed.",
        'Filter published("c2_support")["kept"] by part, take the mean of erased, and then exp(−mean).',
        slips=(
            Slip(lambda: erased("erasing_adam"), "This is E in nats. The share that is kept is exp(−E)."),
            Slip(lambda: 1.0 - kept(), "This is the share that is lost."),
        ),
    ),
)
