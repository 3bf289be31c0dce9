"""Drop the mode: remove the heaviest strings. The entropy of the remaining strings can be higher than that of all."""

import math
from typing import Annotated, Literal

import numpy as np

from sim.config import AtLeast, OpenFraction
from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Narrowed, Restricted
from sim.numerics import SpecificationError, expectation, log_group_sum
from sim.restrictions._heads import check_size, heavy, searched
from sim.restrictions._kinds import conditioned, needs_list, on_list, only


def drop_mode(
    p: ExactLanguage,
    *,
    count: Annotated[int | None, AtLeast(1)] = None,
    mass: Annotated[float | None, OpenFraction] = None,
    of: Literal["document", "answer"] = "document",
    keep_prompts: bool = False,
    higher_entropy: bool = False,
) -> Restricted | Narrowed:
    """S = P_A, where A is what is left without the heaviest strings B: `count` of them, or as few as hold `mass`.

    H(P_A) > H(P) if and only if H(P_A) - H(P_B) > h(b) / b, where b = P(B) and h(b) is the entropy of a coin [nat]. The
    notes `entropy_gap` and `entropy_needed` are the two sides; the note `dropped_mass` is b. `higher_entropy: true`
    refuses a world in which the inequality fails. `of: answer` drops the heaviest answers of every prompt. Then the
    quantities are given the prompt and averaged under P(x): E b (H(P_A) - H(P_B)) / E b against E h(b) / E b.
    `keep_prompts` keeps P(x) in S. Raises `SpecificationError` if both or neither of `count` and `mass` are given, if
    nothing is left, and as `top_mass` for languages that are not listed.
    """
    check_size(count, mass)
    if isinstance(p, FiniteLanguage):
        by_prompt = of == "answer"
        dropped = heavy(p, count, mass, by_prompt)
        kept = on_list(p, ~dropped & (p.log_p > -np.inf), "restriction", keep_prompts)
        sides = _sides_of_list(p, dropped, by_prompt)
        found: Restricted | Narrowed = Restricted(kept.s, kept.kept, kept.event, kept.log_mass, _notes(*sides))
    else:
        if of == "answer" or keep_prompts:
            needs_list(p, "restriction: of: answer and keep_prompts", "only a listed language has prompts")
        found, sides = _searched(p, count, mass)
    if higher_entropy and not sides[0] > sides[1]:
        raise SpecificationError(
            "restriction.higher_entropy: H(P_A) - H(P_B) > h(b)/b is required for a subset of higher entropy, found "
            f"{sides[0]:.6g} against {sides[1]:.6g} nats (b = {sides[2]:.4g}); drop more or fewer strings, or flatten P"
        )
    return found


def _notes(gap: float, needed: float, dropped: float) -> dict[str, float]:
    return {"entropy_gap": gap, "entropy_needed": needed, "dropped_mass": dropped}


def _searched(p: ExactLanguage, count: int | None, mass: float | None) -> tuple[Narrowed, tuple[float, float, float]]:
    strings = searched(p, count, mass, "restriction")
    event = only((x for x, _ in strings), len(p.vocabulary)).complement()
    kept = conditioned(p, event, "restriction")
    assert isinstance(kept, Narrowed)
    log_p = np.array([log_q for _, log_q in strings])
    b = math.fsum(np.exp(log_p))
    inside = log_p - math.log(b)
    h_b = -expectation(inside, inside)
    gap = kept.s.entropy() - h_b  # it raises an error if the entropy is not exactly known
    sides = gap, (-b * math.log(b) + math.exp(kept.log_mass) * -kept.log_mass) / b, b
    return Narrowed(kept.s, kept.kept, kept.log_mass, 0.0, _notes(*sides)), sides


def _sides_of_list(p: FiniteLanguage, dropped: np.ndarray, by_prompt: bool) -> tuple[float, float, float]:
    """The two sides of the condition, each divided by E b, and E b, the mean dropped mass of a prompt."""
    groups, number = (p.prompts.group, p.prompts.num_groups) if by_prompt else (np.zeros(len(p.log_p), np.int64), 1)
    log_law = p.prompts.log_p if by_prompt else np.zeros(1)
    log_p = p.answers if by_prompt else p.log_p
    parts = [np.where(side, log_p, -np.inf) for side in (~dropped, dropped)]
    log_masses = [log_group_sum(part, groups, number) for part in parts]
    entropies = [_within(part, mass, groups) for part, mass in zip(parts, log_masses, strict=True)]
    law, (a, b) = np.exp(log_law), (np.exp(mass) for mass in log_masses)
    coin = -sum(side * np.where(side > 0, mass, 0.0) for side, mass in zip((a, b), log_masses, strict=True))
    total = float(law @ b)
    return float(law @ (b * (entropies[0] - entropies[1]))) / total, float(law @ coin) / total, total


def _within(log_p: np.ndarray, log_mass: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Entropy of the law within each group [nat]; 0 for an empty group."""
    inside = log_p > -np.inf
    share = np.where(inside, log_p - np.where(inside, log_mass[groups], 0.0), -np.inf)
    surprise = -np.exp(share) * np.where(inside, share, 0.0)
    return np.bincount(groups, surprise, len(log_mass))


def label(*, mass: float | None = None, count: int | None = None, **_: object) -> str:
    """The restriction in words."""
    return "without the likeliest " + (f"{100 * mass:g} %" if mass is not None else f"{count} strings")
