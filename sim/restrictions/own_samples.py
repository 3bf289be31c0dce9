"""A finite data set that a model draws from itself: the model with which the stage begins, mixed with fresh data."""

from typing import Annotated

import numpy as np

from sim.config import AtLeast, Fraction
from sim.languages.exact import ExactLanguage
from sim.languages.restricted import Restricted
from sim.languages.starting import StartingModel
from sim.numerics import SpecificationError, log_sum_exp
from sim.restrictions._kinds import needs_list


def own_samples(
    p: ExactLanguage,
    *,
    base: StartingModel,
    num_samples: Annotated[int | None, AtLeast(1)] = 256,
    fresh: Annotated[float, Fraction] = 0.0,
    seed: Annotated[int, AtLeast(0)] = 0,
) -> Restricted:
    """S is the law of n = `num_samples` independent documents from M = (1 - fresh) q(. | supp P) + fresh P.

    q is the model with which the stage begins. Whole documents are drawn, so prompts are drawn too, and a prompt may
    be missing. Documents of q that are not in supp P are rejected and drawn again, so every document is fresh with
    probability `fresh`, whatever q leaks. With `num_samples: null` S is M itself: infinitely many samples. The draws
    depend on `seed`, on the number of the stage and on M alone; a larger n contains a smaller one. A holds every
    string. So the law p_g of an exact fit of generation g follows `sim.theory.generations`.
    Notes: `rejected` = 1 - q(supp P), the expected share of rejected draws; `fresh`; `num_strings`, the number of
    different documents in S; and `num_samples` unless it is null.
    Raises `SpecificationError` if q has no mass on supp P, and `UnavailableError` for a language that is not listed.
    """
    listed = needs_list(p, "restriction", "a model is known at listed strings only")
    inside = listed.log_p > -np.inf
    log_q = np.where(inside, base.log_law, -np.inf)
    log_mass = float(log_sum_exp(log_q))
    if not log_mass > -np.inf and fresh < 1:
        raise SpecificationError(
            "restriction: a model that gives supp P a positive probability is required, found 0; raise fresh to 1"
        )
    own = np.exp(log_q - log_mass) if fresh < 1 else np.zeros(len(log_q))
    law = (1.0 - fresh) * own + fresh * np.exp(listed.log_p)
    if num_samples is not None:
        edges = np.cumsum(law)
        uniform = np.random.default_rng([seed, base.stage]).random(num_samples)
        drawn = np.searchsorted(edges, uniform * edges[-1], side="right")
        last = np.flatnonzero(law)[-1]
        law = np.bincount(np.minimum(drawn, last), minlength=len(law)) / num_samples
    with np.errstate(divide="ignore"):
        s = listed.with_law(np.log(law))
    notes = {"rejected": float(-np.expm1(log_mass)), "fresh": fresh, "num_strings": float((law > 0).sum())}
    notes |= {} if num_samples is None else {"num_samples": float(num_samples)}
    return Restricted(s, listed, np.ones(len(law), bool), 0.0, notes)


def label(*, num_samples: int | None = 256, fresh: float = 0.0, **_: object) -> str:
    """The restriction in words."""
    number = "infinitely many" if num_samples is None else str(num_samples)
    return f"{number} samples of the model itself" + (f", {fresh:.0%} of them fresh" if fresh else "")
