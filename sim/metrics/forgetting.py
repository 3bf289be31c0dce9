"""Exact splits of forgetting KL(P‖q), of the lost entropy H(P) - H(q) and of the shift KL(S‖P)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.metrics.divergence import kl, log_ratio
from sim.metrics.scored import Scored, share
from sim.numerics import expectation, log_group_sum
from sim.quantity import Quantity


@dataclass(frozen=True)
class GateErasure:
    """KL(P‖q) = gate + kept + erasure [nat], with B = supp P minus A. All three parts are non-negative."""

    gate: float  # E_x KL((P(A|x), P(B|x), 0) ‖ (q(A|x), q(B|x), q(⊥|x))): mass that moved
    kept: float  # E_x P(A|x) KL(P_A‖q_A): what is wrong within the kept event
    erasure: float  # E_x P(B|x) KL(P_B‖q_B): what is wrong about the lost strings, given that one is lost

    @property
    def total(self) -> float:
        """KL(P‖q) [nat]."""
        return self.gate + self.kept + self.erasure


@dataclass(frozen=True, eq=False)
class StyleSplit:
    """KL(P‖q) = gate + sum of within [nat]."""

    gate: float  # E_x KL(P(z|x) ‖ q(z|x)), with ⊥ as an additional atom
    within: np.ndarray  # float64[Z], E_x P(z|x) KL(P_z‖q_z)

    @property
    def total(self) -> float:
        """KL(P‖q) [nat]."""
        return self.gate + float(np.sum(self.within))


@dataclass(frozen=True)
class Waterfall:
    """H(P) - H(q) in three steps [nat]. The first two are exact. The last is as certain as H(q)."""

    conditioning: Quantity  # H(P) - H(P_A)
    narrowing: Quantity  # H(P_A) - H(S)
    learning: Quantity  # H(S) - H(q)

    @property
    def total(self) -> Quantity:
        """H(P) - H(q) [nat]."""
        return self.conditioning + self.narrowing + self.learning


@dataclass(frozen=True)
class ShiftAccounting:
    """KL(S‖P) = conditioning + narrowing + overlap [nat]. It is infinite if S leaves A."""

    conditioning: float  # E_S(x)[-log P(A|x)], or E_S(x)[-log P(z|x)] for a latent event z
    narrowing: float  # KL(S‖P_A), or KL(S‖P_z)
    overlap: float = 0.0  # E_S[log P(z | x, y)], at most 0; it is 0 if the string determines whether it is in the event

    @property
    def total(self) -> float:
        """KL(S‖P) [nat]."""
        return self.conditioning + self.narrowing + self.overlap


@dataclass(frozen=True, eq=False)
class Part:
    """A part of supp P, given by log P(part | document), under a prompt law. It holds all that a split needs of P."""

    log_member: np.ndarray  # float64[N]
    log_mass: np.ndarray  # float64[G], log P(part | x)
    log_share: np.ndarray  # float64[N], log P(y | x, part)
    log_gate: np.ndarray  # float64[G], log P(x) P(part | x)
    log_weight: np.ndarray  # float64[N], log P(x) P(y, part | x)

    @classmethod
    def of(cls, p: Scored, log_member: np.ndarray, log_law: np.ndarray) -> "Part":
        """Return the part of a truth P with a log membership, float64[N], under a log prompt law, float64[G]."""
        inside = p.log_q + log_member
        mass = log_group_sum(inside, p.group, p.num_groups)
        return cls(log_member, mass, share(inside, mass, p.group), log_law + mass, p.log_weights(log_law) + inside)

    def split(self, q: Scored) -> tuple[float, float]:
        """Return the term of the part in the gate, and its within term [nat]."""
        inside = q.log_q + self.log_member
        mass = log_group_sum(inside, q.group, q.num_groups)
        gate = expectation(self.log_gate, log_ratio(self.log_mass, mass))
        inner = log_ratio(self.log_share, share(inside, mass, q.group))
        reached = np.where((mass > -np.inf)[q.group], inner, 0.0)
        return gate, expectation(self.log_weight, reached)


def gate_erasure(p: Scored, q: Scored, event: np.ndarray, log_law: np.ndarray) -> GateErasure:
    """Split KL(P‖q) by an event A, bool[N], averaged over the prompt law float64[G]. Exact; never nan.

    A means A within supp P. A term is dropped if its weight P(A|x) or P(B|x) is 0. If q(A|x) = 0 < P(A|x), the gate is
    infinite, q_A does not exist and its term is dropped. The same holds for B.
    """
    return gate_erasure_of(event_parts(p, event, log_law), q)


def gate_erasure_of(parts: Sequence[Part], q: Scored) -> GateErasure:
    """Do the same as `gate_erasure` from the two parts of P; see `event_parts`."""
    (gate_a, within_a), (gate_b, within_b) = (part.split(q) for part in parts)
    return GateErasure(0.0 + gate_a + gate_b, within_a, within_b)


def style_split(p: Scored, q: Scored, log_posterior: np.ndarray, log_law: np.ndarray) -> StyleSplit:
    """Split KL(P‖q) by style z, with log P(z | document) [nat], float64[N, Z], and q(z, y) := q(y) P(z | y).

    This is an equality for overlapping styles too. For disjoint styles q(z) = q(supp P_z). The conventions are as in
    `gate_erasure`.
    """
    return style_split_of(style_parts(p, log_posterior, log_law), q)


def style_split_of(parts: Sequence[Part], q: Scored) -> StyleSplit:
    """Do the same as `style_split` from the parts of P; see `style_parts`."""
    splits = [part.split(q) for part in parts]
    return StyleSplit(sum(gate for gate, _ in splits), np.array([within for _, within in splits]))


def waterfall(h_p: Quantity, h_kept: Quantity, h_s: Quantity, h_q: Quantity) -> Waterfall:
    """Return the diversity waterfall of H(P), H(P_A), H(S), H(q) [nat], all averaged over one prompt law."""
    return Waterfall(h_p - h_kept, h_kept - h_s, h_s - h_q)


def shift_accounting(p: Scored, s: Scored, kept: Scored, event: np.ndarray, log_law: np.ndarray) -> ShiftAccounting:
    """Split KL(S‖P) for an event A, bool[N]. `kept` is the law P_A = P(. | x, A), and the prompt law is S(x).

    P(A|x) is summed from P's strings, but P_A is taken as given. So the split also checks the restriction.
    """
    log_mass = log_event(p, event)
    conditioning = expectation(log_law, -log_mass)
    return ShiftAccounting(conditioning, kl(s.log_q, kept.log_q, s.log_weights(log_law)))


def latent_shift_accounting(p: Scored, s: Scored, log_member: np.ndarray, log_law: np.ndarray) -> ShiftAccounting:
    """Split KL(S‖P) for a latent event z, given log P(z | document), float64[N] [nat]. The prompt law is S(x).

    KL(S‖P) = E[-log P(z|x)] + KL(S‖P_z) + E_S[log P(z | x, y)] for every S within supp P_z. For other S the narrowing
    is infinite. For overlapping styles, no set A of strings has P(. | x, A) = P_z = P(. | x, z).
    """
    part = Part.of(p, log_member, log_law)
    conditioning = expectation(log_law, -part.log_mass)
    narrowing = kl(s.log_q, part.log_share, s.log_weights(log_law))
    overlap = expectation(s.log_q + s.log_weights(log_law), log_member) if np.isfinite(narrowing) else 0.0
    return ShiftAccounting(conditioning, narrowing, overlap)


def log_event(q: Scored, event: np.ndarray) -> np.ndarray:
    """log q(A|x) [nat] for a set A of supported strings, bool[N]: float64[G]; -inf where A has no mass."""
    return log_group_sum(np.where(event, q.log_q, -np.inf), q.group, q.num_groups)


def log_styles(q: Scored, log_posterior: np.ndarray) -> np.ndarray:
    """log q(z|x) [nat] with q(z, y) := q(y) P(z | y): float64[G, Z]; rows sum to 1 - q(⊥|x)."""
    columns = [log_group_sum(q.log_q + column, q.group, q.num_groups) for column in log_posterior.T]
    return np.stack(columns, axis=1)


def event_parts(p: Scored, event: np.ndarray, log_law: np.ndarray) -> list[Part]:
    """Return two parts: A, and the rest of supp P, for an event A, bool[N]."""
    supported = p.log_q > -np.inf
    return [Part.of(p, np.where(side & supported, 0.0, -np.inf), log_law) for side in (event, ~event)]


def style_parts(p: Scored, log_posterior: np.ndarray, log_law: np.ndarray) -> list[Part]:
    """Return a part for each style z, given log P(z | document) [nat], float64[N, Z]."""
    supported = p.log_q > -np.inf
    return [Part.of(p, np.where(supported, column, -np.inf), log_law) for column in log_posterior.T]
