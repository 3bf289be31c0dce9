"""Keep the head: the likeliest strings, so many or as few as hold a mass."""

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
    """S = P_A for the `count` heaviest strings A (k modes), or the fewest heaviest that hold `mass` (top-p).

    `of: answer` takes the heaviest answers of every prompt, by P(y|x). `keep_prompts` keeps P(x) in S, which needs some
    answer to every prompt. Of strings that are equally likely the first in the order of the vocabulary stay. Notes:
    `num_kept`, `mass` = P(A). Raises `SpecificationError` for both or neither size, and for a language that is not
    listed where the head is too long.
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
