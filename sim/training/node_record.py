"""From logits to what is recorded: float64 log-probabilities on the trie, and the mass that leaves the trie."""

import numpy as np

from sim.languages.trie import Trie
from sim.numerics import log_softmax


def node_record(logits: np.ndarray, trie: Trie) -> dict[str, np.ndarray]:
    """Return the recorded arrays of one evaluation, float64. Logits are [M, V] in any precision.

    edge_log_q [E]: log q(token | node) of the legal tokens [nat]; leak [M]: sum of q(a | node) over the illegal tokens
    a; leak_plogp [M]: sum of q log q over them [nat]; leak_square [M]: sum of q^2; leak_max [M]: the largest q.
    Softmax and sums are computed in float64. So the error is the error of the logits, about 1e-6 nats for float32.
    Raises FloatingPointError if a logit is nan or +inf, or if a row has no finite logit.
    """
    logits = np.asarray(logits, np.float64)
    if np.isnan(logits).any() or (logits == np.inf).any() or not (logits > -np.inf).any(axis=1).all():
        raise FloatingPointError("the model's logits are not finite: training diverged")
    log_q = log_softmax(logits)
    illegal = np.where(trie.legal, 0.0, np.exp(log_q))
    plogp = illegal * np.where(illegal > 0, log_q, 0.0)
    return {
        "edge_log_q": log_q[trie.edge_node, trie.edge_token],
        "leak": illegal.sum(axis=1),
        "leak_plogp": plogp.sum(axis=1),
        "leak_square": np.square(illegal).sum(axis=1),
        "leak_max": illegal.max(axis=1),
    }
