"""The model with which a stage begins, as exact arrays on the host: what a restriction may know of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from sim.languages.finite import FiniteLanguage


@dataclass(frozen=True, eq=False)
class StartingModel:
    """q, the model with which a stage begins, at every node of P's trie.

    A restriction with a keyword-only argument of this type is *late*: its S is known only when its stage begins.
    log_next: log q(a | h) of all V tokens at every node h [nat], float64[M, V], -inf for an impossible token;
    log_law: log q of the N documents of the trie [nat], float64[N]. They sum to at most 1, because q may leak. stage:
    the number of the stage, 1 for the fine-tuning; make_features: see `features`; is_trained: whether this is a model.
    Before there is one, P takes its place (`of_language`), so that mistakes of a configuration show early. What only a
    trained model can tell must not be refused then.
    """

    log_next: np.ndarray
    log_law: np.ndarray
    stage: int
    make_features: Callable[[], np.ndarray]
    is_trained: bool = True

    is_injected: ClassVar[Literal[True]] = True
    """The program gives arguments of this type; no configuration sets them (`sim.config.signatures`)."""

    @cached_property
    def features(self) -> np.ndarray:
        """phi(h), the vector that the output matrix multiplies, at every node h: float64[M, d].

        Raises `SpecificationError` for a model without such features.
        """
        return self.make_features()


def of_language(p: FiniteLanguage, stage: int, make_features: Callable[[], np.ndarray]) -> StartingModel:
    """Return a language as the model with which a stage begins, before there is a model: it leaks nothing."""
    log_next = np.full((p.trie.num_nodes, p.trie.vocab_size), -np.inf)
    log_next[p.trie.edge_node, p.trie.edge_token] = p.edge_log_prob
    return StartingModel(log_next, p.log_p, stage, make_features, is_trained=False)
