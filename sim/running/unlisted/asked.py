"""What a configuration asks for if the strings of its grammar are not listed: checked, refused, and built."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sim.config import canonical_of, construct, given, members, resolve
from sim.languages.restricted import Narrowed
from sim.languages.trie import Trie
from sim.languages.unlisted import Unlisted
from sim.laws.narrowing import NarrowedLaw
from sim.laws.reading import law
from sim.models._base import Model, Tabulates
from sim.numerics import SpecificationError
from sim.objectives._context import Objective
from sim.objectives._parameters import Begins
from sim.optimizers._base import Optimizer
from sim.optimizers._schedules import Scheduled
from sim.running import checks, schema
from sim.training.fed import Task, loss
from sim.training.parts import Fed
from sim.training.sweep import evaluation_steps
from sim.unlisted.world import Seen, UnlistedWorld

DEFAULTS: Mapping[str, Any] = {
    "record": "full", "stages": [], "dial.entropy": None, "relearn.num_steps": 0,
    "pretrain.prefixes": "sampled", "finetune.prefixes": "sampled", "finetune.probes": [], "finetune.edits": [],
    "finetune.siblings": 0, "finetune.adapter.rank": None, "finetune.adapter.matrices": "all",
}  # fmt: skip
"""Keys that a run whose strings are not listed does not have, with the only values that are taken."""


MOST = 1 << 28
"""Most numbers in the laws of a batch: 2 GiB in float64."""


@dataclass(frozen=True)
class Part:
    """How a phase is trained; its data are given separately."""

    objective: Objective
    optimizer: Optimizer
    num_steps: int
    batch_size: int
    steps: tuple[int, ...]  # at which the model is looked at

    @property
    def reads_laws(self) -> bool:
        """Whether the objective may read exact next-token laws, so that they have to be computed for every batch."""
        targets, switch = (getattr(self.objective, name, None) for name in ("targets", "switch"))
        return targets != "sampled" or switch is not None


@dataclass(frozen=True)
class UnlistedRun:
    """A run to do; all its parts are built. rows, own, lost: how many strings a model is judged by, `judged`."""

    seed: int
    world: UnlistedWorld
    model: Model
    pretrain: Part
    finetune: Part
    controlled: bool  # whether the same fine-tuning on P is done too
    rows: int
    own: int
    lost: int


def is_unlisted(chosen: Mapping[str, Any]) -> bool:
    """Return whether the strings of the grammar of a canonical configuration are not listed."""
    node = chosen["grammar"]
    if given.is_given(node) or node.get("kind") not in members("grammar"):
        return False
    return bool(getattr(resolve("grammar", node["kind"], "grammar"), "unlisted", False))


def checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a canonical configuration with its `judged` checked, if its strings are not listed; else without it.

    Raises SpecificationError for a key of the other kind of run that is not at its default.
    """
    chosen = {key: value for key, value in config.items() if key != "judged"}
    judged = config["judged"]
    wanted = canonical_of(schema.judged, judged, "judged")
    if not is_unlisted(chosen):
        if wanted != canonical_of(schema.judged, {}, "judged"):
            raise SpecificationError(
                f"judged: the default is required for a grammar whose strings are listed, found {judged}; all strings "
                "are summed there, leave judged out"
            )
        return chosen
    if wanted["lost"] == 1:
        raise SpecificationError(
            "judged.lost: 0, or at least 2 for an interval, is required, found 1; set 0 or more than 1"
        )
    for place, default in DEFAULTS.items():
        found = _at(chosen, place, default)
        if found != default:
            shown = "nothing" if default == [] else "null" if default is None else default
            raise SpecificationError(
                f"{place}: {shown} is required for a grammar whose strings are not listed, found {found}; leave it "
                "out, or choose a listed grammar"
            )
    others = [one for one in chosen["finetune"]["controls"] if one != "identity"]
    if others:
        raise SpecificationError(
            f"finetune.controls: [identity] or [] is required for a grammar whose strings are not listed, found "
            f"{others[0]}; leave it out"
        )
    return {**chosen, "finetune": {**chosen["finetune"], "kl_every_step": False}, "judged": wanted}


def _at(chosen: Mapping[str, Any], place: str, default: Any) -> Any:
    node: Any = chosen
    for key in place.split("."):
        node = node.get(key, default) if isinstance(node, Mapping) else default
    return node


