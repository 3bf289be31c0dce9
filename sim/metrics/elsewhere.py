"""What a model has forgotten of P, by several measures: under P(x), under S(x), and on prompts that S never shows.

A divergence predicts best what is made of the same terms, so a race of predictors needs several targets. `kl` and
`total_variation` are further ones. Here q_P is the model renormalised on supp P: q_P = q(. | x, supp P). Its prompt law
is the one of the average. The plain KL(q‖P) is infinite for every model with mass off supp P.
"""

from collections.abc import Callable, Iterator

import numpy as np

from sim.metrics.divergence import kl, unshown
from sim.metrics.diversity import collision
from sim.metrics.erasure import first_model
from sim.metrics.scene import Cell, Evaluation, Metric, World
from sim.metrics.scored import Scored, conditional
from sim.metrics.support import coverage_profile
from sim.numerics import expectation
from sim.quantity import Quantity

RATIOS = (2.0, 10.0)
"""An answer counts as lost if the model makes it at least this many times rarer than P."""


def laws(world: World) -> dict[str, np.ndarray]:
    """The log prompt laws of the averages by name [nat], float64[G]. P has answers at all prompts of each."""
    return {name: law for name, law in (world.laws | unshown(world)).items() if world.p.covers(law)}


def on_support(world: World, q: Scored) -> np.ndarray:
    """log q(y|x) of the answers of P [nat], float64[N]; -inf for other listed strings, which P cannot produce."""
    return np.where(world.p.log_q > -np.inf, q.log_q, -np.inf)


def renormalised(world: World, q: Scored, log_law: np.ndarray) -> np.ndarray | None:
    """log q_P(y|x) [nat]: float64[N]; None if q(supp P | x) = 0 at a prompt of the law, because q_P does not exist."""
    inside = on_support(world, q)
    mass = np.bincount(q.group, inside > -np.inf, q.num_groups)
    return conditional(inside, q.group, q.num_groups) if mass[log_law > -np.inf].all() else None


def reverse_kl(world: World, q: Scored, reference: Scored, log_law: np.ndarray) -> float | None:
    """KL(q_P‖r) [nat] for a reference r, which is not renormalised; +inf where r is 0 and q is not.

    None if q_P does not exist. For r = q it is -log q(supp P), and not 0.
    """
    inside = renormalised(world, q, log_law)
    return None if inside is None else kl(inside, reference.log_q, q.log_weights(log_law))


def greedy_answers(world: World, q: Scored) -> np.ndarray:
    """Whether a listed string is what greedy decoding gives after its prompt: bool[N], at most one string per prompt.

    Greedy decoding takes the likeliest next token. Among equally likely ones it takes the first legal one. No string
    of a prompt is marked if an illegal token is the likeliest at some node on the way.
    """
    trie = q.trie
    order = np.lexsort((trie.edge_token, -q.edge_log_q, trie.edge_node))
    best = order[np.unique(trie.edge_node[order], return_index=True)[1]]  # of each node, in ascending order
    chosen = np.zeros(trie.num_edges, bool)
    chosen[best] = np.exp(q.edge_log_q[best]) >= q.leak_max
    reached = q.node_position == 0
    for edge, above, below in world.trie.levels:
        reached[below] = reached[above] & chosen[edge]
    last_node, last_edge = world.trie.ends
    return np.asarray(reached[last_node] & chosen[last_edge])


def greedy_accuracy(world: World, q: Scored, log_law: np.ndarray) -> float:
    """E_x P(y_q(x) | x): the probability that the greedy answer y_q(x) equals a reference answer drawn from P.

    This is the expected accuracy by exact match. It is at most E_x max P(y|x), and 0 at prompts with an illegal answer.
    """
    greedy = greedy_answers(world, q)
    return expectation(world.p.log_q + world.p.log_weights(log_law), greedy.astype(np.float64))


def coverage_lost(world: World, q: Scored, log_law: np.ndarray) -> list[float]:
    """P(P/q >= N) for each N of RATIOS: the P-mass of the answers that the model makes N times rarer or more."""
    return coverage_profile(world.p.log_q, q.log_q, RATIOS, q.log_weights(log_law))


def _each(
    of: str, function: Callable[[World, Scored, np.ndarray], float | None]
) -> Callable[[Evaluation], Iterator[Cell]]:
    """The rows of a number of a world, a model and a prompt law; none where the number is None."""

    def measure(evaluation: Evaluation) -> Iterator[Cell]:
        for name, law in {} if evaluation.is_truth else laws(evaluation.world).items():
            value = function(evaluation.world, evaluation.q, law)
            if value is not None:
                yield Cell(of, Quantity.of(value), name)

    return measure


def _coverage_lost(evaluation: Evaluation) -> Iterator[Cell]:
    for name, law in {} if evaluation.is_truth else laws(evaluation.world).items():
        for ratio, value in zip(RATIOS, coverage_lost(evaluation.world, evaluation.q, law), strict=True):
            yield Cell("P,q", Quantity.of(value), name, f"{ratio:g}")


def _reverse_kl_moved(evaluation: Evaluation) -> Iterator[Cell]:
    """KL(q_P‖q0) under S(x), the prompts of the fine-tuning. In a later stage q0 is the model of the stage before."""
    world = evaluation.world
    if evaluation.is_truth or not evaluation.meaning.tunes:
        return
    start = world.start(evaluation.phase) if world.stage else first_model(world)
    if start is None:
        return
    value = reverse_kl(world, evaluation.q, start, world.s_law)
    if value is not None:
        yield Cell("q_P||q0", Quantity.of(value), world.law_names[1])


METRICS = [
    Metric(
        "reverse_kl", "KL(q_P‖P)", "nat", "reverse KL, with the model renormalised on the support of P",
        _each("q_P||P", lambda world, q, law: reverse_kl(world, q, world.p, law)),
    ),
    Metric(
        "reverse_kl_moved", "KL(q_P‖q₀)", "nat", "reverse KL to the start, the model renormalised on the support of P",
        _reverse_kl_moved,
    ),
    Metric(
        "coverage_lost", "P(P/q ≥ N)", "1", "P-mass of answers that the model makes N times rarer or more (column at)",
        _coverage_lost,
    ),
    Metric(
        "greedy_accuracy", "E P(ŷ|x)", "1", "probability that the greedily decoded answer equals one drawn from P",
        _each("q", greedy_accuracy),
    ),
    Metric(
        "collision", "C(q) on supp P", "1", "probability that two answers are equal and that P can produce them",
        _each("q", lambda world, q, law: collision(on_support(world, q), q.log_weights(law))),
    ),
]  # fmt: skip
