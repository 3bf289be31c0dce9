"""Records of runs that never ran: worlds whose model is known in fractions, as the evaluator would have recorded it."""

import dataclasses
import math
from typing import Any

import numpy as np

from sim.disk.records import PhaseRecord, Record, run_hash
from sim.languages.finite import Styles
from sim.languages.restricted import Restricted
from tests.unit.metrics.small_worlds import World, log, make_world, spread
from tests.unit.metrics.small_worlds import record as node_arrays

STYLES = ("short", "long")


def style_of(document: tuple[int, ...]) -> int:
    """The oracle of the styles: documents of up to four tokens are short."""
    return int(len(document) > 4)


def styled(world: World) -> Styles:
    shares = np.full((len(world.documents()), 2), -math.inf)
    shares[np.arange(len(shares)), [style_of(document) for document in world.documents()]] = 0.0
    return Styles(STYLES, shares)


SFT = {"kind": "sft", "targets": "exact"}


def recorded(*worlds: World, name: str = "toy", styles: bool = True, objective: dict[str, object] = SFT) -> Record:
    """A record with the world of the first; each world's model is one evaluation of every phase."""
    world = worlds[0]
    arrays = [node_arrays(world.trie, one.q_conditionals) for one in worlds]
    stacked = {field: np.stack([one[field] for one in arrays]) for field in arrays[0]}
    steps, losses = np.arange(len(worlds)) * 10, np.array([math.nan] + [2.5] * (len(worlds) - 1))
    known = styled(world) if styles else None
    p, s, kept = (
        dataclasses.replace(one, styles=known) for one in (world.language, world.s_language, world.kept_language)
    )
    log_mass = log(sum(world.p[document] for document in world.event))
    restricted = Restricted(s, kept, world.mask, log_mass, {"mass_short": 0.25})
    phases = {phase: PhaseRecord(steps, losses, dict(stacked)) for phase in ("pretrain", "sft", "identity")}
    config = {"name": name, "seed": 3, "objective": objective, "pretrain": {"limit": 0.02, "num_steps": 20}}
    facts = {"pretraining": {"joint_kl": 1.5, "limit": 0.02, "valid": False}}
    params = {"pretrain": {"head.kernel": np.arange(6, dtype=np.float32).reshape(2, 3)}, "sft": {"w": np.ones(1)}}
    return Record(name, "0123456789ab", config, p, restricted, phases, facts, params)


def identified(record: Record, version: int | None = None, **content: Any) -> Record:
    """The record under the hash of its configuration and of the other content, as a real run has it."""
    return dataclasses.replace(record, hash=run_hash({**record.config, **content}, version))


def twins(seed: int, **chosen: object) -> tuple[World, World]:
    """One world, and the same world with another model."""
    one, other = make_world(seed, **chosen), make_world(seed, **chosen)
    conditionals = {prefix: list(reversed(row)) if all(row) else row for prefix, row in one.q_conditionals.items()}
    other.q_conditionals, other.q = conditionals, spread(conditionals)
    return one, other


def knows_nothing(record: Record) -> None:
    """At the last evaluation of the fine-tuning every string begins with an illegal token."""
    arrays = record.phases["sft"].arrays
    arrays["edge_log_q"][-1, record.p.trie.edge_node == 0] = -math.inf
    for name, value in (("leak", 1.0), ("leak_max", 1.0), ("leak_plogp", 0.0), ("leak_square", 1.0)):
        arrays[name][-1, 0] = value
