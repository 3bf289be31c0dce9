"""One simulation in memory, without the disk: all its phases, one after the other."""

from collections.abc import Callable

from sim.phases import Stage
from sim.training.job import State
from sim.training.late import begun, gone_on
from sim.training.simulation import (
    Observer,
    Recipe,
    Simulation,
    before,
    edited,
    finetunings,
    later_trainings,
    pretraining,
    relearnings,
)
from sim.training.sweep import Trained, Training, by_structure, train_many


def simulate(run: Simulation, observe: Observer = lambda *_: None) -> dict[str, Trained]:
    """Do all phases of one simulation in memory: pretraining, fine-tuning, edits, later stages, relearning.

    The keys of the result are "pretrain", "sft", the controls, the siblings, the later stages, each with its control,
    the phases of `relearnings`, and the edits.
    S of a late restriction is not returned.
    `sim.running.work` does the same for many runs and uses results on the disk. It raises FloatingPointError with the
    names of phase and step if a training diverges.
    """
    first = pretraining(run)
    _trained({"pretrain": first}, "pretrain", run.pretrain, observe)
    run = begun(run, first.trained.params)
    others = finetunings(run, first.trained.params, first.trained.opt_state)
    _trained(others, "finetune", run.finetune, observe)
    changed = {one.name: edited(run, one, others) for one in run.edits}
    _trained(changed, "finetune", run.finetune)
    for number in range(len(run.later)):
        params = others[before(run, run.later[number])].trained.params
        run = gone_on(run, number, params)
        stage = run.later[number]
        trainings = later_trainings(run, stage, params)
        _trained(trainings, stage.name, stage.recipe, observe)
        others |= trainings
    again = relearnings(run, others[run.last].trained.params)
    if run.relearn is not None:
        _trained(again, "relearn", run.relearn, observe)
    return {name: one.trained for name, one in ({"pretrain": first} | others | again | changed).items()}


def _trained(trainings: dict[str, Training], stage: Stage, recipe: Recipe, observe: Observer = lambda *_: None) -> None:
    """Train the phases of one stage of a run. Phases of one structure are trained together."""
    for group in by_structure(list(trainings.values())):

        def seen(_: Callable[[int], State], group: list[Training] = group) -> None:
            observe(stage, group[0].step, recipe.num_steps, [one.trained.loss for one in group])

        train_many(group, seen)
    for name, one in trainings.items():
        if one.failure is not None:
            raise FloatingPointError(f"{name}: {one.failure}")
