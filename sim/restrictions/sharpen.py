"""Sharpen or flatten: S proportional to P^(1/tau). The data are less diverse than P for tau < 1, more for tau > 1."""

from typing import Annotated

import numpy as np

from sim.config import NonNegative, Positive
from sim.languages.dial import dial
from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage
from sim.languages.pcfg.language import ContextFree
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
    """S(x) proportional to P(x)^(1/tau) over whole strings. A holds all strings, so KL(S || P) is all narrowing.

    Give exactly one of `temperature` tau and `entropy`. `entropy` is the wanted H(S) [nat], `per` string or per token
    (H / (E|x| + 1)), and it is met to 1e-9. `keep_prompts` tilts the answers to every prompt and keeps P(x); `entropy`
    is then the entropy of answers given the prompt. To sharpen a part of P, restrict it first (`in_turn`). A
    context-free grammar is tilted over its derivations. Notes: `temperature`, `entropy` per string [nat]. Raises
    `SpecificationError` if both or neither are given, if the weights have no finite sum at the temperature, and, with
    the range, for an entropy out of reach.
    """
    if (temperature is None) == (entropy is None):
        found = "neither" if temperature is None else "both"
        raise SpecificationError(
            f"restriction: exactly one of temperature and entropy is required, found {found}; "
            "give one and set the other to null, as in restriction.entropy=null"
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
    # log S = log P / tau - log Z, so KL(S || P) = (tau - 1) H(S) - tau log Z, of derivations in a grammar
    of_strings = not isinstance(p, ContextFree) or p.ambiguity.unambiguous
    return Narrowed(s, p, 0.0, (tau - 1.0) * reached - tau * log_total, notes, of_strings)


def label(*, temperature: float | None = None, entropy: float | None = None, **_: object) -> str:
    """The restriction in words."""
    if temperature is None:
        return f"tilted to H = {entropy:g}"
    return f"{'sharpened' if temperature < 1.0 else 'flattened'}, τ = {temperature:g}"
