"""Laws that the built-in worlds share: Zipf's law over words, and style shares that vary with the prompt."""

from collections.abc import Mapping, Sequence

import numpy as np

from sim.config import Check
from sim.languages.machine import shown_count
from sim.numerics import SpecificationError, nearest

SUM_TOLERANCE = 1e-9
"""Largest distance from 1 that the sum of configured shares may have."""

MAX_STRINGS = 1_000_000
"""Largest support that a built-in world may list [strings]."""


SWING = Check("a number from 0 to 0.5", lambda value: 0 <= value <= 0.5)
"""The allowed variation of style shares with the prompt; see `style_shares`."""


def zipf_law(count: int, exponent: float, offset: float = 0.0) -> np.ndarray:
    """Zipf-Mandelbrot law over ranks r = 1..count, proportional to (r + offset)^-exponent: float64[count].

    Exponent 0 is uniform, and a negative exponent prefers high ranks. Raises `SpecificationError` if a probability
    underflows.
    Source: B. Mandelbrot, 1953, "An informational theory of the statistical structure of language".
    """
    log_weights = -exponent * np.log(np.arange(1, count + 1) + offset)
    weights = np.exp(log_weights - log_weights.max())
    if not weights.all():
        raise SpecificationError(
            f"Zipf's law: probabilities above 1e-308 are required, found an underflow at exponent {exponent:g} over "
            f"{count} ranks; lower the exponent"
        )
    return weights / weights.sum()


def checked_shares(shares: Mapping[str, float], names: Sequence[str], place: str) -> dict[str, float]:
    """The positive shares by name, in the order of `names`. Raises `SpecificationError` unless they are a law."""
    for name, share in shares.items():
        if name not in names:
            raise SpecificationError(
                f"{place}: one of {', '.join(names)} is required, found {name!r}{nearest(name, names)}"
            )
        if not 0 <= share <= 1:
            raise SpecificationError(f"{place}.{name}: a share from 0 to 1 is required, found {share!r}")
    total = sum(shares.values())
    if abs(total - 1) > SUM_TOLERANCE:
        raise SpecificationError(
            f"{place}: shares must sum to 1 within {SUM_TOLERANCE:g}, found {total!r}; divide each by the sum"
        )
    return {name: shares[name] for name in names if shares.get(name, 0) > 0}


def style_shares(prompt_law: np.ndarray, shares: np.ndarray, leans: np.ndarray, swing: float) -> np.ndarray:
    """P(z | x) = P(z) (1 + swing D[x, z]): float64[G, Z]. Rows sum to 1, and E_P(x) P(z | x) = P(z) exactly.

    `leans` bool[G, Z] marks the styles that a prompt attracts. D is `leans`, centred under P(z) in every row and under
    P(x) in every column. So the swing moves styles between prompts and keeps their overall shares. Because |D| <= 2,
    a `swing` from 0 to 0.5 keeps all probabilities non-negative.
    """
    lean = leans.astype(np.float64)
    by_prompt, by_style = lean @ shares, prompt_law @ lean
    centred = lean - by_prompt[:, None] - by_style + prompt_law @ by_prompt
    return shares * (1 + swing * centred)


def refuse_size(count: int, how: str) -> None:
    """Raise `SpecificationError` if a world would list more than `MAX_STRINGS` strings. `how` says what to reduce."""
    if count > MAX_STRINGS:
        raise SpecificationError(
            f"a support of at most {MAX_STRINGS} strings is required, found {shown_count(count)}; reduce {how}"
        )
