"""Prompts with sets of valid answers that overlap by a given amount, and Zipf's law over each set. Tier A."""

from typing import Annotated

import numpy as np

from sim.config import AtLeast, Fraction, NonNegative
from sim.grammars._mixture import refuse_size, zipf_law
from sim.grammars._tables import different_words
from sim.languages.finite import FiniteLanguage
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError


def prompt_answers(
    *,
    num_prompts: Annotated[int, AtLeast(1)] = 8,
    answers_per_prompt: Annotated[int, AtLeast(1)] = 64,
    overlap: Annotated[float, Fraction] = 0.5,
    num_symbols: Annotated[int, AtLeast(1)] = 8,
    answer_length: Annotated[int, AtLeast(1)] = 4,
    zipf: Annotated[float, NonNegative] = 1.0,
    prompt_zipf: Annotated[float, NonNegative] = 0.5,
    seed: Annotated[int, AtLeast(0)] = 0,
) -> tuple[FiniteLanguage, dict[str, float]]:
    """Documents "x0 : y3 y1 y7 y2": a prompt, its end ":", and one of its n = `answers_per_prompt` valid answers.

    round(overlap n) answers are valid for every prompt, and each other answer for one prompt only. So any two prompts
    share exactly the former. Answers are different words of `answer_length` symbols, drawn by `seed` on the host.
    P(y|x) is Zipf's law with exponent `zipf` over the answers to the prompt, in a random order for each prompt. P(x) is
    Zipf's law with exponent `prompt_zipf`. So H(P) [nat] is the sum of the entropies of these two laws, whatever the
    overlap. Note: `overlap`, the achieved share of a prompt's answers that another prompt has too (a single prompt
    counts as if there were others). Raises `SpecificationError` for fewer words than answers, or for more than 10^6
    documents.
    """
    refuse_size(num_prompts * answers_per_prompt, "num_prompts or answers_per_prompt")
    shared = round(overlap * answers_per_prompt)
    private = answers_per_prompt - shared
    num_answers = shared + num_prompts * private
    if num_answers > num_symbols**answer_length:
        raise SpecificationError(
            f"answer_length: {num_answers} different answers are required, found {num_symbols**answer_length} words of "
            f"{answer_length} symbols; raise answer_length, num_symbols or overlap"
        )
    generator = np.random.default_rng(seed)
    words = different_words(generator, num_answers, num_symbols, answer_length)
    ranks = np.stack([generator.permutation(answers_per_prompt) for _ in range(num_prompts)])
    x, place = (index.ravel() for index in np.indices(ranks.shape))
    answer = np.where(place < shared, place, x * private + place)  # first the common answers, then those of x alone
    log_p = np.log(zipf_law(num_prompts, prompt_zipf))[x] + np.log(zipf_law(answers_per_prompt, zipf))[ranks[x, place]]
    prompts, symbols = [f"x{i}" for i in range(num_prompts)], [f"y{i}" for i in range(num_symbols)]
    vocabulary = Vocabulary(("<eos>", *prompts, ":", *symbols), prompt_end=num_prompts + 1)
    columns = [
        x + 1,
        np.full(len(x), vocabulary.prompt_end),
        *(words[answer].T + num_prompts + 2),
        np.full(len(x), EOS),
    ]
    language = FiniteLanguage.from_strings(vocabulary, np.stack(columns, axis=1), log_p)
    return language, {"overlap": shared / answers_per_prompt}


def label(**_: object) -> str:
    """The world in words."""
    return "prompts and answers"
