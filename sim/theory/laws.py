"""What is known before a fine-tuning begins: the laws that a prediction about it may depend on."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.languages.trie import Trie
from sim.numerics import log_group_sum


@dataclass(frozen=True, eq=False)
class Laws:
    """Laws of whole documents on one list of N strings, as log-probabilities [nat], float64[N]; -inf where absent.

    log_p: P, the pretraining language; log_s: S, the data of the fine-tuning; event: bool[N], A; log_q0: the pretrained
    model, which sums to 1 minus the mass that it has off the list; trie: the prefix trie of the strings, for optima
    that are stated token by token; group: int[N], the number of the prompt of each string, if the loss is on answers;
    None if it is on whole documents, which is like one empty prompt for all.
    """

    trie: Trie
    log_p: np.ndarray
    log_s: np.ndarray
    event: np.ndarray
    log_q0: np.ndarray
    group: np.ndarray | None = None

    @cached_property
    def prompt(self) -> np.ndarray:
        """The number of the prompt of each string: int[N]; 0 for all if the loss is on whole documents."""
        return np.zeros(self.trie.num_strings, np.int64) if self.group is None else self.group

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
