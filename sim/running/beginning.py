"""How runs begin a stage: their trainings are made from the parameters at the end of the stage before."""

from typing import Any

import jax
import jax.numpy as jnp

from sim.languages.device import put
from sim.running.claimed import ClaimedRun
from sim.training.flat import unflat
from sim.training.late import begun, gone_on
from sim.training.simulation import before, finetunings, later_trainings
from sim.training.sweep import Training
from sim.typing import Params


def begin(runs: list[ClaimedRun], shapes: dict[int, Any]) -> None:
    """Prepare the fine-tuning of runs. `shapes`: the shapes of parameters by model, because tracing takes long.

    Raises SpecificationError if a late restriction refuses the model of a run.
    """
    for run in runs:
        assert run.simulation is not None
        assert run.first is not None
        model = run.simulation.model
        if id(model) not in shapes:
            shapes[id(model)] = jax.eval_shape(model.init, jax.random.key(0))
        params = jax.tree.map(put, unflat(run.first.params, shapes[id(model)]))
        run.simulation = begun(run.simulation, params)
        run.tuned = finetunings(run.simulation, params, _carried(run, params))


def go_on(runs: list[ClaimedRun], number: int, ensuing: dict[ClaimedRun, dict[str, Training]]) -> None:
    """Prepare a later stage of runs, and put their trainings into `ensuing`. Raises as `begin` does."""
    for run in runs:
        assert run.simulation is not None
        phase = before(run.simulation, run.simulation.later[number])
        params = jax.tree.map(jnp.asarray, run.tuned[phase].trained.params)
        run.simulation = gone_on(run.simulation, number, params)
        found = later_trainings(run.simulation, run.simulation.later[number], params)
        run.tuned |= found
        ensuing[run] = found


def _carried(run: ClaimedRun, params: Params) -> Any:
    """Return the optimiser state at the end of the pretraining of a run; None if no control needs it."""
    assert run.simulation is not None
    assert run.first is not None
    if "carried" not in run.simulation.controls:
        return None
    like = jax.eval_shape(run.simulation.pretrain.optimizer.transformation(1.0).init, params)
    return jax.tree.map(put, unflat(run.first.opt_state, like))
