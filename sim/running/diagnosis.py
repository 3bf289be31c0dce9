"""Why a training failed: the model, the optimiser and the objective are traced, and the first that is wrong is named.

Tracing takes about a second, so this is done only after a failure.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np

from sim.numerics import SpecificationError, in_one_line
from sim.phases import entries
from sim.running.checks import kind_of, refuse
from sim.running.stages import place_of
from sim.training.job import Job, begun, loss
from sim.training.simulation import Recipe, Simulation, pretraining


def explained(run: Simulation, chosen: Mapping[str, Any]) -> SpecificationError | None:
    """Return what is wrong with a member, in one line, after a run failed for a reason that does not say so."""
    try:
        _traced(run, chosen)
    except SpecificationError as problem:
        return problem
    except Exception:  # what was wrong at first is the better answer
        return None
    return None


def _traced(run: Simulation, chosen: Mapping[str, Any]) -> None:
    """Trace the model, the optimiser and the objective, and raise SpecificationError for the first that is wrong."""
    key, node = jax.random.key(0), chosen["model"]
    params = _trying(
        "model", "init(key) that returns a pytree of arrays", node, lambda: jax.eval_shape(run.model.init, key)
    )
    size = (2, run.p.trie.length)
    tokens = jax.ShapeDtypeStruct(size, np.int32)
    wanted = (*size, run.p.trie.vocab_size)
    logits = _trying("model", "logits(params, tokens)", node, lambda: jax.eval_shape(run.model.logits, params, tokens))
    shape = getattr(logits, "shape", None)
    if shape != wanted:
        refuse("model", f"logits of shape {wanted} for tokens {size}", f"{shape or kind_of(logits)}", node, "")
    recipes: list[tuple[str, Recipe, Mapping[str, Any]]] = [("pretrain.", run.pretrain, chosen["pretrain"])]
    recipes.append(("", run.finetune, chosen))
    for number, (stage, entry) in enumerate(zip(run.later, entries(chosen).values(), strict=True), 2):
        recipes.append((f"{place_of(number)}.", stage.recipe, entry))
    for place, recipe, owners in recipes:
        _trying(
            f"{place}optimizer", "transformation(num_steps) that returns an optax.GradientTransformation",
            owners["optimizer"], partial(_started, recipe, params), "optimizer",
        )  # fmt: skip
        job = pretraining(run).job
        job = replace(job, phase=replace(job.phase, objective=recipe.objective))
        value = _trying(
            f"{place}objective", "a callable (q, context, batch, key) that returns a scalar", owners["objective"],
            partial(_loss, job, params, key), "objective",
        )  # fmt: skip
        if getattr(value, "shape", None) != ():
            found = f"shape {value.shape}" if hasattr(value, "shape") else kind_of(value)
            refuse(f"{place}objective", "a scalar loss", found, owners["objective"], "", "objective")


def _started(recipe: Recipe, params: Any) -> Any:
    return jax.eval_shape(recipe.optimizer.transformation(1.0).init, params)


def _loss(job: Job, params: Any, key: Any) -> Any:
    return jax.eval_shape(loss, begun(job), params, key)


def _trying(place: str, wanted: str, node: Mapping[str, Any], call: Callable[[], Any], group: str = "") -> Any:
    try:
        return call()
    except Exception as problem:
        text = in_one_line(f"{type(problem).__name__}: {problem}")[:200]
        refuse(place, wanted, text, node, "", group)
