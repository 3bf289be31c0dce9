"""Second moments of hidden states under the prefixes of P: their own, and those with the states of q0."""

from typing import cast

import jax
import numpy as np

from sim.models._base import ShowsStates
from sim.training.job import Job
from sim.training.sweep import at_ends, needing
from sim.typing import Array, Float, Params, Tokens

CHUNK = 256
"""Number of strings whose states are computed at a time."""


@at_ends
@needing(ShowsStates)
def hidden(job: Job, params: Params) -> dict[str, np.ndarray]:
    """Return means and second moments of the hidden states h of D numbers in each of K layers, float64.

    hidden_mean [K, D]: E h; hidden_second [K, D, D]: E h hᵀ; hidden_cross [K, D, D]: E h h0ᵀ, where h0 is the state of
    the first model of the training (`job.init`), which is q0 in the fine-tuning, at the same prefix. The prefixes are
    all those after which P has a next token, each with a weight proportional to the probability that a document of P
    has it: the expectation over the nodes of the trie. States are float32, and so are the probabilities of documents;
    all sums are float64.
    """
    strings, mass = np.asarray(job.phase.base.strings), np.asarray(job.phase.base.probability, np.float64)
    ended = np.cumsum(strings == 0, axis=1) - (strings == 0) > 0  # after EOS nothing follows
    weight = np.where(ended, 0.0, mass[:, None])
    sums: list[tuple[np.ndarray, ...]] = []
    for begin in range(0, len(strings), CHUNK):
        rows = np.resize(np.arange(begin, min(begin + CHUNK, len(strings))), CHUNK)  # one program for all chunks
        own = np.where(np.arange(CHUNK) < len(strings) - begin, 1.0, 0.0)[:, None] * weight[rows]
        now, before = (np.asarray(one, np.float64) for one in jax.device_get(_states(job, params, strings[rows])))
        sums.append(_moments(now, before, own))
    mean, second, cross = (np.sum([one[part] for one in sums], axis=0) / weight.sum() for part in range(3))
    return {"hidden_mean": mean[..., 0], "hidden_second": second, "hidden_cross": cross}


@jax.jit
def _states(job: Job, params: Params, tokens: Tokens) -> tuple[Float[Array, "K B L D"], Float[Array, "K B L D"]]:
    """The states of the model and those of the first model of the training."""
    model = cast(ShowsStates, job.model)
    with jax.default_matmul_precision("highest"):
        return model.states(params, tokens), model.states(job.init, tokens)


def _moments(
    now: Float[np.ndarray, "K B L D"], before: Float[np.ndarray, "K B L D"], weight: Float[np.ndarray, "B L"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weighted sums of h (as [K, D, 1]), h hᵀ and h h0ᵀ."""
    flat, first = (one.reshape(len(one), -1, one.shape[-1]) for one in (now, before))
    heavy = flat * weight.reshape(-1, 1)
    turned = heavy.transpose(0, 2, 1)
    return heavy.sum(axis=1)[..., None], turned @ flat, turned @ first
