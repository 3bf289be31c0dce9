"""A world of the exam: P, S and what fine-tuning keeps, with a hash that is the same on every machine."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from sim.disk.worlds import language_description
from sim.languages.finite import FiniteLanguage, Styles
from sim.languages.restricted import Restricted

PLACES = 6
"""Decimal places of log-probabilities [nat] in the hash of a world. The last digits of sums differ between machines."""

MARK = 8
"""Number of hex digits of the hash that stand in every id, so that a file about another world is recognised."""


@dataclass(frozen=True, eq=False)
class ExamWorld:
    """A listed language P with a restriction. Every listed string has a positive probability under P or under S.

    name: that of a frozen world, or of where it comes from; config: the grammar, the restriction and the dial, as far
    as they are known; notes: numbers of the construction of P.
    """

    name: str
    p: FiniteLanguage
    restricted: Restricted
    config: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        name: str,
        p: FiniteLanguage,
        restricted: Restricted,
        config: Mapping[str, Any] | None = None,
        notes: Mapping[str, float] | None = None,
    ) -> "ExamWorld":
        """Return a world without the strings to which neither P nor S gives a probability."""
        p = p if restricted.p is None else restricted.p
        kept = (p.log_p > -np.inf) | (restricted.s.log_p > -np.inf)
        p, restricted = _pruned(p, restricted, kept)
        return cls(name, p, replace(restricted, p=None), config or {}, notes or {})

    @property
    def s(self) -> FiniteLanguage:
        """S, the language of the fine-tuning."""
        return self.restricted.s

    @property
    def has_prompts(self) -> bool:
        """Whether documents begin with a prompt."""
        return self.p.vocabulary.prompt_end is not None

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the vocabulary, the strings, and of log P, log S, A and the styles, rounded to PLACES places.

        Equal worlds have equal hashes on every machine, unless a log-probability lies within rounding of the middle
        between two decimals; `margin` says how near one comes.
        """
        digest = hashlib.sha256(json.dumps(language_description(self.p), sort_keys=True).encode())
        strings = self.p.trie.strings
        digest.update(json.dumps(strings.shape).encode() + strings.astype("<i4").tobytes())
        for values in self._laws:
            digest.update(decimals(values).tobytes())
        digest.update(np.packbits(self.restricted.event).tobytes())
        return digest.hexdigest()

    @property
    def mark(self) -> str:
        """The beginning of the hash, which all ids have in common."""
        return self.hash[:MARK]

    @property
    def margin(self) -> float:
        """Distance of the log-probabilities in the hash from the middle between two decimals, at least [nat]."""
        finite = np.concatenate([values[np.isfinite(values)] for values in self._laws]) * 10.0**PLACES
        return float(np.abs(finite - np.floor(finite) - 0.5).min() / 10.0**PLACES)

    @property
    def _laws(self) -> list[np.ndarray]:
        found = [self.p.log_p, self.s.log_p, self.restricted.kept.log_p]
        found += [] if self.p.styles is None else [self.p.styles.log_posterior]
        return found + ([] if self.restricted.log_member is None else [self.restricted.log_member])

    @cached_property
    def document_ids(self) -> list[str]:
        """The id of every listed document, in the order of the trie."""
        return [f"{self.mark}-d{index:06d}" for index in range(self.p.trie.num_strings)]

    @cached_property
    def prefix_ids(self) -> list[str]:
        """The id of every prefix that a token follows, in the order of the trie's nodes."""
        return [f"{self.mark}-p{index:06d}" for index in range(self.p.trie.num_nodes)]

    def without_prompts(self) -> "ExamWorld":
        """The same documents as strings without prompts, for a model of whole documents. The ids stay the same."""
        if not self.has_prompts:
            return self
        words = replace(self.p.vocabulary, prompt_end=None)
        p, s, kept = (replace(one, vocabulary=words) for one in (self.p, self.s, self.restricted.kept))
        found = replace(self, p=p, restricted=replace(self.restricted, s=s, kept=kept))
        found.__dict__.update({name: getattr(self, name) for name in ("hash", "document_ids", "prefix_ids")})
        return found


def decimals(values: np.ndarray) -> np.ndarray:
    """Log-probabilities as whole numbers of 10^-PLACES, little-endian int64; the least integer stands for -inf."""
    finite = np.isfinite(values)
    rounded = np.rint(np.where(finite, values, 0.0) * 10.0**PLACES).astype("<i8")
    return np.where(finite, rounded, np.iinfo(np.int64).min).astype("<i8")


def _pruned(p: FiniteLanguage, restricted: Restricted, kept: np.ndarray) -> tuple[FiniteLanguage, Restricted]:
    if kept.all():
        return p, restricted
    strings = p.trie.strings[kept]
    styles = None if p.styles is None else Styles(p.styles.names, p.styles.log_posterior[kept])
    fewer = FiniteLanguage.from_strings(p.vocabulary, strings, p.log_p[kept], styles)  # the order stays the same
    s, p_a = (fewer.with_law(one.log_p[kept]) for one in (restricted.s, restricted.kept))
    member = None if restricted.log_member is None else restricted.log_member[kept]
    return fewer, replace(restricted, s=s, kept=p_a, event=restricted.event[kept], log_member=member, p=None)
