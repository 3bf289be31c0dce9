"""Exercises of the lesson on C3: does maximum likelihood collapse on one answer?"""

import math

import numpy as np

from sim.interface.result import Result
from sim.lessons._exercise import Exercise, Slip
from sim.lessons._reading import last, published
from sim.theory.answers import collision, entropy, expected_collision, expected_entropy, missing_mass

EVEN = np.full(4, 0.25)
"""A law over four answers."""

COIN = np.array([0.7, 0.3])
"""A law over two answers."""


def two_draws() -> float:
    """Return E H(Ŝ) [nat] for two draws from four equally likely answers."""
    return expected_entropy(EVEN, 2)


def three_draws() -> float:
    """Return E C(Ŝ), the expected collision probability of three draws from the law COIN."""
    return expected_collision(COIN, 3)


def never_drawn() -> float:
    """Return the expected P-mass of the answers that three draws from the law EVEN do not show."""
    return missing_mass(EVEN, 3)


def share_kept(result: Result) -> float:
    """Return H(S) / H(P) in the world of a run, at the prompts of S: what the data keep of the diversity."""
    return last(result, "entropy", "S", "S(x)", "truth").lower / last(result, "entropy", "P", "S(x)", "truth").lower


def held_out(part: str, answers: int) -> float:
    """Return the mean lower bound of H(q) on held-out prompts [nat], width 64, over the published worlds."""
    table = published("c3_answers")["runs"].filter(part=part, m=answers)
    return float(table["h_q_held_lower"].to_numpy().mean())


def annotators() -> float:
    """Return by how much sampled answers keep more entropy on held-out prompts than the likeliest ones do [nat]."""
    return held_out("cells", 1) - held_out("annotators", 1)


EXERCISES = (
    Exercise(
        "Four answers are equally likely. The data have two independent draws. What is the expected entropy of "
        "the data?",
        two_draws,
        "With probability 1/4 both draws are equal, and the entropy is 0; else it is log 2. Data with few answers have "
        "less entropy than their law, whatever is trained on them.",
        "What is the entropy if both draws are equal, and how probable is that?",
        unit="nat",
        slips=(
            Slip(lambda: math.log(2.0), "Both draws may be the same answer."),
            Slip(lambda: entropy(EVEN), "This is the entropy of the law. The data show at most two answers."),
            Slip(lambda: two_draws() / math.log(2.0), "This is right in bits. Nats need the natural logarithm."),
        ),
    ),
    Exercise(
        "A law has two answers with probabilities 0.7 and 0.3. The data have m = 3 draws. What is the expected "
        "collision "
        "probability Σ p² of the data?",
        three_draws,
        "E C = C + (1 − C)/m: two places of the data hold the same draw with probability 1/m.",
        "Draw two places of the data at random. They are the same place with probability 1/3; else two independent "
        "answers are compared.",
        slips=(Slip(lambda: collision(COIN), "This is C of the law, that is, of infinitely many draws."),),
    ),
    Exercise(
        "Four answers are equally likely, and the data have three draws. What is the expected probability of "
        "the answers "
        "that the data never show?",
        never_drawn,
        "A perfect fit gives them 0. So what few data leave out is lost, and the objective is not to blame.",
        "An answer with probability p is missing in m draws with probability (1 − p)^m.",
        slips=(Slip(lambda: never_drawn() * 0.25, "This is the term of one answer. Sum over all four."),),
    ),
    Exercise(
        "In your run, which share H(S)/H(P) of the entropy do the data keep, at the prompts that they show?",
        share_kept,
        "This is known before any training. Compare it with the share that the model keeps at these prompts.",
        'Divide path(result, "entropy", "S", "S(x)", "truth") by the same with "P".',
        of_run=True,
        absolute=1e-3,
    ),
    Exercise(
        'Published table "runs", one answer per prompt (m = 1), entropy on held-out prompts (h_q_held_lower): '
        "by how much "
        'is the mean of the part "cells" (sampled answers) above that of the part "annotators" (always the likeliest)?',
        annotators,
        "Both have one answer per prompt. Only the homogeneous annotator makes the model sure of the same answer "
        "everywhere.",
        'Filter published("c3_answers")["runs"] by part and m, and take the means over worlds.',
        unit="nat",
        slips=(
            Slip(lambda: held_out("cells", 1), 'This is the mean of "cells" alone. Subtract that of "annotators".'),
        ),
    ),
)
