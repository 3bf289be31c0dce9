"""The five signs that are asked of every trainer, announced before the runs that are published.

A sign has parts. It holds for a trainer if all its parts hold, it fails if one fails, and it is undecided otherwise. A
part is the mean over worlds of one number per world; the test is that of `experiments.statistics.sign` at 95 %.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ARMS = "8eb379e21e8f"
"""Digest of the announced arms (`examples/trainers/arms.json`, all that decides about the fine-tuning)."""

FIT = 0.05
"""E and X are read in a world if the arm ends at KL(S‖q) of at most this [nat per answer]; otherwise it is left out."""

LIMIT = 0.05
"""A world counts if KL(P‖q0) of answers is at most this before the fine-tuning [nat per answer]."""

WORLDS = (
    "english_small@1", "chinese_small@1", "styles_content_small@1", "prompt_answers_small@1", "english_1",
    "styles_content_1",
)  # fmt: skip
"""The announced worlds, each with one pretraining (seed 0): frozen ones, and two of `examples/trainers/worlds`."""

SHARE = 0.01
"""λ, the share of documents of P in the arm `replay`."""

Statistic = Literal["share", "e", "x", "kl", "held"]


@dataclass(frozen=True)
class Term:
    """A number of an arm, with its factor.

    share: gate / KL(P‖q) [1]; e: erasure E; x: excursion X; kl: KL(P‖q); held: entropy of answers to the prompts that
    the arms with half of the prompts leave out, given that the answers are on the list [nat].
    """

    statistic: Statistic
    arm: str
    factor: float = 1.0


@dataclass(frozen=True)
class Part:
    """A sum of terms, in words, that is to be above a threshold [nat, or 1 for a share]."""

    name: str
    words: str
    terms: tuple[Term, ...]
    threshold: float = 0.0


@dataclass(frozen=True)
class Sign:
    """A sentence that may carry over, where it was found here, its parts, and what would refute it."""

    name: str
    sentence: str
    found: str
    refuted: str
    parts: tuple[Part, ...]


def _difference(name: str, words: str, statistic: Statistic, more: str, less: str, threshold: float = 0.0) -> Part:
    return Part(name, words, (Term(statistic, more), Term(statistic, less, -1.0)), threshold)


SIGNS: Mapping[str, Sign] = {
    one.name: one
    for one in (
        Sign(
            "gate",
            "At a small rate what is forgotten is a gate; a large rate erases behind it.",
            "C2.3c, C2.3e",
            "At the small rate the gate is less than half of KL(P‖q), or the large rate erases no more.",
            (
                Part("gate.share", "share of the gate in KL(P‖q), small rate", (Term("share", "small"),), 0.5),
                _difference("gate.rate", "E, large rate − small rate", "e", "large", "small"),
            ),
        ),
        Sign(
            "excursion",
            "What is erased does not follow the excursion: even batches at a large rate erase more than sampled "
            "ones at a small rate, with a lower excursion.",
            "C2.8, whose announcement of the contrary (C2.8b) was refuted",
            "Even batches at the large rate erase no more, or their excursion is no lower.",
            (
                _difference("excursion.e", "E, large rate, even − small rate", "e", "even", "small"),
                _difference("excursion.x", "X, small rate − large rate, even", "x", "small", "even"),
            ),
        ),
        Sign(
            "rank",
            "The gate has rank one: with every change of a matrix cut to rank 1, most of the erasure is gone.",
            "C2.9a",
            "At rank 1 the erasure is not lower by 0.25 nats.",
            (_difference("rank.e", "E, large rate − the same at rank 1", "e", "large", "large_rank_1", 0.25),),
        ),
        Sign(
            "replay",
            "With a share λ of replay no more than −log λ is forgotten, and without it more.",
            "C2.7a, T6",
            "With λ = 0.01 more than −log λ = 4.605 nats are forgotten, or without replay fewer.",
            (
                Part("replay.bound", "−KL(P‖q), with replay", (Term("kl", "replay", -1.0),), math.log(SHARE)),
                Part("replay.without", "KL(P‖q), without replay", (Term("kl", "large"),), -math.log(SHARE)),
            ),
        ),
        Sign(
            "annotator",
            "On prompts that were never tuned, an annotator who always gives the likeliest answer leaves less "
            "diversity than one who gives many, and than one who gives one drawn answer.",
            "C3.4c, C3.4d",
            "On held-out prompts the homogeneous annotator leaves as much entropy as many answers, or as one drawn "
            "answer.",
            (
                _difference("annotator.many", "H held out, many − likeliest", "held", "many", "likeliest"),
                _difference("annotator.one", "H held out, one drawn − likeliest", "held", "one", "likeliest"),
            ),
        ),
    )
}
"""The signs by name, in the order of the page."""

NAMES: Mapping[str, str] = {
    "small": "small rate", "half": "half of the large rate", "large": "large rate, sampled",
    "even": "large rate, even", "replay": "replay of 1 %",
    "many": "half of the prompts, many answers", "one": "half of the prompts, one answer",
    "likeliest": "half of the prompts, likeliest answer", "large_rank_1": "large rate, cut to rank 1",
}  # fmt: skip
"""The announced arms, in words."""
