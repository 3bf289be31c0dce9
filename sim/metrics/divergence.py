"""Divergences between two distributions that are listed on the same atoms, averaged over prompts.

`log_p`, `log_q`, `log_w` are float64[K] over K atoms [nat]: the supported strings, or the strings and one atom ⊥ per
prompt (`Scored.merged`, `Scored.log_merged_weights`). With ⊥, each of them is exact for a model that leaves the
support. `log_w` is the log prompt law at each atom's prompt; None stands for zeros (one group).
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from sim.metrics.scene import Cell, Evaluation, Metric, World, of_model
from sim.metrics.scored import Scored
from sim.numerics import expectation
from sim.quantity import Quantity

Between: TypeAlias = Callable[[np.ndarray, np.ndarray, np.ndarray], float]
"""A divergence as a function of log p, log q and the log prompt law, each float64[K] over the same atoms."""


def log_ratio(log_p: np.ndarray, log_q: np.ndarray) -> np.ndarray:
    """log p - log q [nat] where p > 0, else 0: float64[K]. It is +inf where p > 0 and q = 0, and never nan."""
    inside = log_p > -np.inf
    return np.where(inside, np.where(inside, log_p, 0.0) - np.where(inside, log_q, 0.0), 0.0)


def kl(log_p: np.ndarray, log_q: np.ndarray, log_w: np.ndarray | None = None) -> float:
    """KL(p‖q) = E_w sum p (log p - log q) [nat]; +inf if q is 0 somewhere on the support of p.

    It is exact for a sub-stochastic q (a model on the support alone): p has no mass on ⊥, so ⊥ contributes 0.
    """
    return expectation(_weighted(log_p, log_w), log_ratio(log_p, log_q))


def cross_entropy(log_p: np.ndarray, log_q: np.ndarray, log_w: np.ndarray | None = None) -> float:
    """E_w sum -p log q [nat]; +inf if q is 0 somewhere on the support of p. It is exact for a sub-stochastic q."""
    return expectation(_weighted(log_p, log_w), -np.asarray(log_q))


def total_variation(log_p: np.ndarray, log_q: np.ndarray, log_w: np.ndarray | None = None) -> float:
    """TV = E_w half the sum of |p - q|, in [0, 1]. It needs the merged atoms if p or q leaves the support."""
    gap = np.abs(np.exp(log_p) - np.exp(log_q))
    return 0.5 * expectation(np.zeros(len(gap)) if log_w is None else log_w, gap)


def jensen_shannon(log_p: np.ndarray, log_q: np.ndarray, log_w: np.ndarray | None = None) -> float:
    """JS = (KL(p‖m) + KL(q‖m)) / 2 with m = (p + q) / 2 [nat], in [0, log 2].

    It needs the merged atoms if p or q leaves the support.
    Source: J. Lin, 1991, "Divergence measures based on the Shannon entropy".
    """
    log_m = np.logaddexp(log_p, log_q) - np.log(2.0)
    return 0.5 * (kl(log_p, log_m, log_w) + kl(log_q, log_m, log_w))


def hellinger(log_p: np.ndarray, log_q: np.ndarray, log_w: np.ndarray | None = None) -> float:
    """Hellinger distance sqrt(E_w half the sum of (sqrt p - sqrt q)^2), in [0, 1].

    It needs the merged atoms if p or q leaves the support.
    """
    gap = (np.exp(0.5 * np.asarray(log_p)) - np.exp(0.5 * np.asarray(log_q))) ** 2
    return float(np.sqrt(0.5 * expectation(np.zeros(len(gap)) if log_w is None else log_w, gap)))


def _weighted(log_p: np.ndarray, log_w: np.ndarray | None) -> np.ndarray:
    return np.asarray(log_p) if log_w is None else np.asarray(log_p) + log_w


def _kl_to(law: Scored, q: Scored, log_law: np.ndarray) -> Quantity:
    return Quantity.of(kl(law.log_q, q.log_q, law.log_weights(log_law)))


def _kl(evaluation: Evaluation) -> Iterator[Cell]:
    """KL from the truths to the model or, at the truth, to the predicted optimum."""
    world, (p_name, s_name) = evaluation.world, evaluation.world.law_names
    of, q = ("q*", world.best) if evaluation.is_truth else ("q", evaluation.q)
    if q is None:
        return
    yield Cell(f"P||{of}", _kl_to(world.p, q, world.p_law), p_name)
    yield Cell(f"S||{of}", _kl_to(world.s, q, world.s_law), s_name)
    if evaluation.is_truth:
        return
    if world.best is not None and evaluation.meaning.on_s:
        yield Cell("q*||q", _kl_to(world.best, q, world.s_law), s_name)
    yield Cell("P_A||q", _kl_to(world.kept, q, world.s_law), s_name)
    for name, law in unshown(world).items():
        yield Cell("P||q", _kl_to(world.p, q, law), name)


def unshown(world: World) -> dict[str, np.ndarray]:
    """P's law of the prompts that S never shows, by its name: log P(x | S(x) = 0) [nat], float64[G].

    Empty if S shows every prompt of P.
    """
    off = np.where(world.s_law == -np.inf, world.p_law, -np.inf)
    total = float(np.exp(off).sum())
    return {"P(x | S(x) = 0)": off - np.log(total)} if total > 0.0 else {}


def _moved(between: Between, comma: str) -> Callable[[Evaluation], Iterator[Cell]]:
    """A divergence between the model at the start of a fine-tuning, q0, and the model later, with ⊥ as one atom.

    In a later stage q0 is the model of the stage before. It is averaged under S(x), the law of the prompts of the data.
    """

    def measure(evaluation: Evaluation) -> Iterator[Cell]:
        if not evaluation.is_truth and evaluation.meaning.tunes:
            world, q = evaluation.world, evaluation.q
            start = world.start(evaluation.phase)
            weights = q.log_merged_weights(world.s_law)
            yield Cell(f"q0{comma}q", Quantity.of(between(start.merged, q.merged, weights)), world.law_names[1])
            if comma == "||":
                yield Cell("q||q0", Quantity.of(between(q.merged, start.merged, weights)), world.law_names[1])

    return measure


def _total_variation(evaluation: Evaluation) -> Iterator[Cell]:
    """TV(P, q) under P(x), and on the prompts that S never shows."""
    if not evaluation.is_truth:
        world, q = evaluation.world, evaluation.q
        for name, law in ({world.law_names[0]: world.p_law} | unshown(world)).items():
            value = total_variation(world.p.merged, q.merged, q.log_merged_weights(law))
            yield Cell("P,q", Quantity.of(value), name)


def _from_p(between: Between) -> Callable[[World, Scored], float]:
    def function(world: World, q: Scored) -> float:
        return between(world.p.merged, q.merged, q.log_merged_weights(world.p_law))

    return function


METRICS = [
    Metric("kl", "KL", "nat", "Kullback–Leibler divergence of the model from a truth", _kl),
    Metric("kl_moved", "KL(q₀‖q)", "nat", "divergence between the model and its start, both ways", _moved(kl, "||")),
    Metric("total_variation", "TV", "1", "distance from P", _total_variation),
    Metric("total_variation_moved", "TV(q₀, q)", "1", "distance from the start", _moved(total_variation, ",")),
    of_model("jensen_shannon", "JS", "nat", "divergence from P", _from_p(jensen_shannon), "P,q", exact=True),
    Metric("jensen_shannon_moved", "JS(q₀, q)", "nat", "divergence from the start", _moved(jensen_shannon, ",")),
    Metric("hellinger_moved", "Hellinger(q₀, q)", "1", "distance from the start", _moved(hellinger, ",")),
]
