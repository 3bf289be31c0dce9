"""Keep the head: a number of the likeliest strings, or as few as hold a mass."""

from typing import Annotated, Literal

import numpy as np

from sim.config import AtLeast
from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Narrowed, Restricted
from sim.restrictions._heads import Mass, check_size, heavy, searched
from sim.restrictions._kinds import conditioned, needs_list, on_list, only


def top_mass(
    p: ExactLanguage,
    *,
    count: Annotated[int | None, AtLeast(1)] = None,
    mass: Annotated[float | None, Mass] = None,
    of: Literal["document", "answer"] = "document",
    keep_prompts: bool = False,
) -> Restricted | Narrowed:
    """S = P_A for the `count` heaviest strings A (k modes), or for as few of the heaviest as hold `mass` (top-p).

    `of: answer` takes the heaviest answers to every prompt, by P(y|x). `keep_prompts` keeps P(x) in S, which requires
    an answer to every prompt. Ties in a list are broken by the order of the vocabulary. Notes: `num_kept`,
    `mass` = P(A). Raises `SpecificationError` if both or neither of `count` and `mass` are given. For a language that
    is not listed it is also raised if the head has over 5 000 strings or cannot be proved to be the head.
    """
    check_size(count, mass)
    if isinstance(p, FiniteLanguage):
        event = heavy(p, count, mass, of == "answer")
        found = on_list(p, event, "restriction", keep_prompts)
        return Restricted(found.s, found.kept, event, found.log_mass, _notes(int(event.sum()), found.log_mass))
    if of == "answer" or keep_prompts:
        needs_list(p, "restriction: of: answer and keep_prompts", "only a listed language has prompts")
    strings = searched(p, count, mass, "restriction")
    head = conditioned(p, only((x for x, _ in strings), len(p.vocabulary)), "restriction")
    assert isinstance(head, Narrowed)
    return Narrowed(head.s, head.kept, head.log_mass, 0.0, _notes(len(strings), head.log_mass))


def _notes(number: int, log_mass: float) -> dict[str, float]:
    return {"num_kept": float(number), "mass": float(np.exp(log_mass))}


def label(*, mass: float | None = None, count: int | None = None, **_: object) -> str:
    """The restriction in words."""
    return f"likeliest {100 * mass:g} %" if mass is not None else f"likeliest {count} strings"
