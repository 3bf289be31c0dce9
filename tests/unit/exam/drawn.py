"""A world that can be listed, taken as one whose documents are drawn: the truth of every number is a plain sum."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from sim.exam.drawn.building import built
from sim.exam.drawn.world import Documents, DrawnWorld
from sim.languages.events import regular_expression

GRAMMAR = """\
type: pcfg
start: T
rules:
  - {lhs: T, rhs: ["(", S, ")", S], p: 3/5}
  - {lhs: T, rhs: ["[", S, "]", S], p: 2/5}
  - {lhs: S, rhs: ["(", S, ")", S], p: 21/100}
  - {lhs: S, rhs: ["[", S, "]", S], p: 14/100}
  - {lhs: S, rhs: [], p: 65/100}
"""
PATTERN = "[()]*"
HORIZON = 9

RARE = 0.005
"""The P-mass of the rarest strings that one of the models has nearly lost."""


def config(number: int = 100, horizon: int | None = HORIZON, **more: object) -> dict[str, object]:
    """The configuration of the world: brackets of two kinds, at most 8 of them; A is those of the round kind."""
    grammar = {"kind": "file", "path": "brackets.yaml", "text": GRAMMAR}
    restriction = {"kind": "regular", "pattern": PATTERN}
    found = {"grammar": grammar, "restriction": restriction, "horizon": horizon, "documents": number}
    return found | more


def small(number: int = 100) -> DrawnWorld:
    """The world with `number` documents of each law."""
    return built(config(number), "small", "test")


@dataclass(frozen=True, eq=False)
class Listed:
    """All strings of the world, with P, A and S, by the list and not by its laws."""

    strings: np.ndarray
    log_p: np.ndarray
    kept: np.ndarray

    @property
    def log_s(self) -> np.ndarray:
        """log P(x | A)."""
        return np.where(self.kept, self.log_p, -np.inf) - math.log(math.fsum(np.exp(self.log_p[self.kept])))


def listed(world: DrawnWorld) -> Listed:
    """List the strings of P: brute force."""
    language = world.laws.p.language.enumerate(HORIZON, 10_000)[0]  # type: ignore[attr-defined]
    event = regular_expression(PATTERN, language.vocabulary)
    return Listed(language.trie.strings, language.log_p, event.accepts(language.trie.strings))


def sample(world: DrawnWorld, truth: Listed, number: int, rng: np.random.Generator) -> tuple[DrawnWorld, np.ndarray]:
    """The same world with other documents, drawn from the list, and the rows of the list that they are."""
    laws = (np.exp(one) for one in (truth.log_p, truth.log_s))
    rows = np.concatenate([rng.choice(len(truth.log_p), number, p=law / law.sum()) for law in laws])
    documents = Documents(truth.strings[rows], truth.log_p[rows], truth.log_s[rows])
    return replace(world, documents=documents), rows


def numbers_of(truth: Listed, log_q: np.ndarray) -> Mapping[str, float]:
    """Every number of a model with the log-probabilities log_q of all strings, by its definition."""
    p, s, q = (np.exp(one) for one in (truth.log_p, truth.log_s, log_q))
    a, b = truth.kept, ~truth.kept
    mass, other, off = (math.fsum(one) for one in (q[a], q[b], []))
    off = 1.0 - mass - other

    def kl(left: np.ndarray, right: np.ndarray) -> float:
        there = left > 0.0
        return math.fsum(left[there] * np.log(left[there] / right[there]))

    p_a, p_b = math.fsum(p[a]), math.fsum(p[b])
    middle = (p + q) / 2.0
    return {
        "fit": kl(s, q), "forgetting": kl(p, q), "part_a": kl(p[a], q[a]), "part_b": kl(p[b], q[b]),
        "gate": p_a * math.log(p_a / mass) + p_b * math.log(p_b / other), "kept": p_a * kl(p[a] / p_a, q[a] / mass),
        "erasure": p_b * kl(p[b] / p_b, q[b] / other), "mass_a": mass, "mass_b": other, "off_support": off,
        "total_variation": (math.fsum(np.abs(p - q)) + off) / 2.0,
        "jensen_shannon": (kl(p, middle) + kl(q, middle) + off * math.log(2.0)) / 2.0,
        "coverage_lost": math.fsum(p[p >= 10.0 * q]),
    }  # fmt: skip


def models(truth: Listed, rng: np.random.Generator) -> Mapping[str, np.ndarray]:
    """log q of all strings for models that differ from P in different ways. What is lacking to 1 is q(⊥)."""
    noise = truth.log_p + rng.normal(0.0, 1.5, len(truth.log_p))
    noise -= math.log(math.fsum(np.exp(noise)))
    order = np.argsort(truth.log_p)
    rare = order[np.cumsum(np.exp(truth.log_p[order])) < RARE]
    lost = truth.log_p + np.where(np.isin(np.arange(len(truth.log_p)), rare), -18.0, 0.0)
    lean = np.logaddexp(truth.log_s + math.log(0.9), truth.log_p + math.log(0.01))
    return {
        "pretrained": truth.log_p + math.log(0.97), "noisy": noise, "leaky": noise + math.log(0.7),
        "fine-tuned": lean, "without the rare": lost - math.log(math.fsum(np.exp(lost))),
    }  # fmt: skip
