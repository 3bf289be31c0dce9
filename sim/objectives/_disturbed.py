"""The law of a transformer whose hidden states are disturbed in the forward pass: what noise and dropout share."""

import functools
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import jax

from sim.objectives._parameters import parameters_of
from sim.typing import Array, Float, Int, Language, NextLogProbs, Params

Disturbance = Callable[[Float[Array, "... D"]], Float[Array, "... D"]]


@runtime_checkable
class HasModule(Protocol):
    """A model that is a module with `embed`, `position` and `blocks`, which have the outputs `out` and `down`."""

    def bind(self, params: Params) -> Any:
        """Return the module with these parameters."""
        ...


class _Hooked:
    """A part of a module, with a function after it. All else is that of the part."""

    def __init__(self, part: Any, after: Disturbance) -> None:
        self.part, self.after = part, after

    def __call__(self, given: Array) -> Array:
        return self.after(self.part(given))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.part, name)


def disturbed(
    q: Language,
    tokens: Int[Array, "B L"],
    embedded: Callable[[Float[Array, "B L D"], Float[Array, "1 L D"]], Float[Array, "B L D"]],
    added: Callable[[int, Float[Array, "R D"]], Float[Array, "R D"]] | None = None,
) -> NextLogProbs:
    """log q(. | x_<t) [nat] of a model whose states are changed on the way, without any change of the model itself.

    embedded: from the embeddings of the tokens, and those of the positions, to other embeddings of the tokens; added:
    from the number of an output that is added to the residual stream (2 for each block, attention first), and the
    output with a row for each token, to another output. Raises ValueError if the model has no embeddings.
    """
    model = parameters_of(q, "model")
    if not isinstance(model.model, HasModule):
        raise ValueError(
            f"model: a transformer is required for this objective, found {type(model.model).__name__}, which has no "
            "embeddings; choose model=transformer, and no control linearised"
        )
    module = model.model.bind(model.params)
    position = module.position[...][None]
    object.__setattr__(module, "embed", _Hooked(module.embed, lambda rows: embedded(rows, position)))
    if added is not None:
        for number, block in enumerate(module.blocks):
            for place, name in enumerate(("out", "down")):
                after = functools.partial(added, 2 * number + place)
                object.__setattr__(block, name, _Hooked(getattr(block, name), after))
    return jax.nn.log_softmax(module(tokens))
