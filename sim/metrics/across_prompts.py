"""Diversity across prompts: does every prompt get the same answers? I(prompt; answer), and the entropy of the marginal.

Answers are compared as strings, without their prompts. Under a prompt law w the marginal is m(y) = sum_x w(x) q(y|x). A
model that answers every prompt from one law has I(x; y) = H(m) - E_x H(q_x) = 0, however large its entropies are.
All numbers are given the prompt (response view). The bounds for a model with mass off the support are proved at
`information`. They meet if this mass vanishes.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np

from sim.metrics.divergence import log_ratio
from sim.metrics.entropy import entropy_of
from sim.metrics.scene import Cell, Evaluation, Metric, World
from sim.metrics.scored import Scored, average
from sim.numerics import expectation
from sim.quantity import Quantity

ROUNDING = 1e-12
"""What rounding may take from an information that is 0 [nat]."""


def answer_numbers(world: World) -> np.ndarray:
    """The number of the answer of each listed document, int[N]. Equal answers to different prompts have one number."""
    p = world.record.p
    N, L = p.trie.strings.shape
    at = np.arange(L) + p.prompts.length[:, None]
    answers = np.where(at < L, np.take_along_axis(p.trie.strings, np.minimum(at, L - 1), axis=1), 0)
    return np.asarray(np.unique(answers, axis=0, return_inverse=True)[1].reshape(N))


def information(q: Scored, answer: np.ndarray, log_law: np.ndarray) -> Quantity:
    """I(x; y) [nat] between a prompt of the law, float64[G], and its answer; `answer` int[N] numbers the answers.

    It is exact if q(⊥) = 0. Let d = E_x q(⊥|x), and let m_on be the part of the marginal that listed documents make.
    The listed pairs (x, y) contribute I_on = E q log(q / m_on). Upper bound: the true marginal m is at least m_on, and
    at least w(x) q(y|x) for all other pairs, so I <= I_on + E_x q(⊥|x) log 1/w(x). Lower bound: mass off the support of
    a prompt may be an answer that is listed for another one. It raises the marginal of listed pairs, which costs at
    most (1-d) log 1/(1-d) by Jensen's inequality. The other pairs contribute at least d log(d / (r + d)) by the log-sum
    inequality. Here r is the mass of pairs in w(x) m_on(y) that are not listed. If every answer is listed for all
    prompts of the law, r = 0, and nothing is lost.
    """
    weighted = np.flatnonzero(log_law > -np.inf)
    here = np.isin(q.group, weighted)
    number, log_w = answer[here], log_law[q.group[here]]
    log_pair = log_w + q.log_q[here]
    size = int(number.max(initial=0)) + 1
    marginal = np.bincount(number, np.exp(log_pair), size)
    on = expectation(log_pair, log_ratio(q.log_q[here], np.log(np.where(marginal > 0.0, marginal, 1.0))[number]))
    off = average(log_law, q.off)
    if off == 0.0:
        return Quantity.within_rounding(on, on, ROUNDING)
    shared = np.bincount(number, minlength=size) == len(weighted)  # listed for all prompts of the law
    unlisted = np.where(shared, 0.0, 1.0 - np.bincount(number, np.exp(log_w), size))
    beside = float(marginal @ np.maximum(unlisted, 0.0))  # r
    raised = -(1.0 - off) * float(np.log1p(-off)) if beside > 0.0 and off < 1.0 else 0.0
    lower = on - raised - off * float(np.log1p(beside / off))
    upper = on + average(log_law, -q.off * np.where(log_law > -np.inf, log_law, 0.0))
    return Quantity.within_rounding(lower, upper, ROUNDING)


def informations(evaluation: Evaluation) -> Iterator[tuple[str, str, Quantity]]:
    """Iterate over the distributions and the prompt laws: (name of the distribution, name of the law, I(x; y))."""
    world = evaluation.world
    if world.view == "joint":
        return
    answer = world.truth.once("answer numbers", lambda: answer_numbers(world))
    for of, scored, law, log_law in evaluation.pairs():
        found = evaluation.once(("information", of, law), partial(information, scored, answer, log_law))
        yield of, law, found


def _information(evaluation: Evaluation) -> Iterator[Cell]:
    for of, law, found in informations(evaluation):
        yield Cell(of, found, law)


def _marginal(evaluation: Evaluation) -> Iterator[Cell]:
    """H(m) = I(x; y) + E_x H(q_x) [nat]; the bounds are the sums of both bounds."""
    for of, law, found in informations(evaluation):
        yield Cell(of, found + entropy_of(evaluation, of, law), law)


METRICS = [
    Metric(
        "prompt_information", "I(x; y)", "nat", "what an answer tells about its prompt; 0 if all prompts get one law",
        _information,
    ),
    Metric("marginal_entropy", "H(Σ w(x) q_x)", "nat", "entropy of the answers to all prompts together", _marginal),
]  # fmt: skip
