"""Prompts of several topics: an answer follows the law of its topic, or the prompt's own law. Tier A."""

from typing import Annotated

import numpy as np

from sim.config import AtLeast, Fraction, NonNegative
from sim.grammars._mixture import refuse_size, zipf_law
from sim.grammars._tables import different_words
from sim.languages.finite import FiniteLanguage
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError


def topics(
    *,
    num_prompts: Annotated[int, AtLeast(1)] = 32,
    num_topics: Annotated[int, AtLeast(1)] = 4,
    answers_per_prompt: Annotated[int, AtLeast(1)] = 32,
    idiosyncrasy: Annotated[float, Fraction] = 0.2,
    num_symbols: Annotated[int, AtLeast(1)] = 4,
    answer_length: Annotated[int, AtLeast(1)] = 3,
    zipf: Annotated[float, NonNegative] = 1.0,
    prompt_zipf: Annotated[float, NonNegative] = 0.0,
    shown: bool = True,
    seed: Annotated[int, AtLeast(0)] = 0,
) -> tuple[FiniteLanguage, dict[str, float]]:
    """Documents "t1 x5 : y3 y1 y0": P(y|x) = (1 - kappa) G_t(y) + kappa U_x(y), with kappa = `idiosyncrasy`.

    Prompt x belongs to the topic t = x mod `num_topics`, which the prompt names if `shown` is true; else it is latent.
    All prompts have the same K = `answers_per_prompt` valid answers. These are different words of `answer_length`
    symbols, and other words are invalid. The law G_t of each topic and the law U_x of each prompt are Zipf-Mandelbrot
    laws with exponent `zipf` over the K answers, in random orders and with random offsets. P(x) is Zipf's law with
    exponent `prompt_zipf`. The seed decides the laws alone: worlds of all seeds have the same strings. G_t and U_x do
    not depend on kappa or on the numbers of topics and prompts. Notes, all exact: `idiosyncrasy` kappa; the means over
    P(x) of the entropies [nat] of G_t (`topic_entropy`), of U_x (`own_entropy`) and of P(y|x) (`answer_entropy`), and
    of C(P(y|x)) (`answer_collision`). Raises `SpecificationError` for fewer prompts than topics, fewer words than
    answers, or more than 10^6 documents.
    """
    refuse_size(num_prompts * answers_per_prompt, "num_prompts or answers_per_prompt")
    _check(num_prompts, num_topics, answers_per_prompt, num_symbols, answer_length)
    topic = np.arange(num_prompts) % num_topics
    shared = np.stack([_law(seed, 0, t, answers_per_prompt, zipf) for t in range(num_topics)])[topic]
    own = np.stack([_law(seed, 1, x, answers_per_prompt, zipf) for x in range(num_prompts)])
    given = (1.0 - idiosyncrasy) * shared + idiosyncrasy * own
    prompt_law = zipf_law(num_prompts, prompt_zipf)
    names = [*(f"t{t}" for t in range(num_topics if shown else 0)), *(f"x{x}" for x in range(num_prompts))]
    vocabulary = Vocabulary(("<eos>", *names, ":", *(f"y{i}" for i in range(num_symbols))), len(names) + 1)
    words = different_words(np.random.default_rng(0), answers_per_prompt, num_symbols, answer_length)
    x, y = (index.ravel() for index in np.indices(given.shape))
    columns = [
        *([topic[x] + 1] if shown else []),
        x + vocabulary.index("x0"),
        np.full(len(x), vocabulary.prompt_end),
        *(words[y].T + vocabulary.index("y0")),
        np.full(len(x), EOS),
    ]
    log_p = np.log(prompt_law)[x] + np.log(given)[x, y]
    notes = {
        "idiosyncrasy": idiosyncrasy,
        "topic_entropy": float(prompt_law @ _entropies(shared)),
        "own_entropy": float(prompt_law @ _entropies(own)),
        "answer_entropy": float(prompt_law @ _entropies(given)),
        "answer_collision": float(prompt_law @ (given**2).sum(axis=1)),
    }
    return FiniteLanguage.from_strings(vocabulary, np.stack(columns, axis=1), log_p), notes


def _check(num_prompts: int, num_topics: int, num_answers: int, num_symbols: int, answer_length: int) -> None:
    if num_prompts < num_topics:
        raise SpecificationError(
            f"num_topics: at most num_prompts ({num_prompts}) is required, found {num_topics}; "
            "lower it, or raise num_prompts"
        )
    if num_answers > num_symbols**answer_length:
        raise SpecificationError(
            f"answer_length: {num_answers} different answers are required, found {num_symbols**answer_length} words of "
            f"{answer_length} symbols; raise answer_length or num_symbols, or lower answers_per_prompt"
        )


def _law(seed: int, kind: int, index: int, count: int, exponent: float) -> np.ndarray:
    """The law of a topic (kind 0) or of a prompt (kind 1) over the answers, in random order: float64[count]."""
    generator = np.random.default_rng([seed, kind, index])
    return generator.permutation(zipf_law(count, exponent, generator.random()))


def _entropies(laws: np.ndarray) -> np.ndarray:
    """The entropy of each row [nat], for positive probabilities."""
    return np.asarray(-(laws * np.log(laws)).sum(axis=1))


def label(**_: object) -> str:
    """The world in words."""
    return "prompts of several topics"
