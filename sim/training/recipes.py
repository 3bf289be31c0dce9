"""How the trainings and the edits of a run are done: what a simulation holds besides its world and its model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sim.edits._siblings import Make as MakeChange
from sim.languages.restricted import Restricted
from sim.languages.starting import StartingModel
from sim.objectives._context import LossOn, Objective
from sim.optimizers._base import Optimizer
from sim.phases import Meaning, Stage
from sim.training.adapter import Adapter

Make: TypeAlias = Callable[[StartingModel], Restricted]
"""It makes the restriction of a stage from the model with which the stage begins."""


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
    """An edit of the model that the phase `of` ended with. `name` is the phase that it becomes.

    change: what makes the edit from the siblings of the fine-tuning.
    """

    name: str
    of: str
    change: MakeChange
    meaning: Meaning


@dataclass(frozen=True, eq=False)
class Later:
    """A later stage: a training from the model of the stage before, whose S may differ. `name` is also its phase.

    make: what makes its restriction when it begins; then `restricted` has P in place of the model until then. None if
    the restriction follows from P alone. from_scratch: whether the training begins from fresh parameters. The model
    before is then used by `make` alone.
    """

    name: Stage
    recipe: Recipe
    restricted: Restricted
    make: Make | None = None
    from_scratch: bool = False
