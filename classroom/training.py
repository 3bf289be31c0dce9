"""Trainings of the page's model by the simulator itself: the pretraining of q0, and what the page is compared with."""

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sim.languages.device import Listed, on_device
from sim.languages.finite import FiniteLanguage
from sim.models.transformer import Transformer
from sim.numerics import EOS, log_softmax
from sim.objectives.sft import Sft
from sim.optimizers._base import Optimizer
from sim.optimizers.adam import Adam
from sim.training.job import Job, Phase, advance, start


@dataclass(frozen=True)
class Pretraining:
    """AdamW on the whole support of P, with exact targets."""

    steps: int = 1500
    rate: float = 5e-3
    warmup: int = 50
    seed: int = 0


def trained(
    p: FiniteLanguage,
    data: FiniteLanguage,
    model: Transformer,
    params: Any,
    optimizer: Optimizer,
    steps: int,
    *,
    on_document: bool,
) -> Any:
    """Return the parameters after some steps on `data`. Every step uses all strings with their probabilities.

    on_document: whether the tokens of prompts are scored too, or only answers.
    """
    base, own = _listed(p), _listed(data)
    phase = Phase(own, base, None, Sft(), optimizer, jnp.asarray(steps), jnp.asarray(on_document), 1, True)
    job = Job(jax.random.key(0), params, phase, model)
    state = jax.jit(advance)(job, start(job), jnp.asarray(steps))
    if not np.isfinite(float(state.loss_sum)):
        raise FloatingPointError(f"the loss at step {int(state.step)} is not finite")
    return state.params


@functools.lru_cache(maxsize=8)
def _listed(language: FiniteLanguage) -> Listed:
    return on_device(language)


def pretrained(p: FiniteLanguage, model: Transformer, how: Pretraining) -> Any:
    """Return the parameters after pretraining on P."""
    optimizer = Adam(how.rate, b2=0.99, weight_decay=1e-4, warmup=float(how.warmup), decay="cosine")
    params = model.init(jax.random.key(how.seed))
    return trained(p, p, model, params, optimizer, how.steps, on_document=True)


def log_probs(p: FiniteLanguage, model: Transformer, params: Any) -> tuple[np.ndarray, np.ndarray]:
    """log q(y|x) of every string given its prompt, and log q(x, y) of the whole document [nat]: float64[N] each.

    Softmax and sums are in float64. The logits are float32.
    """
    strings = p.trie.strings
    logits = np.asarray(jax.jit(model.logits)(params, jnp.asarray(strings)), np.float64)
    each = np.take_along_axis(log_softmax(logits), strings[:, :, None], axis=2)[:, :, 0]
    at = np.arange(strings.shape[1])
    alive = at <= np.argmax(strings == EOS, axis=1)[:, None]
    answer = np.where(alive & (at >= p.prompts.length[:, None]), each, 0.0).sum(axis=1)
    return answer, np.where(alive, each, 0.0).sum(axis=1)
