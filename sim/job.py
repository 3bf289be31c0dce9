"""One run from its canonical configuration to its published record, with progress."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from sim.build import build, grammar_file
from sim.measure import Truths, residuals, violations
from sim.metrics.divergence import kl
from sim.progress import Progress
from sim.provenance import provenance
from sim.records import PhaseRecord, Record, write
from sim.simulation import Run, simulate
from sim.sweep import Trained


class IdentityError(ArithmeticError):
    """An identity that must hold for any model did not: a mistake in the program, never in the input."""


def perform(chosen: Mapping[str, Any], target: Path) -> Record:
    """Simulate a canonical configuration and publish its record at `target`.

    Raises SpecificationError for input that does not fit, FloatingPointError if a training diverges, and IdentityError
    if an identity is violated: then the record lies at <target>.failed, for inspection, in place of an earlier one.
    """
    started = time.perf_counter()
    run, notes = build(chosen)
    with Progress() as progress:
        trained = simulate(run, progress.update)
    record = recorded(chosen, target.name, run, notes, trained)
    record.facts["residuals"] = found = residuals(record)
    record.facts["seconds"] = time.perf_counter() - started
    wrong = violations(found)
    if wrong:
        failed = target.with_name(f"{target.name}.failed")
        shutil.rmtree(failed, ignore_errors=True)
        raise IdentityError("; ".join([*wrong, f"the record lies at {write(record, failed)}"]))
    write(record, target)
    return record


def recorded(
    chosen: Mapping[str, Any], name: str, run: Run, notes: Mapping[str, float], trained: Mapping[str, Trained]
) -> Record:
    """The record of a simulation, with its validity: the joint KL(P||q0) against the stated limit."""
    phases = {
        phase: PhaseRecord(
            np.array(one.steps, np.int64),
            np.array(one.losses, np.float64),
            {field: np.stack([arrays[field] for arrays in one.evaluations]) for field in one.evaluations[0]},
        )
        for phase, one in trained.items()
    }
    params = {phase: flat_params(one.params) for phase, one in trained.items()}
    facts = {"provenance": provenance(), "world_notes": dict(notes), "grammar_file": grammar_file(chosen)}
    record = Record(chosen["name"], name, chosen, run.p, run.restricted, phases, facts, params)
    truths = Truths(record, "joint")
    reached = kl(truths.p.log_q, truths.scored("pretrain", -1).log_q)
    limit = chosen["pretrain"]["limit"]
    facts["pretraining"] = {"joint_kl": reached, "limit": limit, "valid": bool(reached <= limit)}
    return record


def flat_params(params: Any) -> dict[str, np.ndarray]:
    """Parameters as a flat dictionary of arrays, keys joined by dots."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return {".".join(str(getattr(part, "key", part)) for part in path): np.asarray(leaf) for path, leaf in leaves}
