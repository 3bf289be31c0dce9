"""What is known before a fine-tuning begins: the laws that a prediction about it may depend on."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.languages.finite import Prompts
from sim.languages.trie import Trie
from sim.numerics import log_group_sum

ROUNDING = 1e-9
"""Largest log of a sum of probabilities that counts as 0 [nat], as for languages."""


@dataclass(frozen=True, eq=False)
class Laws:
    """Laws of whole documents on one list of N strings, as log-probabilities [nat], float64[N]; -inf where absent.

    log_p: P, the pretraining language; log_s: S, the data of the fine-tuning; event: bool[N], A; log_q0: the pretrained
    model, which sums to 1 minus the mass that it has off the list; trie: the prefix trie of the strings, for optima
    that are stated token by token; prompts: the prompts of the strings, if the loss is on answers; None if it is on
    whole documents, which is like one empty prompt for all; log_reach: float64[M], log of the probability that a string
    of the pretrained model begins with the prefix of a node [nat], whatever follows; None if it writes listed strings
    only.
    """

    trie: Trie
    log_p: np.ndarray
    log_s: np.ndarray
    event: np.ndarray
    log_q0: np.ndarray
    prompts: Prompts | None = None
    log_reach: np.ndarray | None = None

    @cached_property
    def prompt(self) -> np.ndarray:
        """The number of the prompt of each string: int[N]; 0 for all if the loss is on whole documents."""
        return np.zeros(self.trie.num_strings, np.int64) if self.prompts is None else self.prompts.group

    def scored(self, skipped: int = 0) -> np.ndarray:
        """Whether a token is predicted at a position of a string, and is not among the first `skipped` of its answer.

        The result is bool[N, L].
        """
        start = np.zeros(self.trie.num_strings, np.int64) if self.prompts is None else self.prompts.length
        return (self.trie.node >= 0) & (np.arange(self.trie.length) >= start[:, None] + skipped)

    @cached_property
    def start(self) -> np.ndarray:
        """log q0(y|x) [nat], of the N listed answers and then of "outside" for each of the G prompts: float64[N + G].

        Outside has -inf if q0 writes listed strings only. Raises ValueError if the answers to a prompt have more mass
        than the prompt, beyond rounding.
        """
        if self.log_reach is None:
            return np.concatenate([self.answers(self.log_q0), np.full(int(self.prompt.max()) + 1, -np.inf)])
        first = np.unique(self.prompt, return_index=True)[1]
        length = np.zeros(len(first), np.int64) if self.prompts is None else self.prompts.length[first]
        own = self.log_q0 - self.log_reach[self.trie.node[first, length]][self.prompt]
        listed = log_group_sum(own, self.prompt, len(first))
        if not (listed <= ROUNDING).all():
            raise ValueError(
                f"log_reach: at least the mass of the answers is required, found {listed.max():g} nats less"
            )
        with np.errstate(divide="ignore"):  # a sum above 1 by rounding leaves nothing outside
            outside = np.log(-np.expm1(np.where(listed < 0.0, listed, 0.0)))
        return np.concatenate([own, outside])

    @cached_property
    def outcomes(self) -> np.ndarray:
        """The number of the prompt of each of the N listed answers, and then of each "outside": int[N + G]."""
        return np.concatenate([self.prompt, np.arange(int(self.prompt.max()) + 1)])

    def answers(self, log_law: np.ndarray) -> np.ndarray:
        """log of the law of answers given the prompt [nat], float64[N], of a law of documents; -inf where it is 0."""
        total = self._of_prompts(log_law)
        return np.where(log_law > -np.inf, log_law - np.where(total > -np.inf, total, 0.0), -np.inf)

    def documents(self, log_answers: np.ndarray) -> np.ndarray | None:
        """log of S(x) q(y|x) [nat], float64[N], of a law of answers; None if a prompt that S shows has no answer."""
        log_prompt = self._of_prompts(self.log_s)
        if ((log_prompt > -np.inf) & (self._of_prompts(log_answers) == -np.inf)).any():
            return None
        return np.asarray(log_prompt + log_answers)

    def _of_prompts(self, log_law: np.ndarray) -> np.ndarray:
        """log of the mass of each string's prompt [nat]: float64[N]."""
        return log_group_sum(log_law, self.prompt, int(self.prompt.max()) + 1)[self.prompt]
