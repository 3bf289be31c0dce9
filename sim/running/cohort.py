"""Runs that are trained together: claimed, pretrained once where pretrainings are equal, fine-tuned, published."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from sim.disk import ledger, store
from sim.disk.locks import holder
from sim.disk.store import Pretrained
from sim.models._linearised import Linearised
from sim.numerics import SpecificationError
from sim.running.build import build, pretraining_key, world_parts
from sim.running.claimed import Outcome, Point, failure
from sim.running.provenance import provenance
from sim.running.recording import pretrained
from sim.running.saving import Saver, restore
from sim.training.ensemble import Mapping as EnsembleMapping
from sim.training.flat import unflat
from sim.training.job import State
from sim.training.simulation import Observer, finetunings, pretraining, relearnings
from sim.training.sweep import Training, by_structure, train_many
from sim.typing import Params


@dataclass(frozen=True)
class Options:
    """How runs are worked on; nothing of it changes what is computed beyond rounding.

    max_batch: runs that are trained together at most, None for what the memory allows; mapping: of an ensemble, None
    for the backend's own; checkpoint_seconds: the least time between two checkpoints of a training.
    """

    max_batch: int | None = None
    mapping: EnsembleMapping | None = None
    checkpoint_seconds: float = 60.0


@dataclass(frozen=True)
class Share:
    """What is one object for all runs of a group, by stage: decided for the group, so that its parts share programs."""

    pretrain: frozenset[str]
    finetune: frozenset[str]
    relearn: frozenset[str]

    @classmethod
    def of(cls, chosen: Sequence[Mapping[str, Any]]) -> "Share":
        """What canonical configurations have in common."""

        def same(*groups: str) -> bool:
            return all(point[group] == chosen[0][group] for point in chosen for group in groups)

        listed = all(world_parts(point) == world_parts(chosen[0]) for point in chosen)
        world = {"plan", "base"} if listed else set()
        world |= {"model"} if listed and same("model") else set()
        restricted = same("grammar", "dial", "restriction")
        own = {"event"} if restricted else set()
        own |= {"data"} if restricted and not any(point["finetune"]["controls"] for point in chosen) else set()
        first = {"event"} | ({"data"} if listed else set())
        again = {"event"} | ({"data"} if restricted and listed else set())
        return cls(frozenset(world | first), frozenset(world | own), frozenset(world | again))


class Batch:
    """Runs of one signature; `size` is that of the largest batch of their group."""

    def __init__(
        self, chosen: Mapping[Path, Mapping[str, Any]], options: Options, size: int, share: Share, observe: Observer
    ) -> None:
        self.chosen, self.options, self.size, self.share, self.observe = chosen, options, size, share, observe
        self.outcomes: dict[Path, Outcome] = {}
        self.points: list[Point] = []

    def perform(self) -> dict[Path, Outcome]:
        """Work on all of them; an outcome for each."""
        try:
            self._claim()
            self._guarded(self._working(), self._pretrain)
            self._guarded(self._working(), self._finetune)
            self._guarded([point for point in self._working() if point.chosen["relearn"]["num_steps"]], self._relearn)
            for point in self._working():
                self._guarded([point], self._publish)
        finally:
            for point in self.points:
                point.lock.release()
        return self.outcomes | {point.target: point.ended for point in self.points if point.ended is not None}

    def _working(self) -> list[Point]:
        return [point for point in self.points if point.ended is None]

    def _guarded(self, points: list[Point], act: Callable[[list[Point]], None]) -> None:
        """Whatever is raised ends the points that it was raised for."""
        try:
            if points:
                act(points)
        except Exception as problem:
            for point in points:
                if point.ended is None:
                    point.fail(problem)

    def _claim(self) -> None:
        for target, chosen in self.chosen.items():
            try:
                lock = ledger.claim(target)
            except (OSError, SpecificationError) as problem:  # nothing can be written there
                self.outcomes[target] = failure(target, problem)
                continue
            if lock is None:
                self.outcomes[target] = refusal(target)
            elif target.exists():  # finished by another process since we looked
                ledger.clear(target)
                lock.release()
                self.outcomes[target] = Outcome(target, "kept")
            else:
                point = Point(chosen, target, lock)
                self.points.append(point)
                point.note("pretrain", 0, chosen["pretrain"]["num_steps"], now=True)
                self._guarded([point], _build)

    # -- pretraining --------------------------------------------------------------------------------------------------

    def _pretrain(self, points: list[Point]) -> None:
        """Give every point its q0: from the store, or trained here, or waited for where another process trains it."""
        while missing := _by_entry(point for point in points if point.ended is None and point.first is None):
            for users in missing.values():
                _give(users, store.load(users[0].chosen["outputs"], users[0].key))
            missing = {place: users for place, users in missing.items() if users[0].first is None}
            locks = {place: lock for place in missing if (lock := ledger.claim(place)) is not None}
            if missing and not locks:
                place = next(iter(missing))
                lock = ledger.claim(place, wait=True)
                assert lock is not None, "who waits gets it"
                locks = {place: lock}
            try:
                self._pretrain_claimed({place: missing[place] for place in locks})
            finally:
                for lock in locks.values():
                    lock.release()

    def _pretrain_claimed(self, missing: Mapping[Path, list[Point]]) -> None:
        """Train these pretrainings, but for those that another process finished before we claimed them."""
        todo: dict[Training, Path] = {}
        for place, users in missing.items():
            _give(users, store.load(users[0].chosen["outputs"], users[0].key))
            if users[0].first is None:
                assert users[0].run is not None
                todo[pretraining(users[0].run)] = place
            else:
                ledger.clear(place)
        owners = {one: missing[place] for one, place in todo.items()}
        works = {one: (ledger.work(place), "pretrain") for one, place in todo.items()}
        self._train("pretrain", owners, works, self.size, self.share.pretrain)
        for one, place in todo.items():
            users = missing[place]
            if one.failure is not None:
                _fail(users, FloatingPointError(f"pretrain: {one.failure}"))
                continue
            done = pretrained(one.trained, provenance())
            store.save(users[0].chosen["outputs"], users[0].key, done)
            ledger.clear(place)
            _give(users, done)

    # -- fine-tuning --------------------------------------------------------------------------------------------------

    def _finetune(self, points: list[Point]) -> None:
        shapes: dict[int, Any] = {}
        for point in points:
            assert point.run is not None
            assert point.first is not None
            if id(point.run.model) not in shapes:  # tracing costs far more than the rest
                shapes[id(point.run.model)] = jax.eval_shape(point.run.model.init, jax.random.key(0))
            params = jax.tree.map(jnp.asarray, unflat(point.first.params, shapes[id(point.run.model)]))
            point.tuned = finetunings(point.run, params, _carried(point, params))
        self._tune("sft", {point: point.tuned for point in points}, self.share.finetune)

    def _relearn(self, points: list[Point]) -> None:
        again: dict[Point, dict[str, Training]] = {}
        for point in points:
            assert point.run is not None
            again[point] = relearnings(point.run, jax.tree.map(jnp.asarray, point.tuned["sft"].trained.params))
            point.tuned |= again[point]
        self._tune("relearn", again, self.share.relearn)

    def _tune(self, phase: str, trainings: Mapping[Point, dict[str, Training]], shared: frozenset[str]) -> None:
        """Do the trainings of a stage; a point ends with the first that fails."""
        owners = {one: [point] for point, own in trainings.items() for one in own.values()}
        works = {
            one: (ledger.work(point.target), name) for point, own in trainings.items() for name, one in own.items()
        }
        self._train(phase, owners, works, self.size * max(map(len, trainings.values())), shared)
        for point, own in trainings.items():
            for name, one in own.items():
                if one.failure is not None and point.ended is None:
                    point.fail(FloatingPointError(f"{name}: {one.failure}"))

    def _publish(self, points: list[Point]) -> None:
        for point in points:
            point.finish({"provenance": provenance(), "trained_together": len(self.points)})

    # -- training -----------------------------------------------------------------------------------------------------

    def _train(
        self,
        phase: str,
        owners: Mapping[Training, list[Point]],
        works: Mapping[Training, tuple[Path, str]],
        size: int,
        shared: frozenset[str],
    ) -> None:
        """Train together what can share a program, from where a checkpoint left it; noted, shown and saved."""
        for one in owners:
            restore(one, *works[one])
        for group in by_structure(list(owners)):
            saver = Saver(group, [works[one] for one in group], self.options.checkpoint_seconds)

            def seen(state: Callable[[int], State], group: list[Training] = group, saver: Saver = saver) -> None:
                saver(state)
                for one in group:
                    for point in owners[one]:
                        point.note(phase, one.step, one.steps[-1])
                self.observe(
                    phase, min(one.step for one in group), group[0].steps[-1], [one.trained.loss for one in group]
                )

            linear = isinstance(group[0].job.model, Linearised)  # each around a q0 of its own
            train_many(group, seen, self.options.mapping, size, shared - {"model"} if linear else shared)


def refusal(target: Path) -> Outcome:
    """The outcome of a run that another process is at."""
    who = holder(ledger.work(target) / ledger.LOCK) or {}
    at = f"process {who['pid']} on {who['host']}" if who.get("pid") else "another process"
    problem = SpecificationError(
        f"{target}: {at} is computing this run just now; wait for it (python -m sim.status {target.parent})"
    )
    return Outcome(target, "refused", str(problem), problem)


def _carried(point: Point, params: Params) -> Any:
    """The optimiser state in which the pretraining of a point ended; None where no control asks for it."""
    assert point.run is not None
    assert point.first is not None
    if "carried" not in point.run.controls:
        return None
    like = jax.eval_shape(point.run.pretrain.optimizer.transformation(1.0).init, params)
    return jax.tree.map(jnp.asarray, unflat(point.first.opt_state, like))


def _build(points: list[Point]) -> None:
    for point in points:
        point.run, point.notes = build(point.chosen)
        point.key = pretraining_key(point.chosen)


def _by_entry(points: Iterable[Point]) -> dict[Path, list[Point]]:
    """The points that share each pretraining."""
    found: dict[Path, list[Point]] = {}
    for point in points:
        found.setdefault(store.entry(point.chosen["outputs"], point.key), []).append(point)
    return found


def _give(points: Iterable[Point], found: Pretrained | None) -> None:
    for point in points:
        point.first = found


def _fail(points: Iterable[Point], problem: Exception) -> None:
    for point in points:
        point.fail(problem)
