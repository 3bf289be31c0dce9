"""C1.7: how often does a random subset of a language have more entropy than the language? From the truth alone."""

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from sim.config import construct
from sim.languages.finite import FiniteLanguage

WORLDS: Mapping[str, Mapping[str, Any]] = {
    "dyck": {},
    "english": {"num_prompts": 3},
    "few_shot": {"num_examples": [0.4, 0.6]},
    "hierarchy": {},
    "hmm": {"length": 7},
    "ngram": {},
    "pfsa": {},
    "prompt_answers": {},
    "styles_content": {"num_prompts": 3, "answer_length": 4},
}
"""Every kind of language that lists its strings by itself, with 342 to 1344 strings, and what differs from defaults."""

LAWS = {"uniform": 0.0, "Zipf ½": 0.5, "Zipf 1": 1.0, "Zipf 3/2": 1.5, "Zipf 2": 2.0}
"""Weights of the strings in random order: rank^-exponent, divided by their sum. A world's own weights are shown too."""

OWN = "its own"

MASSES = (0.9, 0.5, 0.1, 0.01, 0.001)
"""P(A), the probability with which a string is kept."""

DRAWS = 2_000
"""Number of subsets of a cell; those without a string do not count and are drawn again, as many as are expected."""

ORDERS = 200
"""Number of random orders of the strings, for the two rules that add strings until a mass is reached."""

CHECKED = 3
"""Number of subsets of a cell for which both sides of the identity are computed independently."""

ROUNDING = 1e-9
"""Entropy rises if it rises by more than this [nat]."""

LEVEL = 0.95
"""Coverage of the intervals of Clopper and Pearson."""


@dataclass(frozen=True)
class Weighed:
    """The strings of a language under several laws: p float64[N, K], −p log p [nat], and H(P) float64[K]."""

    p: np.ndarray
    surprise: np.ndarray
    entropy: np.ndarray
    prompt: np.ndarray  # int[N]
    style: np.ndarray | None  # int[N]; None if a string does not determine its style


@functools.cache
def subsets() -> pl.DataFrame:
    """Return the share of random subsets A with H(P_A) > H(P), a row for each language, rule, law and P(A).

    Columns: language, strings, rule, view, law, mass = P(A) of the rule, draws (with a string), rises, share with its
    exact interval lower and upper, and residual, the largest error of
    H(P_A) − H(P) = log P(A) + E_{P_A}[−log P] − H(P) [nat] in the checked subsets; null where none is checked.
    Rules: string (the announced one: each string is kept with probability P(A)), prompt and style (all texts of it are
    kept or none), reached (strings in random order until they hold P(A)), skipped (the same, but a string that would
    overshoot is left out). Views: texts; and for the rule string, answers given their prompts, mean over P_A(x).
    The generators have fixed seeds, so the table is always the same.
    Source of the interval: Clopper & Pearson 1934, "The use of confidence or fiducial limits illustrated in the case of
    the binomial".
    """
    rows = [row for number, kind in enumerate(WORLDS) for row in _of_language(number, kind)]
    return pl.DataFrame(rows).with_columns(**_interval(rows))


def weighed(p: FiniteLanguage, generator: np.random.Generator) -> Weighed:
    """Return the strings of a language under all `LAWS`, in one random order of ranks, and under its own law."""
    alive = np.flatnonzero(p.log_p > -np.inf)
    rank = 1.0 + generator.permutation(len(alive))
    log_p = np.stack([*(-exponent * np.log(rank) for exponent in LAWS.values()), p.log_p[alive]], axis=1)
    weights = np.exp(log_p - log_p.max(axis=0))
    law = weights / weights.sum(axis=0)
    surprise = -law * np.log(law)
    style = p.styles.of[alive] if p.styles is not None and p.styles.disjoint else None
    return Weighed(law, surprise, surprise.sum(axis=0), p.prompts.group[alive], style)


def _of_language(number: int, kind: str) -> Iterator[dict[str, Any]]:
    made = construct("grammar", {"kind": kind, **WORLDS[kind]}, "grammar")
    generator = np.random.default_rng([17, number])
    world = weighed(made[0] if isinstance(made, tuple) else made, generator)
    for mass in MASSES:
        for rule, view, changes, residual in _changes(world, mass, generator):
            yield from _counted(kind, world, rule, view, mass, changes, residual)
    for rule, found in zip(("reached", "skipped"), ordered(world, generator), strict=True):
        for mass, changes in zip(MASSES, found, strict=True):
            yield from _counted(kind, world, rule, "texts", mass, changes, None)


