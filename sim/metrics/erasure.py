"""How much a fine-tuning erases behind the gate: errors about answers of a lost style, given the style, against q0.

q0 is the model with which the fine-tuning on S began, in every phase. So relearnt and edited models are compared with
it too. There are no rows for the pretraining.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from sim.metrics.divergence import log_ratio
from sim.metrics.forgetting import Part, style_parts
from sim.metrics.scene import Cell, Evaluation, Metric, World
from sim.metrics.scored import Scored
from sim.metrics.split import lost
from sim.numerics import expectation
from sim.quantity import Quantity, exponential

Measured = Callable[[World, Sequence[Part], Scored], float | None]
"""A sum over lost events of P(z) times a divergence of the model from P_z [nat]; None where it does not exist."""


def first_model(world: World) -> Scored | None:
    """q0, the model with which the fine-tuning on S began; None if the run has no fine-tuning."""
    meanings = world.record.meanings
    name = next((phase for phase in world.record.phases if meanings[phase].role == "fine-tuning"), None)
    return None if name is None else world.start(name)


def lost_styles(world: World) -> list[int]:
    """The styles z with P(z) > 0 and P(A | z) = 0: A has none of their strings. Empty where styles overlap."""
    styles = world.record.p.styles
    if styles is None or not styles.disjoint:
        return []
    supported = world.p.log_q > -np.inf
    return sorted({*styles.of[supported].tolist()} - {*styles.of[supported & ~lost(world)].tolist()})


def lost_events(world: World) -> list[Part]:
    """The events z that `style_erasure` is about: the lost styles, or B = supp P minus A if no style is lost whole.

    Empty if nothing is lost. It is also empty if styles overlap, because then a string does not determine its style.
    """
    styles, gone = world.record.p.styles, lost(world)
    if not gone.any() or (styles is not None and not styles.disjoint):
        return []
    if styles is not None and (chosen := lost_styles(world)):
        return style_parts(world.p, styles.log_posterior[:, chosen], world.p_law)
    return [Part.of(world.p, np.where(gone, 0.0, -np.inf), world.p_law)]


def erased(world: World, parts: Sequence[Part], q: Scored) -> float | None:
    """Sum over z of P(z) KL(P_z‖q_z) [nat], with q_z renormalised on supp P_z; +inf if q misses a string of P_z.

    It is None if q gives no mass to z at a prompt where P does, because q_z does not exist there.
    """
    splits = [part.split(q) for part in parts]
    return None if any(math.isinf(gate) for gate, _ in splits) else math.fsum(within for _, within in splits)


def first_edges(world: World) -> np.ndarray:
    """The edge of the first token of each answer (of each document in the joint view): int[N]."""
    trie = world.record.p.trie
    return np.asarray(trie.edge[np.arange(trie.num_strings), _start(world)])


def shows_styles(world: World) -> bool:
    """Whether a token shows every lost style: all its answers to a prompt begin with one token that is its own.

    No answer of another style begins with this token at the same prompt. False if no style is lost.
    """
    styles, chosen = world.record.p.styles, lost_styles(world)
    if styles is None or not chosen:
        return False
    supported = world.p.log_q > -np.inf
    pairs = np.stack([first_edges(world), styles.of, world.p.group])[:, supported]
    edge, style, group = np.unique(pairs, axis=1)
    own = np.bincount(edge)[edge] == 1
    cell = group * len(styles.names) + style
    single = np.bincount(cell)[cell] == 1
    return bool((own & single)[np.isin(style, chosen)].all())


def erased_after_token(world: World, parts: Sequence[Part], q: Scored) -> float | None:
    """Sum over z of P(z) KL(P_z‖q(. | x, z)) [nat]; q(. | x, z) is the model's law after the token that shows z.

    This law is not renormalised: mass on strings that P_z lacks counts as an error. +inf if q misses a string of P_z.
    """
    trie = world.record.p.trie
    later = (trie.edge >= 0) & (np.arange(trie.length) > _start(world)[:, None])
    after = np.where(later, q.edge_log_q[trie.edge], 0.0).sum(axis=1)
    return math.fsum(expectation(part.log_weight, log_ratio(part.log_share, after)) for part in parts)


def _start(world: World) -> np.ndarray:
    """Number of tokens of each document that are given: int[N]."""
    length = world.record.p.prompts.length
    return length if world.view == "response" else np.zeros_like(length)


def risen(evaluation: Evaluation, measured: Measured) -> float | None:
    """Return by how much a sum over the lost events is above that of q0, per P(B) [nat].

    P(B) is the mass of these events. None if nothing is lost, in the pretraining, or if a sum does not exist or that of
    q0 is infinite.
    """
    world = evaluation.world
    if evaluation.is_truth or evaluation.meaning.stage == "pretrain":
        return None
    parts = world.truth.once("lost events", lambda: lost_events(world))
    start = first_model(world)
    if not parts or start is None:
        return None
    before = world.truth.once(("erased at q0", measured), lambda: measured(world, parts, start))
    now = measured(world, parts, evaluation.q)
    if now is None or before is None or math.isinf(before):
        return None
    mass = math.fsum(float(np.exp(part.log_gate).sum()) for part in parts)
    return (now - before) / mass


def _erasure(evaluation: Evaluation) -> float | None:
    return evaluation.once("style erasure", lambda: risen(evaluation, erased))


def _style_erasure(evaluation: Evaluation) -> Iterator[Cell]:
    """E = sum over lost z of P(z)/P(B) [KL(P_z‖q_z) - the same of q0], under P(x)."""
    if (value := _erasure(evaluation)) is not None:
        yield Cell("E", Quantity.of(value), evaluation.world.law_names[0])


def _kept_behind_gate(evaluation: Evaluation) -> Iterator[Cell]:
    if (value := _erasure(evaluation)) is not None:
        yield Cell("exp(-E)", Quantity.of(exponential(-value)), evaluation.world.law_names[0])


def _shown_erasure(evaluation: Evaluation) -> Iterator[Cell]:
    """E with the model's law after the style's token in the place of q_z, also less the same of q0, under P(x)."""
    world = evaluation.world
    if world.truth.once("shows styles", lambda: shows_styles(world)):
        value = risen(evaluation, erased_after_token)
        if value is not None:
            yield Cell("E shown", Quantity.of(value), world.law_names[0])


METRICS = [
    Metric(
        "style_erasure", "E", "nat", "error about answers of a lost style, given it, above that of q₀", _style_erasure
    ),
    Metric(
        "kept_behind_gate", "e^−E", "1", "factor on the probability of a typical answer of a lost style, given it",
        _kept_behind_gate,
    ),
    Metric(
        "shown_erasure", "E shown", "nat", "the same after the token that shows the style, q not renormalised",
        _shown_erasure,
    ),
]  # fmt: skip
