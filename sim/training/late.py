"""Restrictions that are built when their stage begins, from the model with which it begins."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np

from sim.languages.finite import FiniteLanguage
from sim.languages.starting import StartingModel, of_language
from sim.models._base import HasFeatures, Model
from sim.numerics import SpecificationError
from sim.training.simulation import Simulation, plans
from sim.training.trie_logits import trie_features, trie_logits
from sim.typing import Params


def begun(run: Simulation, params: Params) -> Simulation:
    """Return a simulation with the S of its fine-tuning, which begins from these parameters, q0."""
    if run.make is None:
        return run
    return replace(run, restricted=run.make(starting_model(run.model, run.p, params, 1)))


def gone_on(run: Simulation, number: int, params: Params) -> Simulation:
    """Return a simulation with the S of the later stage with an index; the stage before ended with these parameters."""
    stage = run.later[number]
    if stage.make is None:
        return run
    own = replace(stage, restricted=stage.make(starting_model(run.model, run.p, params, number + 2)))
    return replace(run, later=(*run.later[:number], own, *run.later[number + 1 :]))


def starting_model(model: Model, p: FiniteLanguage, params: Params, stage: int) -> StartingModel:
    """Return a model with these parameters at every node of P's trie, in float64; see `StartingModel`.

    One program computes the float32 logits of one model, so equal parameters give equal bits. It raises
    FloatingPointError if a logit is nan or +inf, or if a row has no finite logit.
    """
    trie, plan = p.trie, plans(p.trie)
    logits = np.asarray(trie_logits(model, params, plan), np.float64)
    top = logits.max(axis=1, keepdims=True)  # the largest of a row with a nan is nan
    if not np.isfinite(top).all():
        raise FloatingPointError("the logits of the model with which the stage begins are not finite")
    log_next = logits - top
    log_next -= np.log(np.exp(log_next).sum(axis=1, keepdims=True))
    of_edge = np.append(log_next[trie.edge_node, trie.edge_token], 0.0)  # the last one is for "no edge", number -1

    def features() -> np.ndarray:
        _check_features(model)
        return np.asarray(trie_features(model, params, plan), np.float64)

    return StartingModel(log_next, of_edge[trie.edge].sum(axis=1), stage, features)


def stand_in(model: Model, p: FiniteLanguage, stage: int) -> StartingModel:
    """Return P in place of a model that is not trained yet. Its features are arbitrary numbers of the right shape."""
    return of_language(p, stage, partial(_arbitrary, model, p))


def _arbitrary(model: Model, p: FiniteLanguage) -> np.ndarray:
    _check_features(model)
    assert isinstance(model, HasFeatures)
    params = jax.eval_shape(model.init, jax.random.key(0))
    shape = jax.eval_shape(model.features, params, p.trie.strings[:1]).shape
    return np.random.default_rng(0).normal(size=(p.trie.num_nodes, shape[-1]))


def _check_features(model: Model) -> None:
    if not isinstance(model, HasFeatures):
        raise SpecificationError(
            "restriction: a model with final features (a method features(params, tokens)) is required, "
            f"found {type(model).__name__}; choose model=transformer"
        )
