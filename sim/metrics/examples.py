"""What worked examples in the prompt do: one document of a world like `few_shot` has k examples, then the question.

The number k of examples in a prompt is the number of symbols ";" in it. The metrics have rows if the world has styles
and its vocabulary has this symbol, given the prompt. Their prompt laws are P(x | k examples), and
P(x | k examples of z), in which the examples were written in style z. P(. | x) is the exact Bayes predictive of the
answer given the examples and the question, because P is the law of whole documents.

The style of an answer is judged without the examples, by the question and the answer alone:
q(z|x) = sum_y q(y|x) P(z | question, y). So a model that ignores the examples gets no style from them. The content in a
style is q(y | x, z), proportional to q(y|x) P(z | question, y). Both are exact, and about the answers that P can give.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from sim.metrics.divergence import kl
from sim.metrics.entropy import entropy
from sim.metrics.forgetting import log_styles
from sim.metrics.scene import Cell, Evaluation, Metric, World
from sim.metrics.scored import Scored, share
from sim.numerics import expectation, log_group_sum
from sim.quantity import Quantity

EXAMPLE_END = ";"
"""The symbol that closes an example."""


@dataclass(frozen=True, eq=False)
class Examples:
    """The prompts of a world by their examples. Laws are logarithms, float64[G]; -inf at prompts that do not count."""

    by_number: dict[int, np.ndarray]  # log P(x | k examples)
    by_style: dict[tuple[int, str], np.ndarray]  # log P(x | k examples of z)
    log_style: np.ndarray  # float64[N, Z], log P(z | question, answer)
    names: tuple[str, ...]


def examples_of(world: World) -> Examples | None:
    """The prompts of a world by their examples, made once; None in the joint view, and in a world without examples."""
    p = world.record.p
    if world.view == "joint" or p.styles is None or EXAMPLE_END not in p.vocabulary.symbols:
        return None
    return world.truth.once("examples", lambda: _examples(world))


def _examples(world: World) -> Examples:
    p = world.record.p
    assert p.styles is not None, "examples_of has asked for them"
    ends = (p.trie.strings == p.vocabulary.index(EXAMPLE_END)) & (np.arange(p.trie.length) < p.prompts.length[:, None])
    number = ends.sum(axis=1)[p.prompts.first]
    shares = log_styles(world.p, p.styles.log_posterior)  # log P(z | x)
    by_number, by_style = {}, {}
    for k in np.unique(number[world.p_law > -np.inf]).tolist():
        of_k = np.where(number == k, world.p_law, -np.inf)
        by_number[k] = _law(of_k)
        for z, name in enumerate(p.styles.names):
            if (of_k + shares[:, z] > -np.inf).any():
                by_style[k, name] = _law(of_k + shares[:, z])
    return Examples(by_number, by_style, _log_style(world, ends), p.styles.names)


def _law(log_mass: np.ndarray) -> np.ndarray:
    """A log law over prompts from log masses, float64[G]."""
    return log_mass - log_group_sum(log_mass, np.zeros(len(log_mass), np.int64), 1)[0]


def _log_style(world: World, ends: np.ndarray) -> np.ndarray:
    """log P(z | question, answer) [nat] of every document, float64[N, Z], from all documents that end so.

    It is summed over the examples: P(z, question, answer) / P(question, answer). Strings that P lacks have -inf.
    """
    p = world.record.p
    assert p.styles is not None, "examples_of has asked for them"
    L = p.trie.length
    begin = np.where(ends.any(axis=1), L - np.argmax(ends[:, ::-1], axis=1), 0)  # after the last example
    at = np.arange(L) + begin[:, None]
    rest = np.where(at < L, np.take_along_axis(p.trie.strings, np.minimum(at, L - 1), axis=1), 0)
    same = np.unique(rest, axis=0, return_inverse=True)[1].reshape(len(rest))
    number = int(same.max()) + 1
    joint = np.stack([log_group_sum(p.log_p + one, same, number) for one in p.styles.log_posterior.T], axis=1)
    total = log_group_sum(p.log_p, same, number)
    return np.asarray((joint - np.where(total > -np.inf, total, 0.0)[:, None])[same])


def style_given(q: Scored, log_style: np.ndarray, log_law: np.ndarray) -> float:
    """E_x q(z|x) for log P(z | question, answer) of one style, float64[N]."""
    return expectation(q.log_q + q.log_weights(log_law), np.exp(log_style))


def content_entropy(q: Scored, log_style: np.ndarray, log_law: np.ndarray) -> float | None:
    """E_x H(q(y | x, z)) [nat]; None if q has nothing of the style at a prompt of the law, float64[G]."""
    inside = q.log_q + log_style
    mass = log_group_sum(inside, q.group, q.num_groups)
    if (mass[log_law > -np.inf] == -np.inf).any():
        return None
    return entropy(share(inside, mass, q.group), q.log_weights(log_law))


def log_odds(q: Scored, log_style: np.ndarray, of: int, log_law: np.ndarray) -> float | None:
    """E_x log q(z|x) / (1 - q(z|x)) [nat], for the style at index `of` of log_style, float64[N, Z].

    The rest holds q(⊥|x) as well, because answers in another style than that of the examples may be no answers of P. It
    may be infinite. None if the mean would be of both infinities.
    """
    masses = log_styles(q, log_style)
    with np.errstate(divide="ignore"):
        others = np.logaddexp(
            np.log(q.off), np.logaddexp.reduce(np.delete(masses, of, axis=1), axis=1, initial=-np.inf)
        )
    here = log_law > -np.inf
    own, rest = masses[here, of], others[here]
    if ((own == -np.inf) & (rest == -np.inf)).any() or ((own == -np.inf).any() and (rest == -np.inf).any()):
        return None
    return expectation(log_law[here], own - rest)


def _kl(evaluation: Evaluation) -> Iterator[Cell]:
    """KL from the Bayes predictive to the model, by number of examples."""
    world = evaluation.world
    found = examples_of(world)
    if found is not None and not evaluation.is_truth:
        for k, log_law in found.by_number.items():
            value = kl(world.p.log_q, evaluation.q.log_q, world.p.log_weights(log_law))
            yield Cell("P||q", Quantity.of(value), f"P(x | {k} examples)", str(k))


Number = Callable[[Scored, Examples, int, np.ndarray], float | None]


def _by_style(function: Number, every: bool, models_only: bool = False) -> Callable[[Evaluation], Iterator[Cell]]:
    """Rows of a number of a distribution and a style, after k examples of each style z.

    every: for all styles of the answer (column at), not only for that of the examples.
    """

    def measure(evaluation: Evaluation) -> Iterator[Cell]:
        found = examples_of(evaluation.world)
        if found is None or (models_only and evaluation.is_truth):
            return
        for (k, name), log_law in found.by_style.items():
            for of, scored in evaluation.subjects.items():
                if evaluation.is_truth and not scored.covers(log_law):
                    continue
                for z, other in enumerate(found.names):
                    value = function(scored, found, z, log_law) if every or other == name else None
                    if value is not None:
                        yield Cell(of, Quantity.of(value), f"P(x | {k} examples of {name})", other)

    return measure


METRICS = [
    Metric(
        "examples_kl", "KL(P‖q | k)", "nat", "divergence of the model from exact Bayes after k examples (column at)",
        _kl,
    ),
    Metric(
        "examples_style", "q(z | k of z')", "1", "probability of an answer in a style (column at) after k examples",
        _by_style(lambda q, e, z, w: style_given(q, e.log_style[:, z], w), every=True),
    ),
    Metric(
        "examples_content", "H(q(y|x,z))", "nat", "entropy of an answer, given the style (column at) of the examples",
        _by_style(lambda q, e, z, w: content_entropy(q, e.log_style[:, z], w), every=False),
    ),
    Metric(
        "examples_log_odds", "E log q(z)/(1−q(z))", "nat", "log-odds of the style of the examples (column at)",
        _by_style(lambda q, e, z, w: log_odds(q, e.log_style, z, w), every=False, models_only=True),
    ),
]  # fmt: skip
