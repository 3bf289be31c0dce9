"""Rows of forgetting: the exact splits of KL(P‖q) by the event A and by style, errors behind the gate, lost mass."""

from collections.abc import Iterator

import numpy as np

from sim.metrics.divergence import kl
from sim.metrics.forgetting import (
    Part,
    event_parts,
    gate_erasure_of,
    log_event,
    log_styles,
    style_parts,
    style_split_of,
)
from sim.metrics.positions import kl_by_node
from sim.metrics.scene import Cell, Evaluation, Metric, World
from sim.metrics.scored import Scored, average
from sim.quantity import Quantity


def lost(world: World) -> np.ndarray:
    """B = supp P minus A, the strings that S leaves out: bool[N]."""
    return np.asarray((world.p.log_q > -np.inf) & ~world.record.restricted.event)


def behind(world: World, q: Scored) -> float:
    """Error of q behind the first token that S never takes [nat per lost answer], under P(x); 0 if nothing is lost.

    It is the KL of next-token laws, summed over the nodes that S does not visit with the weights P(x) P(node | x), and
    divided by P(B). If the lost answers begin with one token, this is the erasure. If they begin with different tokens,
    the erasure also contains the differences between their gates. This number does not: training the trie table never
    changes it.
    """
    mass = average(world.p_law, np.exp(log_event(world.p, lost(world))))
    if mass == 0.0:
        return 0.0
    inside, group = world.s.node_group >= 0, world.s.node_group
    unvisited = inside & ((world.s.node_log_mass == -np.inf) | (world.s_law[group] == -np.inf))
    return float(kl_by_node(world.p, q, world.p_law)[unvisited].sum()) / mass


def parts_of_event(world: World) -> list[Part]:
    """Return the two parts of P that a split by the event needs, A and the rest, under P(x). They are made once."""
    event = world.record.restricted.event
    return world.truth.once("event parts", lambda: event_parts(world.p, event, world.p_law))


def _gate_erasure(part: str) -> Metric:
    def measure(evaluation: Evaluation) -> Iterator[Cell]:
        if not evaluation.is_truth:
            world = evaluation.world
            parts = parts_of_event(world)
            split = evaluation.once("gate and erasure", lambda: gate_erasure_of(parts, evaluation.q))
            yield Cell("A", Quantity.of(getattr(split, part)), world.law_names[0])

    said = {
        "gate": "mass that moved between the kept part A, the lost part B and ⊥",
        "kept": "what is wrong within the kept part A",
        "erasure": "what is wrong within the lost part B",
    }
    return Metric(part, part, "nat", f"KL(P‖q) = gate + kept + erasure: {said[part]}", measure)


def _style_gate(evaluation: Evaluation) -> Iterator[Cell]:
    for gate, _ in _by_style(evaluation):
        yield Cell("z", Quantity.of(gate), evaluation.world.law_names[0])


def _style_within(evaluation: Evaluation) -> Iterator[Cell]:
    for _, within in _by_style(evaluation):
        styles = evaluation.world.record.p.styles
        assert styles is not None, "only worlds with styles have these rows"
        for name, value in zip(styles.names, within, strict=True):
            yield Cell("z", Quantity.of(float(value)), evaluation.world.law_names[0], name)


def _by_style(evaluation: Evaluation) -> Iterator[tuple[float, np.ndarray]]:
    """The split of KL(P‖q) by style: (gate, within). Nothing in a world without styles."""
    world, styles = evaluation.world, evaluation.world.record.p.styles
    if styles is not None and not evaluation.is_truth:
        parts = world.truth.once("style parts", lambda: style_parts(world.p, styles.log_posterior, world.p_law))
        split = evaluation.once("by style", lambda: style_split_of(parts, evaluation.q))
        yield split.gate, split.within


def _style_mass(evaluation: Evaluation) -> Iterator[Cell]:
    styles = evaluation.world.record.p.styles
    if styles is None:
        return
    masses = {of: np.exp(log_styles(q, styles.log_posterior)) for of, q in evaluation.subjects.items()}
    for of, _, law, log_law in evaluation.pairs():
        for index, name in enumerate(styles.names):
            yield Cell(of, Quantity.of(average(log_law, masses[of][:, index])), law, name)


def _event_mass(evaluation: Evaluation) -> Iterator[Cell]:
    world = evaluation.world
    if evaluation.is_truth:
        yield Cell("P(A)", Quantity.of(float(np.exp(world.record.restricted.log_mass))))
        yield Cell("P(B)", Quantity.of(average(world.p_law, np.exp(log_event(world.p, lost(world))))))
        return
    for name, event in (("A", world.record.restricted.event), ("B", lost(world))):
        mass = average(world.p_law, np.exp(log_event(evaluation.q, event)))
        yield Cell(f"q({name})", Quantity.of(mass), world.law_names[0])


def _behind(evaluation: Evaluation) -> Iterator[Cell]:
    if not evaluation.is_truth:
        yield Cell("P,q", Quantity.of(behind(evaluation.world, evaluation.q)), evaluation.world.law_names[0])


def _kl_lost(evaluation: Evaluation) -> Iterator[Cell]:
    """KL(P_B‖q) under the prompts of P_B. Nothing if nothing is lost."""
    world = evaluation.world
    if evaluation.is_truth or not lost(world).any():
        return
    language = world.truth.once("P_B", lambda: world.record.p.condition(lost(world))[0])
    law = world.law_of(language)
    p_b = world.truth.once("P_B scored", lambda: world.of(language))
    value = kl(p_b.log_q, evaluation.q.log_q, p_b.log_weights(law))
    yield Cell("P_B||q", Quantity.of(value), "P_B(x)" if world.view == "response" else "")


METRICS = [
    *(_gate_erasure(part) for part in ("gate", "kept", "erasure")),
    Metric("style_gate", "gate by style", "nat", "KL(P‖q) by style: mass that moved between styles", _style_gate),
    Metric(
        "style_within",
        "within style",
        "nat",
        "KL(P‖q) by style: P(z) KL(P_z‖q_z), the style in column at",
        _style_within,
    ),
    Metric("style_mass", "q(z)", "1", "probability of a style (column at)", _style_mass),
    Metric("event_mass", "q(A)", "1", "probability of the kept part A, and of the lost part B", _event_mass),
    Metric("behind", "behind the gate", "nat", "error behind the first token that S never takes", _behind),
    Metric("kl_lost", "KL(P_B‖q)", "nat", "divergence of the model from P_B, what S leaves out", _kl_lost),
]