def _changes(
    world: Weighed, mass: float, generator: np.random.Generator
) -> Iterator[tuple[str, str, np.ndarray, np.ndarray | None]]:
    """Iterate over the rules with independent coins: rule, view, changes of entropy [nat] float64[draws, K], errors."""
    kept = coins(len(world.p), mass, generator)
    texts = change(kept @ world.p, kept @ world.surprise, world.entropy)
    yield "string", "texts", texts, residuals(world, kept[:CHECKED] > 0)
    if world.prompt.max() > 0:
        yield "string", "answers", answers(world, kept), None
    for rule, group in (("prompt", world.prompt), ("style", world.style)):
        if group is not None and group.max() > 0:
            p, surprise = (_grouped(values, group) for values in (world.p, world.surprise))
            chosen = coins(len(p), mass, generator)
            yield rule, "texts", change(chosen @ p, chosen @ surprise, world.entropy), None


def coins(count: int, mass: float, generator: np.random.Generator) -> np.ndarray:
    """Return subsets of `count` things that keep each with probability `mass`: float64[draws, count], no empty ones."""
    draws = math.ceil(min(DRAWS / -math.expm1(count * math.log1p(-mass)), 10 * DRAWS))
    kept = generator.random((draws, count)) < mass
    return kept[kept.any(axis=1)].astype(np.float64)


def change(mass: np.ndarray, surprise: np.ndarray, entropy: np.ndarray) -> np.ndarray:
    """H(P_A) − H(P) [nat] from P(A), Σ_A −p log p and H(P): log P(A) + E_{P_A}[−log P] − H(P)."""
    return np.asarray(np.log(mass) + surprise / mass - entropy)


def answers(world: Weighed, kept: np.ndarray) -> np.ndarray:
    """Σ_x P_A(x) [H(P_A(·|x)) − H(P(·|x))] [nat], answers given their prompts: float64[draws, K]."""
    total, found = kept @ world.p, np.zeros((len(kept), world.p.shape[1]))
    for x in range(int(world.prompt.max()) + 1):
        here = world.prompt == x
        p, surprise = world.p[here], world.surprise[here]
        entropy = np.log(p.sum(axis=0)) + surprise.sum(axis=0) / p.sum(axis=0)
        some = kept[:, here].any(axis=1)
        mass, own = kept[some][:, here] @ p, kept[some][:, here] @ surprise
        found[some] += mass / total[some] * change(mass, own, entropy)
    return found


def residuals(world: Weighed, kept: np.ndarray) -> np.ndarray:
    """Return the largest error of the identity over some subsets bool[draws, N], by normalising each: float64[K]."""
    worst = np.zeros(world.p.shape[1])
    for one in kept:
        p = world.p[one]
        inside = p / p.sum(axis=0)
        direct = -(inside * np.log(inside)).sum(axis=0) - world.entropy
        worst = np.maximum(
            worst, np.abs(direct - change(p.sum(axis=0), world.surprise[one].sum(axis=0), world.entropy))
        )
    return worst


def _grouped(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    found = np.zeros((int(group.max()) + 1, values.shape[1]))
    np.add.at(found, group, values)
    return found


def ordered(world: Weighed, generator: np.random.Generator) -> np.ndarray:
    """Changes of entropy for strings that are added in random order: float64[2, masses, orders, K]; nan for no string.

    First until the strings hold P(A), so that the last one may overshoot; then without those that would overshoot.
    """
    order = generator.permuted(np.tile(np.arange(len(world.p)), (ORDERS, 1)), axis=1).T
    wanted = np.array(MASSES)[:, None, None]
    held, used = np.zeros((2, 2, len(MASSES), ORDERS, world.p.shape[1]))
    for row in order:
        p, surprise = world.p[row], world.surprise[row]
        for place, take in enumerate((held[0] < wanted - ROUNDING, held[1] + p <= wanted + ROUNDING)):
            held[place] += take * p
            used[place] += take * surprise
    with np.errstate(divide="ignore", invalid="ignore"):  # nothing fits where every string overshoots
        return change(held, used, world.entropy)


def _counted(
    kind: str, world: Weighed, rule: str, view: str, mass: float, changes: np.ndarray, residual: np.ndarray | None
) -> Iterator[dict[str, Any]]:
    for place, law in enumerate((*LAWS, OWN)):
        own = changes[:, place]
        own = own[~np.isnan(own)]
        if len(own):
            yield {
                "language": kind, "strings": len(world.p), "rule": rule, "view": view, "law": law, "mass": mass,
                "draws": len(own), "rises": int((own > ROUNDING).sum()), "share": float((own > ROUNDING).mean()),
                "residual": None if residual is None else float(residual[place]),
            }  # fmt: skip


def _interval(rows: list[dict[str, Any]]) -> dict[str, pl.Series]:
    """Return the exact interval of each share; scipy is imported here because that takes long."""
    from scipy.special import betaincinv

    n, k = (np.array([row[name] for row in rows], np.float64) for name in ("draws", "rises"))
    tail = (1 - LEVEL) / 2
    lower = np.where(k > 0, betaincinv(np.maximum(k, 1), n - k + 1, tail), 0.0)
    upper = np.where(k < n, betaincinv(k + 1, np.maximum(n - k, 1), 1 - tail), 1.0)
    return {"lower": pl.Series(lower), "upper": pl.Series(upper)}
