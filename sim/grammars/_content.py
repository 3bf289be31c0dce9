"""Factors of the abstract worlds of styles and content: prompts, styles that may overlap, and content on a clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

import numpy as np

from sim.grammars._mixture import checked_shares, style_shares, zipf_law
from sim.languages.finite import FiniteLanguage, Styles
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError, log_sum_exp

Part: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Documents of one length without EOS int[N, L - 1], log P [nat] [N], and log P(z | document) [nat] [N, Z]."""


@dataclass(frozen=True)
class Factors:
    """The tables of the world. Content is a walk on a clock of K symbols, and each style owns a block of B step sizes.

    A style draws a step from its own block with probability 1 - `overlap`. Otherwise it draws as the next style does
    (cyclically) from that style's block.
    """

    prompt_law: np.ndarray  # float64[G], P(x)
    shares: np.ndarray  # float64[G, Z], P(z | x)
    first: np.ndarray  # float64[G, K], P(first symbol | x), the same for every style
    step: np.ndarray  # float64[G, Z, T, B], law of the step to later symbol t in the block of z: z B, ..., z B + B - 1
    overlap: float = 0.0

    @property
    def disjoint(self) -> bool:
        """Whether the content determines the style."""
        return self.overlap == 0 or self.step.shape[1] == 1

    @property
    def step_law(self) -> np.ndarray:
        """P(step | x, z, t) over the steps of all styles: float64[G, Z, T, Z B]."""
        num_prompts, num_styles, later, per_style = self.step.shape
        own = np.zeros((num_prompts, num_styles, later, num_styles, per_style))
        for z in range(num_styles):
            own[:, z, :, z] = self.step[:, z]
        law = own if self.disjoint else (1 - self.overlap) * own + self.overlap * np.roll(own, -1, axis=1)
        return law.reshape(num_prompts, num_styles, later, num_styles * per_style)

    def num_walks(self, num_steps: int) -> tuple[int, int]:
        """The number of sequences of steps that some style can take, and the number that each single style can take."""
        _, num_styles, _, per_style = self.step.shape
        narrow, wide = per_style**num_steps, (2 * per_style) ** num_steps
        if self.disjoint:
            return num_styles * narrow, narrow
        # two styles can take the same steps; of three or more, neighbours share the sequences within one block
        return (wide if num_styles == 2 else num_styles * (wide - narrow)), wide

    def walks(self, num_steps: int) -> np.ndarray:
        """The sequences of steps that some style can take: int[W, num_steps]."""
        _, num_styles, _, per_style = self.step.shape
        blocks = np.arange(num_styles * per_style).reshape(num_styles, per_style)
        reach = blocks if self.disjoint else np.hstack([blocks, np.roll(blocks, -1, axis=0)])
        every = [list(product(steps, repeat=num_steps)) for steps in reach.tolist()]
        return np.unique(np.concatenate(every), axis=0)

    @property
    def support_size(self) -> int:
        """The number of documents in which the style is not shown."""
        return int(self.first.size * self.num_walks(self.step.shape[2])[0])

    def documents(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Every document x y: prompt int[N], content int[N, T + 1], and log (P(x) w(x, z) P(y|x,z)) [nat] [N, Z].

        `weights` w is float64[G, Z]. With `shares` the result is log P(x, z, y). With ones it is log P(x, y | z), if
        the prompt does not depend on the style.
        """
        _, num_styles, later, _ = self.step.shape
        num_symbols, law, walks = self.first.shape[1], self.step_law, self.walks(later)
        x, start, walk = (index.ravel() for index in np.indices((*self.first.shape, len(walks))))
        steps = walks[walk]
        content = np.column_stack([start, (start[:, None] + np.cumsum(steps, axis=1)) % num_symbols])
        log_p = np.empty((len(x), num_styles))
        with np.errstate(divide="ignore"):
            for z in range(num_styles):
                log_p[:, z] = np.log(self.prompt_law[x]) + np.log(weights[x, z]) + np.log(self.first[x, start])
                log_p[:, z] += np.log(law[x[:, None], z, np.arange(later), steps]).sum(axis=1)
        return x, content, log_p


def styles_content_factors(
    num_prompts: int = 6,
    num_styles: int = 4,
    num_symbols: int = 8,
    answer_length: int = 5,
    prompt_zipf: float = 0.5,
    zipf: float = 1.0,
    style_weights: Sequence[float] | None = None,
    swing: float = 0.5,
    overlap: float = 0.0,
    seed: int = 0,
    style_zipf: Sequence[float] | None = None,
) -> Factors:
    """The factors of `styles_content`, from the same arguments."""
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
    exponents = [zipf] * num_styles if style_zipf is None else list(style_zipf)
    if len(exponents) != num_styles or not all(0 <= exponent < np.inf for exponent in exponents):
        raise SpecificationError(
            f"style_zipf: {num_styles} non-negative numbers (num_styles) or null are required, found {exponents}"
        )
    shares = np.array(list(checked_shares(dict(zip(names, weights, strict=True)), names, "style_weights").values()))
    generator = np.random.default_rng(seed)
    prompt_law = zipf_law(num_prompts, prompt_zipf, generator.random())
    leans = generator.integers(num_styles, size=num_prompts)[:, None] == np.arange(num_styles)
    first = np.stack([_shuffled_zipf(generator, num_symbols, zipf) for _ in range(num_prompts)])
    shape = (num_prompts, num_styles, answer_length - 1, per_style)
    laws = [_shuffled_zipf(generator, per_style, exponents[z]) for _, z, _ in np.ndindex(shape[:3])]
    step = np.stack(laws).reshape(shape)
    return Factors(prompt_law, style_shares(prompt_law, shares, leans, swing), first, step, overlap)


def _shuffled_zipf(generator: np.random.Generator, count: int, exponent: float) -> np.ndarray:
    """Zipf's law in random order, with a random offset that makes probabilities generic."""
    return generator.permutation(zipf_law(count, exponent, generator.random()))


def style_names(num_styles: int) -> tuple[str, ...]:
    """The names z0, z1, ... of the styles. They are also the tokens of styles that are shown."""
    return tuple(f"z{z}" for z in range(num_styles))


def mixed(log_joint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From log P(z, document): log P(document) [nat], float64[N], and log P(z | document) [nat], float64[N, Z]."""
    log_p = log_sum_exp(log_joint, axis=1)
    return log_p, log_joint - log_p[:, None]


def joined(vocabulary: Vocabulary, names: tuple[str, ...], parts: Sequence[Part]) -> FiniteLanguage:
    """The language of all documents of the parts. Each is ended and padded with EOS."""
    length = 1 + max(documents.shape[1] for documents, _, _ in parts)
    strings = [
        np.pad(documents, ((0, 0), (0, length - documents.shape[1])), constant_values=EOS) for documents, _, _ in parts
    ]
    log_p, log_posterior = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
    return FiniteLanguage.from_strings(vocabulary, np.concatenate(strings), log_p, Styles(names, log_posterior))
