"""Worked examples of one latent style before the question: P(z) P(k) prod_i P(x_i) P(y_i|x_i,z). Tier A."""

from collections.abc import Sequence
from itertools import product
from typing import Annotated

import numpy as np

from sim.config import AtLeast, HalfOpenFraction, NonNegative
from sim.grammars._content import joined, mixed, style_names, styles_content_factors
from sim.grammars._mixture import checked_shares, refuse_size
from sim.languages.finite import FiniteLanguage
from sim.languages.vocabulary import Vocabulary


def few_shot(
    *,
    num_prompts: Annotated[int, AtLeast(1)] = 2,
    num_styles: Annotated[int, AtLeast(1)] = 3,
    num_symbols: Annotated[int, AtLeast(1)] = 3,
    answer_length: Annotated[int, AtLeast(2)] = 2,
    num_examples: Sequence[float] = (0.2, 0.3, 0.5),
    overlap: Annotated[float, HalfOpenFraction] = 0.2,
    prompt_zipf: Annotated[float, NonNegative] = 0.5,
    zipf: Annotated[float, NonNegative] = 1.0,
    style_weights: Sequence[float] | None = None,
    seed: Annotated[int, AtLeast(0)] = 0,
) -> FiniteLanguage:
    """Documents "x0 = y1 y2 ; x1 = y2 y0 ; x0 : y0 y2": k worked examples, then a question and its answer.

    A document has one style z, which is never shown, with P(z) = `style_weights` (null: equal). It has k examples with
    probability `num_examples`[k]. Both lists must sum to 1. The k + 1 prompts are drawn independently from P(x), and
    each answer from P(y|x,z). These are the laws of `styles_content` with the same arguments and without swing, so
    prompts contain no information about the style. The document's prompt ends at ":", so it contains the examples and
    the question. If `overlap` is above 0, an answer leaves the style uncertain, and further examples add information;
    if it is 0, one example determines the style. The posterior over styles given the whole document is exact. Raises
    `SpecificationError` for too few symbols, lists that are not laws, or more than 10^6 documents.
    """
    factors = styles_content_factors(
        num_prompts, num_styles, num_symbols, answer_length, prompt_zipf, zipf, style_weights, 0.0, overlap, seed
    )
    law = _checked_law(num_examples)
    sizes = [factors.first.size ** (k + 1) * factors.num_walks((k + 1) * (answer_length - 1))[0] for k in law]
    refuse_size(sum(sizes), "the number of examples, answer_length, num_symbols or num_prompts")
    x, content, log_pair = factors.documents(np.ones_like(factors.shares))
    prompts, symbols = [f"x{i}" for i in range(num_prompts)], [f"y{i}" for i in range(num_symbols)]
    vocabulary = Vocabulary(("<eos>", *prompts, ":", "=", ";", *symbols), prompt_end=num_prompts + 1)
    question = np.column_stack([x + 1, np.full(len(x), vocabulary.prompt_end), content + num_prompts + 4])
    example = np.column_stack([question, np.full(len(x), vocabulary.index(";"))])
    example[:, 1] = vocabulary.index("=")
    parts = []
    for k, p in law.items():
        pairs = _in_one_style(log_pair > -np.inf, k + 1)
        documents = np.hstack([*(example[pairs[:, i]] for i in range(k)), question[pairs[:, k]]])
        log_p, log_posterior = mixed(np.log(p) + np.log(factors.shares[0]) + log_pair[pairs].sum(axis=1))
        parts.append((documents, log_p, log_posterior))
    return joined(vocabulary, style_names(num_styles), parts)


def _checked_law(num_examples: Sequence[float]) -> dict[int, float]:
    """The positive probabilities by number of examples. Raises `SpecificationError` for a list that is not a law."""
    names = [str(k) for k in range(len(num_examples))]
    shares = checked_shares(dict(zip(names, num_examples, strict=True)), names, "num_examples")
    return {int(k): p for k, p in shares.items()}


def _in_one_style(possible: np.ndarray, number: int) -> np.ndarray:
    """Every sequence of pairs x y that some style can write: int[N, number]. `possible` is bool[M, Z]."""
    each = [list(product(np.flatnonzero(column).tolist(), repeat=number)) for column in possible.T]
    return np.unique(np.concatenate(each), axis=0)


def label(**_: object) -> str:
    """The world in words."""
    return "worked examples before the question"
