"""An event that no rule of a grammar makes: the strings that begin with one of a random set of prefixes."""

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Annotated, TypeAlias

import numpy as np

from sim.config import AtLeast, OpenFraction, Positive
from sim.languages.events import Dfa
from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule
from sim.languages.restricted import Narrowed, Restricted
from sim.numerics import EOS, SpecificationError
from sim.restrictions._kinds import conditioned, on_list
from sim.restrictions._shifts import divergence, shifted

PLACE = "restriction"

Beginning: TypeAlias = tuple[int, ...]
"""The first `depth` tokens of a string; a shorter string is a beginning of its own, and ends with EOS."""

MOST = 512
"""Most beginnings. Every one adds several rules to the product of a grammar with the event, and its law is slower."""

ROUNDING = 1e-12
"""A mass that exceeds the share by no more than this is rounding."""


def random_prefixes(
    p: ExactLanguage,
    *,
    share: Annotated[float, OpenFraction] = 0.5,
    depth: Annotated[int, AtLeast(1)] = 8,
    shift: Annotated[float | None, Positive] = None,
    seed: Annotated[int, AtLeast(0)] = 0,
) -> Restricted | Narrowed:
    """A is the set of strings whose first `depth` tokens are in a random set; S is P_A, or A is made rarer.

    The end counts as a token, so a string of fewer symbols is a beginning of its own. The beginnings that P has are
    taken in a random order, which `seed` decides, each unless the mass would exceed `share`; so P(A) is at most
    `share`. A beginning of a document is one of its prompt, if the world has prompts that are as long. Without a
    `shift`, S = P_A = P(. | A). With it, no string is left out: S = s P_A + (1 - s) P_B, where B holds the other
    strings and s < P(A) is such that KL(S||P) = s log(s/P(A)) + (1 - s) log((1 - s)/P(B)) is `shift` [nat]. A is an
    event of strings, so all of this is exact for ambiguous grammars too. Notes: `mass` P(A); with a shift
    `probability` s and `uses` 1, as in `reweighted`. Raises `SpecificationError` if every beginning is heavier than
    `share`, for over 512 beginnings, for a shift out of reach, and for a shift of another kind of language than a list
    or a context-free grammar.
    """
    if isinstance(p, FiniteLanguage):
        first = p.trie.strings[:, :depth]
        found, which = np.unique(first, axis=0, return_inverse=True)
        chosen = _chosen(np.bincount(which.reshape(-1), np.exp(p.log_p), len(found)), share, depth, seed)
        return _of_list(p, chosen[which.reshape(-1)], shift)
    if shift is not None and not isinstance(p, ContextFree):
        raise SpecificationError(
            f"{PLACE}.shift: a list or a context-free grammar is required for a shift, found another kind; set it to "
            "null, or list the strings with a length"
        )
    names, masses = _beginnings(p, depth)
    chosen = _chosen(np.array(masses), share, depth, seed)
    event = _tree([name for name, taken in zip(names, chosen, strict=True) if taken], depth, len(p.vocabulary))
    kept = conditioned(p, event, PLACE)
    assert isinstance(kept, Narrowed)
    mass = math.exp(kept.log_mass)
    if shift is None:
        return replace(kept, notes={"mass": mass})
    others = conditioned(p, event.complement(), PLACE)
    assert isinstance(p, ContextFree)
    assert isinstance(kept.s, ContextFree)
    assert isinstance(others, Narrowed)
    assert isinstance(others.s, ContextFree)
    s = shifted(mass, shift, "rarer", _shown(mass))
    return Narrowed(mixture(kept.s, others.s, Fraction(s)), p, 0.0, divergence(s, mass), _notes(mass, s))


def _notes(mass: float, s: float) -> dict[str, float]:
    return {"mass": mass, "probability": s, "uses": 1.0}


def _shown(mass: float) -> str:
    return f"an event of mass {mass:.4g}"


