"""How far a fine-tuned model has moved from the law P towards the data S, on the prompts that S shows.

The dial of memorisation is q_x = (1 - rho) P_x + rho S_x: rho = 0 knows the law, and rho = 1 repeats the data. Numbers
are averages under S(x), in the response view, and in all phases after the pretraining except relearning. Two starts of
the movement are reported. `q-P` follows the definition: it also contains the error b = q0 - P of the pretrained model.
`q-q0` subtracts this error: E<q0 - P, S - P> is subtracted from E<q - P, S - P>. For a model that moves from q0 towards
S, q = (1 - rho) q0 + rho S, both are wrong by a multiple of beta = E<b, S - P> / E|S - P|^2, which is 0 on average over
sampled data: rho_hat is rho (1 - beta) for `q-q0`, and rho + (1 - rho) beta for `q-P`. So the error of `q-q0` is
relative: rho_hat is exactly 0 before the fine-tuning, and a small rho stays small. A tempered or homogeneous annotator
draws from T instead of P. Then S - P contains T - P, which a model can learn without memorising an answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sim.metrics.erasure import first_model
from sim.metrics.scene import Cell, Evaluation, Metric, World
from sim.metrics.scored import Scored, average
from sim.quantity import Quantity

SAME = 1e-12
"""Probabilities that differ by at most this count as equal: rounding is below it."""


def tuned(evaluation: Evaluation) -> bool:
    """Whether an evaluation is of a model after the pretraining, given the prompt; relearning does not count."""
    return (
        evaluation.world.view == "response"
        and not evaluation.is_truth
        and evaluation.meaning.stage not in ("pretrain", "relearn")
    )


@dataclass(frozen=True, eq=False)
class Line:
    """The line from P to S on the prompts of S.

    gap: S(y|x) - P(y|x), float64[N]; weight: S(x) at each string, float64[N]; size: E_S(x) sum_y (S - P)^2.
    """

    gap: np.ndarray
    weight: np.ndarray
    size: float

    def share(self, moved: np.ndarray) -> float:
        """rho = E<moved, S - P> / E|S - P|^2 for a difference of two laws, float64[N]."""
        return float((self.weight * moved * self.gap).sum()) / self.size


def line(world: World) -> Line | None:
    """The line from P to S; None if S equals P, up to rounding, on the prompts of S: then there is no direction."""
    return world.truth.once("line from P to S", lambda: _line(world))


def _line(world: World) -> Line | None:
    weight = np.exp(world.s.log_weights(world.s_law))
    gap = np.where(weight > 0.0, np.exp(world.s.log_q) - np.exp(world.p.log_q), 0.0)
    return None if np.abs(gap).max() <= SAME else Line(gap, weight, float((weight * gap**2).sum()))


def starts(world: World) -> dict[str, Scored]:
    """P and q0, the laws from which a movement is measured, by the name of the movement."""
    start = first_model(world)
    return {"q-P": world.p} if start is None else {"q-P": world.p, "q-q0": start}


def rho(world: World, q: Scored) -> float | None:
    """rho_hat = E<q - q0, S - P> / E|S - P|^2, exact; None if S equals P or if the run has no fine-tuning."""
    to_data, start = line(world), first_model(world)
    return None if to_data is None or start is None else to_data.share(np.exp(q.log_q) - np.exp(start.log_q))


def residual(to_data: Line, start: Scored, q: Scored, log_law: np.ndarray) -> Quantity | None:
    """The part of E|q - start|^2 that is not along S - P, as a share of E|q - start|^2; None if q has not moved.

    The sums run over all strings. Strings off the support add to both between 0 and the sum of the squared exits of the
    two models, so the result is exact without them.
    """
    moved = np.exp(q.log_q) - np.exp(start.log_q)
    total = float((to_data.weight * moved**2).sum())
    if total == 0.0:
        return None
    aside = float((to_data.weight * (moved - to_data.share(moved) * to_data.gap) ** 2).sum())
    off = average(log_law, q.exit_square + start.exit_square)
    return Quantity(aside / total, (aside + off) / (total + off) if off else aside / total)


def _memorisation(evaluation: Evaluation) -> Iterator[Cell]:
    if tuned(evaluation) and (to_data := line(evaluation.world)) is not None:
        for of, start in starts(evaluation.world).items():
            moved = np.exp(evaluation.q.log_q) - np.exp(start.log_q)
            yield Cell(of, Quantity.of(to_data.share(moved)), evaluation.world.law_names[1])


def _residual(evaluation: Evaluation) -> Iterator[Cell]:
    if tuned(evaluation) and (to_data := line(evaluation.world)) is not None:
        for of, start in starts(evaluation.world).items():
            found = residual(to_data, start, evaluation.q, evaluation.world.s_law)
            if found is not None:
                yield Cell(of, found, evaluation.world.law_names[1])


METRICS = [
    Metric(
        "memorisation", "ρ̂", "1", "how far the model has moved from P (from q₀) towards the data, as a share of S − P",
        _memorisation,
    ),
    Metric(
        "memorisation_residual", "1 − R²", "1", "share of the squared movement that is not along S − P", _residual,
    ),
]  # fmt: skip
