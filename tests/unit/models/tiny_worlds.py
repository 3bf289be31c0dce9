"""Small listed languages, and jobs that train on them: what the tests of models, objectives and training share."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sim.languages.device import Listed, on_device
from sim.languages.finite import FiniteLanguage
from sim.languages.trie import Trie
from sim.languages.vocabulary import Vocabulary
from sim.models._base import Model
from sim.objectives.sft import Sft
from sim.optimizers.sgd import Sgd
from sim.training.job import Job, Phase
from sim.training.sweep import Trained, Training, train_many
from sim.training.trie_logits import trie_plan


def language(weights: Mapping[str, float], prompt_end: str | None = None) -> FiniteLanguage:
    """One character per symbol; probabilities proportional to the weights."""
    symbols = tuple(sorted(set("".join(weights))))
    vocabulary = Vocabulary(("<eos>", *symbols), None if prompt_end is None else 1 + symbols.index(prompt_end), "")
    strings = np.zeros((len(weights), max(map(len, weights)) + 1), np.int32)
    for row, text in enumerate(weights):
        strings[row, : len(text)] = vocabulary.encode(list(text))
    p = np.array(list(weights.values()), np.float64)
    with np.errstate(divide="ignore"):
        return FiniteLanguage.from_strings(vocabulary, strings, np.log(p / p.sum()))


def random_language(seed: int, num_strings: int, num_symbols: int, length: int) -> FiniteLanguage:
    """Random strings of 0 to `length` symbols with random probabilities."""
    dice = np.random.default_rng(seed)
    weights: dict[str, float] = {"abcdefghijklmnopqrstuvwxyz"[:num_symbols][-1] * length: dice.uniform(0.2, 1.0)}
    while len(weights) < num_strings:
        text = "".join(dice.choice(list("abcdefghijklmnopqrstuvwxyz"[:num_symbols]), dice.integers(0, length + 1)))
        weights.setdefault(text, dice.uniform(0.2, 1.0))
    return language(weights)


def texts(spoken: FiniteLanguage) -> list[str]:
    """The listed strings, in the order of the trie."""
    return [spoken.vocabulary.decode(row) for row in spoken.trie.strings]


def mask(spoken: FiniteLanguage, keep: Callable[[str], bool]) -> np.ndarray:
    """A set of listed strings: bool[N]."""
    return np.array([keep(text) for text in texts(spoken)])


def table64(spoken: FiniteLanguage) -> np.ndarray:
    """log P(token | node) as float64[M+1, V], the dead node last; -inf where illegal."""
    table = np.full((spoken.trie.num_nodes + 1, spoken.trie.vocab_size), -np.inf)
    table[spoken.trie.edge_node, spoken.trie.edge_token] = spoken.edge_log_prob
    return table


def on_device64(spoken: FiniteLanguage) -> Listed:
    """The device form without its rounding to float32; to be called where 64 bits are enabled."""
    return on_device(spoken).replace(
        log_prob=jnp.asarray(table64(spoken)), probability=jnp.asarray(np.exp(spoken.log_p))
    )


def training(model: Model, params: Any, data: Listed, base: Listed, **chosen: Any) -> Job:
    """A job on exact targets over the whole support under plain SGD, unless chosen otherwise."""
    key, watched = chosen.pop("key", 0), chosen.pop("watched", None)
    phase: dict[str, Any] = {
        "event": None,
        "objective": Sft(),
        "optimizer": Sgd(learning_rate=1.0),
        "num_steps": 1000.0,
        "batch_size": 8,
        "loss_on": "document",
        "whole_support": True,
    }
    unknown = chosen.keys() - phase.keys()
    assert not unknown, unknown
    phase |= chosen
    phase["on_document"] = phase.pop("loss_on") == "document"
    return Job(jax.random.key(key), params, Phase(data=data, base=base, **phase), model, watched)


def trained(job: Job, trie: Trie, steps: Sequence[int]) -> Trained:
    """One job, evaluated at the given steps."""
    return together([job], trie, steps)[0]


def together(jobs: Sequence[Job], trie: Trie, steps: Sequence[int], **chosen: Any) -> list[Trained]:
    """Jobs on one trie, all evaluated at the given steps; none of them may fail."""
    plan = trie_plan(trie)
    trainings = [Training(job, trie, plan, steps) for job in jobs]
    train_many(trainings, **chosen)
    assert [one.failure for one in trainings] == [None] * len(jobs)
    return [one.trained for one in trainings]


def log_strings(trie: Trie, record: Mapping[str, np.ndarray]) -> np.ndarray:
    """log q of every listed document [nat], from a record: float64[N]."""
    return np.where(trie.edge >= 0, record["edge_log_q"][trie.edge], 0.0).sum(axis=1)


def kl(log_p: np.ndarray, log_q: np.ndarray) -> float:
    """KL(p‖q) [nat] over listed strings, straight from its definition."""
    inside = log_p > -np.inf
    return float(np.sum(np.exp(log_p[inside]) * (log_p[inside] - log_q[inside])))
