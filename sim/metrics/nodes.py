"""What a distribution is at the nodes and edges of a trie, apart from the probabilities of whole strings."""

from dataclasses import dataclass

import numpy as np


class UnrecordedError(Exception):
    """A number needs what was not recorded at this evaluation (`record: laws`). Then it has no row there."""


@dataclass(frozen=True, eq=False)
class Nodes:
    """What is known of a distribution at the M nodes and the E edges of a trie, see `Scored`."""

    edge_log_q: np.ndarray  # float64[E], log q(token | node) [nat]
    leak: np.ndarray  # float64[M], mass of the illegal tokens at a node, given the node
    leak_max: np.ndarray  # float64[M], probability of the likeliest illegal token, given the node
    node_log_mass: np.ndarray  # float64[M], log q(node | x) [nat], -inf inside prompts
    node_off: np.ndarray  # float64[M], sum of q_e over the exits at a node
    node_off_max: np.ndarray  # float64[M], largest q_e at a node
    next_entropy: np.ndarray  # float64[M], entropy of q(. | node) over all V tokens [nat], exact
    next_max: np.ndarray  # float64[M], largest next-token probability over all V tokens, exact
