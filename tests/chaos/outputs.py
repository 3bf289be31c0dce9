"""A small folder of results for the campaigns: finished runs, their pretrainings, and a run that was interrupted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sim.disk import checkpoints, ledger, records
from sim.disk.inspection import inspected
from sim.disk.records import NOT_CONTENT, Record
from sim.disk.store import STORE
from sim.running.build import settings
from sim.running.identity import target
from sim.running.work import perform
from tests.composed import ROOT, compose

WORLD = ("grammar=file", f"grammar.path={ROOT}/examples/grammars/strings.yaml", "restriction=regular")
TINY = ("scale=smoke", *WORLD, "restriction.pattern='.* please'", "model=tabular_trie")
SHORT = ("pretrain.num_steps=4", "finetune.num_steps=4", "pretrain.num_evals=2", "finetune.num_evals=2")


def chosen(outputs: Path, *overrides: str) -> dict[str, Any]:
    """The canonical configuration of a tiny run."""
    return settings(compose(*TINY, *SHORT, f"outputs={outputs}", *overrides))


def prepared(outputs: Path) -> list[dict[str, Any]]:
    """Do four runs with two pretrainings, and leave two interrupted ones with checkpoints."""
    rates = [f"optimizer.learning_rate={rate}" for rate in (0.01, 0.1)]
    runs = [chosen(outputs, rate, f"seed={seed}") for seed in (0, 1) for rate in rates]
    assert [one.state for one in perform(runs)] == ["finished"] * 4
    for seed in (8, 9):
        place = target(chosen(outputs, f"seed={seed}"))
        ledger.note(place, "running", stage="pretrain", step=2, num_steps=4, fraction=0.2, since=0.0)
        checkpoints.save(ledger.work(place), "sft", 2, {"state": np.arange(64.0) + seed})
    assert not inspected(outputs).faults
    return runs


def bound(outputs: Path) -> list[Path]:
    """The folders whose content is bound to their names: records, pretrainings and checkpoints."""
    found = [file.parent for file in outputs.rglob("manifest.json") if "reports" not in file.parts]
    return sorted(found)


def same(one: Record, other: Record) -> bool:
    """Whether two records hold the same configuration and the same bits."""
    if one.hash != other.hash or _content(one) != _content(other) or list(one.phases) != list(other.phases):
        return False
    return all(same_bits(found, expected) for found, expected in zip(_arrays(one), _arrays(other), strict=True))


def _content(record: Record) -> dict[str, Any]:
    return {key: value for key, value in record.config.items() if key not in NOT_CONTENT}


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays have the same type, shape and bits."""
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def _arrays(record: Record) -> Iterator[np.ndarray]:
    yield from (record.p.log_p, record.restricted.s.log_p)
    for phase in record.phases.values():
        yield from (phase.steps, phase.losses, *(phase.arrays[name] for name in sorted(phase.arrays)))
    for params in record.params.values():
        yield from (params[name] for name in sorted(params))


def reference(outputs: Path) -> dict[str, Record]:
    """The records of a folder by hash, read one by one."""
    places = [
        place
        for place in bound(outputs)
        if place.parent.name != STORE and ".work" not in place.parts and not place.name.startswith(".")  # no draft
    ]
    return {place.name: records.read(place) for place in places}
