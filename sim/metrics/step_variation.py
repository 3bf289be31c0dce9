"""The distance TV(S, q), and the bound on it by the sum of next-token distances along true prefixes."""

import numpy as np

from sim.metrics.divergence import total_variation
from sim.metrics.positions import node_weights
from sim.metrics.scene import World, of_model
from sim.metrics.scored import Scored


def variation_of_s(world: World, q: Scored) -> float:
    """TV(S, q), with ⊥ as one atom; prompts have the law S(x)."""
    return total_variation(world.s.merged, q.merged, q.log_merged_weights(world.s_law))


def variation_by_steps(world: World, q: Scored) -> float:
    """The sum over t of E_S[TV_t], with TV_t = TV(S(. | h), q(. | h)) over all V tokens at a prefix h of S.

    All tokens count, EOS too. It is at least TV(S, q), because a maximal coupling of the next tokens fails at step t
    with probability E_S[TV_t] at most.
    Source: Ross & Bagnell 2010, "Efficient reductions for imitation learning".
    """
    trie, weights = world.record.p.trie, node_weights(world.s, world.s_law)
    gap = np.abs(np.exp(world.s.edge_log_q) - np.exp(q.edge_log_q))
    at_node = np.bincount(trie.edge_node, gap, trie.num_nodes) + q.leak
    return 0.5 * float(weights @ at_node)


METRICS = [
    of_model(
        "total_variation_s", "TV(S, q)", "1", "distance of the model from S", variation_of_s, "S,q", "S(x)", exact=True
    ),
    of_model(
        "step_variation", "Σ_t E_S[TV_t]", "1", "sum of the distances of next-token laws, prefixes of S; at least TV",
        variation_by_steps, "S,q", "S(x)", exact=True,
    ),
]  # fmt: skip
