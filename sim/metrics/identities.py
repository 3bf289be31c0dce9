"""Identities and inequalities that hold in every run, as numbers to store: signed residuals and slacks.

A residual compares two ways to compute one quantity that share little: sums over strings, and sums over the nodes of
the trie. It is (left - right) / max(1, |left|). A slack is bound minus value, the least one over prompts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sim.metrics.divergence import kl, log_ratio
from sim.metrics.entropy import entropy, exit_merged_entropy
from sim.metrics.forgetting import Waterfall, gate_erasure, shift_accounting, style_split
from sim.metrics.positions import entropy_by_position, kl_by_node, kl_by_position, node_weights
from sim.metrics.scored import Scored
from sim.theory.bounds import entropy_continuity


@dataclass(frozen=True)
class Tolerance:
    """The allowed error of an identity: |residual| <= value, or slack >= -value; and the reason for the value."""

    value: float
    kind: Literal["residual", "slack"]
    reason: str


_SUMS = "float64 sums of up to 1e5 strings along paths of up to 1e2 edges; measured below 1e-12"
_UNITS = "log-softmax in float64 at each node, never renormalised; measured below 1e-13"
_SLACK = "the bound may be attained (q = P), up to rounding of the sums; in squared form, so without a root of zero"

TOLERANCES: Mapping[str, Tolerance] = {
    "cross_entropy": Tolerance(1e-9, "residual", _SUMS),
    "chain_rule_entropy": Tolerance(1e-9, "residual", _SUMS),
    "chain_rule_kl": Tolerance(1e-9, "residual", _SUMS),
    "gate_erasure": Tolerance(1e-9, "residual", _SUMS),
    "style_split": Tolerance(1e-9, "residual", _SUMS),
    "shift_accounting": Tolerance(1e-9, "residual", _SUMS),
    "waterfall": Tolerance(1e-9, "residual", _SUMS),
    "conditionals": Tolerance(1e-9, "residual", _UNITS),
    "total_mass": Tolerance(1e-9, "residual", _UNITS),
    "kl_every_step": Tolerance(3e-7, "residual", "sums in float32, per token; measured below 2e-8"),
    "kl_nonnegative": Tolerance(1e-9, "slack", _SLACK),
    "pinsker": Tolerance(1e-9, "slack", _SLACK),
    "collision_continuity": Tolerance(1e-9, "slack", _SLACK),
    "entropy_continuity": Tolerance(1e-9, "slack", _SLACK),
}


def violations(values: Mapping[str, float]) -> list[str]:
    """Return a line for each residual or slack beyond its tolerance. Names are keys of `TOLERANCES` (else KeyError)."""
    lines = []
    for name, value in values.items():
        tolerance = TOLERANCES[name]
        excess = abs(value) if tolerance.kind == "residual" else -value
        if not excess <= tolerance.value:
            sign = "|residual| <= " if tolerance.kind == "residual" else "slack >= -"
            lines.append(f"identity {name}: {sign}{tolerance.value:g} is required, found {value:.3e}")
    return lines


def residual(left: float, right: float) -> float:
    """(left - right) / max(1, |left|). It is 0 for equal infinities, infinite if only one side is, and never nan."""
    if left == right:
        return 0.0
    return (left - right) / max(1.0, abs(left)) if np.isfinite(left) else left


def cross_entropy_identity(p: Scored, q: Scored, log_law: np.ndarray) -> float:
    """E_P[-log q] (by edges) = H(P) + KL(P‖q) (by strings)."""
    edge_weight = node_weights(p, log_law)[p.trie.edge_node] * np.exp(p.edge_log_q)
    inside = edge_weight > 0.0
    by_edges = float(np.sum(-edge_weight[inside] * q.edge_log_q[inside]))
    weights = p.log_weights(log_law)
    return residual(by_edges, entropy(p.log_q, weights) + kl(p.log_q, q.log_q, weights))


def kl_every_step_identity(by_step: float, s: Scored, q: Scored, log_law: np.ndarray) -> float:
    """KL(S‖q) after the last step, as the training recorded it = the same by strings; the residual is per token."""
    return residual(kl(s.log_q, q.log_q, s.log_weights(log_law)), by_step) / s.trie.length


def chain_rule_entropy_identity(q: Scored, log_law: np.ndarray) -> float:
    """sum_t H_t (by nodes) = entropy of the string up to its end or its first illegal token (by strings and exits)."""
    return residual(float(np.sum(entropy_by_position(q, q, log_law))), exit_merged_entropy(q, log_law))


def chain_rule_kl_identity(p: Scored, q: Scored, log_law: np.ndarray) -> float:
    """sum_t KL_t (by nodes) = KL(P‖q) (by strings)."""
    by_nodes = float(np.sum(kl_by_position(p, q, log_law)))
    return residual(by_nodes, kl(p.log_q, q.log_q, p.log_weights(log_law)))


def gate_erasure_identity(p: Scored, q: Scored, event: np.ndarray, log_law: np.ndarray) -> float:
    """KL(P‖q) (by nodes) = gate + kept + erasure (by strings), for an event A, bool[N]."""
    return residual(float(np.sum(kl_by_node(p, q, log_law))), gate_erasure(p, q, event, log_law).total)


def style_split_identity(p: Scored, q: Scored, log_posterior: np.ndarray, log_law: np.ndarray) -> float:
    """KL(P‖q) (by nodes) = style gate + sum of within terms (by strings); log P(z | document) is float64[N, Z]."""
    return residual(float(np.sum(kl_by_node(p, q, log_law))), style_split(p, q, log_posterior, log_law).total)


def shift_accounting_identity(p: Scored, s: Scored, kept: Scored, event: np.ndarray, log_law: np.ndarray) -> float:
    """KL(S‖P) (by nodes) = E_S(x)[-log P(A|x)] + KL(S‖P_A) (by strings); the prompt law is S(x)."""
    by_nodes = float(np.sum(kl_by_node(s, p, log_law)))
    return residual(by_nodes, shift_accounting(p, s, kept, event, log_law).total)


def waterfall_identity(p: Scored, q: Scored, steps: Waterfall, log_law: np.ndarray) -> float:
    """H(P) - H(q) (by nodes) = conditioning + narrowing + learning, with the lower end of the interval of H(q)."""
    by_nodes = np.sum(entropy_by_position(p, p, log_law)) - np.sum(entropy_by_position(q, q, log_law))
    return residual(float(by_nodes), steps.total.upper)


def conditionals_identity(q: Scored, log_law: np.ndarray) -> float:
    """Next-token conditionals sum to 1, illegal tokens included. The result is the largest error, with its sign.

    Only nodes with mass count.
    """
    legal = np.bincount(q.trie.edge_node, np.exp(q.edge_log_q), q.trie.num_nodes)
    gap = np.where(node_weights(q, log_law) > 0.0, legal + q.leak - 1.0, 0.0)
    return float(gap[np.argmax(np.abs(gap))])


def total_mass_identity(q: Scored, log_law: np.ndarray) -> float:
    """Supported strings and ⊥ together have mass 1. The result is the largest error, with its sign.

    Only prompts with weight count.
    """
    total = np.bincount(q.group, np.exp(q.log_q), q.num_groups) + q.off
    gap = np.where(log_law > -np.inf, total - 1.0, 0.0)
    return float(gap[np.argmax(np.abs(gap))])


def kl_nonnegative_slack(p: Scored, q: Scored, log_law: np.ndarray) -> float:
    """KL(p‖q) >= 0 for every prompt, with ⊥ as one atom."""
    return _least(_kl_by_group(p, q), log_law)


def pinsker_slack(p: Scored, q: Scored, log_law: np.ndarray) -> float:
    """KL(p‖q) - 2 TV(p, q)^2 >= 0 for every prompt, with ⊥ as one atom. Source: Csiszár 1967 (Pinsker's inequality)."""
    return _least(_kl_by_group(p, q) - 2.0 * _tv_by_group(p, q) ** 2, log_law)


def collision_continuity_slack(p: Scored, q: Scored, log_law: np.ndarray) -> float:
    """KL(p‖q) - (C(p) - C(q))^2 >= 0 for every prompt, with ⊥ as one atom. Source: Skobelev, Fithian & Han 2026."""
    gap = _by_group(p, np.exp(2.0 * p.merged)) - _by_group(q, np.exp(2.0 * q.merged))
    return _least(_kl_by_group(p, q) - gap**2, log_law)


def entropy_continuity_slack(p: Scored, q: Scored, log_law: np.ndarray) -> float:
    """TV log(K-1) + h(TV) - |H(p) - H(q)| >= 0 for every prompt, with ⊥ as one atom.

    K is the number of atoms where p or q is positive. It holds for every TV in [0, 1] (Fano's inequality for a maximal
    coupling). Source: Zhang 2007; Audenaert 2007.
    """
    log_p, log_q = p.merged, q.merged
    gap = _by_group(p, _surprise(log_p)) - _by_group(q, _surprise(log_q))
    num_atoms = _by_group(p, ((log_p > -np.inf) | (log_q > -np.inf)).astype(np.float64))
    tv = np.minimum(_tv_by_group(p, q), 1.0)  # for disjoint laws, rounding can give more than 1
    return _least(entropy_continuity(tv, num_atoms) - np.abs(gap), log_law)


def _by_group(q: Scored, values: np.ndarray) -> np.ndarray:
    return np.bincount(q.merged_group, values, q.num_groups)


def _kl_by_group(p: Scored, q: Scored) -> np.ndarray:
    mass = np.exp(p.merged)
    return _by_group(p, mass * np.where(mass > 0.0, log_ratio(p.merged, q.merged), 0.0))


def _tv_by_group(p: Scored, q: Scored) -> np.ndarray:
    return 0.5 * _by_group(p, np.abs(np.exp(p.merged) - np.exp(q.merged)))


def _surprise(log_p: np.ndarray) -> np.ndarray:
    return -np.exp(log_p) * np.where(log_p > -np.inf, log_p, 0.0)


def _least(slack: np.ndarray, log_law: np.ndarray) -> float:
    return float(np.min(np.where(log_law > -np.inf, slack, np.inf)))
