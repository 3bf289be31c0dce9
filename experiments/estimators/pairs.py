"""Pairs of listed laws: one that is sampled, q, and one that it is compared with, p. Everything about them is exact."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sim.config import construct
from sim.estimators._sample import Known
from sim.languages.finite import FiniteLanguage
from sim.languages.tilting import tilt

SHARPER, FLATTER = 0.7, 1.4
"""Temperatures of the tempered laws."""

HALF = 0.5
"""P-mass of the strings that the truncated law keeps, and share of P in the mixed law."""

LOST = 0.001
"""What the gated law leaves to all lost styles together, as a model does after fine-tuning on one style."""

KEPT = 3
"""The style that is kept, `assistant`."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two laws on K strings: log q and log p [nat], the sums along their positions, what is known, and the truth.

    name: how q is related to p; words: the same in a sentence. truth: the target of every estimator by its name.
    """

    name: str
    language: str
    words: str
    log_q: np.ndarray
    log_p: np.ndarray
    entropies: np.ndarray
    divergences: np.ndarray
    known: Known
    truth: dict[str, float]


def pairs() -> Iterator[Pair]:
    """Iterate over the pairs: brackets (1,344 strings), then English (1,056 documents in four styles)."""
    brackets = _language("dyck")
    cut = brackets.with_law(truncated(brackets.log_p, HALF))
    yield pair("sharpened", "brackets", f"q ∝ P^(1/{SHARPER:g}), p = P", _tempered(brackets, SHARPER), brackets)
    yield pair("flattened", "brackets", f"q ∝ P^(1/{FLATTER:g}), p = P", _tempered(brackets, FLATTER), brackets)
    yield pair("truncated", "brackets", "q = P on the likeliest strings with half of the mass, p = P", cut, brackets)
    yield pair("truncated, from P", "brackets", "q = P, p = P on the likeliest strings with half of the mass", brackets,
               cut)  # fmt: skip
    english = _language("english", num_prompts=3)
    kept, gate = styled(english)
    mixed = english.with_law(np.logaddexp(english.log_p, kept.log_p) + math.log(HALF))
    words = f"q = P with {LOST:g} for the lost styles"
    yield pair("mixed", "English", "q = half P and half P in one style, p = P", mixed, english)
    yield pair("gated", "English", f"{words}, p = P", gate, english)
    yield pair("gated, from P", "English", f"q = P, p = P with {LOST:g} for the lost styles", english, gate)
    yield pair("one style", "English", "q = P in one style, p = P", kept, english)


def _language(kind: str, **arguments: int) -> FiniteLanguage:
    made = construct("grammar", {"kind": kind, **arguments}, "grammar")
    return made[0] if isinstance(made, tuple) else made


def _tempered(language: FiniteLanguage, temperature: float) -> FiniteLanguage:
    found = tilt(language, temperature)[0]
    assert isinstance(found, FiniteLanguage)
    return found


def truncated(log_p: np.ndarray, mass: float) -> np.ndarray:
    """Return log of P given its likeliest strings [nat], as many as are needed to hold a mass."""
    order = np.argsort(-log_p, kind="stable")
    number = int(np.searchsorted(np.cumsum(np.exp(log_p[order])), mass)) + 1
    kept = np.isin(np.arange(len(log_p)), order[:number])
    return np.asarray(np.where(kept, log_p - math.log(math.fsum(np.exp(log_p[kept]))), -np.inf))


def styled(p: FiniteLanguage) -> tuple[FiniteLanguage, FiniteLanguage]:
    """Return P in the kept style, and P with the mass LOST for all other styles, in the proportions of P."""
    assert p.styles is not None
    inside = p.styles.of == KEPT
    kept, other = (p.condition(event)[0] for event in (inside, ~inside))
    gate = np.where(inside, kept.log_p + math.log1p(-LOST), other.log_p + math.log(LOST))
    return kept, p.with_law(gate)


def pair(name: str, language: str, words: str, q: FiniteLanguage, p: FiniteLanguage) -> Pair:
    """Return a pair of laws on one trie with all that is exactly known of it."""
    alive = q.log_p > -np.inf
    with np.errstate(invalid="ignore"):
        ratio = (q.log_p - p.log_p)[alive]
    entropies, divergences, most = along(q, p)
    known = Known(
        size=q.support_size,
        log_ratio=(float(ratio.min()), float(ratio.max())),
        unreached=math.fsum(np.exp(p.log_p[~alive])),
        path_entropy=float(most[alive].max()),
        path_kl=float(divergences[alive].max()),
    )
    truth = {"H(q)": q.entropy(), "KL(q‖p)": q.kl(p), "C(q)": q.collision(), "N": float(q.support_size)}
    return Pair(name, language, words, q.log_p, p.log_p, entropies, divergences, known, truth)


def along(q: FiniteLanguage, p: FiniteLanguage) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return three sums over the positions of every string [nat], float64[N] each, from laws on one trie.

    They are of H(q(·|prefix)), of KL(q(·|prefix)‖p(·|prefix)), and of the log of the number of tokens that q can write
    there, which bounds the first. Strings that q cannot write have 0.
    """
    trie, log_q, log_p = q.trie, q.edge_log_prob, p.edge_log_prob
    chosen = log_q > -np.inf
    mass = np.exp(log_q)

    def at_nodes(values: np.ndarray) -> np.ndarray:
        return np.bincount(trie.edge_node, np.where(chosen, values, 0.0), trie.num_nodes)

    with np.errstate(invalid="ignore"):
        terms = [-mass * np.where(chosen, log_q, 0.0), mass * (log_q - log_p)]
    nodes = [at_nodes(one) for one in terms]
    nodes.append(np.log(np.maximum(at_nodes(chosen.astype(np.float64)), 1.0)))
    inside = trie.node >= 0
    alive = q.log_p > -np.inf
    sums = [np.where(inside, one[trie.node], 0.0).sum(axis=1) for one in nodes]
    entropies, divergences, most = (np.where(alive, one, 0.0) for one in sums)
    return entropies, divergences, most
