"""Exercises of the lesson on C6: can a temperature bring the other styles back?"""

import math

import numpy as np

from sim.interface.result import Result
from sim.lessons._exercise import Exercise, Slip
from sim.lessons._reading import published
from sim.theory.tempering import Gate

GATE = Gate(lost=1e-3, illegal=1e-4, vocab_size=16, num_lost=3)
"""The first token of an answer: one kept style, three lost ones, twelve impossible tokens."""

HOT = 3.0


def at_two() -> float:
    """Return the probability of the second of two answers (0.8, 0.2) at the temperature 2."""
    return two_answers(0.5)


def two_answers(power: float) -> float:
    """Return the probability of the second answer after both are raised to a power and normalised."""
    first, second = 0.8**power, 0.2**power
    return second / (first + second)


def validity(result: Result, temperature: float = 2.0) -> float:
    """Return the probability that an answer to the first prompt is one of P's, at a temperature."""
    p = result.record.p
    rows = np.flatnonzero(p.prompts.group == p.prompts.group[0])
    start = int(p.prompts.length[rows[0]])
    prompt = p.vocabulary.decode(p.trie.strings[rows[0], :start])
    answers = [p.vocabulary.decode(p.trie.strings[row, start:]) for row in rows]
    log_q = result.model("finetuned").decoded(temperature=temperature).log_prob(answers, prompt)
    return math.fsum(np.exp(np.asarray(log_q, np.float64)))


def brought_back(model: str) -> float:
    """Return the mean of the most mass of lost styles at a validity of 0.9, S = P_z, over the published worlds."""
    table = published("c6_consequences")["temperature_best"].filter(part="temperature_plain", model=model)
    return float(table["most_lost"].to_numpy().mean())


EXERCISES = (
    Exercise(
        "Two answers have the probabilities 0.8 and 0.2. What is the probability of the second one at the "
        "temperature 2?",
        at_two,
        "Raise both to the power 1/T and normalise. A temperature above 1 evens a law out; T = ∞ makes it uniform.",
        "p^(1/T), divided by the sum over both answers.",
        slips=(
            Slip(lambda: two_answers(2.0), "This is T = 1/2. The power is 1/T."),
            Slip(lambda: 0.2**0.5, "Normalise: the two powers do not sum to 1."),
        ),
    ),
    Exercise(
        "The first token shows the style. The kept one has 0.9989, three lost ones have 0.001 together, and twelve "
        "impossible tokens 0.0001 together; within each group all are equally likely. How much have the lost styles at "
        "T = 3?",
        lambda: GATE.at(HOT).lost,
        "The impossible tokens have risen as well, and there are more of them. That is why heat does not reopen "
        "a gate.",
        "Each of the three has 0.001/3, each of the twelve 0.0001/12. Raise all 16 to the power 1/3, and normalise.",
        relative=0.02,
        slips=(
            Slip(lambda: GATE.at(HOT).illegal, "This is what the impossible tokens have."),
            Slip(lambda: GATE.at(HOT).lost / 3.0, "This is one of the three lost styles."),
            Slip(
                lambda: 0.001 ** (1 / HOT) / (0.9989 ** (1 / HOT) + 0.001 ** (1 / HOT) + 0.0001 ** (1 / HOT)),
                "A temperature acts on single tokens, and not on groups: take 0.001/3 for each lost style.",
            ),
        ),
    ),
    Exercise(
        "In your run, with the fine-tuned model at T = 2 and the first prompt of the language: what is the probability "
        "that the answer is possible under P?",
        validity,
        "The rest are impossible answers. A temperature has to be judged by what it spoils, too.",
        "Take all answers of P to this prompt, and sum exp(log q) under "
        'result.model("finetuned").decoded(temperature=2.0).',
        of_run=True,
        slips=(
            Slip(lambda result: validity(result, 1.0), "This is T = 1. Decode at T = 2."),
            Slip(lambda result: 1.0 - validity(result), "This is the probability of an impossible answer."),
        ),
    ),
    Exercise(
        'Published table "temperature_best", part "temperature_plain", model "tuned": what is the mean of '
        "most_lost, the "
        "most that a temperature brings back while 90 % of the answers are possible?",
        lambda: brought_back("tuned"),
        "The language gives 0.75 to these styles. So a temperature brings back about a seventieth of them.",
        'Filter published("c6_consequences")["temperature_best"] by part and model, and take the mean over worlds.',
        slips=(Slip(lambda: brought_back("base"), 'This is the model before the fine-tuning, "base".'),),
    ),
)