def world(chosen: Mapping[str, Any]) -> UnlistedWorld:
    """Return the world of a canonical configuration. Raises SpecificationError if it has no laws, or no restriction."""
    found = construct("grammar", chosen["grammar"], "grammar")
    if not isinstance(found, Unlisted):
        fix = "return Unlisted(language, length), or take the mark off"
        checks.refuse("grammar", "an Unlisted", checks.kind_of(found), chosen["grammar"], fix)
    node = chosen["restriction"]
    restricted = construct("restriction", node, "restriction", found.language)
    if not isinstance(restricted, Narrowed):
        wanted = "a Narrowed of a language that is not listed"
        checks.refuse("restriction", wanted, checks.kind_of(restricted), node, "choose another restriction")
    law_of_p = law(found.language)
    law_of_s = law_of_p if restricted.s is found.language else law(restricted.s)
    narrowed = NarrowedLaw(law_of_s, restricted.log_mass, restricted.narrowing, restricted.of_strings, restricted.notes)
    return UnlistedWorld(Seen(law_of_p, found.length), narrowed, restricted.notes)


def build(chosen: Mapping[str, Any]) -> UnlistedRun:
    """Return the run of a canonical configuration. It raises SpecificationError if its parts do not fit each other.

    Model and objectives are traced, so that an objective that needs a list of strings is refused before any training.
    """
    own, node = world(chosen), chosen["model"]
    _fits(chosen, own)
    shape = Trie(np.zeros((1, own.length), np.int32), own.vocab_size)  # a model takes only its two sizes from it
    model = checks.model(construct("model", node, "model", shape), shape, node)
    if isinstance(model, Tabulates) or hasattr(model, "trie"):
        raise SpecificationError(
            f"model: one without a table of all prefixes is required for a grammar whose strings are not listed, found "
            f"{node['kind']}; choose model=transformer"
        )
    first, second = chosen["pretrain"], chosen["finetune"]
    run = UnlistedRun(
        chosen["seed"],
        own,
        model,
        _part(first, first, "pretrain."),
        _part(second, chosen, ""),
        "identity" in second["controls"],
        chosen["judged"]["rows"],
        chosen["judged"]["own"],
        chosen["judged"]["lost"],
    )
    for part, place in ((run.pretrain, "pretrain.objective"), (run.finetune, "objective")):
        _traced(run, part, place)
    return run


def _fits(chosen: Mapping[str, Any], own: UnlistedWorld) -> None:
    """Raise SpecificationError if the laws of a batch, or of the judged rows, would have more than MOST numbers."""
    rows = max(chosen["pretrain"]["batch_size"], chosen["finetune"]["batch_size"], chosen["judged"]["rows"])
    if rows * own.length * own.vocab_size > MOST:
        raise SpecificationError(
            f"grammar.length: at most {MOST // (rows * own.vocab_size):,} tokens are required for {rows} strings of "
            f"{own.vocab_size} tokens (batch_size, judged.rows), found {own.length:,}; set a smaller length, and "
            "longer strings are cut"
        )


def _part(phase: Mapping[str, Any], owner: Mapping[str, Any], place: str) -> Part:
    nodes = owner["objective"], owner["optimizer"]
    objective = checks.objective(construct("objective", nodes[0], f"{place}objective"), f"{place}objective", nodes[0])
    optimizer = checks.optimizer(construct("optimizer", nodes[1], f"{place}optimizer"), f"{place}optimizer", nodes[1])
    optimizer = optimizer.in_common_form() if isinstance(optimizer, Scheduled) else optimizer
    steps = tuple(evaluation_steps(phase["num_steps"], phase["num_evals"], phase["spacing"]))
    return Part(objective, optimizer, phase["num_steps"], phase["batch_size"], steps)


def _traced(run: UnlistedRun, part: Part, place: str) -> None:
    """Trace the objective. Raises SpecificationError, which begins with the place, if it needs more than a batch."""
    sizes = part.batch_size, run.world.length, run.world.vocab_size
    key = jax.eval_shape(lambda: jax.random.key(0))
    params = jax.eval_shape(run.model.init, key)
    law = jax.ShapeDtypeStruct(sizes, np.float32) if part.reads_laws else None
    batch = jax.ShapeDtypeStruct(sizes[:2], np.int32), jax.ShapeDtypeStruct(sizes[:1], np.float32), law

    if isinstance(part.objective, Begins):
        raise SpecificationError(
            f"{place}: one that computes nothing of q₀ in advance is required for a grammar whose strings are not "
            f"listed, found {checks.kind_of(part.objective)}; choose another objective, or a listed grammar"
        )

    def value(key: Any, params: Any, batch: Any) -> jax.Array:
        task = Task(key, params, run.model, part.objective, part.optimizer, 1.0)
        return loss(task, params, Fed(*batch), key, jnp.int32(0))

    try:
        jax.eval_shape(value, key, params, batch)
    except SpecificationError as problem:
        raise SpecificationError(f"{place}{str(problem).removeprefix('objective')}") from None
