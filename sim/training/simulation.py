"""One simulation: pretrain on P, fine-tune on S and, as a control, on P, then do its later stages, and learn again.

All is recorded on the trie of P.
"""

import functools
import zlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import numpy as np

from sim.edits._base import applied
from sim.edits._siblings import Siblings
from sim.languages.device import Listed, on_device, put
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.metrics.law_record import law_record
from sim.metrics.scored import VIEWS, TrieView
from sim.models._base import Model
from sim.models._linearised import Linearised
from sim.objectives._enumerated import TakesReward
from sim.optimizers._base import Optimizer
from sim.optimizers._schedules import Scheduled
from sim.phases import Stage, control_of, is_sibling, later_stage, siblings
from sim.training.adapter import Adapted
from sim.training.job import Job, Phase, begun, start
from sim.training.mixture import normalisers_of
from sim.training.recipes import Edit as Edit
from sim.training.recipes import Later as Later
from sim.training.recipes import Make
from sim.training.recipes import Recipe as Recipe
from sim.training.sharing import structure
from sim.training.sweep import Probe, Training
from sim.training.trie_logits import part_shape, trie_plan
from sim.training.watched import Watched, watched
from sim.typing import Array, Bool, Params, PRNGKey


@dataclass(frozen=True, eq=False)
class Simulation:
    """A simulation to do; all its parts are built."""

    seed: int
    p: FiniteLanguage
    restricted: Restricted
    model: Model
    pretrain: Recipe
    finetune: Recipe
    controls: tuple[str, ...] = ("identity",)
    relearn: Recipe | None = None  # for learning again what S leaves out
    probes: tuple[Probe, ...] = ()  # for the fine-tuning on S
    kl_every_step: bool = True  # whether KL(S||q) is computed after every step of the fine-tuning
    laws_only: bool = False  # whether only laws of strings are recorded between the ends of a phase
    edits: tuple[Edit, ...] = ()  # of the fine-tuned model or of a control
    later: tuple[Later, ...] = ()  # what is trained after the fine-tuning, in order
    make: Make | None = None  # what makes `restricted` when the fine-tuning begins; until then it is a stand-in
    siblings: int = 0  # how many more fine-tunings on S there are, with other random draws

    @property
    def is_late(self) -> bool:
        """Whether a stage has a restriction that depends on the model with which the stage begins."""
        return self.make is not None or any(stage.make is not None for stage in self.later)

    @property
    def last(self) -> Stage:
        """The phase whose model relearning begins from: that of the last stage."""
        return self.later[-1].name if self.later else "sft"


tables = functools.lru_cache(maxsize=32)(on_device)
"""`on_device`, computed once for each language object, so that jobs share its tables."""

plans = functools.lru_cache(maxsize=32)(trie_plan)
"""`trie_plan`, computed once for each trie."""


Observer: TypeAlias = Callable[[Stage, int, int, Sequence[float]], None]
"""It is called during training with the stage, the step, the number of steps, and the last mean loss of each job."""


def signature(run: Simulation) -> Hashable:
    """Return everything that decides the structure of a run's trainings. It is equal for runs that train together.

    It is computed from objects on the host, so that nothing is put on a device for it.
    """
    trie = run.p.trie
    levels = tuple(np.bincount(trie.depth, minlength=trie.length))
    statics = [(one.batch_size, one.whole_support) for one in (run.pretrain, run.finetune)]
    recipes = structure([(one.objective, _optimizer(one, run.seed)) for one in (run.pretrain, run.finetune)])
    world = (trie.strings.shape, trie.num_nodes, levels, trie.vocab_size, run.p.vocabulary.prompt_end)
    later = tuple(
        (
            structure((one.recipe.objective, _optimizer(one.recipe, run.seed))),
            one.recipe.batch_size,
            one.recipe.whole_support,
        )
        for one in run.later
    )
    watched_parts = (run.restricted, *(one.restricted for one in run.later)) if run.kl_every_step else ()
    seen = tuple(part_shape(trie, (one.s.log_p > -np.inf) | run.is_late) for one in watched_parts)
    beside = run.controls, run.siblings, run.relearn is None, run.probes, seen, later
    return world, structure(run.model), recipes, tuple(statics), *beside


