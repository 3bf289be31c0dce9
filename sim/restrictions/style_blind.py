"""A random event with the mass and the entropy of a style.

It separates the effect of removing mass from the effect of removing a style.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from sim.config import AtLeast, Positive
from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.numerics import SpecificationError, expectation, log_sum_exp
from sim.restrictions._styles import style_index, style_masses, styles_of

MAX_MOVES = 200
"""Largest number of moves of a local search. After that it restarts from a new random set."""

MAX_CANDIDATES = 256
"""Largest number of answers on either side that are considered for a swap. If there are more, a random part is."""


@dataclass(frozen=True)
class Goal:
    """The mass and the entropy that a random set of answers to one prompt must match, and the answers."""

    p: np.ndarray  # float64[n], P(y|x), all positive
    mass: float  # P(A|x) of the style
    entropy: float  # H(P_A(. | x)) of the style [nat]
    tolerance: float

    def mismatch(self, mass: np.ndarray, surprise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """|mass / P(A|x) - 1| and |H - H(P_A)| [nat] of sets, given their mass and sum -p log p; inf for mass 0."""
        some = mass > 0
        safe = np.where(some, mass, 1.0)
        entropy = surprise / safe + np.log(safe)
        return np.abs(mass / self.mass - 1), np.where(some, np.abs(entropy - self.entropy), np.inf)


def style_blind(
    p: ExactLanguage,
    *,
    like: str,
    seed: Annotated[int, AtLeast(0)] = 0,
    tolerance: Annotated[float, Positive] = 1e-3,
    max_restarts: Annotated[int, AtLeast(1)] = 20,
) -> Restricted:
    """S = P(. | A') for a random set A' of documents with the mass and the entropy of the style z = `like`.

    Both are matched at every prompt, so S(x) matches P(x | z) too: |P(A'|x) / P(z|x) - 1| <= tolerance [1] and
    |H(P_A'(.|x)) - H(P_z(.|x))| <= tolerance [nat]. First, answers are drawn independently. Among all inclusion
    probabilities with this mass and entropy on average, those with the least information about the answer are used
    (`_inclusion`). Then a local search flips and swaps answers until the set itself matches; it makes at most
    `max_restarts` attempts per prompt. If the style is a set of documents, A' differs from it at every prompt, unless
    all answers there are in the style. `seed` fixes everything. Notes: `max_mass_mismatch` [1] and
    `max_entropy_mismatch` [nat] over prompts; `mass_<style>`, the share of each style in S. Raises `SpecificationError`
    for an unknown style, a language without styles, a style that is all of P or empty, and if no other set reaches the
    tolerance.
    """
    language, styles = styles_of(p, "like")
    supported = language.log_p > -np.inf
    member = np.where(supported, np.exp(styles.log_posterior[:, style_index(styles, like, "like")]), 0.0)
    if not member.any() or (member[supported] == 1.0).all():
        raise SpecificationError(
            f"like: a style with a share of P between 0 and 1, both excluded, is required, found {like!r} with "
            f"{'all' if member.any() else 'none'} of it; choose another style"
        )
    event = np.zeros(len(member), bool)
    reached = np.zeros(2)
    for x in range(language.prompts.num_groups):
        rows = np.flatnonzero((language.prompts.group == x) & supported)
        if not member[rows].any():
            continue
        goal = _goal(language.answers[rows], member[rows], tolerance)
        chosen, miss = _search(goal, member[rows], np.random.default_rng([seed, x]), max_restarts)
        if max(miss) > tolerance:
            raise SpecificationError(_failed(language, like, x, miss, tolerance))
        event[rows] = chosen
        reached = np.maximum(reached, miss)
    if np.array_equal(event, member):
        raise SpecificationError(
            f"like: a style that some other event can match is required, found none besides {like!r} itself; choose "
            "another style or a world with more strings per prompt"
        )
    s, log_mass = language.condition(event, place="like")
    notes = {"max_mass_mismatch": float(reached[0]), "max_entropy_mismatch": float(reached[1]), **style_masses(s)}
    return Restricted(s, s, event, log_mass, notes)


def _goal(log_p: np.ndarray, member: np.ndarray, tolerance: float) -> Goal:
    """The goal at one prompt: a style's mass and entropy, from log P(y|x) and P(z | document) of the answers."""
    with np.errstate(divide="ignore"):
        joint = log_p + np.log(member)
    log_mass = float(log_sum_exp(joint))
    inside = np.where(joint > -np.inf, joint - log_mass, -np.inf)
    return Goal(np.exp(log_p), float(np.exp(log_mass)), -expectation(inside, inside), tolerance)


def _failed(p: FiniteLanguage, like: str, x: int, miss: tuple[float, float], tolerance: float) -> str:
    first = p.prompts.first[x]
    prompt = p.vocabulary.decode(p.trie.strings[first][: p.prompts.length[first]])
    return (
        f"tolerance: a random event that matches style {like!r} within {tolerance:g} is required, found a mismatch of "
        f"{miss[0]:.2g} in mass and {miss[1]:.2g} nat in entropy at prompt {prompt!r}; raise tolerance or "
        "max_restarts, or use a world with more strings per prompt"
    )


def _inclusion(goal: Goal) -> np.ndarray:
    """The probability pi = sigmoid(a + b log p) of including each answer: float64[n].

    On average the mass and the sum of -p log p are then right. Under these two constraints it maximises the expected
    entropy sum_i p_i h(pi_i) of membership, so membership has the least information about the answer. a and b minimise
    the convex dual, by Newton's method with halved steps.
    """
    p, log_p = goal.p, np.log(goal.p)
    target = np.array([goal.mass, -goal.mass * (goal.entropy - np.log(goal.mass))])
    features = np.stack([np.ones_like(log_p), log_p - p @ log_p])
    target[1] -= target[0] * (p @ log_p)
    share = np.clip(goal.mass, 0.01, 0.99)
    theta = np.array([np.log(share / (1 - share)), 0.0])

    def dual(point: np.ndarray) -> float:
        return float(p @ np.logaddexp(0.0, point @ features) - point @ target)

    for _ in range(50):
        inside = _sigmoid(theta @ features)
        gradient = features @ (p * inside) - target
        curvature = (features * (p * inside * (1 - inside))) @ features.T + 1e-12 * np.eye(2)
        step, scale = np.linalg.solve(curvature, gradient), 1.0
        while scale > 1e-6 and dual(theta - scale * step) > dual(theta):
            scale /= 2
        theta = theta - scale * step
        if np.abs(gradient).max() < 1e-9 or np.abs(theta).max() > 50:
            break
    return _sigmoid(theta @ features)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(x / 2))


def _search(
    goal: Goal, member: np.ndarray, generator: np.random.Generator, max_restarts: int
) -> tuple[np.ndarray, tuple[float, float]]:
    """The first set within tolerance that is not the style, or the best set that was found, with its two mismatches."""
    if (member == 1.0).all():
        return np.ones(len(member), bool), (0.0, 0.0)
    inclusion = _inclusion(goal)
    best, best_miss = member > 0.0, (np.inf, np.inf)
    for _ in range(max_restarts):
        chosen, miss = _improved(goal, generator.random(len(member)) < inclusion, generator)
        if max(miss) < max(best_miss) and not np.array_equal(chosen, member):
            best, best_miss = chosen, miss
        if max(best_miss) <= goal.tolerance:
            break
    return best, best_miss


def _improved(goal: Goal, chosen: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, tuple[float, float]]:
    """Repeat the best single flip or swap until the set is within tolerance or no move helps; also its mismatches."""
    weight = np.stack([goal.p, -goal.p * np.log(goal.p)])
    for _ in range(MAX_MOVES):
        totals = weight @ chosen
        miss = _pair(goal, totals)
        signed = np.where(chosen, -weight, weight)
        inside, outside = (_some(np.flatnonzero(side), generator) for side in (chosen, ~chosen))
        flips = totals[:, None] + signed
        swaps = totals[:, None, None] + signed[:, inside, None] + signed[:, None, outside]
        cost = np.concatenate([np.maximum(*goal.mismatch(*flips)), np.maximum(*goal.mismatch(*swaps)).ravel()])
        move = int(np.argmin(cost))
        if max(miss) <= goal.tolerance or not cost[move] < max(miss):
            break
        chosen = chosen.copy()
        if move < len(chosen):
            chosen[move] ^= True
        else:
            out, into = divmod(move - len(chosen), len(outside))
            chosen[[inside[out], outside[into]]] ^= True
    return chosen, _pair(goal, weight @ chosen)


def _some(candidates: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    few = len(candidates) <= MAX_CANDIDATES
    return candidates if few else generator.choice(candidates, MAX_CANDIDATES, replace=False)


def _pair(goal: Goal, totals: np.ndarray) -> tuple[float, float]:
    mass, entropy = goal.mismatch(totals[:1], totals[1:])
    return float(mass[0]), float(entropy[0])


def label(*, like: str, **_: object) -> str:
    """The restriction in words."""
    return f"random set like {like}"
