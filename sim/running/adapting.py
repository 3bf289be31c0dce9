"""What a fine-tuning trains: from `finetune.adapter` in a configuration to the matrices of a model."""

from collections.abc import Mapping
from typing import Any

import jax

from sim.config import canonical_of
from sim.models._base import Model, NamesMatrices
from sim.numerics import SpecificationError
from sim.running import schema
from sim.training.adapter import Adapter
from sim.training.flat import path_name
from sim.training.simulation import Simulation

PLACE = "finetune.adapter"

INNER = ("attention", "mlp")
"""Parts of a model that `inner` stands for."""


def canonical_adapter(tuning: Mapping[str, Any]) -> dict[str, Any]:
    """Return a canonical `finetune` whose adapter is checked and cast.

    Where all parameters are trained, which is the default, the key is left out, so that runs keep the hashes that they
    had before there were adapters. Without a rank there is no alpha. It raises SpecificationError in one line.
    """
    node = canonical_of(schema.adapter, tuning["adapter"], PLACE)
    rest = {key: value for key, value in tuning.items() if key != "adapter"}
    if node["rank"] is None:
        del node["alpha"]
    return rest if node == {"rank": None, "matrices": "all"} else rest | {"adapter": node}


def adapter(tuning: Mapping[str, Any], model: Model) -> Adapter | None:
    """Return the adapter of a canonical `finetune`; None if all parameters are trained.

    It raises SpecificationError if the model has no such matrices.
    """
    node = tuning.get("adapter")
    if node is None:
        return None
    shapes = jax.tree_util.tree_leaves_with_path(jax.eval_shape(model.init, jax.random.key(0)))
    names = [path_name(path) for path, leaf in shapes if len(leaf.shape) > 1]
    found = tuple((name, _inputs_first(model, name)) for name in names if _is_chosen(model, name, node["matrices"]))
    if not found:
        parts = sorted({model.part(name) for name in names}) if isinstance(model, NamesMatrices) else []
        known = ", ".join(["all", *parts]) if names else "a model with matrices"
        wanted = f"one of {known}" if names else known
        raise SpecificationError(f"{PLACE}.matrices: {wanted} is required, found {node['matrices']}; choose another")
    return Adapter(node.get("alpha", 1.0), node["rank"], found)


def _is_chosen(model: Model, name: str, wanted: str) -> bool:
    if wanted == "all":
        return True
    part = model.part(name) if isinstance(model, NamesMatrices) else ""
    return part in INNER if wanted == "inner" else part == wanted


def _inputs_first(model: Model, name: str) -> bool:
    return model.inputs_first(name) if isinstance(model, NamesMatrices) else True


def check(run: Simulation) -> None:
    """Raise SpecificationError if a simulation with an adapter asks for what only full parameters have."""
    if run.finetune.adapter is None:
        return
    for control in ("carried", "linearised"):
        if control in run.controls:
            raise SpecificationError(
                f"{PLACE}: rank null and matrices all are required with the control {control}, found an adapter; "
                f"leave {control} out of finetune.controls"
            )
    if getattr(run.finetune.objective, "sharpness", 0.0):
        raise SpecificationError(
            f"{PLACE}: rank null and matrices all are required with objective.sharpness, found an adapter; "
            "set objective.sharpness to 0"
        )
