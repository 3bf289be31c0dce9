"""How far a temperature can reopen a gate: the law of the token that shows the style, after q_T ∝ q^(1/T).

A fine-tuned model has learnt which style to use, and nothing else. Its first token is one of k tokens of kept styles,
with the mass q(A) together; one of n tokens of lost styles, with q(B) together; or one of the V - k - n tokens that
begin no answer, with the mass q(⊥). Within each of these sets the tokens are equally likely. A temperature makes lost
tokens likelier, and impossible ones too. With u = 1/T, log q_T(B) is concave in u, and so is log q_T(⊥), because the
logarithm of the normaliser is convex. So the best temperature is found by bisection.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

HALVINGS = 80
"""Number of halvings of an interval of length 1; there are no more numbers in between."""

SMALLEST = -700.0
"""Logarithm of the smallest leak that is looked at [nat]."""


@dataclass(frozen=True)
class Tempered:
    """The gate at a temperature T (math.inf: uniform over all V tokens): q_T(A), q_T(B) and q_T(⊥)."""

    temperature: float
    kept: float
    lost: float
    illegal: float

    @property
    def validity(self) -> float:
        """The probability of a token that begins an answer."""
        return self.kept + self.lost


@dataclass(frozen=True)
class Gate:
    """The law of the first token at T = 1: q(B) = `lost` and q(⊥) = `illegal`; the rest is q(A).

    num_lost, num_kept: the numbers n and k of tokens that begin lost and kept answers. Raises ValueError unless the
    masses are at least 0 and below 1 together, and the vocabulary has more than n + k tokens.
    """

    lost: float
    illegal: float
    vocab_size: int
    num_lost: int
    num_kept: int = 1

    def __post_init__(self) -> None:
        if not (0.0 <= self.lost and 0.0 <= self.illegal and self.lost + self.illegal < 1.0):
            raise ValueError(
                "gate: masses of at least 0 that leave something for the kept styles are required, found "
                f"q(B) = {self.lost!r} and q(⊥) = {self.illegal!r}"
            )
        if min(self.num_lost, self.num_kept) < 1 or self.vocab_size <= self.num_lost + self.num_kept:
            raise ValueError(
                "gate: at least one lost and one kept token, and a larger vocabulary, are required, found "
                f"{self.num_lost}, {self.num_kept} and V = {self.vocab_size}"
            )

    def at(self, temperature: float) -> Tempered:
        """Return the gate at a temperature above 0. Raises ValueError for another one."""
        if not temperature > 0.0:
            raise ValueError(f"gate: a temperature above 0 is required, found {temperature!r}")
        return self._at(1.0 / temperature)

    def most_lost(self, validity: float = 0.0) -> Tempered | None:
        """Return the gate at the temperature T >= 1 with the largest q_T(B) among those with at least this validity.

        It is None if the validity is below this even at T = 1. Raises ValueError unless 0 <= validity < 1, and if a
        uniform law over the vocabulary has this validity: then the valid temperatures need not be an interval.
        """
        if not 0.0 <= validity < 1.0:
            raise ValueError(f"gate: a validity from 0 to below 1 is required, found {validity!r}")
        bounded = validity > 0.0 and self.illegal > 0.0
        if bounded and self._at(0.0).validity >= validity:
            raise ValueError(
                f"gate: a validity above {self._at(0.0).validity:g}, that of all tokens alike, is required, found "
                f"{validity!r}"
            )
        if self.at(1.0).validity < validity:
            return None
        least = _first(lambda u: self._at(u).validity >= validity) if bounded else 0.0
        return self._at(max(least, _first(lambda u: self._slope(u) <= 0.0)))

    def _groups(self) -> list[tuple[float, int]]:
        """Return the log-probability of each token of a set [nat], and the number of tokens, for A, B and ⊥."""
        rest = self.vocab_size - self.num_lost - self.num_kept
        masses = (1.0 - self.lost - self.illegal, self.num_kept), (self.lost, self.num_lost), (self.illegal, rest)
        return [(math.log(mass / number) if mass > 0.0 else -math.inf, number) for mass, number in masses]

    def _at(self, u: float) -> Tempered:
        powers = [number * math.exp(u * log_q) if log_q > -math.inf else 0.0 for log_q, number in self._groups()]
        total = math.fsum(powers)
        kept, lost, illegal = (power / total for power in powers)
        return Tempered(math.inf if u == 0.0 else 1.0 / u, kept, lost, illegal)

    def _slope(self, u: float) -> float:
        """d log q_T(B) / du = log q(b) - E[log q] under the law at u [nat]; it falls with u."""
        here, groups = self._at(u), self._groups()
        masses = here.kept, here.lost, here.illegal
        mean = math.fsum(mass * log_q for mass, (log_q, _) in zip(masses, groups, strict=True) if mass > 0.0)
        return groups[1][0] - mean


def largest_leak(
    target: float, validity: float, lost: float, vocab_size: int, num_lost: int, num_kept: int = 1
) -> float:
    """Return the largest q(⊥) of a gate at which some temperature reaches q_T(B) = target at this validity.

    It is 0 if no temperature does so without any leak. Only leaks at which an illegal token is at most as likely as a
    kept one are looked at; up to there the best q_T(B) falls as the leak grows.
    """

    def reaches(illegal: float) -> bool:
        best = Gate(lost, illegal, vocab_size, num_lost, num_kept).most_lost(validity)
        return best is not None and best.lost >= target

    if not reaches(0.0):
        return 0.0
    rest = vocab_size - num_lost - num_kept
    largest = math.log((1.0 - lost) * rest / (rest + num_kept))

    def leak(x: float) -> float:
        return math.exp((1.0 - x) * SMALLEST + x * largest)

    return leak(_first(lambda x: not reaches(leak(x))))


def _first(holds: Callable[[float], bool]) -> float:
    """Return the smallest number from 0 to 1 at which something holds that holds from there on; 1 if nowhere."""
    low, high = 0.0, 1.0
    if holds(low):
        return low
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
