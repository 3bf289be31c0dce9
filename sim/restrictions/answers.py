"""A finite data set: m answers to each of n prompts, drawn from P, from P^(1/tau), or always the likeliest one."""

from typing import Annotated, Literal

import numpy as np

from sim.config import AtLeast, Positive
from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.languages.tilting import tilt
from sim.numerics import SpecificationError
from sim.restrictions._kinds import needs_list, within


def answers(
    p: ExactLanguage,
    *,
    num_answers: Annotated[int | None, AtLeast(1)] = 1,
    num_prompts: Annotated[int | None, AtLeast(1)] = None,
    annotator: Literal["sampled", "homogeneous", "tempered"] = "sampled",
    temperature: Annotated[float | None, Positive] = None,
    seed: Annotated[int, AtLeast(0)] = 0,
) -> Restricted:
    """S(x) = P(x | the n chosen prompts), and S(y|x) is the share of y among the m answers to x.

    A `sampled` annotator makes m = `num_answers` independent draws from T = P(y|x) and keeps repeats, so that
    E C(S_x) = C + (1 - C) / m with C = C(T_x). A `tempered` one draws from T proportional to P(y|x)^(1/tau) with
    tau = `temperature`. A `homogeneous` one always gives the likeliest answer (the first of ties). With `num_answers:
    null` S(y|x) is T itself: infinitely many answers to the same prompts. The n = `num_prompts` prompts (null: all) are
    the first of a random order, and the draws for a prompt are the first of a random sequence. Both depend on `seed`
    alone, so a larger n or m contains a smaller one. Annotators of all temperatures use the same uniform numbers.
    A = supp S. Notes: `num_prompts`, `num_strings` (different documents), `mass` = P(A), `temperature` of a tempered
    annotator, and `num_answers` where answers were drawn. Raises `SpecificationError` if there are fewer prompts, and
    for a temperature without a tempered annotator or the other way round. Raises `UnavailableError` for a language
    that is not listed.
    """
    _check_temperature(annotator, temperature)
    listed = needs_list(p, "restriction", "answers are drawn from a list")
    prompts = listed.prompts
    every = np.flatnonzero(prompts.log_p > -np.inf)
    number = len(every) if num_prompts is None else num_prompts
    if number > len(every):
        raise SpecificationError(
            f"restriction.num_prompts: at most the {len(every)} prompts of this world are required, found {number}; "
            "lower it, or write null for all"
        )
    drawn = None if annotator == "homogeneous" else num_answers
    chosen = np.random.default_rng([seed, 0]).permutation(every)[:number]
    log_t = _annotator(listed, annotator, temperature)
    law = np.exp(prompts.log_p[chosen])
    log_s = np.full(len(listed.log_p), -np.inf)
    for x, p_x in zip(chosen.tolist(), law / law.sum(), strict=True):
        rows = np.flatnonzero((prompts.group == x) & (listed.log_p > -np.inf))
        if drawn is None:
            log_s[rows] = np.log(p_x) + log_t[rows]
        else:
            share = _shares(log_t[rows], drawn, np.random.default_rng([seed, 1, x]))
            with np.errstate(divide="ignore"):
                log_s[rows] = np.log(p_x * share)
    found = within(listed, listed.with_law(log_s), "restriction")
    notes = {
        "num_prompts": float(number),
        "num_strings": float(found.event.sum()),
        "mass": float(np.exp(found.log_mass)),
    }
    notes |= {} if drawn is None else {"num_answers": float(drawn)}
    notes |= {} if temperature is None else {"temperature": temperature}
    return Restricted(found.s, found.kept, found.event, found.log_mass, notes)


def _check_temperature(annotator: str, temperature: float | None) -> None:
    """Raise `SpecificationError` unless the annotator is tempered exactly if there is a temperature."""
    if annotator == "tempered" and temperature is None:
        raise SpecificationError(
            "restriction.temperature: a positive number is required for a tempered annotator, found null; "
            "write one, such as 0.5"
        )
    if annotator != "tempered" and temperature is not None:
        raise SpecificationError(
            f"restriction.temperature: null is required for a {annotator} annotator, found {temperature:g}; "
            "leave it out, or write annotator: tempered"
        )


def _annotator(p: FiniteLanguage, annotator: str, temperature: float | None) -> np.ndarray:
    """log T(y|x) [nat], the law of the annotator's answers: float64[N]."""
    if annotator == "sampled":
        return p.answers
    if annotator == "tempered":
        assert temperature is not None, "checked before"
        tempered = tilt(p, temperature, keep_prompts=True)[0]
        assert isinstance(tempered, FiniteLanguage), "a tilted language is of the same kind"
        return tempered.answers
    log_t = np.full(len(p.log_p), -np.inf)
    order = np.lexsort((-p.answers, p.prompts.group))  # stable, so the first of ties stays first
    log_t[order[np.unique(p.prompts.group[order], return_index=True)[1]]] = 0.0
    return log_t


def _shares(log_t: np.ndarray, number: int, generator: np.random.Generator) -> np.ndarray:
    """The share of each answer to one prompt among `number` independent draws: float64[len(log_t)]."""
    edges = np.cumsum(np.exp(log_t))
    drawn = np.searchsorted(edges, generator.random(number) * edges[-1], side="right")
    return np.bincount(np.minimum(drawn, len(log_t) - 1), minlength=len(log_t)) / number


def label(
    *, num_answers: int | None = 1, annotator: str = "sampled", temperature: float | None = None, **_: object
) -> str:
    """The restriction in words."""
    number = "infinitely many" if num_answers is None else str(num_answers)
    said = f"{number} answer{'s' * (num_answers != 1)} per prompt"
    if annotator == "tempered":
        return f"{said}, tempered, τ = {temperature:g}"
    return f"{said}, always the likeliest" if annotator == "homogeneous" else said
