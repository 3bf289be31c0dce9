"""What an estimator reads: how often each string was drawn, its log-probabilities, and what is known anyway."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.languages.drawing import Tokens
from sim.languages.exact import ExactLanguage
from sim.numerics import EOS, expectation

Counts = np.ndarray
"""Numbers of draws of K different strings, int[..., K]; each row is a sample. Zeros are strings that were not drawn."""


@dataclass(frozen=True)
class Known:
    """What is known of q and p without sampling. None: nothing is known, so no interval may rest on it.

    size: most strings that q can write, N. log_ratio: least and largest log q(x)/p(x) [nat] over the strings that q can
    write. unreached: largest p(x : q(x) = 0), the probability under p of what q cannot write; it is 0 for two models
    that give every string a positive probability. path_entropy, path_kl: largest sum over the positions of a string of
    H(q(·|prefix)), or of KL(q(·|prefix)‖p(·|prefix)) [nat]; T log V bounds the first for T tokens out of V.
    """

    size: int | None = None
    log_ratio: tuple[float, float] | None = None
    unreached: float | None = None
    path_entropy: float | None = None
    path_kl: float | None = None


NOTHING = Known()
"""Nothing is known."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Independent draws from q, or several samples of one size along the leading axes of `counts`, int64[..., K].

    log_q, log_p: log-probabilities of the strings [nat], float64[K]; log_p may be -inf. entropies: sums over positions
    of H(q(·|prefix)) [nat]; divergences: the same of KL(q(·|prefix)‖p(·|prefix)), which may be inf; float64[K]. What is
    None cannot be used. Estimators that read counts alone need equal strings to be counted together. Raises ValueError
    for what is no sample.
    """

    counts: Counts
    log_q: np.ndarray | None = None
    log_p: np.ndarray | None = None
    entropies: np.ndarray | None = None
    divergences: np.ndarray | None = None
    known: Known = NOTHING

    def __post_init__(self) -> None:
        checked(self.counts)
        sizes = self.counts.sum(axis=-1)
        if sizes.min() != sizes.max():
            raise ValueError(f"counts: samples of one size are required, found {sizes.min()} and {sizes.max()} draws")
        for name in ("log_q", "log_p", "entropies", "divergences"):
            values = getattr(self, name)
            if values is None:
                continue
            if values.shape != self.counts.shape[-1:]:
                raise ValueError(f"{name}: shape {self.counts.shape[-1:]} is required, found {values.shape}")
            drawn = values[self.drawn]
            wrong = np.isnan(drawn) | ((drawn > 0) if name.startswith("log") else (drawn < 0))
            if wrong.any():
                sign = "at most" if name.startswith("log") else "at least"
                raise ValueError(f"{name}: numbers of {sign} 0 are required, found {drawn[wrong][0]!r}")
        if self.log_q is not None and (self.log_q[self.drawn] == -np.inf).any():
            raise ValueError("log_q: a positive probability of every drawn string is required, found one of 0")

    @cached_property
    def drawn(self) -> np.ndarray:
        """Which strings were drawn in some sample: bool[K]."""
        return np.asarray((self.counts > 0).reshape(-1, self.counts.shape[-1]).any(axis=0))

    @cached_property
    def weights(self) -> np.ndarray:
        """The counts as float64[..., K], of which sums are taken quickly."""
        return self.counts.astype(np.float64)

    @cached_property
    def size(self) -> int:
        """n, the number of draws of each sample."""
        return int(self.counts.sum(axis=-1).flat[0])

    def has(self, fields: Sequence[str]) -> bool:
        """Return whether some fields are given."""
        return all(getattr(self, field) is not None for field in fields)


def checked(counts: Counts) -> Counts:
    """Return counts. Raises ValueError unless they are whole numbers of at least 0, and each row has a sum above 0."""
    found = np.asarray(counts)
    numbers = found.ndim >= 1 and found.size and found.dtype.kind in "iu"
    if not numbers or (found < 0).any() or not found.sum(axis=-1).all():
        raise ValueError(f"counts: whole numbers of at least 0, with a sum above 0, are required, found {counts!r}")
    return found


Laws = dict[Tokens, tuple[np.ndarray, np.ndarray | None]]
"""Next-token laws of q and p after prefixes [nat]; None after a prefix that p cannot write."""


def sample_of(
    q: ExactLanguage, strings: Sequence[Tokens], p: ExactLanguage | None = None, known: Known = NOTHING
) -> Sample:
    """Return the sample that strings are, if q drew them independently; p is the law that q is compared with.

    strings: tokens without EOS. Every prefix is scored once. Works for endless supports too, because it asks for
    next-token laws along the strings alone. Raises ValueError if there are no strings, or if q cannot write one.
    """
    if not strings:
        raise ValueError("sample: at least one string is required, found none")
    different = {one: at for at, one in enumerate(dict.fromkeys(strings))}
    counts = np.bincount([different[one] for one in strings], minlength=len(different)).astype(np.int64)
    laws: Laws = {}
    rows = np.array([_scored(q, p, one, laws) for one in different])
    log_q, log_p, entropies, divergences = rows.T
    if p is None:
        return Sample(counts, log_q, entropies=entropies, known=known)
    return Sample(counts, log_q, log_p, entropies, divergences, known)


def _scored(q: ExactLanguage, p: ExactLanguage | None, string: Tokens, laws: Laws) -> tuple[float, float, float, float]:
    """log q, log p, and the sums of conditional entropies and divergences [nat] along a string."""
    log_q = log_p = entropy = divergence = 0.0
    for at, token in enumerate((*string, EOS)):
        prefix = string[:at]
        if prefix not in laws:
            laws[prefix] = q.next_log_probs(prefix), None if p is None or log_p == -np.inf else p.next_log_probs(prefix)
        own, other = laws[prefix]
        log_q += float(own[token])
        entropy += -expectation(own, own)
        if other is None:
            divergence, log_p = np.inf, -np.inf
        else:
            log_p += float(other[token])
            alive = own > -np.inf
            divergence += expectation(own[alive], own[alive] - other[alive])
    return log_q, log_p, entropy, divergence
