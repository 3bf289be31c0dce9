"""KL(S‖q) after every step of a training, exact up to float32: evaluations are too far apart to see a short peak."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.languages.device import put
from sim.languages.finite import FiniteLanguage
from sim.models._base import Model
from sim.training.parts import Team
from sim.training.trie_logits import TriePlan, node_logits, part_plan, part_shape
from sim.typing import Array, Float, Params

STEPS = 1024
"""Number of steps after which the host has to fetch the numbers."""


@struct.dataclass
class Watched:
    """A language whose KL to the model is computed after every step, on the part of the trie that its strings need."""

    plan: TriePlan
    mass: Float[Array, "M"]  # S(h), the probability of the prefix h; 0 for padding
    law: Float[Array, "M V"]  # S(. | h)
    log_law: Float[Array, "M V"]  # log S(. | h) [nat]
    in_prompt: Float[Array, "M"]  # 1 if the next token belongs to the prompt, else 0


@functools.lru_cache(maxsize=32)
def watched(language: FiniteLanguage, is_watched: bool = True, has_any_support: bool = False) -> Watched:
    """Prepare a language. If it is not watched, the tables have the same shapes, but nothing is computed.

    has_any_support: whether the tables have room for every string of the trie, so that the support decides no shape.
    """
    trie, kept = language.trie, language.log_p > -np.inf
    plan = part_plan(trie, kept, part_shape(trie, np.ones(trie.num_strings, bool)) if has_any_support else None)
    node, strings = np.asarray(plan.node), trie.strings[kept]
    at, alive = trie.node[kept], trie.node[kept] >= 0
    mass = np.zeros(trie.num_nodes)
    np.add.at(mass, at[alive], np.broadcast_to(np.exp(language.log_p[kept])[:, None], at.shape)[alive])
    is_padding = np.arange(len(node)) >= len(np.unique(at[alive]))
    log_law = np.full((trie.num_nodes, trie.vocab_size), -np.inf)
    log_law[trie.edge_node, trie.edge_token] = language.edge_log_prob
    in_prompt = np.zeros(trie.num_nodes)
    if language.vocabulary.prompt_end is not None:
        closes = strings == language.vocabulary.prompt_end
        in_prompt[at[alive & (np.cumsum(closes, axis=1) - closes == 0)]] = 1.0
    if not is_watched:
        none = put(0, np.int32)
        plan = dataclasses.replace(plan, num_chunks=none, num_string_chunks=none)
    return Watched(
        plan,
        put(np.where(is_padding, 0.0, mass[node]), np.float32),
        put(np.exp(log_law[node]), np.float32),
        put(log_law[node], np.float32),
        put(in_prompt[node], np.float32),
    )


def squares(found: np.ndarray, number: int) -> np.ndarray:
    """Return bounds of the squared lengths of steps, float64[T, 2], from sums in float32 over `number` parameters.

    A sum of n squares is off by at most n u of itself, in any order of the additions, u = 2^-24 (N. Higham, 2002,
    "Accuracy and stability of numerical algorithms", section 4.2; terms of order u² are covered by n + 2).
    """
    error = (number + 2) * 2.0**-24
    return np.stack([found * (1.0 - error), found * (1.0 + error)], axis=1)


def watched_kl(model: Model, params: Params, one: Watched, team: Team | None) -> Float[Array, "2"]:
    """KL(S‖q) of the prompt, E_S(x)-averaged KL(S‖q) of the answer [nat per string]; their sum is that of documents.

    Without a prompt the first number is 0. Both are 0 if nothing is watched.
    """

    def found() -> Float[Array, "2"]:
        log_q = jax.nn.log_softmax(node_logits(model, params, one.plan, team))
        each = jnp.sum(jnp.where(one.law > 0, one.law * (one.log_law - log_q), 0.0), axis=-1)
        weighted = jnp.where(one.mass > 0, one.mass * each, 0.0)
        return jnp.stack([jnp.sum(weighted * one.in_prompt), jnp.sum(weighted * (1.0 - one.in_prompt))])

    return jax.lax.cond(one.plan.num_chunks > 0, found, lambda: jnp.zeros(2))
