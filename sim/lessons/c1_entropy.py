"""Exercises of the lesson on C1: does fine-tuning lower the entropy of a model?"""

import math

import numpy as np
import polars as pl

from sim.interface.result import Result
from sim.lessons._exercise import Exercise, Slip
from sim.lessons._reading import last, published
from sim.theory.answers import entropy

LAW = np.array([3.0, 1.0, 1.0, 1.0]) / 6.0
"""Four answers, one of them with probability ½."""

SHARE = 0.25
"""P(z), the share of the style that is kept."""


def without_the_likeliest() -> float:
    """Return H(P_A) − H(P) [nat] if the likeliest of the four answers is left out."""
    return entropy(LAW[1:] / LAW[1:].sum()) - entropy(LAW)


def not_normalised() -> float:
    """Return the same sum without dividing the rest by its mass."""
    rest = LAW[1:]
    return float(-(rest * np.log(rest)).sum()) - entropy(LAW)


def change(result: Result) -> float:
    """Return H(S) − H(P) [nat per answer] of the world of a run, averaged over P(x)."""
    return last(result, "entropy", "S", "P(x)", "truth").lower - last(result, "entropy", "P", "P(x)", "truth").lower


def needed() -> float:
    """Return by how much H(P_z) has to exceed H(P_B) so that the entropy rises: h(P(z)) / P(B) [nat]."""
    return entropy(np.array([SHARE, 1.0 - SHARE])) / (1.0 - SHARE)


def share_of_rises() -> float:
    """Return the share of random subsets with more entropy than their language: Zipf 2, P(A) = ½, all languages."""
    return counted("Zipf 2")


def counted(law: str) -> float:
    """Return the share of rises among all subsets of whole texts, drawn text by text, with P(A) = ½."""
    table = published("c1_entropy")["subsets"].filter(rule="string", view="texts", law=law, mass=0.5)
    return float(table.select(pl.col("rises").sum() / pl.col("draws").sum()).item())


EXERCISES = (
    Exercise(
        "A language has four answers with the probabilities 1/2, 1/6, 1/6 and 1/6. The data leave out the likeliest "
        "one. What is H(S) − H(P)?",
        without_the_likeliest,
        "It falls, although the rest is even: log 3 is below H(P). If the likeliest answer had probability 0.7, its "
        "loss would raise the entropy.",
        "Divide the three probabilities by their sum first: S is a law too. Then H = −Σ p log p, with the natural "
        "logarithm.",
        unit="nat",
        slips=(
            Slip(lambda: without_the_likeliest() / math.log(2.0), "This is right in bits. Nats need the natural log."),
            Slip(lambda: -without_the_likeliest(), "This is H(P) − H(S): the sign is the other way round."),
            Slip(not_normalised, "The probabilities of S have to sum to 1: divide by what is left."),
        ),
    ),
    Exercise(
        "In the world of your run, what is H(S) − H(P), by the truth and not by the model?",
        change,
        "This is what the data ask for. Compare it with the change of the model's entropy: it goes there.",
        'path(result, "entropy", "S", phase="truth") and the same with "P" have the two numbers. Entropies are '
        "averaged over the prompts of P.",
        unit="nat",
        of_run=True,
        slips=(Slip(lambda result: -change(result), "This is H(P) − H(S): the sign is the other way round."),),
    ),
    Exercise(
        "One style has the share P(z) = 1/4, and only it is kept. Styles share no answer. By how much must H(P_z) "
        "exceed H(P_B), the entropy of all other answers together, so that the entropy does not fall?",
        needed,
        "H(P) = h(P(z)) + P(z) H(P_z) + P(B) H(P_B) with the entropy h of a coin. So H(P_z) > H(P) means that "
        "H(P_z) − H(P_B) > h(P(z)) / P(B).",
        "Write H(P) as the entropy of the coin “kept or not”, plus the mean entropy of the two parts. Then solve "
        "H(P_z) = H(P) for H(P_z) − H(P_B).",
        unit="nat",
        slips=(
            Slip(lambda: needed() * (1.0 - SHARE), "This is the entropy of the coin. Divide it by what remains."),
            Slip(lambda: needed() * (1.0 - SHARE) / SHARE, "Divide by the share of the other answers, P(B)."),
            Slip(lambda: needed() / math.log(2.0), "This is right in bits. Nats need the natural logarithm."),
        ),
    ),
    Exercise(
        'The published table "subsets" counts random subsets of nine languages. For the law "Zipf 2", mass 0.5, rule '
        '"string" and view "texts": in which share of all subsets does the entropy rise?',
        share_of_rises,
        "“A subset has less entropy” is a good guess for even languages only. Here one text holds most of the mass, "
        "and what is left without it is more even.",
        'Filter published("c1_entropy")["subsets"], then divide the sum of the column rises by that of draws.',
        slips=(
            Slip(lambda: 1.0 - share_of_rises(), "This is the share of subsets in which the entropy falls."),
            Slip(lambda: counted("uniform"), 'This is the row of "uniform". You want the law "Zipf 2".'),
        ),
    ),
)
