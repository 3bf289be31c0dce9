"""The content of a checkpoint: a training as arrays, and back from arrays, bit for bit."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from sim.disk.stacking import stacked, unstacked
from sim.training.flat import flat, unflat
from sim.training.job import State, start
from sim.training.sweep import Training


def packed(one: Training, state: State) -> dict[str, np.ndarray]:
    """Return everything that is needed to continue a training: its state, and what has been recorded so far."""
    trained = one.trained
    arrays = {
        "steps": np.array(trained.steps, np.int64),
        "losses": np.array(trained.losses, np.float64),
        "kl": np.array(trained.kl, np.float64).reshape(-1, 3),
        **{f"state/{name}": values for name, values in flat(state).items()},
    }
    return arrays | {f"recorded/{name}": values for name, values in stacked(trained.evaluations).items()}


def resume(one: Training, arrays: Mapping[str, np.ndarray]) -> None:
    """Prepare a training to continue from the arrays of `packed`.

    It raises ValueError, and changes nothing, if their structure or the steps of their evaluations do not fit.
    """
    state = {name.removeprefix("state/"): values for name, values in arrays.items() if name.startswith("state/")}
    restored: State = unflat({name: jnp.asarray(values) for name, values in state.items()}, start(one.job))
    steps = [int(step) for step in arrays["steps"]]
    if steps != list(one.steps[: len(steps)]):
        raise ValueError(f"its evaluations were at other steps: {steps}")
    if len(arrays["kl"]) != (int(restored.step) if one.watches else 0):
        raise ValueError(f"it has watched {len(arrays['kl'])} of {int(restored.step)} steps")
    recorded = {
        name.removeprefix("recorded/"): values for name, values in arrays.items() if name.startswith("recorded/")
    }
    one.trained.steps = steps
    one.trained.losses = [float(loss) for loss in arrays["losses"]]
    one.trained.kl = list(arrays["kl"])
    one.trained.evaluations = unstacked(recorded, len(steps))
    one.state, one.step = restored, int(restored.step)
