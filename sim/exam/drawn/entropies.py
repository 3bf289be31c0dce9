"""Entropies of the laws of a world: exact where a law has them, else an estimate between an end and a bound."""

import math

import numpy as np

from sim.estimators._one_sided import lower_mean
from sim.exam.drawn.world import DrawnWorld
from sim.languages.exact import UnavailableError
from sim.laws.protocol import Law
from sim.quantity import Quantity

LEVEL = 0.95
"""Level of every interval of the exam."""


def entropies(world: DrawnWorld) -> dict[str, Quantity]:
    """Return H(P) and H(S) of documents [nat]."""
    documents, n = world.documents, world.documents.each
    pairs = (("H(P)", world.laws.p, documents.log_p[:n]), ("H(S)", world.laws.s, documents.log_s[n:]))
    return {name: entropy(law, log_p) for name, law, log_p in pairs}


def entropy(law: Law, log_p: np.ndarray) -> Quantity:
    """Return the entropy of a law [nat], of which documents with the log-probabilities float64[n] were drawn.

    If a string can have several derivations or paths, it is estimated by the mean of -log p. The upper end is the
    exact entropy of derivations, which is never below that of strings. The lower one is proved at LEVEL.
    """
    try:
        return Quantity.of(law.entropy())
    except UnavailableError:
        upper, low = law.latent_entropy(), lower_mean(-log_p, 0.0, 1.0 - LEVEL)
        return Quantity(min(low, upper), upper, "estimated", float(-log_p.mean()), LEVEL, len(log_p), "proved")


def said(number: Quantity) -> dict[str, float | str | int | None]:
    """Return a number as JSON, with how it is known."""
    if number.exact:
        return {"value": number.lower, "known": "exact"}
    upper = None if math.isinf(number.upper) else number.upper
    return {
        "value": number.estimate, "lower": number.lower, "upper": upper, "known": "estimated", "level": number.level,
        "documents": number.count,
    }  # fmt: skip
