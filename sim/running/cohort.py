"""Runs that are trained together: claimed, pretrained, fine-tuned and published. Equal pretrainings are done once."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp

from sim.disk import ledger, store
from sim.disk.store import Pretrained
from sim.models._linearised import Linearised
from sim.numerics import SpecificationError
from sim.phases import Stage, later
from sim.running.beginning import begin, go_on
from sim.running.build import build
from sim.running.claimed import ClaimedRun, kept, refusal
from sim.running.editing import evaluate_edits
from sim.running.identity import pretraining_content, pretraining_key
from sim.running.outcomes import Outcome, failure
from sim.running.provenance import provenance
from sim.running.recording import measure, pretrained
from sim.running.saving import Saver, restore
from sim.training.ensemble import default_mapping
from sim.training.job import State
from sim.training.programs import Mapping as EnsembleMapping
from sim.training.simulation import Observer, pretraining, relearnings
from sim.training.sweep import Training, by_structure, train_many


@dataclass(frozen=True)
class Execution:
    """How runs are trained. Nothing here changes what is computed, except for rounding.

    max_runs: the largest number of runs that are trained together; None for as many as the memory allows. mapping: how
    an ensemble is mapped over devices; None for the default of the backend. checkpoint_seconds: the least time between
    two checkpoints of a training [s]. laws: where the exact targets of languages that are not listed are computed. Both
    are float64 and agree to 1e-12, before they are rounded to float32 for the step.
    """

    max_runs: int | None = None
    mapping: EnsembleMapping | None = None
    checkpoint_seconds: float = 60.0
    laws: Literal["host", "device"] = "host"


class Cohort:
    """Runs that have one signature. `size` is the number of runs in the largest cohort of their group."""

    def __init__(
        self,
        chosen: Mapping[Path, Mapping[str, Any]],
        execution: Execution,
        size: int,
        shared: frozenset[str],
        observe: Observer,
    ) -> None:
        self.chosen, self.execution, self.size, self.shared, self.observe = chosen, execution, size, shared, observe
        self.outcomes: dict[Path, Outcome] = {}
        self.runs: list[ClaimedRun] = []

    def perform(self) -> dict[Path, Outcome]:
        """Do all the runs, and return an outcome for each."""
        began = time.monotonic()
        try:
            self._claim()
            self._guarded(self._working(), self._pretrain)
            self._guarded(self._working(), self._finetune)
            self._guarded(self._working(), self._edit)
            for number in range(max((len(run.chosen.get("stages", ())) for run in self.runs), default=0)):
                self._guarded(self._working(), partial(self._go_on, number))
            self._guarded([run for run in self._working() if run.chosen["relearn"]["num_steps"]], self._relearn)
            for run in self._working():
                self._guarded([run], self._publish)
        finally:
            for run in self.runs:
                run.lock.release()
        finished = [run for run in self.runs if run.ended is not None and run.ended.state == "finished"]
        # Runs of a claim are judged by a few numbers, which are not read from the cache.
        measure([run.target for run in finished if not run.chosen.get("claim")], time.monotonic() - began)
        return self.outcomes | {run.target: run.ended for run in self.runs if run.ended is not None}

    def _working(self) -> list[ClaimedRun]:
        return [run for run in self.runs if run.ended is None]

    def _guarded(self, runs: list[ClaimedRun], act: Callable[[list[ClaimedRun]], None]) -> None:
        """Call `act` on the runs. If it raises an exception, the runs that have not ended yet fail."""
        try:
            if runs:
                act(runs)
        except Exception as problem:
            for run in runs:
                if run.ended is None:
                    run.fail(problem)

    def _claim(self) -> None:
        for target, chosen in self.chosen.items():
            try:
                lock = ledger.claim(target)
            except (OSError, SpecificationError) as problem:  # nothing can be written there
                self.outcomes[target] = failure(target, problem)
                continue
            if lock is None:
                self.outcomes[target] = refusal(target)
            elif target.exists():  # another process has finished it in the meantime
                ledger.clear(target)
                lock.release()
                self.outcomes[target] = kept(target)
            else:
                run = ClaimedRun(chosen, target, lock)
                self.runs.append(run)
                run.note("pretrain", 0, chosen["pretrain"]["num_steps"], now=True)
                self._guarded([run], _build)

    # -- pretraining --------------------------------------------------------------------------------------------------

    def _pretrain(self, runs: list[ClaimedRun]) -> None:
        """Give every run its q0: from the store, or trained here, or trained by another process that we wait for."""
        while missing := _by_entry(run for run in runs if run.ended is None and run.first is None):
            for place, users in missing.items():
                _give(users, store.load(users[0].chosen["outputs"], users[0].key))
                if users[0].first is not None:
                    ledger.clear_up(place)
            missing = {place: users for place, users in missing.items() if users[0].first is None}
            locks = {place: lock for place in missing if (lock := ledger.claim(place)) is not None}
            if missing and not locks:
                place = next(iter(missing))
                lock = ledger.claim(place, wait=True)
                assert lock is not None, "a process that waits gets the lock"
                locks = {place: lock}
            try:
                self._pretrain_claimed({place: missing[place] for place in locks})
            finally:
                for lock in locks.values():
                    lock.release()

    def _pretrain_claimed(self, missing: Mapping[Path, list[ClaimedRun]]) -> None:
        """Do these pretrainings, except for those that another process finished before we claimed them."""
        todo: dict[Training, Path] = {}
        for place, users in missing.items():
            _give(users, store.load(users[0].chosen["outputs"], users[0].key))
            if users[0].first is None:
                assert users[0].simulation is not None
                todo[pretraining(users[0].simulation)] = place
            else:
                ledger.clear(place)
        owners = {one: missing[place] for one, place in todo.items()}
        works = {one: (ledger.work(place), "pretrain") for one, place in todo.items()}
        self._train("pretrain", owners, works, 1)
        for one, place in todo.items():
            users = missing[place]
            if one.failure is not None:
                _fail(users, FloatingPointError(f"pretrain: {one.failure}"))
                continue
            done = pretrained(one.trained, provenance(), pretraining_content(users[0].chosen))
            store.save(users[0].chosen["outputs"], users[0].key, done)
            ledger.clear(place)
            _give(users, done)

    # -- fine-tuning --------------------------------------------------------------------------------------------------

    def _finetune(self, runs: list[ClaimedRun]) -> None:
        shapes: dict[int, Any] = {}
        for run in runs:  # a late restriction may refuse the model of one run
            self._guarded([run], partial(begin, shapes=shapes))
        ready = [run for run in runs if run.ended is None]
        if ready:
            self._tune("finetune", {run: run.tuned for run in ready})

    def _edit(self, runs: list[ClaimedRun]) -> None:
        rows = self._rows(max(len(run.tuned) for run in runs))
        evaluate_edits(runs, rows, self.execution.mapping or default_mapping(), self.shared)

    def _go_on(self, number: int, runs: list[ClaimedRun]) -> None:
        """Do a later stage. Runs of one signature have equally many of them."""
        ensuing: dict[ClaimedRun, dict[str, Training]] = {}
        for run in runs:
            self._guarded([run], partial(go_on, number=number, ensuing=ensuing))
        if ensuing:
            self._tune(later(number + 2), ensuing)

    def _relearn(self, runs: list[ClaimedRun]) -> None:
        again: dict[ClaimedRun, dict[str, Training]] = {}
        for run in runs:
            assert run.simulation is not None
            params = run.tuned[run.simulation.last].trained.params
            again[run] = relearnings(run.simulation, jax.tree.map(jnp.asarray, params))
            run.tuned |= again[run]
        self._tune("relearn", again)

    def _tune(self, stage: Stage, trainings: Mapping[ClaimedRun, dict[str, Training]]) -> None:
        """Do the trainings of a stage. A run fails with the first of its trainings that fails."""
        owners = {one: [run] for run, own in trainings.items() for one in own.values()}
        works = {one: (ledger.work(run.target), name) for run, own in trainings.items() for name, one in own.items()}
        self._train(stage, owners, works, max(map(len, trainings.values())))
        for run, own in trainings.items():
            for name, one in own.items():
                if one.failure is not None and run.ended is None:
                    run.fail(FloatingPointError(f"{name}: {one.failure}"))

    def _publish(self, runs: list[ClaimedRun]) -> None:
        for run in runs:
            run.finish({"provenance": provenance(), "trained_together": len(self.runs)})

    # -- training -----------------------------------------------------------------------------------------------------

    def _train(
        self,
        stage: Stage,
        owners: Mapping[Training, list[ClaimedRun]],
        works: Mapping[Training, tuple[Path, str]],
        number: int,
    ) -> None:
        """Do trainings, those that can share a program together, each from its last checkpoint.

        number: the most trainings of a run in this stage. Meanwhile progress is noted on the disk and shown, and
        checkpoints are written.
        """
        mapping, shared = self.execution.mapping or default_mapping(), self.shared
        for one in owners:
            restore(one, *works[one])
        for group in by_structure(list(owners)):
            saver = Saver(group, [works[one] for one in group], self.execution.checkpoint_seconds)

            def seen(state: Callable[[int], State], group: list[Training] = group, saver: Saver = saver) -> None:
                saver(state)
                for one in group:
                    for run in owners[one]:
                        run.note(stage, one.step, one.steps[-1])
                losses = [one.trained.loss for one in group]
                self.observe(stage, min(one.step for one in group), group[0].steps[-1], losses)

            linear = isinstance(group[0].job.model, Linearised)  # each of these models has a q0 of its own
            try:
                train_many(group, seen, mapping, self._rows(number), shared - {"model"} if linear else shared)
            except KeyboardInterrupt:
                saver.last()
                raise

    def _rows(self, number: int) -> int:
        """Return for how many trainings an ensemble has room, if a run has `number` of them in a stage.

        On a CPU there is room for as many in every stage, because rows without a training cost nothing there, and so
        the stages can share a program.
        """
        if (self.execution.mapping or default_mapping()) == "shards":
            number = max(number, *(_most_trainings(run.chosen) for run in self.runs))
        return self.size * number


def _most_trainings(chosen: Mapping[str, Any]) -> int:
    """Return how many trainings a run has at most in one stage."""
    tuning = chosen["finetune"]
    return max(1 + len(tuning["controls"]) + tuning.get("siblings", 0), 2 if chosen["relearn"]["num_steps"] else 1)


def _build(runs: list[ClaimedRun]) -> None:
    for run in runs:
        run.simulation, run.notes = build(run.chosen)
        run.key = pretraining_key(run.chosen)


def _by_entry(runs: Iterable[ClaimedRun]) -> dict[Path, list[ClaimedRun]]:
    """Group runs by the store entry of their pretraining."""
    found: dict[Path, list[ClaimedRun]] = {}
    for run in runs:
        found.setdefault(store.entry(run.chosen["outputs"], run.key), []).append(run)
    return found


def _give(runs: Iterable[ClaimedRun], found: Pretrained | None) -> None:
    for run in runs:
        run.first = found


def _fail(runs: Iterable[ClaimedRun], problem: Exception) -> None:
    for run in runs:
        run.fail(problem)
