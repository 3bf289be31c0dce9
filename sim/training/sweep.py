"""Many trainings in few programs. Trainings of equal structure run together; the host evaluates them in between."""

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from sim.languages.trie import Trie
from sim.training import hosts
from sim.training.ensemble import Ensemble
from sim.training.job import Job, State
from sim.training.node_record import node_record
from sim.training.programs import Mapping
from sim.training.sharing import structure
from sim.training.trie_logits import TriePlan
from sim.training.watched import STEPS
from sim.typing import Params

PIECE_SECONDS = 1.0
"""Approximate time that an ensemble runs before the host looks at it again [s]."""


Probe: TypeAlias = Callable[[Job, Params], dict[str, np.ndarray]]
"""It maps a job and parameters to named float64 arrays. They have the same shapes at every evaluation."""


def at_ends(probe: Probe) -> Probe:
    """Mark a costly probe: it is called at the first and at the last evaluation of a training only."""
    probe.at_ends = True  # type: ignore[attr-defined]
    return probe


def needing(protocol: type) -> Callable[[Probe], Probe]:
    """Mark a probe that reads more of a model than its logits: the model must satisfy a protocol."""

    def marked(probe: Probe) -> Probe:
        probe.needs = protocol  # type: ignore[attr-defined]
        return probe

    return marked


@dataclass
class Trained:
    """The result of a training: recorded arrays at every evaluation, and the parameters after the last step."""

    steps: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)  # mean loss since the previous evaluation [nat per string]
    evaluations: list[dict[str, np.ndarray]] = field(default_factory=list)  # see `node_record`
    kl: list[np.ndarray] = field(default_factory=list)  # of every step, see `sim.training.job.State`; or empty
    params: Params = None
    opt_state: Any = None  # of the optimiser, after the last step

    @property
    def loss(self) -> float:
        """Mean loss of the last interval between evaluations [nat per string]; nan before the first one."""
        return self.losses[-1] if self.losses else float("nan")


@dataclass(eq=False)
class Training:
    """One training: a job, the steps at which its model is recorded on a trie, and how far it is.

    state: the state from which it continues; None for the start. failure: why it did not finish, in one line; None if
    it has not failed. probes: what else is recorded of the model, at every evaluation or `at_ends`. reduce: what is
    kept of the recorded arrays between the first and the last evaluation; None for everything.
    """

    job: Job
    trie: Trie
    plan: TriePlan
    steps: Sequence[int]
    trained: Trained = field(default_factory=Trained)
    state: State | None = None
    step: int = 0
    failure: str | None = None
    probes: Sequence[Probe] = ()
    reduce: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] | None = None

    @property
    def watches(self) -> bool:
        """Whether the KL of a language is recorded at every step."""
        return self.job.watched is not None and bool(self.job.watched.plan.num_chunks > 0)

    @property
    def next_step(self) -> int | None:
        """Step of the next evaluation; None if there is none or if the training has failed."""
        done = len(self.trained.steps)
        return self.steps[done] if self.failure is None and done < len(self.steps) else None


def evaluation_steps(num_steps: int, num_evals: int, spacing: Literal["linear", "log"]) -> list[int]:
    """Return the steps at which a training is evaluated: 0 and `num_evals` steps up to `num_steps`, without repeats."""
    if spacing == "log":
        marks = np.geomspace(num_steps, 1, num_evals)  # in descending order: a single evaluation is at num_steps
    else:
        marks = np.linspace(num_steps / num_evals, num_steps, num_evals)
    return sorted({0, *np.round(marks).astype(int).tolist(), num_steps})


def by_structure(trainings: Sequence[Training]) -> list[list[Training]]:
    """Group trainings that can share a program. The order is kept."""
    groups: dict[Hashable, list[Training]] = {}
    for one in trainings:
        groups.setdefault(structure((one.job, one.plan)), []).append(one)
    return list(groups.values())


Observer: TypeAlias = Callable[[Callable[[int], State]], None]
"""It is called whenever trainings have advanced, with a function that fetches the state of one of them by index."""


