"""How the trainings and the edits of a run are done: what a simulation holds besides its world and its model."""

from collections.abc import Sequence
from dataclasses import dataclass

from sim.edits._base import Change
from sim.languages.restricted import Restricted
from sim.objectives._context import LossOn, Objective
from sim.optimizers._base import Optimizer
from sim.phases import Meaning, Stage
from sim.training.adapter import Adapter


@dataclass(frozen=True)
class Recipe:
    """How a phase is trained; its data are given separately."""

    objective: Objective
    optimizer: Optimizer
    num_steps: int
    batch_size: int
    steps: Sequence[int]  # the steps at which it is evaluated
    loss_on: LossOn
    whole_support: bool
    adapter: Adapter | None = None  # what is trained; None for all parameters


@dataclass(frozen=True)
class Edit:
    """An edit of the model that the phase `of` ended with. `name` is the phase that it becomes."""

    name: str
    of: str
    change: Change
    meaning: Meaning


@dataclass(frozen=True, eq=False)
class Later:
    """A later stage: a training from the model of the stage before, whose S may differ. `name` is also its phase."""

    name: Stage
    recipe: Recipe
    restricted: Restricted
