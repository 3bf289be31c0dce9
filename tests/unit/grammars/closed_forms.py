"""Entropies of the built-in worlds by the chain rule over their factors, without a list of strings: oracles."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sim.grammars._content import Factors as Contents
from sim.grammars._templated import Factors, factors_of
from sim.grammars._templates import Words, slots_of
from sim.languages.finite import FiniteLanguage


def entropy_of(law: np.ndarray) -> float:
    """-sum p log p [nat]; some probabilities may be zero."""
    return float(sum(-p * np.log(p) for p in law if p))


def templated_factors(
    grammar: Callable[..., FiniteLanguage], lists: Mapping[str, Words], arguments: Mapping[str, Any]
) -> Factors:
    """The factors of a templated grammar, from its arguments and the defaults of the others."""
    defaults = {name: one.default for name, one in inspect.signature(grammar).parameters.items()}
    chosen = defaults | dict(arguments)
    return factors_of(lists[chosen.pop("words")], **chosen)


def templated_entropy(factors: Factors) -> float:
    """H(P) [nat per string] = H(x) + E H(z|x) + E H(form|z) + E sum over slots of H(word|x,z,slot).

    It is exact because the string determines all of them.
    """
    total = entropy_of(factors.prompt_law)
    for topic, p_topic in enumerate(factors.prompt_law):
        total += p_topic * entropy_of(factors.shares[topic])
        for style, p_style in zip(factors.styles, factors.shares[topic], strict=True):
            forms = factors.words.styles[style].forms
            inside = entropy_of(np.array([share for _, share in forms]))
            for form, share in forms:
                inside += share * sum(entropy_of(factors.law(topic, style, slot)) for slot in slots_of(form))
            total += p_topic * p_style * inside
    return float(total)


def templated_size(factors: Factors) -> int:
    """The number of documents: for every topic and form, the product of the numbers of words of its slots."""
    return sum(
        int(np.prod([len(factors.choices(topic, slot)) for slot in slots_of(form)]))
        for topic in range(len(factors.topics))
        for style in factors.styles
        for form, _ in factors.words.styles[style].forms
    )


def styles_content_entropy(factors: Contents, shown: float = 0.0) -> float:
    """H(P) [nat per string], where the string determines prompt, style and steps: styles are disjoint or shown."""
    assert factors.disjoint or shown == 1
    total = entropy_of(factors.prompt_law) + entropy_of(np.array([shown, 1 - shown]))
    for x, p_prompt in enumerate(factors.prompt_law):
        inside = entropy_of(factors.shares[x]) + entropy_of(factors.first[x])
        for share, laws in zip(factors.shares[x], factors.step_law[x], strict=True):
            inside += share * sum(entropy_of(law) for law in laws)
        total += p_prompt * inside
    return float(total)
