"""The abstract world of styles and content, P(x, z, y) = P(x) P(z|x) P(y|x,z), with disjoint styles. Tier A."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated

import numpy as np

from sim.config import AtLeast, NonNegative
from sim.grammars._mixture import SWING, checked_shares, entropy_of, refuse_size, style_shares, zipf_law
from sim.languages.finite import FiniteLanguage, Styles
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError


@dataclass(frozen=True)
class Factors:
    """The tables of the world. Content is a walk on a clock of K symbols; a style owns a block of B step sizes."""

    prompt_law: np.ndarray  # float64[G], P(x)
    shares: np.ndarray  # float64[G, Z], P(z | x)
    first: np.ndarray  # float64[G, K], P(first symbol | x), the same for every style
    step: np.ndarray  # float64[G, Z, T, B], P(step | x, z, t) of later symbol t; style z steps by z B, ..., z B + B - 1

    @property
    def support_size(self) -> int:
        """Number of strings."""
        num_prompts, num_styles, later, per_style = self.step.shape
        return int(num_prompts * num_styles * self.first.shape[1] * per_style**later)


def styles_content_factors(
    num_prompts: int = 6,
    num_styles: int = 4,
    num_symbols: int = 8,
    answer_length: int = 5,
    prompt_zipf: float = 0.5,
    zipf: float = 1.0,
    style_weights: Sequence[float] | None = None,
    swing: float = 0.5,
    seed: int = 0,
) -> Factors:
    """The factors of `styles_content`, which has the same arguments."""
    per_style = num_symbols // num_styles
    if per_style < 1:
        raise SpecificationError(
            f"num_symbols: at least one symbol per style, so {num_styles} or more, is required, found {num_symbols}"
        )
    names = style_names(num_styles)
    weights = [1 / num_styles] * num_styles if style_weights is None else list(style_weights)
    if len(weights) != num_styles or min(weights) <= 0:
        raise SpecificationError(
            f"style_weights: {num_styles} positive numbers (num_styles) or null are required, found {weights}"
        )
    shares = np.array(list(checked_shares(dict(zip(names, weights, strict=True)), names, "style_weights").values()))
    generator = np.random.default_rng(seed)
    prompt_law = zipf_law(num_prompts, prompt_zipf, generator.random())
    leans = generator.integers(num_styles, size=num_prompts)[:, None] == np.arange(num_styles)
    first = np.stack([_shuffled_zipf(generator, num_symbols, zipf) for _ in range(num_prompts)])
    shape = (num_prompts, num_styles, answer_length - 1, per_style)
    step = np.stack([_shuffled_zipf(generator, per_style, zipf) for _ in np.ndindex(shape[:3])]).reshape(shape)
    return Factors(prompt_law, style_shares(prompt_law, shares, leans, swing), first, step)


def _shuffled_zipf(generator: np.random.Generator, count: int, exponent: float) -> np.ndarray:
    """Zipf's law with a random offset, which makes probabilities generic, in random order."""
    return generator.permutation(zipf_law(count, exponent, generator.random()))


def style_names(num_styles: int) -> tuple[str, ...]:
    """z0, z1, ...: names of the styles and, where shown, their tokens."""
    return tuple(f"z{z}" for z in range(num_styles))


def styles_content_entropy(factors: Factors) -> float:
    """H(P) [nat per string] by the chain rule, without enumerating: the string determines prompt, style and steps."""
    total = entropy_of(factors.prompt_law)
    for x, p_prompt in enumerate(factors.prompt_law):
        inside = entropy_of(factors.shares[x]) + entropy_of(factors.first[x])
        for share, laws in zip(factors.shares[x], factors.step[x], strict=True):
            inside += share * sum(entropy_of(law) for law in laws)
        total += p_prompt * inside
    return float(total)


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
    shown: bool = False,
    seed: Annotated[int, AtLeast(0)] = 0,
) -> FiniteLanguage:
    """Documents "x0 : y5 y7 y2 y5 y0": a prompt, its end ":", and an answer of `answer_length` content symbols.

    P(x) is Zipf's law with exponent `prompt_zipf`. P(z) are `style_weights`, which must sum to 1 (null: equal), and
    `swing` from 0 to 0.5 is how far P(z|x) varies with the prompt. The first content symbol follows a law of the
    prompt; each later one adds a step modulo `num_symbols`, drawn (by prompt, style and position) from the
    B = num_symbols // num_styles steps that belong to the style: {zB, ..., zB + B - 1}. So all styles share all
    symbols and the first one says nothing about the style, while the second determines it: styles are disjoint
    exactly. `shown` puts the style's token before the answer. Both laws are Zipf's with exponent `zipf` and a random
    offset, shuffled; `seed` makes the tables (host only). Raises `SpecificationError` for too few symbols,
    weights that are no law, or more than 10^6 strings.
    """
    factors = styles_content_factors(
        num_prompts, num_styles, num_symbols, answer_length, prompt_zipf, zipf, style_weights, swing, seed
    )
    refuse_size(factors.support_size, "answer_length, num_symbols or num_prompts")
    vocabulary = _vocabulary(num_prompts, num_styles if shown else 0, num_symbols)
    content, style_of, prompt_of, log_p = _enumerated(factors)
    rows = len(content)
    columns = [prompt_of + 1, np.full(rows, vocabulary.prompt_end)]
    if shown:
        columns.append(num_prompts + 2 + style_of)
    columns += [*(len(vocabulary) - num_symbols + content.T), np.full(rows, EOS)]
    posterior = np.where(style_of[:, None] == np.arange(num_styles), 0.0, -np.inf)
    styles = Styles(style_names(num_styles), posterior)
    return FiniteLanguage.from_strings(vocabulary, np.stack(columns, axis=1), log_p, styles)


def _vocabulary(num_prompts: int, num_style_tokens: int, num_symbols: int) -> Vocabulary:
    prompts = [f"x{x}" for x in range(num_prompts)]
    content = [f"y{y}" for y in range(num_symbols)]
    return Vocabulary(("<eos>", *prompts, ":", *style_names(num_style_tokens), *content), prompt_end=num_prompts + 1)


def _enumerated(factors: Factors) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Every document: content int[N, answer_length], style int[N], prompt int[N], log P float64[N]."""
    num_prompts, num_styles, later, per_style = factors.step.shape
    num_symbols = factors.first.shape[1]
    steps = np.array(list(product(range(per_style), repeat=later)), np.int64).reshape(-1, later)
    x, z, start, walk = (index.ravel() for index in np.indices((num_prompts, num_styles, num_symbols, len(steps))))
    walked = np.cumsum(steps[walk] + (z * per_style)[:, None], axis=1)
    content = np.column_stack([start, (start[:, None] + walked) % num_symbols])
    log_p = np.log(factors.prompt_law[x]) + np.log(factors.shares[x, z]) + np.log(factors.first[x, start])
    log_p += np.log(factors.step[x[:, None], z[:, None], np.arange(later), steps[walk]]).sum(axis=1)
    return content, z, x, log_p
