"""One training that is fed by the host: batches are drawn and their laws computed ahead of the step that needs them."""

import time
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from sim.disk import checkpoints
from sim.disk.stacking import stacked, unstacked
from sim.running.unlisted.asked import Part
from sim.streams import uninterrupted
from sim.training.fed import FedState, Task, advance, begin
from sim.training.flat import flat, unflat
from sim.training.parts import Fed
from sim.training.simulation import phase_key
from sim.training.sweep import Trained
from sim.typing import Params
from sim.unlisted.world import Seen

AHEAD = 4
"""How many batches are prepared before they are needed."""

Look = Callable[[Params, bool], dict[str, np.ndarray]]
"""What is recorded of parameters; the second argument says whether it is the first or the last look of a phase."""


@dataclass(eq=False)
class Feeding:
    """A training on one law. `waited` and `took` are the seconds it has waited for batches, and trained in all."""

    task: Task
    part: Part
    data: Seen
    seed: int
    name: str
    look: Look
    trained: Trained = field(default_factory=Trained)
    state: FedState | None = None
    waited: float = 0.0
    took: float = 0.0

    def batch(self, step: int) -> Fed:
        """The batch of a step, which counts from 0: it depends on seed, phase and step alone."""
        rng = np.random.default_rng([self.seed, zlib.crc32(self.name.encode()), step])
        rows = self.data.sample(rng, self.part.batch_size)
        tokens, weight = jnp.asarray(rows), jnp.full(len(rows), 1.0 / len(rows), jnp.float32)
        if not self.part.reads_laws:
            return Fed(tokens, weight)
        with np.errstate(divide="ignore"):
            return Fed(tokens, weight, jnp.asarray(np.log(self.data.next_token(rows)), jnp.float32))

    def train(self, observe: Callable[[int, float], None], save: "Saver") -> None:
        """Go on from the state to the last step. It raises FloatingPointError if the training diverges."""
        state = begin(self.task) if self.state is None else self.state
        last, step, began = self.part.num_steps, int(state.step), time.monotonic()
        waiting: deque[Future[Fed]] = deque()
        before, self.state = self.took, state
        with ThreadPoolExecutor(1) as pool:
            try:
                while True:
                    if self.trained.steps != list(self.part.steps) and step == self.part.steps[len(self.trained.steps)]:
                        self._look()
                    self.took = before + time.monotonic() - began
                    observe(step, self.trained.loss)
                    save(self)
                    if step == last:
                        return
                    while len(waiting) < min(AHEAD, last - step):
                        waiting.append(pool.submit(self.batch, step + len(waiting)))
                    asked = time.monotonic()
                    batch = waiting.popleft().result()
                    self.waited += time.monotonic() - asked
                    self.state = jax.block_until_ready(advance(self.task, self.state, batch))
                    step += 1
            finally:
                for one in waiting:
                    one.cancel()

    def _look(self) -> None:
        """Record the model at a step, and what the mean loss was since the look before."""
        assert self.state is not None
        done, steps = self.trained, self.part.steps
        step, before = steps[len(done.steps)], done.steps[-1] if done.steps else 0
        total = float(self.state.loss_sum)
        if not np.isfinite(total):
            raise FloatingPointError(
                f"{self.name}: up to step {step} a loss is not finite: training diverged; lower the learning rate"
            )
        try:
            arrays = self.look(self.state.params, step in (0, steps[-1]))
        except FloatingPointError as problem:
            raise FloatingPointError(f"{self.name}: at step {step}: {problem}") from None
        state = FedState(self.state.params, self.state.opt_state, self.state.step, jnp.zeros(()))
        with uninterrupted():  # a checkpoint must not see a half of it
            done.evaluations.append(arrays)
            done.losses.append(total / (step - before) if step > before else float("nan"))
            done.steps.append(step)
            if step == steps[-1]:
                done.params, done.opt_state = state.params, state.opt_state
            self.state = state

    def packed(self) -> dict[str, np.ndarray]:
        """Everything that is needed to go on: the state, and what has been recorded so far."""
        arrays = {f"state/{name}": values for name, values in flat(self.state).items()}
        arrays |= {"steps": np.array(self.trained.steps, np.int64), "losses": np.array(self.trained.losses)}
        arrays["seconds"] = np.array([self.waited, self.took])
        return arrays | {f"recorded/{name}": one for name, one in stacked(self.trained.evaluations).items()}

    def resume(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on from the arrays of `packed`. It raises ValueError, and changes nothing, if they do not fit."""
        parts: dict[str, dict[str, np.ndarray]] = {"state": {}, "recorded": {}}
        for place, values in arrays.items():
            owner, _, name = place.partition("/")
            if name:
                parts[owner][name] = values
        state: FedState = unflat({name: jnp.asarray(one) for name, one in parts["state"].items()}, begin(self.task))
        steps, losses = [int(step) for step in arrays["steps"]], [float(one) for one in arrays["losses"]]
        if steps != list(self.part.steps[: len(steps)]) or len(losses) != len(steps):
            raise ValueError(f"its evaluations were at other steps: {steps}")
        if not (steps and steps[-1] <= int(state.step)):
            raise ValueError(f"it was looked at after {steps[-1:]} of {int(state.step)} steps")
        evaluations = unstacked(parts["recorded"], len(steps))
        waited, took = (float(one) for one in arrays["seconds"])
        done, self.state, self.waited, self.took = self.trained, state, waited, took
        done.steps, done.losses, done.evaluations = steps, losses, evaluations
        if steps and steps[-1] == self.part.steps[-1]:
            done.params, done.opt_state = state.params, state.opt_state


@dataclass(eq=False)
class Saver:
    """It writes checkpoints of a training, at most every `seconds`."""

    folder: Path
    seconds: float
    due: float = 0.0

    def __post_init__(self) -> None:
        self.due = time.monotonic() + self.seconds

    def __call__(self, one: Feeding) -> None:
        """Write a checkpoint if it is time."""
        if time.monotonic() >= self.due:
            self.write(one)

    def write(self, one: Feeding) -> None:
        """Write a checkpoint now."""
        assert one.state is not None
        checkpoints.save(self.folder, one.name, int(one.state.step), one.packed())
        self.due = time.monotonic() + self.seconds


def feeding(name: str, part: Part, data: Seen, seed: int, model: object, params: Params, look: Look) -> Feeding:
    """Return a training from given parameters; its random draws depend on the seed and its name."""
    task = Task(phase_key(seed, name), params, model, part.objective, part.optimizer, float(part.num_steps))  # type: ignore[arg-type]
    return Feeding(task, part, data, seed, name, look)
