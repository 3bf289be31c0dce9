"""Keep a random part of the strings or of the prompts. Parts are nested: a larger part contains a smaller one."""

from typing import Annotated, Literal

import numpy as np

from sim.config import AtLeast
from sim.languages.exact import ExactLanguage
from sim.languages.restricted import Restricted
from sim.restrictions._heads import Mass, beginning
from sim.restrictions._kinds import needs_list, on_list


def fraction(
    p: ExactLanguage,
    *,
    share: Annotated[float, Mass],
    of: Literal["strings", "prompts"] = "strings",
    keep_prompts: bool = False,
    seed: Annotated[int, AtLeast(0)] = 0,
) -> Restricted:
    """S = P_A for a random set A of mass `share`: the first strings or prompts of a random order, as few as hold it.

    `of: strings` takes answers to every prompt, in a random order for each prompt, until they hold this share of
    P(y|x). `of: prompts` takes whole prompts until they hold this share of P(x). The order depends on `seed` alone, so
    the sets are nested. The mass exceeds `share` by at most one string of each prompt, or by at most one prompt; the
    note `mass` is P(A). `keep_prompts` keeps P(x) in S; it needs `of: strings`, because every prompt must keep an
    answer. Raises `UnavailableError` for a language that is not listed.
    """
    listed = needs_list(p, "restriction", "a random set of strings is drawn from a list")
    event = np.zeros(len(listed.log_p), bool)
    prompts = listed.prompts
    if of == "prompts":
        order = np.random.default_rng([seed, 0]).permutation(np.flatnonzero(prompts.log_p > -np.inf))
        event = np.isin(prompts.group, beginning(order, np.exp(prompts.log_p), None, share))
    else:
        answers = np.exp(listed.answers)
        for x in range(prompts.num_groups):
            rows = np.flatnonzero((prompts.group == x) & (listed.log_p > -np.inf))
            if len(rows):
                order = np.random.default_rng([seed, 1, x]).permutation(rows)
                event[beginning(order, answers, None, share)] = True
    event &= listed.log_p > -np.inf
    found = on_list(listed, event, "restriction", keep_prompts)
    return Restricted(found.s, found.kept, event, found.log_mass, {"mass": float(np.exp(found.log_mass))})


def label(*, share: float, of: str = "strings", **_: object) -> str:
    """The restriction in words."""
    return f"random {100 * share:g} % of the {of}"
