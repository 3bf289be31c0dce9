"""A world whose strings are not listed: the laws of P and S, and the documents that a model has to score."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sim.exam.world import MARK, decimals
from sim.laws.protocol import Law, lengths_of

CHUNK = 1 << 10
"""Number of documents that are drawn and scored at a time. Each chunk has random numbers of its own."""

STREAMS = {"pretrain": 0, "sft": 1, "control": 2, "P": 3, "S": 4}
"""The random numbers of every data set, and of the documents to be scored: the size of one changes no other."""


@dataclass(frozen=True, eq=False)
class Laws:
    """P and S = P(. | A) as laws of whole batches, and the account between them.

    log_mass: log P(A) [nat], exact; of_strings: whether A is a set of strings, else it is one of derivations; dropped:
    the mass that a horizon left out of the grammar's own law, exact; longest: most symbols of a string, inf if there
    is no limit.
    """

    p: Law
    s: Law
    log_mass: float
    of_strings: bool
    dropped: float
    longest: float

    def scores(self, strings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log P and log S [nat] of strings, float64[n] each, chunk by chunk; equal ones are scored once."""
        different, place = np.unique(strings, axis=0, return_inverse=True)
        chunks = [different[start : start + CHUNK] for start in range(0, len(different), CHUNK)]
        log_p, log_s = (np.concatenate([law.log_prob(chunk) for chunk in chunks]) for law in (self.p, self.s))
        return log_p[place.reshape(-1)], log_s[place.reshape(-1)]

    def possible(self, prefixes: np.ndarray) -> np.ndarray:
        """Return whether a string of P begins with each prefix, filled up with EOS: bool[n]."""
        different, place = np.unique(prefixes, axis=0, return_inverse=True)
        found = np.zeros(len(different), bool)
        for start in range(0, len(different), CHUNK):
            chunk = different[start : start + CHUNK]
            log_p = self.p.prefix_log_prob(chunk)
            found[start : start + CHUNK] = log_p[np.arange(len(chunk)), lengths_of(chunk)] > -np.inf
        return found[place.reshape(-1)]


@dataclass(frozen=True, eq=False)
class Documents:
    """The documents to be scored: first n independent draws from P, then n from S. log_p, log_s: exact [nat]."""

    strings: np.ndarray  # int32[2n, T], filled up with EOS
    log_p: np.ndarray  # float64[2n], finite
    log_s: np.ndarray  # float64[2n], -inf outside A

    @property
    def each(self) -> int:
        """n, the number of draws from each law."""
        return len(self.log_p) // 2

    @property
    def kept(self) -> np.ndarray:
        """Whether S can write each document: bool[2n]. Of an event of strings this is membership in A."""
        return np.asarray(self.log_s > -np.inf)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of every document, its end included: int64[2n]."""
        return lengths_of(self.strings) + 1

    @property
    def digest(self) -> str:
        """SHA-256 of all strings with their ends, and of log P and log S, rounded as in the hash of a listed world."""
        inside = np.arange(self.strings.shape[1] + 1) < self.lengths[:, None]
        ended = np.pad(self.strings, ((0, 0), (0, 1)))
        digest = hashlib.sha256(ended[inside].astype("<i4").tobytes())
        for values in (self.log_p, self.log_s):
            digest.update(decimals(values).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class DrawnWorld:
    """The laws, the documents, and what defines them.

    definition: the grammar (its content, not the name of its file), the restriction, the lengths that are kept, and
    seed and number of the documents, as JSON. The laws can be built from it again.
    """

    name: str
    laws: Laws
    documents: Documents
    definition: Mapping[str, Any]

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the definition and of the digest of the documents; the same on every machine."""
        text = json.dumps(self.definition, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(f"{text}\n{self.documents.digest}".encode()).hexdigest()

    @property
    def mark(self) -> str:
        """The beginning of the hash, which all ids have in common."""
        return self.hash[:MARK]

    @cached_property
    def document_ids(self) -> list[str]:
        """The id of every document to be scored, in their order."""
        return [f"{self.mark}-d{index:06d}" for index in range(2 * self.documents.each)]


def chunk_of(law: Law, seed: int, part: str, chunk: int) -> np.ndarray:
    """Return chunk number `chunk` of a data set: CHUNK independent draws, int32[CHUNK, T]; see STREAMS."""
    bits = np.random.PCG64(np.random.SeedSequence([seed, STREAMS[part], chunk]))
    return law.sample(np.random.Generator(bits), CHUNK)


def draw_documents(laws: Laws, number: int, seed: int) -> Documents:
    """Draw the documents to be scored, `number` from each of P and S, and score them exactly."""
    found = []
    for part, law in (("P", laws.p), ("S", laws.s)):
        chunks = [chunk_of(law, seed, part, chunk) for chunk in range(-(-number // CHUNK))]
        found.append(_stacked(chunks)[:number])
    strings = _stacked(found)
    return Documents(strings, *laws.scores(strings))


def _stacked(parts: list[np.ndarray]) -> np.ndarray:
    """Arrays of strings below each other, filled up with EOS, as narrow as the longest string with its end."""
    width = max(int(lengths_of(part).max(initial=0)) for part in parts) + 1
    return np.concatenate([np.pad(part, ((0, 0), (0, max(0, width - part.shape[1]))))[:, :width] for part in parts])
