"""Rows of the waterfall by stage: how much entropy, likelihood and support a phase loses against its start.

The start of the pretraining is P itself. So the losses of `pretrain`, `sft`, `stage_2`, ... add up to all that is lost
against P, and shares of the support multiply. An identity control shows what the same training loses on data from P.
"""

from collections.abc import Iterator

from sim.metrics.divergence import kl
from sim.metrics.diversity import hill_number
from sim.metrics.entropy import entropy_interval, entropy_of
from sim.metrics.forgetting import gate_erasure_of
from sim.metrics.scene import Cell, Evaluation, Metric, World
from sim.metrics.scored import Scored
from sim.metrics.split import parts_of_event
from sim.metrics.support import epsilon_support
from sim.quantity import Quantity

ORDERS: dict[str, int | float] = {"e^H": 1, "N_2": 2, "N_inf": float("inf")}
"""Hill numbers by their name in the column `at`."""

THRESHOLDS = (1e-2, 1e-3, 1e-4, 1e-5)
"""Thresholds of the ε-support whose share is shown [probability per string]."""


def ends(evaluation: Evaluation) -> bool:
    """Whether a stage that is compared with its start ends here: the pretraining, a fine-tuning, or an edit of one."""
    if evaluation.is_truth or evaluation.meaning.role == "relearning":
        return False
    return evaluation.index == len(evaluation.world.record.phases[evaluation.phase].steps) - 1


def before(world: World, phase: str) -> Scored:
    """Return the model at the start of a phase. For the pretraining it is P."""
    return world.p if world.record.meanings[phase].role == "pretraining" else world.start(phase)


def ratio(one: Quantity, other: Quantity) -> Quantity | None:
    """Return one / other of two numbers that are at least 0; None if the other one may be 0 or both may be infinite."""
    if other.lower <= 0.0 or other.upper == float("inf") or one.upper == float("inf"):
        return None
    if one.exact and other.exact:
        return Quantity.of(one.lower / other.lower)
    return Quantity(one.lower / other.upper, one.upper / other.lower)


def _entropy(evaluation: Evaluation) -> Iterator[Cell]:
    """H(start) - H(q) under both prompt laws."""
    if ends(evaluation):
        world, start = evaluation.world, before(evaluation.world, evaluation.phase)
        for name, law in world.laws.items():
            if start is not world.p or start.covers(law):
                yield Cell("H(start)-H(q)", entropy_interval(start, law) - entropy_of(evaluation, "q", name), name)


def _target(evaluation: Evaluation) -> Iterator[Cell]:
    """H(start) - H(q*) under the prompts of the data: what is lost if the stage reaches its optimum. On P, q* = P."""
    if not ends(evaluation) or evaluation.meaning.role == "pretraining":
        return
    world, name = evaluation.world, evaluation.world.law_names[1]
    of = "q*" if evaluation.meaning.on_s else "P"
    if of in world.languages:
        start = before(world, evaluation.phase)
        yield Cell(f"H(start)-H({of})", entropy_interval(start, world.s_law) - entropy_of(world.truth, of, name), name)


def _forgetting(part: str) -> Metric:
    """KL(P‖q) - KL(P‖start), or the same of one of its parts, under P(x). No row if that of the start is infinite."""

    def measure(evaluation: Evaluation) -> Iterator[Cell]:
        if not ends(evaluation):
            return
        world = evaluation.world
        first, now = (_parts(world, q)[part] for q in (before(world, evaluation.phase), evaluation.q))
        if first != float("inf"):
            of = "KL(P||q)-KL(P||start)" if part == "kl" else "A"
            yield Cell(of, Quantity.of(now - first), world.law_names[0])

    said = {
        "kl": "forgetting by the stage alone: KL(P‖q) less that of the model at its start",
        "gate": "its part: mass that moved between A, B and ⊥",
        "kept": "its part: what is wrong within A",
        "erasure": "its part: what is wrong within B",
    }
    return Metric(f"stage_{part}", f"Δ {'KL(P‖q)' if part == 'kl' else part}", "nat", said[part], measure)


def _parts(world: World, q: Scored) -> dict[str, float]:
    split = gate_erasure_of(parts_of_event(world), q)
    whole = kl(world.p.log_q, q.log_q, q.log_weights(world.p_law))
    return {"kl": whole, "gate": split.gate, "kept": split.kept, "erasure": split.erasure}


def sizes(q: Scored, world: World) -> dict[str, Quantity]:
    """Return the sizes of the support of a model under P(x) [strings]: Hill numbers, and the ε-support by its ε."""
    law = world.p_law
    counts = epsilon_support(q, THRESHOLDS, law)
    found = {name: hill_number(q, order, law) for name, order in ORDERS.items()}
    return found | {f"{threshold:g}": count for threshold, count in zip(THRESHOLDS, counts, strict=True)}


def _support(evaluation: Evaluation) -> Iterator[Cell]:
    """Size of the support as a share of that at the start, under P(x). No row where the size at the start may be 0."""
    if not ends(evaluation):
        return
    world = evaluation.world
    first = sizes(before(world, evaluation.phase), world)
    for at, size in sizes(evaluation.q, world).items():
        share = ratio(size, first[at])
        if share is not None:
            yield Cell("N(q)/N(start)", share, world.law_names[0], at)


METRICS = [
    Metric("stage_entropy", "H(start) − H(q)", "nat", "entropy that the stage loses against its start", _entropy),
    Metric("stage_target", "H(start) − H(q*)", "nat", "entropy that the stage loses at its predicted optimum", _target),
    *(_forgetting(part) for part in ("kl", "gate", "kept", "erasure")),
    Metric("stage_support", "N(q)/N(start)", "1", "size of the support as a share of that at the start", _support),
]
