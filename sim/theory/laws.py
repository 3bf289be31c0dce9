"""What is known before a fine-tuning begins: the laws that a prediction about it may depend on."""

from dataclasses import dataclass

import numpy as np

from sim.languages.trie import Trie


@dataclass(frozen=True, eq=False)
class Laws:
    """Laws of whole documents on one list of N strings, as log-probabilities [nat], float64[N]; -inf where absent.

    log_p: P, the pretraining language; log_s: S, the data of the fine-tuning; event: bool[N], A; log_q0: the pretrained
    model, which sums to 1 minus the mass that it has off the list; trie: the prefix trie of the strings, for optima
    that are stated token by token.
    """

    trie: Trie
    log_p: np.ndarray
    log_s: np.ndarray
    event: np.ndarray
    log_q0: np.ndarray
