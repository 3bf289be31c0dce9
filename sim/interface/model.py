"""A trained model of a record: it samples text and computes the probability of text."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from sim.config import construct
from sim.disk.records import Record
from sim.languages.decoding import KINDS, Rule
from sim.languages.device import put
from sim.languages.vocabulary import Vocabulary
from sim.models._base import Bound
from sim.numerics import EOS, SpecificationError, log_softmax, nearest
from sim.training.flat import unflat


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A model with its parameters and the vocabulary of its language. The vocabulary turns tokens into text.

    rules: decoding rules that are applied to every next-token law, in this order; see `decoded`.
    """

    name: str
    bound: Bound
    vocabulary: Vocabulary
    rules: tuple[Rule, ...] = ()

    def decoded(
        self,
        temperature: int | float | None = None,
        top_k: int | float | None = None,
        top_p: int | float | None = None,
        min_p: int | float | None = None,
    ) -> "TrainedModel":
        """Return the model with decoding rules, which act on every token: first temperature, then top-k, top-p, min-p.

        `sample` and `log_prob` of the result obey them; the law is exact (`sim.languages.decoding`). Rules that the
        model has already come first. Raises SpecificationError without a rule, and for a number that no rule has.
        """
        given = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
        rules = tuple((kind, float(number)) for kind, number in given.items() if number is not None)
        if not rules:
            raise SpecificationError(
                f"decoded: at least one of {', '.join(given)} is required, found none; give one, as in temperature=0.7"
            )
        if isinstance(top_k, float) and not top_k.is_integer():
            raise SpecificationError(f"top_k: an integer of at least 1 is required, found {top_k!r}")
        for kind, number in rules:
            KINDS[kind](number)  # it refuses wrong numbers
        return replace(self, rules=(*self.rules, *rules))

    def sample(self, num: int, prompt: str | None = None, seed: int = 0) -> list[str]:
        """Sample `num` texts from the model token by token, in float32 as it was trained; float64 with decoding rules.

        With a prompt the texts are answers to it; without one they are whole documents. A text that does not end within
        the horizon is cut there. The same seed gives the same texts.
        """
        given = self._tokens("" if prompt is None else prompt, "prompt")
        if self.rules:
            strings = self._drawn(num, given, seed)
        else:
            strings = np.asarray(self.bound.sample(jax.random.key(seed), (num,), put(given, np.int32)))
        return [self.vocabulary.decode(row[len(given) :]) for row in strings]

    def log_prob(self, texts: Sequence[str], prompt: str | None = None) -> np.ndarray:
        """log q of whole documents, or of answers given a prompt [nat]: float64[len(texts)], summed in float64.

        It is exact up to the float32 logits. The end of a text counts, except at the horizon, where a text is cut.
        """
        start = self._tokens("" if prompt is None else prompt, "prompt")
        rows = [start + self._tokens(text, f"texts[{index}]") for index, text in enumerate(texts)]
        if not rows:
            return np.zeros(0)
        tokens = np.array([row + [EOS] * (self.bound.length - len(row)) for row in rows], np.int32)
        log_q = self._next_log_probs(tokens)
        each = np.take_along_axis(log_q, tokens[:, :, None], axis=2)[:, :, 0]
        at = np.arange(self.bound.length)
        ends = np.array([len(row) for row in rows])[:, None]
        return np.where((at >= len(start)) & (at <= ends), each, 0.0).sum(axis=1)

    def _next_log_probs(self, tokens: np.ndarray) -> np.ndarray:
        """log q(. | x_<t) [nat] at every position, after the rules: float64[B, L, V] from int32[B, L]."""
        log_q = log_softmax(np.asarray(self.bound.model.logits(self.bound.params, put(tokens)), np.float64))
        rows = log_q.reshape(-1, log_q.shape[-1])
        for kind, number in self.rules:
            rows = KINDS[kind](number)(rows)
        return rows.reshape(log_q.shape)

    def _drawn(self, num: int, given: Sequence[int], seed: int) -> np.ndarray:
        """Draw strings after the rules, int32[num, L], that begin with some tokens. EOS fills them after their end."""
        dice, length = np.random.default_rng(seed), self.bound.length
        strings = np.zeros((num, length), np.int32)
        strings[:, : len(given)] = given
        open_ = np.ones(num, bool)
        for t in range(len(given), length):
            upto = np.exp(self._next_log_probs(strings)[:, t]).cumsum(axis=1)
            token = np.argmax(upto > dice.random((num, 1)) * upto[:, -1:], axis=1)
            strings[:, t] = np.where(open_, token, EOS)
            open_ &= strings[:, t] != EOS
        return strings

    def _tokens(self, text: str, place: str) -> list[int]:
        tokens = self.vocabulary.tokens(text, place)
        if len(tokens) > self.bound.length:
            raise SpecificationError(
                f"{place}: a text of at most {self.bound.length} tokens is required, found {len(tokens)}; shorten it"
            )
        return tokens


def model_of(record: Record, name: str = "finetuned") -> TrainedModel:
    """Return a trained model of a record: "pretrained", "finetuned", "stage_2", "relearned", or a control ("identity").

    Raises SpecificationError if the record has no such model or does not hold its parameters.
    """
    phases = {meaning.model: phase for phase, meaning in record.meanings.items() if phase in record.params}
    if name not in phases:
        raise SpecificationError(
            f"model: one of {', '.join(phases)} is required, found {name!r}{nearest(name, list(phases))}"
        )
    model: Any = construct("model", record.config["model"], "model", record.p.trie)
    like = jax.eval_shape(model.init, jax.random.key(0))
    params = jax.tree.map(put, unflat(record.params[phases[name]], like))
    return TrainedModel(name, Bound(model, params, record.p.vocabulary.prompt_end), record.p.vocabulary)