def phase_key(seed: int, name: str) -> PRNGKey:
    """Return the key of one phase of a run. It depends on the seed and the phase's name, not on other phases."""
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))


def pretraining(run: Simulation) -> Training:
    """Return the pretraining on P. It does not depend on the restriction, so that runs can share it."""
    params = _initial(run.model, phase_key(run.seed, "init"))
    unwatched = watched_part(run, run.restricted, False)
    return _training(run, "pretrain", run.pretrain, params, tables(run.p), everything(run.p), unwatched)


def finetunings(run: Simulation, params: Params, opt_state: Any = None) -> dict[str, Training]:
    """Return the fine-tuning on S ("sft"), its controls and its siblings, all from one q0 and with equally many steps.

    identity: fine-tuning on fresh data from P, with a fresh optimiser state like the fine-tuning on S. carried: the
    same, but with the final optimiser state of the pretraining, `opt_state`. linearised: fine-tuning on S, with the
    same batches, of the model that is linear in its parameters around q0. Under a reward, controls on P have reward 1
    everywhere. A sibling has the data, the recipe and the event of "sft"; what it draws is its own: batches, the noise
    of an objective, and the random factors of an adapter. Where nothing is drawn, it is "sft" itself.
    """
    base, tuned = tables(run.p), tables(run.restricted.s)
    event, watches = _event(run.restricted), watched_part(run, run.restricted)
    of_control = everything(run.p) if isinstance(run.finetune.objective, TakesReward) else event
    found = {"sft": _training(run, "sft", run.finetune, params, tuned, event, watches, probes=run.probes)}
    for name in run.controls:
        if name == "linearised":
            key, model = phase_key(run.seed, "sft"), Linearised(run.model, params)
            found[name] = _training(run, name, run.finetune, params, tuned, event, watches, key, model)
        else:
            found[name] = _training(run, name, run.finetune, params, base, of_control, watches)
        if name == "carried":
            found[name].state = start(found[name].job, opt_state)
    for name in siblings(run.siblings):
        found[name] = _training(run, name, run.finetune, params, tuned, event, watches)
    return found


def edited(run: Simulation, edit: Edit, tuned: Mapping[str, Training]) -> Training:
    """Return an edit as a training of no steps, with one evaluation, at step 0.

    An edit that is a mean also records `mixture_log_z`, see `sim.training.mixture`.
    `tuned` are the finished trainings of `finetunings`. The structure is that of the fine-tuning on S, so the program
    that evaluates it evaluates the edit as well. Raises FloatingPointError if a parameter is not finite.
    """
    before, after = tuned["sft"].job.init, tuned[edit.of].trained.params
    others = Siblings.of(tuned[name].trained.params for name in siblings(run.siblings))
    try:
        params = applied(edit.change(others), before, after, phase_key(run.seed, edit.name))
    except FloatingPointError as problem:
        raise FloatingPointError(f"{edit.name}: {problem}") from None
    event, watches = _event(run.restricted), watched_part(run, run.restricted)
    ends = {"pretrain": before} | {name: done.trained.params for name, done in tuned.items()}
    probes = normalisers_of(edit.meaning.parts, ends, plans(run.p.trie))
    one = _training(run, edit.name, run.finetune, params, tables(run.restricted.s), event, watches, probes=probes)
    one.steps = [0]
    return one


def later_trainings(run: Simulation, stage: Later, params: Params) -> dict[str, Training]:
    """Return the training of a later stage and, if `identity` is among the controls, its control on fresh data from P.

    Both begin from `params`, the parameters at the end of the stage before, with a fresh optimiser state. So the
    anchor of their objective is the model of the stage before. A stage from scratch begins from fresh parameters.
    """
    if stage.from_scratch:
        params = _initial(run.model, phase_key(run.seed, f"{stage.name} init"))
    event, watches = _event(stage.restricted), watched_part(run, stage.restricted)
    found = {stage.name: _training(run, stage.name, stage.recipe, params, tables(stage.restricted.s), event, watches)}
    if "identity" in run.controls:
        name, rewarded = control_of(stage.name), isinstance(stage.recipe.objective, TakesReward)
        event = everything(run.p) if rewarded else event
        found[name] = _training(run, name, stage.recipe, params, tables(run.p), event, watches)
    return found


