"""Where a model lies in two planes with an exact frontier: surprisal and entropy, leak and coverage (docs/theory.md).

The first plane is about what P can say: q_P is the model renormalised on supp P. The other coordinate of the second one
is `outside_p`. All averages are over P(x).
"""

from collections.abc import Callable, Iterator

from sim.metrics.divergence import cross_entropy
from sim.metrics.elsewhere import on_support, renormalised
from sim.metrics.entropy import entropy
from sim.metrics.scene import Cell, Evaluation, Metric, World
from sim.metrics.scored import Scored
from sim.quantity import Quantity
from sim.theory.frontier_coverage import covered

SAMPLES = (2, 10)
"""Numbers N of samples (column `at`)."""


def surprisal(world: World, q: Scored) -> float | None:
    """E_x E_{q_P}[-log P(y|x)] [nat]: how improbable answers of the model are in P. None where q_P does not exist."""
    inside = renormalised(world, q, world.p_law)
    return None if inside is None else cross_entropy(inside, world.p.log_q, q.log_weights(world.p_law))


def supported_entropy(world: World, q: Scored) -> float | None:
    """E_x H(q_P(. | x)) [nat], the entropy of what P can say. None where q_P does not exist."""
    inside = renormalised(world, q, world.p_law)
    return None if inside is None else entropy(inside, q.log_weights(world.p_law))


def sampled_coverage(world: World, q: Scored, samples: int) -> float:
    """E_x Σ_y P(y|x) (1 - (1 - q(y|x))^N): the probability that N samples hold an answer that is drawn from P."""
    return covered(world.p.log_q, on_support(world, q), samples, q.log_weights(world.p_law))


def _subjects(evaluation: Evaluation) -> Iterator[tuple[str, Scored]]:
    """P, P_A, S and q*, or the model, if it has answers to all prompts of P."""
    own = evaluation.world.law_names[0]
    return ((of, scored) for of, scored, law, _ in evaluation.pairs() if law == own)


def _each(measured: Callable[[World, Scored], float | None]) -> Callable[[Evaluation], Iterator[Cell]]:
    def measure(evaluation: Evaluation) -> Iterator[Cell]:
        world = evaluation.world
        for of, scored in _subjects(evaluation):
            if (value := measured(world, scored)) is not None:
                yield Cell(of, Quantity.of(value), world.law_names[0])

    return measure


def _coverage(evaluation: Evaluation) -> Iterator[Cell]:
    world = evaluation.world
    for of, scored in _subjects(evaluation):
        for samples in SAMPLES:
            yield Cell(of, Quantity.of(sampled_coverage(world, scored, samples)), world.law_names[0], f"{samples}")


METRICS = [
    Metric("surprisal", "E_q[−log P]", "nat", "surprisal in P of what the model says on its support", _each(surprisal)),
    Metric(
        "supported_entropy", "H(q_P)", "nat", "entropy of the model, renormalised on the support of P",
        _each(supported_entropy),
    ),
    Metric(
        "sampled_coverage", "E Σ P(1−(1−q)^N)", "1",
        "probability that N samples of the model (column at) hold an answer drawn from P", _coverage,
    ),
]  # fmt: skip
