"""Sharpen or flatten: S in proportion to P^(1/tau), less diverse data than P for tau < 1, more diverse for tau > 1."""

from typing import Annotated

import numpy as np

from sim.config import NonNegative, Positive
from sim.languages.dial import dial
from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Narrowed, Restricted
from sim.languages.tilting import Per, dial_entropy, tilt
from sim.numerics import SpecificationError


def sharpen(
    p: ExactLanguage,
    *,
    temperature: Annotated[float | None, Positive] = None,
    entropy: Annotated[float | None, NonNegative] = None,
    per: Per = "string",
    keep_prompts: bool = False,
) -> Restricted | Narrowed:
    """S(x) in proportion to P(x)^(1/tau) over whole strings; A is everything, so KL(S || P) is all narrowing.

    Give exactly one of `temperature` tau and `entropy`, the wanted H(S) [nat], `per` string or token (H / (E|x| + 1)),
    which is met to 1e-9. `keep_prompts` tilts the answers of every prompt and keeps P(x); then `entropy` is that of the
    answers given the prompt. To sharpen a part of P, take its restriction first (`in_turn`). A context-free grammar is
    tilted over its derivations. Notes: `temperature`, `entropy` [nat]. Raises `SpecificationError` for both or neither,
    a temperature at which the weights have no finite sum, and an entropy out of reach, with the range.
    """
    if (temperature is None) == (entropy is None):
        found = "neither" if temperature is None else "both"
        raise SpecificationError(
            f"restriction: exactly one of temperature and entropy is required, found {found}; set the other to null"
        )
    if entropy is not None:
        s, tau = dial(p, entropy, per, keep_prompts, "restriction.entropy")
        log_total = tilt(p, tau, keep_prompts)[1]
    else:
        assert temperature is not None
        tau = temperature
        s, log_total = tilt(p, tau, keep_prompts)
    reached = dial_entropy(s, "string", keep_prompts)
    notes = {"temperature": tau, "entropy": reached}
    if isinstance(p, FiniteLanguage) and isinstance(s, FiniteLanguage):
        return Restricted(s, p, np.ones(p.trie.num_strings, bool), 0.0, notes)
    # log S = log P / tau - log Z, so that KL(S || P) = (tau - 1) H(S) - tau log Z
    return Narrowed(s, p, 0.0, (tau - 1.0) * reached - tau * log_total, notes)


def label(*, temperature: float | None = None, entropy: float | None = None, **_: object) -> str:
    """The restriction in words."""
    if temperature is None:
        return f"tilted to H = {entropy:g}"
    return f"{'sharpened' if temperature < 1.0 else 'flattened'}, τ = {temperature:g}"