def before(run: Simulation, stage: Later) -> str:
    """Return the phase whose model a later stage begins from."""
    number = run.later.index(stage)
    return run.later[number - 1].name if number else "sft"


def relearnings(run: Simulation, params: Params) -> dict[str, Training]:
    """Return the trainings on what S left out, P given not A; S and A are those of the fine-tuning.

    "recovery" begins with `params`, the model of the last stage. "scratch" begins with fresh parameters, not with those
    from which the pretraining began. Both see the same batches.
    """
    if run.relearn is None:
        return {}
    data, key = tables(lost(run.p, run.restricted)), phase_key(run.seed, "relearn")
    starts = {"recovery": params, "scratch": _initial(run.model, phase_key(run.seed, "scratch"))}
    rewarded = isinstance(run.relearn.objective, TakesReward)
    event = put(~run.restricted.event) if rewarded else everything(run.p)
    unwatched = watched_part(run, run.restricted, False)
    return {
        name: _training(run, name, run.relearn, begun, data, event, unwatched, key) for name, begun in starts.items()
    }


@functools.lru_cache(maxsize=32)
def lost(p: FiniteLanguage, restricted: Restricted) -> FiniteLanguage:
    """P_B = P(. | not A), the part of P that a restriction leaves out."""
    return p.condition(~restricted.event)[0]


def watched_part(run: Simulation, restricted: Restricted, is_watched: bool = True) -> Watched | None:
    """Return what a training watches at every step, the S of a restriction; None if the run watches nothing.

    In a run with a late restriction no shape may depend on a support, so there is room for every string.
    """
    return watched(restricted.s, is_watched, run.is_late) if run.kl_every_step else None


def _training(
    run: Simulation,
    name: str,
    recipe: Recipe,
    params: Params,
    data: Listed,
    event: Bool[Array, "N"],
    watches: Watched | None,
    key: PRNGKey | None = None,
    model: Model | None = None,
    probes: Sequence[Probe] = (),
) -> Training:
    phase = Phase(
        data,
        tables(run.p),
        event,
        recipe.objective,
        _optimizer(recipe, run.seed, name),
        float(recipe.num_steps),
        recipe.loss_on == "document",
        recipe.batch_size,
        recipe.whole_support,
    )
    job = Job(phase_key(run.seed, name) if key is None else key, params, phase, model or run.model, watches)
    reduce = _reducer(run.p) if run.laws_only else None
    return Training(begun(job), run.p.trie, plans(run.p.trie), recipe.steps, probes=probes, reduce=reduce)


def _optimizer(recipe: Recipe, seed: int, name: str = "") -> Optimizer:
    """Return the optimiser in the form that most optimisers share, on the parameters of the adapter if there is one.

    A control of a fine-tuning, or of a later stage, has the random factors of the training that it controls. A sibling
    has its own.
    """
    plain = recipe.optimizer.in_common_form() if isinstance(recipe.optimizer, Scheduled) else recipe.optimizer
    if recipe.adapter is None:
        return plain
    of = name if is_sibling(name) else later_stage(name) or "finetune"
    return Adapted(plain, recipe.adapter, np.array([seed, zlib.crc32(of.encode())], np.uint32))


@functools.lru_cache(maxsize=32)
def _reducer(p: FiniteLanguage) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    views = {view: TrieView.of(p.trie, p.prompts, view) for view in VIEWS}
    return functools.partial(law_record, views, p.prompts)


@jax.jit
def _initial(model: Model, key: PRNGKey) -> Params:
    return model.init(key)


@functools.lru_cache(maxsize=32)
def everything(p: FiniteLanguage) -> Bool[Array, "N"]:
    """Return the event that holds every string, that of a training that restricts nothing."""
    return put(np.ones(p.trie.num_strings, bool))


@functools.lru_cache(maxsize=32)
def _event(restricted: Restricted) -> Bool[Array, "N"]:
    return put(restricted.event)
