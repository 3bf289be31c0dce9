"""Noisy prefixes: data with injected deviations. After each deviation the text recovers."""

import math
from collections.abc import Iterator
from itertools import combinations, product
from typing import Annotated, Literal

import numpy as np

from sim.config import AtLeast, OpenFraction
from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage, Styles
from sim.languages.restricted import Restricted, widens
from sim.numerics import EOS, SpecificationError
from sim.restrictions._kinds import needs_list

MAX_STRINGS = 1_000_000
"""Largest number of clean and noisy strings that are listed."""


@widens
def noise(
    p: ExactLanguage,
    *,
    rate: Annotated[float, OpenFraction] = 0.1,
    deviation: Literal["replace", "insert"] = "replace",
    num_wrong: Annotated[int, AtLeast(1)] = 1,
    max_deviations: Annotated[int, AtLeast(1)] = 1,
    seed: Annotated[int, AtLeast(0)] = 0,
) -> Restricted:
    """S is P with deviations: with probability `rate`, a symbol of the answer meets a token that P never has there.

    `replace` puts the wrong token in place of the symbol, and `insert` puts it before the symbol. Then the text goes on
    as it would have: that is the recovery. For every prefix, `num_wrong` tokens that P never has after it are drawn
    once by `seed`, and they are equally likely. There is no deviation at a prefix that every token may follow. A string
    has at most `max_deviations`: its noisy versions follow their law given this, renormalised exactly. The note
    `few_mass` is the probability of this condition. Prompts stay clean and keep their law. S leaves supp P: KL(S || P)
    is infinite, the shift accounting does not apply, A is the set of clean strings, and P_A = P. All laws are on one
    trie of the clean and noisy strings, which are the valid strings of this world. Notes: `few_mass`,
    `clean_mass` = S(supp P), `num_noisy` strings. Raises `SpecificationError` for more than 10^6 strings, and if no
    deviation is possible. Raises `UnavailableError` for a language that is not listed.
    """
    listed = needs_list(p, "restriction", "deviations are put into listed strings")
    wrong = _wrong_tokens(listed, num_wrong, seed)
    law: dict[bytes, tuple[float, int]] = {}
    width = listed.length + (max_deviations if deviation == "insert" else 0)
    few = 0.0
    for i in np.flatnonzero(listed.log_p > -np.inf).tolist():
        variants = list(_variants(listed, i, wrong, rate, deviation, max_deviations))
        total, p_i = math.fsum(weight for _, weight in variants), math.exp(listed.log_p[i])
        few += p_i * total
        for tokens, weight in variants:
            row = np.zeros(width, np.int32)
            row[: len(tokens)] = tokens
            before, origin = law.get(row.tobytes(), (0.0, i))
            law[row.tobytes()] = before + p_i * weight / total, origin
        if len(law) > MAX_STRINGS:
            raise SpecificationError(
                f"restriction: at most {MAX_STRINGS} clean and noisy strings may be listed, found more; lower "
                "max_deviations or num_wrong, or use a smaller world"
            )
    if len(law) == listed.support_size:
        raise SpecificationError(
            "restriction: some prefix of an answer must have a token that never follows it, found that every token may "
            "follow every prefix; use a world with forbidden tokens"
        )
    return _assembled(listed, law, width, few)


def _wrong_tokens(p: FiniteLanguage, number: int, seed: int) -> list[np.ndarray]:
    """For every node, an array of up to `number` random tokens that no listed string has there."""
    generator = np.random.default_rng(seed)
    right = p.trie.legal.copy()  # for all listed strings, also those of probability 0
    right[:, EOS] = True
    if p.vocabulary.prompt_end is not None:
        right[:, p.vocabulary.prompt_end] = True  # a second closing symbol could be mistaken for the prompt's
    return [np.sort(generator.permutation(np.flatnonzero(~row))[:number]) for row in right]


def _variants(
    p: FiniteLanguage, i: int, wrong: list[np.ndarray], rate: float, deviation: str, most: int
) -> Iterator[tuple[list[int], float]]:
    """Yield one string and all its versions with up to `most` deviations, each with its probability."""
    first, end = int(p.prompts.length[i]), int(p.trie.lengths[i]) - 1
    tokens = p.trie.strings[i, :end].tolist()
    nodes = p.trie.node[i, :end]
    places = [t for t in range(first, end) if len(wrong[nodes[t]])]
    for number in range(min(most, len(places)) + 1):
        for chosen in combinations(places, number):
            weight = rate**number * (1 - rate) ** (len(places) - number)
            for put in product(*(wrong[nodes[t]].tolist() for t in chosen)):
                share = weight / float(np.prod([len(wrong[nodes[t]]) for t in chosen]))
                text = list(tokens)
                for t, token in reversed(list(zip(chosen, put, strict=True))):
                    text[t : t + (deviation == "replace")] = [token]
                yield text, share


def _assembled(p: FiniteLanguage, law: dict[bytes, tuple[float, int]], width: int, few: float) -> Restricted:
    """P and S on one trie. A noisy string has the style posterior of the first string that it arose from."""
    noisy = np.stack([np.frombuffer(key, np.int32) for key in law])
    clean = {np.pad(row, (0, width - p.length)).tobytes(): i for i, row in enumerate(p.trie.strings)}
    extra = [key not in clean for key in law]
    rows = np.concatenate([np.pad(p.trie.strings, ((0, 0), (0, width - p.length))), noisy[extra]])
    log_p = np.concatenate([p.log_p, np.full(sum(extra), -np.inf)])
    noisy_from = [i for (_, i), new in zip(law.values(), extra, strict=True) if new]
    origin = np.array([*range(len(p.log_p)), *noisy_from])
    styles = None if p.styles is None else Styles(p.styles.names, p.styles.log_posterior[origin])
    whole = FiniteLanguage.from_strings(p.vocabulary, rows, log_p, styles)
    log_s = np.full(len(rows), -np.inf)
    for row, key in enumerate(whole.trie.strings):
        if (found := law.get(key.tobytes())) is not None:
            log_s[row] = math.log(found[0])
    event = whole.log_p > -np.inf
    s = whole.with_law(log_s)
    notes = {"few_mass": few, "clean_mass": float(np.exp(log_s[event]).sum()), "num_noisy": float(sum(extra))}
    return Restricted(s, whole, event, 0.0, notes, p=whole)


def label(**_: object) -> str:
    """The restriction in words."""
    return "with deviations and recovery"
