"""Exercises of the lesson on C4: do errors compound, and is fine-tuning a conditioning?"""

import numpy as np

from sim.interface.result import Result
from sim.lessons._exercise import Exercise, Slip
from sim.lessons._reading import last, published
from sim.theory.horizon import off_by_step, steps_off_at_rate

HAZARD, HORIZON, RECOVERY = 0.01, 100, 0.2
HELD_OUT = "P(x | S(x) = 0)"
"""The law of the prompts that the data never show."""


def steps_off() -> float:
    """Return J(T) without ways back [steps]."""
    return steps_off_at_rate(HAZARD, 0.0, HORIZON)


def growth() -> float:
    """Return J(20) / J(10) for a hazard of 0.001 without ways back."""
    return steps_off_at_rate(0.001, 0.0, 20) / steps_off_at_rate(0.001, 0.0, 10)


def in_the_long_run() -> float:
    """Return the share of steps off the path after a long time, with ways back: the fixed point of the recursion."""
    many = np.full(1000, HAZARD), np.full(1000, RECOVERY)
    return float(off_by_step(*many)[-1])


def prior(result: Result) -> float:
    """Return the weight of the style z0 in P, at the prompts that the data of a run never show."""
    return last(result, "style_weight", "P", HELD_OUT, "truth", "z0").lower


def comes_back(phase: str) -> float:
    """Return the mean probability to come back, sampled targets and data without errors, over the published worlds."""
    table = published("c4_cloning")["returns"].filter(part="returns_clean", targets="sampled", phase=phase)
    return float(table["recovery"].to_numpy().mean())


def more_often() -> float:
    """Return by how much more often the tuned model comes back than the control."""
    return comes_back("sft") - comes_back("identity")


EXERCISES = (
    Exercise(
        "A model leaves the path with probability 0.01 at each step, and never comes back. How many of T = 100 steps "
        "does it spend off the path, on average? (Step t counts if it has left at step t or before.)",
        steps_off,
        "It is the sum of 1 − 0.99^t, so nearly εT²/2 as long as εT is small: a quadratic growth from a "
        "constant error.",
        "At step t the model is still on the path with probability 0.99^t. Sum the complements over t = 1, ..., 100.",
        unit="steps",
        slips=(
            Slip(lambda: HAZARD * HORIZON, "This would be right if each error were repaired at once."),
            Slip(lambda: HAZARD * HORIZON**2 / 2, "This is the approximation for small εT; here εT is 1."),
        ),
    ),
    Exercise(
        "The same with the error rate 0.001: by which factor does this number grow if T doubles from 10 to 20?",
        growth,
        "Nearly 4: the growth is quadratic. No distribution shift is needed for it.",
        "Compute the sum of 1 − 0.999^t up to 20 and up to 10, and divide.",
        slips=(Slip(lambda: 2.0, "2 would be linear growth: errors that are repaired at once."),),
    ),
    Exercise(
        "Now the model comes back with probability 0.2 at each step at which it is off the path, and leaves it with "
        "0.01. At which share of the steps is it off the path in the long run?",
        in_the_long_run,
        "It is ε/(ε + r). So the number of steps off the path grows as T, and not as T².",
        "In the long run as many walkers leave as come back: (1 − o) · 0.01 = o · 0.2.",
        slips=(Slip(lambda: HAZARD / RECOVERY, "Only walkers on the path can leave it: weight 0.01 with 1 − o."),),
    ),
    Exercise(
        "In your run, which weight does the style z0 have in P, at the prompts that the data never show?",
        prior,
        "This is where the weight would stay if nothing were carried over from the tuned prompts.",
        'path(result, "style_weight", "P", "P(x | S(x) = 0)", "truth", "z0") has it.',
        of_run=True,
    ),
    Exercise(
        'Published table "returns", part "returns_clean", sampled targets: by how much is the mean of the '
        "column recovery "
        'after fine-tuning (phase "sft") above that of the control ("identity")?',
        more_often,
        "The data never show how to come back, and the tuned model comes back far more often: the style that it "
        "learnt is spoken off the path too.",
        'Filter published("c4_cloning")["returns"] by part, targets and phase, and take the means over worlds.',
        slips=(Slip(lambda: comes_back("sft"), "This is the tuned model alone. Subtract the control."),),
    ),
)
