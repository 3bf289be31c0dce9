"""From logits to what is recorded: float64 log-probabilities on the trie, and the mass that leaves the trie."""

import numpy as np

from sim.languages.trie import Trie

BLOCK = 1 << 15
"""Number of nodes that are computed at a time, so that a large trie needs little memory beside its logits."""


def node_record(logits: np.ndarray, trie: Trie) -> dict[str, np.ndarray]:
    """Return the recorded arrays of one evaluation, float64. Logits are [M, V] in any precision.

    edge_log_q [E]: log q(token | node) of the legal tokens [nat]; leak [M]: sum of q(a | node) over the illegal tokens
    a; leak_plogp [M]: sum of q log q over them [nat]; leak_square [M]: sum of q^2; leak_max [M]: the largest q.
    Softmax and sums are computed in float64. So the error is the error of the logits, about 1e-6 nats for float32.
    Raises FloatingPointError if a logit is nan or +inf, or if a row has no finite logit.
    """
    ends = np.searchsorted(trie.edge_node, np.arange(0, trie.num_nodes + BLOCK, BLOCK))  # edges are in level order
    parts = []
    for at, first in enumerate(range(0, trie.num_nodes, BLOCK)):
        edges = slice(ends[at], ends[at + 1])
        node, token = trie.edge_node[edges] - first, trie.edge_token[edges]
        rows = slice(first, first + BLOCK)
        parts.append(_block(np.array(logits[rows], np.float64), trie.legal[rows], node, token))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _block(
    logits: np.ndarray, legal: np.ndarray, edge_node: np.ndarray, edge_token: np.ndarray
) -> dict[str, np.ndarray]:
    top = logits.max(axis=1, keepdims=True)
    if not np.isfinite(top).all():  # the largest of a row with a nan is nan
        raise FloatingPointError("the model's logits are not finite")
    shifted = np.subtract(logits, top, out=logits)
    odds = np.exp(shifted)  # once: for the sum and for the illegal tokens
    total = odds.sum(axis=1)
    log_total = np.log(total)
    illegal = np.divide(odds, total[:, None], out=odds)
    illegal[legal] = 0.0
    finite = shifted if shifted.min() > -np.inf else np.where(illegal > 0, shifted, 0.0)
    leak = illegal.sum(axis=1)
    return {
        "edge_log_q": shifted[edge_node, edge_token] - log_total[edge_node],
        "leak": leak,
        "leak_plogp": np.einsum("ma,ma->m", illegal, finite) - leak * log_total,
        "leak_square": np.einsum("ma,ma->m", illegal, illegal),
        "leak_max": illegal.max(axis=1),
    }
