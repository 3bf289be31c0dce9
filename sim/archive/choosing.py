"""What an archive keeps of a record: which evaluations, and what beside the laws of strings."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from sim.disk.phase_record import BY_STEP, PhaseRecord
from sim.disk.records import Record
from sim.disk.stacking import BETWEEN, rows
from sim.metrics.divergence import kl
from sim.metrics.scene import World
from sim.metrics.scored import NODE_ARRAYS
from sim.numerics import SpecificationError, nearest

Evaluations: TypeAlias = Literal["all", "crossings", "ends"]
"""Which evaluations of a phase: all; first, last and first crossings of `LEVELS`; first and last."""

More: TypeAlias = Literal["nodes", "steps", "probes"]
"""What can be kept beside the laws of strings: numbers at prefixes, numbers of every step, and what probes recorded."""

LEVELS = (1.0, 0.3, 0.1, 0.03, 0.01)
"""Fits KL(S‖q) [nat per answer, x ~ S(x)] whose first evaluations at or below are crossings."""

NODES = ("edge_log_q", *NODE_ARRAYS)
"""Arrays at the edges and nodes of the trie."""


@dataclass(frozen=True)
class Choice:
    """What is kept of every record. Parameters never are."""

    evaluations: Evaluations = "crossings"
    more: frozenset[More] = frozenset()

    @classmethod
    def of(cls, evaluations: str, more: str) -> "Choice":
        """Return the choice of two options of the command line. Raises SpecificationError for unknown words."""
        words = [word for word in more.split(",") if word]
        for option, word, known in (
            ("--evaluations", evaluations, get_args(Evaluations)), *(("--keep", word, get_args(More)) for word in words)
        ):  # fmt: skip
            if word not in known:
                raise SpecificationError(
                    f"{option}: one of {', '.join(known)} is required, found {word!r}{nearest(word, known)}"
                )
        return cls(evaluations, frozenset(words))  # type: ignore[arg-type]

    def left_out(self) -> list[str]:
        """Return in words what an archive of this choice lacks."""
        found = ["the parameters of all models: metrics of weight updates have no rows"]
        if self.evaluations == "crossings":
            levels = ", ".join(f"{level:g}" for level in LEVELS)
            found.append(
                f"all evaluations but the first, the last, and the first at or below KL(S||q) = {levels} nats: "
                "largest_fit_kl and losses are about the time since the evaluation before, in the record and here"
            )
        if self.evaluations == "ends":
            found.append("all evaluations but the first and the last of every phase")
        if "nodes" not in self.more:
            found.append(
                "numbers at prefixes: metrics of positions, hazards and next tokens have no rows; log q of whole "
                "documents is a sum in another order, so numbers of the view joint may differ in their last bits"
            )
        if "steps" not in self.more:
            found.append("numbers of every step (kl_every_step, squared_steps): excursions and lengths have no rows")
        if "probes" not in self.more:
            found.append("what probes recorded (tangent, kernel, sharpness, gradient_noise, hidden, decoded)")
        return found

    def indices(self, record: Record, phase: str) -> list[int]:
        """Return which evaluations of a phase are kept, in their order."""
        total = len(record.phases[phase].steps)
        if self.evaluations == "all":
            return list(range(total))
        ends = {0, total - 1}
        if self.evaluations == "ends" or not record.meanings[phase].tunes or not record.meanings[phase].on_s:
            return sorted(ends)
        return sorted(ends | set(crossings(record, phase)))

    def arrays(self, recorded: PhaseRecord, kept: Collection[int]) -> dict[str, np.ndarray]:
        """Return the other arrays of a phase that are kept, at the evaluations that are kept."""
        total = len(recorded.steps)
        found = {}
        for name, values in recorded.arrays.items():
            if not name.startswith(BETWEEN) and ("nodes" if name in NODES else "probes") in self.more:
                held = rows(name, len(values), total)
                found[name] = values[[held.index(at) for at in kept if at in held]]
        by_step = {name: getattr(recorded, name) for name in BY_STEP if "steps" in self.more}
        return found | {name: values for name, values in by_step.items() if values is not None}


def crossings(record: Record, phase: str) -> list[int]:
    """Return the first evaluations of a phase at which KL(S‖q) of answers is at or below each of `LEVELS`."""
    world = World(record, "response").of_phase(phase)
    weights = world.s.log_weights(world.s_law)
    total = len(record.phases[phase].steps)
    fit = np.array([kl(world.s.log_q, world.scored(phase, at).log_q, weights) for at in range(total)])
    return [int(np.argmax(fit <= level)) for level in LEVELS if (fit <= level).any()]


def held_nodes(arrays: Mapping[str, np.ndarray], total: int) -> list[int]:
    """Return at which of `total` kept evaluations an archive has numbers at prefixes."""
    return list(rows(NODES[0], len(arrays[NODES[0]]), total)) if NODES[0] in arrays else []