def train_many(
    trainings: Sequence[Training],
    observe: Observer = lambda state: None,
    mapping: Mapping | None = None,
    size: int = 0,
    shared: frozenset[str] | None = None,
) -> None:
    """Do trainings of one structure in one program, and record each at its steps.

    Results are put into the `trained` and `failure` of each training. A training that diverges fails alone. Trainings
    may begin at different steps. mapping, size and shared: see `sim.training.ensemble.Ensemble`. It raises ValueError
    if the structures differ.
    """
    members = [(one.job, one.plan) for one in trainings]
    ensemble = hosts.ensemble(members, [one.state for one in trainings], mapping, size, shared)
    pace = _Pace()
    while any(one.next_step is not None for one in trainings):
        goals = np.array(
            [at if one.next_step is None else one.next_step for one, at in zip(trainings, ensemble.steps, strict=True)]
        )
        while _behind(trainings, ensemble, goals):
            pace.advance(ensemble, goals)
            _note(trainings, ensemble)
            observe(ensemble.state)
        _record(trainings, ensemble)
        observe(ensemble.state)
    for index, one in enumerate(trainings):
        state = ensemble.state(index)
        one.trained.params, one.trained.opt_state = state.params, state.opt_state


class _Pace:
    """It advances an ensemble by pieces of about a second, so that progress is shown and little is lost at a kill."""

    def __init__(self) -> None:
        self.steps = 1

    def advance(self, ensemble: Ensemble, goals: np.ndarray) -> None:
        before, began = ensemble.steps, time.perf_counter()
        ensemble.advance(np.minimum(goals, before + self.steps).tolist())
        took, done = time.perf_counter() - began, int((ensemble.steps - before).max())
        if done == self.steps:  # a shorter piece would not show the speed
            wanted = round(done * min(8.0, PIECE_SECONDS / max(took, 1e-9)))
            self.steps = min(max(1, wanted), STEPS)


def _behind(trainings: Sequence[Training], ensemble: Ensemble, goals: np.ndarray) -> bool:
    return any(
        one.failure is None and step < goal for one, step, goal in zip(trainings, ensemble.steps, goals, strict=True)
    )


def _note(trainings: Sequence[Training], ensemble: Ensemble) -> None:
    """Note how far the trainings are, what was watched at each step, and whether one has diverged."""
    for one, step, loss_sum, kl in zip(trainings, ensemble.steps, ensemble.loss_sums, ensemble.kl, strict=True):
        if one.watches:
            one.trained.kl.extend(kl[at % STEPS] for at in range(one.step + 1, int(step) + 1))
        one.step = int(step)
        if one.failure is None and not np.isfinite(loss_sum):
            one.failure = f"at step {step} the loss is not finite: training diverged; lower the learning rate"


def _record(trainings: Sequence[Training], ensemble: Ensemble) -> None:
    """Record every training that has reached its next evaluation."""
    due = [index for index, one in enumerate(trainings) if one.next_step == ensemble.steps[index]]
    if not due:  # all that were due have failed
        return
    for index, logits in ensemble.logits():
        if index in due:
            params = ensemble.params(index) if trainings[index].probes else None
            _evaluate(trainings[index], logits, params, float(ensemble.loss_sums[index]))
    ensemble.reset_losses(due)


def _evaluate(one: Training, logits: np.ndarray, params: Params, loss_sum: float) -> None:
    step, trained = one.next_step, one.trained
    assert step is not None
    before = trained.steps[-1] if trained.steps else 0
    try:
        arrays = node_record(logits, one.trie)
    except FloatingPointError as problem:
        why = "training diverged; lower the learning rate" if one.steps[-1] else "choose a smaller edit"
        one.failure = f"at step {step}: {problem}: {why}"
        return
    is_between = 0 < len(trained.steps) < len(one.steps) - 1
    if one.reduce is not None and is_between:
        arrays = one.reduce(arrays)
    for probe in one.probes:
        if not (is_between and getattr(probe, "at_ends", False)):
            arrays |= probe(one.job, params)
    trained.steps.append(step)
    trained.losses.append(loss_sum / (step - before) if step > before else float("nan"))
    trained.evaluations.append(arrays)
