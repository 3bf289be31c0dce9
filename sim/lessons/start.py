"""Exercises of the notebook `start`: what the numbers of one run mean."""

import math

from sim.interface.result import Result
from sim.lessons._exercise import Exercise, Slip
from sim.lessons._reading import last


def likely_answers(result: Result) -> float:
    """Return e^H(S), the number of equally likely answers to a prompt in the data S; H is averaged over S(x)."""
    return math.exp(last(result, "entropy", "S", "S(x)", "truth").lower)


def entropy_of_data(result: Result) -> float:
    """Return H(S) [nat per answer], averaged over the prompts of S."""
    return last(result, "entropy", "S", "S(x)", "truth").lower


def gate_share(result: Result) -> float:
    """Return the share of the forgetting KL(P‖q) at the end that is gate."""
    return last(result, "gate", "A").lower / last(result, "kl", "P||q").lower


EXERCISES = (
    Exercise(
        "H(S) is in the table of your run. How many equally likely answers to a prompt is that?",
        likely_answers,
        "e^H is the number of equally likely answers with the entropy H. Entropies here are in nats, so the base is e.",
        "A uniform law over N answers has the entropy log N. Solve H = log N for N.",
        unit="answers",
        of_run=True,
        slips=(
            Slip(entropy_of_data, "This is H(S) itself, in nats. The number of answers is a power of it."),
            Slip(lambda result: 2.0 ** entropy_of_data(result), "The base is not 2, because H is in nats."),
        ),
    ),
    Exercise(
        "Which share of the forgetting KL(P‖q) at the end of your run is gate?",
        gate_share,
        "The gate is what the model lost because probability left the other styles. The rest is erasure: wrong "
        "proportions among what was lost, and what changed within the kept style.",
        'Divide the last row of path(result, "gate", "A") by the last row of path(result, "kl", "P||q").',
        of_run=True,
        slips=(Slip(lambda result: 1.0 - gate_share(result), "This is the share of everything but the gate."),),
    ),
)
