"""A finite data set: m answers to each of n prompts, from an annotator who samples or always gives the same answer."""

from typing import Annotated, Literal

import numpy as np

from sim.config import AtLeast
from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.numerics import SpecificationError
from sim.restrictions._kinds import needs_list, within


def answers(
    p: ExactLanguage,
    *,
    num_answers: Annotated[int, AtLeast(1)] = 1,
    num_prompts: Annotated[int | None, AtLeast(1)] = None,
    annotator: Literal["sampled", "homogeneous"] = "sampled",
    seed: Annotated[int, AtLeast(0)] = 0,
) -> Restricted:
    """S(x) = P(x | the n chosen prompts), and S(y|x) is the share of y among the m answers to x.

    A `sampled` annotator makes m = `num_answers` independent draws from P(y|x) and keeps repeats, so that
    E C(S_x) = C + (1 - C) / m with C = C(P_x). A `homogeneous` one always gives the likeliest answer (the first of
    ties). The n = `num_prompts` prompts (null: all) are the first of a random order, and the draws for a prompt are the
    first of a random sequence. Both depend on `seed` alone, so a larger n or m contains a smaller one. A = supp S.
    Notes: `num_prompts`, `num_strings` (different documents), `mass` = P(A). Raises `SpecificationError` if there are
    fewer prompts, and `UnavailableError` for a language that is not listed.
    """
    listed = needs_list(p, "restriction", "answers are drawn from a list")
    prompts = listed.prompts
    every = np.flatnonzero(prompts.log_p > -np.inf)
    number = len(every) if num_prompts is None else num_prompts
    if number > len(every):
        raise SpecificationError(
            f"restriction.num_prompts: at most the {len(every)} prompts of this world are required, found {number}; "
            "lower it, or write null for all"
        )
    chosen = np.random.default_rng([seed, 0]).permutation(every)[:number]
    law = np.exp(prompts.log_p[chosen])
    share = np.zeros(len(listed.log_p))
    for x, p_x in zip(chosen.tolist(), law / law.sum(), strict=True):
        rows = np.flatnonzero((prompts.group == x) & (listed.log_p > -np.inf))
        share[rows] = p_x * _answered(listed, rows, num_answers, annotator, np.random.default_rng([seed, 1, x]))
    with np.errstate(divide="ignore"):
        s = listed.with_law(np.log(share))
    found = within(listed, s, "restriction")
    notes = {
        "num_prompts": float(number),
        "num_strings": float(found.event.sum()),
        "mass": float(np.exp(found.log_mass)),
    }
    return Restricted(found.s, found.kept, found.event, found.log_mass, notes)


def _answered(
    p: FiniteLanguage, rows: np.ndarray, number: int, annotator: str, generator: np.random.Generator
) -> np.ndarray:
    """The share of each answer among the `number` answers to one prompt: float64[len(rows)]."""
    if annotator == "homogeneous":
        return np.eye(1, len(rows), int(np.argmax(p.answers[rows])))[0]
    edges = np.cumsum(np.exp(p.answers[rows]))
    drawn = np.searchsorted(edges, generator.random(number) * edges[-1], side="right")
    return np.bincount(np.minimum(drawn, len(rows) - 1), minlength=len(rows)) / number


def label(*, num_answers: int, **_: object) -> str:
    """The restriction in words."""
    return f"{num_answers} answer{'s' * (num_answers != 1)} per prompt"
