"""What a model is after a decoding rule, which the column `at` names: `T = 1.5`, `top-k 4`, `top-p 0.9`, `min-p 0.1`.

The probe `decoded` records the exact laws. A rule acts on the whole vocabulary at every token, so the model also writes
strings outside P. P_A is P given the kept event A, and q_A is the model given A.
"""

from collections.abc import Callable, Iterator

import numpy as np

from sim.languages.decoding import KINDS, label
from sim.metrics.divergence import kl
from sim.metrics.elsewhere import RATIOS, on_support
from sim.metrics.entropy import entropy_interval
from sim.metrics.erasure import first_edges
from sim.metrics.forgetting import log_event, log_styles
from sim.metrics.law_record import scored_from
from sim.metrics.scene import Cell, Evaluation, Metric, World
from sim.metrics.scored import Scored, average, conditional
from sim.metrics.split import lost
from sim.metrics.support import coverage_profile
from sim.numerics import expectation
from sim.quantity import Quantity

Measured = Callable[[World, Scored], Iterator[tuple[str, Quantity, str]]]
"""The numbers of a decoded model, each with its columns `of` and `prompt_law`."""


def rules(arrays: dict[str, np.ndarray]) -> list[str]:
    """The labels of the recorded rules, in their order."""
    kinds = list(KINDS)
    return [label((kinds[int(kind)], float(number))) for kind, number in arrays["decoded_rule"]]


def decoded(evaluation: Evaluation) -> list[tuple[str, Scored]]:
    """The model after every recorded rule, with the label of the rule; empty where the probe did not run."""

    def make() -> list[tuple[str, Scored]]:
        arrays, world = evaluation.arrays, evaluation.world
        laws = {name.removeprefix("decoded_"): one for name, one in arrays.items() if name.startswith("decoded_law_")}
        prompts = world.record.p.prompts
        return [
            (at, scored_from(world.trie, world.view, prompts, {name: one[index] for name, one in laws.items()}))
            for index, at in enumerate(rules(arrays))
        ]

    return evaluation.once("decoded", make) if "decoded_rule" in evaluation.arrays else []


def _each(measured: Measured) -> Callable[[Evaluation], Iterator[Cell]]:
    def measure(evaluation: Evaluation) -> Iterator[Cell]:
        for at, q in decoded(evaluation):
            for of, number, law in measured(evaluation.world, q):
                yield Cell(of, number, law, at)

    return measure


def valid_mass(world: World, q: Scored) -> float:
    """E_x q(supp P | x), the probability of an answer that P can give. Exact."""
    return expectation(on_support(world, q) + q.log_weights(world.p_law), np.ones(len(q.log_q)))


def _validity(world: World, q: Scored) -> Iterator[tuple[str, Quantity, str]]:
    yield "q", Quantity.of(valid_mass(world, q)), world.law_names[0]


def _mass(world: World, q: Scored) -> Iterator[tuple[str, Quantity, str]]:
    for name, event in (("A", world.record.restricted.event), ("B", lost(world))):
        yield f"q({name})", Quantity.of(average(world.p_law, np.exp(log_event(q, event)))), world.law_names[0]


def _style_mass(evaluation: Evaluation) -> Iterator[Cell]:
    styles = evaluation.world.record.p.styles
    if styles is None:
        return
    for at, q in decoded(evaluation):
        mass = np.exp(log_styles(q, styles.log_posterior))
        for index, name in enumerate(styles.names):
            number = average(evaluation.world.p_law, mass[:, index])
            yield Cell(f"q({name})", Quantity.of(number), evaluation.world.law_names[0], at)


def _kl(world: World, q: Scored) -> Iterator[tuple[str, Quantity, str]]:
    yield "P||q", Quantity.of(kl(world.p.log_q, q.log_q, q.log_weights(world.p_law))), world.law_names[0]
    yield "S||q", Quantity.of(kl(world.s.log_q, q.log_q, q.log_weights(world.s_law))), world.law_names[1]


def _entropy(world: World, q: Scored) -> Iterator[tuple[str, Quantity, str]]:
    yield "q", entropy_interval(q, world.p_law), world.law_names[0]


def _coverage_lost(ratio: float) -> Measured:
    """P(P/q >= N), and the same within A: the P_A-mass of the answers that q_A makes N times rarer or more."""

    def measured(world: World, q: Scored) -> Iterator[tuple[str, Quantity, str]]:
        kept_law = world.law_of(world.record.restricted.kept)
        inside = np.where(world.record.restricted.event & (world.p.log_q > -np.inf), q.log_q, -np.inf)
        within = conditional(inside, q.group, q.num_groups)
        name = "P_A(x)" if world.view == "response" else ""
        for of, p, model, law, called in (
            ("P,q", world.p, q.log_q, world.p_law, world.law_names[0]),
            ("P_A,q_A", world.kept, within, kept_law, name),
        ):
            (value,) = coverage_profile(p.log_q, model, [ratio], q.log_weights(law))
            yield of, Quantity.of(value), called

    return measured


def _gate(evaluation: Evaluation) -> Iterator[Cell]:
    """What the first token of the answer allows: q_T(B) is at most its mass of the tokens that begin lost answers.

    of "q(B)": E_x of this mass; of "q(⊥)": E_x of the mass of the tokens that begin no answer. Given the prompt alone.
    """
    world, arrays = evaluation.world, evaluation.arrays
    if "decoded_rule" not in arrays or world.view == "joint":
        return
    trie, position, group = world.record.p.trie, world.p.node_position, world.p.node_group
    first = np.flatnonzero(position[trie.edge_node] == 0)
    leads = np.isin(first, first_edges(world)[lost(world)])
    at_edge, at_node = world.p_law[group[trie.edge_node[first]]], world.p_law[group[position == 0]]
    for index, at in enumerate(rules(arrays)):
        onward = np.where(leads, arrays["decoded_first"][index], -np.inf)
        yield Cell("q(B)", Quantity.of(expectation(at_edge + onward, np.ones(len(first)))), world.law_names[0], at)
        leak = expectation(at_node, arrays["decoded_first_leak"][index])
        yield Cell("q(⊥)", Quantity.of(leak), world.law_names[0], at)


METRICS = [
    Metric("decoded_validity", "q_T(supp P)", "1", "after a decoding rule: probability that P can say it",
           _each(_validity)),
    Metric("decoded_mass", "q_T(B)", "1", "after a decoding rule: probability of the kept part A, and of the lost part",
           _each(_mass)),
    Metric("decoded_style_mass", "q_T(z)", "1", "after a decoding rule: probability of a style (column of)",
           _style_mass),
    Metric("decoded_kl", "KL(P‖q_T)", "nat", "after a decoding rule: divergence of the model from P, and from S",
           _each(_kl)),
    Metric("decoded_entropy", "H(q_T)", "nat", "after a decoding rule: entropy of the model", _each(_entropy)),
    *(
        Metric(f"decoded_lost_{ratio:g}", f"P(P/q_T ≥ {ratio:g})", "1",
               f"after a decoding rule: mass of answers that it makes {ratio:g} times rarer or more",
               _each(_coverage_lost(ratio)))
        for ratio in RATIOS
    ),
    Metric("decoded_gate", "q_T(B) at the gate", "1", "after a decoding rule: bound on q_T(B) by the first token",
           _gate),
]  # fmt: skip