def _of_list(p: FiniteLanguage, event: np.ndarray, shift: float | None) -> Restricted:
    """The restriction of listed strings to an event bool[N], or with this event rarer."""
    found = on_list(p, event & (p.log_p > -np.inf), PLACE)
    mass = math.exp(found.log_mass)
    if shift is None:
        return replace(found, notes={"mass": mass})
    s = shifted(mass, shift, "rarer", _shown(mass))
    log_s = p.log_p + np.where(event, math.log(s / mass), math.log((1.0 - s) / (1.0 - mass)))
    return Restricted(replace(p, log_p=log_s), p, np.ones(p.trie.num_strings, bool), 0.0, _notes(mass, s))


def _chosen(masses: np.ndarray, share: float, depth: int, seed: int) -> np.ndarray:
    """Which beginnings are taken, bool[N]: in a random order, each unless the mass would exceed the share."""
    taken, total = np.zeros(len(masses), bool), 0.0
    for at in np.random.default_rng([seed, depth]).permutation(len(masses)).tolist():
        if masses[at] > 0.0 and total + masses[at] <= share + ROUNDING:
            taken[at], total = True, total + float(masses[at])
    if not taken.any():
        raise SpecificationError(
            f"{PLACE}.share: at least the mass of the lightest beginning of {depth} tokens is required, "
            f"{masses[masses > 0].min():.4g}, found {share:g}; raise it, or raise the depth"
        )
    return taken


def _beginnings(p: ExactLanguage, depth: int) -> tuple[list[Beginning], list[float]]:
    """All beginnings that P has, sorted, and their probabilities; found by trying every token behind every one."""
    growing: dict[Beginning, float] = {(): 0.0}
    ended: dict[Beginning, float] = {}
    for _ in range(depth):
        longer = dict[Beginning, float]()
        for one, log_mass in growing.items():
            following = p.next_log_probs(one)
            for token in np.flatnonzero(following > -np.inf).tolist():
                (ended if token == EOS else longer)[*one, token] = log_mass + float(following[token])
        growing = longer
        if len(growing) + len(ended) > MOST:
            raise SpecificationError(
                f"{PLACE}.depth: at most {MOST} beginnings are required, because every one adds rules to the product "
                f"with a grammar, found over {MOST} of {depth} tokens; lower it"
            )
    found = sorted((growing | ended).items())
    return [one for one, _ in found], [math.exp(log_mass) for _, log_mass in found]


def _tree(chosen: Sequence[Beginning], depth: int, vocab_size: int) -> Dfa:
    """The event of the strings that begin so: the tree of the beginnings, with a state for yes and one for no."""
    no, yes, start = 0, 1, 2
    table, ends = [[no] * vocab_size, [yes] * vocab_size, [no] * vocab_size], [False, True, False]
    for one in chosen:
        state = start
        for at, token in enumerate(one, 1):
            if token == EOS:
                ends[state] = True
            elif at == depth:
                table[state][token] = yes
            else:
                if table[state][token] == no:
                    table[state][token] = len(table)
                    table.append([no] * vocab_size)
                    ends.append(False)
                state = table[state][token]
    return Dfa(np.array(table), np.array(ends), start).minimal()


def mixture(first: ContextFree, other: ContextFree, weight: Fraction) -> ContextFree:
    """The grammar that derives from `first` with probability `weight`, else from `other`; exact, weight in (0, 1).

    Raises `SpecificationError` if the vocabularies differ.
    """
    if first.vocabulary != other.vocabulary:
        raise SpecificationError("mixture: two grammars with the same vocabulary are required, found different ones")
    names, rules = ["start"], list[Rule]()
    for number, (own, p) in enumerate(((first, weight), (other, 1 - weight))):
        offset = len(names)
        rules.append(Rule(0, (~(offset + own.start),), p))
        names += [f"{name} {'AB'[number]}" for name in own.nonterminals]
        for rule in own.rules:
            rhs = tuple(symbol if symbol > 0 else ~(offset + ~symbol) for symbol in rule.rhs)
            rules.append(Rule(offset + rule.lhs, rhs, rule.p))
    return ContextFree(first.vocabulary, tuple(names), tuple(rules))


def label(*, share: float = 0.5, depth: int = 8, shift: float | None = None, **_: object) -> str:
    """The restriction in words."""
    event = f"random {100 * share:g} % by the first {depth} tokens"
    return event if shift is None else f"{event} rarer by {shift:g} nat"
