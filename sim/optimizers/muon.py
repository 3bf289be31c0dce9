"""Muon: every matrix of a layer moves along its orthogonalised momentum, all other parameters as with Adam."""

from typing import Annotated, Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from sim.config import HalfOpenFraction
from sim.optimizers._options import averaged, clipped, in_words
from sim.optimizers._schedules import scheduled_rate
from sim.optimizers.adam import Adam, decay_weights, scale_by_adam
from sim.typing import Number

LAYERS = "blocks"
"""How the layers of a model are called in the names of its parameters."""

RMS = 0.2
"""The root mean square of the entries of a step, per unit of rate: about that of Adam's steps in a training.

Source: J. Liu et al., 2025, "Muon is scalable for LLM training", arXiv:2502.16982, as optax describes it.
"""


def of_layers(params: optax.Params) -> optax.Params:
    """For every parameter, "matrix" if it is a matrix of a layer, else "other".

    The embedding and the output matrix are in no layer, and so is the table of a model that is one. The factors of an
    adapter are matrices of the layer whose change they are.
    """

    def kind(path: tuple[object, ...], leaf: Any) -> str:
        return "matrix" if leaf.ndim == 2 and LAYERS in jax.tree_util.keystr(path) else "other"

    return jax.tree_util.tree_map_with_path(kind, params)


def scale_by_muon(momentum: Number) -> optax.GradientTransformation:
    """RMS sqrt(max(m, n)) U V^T for every matrix [m, n], where U S V^T is its momentum after Nesterov's step.

    The orthogonal matrix is that of five steps of the Newton-Schulz iteration, so its singular values are not 1, but
    mostly between 0.7 and 1.2. A gradient of 0 gives a step of 0.
    """

    def numbers(updates: optax.Updates) -> optax.Updates:
        return jax.tree.map(lambda _: optax.contrib.MuonDimensionNumbers(), updates)

    def scaled(update: jax.Array) -> jax.Array:
        return update * jnp.asarray(RMS * max(update.shape) ** 0.5, update.dtype)

    return optax.chain(
        optax.contrib.scale_by_muon(beta=momentum, weight_dimension_numbers=numbers),
        optax.stateless(lambda updates, _: jax.tree.map(scaled, updates)),
    )


@struct.dataclass
class Muon(Adam):
    """theta <- theta - lr_t (direction + wd theta); the direction of a matrix of a layer is that of `scale_by_muon`.

    All other parameters, such as biases, the embedding and the output matrix, have the direction of Adam, with `b1`,
    `b2` and `eps`. A model without layers has only such. Steps of matrices are about as large as Adam's, so rates of
    Adam are a good first guess. The other arguments are those of `Adam`.
    Source: K. Jordan et al., 2024, "Muon: an optimizer for hidden layers in neural networks"; the common scale of steps
    is that of J. Liu et al., 2025, arXiv:2502.16982.
    """

    momentum: Annotated[Number, HalfOpenFraction] = 0.95

    def transformation(self, num_steps: Number) -> optax.GradientTransformation:
        """The optax chain: both directions, weight decay, then the scheduled rate; the options around them."""
        directions = {"matrix": scale_by_muon(self.momentum), "other": scale_by_adam(self.b1, self.b2, self.eps)}
        return optax.chain(
            *clipped(self.clip),
            optax.partition(directions, of_layers),
            decay_weights(self.weight_decay),
            optax.scale_by_learning_rate(
                lambda step: scheduled_rate(self.learning_rate, self.warmup, self.final, self.decay, step, num_steps)
            ),
            *averaged(self.average, num_steps),
        )


def label(*, clip: float | None = None, average: float = 0.0, **_: object) -> str:
    """Name the optimiser for people."""
    return "Muon" + in_words(clip, average)
