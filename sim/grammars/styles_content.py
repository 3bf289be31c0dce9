"""The abstract world of styles and content, P(x, z, y) = P(x) P(z|x) P(y|x,z), disjoint or overlapping. Tier A."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from sim.config import AtLeast, Fraction, HalfOpenFraction, NonNegative
from sim.grammars._content import joined, mixed, style_names, styles_content_factors
from sim.grammars._mixture import SWING, refuse_size
from sim.languages.finite import FiniteLanguage
from sim.languages.vocabulary import Vocabulary


def styles_content(
    *,
    num_prompts: Annotated[int, AtLeast(1)] = 6,
    num_styles: Annotated[int, AtLeast(1)] = 4,
    num_symbols: Annotated[int, AtLeast(1)] = 8,
    answer_length: Annotated[int, AtLeast(2)] = 5,
    prompt_zipf: Annotated[float, NonNegative] = 0.5,
    zipf: Annotated[float, NonNegative] = 1.0,
    style_weights: Sequence[float] | None = None,
    swing: Annotated[float, SWING] = 0.5,
    overlap: Annotated[float, HalfOpenFraction] = 0.0,
    shown: Annotated[float, Fraction] = 0.0,
    seed: Annotated[int, AtLeast(0)] = 0,
    style_zipf: Sequence[float] | None = None,
) -> FiniteLanguage:
    """Documents "x0 : y5 y7 y2 y5 y0": a prompt, its end ":", and an answer of `answer_length` content symbols.

    P(x) is Zipf's law with exponent `prompt_zipf`. P(z) are `style_weights`, which must sum to 1 (null: equal).
    `swing` from 0 to 0.5 is how far P(z|x) varies with the prompt. The first content symbol follows a law of the
    prompt. Each later symbol adds a step modulo `num_symbols`. The step's law depends on prompt, style and position,
    over the B = num_symbols // num_styles steps of the style: {zB, ..., zB + B - 1}. With probability `overlap` the
    step is drawn as the next style does (cyclically). So all styles share all symbols, and the first symbol contains no
    information about the style. With overlap 0 the second symbol determines it (styles are disjoint); otherwise a
    document has a posterior over styles. In the share `shown` of the documents, whatever their style, the style's token
    opens the answer, as in "x0 : z1 y5 ..." (0: styles are latent, 1: always shown). Both laws are Zipf's with exponent
    `zipf` and a random offset, in random order. `style_zipf` gives each style an exponent of its own for its steps
    (null: `zipf` for all; 0 makes a varied style, a large one a narrow style). `seed` determines the tables, on the
    host; every seed has the same strings. Raises `SpecificationError` for too few symbols, weights that are not a law,
    exponents that are not one non-negative number for each style, or more than 10^6 strings.
    """
    factors = styles_content_factors(
        num_prompts, num_styles, num_symbols, answer_length, prompt_zipf, zipf, style_weights, swing, overlap, seed,
        style_zipf,
    )  # fmt: skip
    _, in_one_style = factors.num_walks(answer_length - 1)
    told = factors.first.size * num_styles * in_one_style
    refuse_size((shown < 1) * factors.support_size + (shown > 0) * told, "answer_length, num_symbols or num_prompts")
    vocabulary = _vocabulary(num_prompts, num_styles if shown > 0 else 0, num_symbols)
    x, content, log_joint = factors.documents(factors.shares)
    opening = np.column_stack([x + 1, np.full(len(x), vocabulary.prompt_end)])
    answer = content + len(vocabulary) - num_symbols
    parts = []
    if shown < 1:
        log_p, log_posterior = mixed(log_joint)
        parts.append((np.hstack([opening, answer]), log_p + np.log1p(-shown), log_posterior))
    if shown > 0:
        row, z = np.nonzero(log_joint > -np.inf)
        strings = np.column_stack([opening[row], num_prompts + 2 + z, answer[row]])
        log_posterior = np.where(z[:, None] == np.arange(num_styles), 0.0, -np.inf)
        parts.append((strings, log_joint[row, z] + np.log(shown), log_posterior))
    return joined(vocabulary, style_names(num_styles), parts)


def _vocabulary(num_prompts: int, num_style_tokens: int, num_symbols: int) -> Vocabulary:
    prompts = [f"x{x}" for x in range(num_prompts)]
    content = [f"y{y}" for y in range(num_symbols)]
    return Vocabulary(("<eos>", *prompts, ":", *style_names(num_style_tokens), *content), prompt_end=num_prompts + 1)


def label(*, overlap: float = 0.0, **_: object) -> str:
    """The world in words."""
    return "styles and content" if overlap == 0.0 else "overlapping styles and content"
