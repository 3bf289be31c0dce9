"""Facts that are reported only on request: strings, prefixes, next tokens, positions, and a second language."""

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from sim.describe.bounds import Known
from sim.describe.facts import path_text
from sim.describe.sections import Section
from sim.languages.automaton import Automaton
from sim.languages.chain import Chain
from sim.languages.chain_rates import kl_rate
from sim.languages.endless import Endless
from sim.languages.exact import ExactLanguage, unavailable
from sim.languages.finite import FiniteLanguage
from sim.languages.hidden import HiddenAutomaton
from sim.languages.paths import viterbi
from sim.languages.relabelled import relabelled
from sim.metrics.comparison import divergences
from sim.metrics.positions import entropy_by_position, live_by_position
from sim.metrics.scored import truth
from sim.numerics import SpecificationError
from sim.quantity import Quantity


def probabilities(language: ExactLanguage, texts: Sequence[str], prefixes: Sequence[str]) -> list[Section]:
    """Return the probability of each string, and for each prefix the probability that a string begins with it."""
    found, said = [], dict[str, float | str]()
    for key, title, option, given, ask in (
        ("strings", "Probability of strings", "--string", texts, language.log_prob),
        ("prefixes", "Probability of prefixes", "--prefix", prefixes, language.log_prefix),
    ):
        if given:
            section = Section(key, title)
            for text in given:
                tokens = language.vocabulary.tokens(text, option)
                log_p = ask(tokens)
                said = {"p": math.exp(log_p), "log_p": log_p}
                if key == "strings" and isinstance(language, HiddenAutomaton) and log_p > -math.inf:
                    path = viterbi(language, tokens)
                    said |= {"path": path_text(language, path), "path_p": math.exp(path.log_p)}
                section.add(text, repr(text), said)
            found.append(section)
    return found


def next_tokens(language: ExactLanguage, prefixes: Sequence[str]) -> list[Section]:
    """Return the law of the next token after each prefix, likeliest token first; EOS is the decision to stop."""
    if not prefixes:
        return []
    section = Section("next", "Next tokens")
    symbols = language.vocabulary.symbols
    for text in prefixes:
        try:
            log_p = language.next_log_probs(language.vocabulary.tokens(text, "--next"))
        except SpecificationError as problem:
            raise SpecificationError(f"--next {text!r}: {str(problem).removeprefix(f'--next {text!r}: ')}") from None
        order = np.argsort(-log_p, kind="stable")
        law = {symbols[a]: math.exp(log_p[a]) for a in order if log_p[a] > -np.inf}
        section.add(text, repr(text), law, "1")
    return [section]


def positions(known: Known | Endless, number: int) -> list[Section]:
    """H_t, the entropy of the decision at position t [nat]. Strings that have ended contribute 0.

    The sum over all t is H(P). A source that never stops has no such sum; there H_t is the entropy of symbol t given
    the earlier ones. It raises `UnavailableError` for a hidden automaton or a grammar with too many strings, because
    the law of the next token then depends on the whole prefix. A hidden chain with too many blocks is refused too.
    """
    if not number:
        return []
    if isinstance(known, Endless):
        entropies, alive = np.diff(known.block_entropies(number)), np.ones(number)
        if len(entropies) < number:
            why = f"only {len(entropies)} symbols have few enough blocks"
            raise unavailable("--positions", why, "lower it")
    elif isinstance(known.language, Automaton):
        entropies, alive = known.language.position_entropies(number)
    else:
        few = known.language if isinstance(known.language, FiniteLanguage) else known.few
        if few is None:
            why = "the law of the next token depends on the whole prefix"
            raise unavailable("--positions", why, "list the strings with --length, or raise --max-strings")
        scored = truth(few, few.prompts, "joint")
        entropies, alive = (one(scored, np.zeros(1)) for one in (_position_entropies, live_by_position))
    section = Section("positions", "Entropy by position")
    rows = [
        {"position": t, "alive": float(a), "entropy": float(h)}
        for t, (h, a) in enumerate(zip(entropies[:number], alive[:number], strict=True))
    ]
    section.add("positions", "", rows)
    return [section]


def _position_entropies(scored: Any, log_law: np.ndarray) -> np.ndarray:
    return entropy_by_position(scored, scored, log_law)


def refuse_chains(language: ExactLanguage, other: ExactLanguage | None) -> None:
    """Raise `UnavailableError` if one of two languages never stops: only two chains can be compared, by rates."""
    chains = isinstance(language, Chain) and isinstance(other, Chain)
    if other is not None and not chains and (isinstance(language, Endless) or isinstance(other, Endless)):
        why = "sequences that never end have no strings to compare, and KL rates need two chains with visible states"
        fix = "give a file whose strings end, such as --length L --write FILE makes"
        raise unavailable("--against", why, fix if isinstance(other, Endless) else "use --length")


def against(language: ExactLanguage, other: ExactLanguage, path: str) -> list[Section]:
    """Return the divergences to the language of a second file. The alphabet is the union of both alphabets.

    For two chains that never stop these are the KL rates.
    """
    mine, theirs = relabelled(language, other)
    section = Section("against", f"Against {path}")
    section.add("file", "Q", path)
    if isinstance(mine, Chain) and isinstance(theirs, Chain):
        section.add("kl_rate", "KL rate of P from Q", Quantity.of(kl_rate(mine, theirs)), "nat per symbol")
        section.add("reverse_kl_rate", "KL rate of Q from P", Quantity.of(kl_rate(theirs, mine)), "nat per symbol")
        return [section]
    found = divergences(mine, theirs)
    labels = {
        "kl": ("KL(P || Q)", "nat per string"),
        "reverse_kl": ("KL(Q || P)", "nat per string"),
        "total_variation": ("total variation", "1"),
        "jensen_shannon": ("Jensen-Shannon", "nat"),
        "hellinger": ("Hellinger", "1"),
        "collision": ("C(P, Q) = sum P(x) Q(x)", "1"),
    }
    for one in fields(found):
        section.add(one.name, labels[one.name][0], getattr(found, one.name), labels[one.name][1])
    return [section]
