"""From trainings to a record: collect what was recorded, check its validity and its identities, and publish it."""

import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from sim.config import GROUPS, described
from sim.disk.later import LaterWorld
from sim.disk.records import RESULTS_VERSION, PhaseRecord, Record, write
from sim.disk.stacking import stacked
from sim.disk.store import Pretrained
from sim.metrics.divergence import kl
from sim.metrics.kept import numbers
from sim.metrics.optimum import laws_of
from sim.metrics.table import residuals, violations
from sim.phases import MEANINGS, entries, siblings
from sim.running import checks, stages
from sim.running.identity import beside, digests, grammar_file, without_text
from sim.training.flat import flat
from sim.training.simulation import Simulation, before
from sim.training.sweep import Trained
from sim.training.watched import squares

SHARE, FIRST = 0.05, 0.2
"""Share of the time of a cohort that its measuring may take, and the assumed time of the first run [s]."""


class IdentityError(ArithmeticError):
    """An identity that must hold for any model is violated: a mistake in the program, never in the input."""


def phase_record(trained: Trained) -> PhaseRecord:
    """Return what was recorded of one training, stacked over its evaluations."""
    arrays = stacked(trained.evaluations)
    steps, losses = np.array(trained.steps, np.int64), np.array(trained.losses, np.float64)
    if not trained.kl:
        return PhaseRecord(steps, losses, arrays)
    watched = np.array(trained.kl, np.float64)
    number = sum(np.size(leaf) for leaf in jax.tree.leaves(trained.params))
    return PhaseRecord(steps, losses, arrays, watched[:, :2], squares(watched[:, 2], number))


def pretrained(trained: Trained, facts: Mapping[str, Any], content: Mapping[str, Any]) -> Pretrained:
    """Return a finished pretraining in the form in which the store keeps it; `content` is what decides it."""
    return Pretrained(phase_record(trained), flat(trained.params), flat(trained.opt_state), facts, content)


def recorded(
    chosen: Mapping[str, Any],
    name: str,
    run: Simulation,
    first: Pretrained,
    tuned: Mapping[str, Trained],
    facts: Mapping[str, Any],
) -> Record:
    """Return the record of a simulation. It is valid if the joint KL(P||q0) [nat] is at most `pretrain.limit`."""
    phases = {"pretrain": first.phase} | {phase: phase_record(one) for phase, one in tuned.items()}
    params = {"pretrain": first.params} | {phase: flat(one.params) for phase, one in tuned.items()}
    known = {
        **facts,
        "identity": {"results_version": RESULTS_VERSION, "content": beside(chosen)},
        "grammar_file": grammar_file(chosen),
        "members": digests(chosen),
        "described": {group: described(group, chosen[group]) for group in GROUPS},
    }
    meanings = MEANINGS | siblings(run.siblings) | stages.meanings(chosen)
    meanings |= {one.name: one.meaning for one in run.edits}
    meanings = {phase: meanings[phase] for phase in phases}
    named, config = (chosen["name"], name), without_text(chosen)
    record = Record(*named, config, run.p, run.restricted, phases, known, params, meanings=meanings)
    laws = laws_of(record)
    best = checks.optimum(run.finetune.objective, laws, chosen["objective"])
    record = replace(record, log_optimum=best, stages=_later_worlds(record, run, chosen))
    record.facts["optimum"] = "none" if best is None else "predicted"
    reached = kl(laws.log_p, laws.log_q0)
    limit = chosen["pretrain"]["limit"]
    record.facts["pretraining"] = {
        "joint_kl": reached,
        "limit": limit,
        "valid": bool(reached <= limit),
        "provenance": first.facts,
    }
    return record


def _later_worlds(record: Record, run: Simulation, chosen: Mapping[str, Any]) -> dict[str, LaterWorld]:
    """Return the worlds of the later stages. The q0 of a prediction is the model with which the stage begins."""
    found = {}
    for stage, entry in zip(run.later, entries(chosen).values(), strict=True):
        begun = (stage.name, 0) if stage.from_scratch else (before(run, stage), -1)
        laws = laws_of(replace(record, restricted=stage.restricted), begun[0], entry["loss_on"], begun[1])
        best = checks.optimum(stage.recipe.objective, laws, entry["objective"])
        found[stage.name] = LaterWorld(stage.restricted, stage.restricted is not run.restricted, best)
    return found


def publish(record: Record, target: Path) -> None:
    """Check the identities of a record and write it to `target`.

    It raises IdentityError if an identity is violated. Then the record is written to <target>.failed for inspection and
    replaces an earlier one there.
    """
    record.facts["residuals"] = found = residuals(record)
    wrong = violations(found)
    if wrong:
        failed = target.with_name(f"{target.name}.failed")
        shutil.rmtree(failed, ignore_errors=True)
        raise IdentityError("; ".join([*wrong, f"the record is at {write(record, failed)}"]))
    write(record, target)


def measure(targets: Sequence[Path], seconds: float) -> None:
    """Measure published runs, so that their numbers are in the cache when `sim.rows` asks for them.

    seconds: how long the runs took; measuring takes at most about SHARE of this, and the rest is left to `sim.rows`.
    Nothing is raised: a metric may be anybody's code, and `sim.rows` reports what is wrong with it.
    """
    began = time.monotonic()
    for done, target in enumerate(targets):
        spent = time.monotonic() - began
        if spent + (spent / done if done else FIRST) > SHARE * seconds:
            return
        with suppress(Exception):
            numbers(target)
