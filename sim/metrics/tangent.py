"""Predictions for a fine-tuning from the tangent space at q0: the Fisher form of KL, and the kernel's Δ log q."""

import math
from collections.abc import Callable, Iterator

import numpy as np

from sim.metrics.scene import Cell, Evaluation, Metric, World
from sim.metrics.scored import Scored, average
from sim.quantity import Quantity


def fisher_form(q0: Scored, displacement: np.ndarray, log_law: np.ndarray) -> float:
    """½ Δᵀ F Δ [nat], which equals KL(q0‖q) to second order in a step Δ of the parameters. F is exact, by enumeration.

    displacement: float64[N], d(y) = ∇ log q0(y|x) · Δ; log_law: float64[G]. F is the Fisher matrix of q0 with
    everything off the support as one atom ⊥ per prompt. d(⊥) follows from E_q0[d] = 0. The form is
    ½ E_x [sum_y q0 d² + q0(⊥) d(⊥)²]; strings with q0 = 0 do not count. An error e of sum_y q0 d, such as the rounding
    of a float32 displacement, adds e² / (2 q0(⊥)): it matters if the mass off the support is tiny but not 0.
    Raises ValueError unless there is one displacement per string.
    Source: S. Amari, 1998, "Natural gradient works efficiently in learning".
    """
    if displacement.shape != q0.log_q.shape:
        raise ValueError(f"displacement: shape {q0.log_q.shape} is required, found {displacement.shape}")
    q = np.exp(q0.log_q)
    d = np.where(q > 0.0, displacement, 0.0)
    moved = np.bincount(q0.group, q * d, q0.num_groups)
    squares = np.bincount(q0.group, q * d**2, q0.num_groups)
    rest = np.where(q0.off > 0.0, moved**2 / np.where(q0.off > 0.0, q0.off, 1.0), 0.0)
    return 0.5 * average(log_law, squares + rest)


def explained(truth: np.ndarray, prediction: np.ndarray) -> float:
    """R² of a prediction: 1 - sum (truth - prediction)² / sum (truth - mean)². It is at most 1.

    It is below 0 if the mean predicts better, and nan if the truth does not vary.
    """
    spread = float(np.sum((truth - truth.mean()) ** 2))
    return 1.0 - float(np.sum((truth - prediction) ** 2)) / spread if spread > 0.0 else float("nan")


def unseen(world: World) -> np.ndarray:
    """The strings of P that are not in S: bool[N]."""
    return np.asarray((world.p.log_q > -np.inf) & (world.s.log_q == -np.inf))


def _recorded(evaluation: Evaluation) -> dict[str, np.ndarray] | None:
    """The recorded derivatives at an evaluation after step 0; None if there are none."""
    arrays = evaluation.arrays
    return arrays if "tangent_displacement" in arrays and evaluation.step > 0 else None


def of_this_view(world: World) -> bool:
    """Whether the recorded derivatives, those of the log-probabilities in the loss, are of those that the view has."""
    view = "response" if world.record.config["finetune"]["loss_on"] == "response" else "joint"
    return world.view == view or not world.record.p.prompts.length.any()


def _fisher(evaluation: Evaluation) -> Iterator[Cell]:
    world, arrays = evaluation.world, _recorded(evaluation)
    if arrays is not None and of_this_view(world):
        start = world.start(evaluation.phase)
        form = fisher_form(start, arrays["tangent_displacement"], world.s_law)
        yield Cell("q0,q", Quantity.of(form), world.law_names[1])


def _distance(evaluation: Evaluation) -> Iterator[Cell]:
    """Two probes record it, `tangent` and `sharpness`."""
    if "weight_distance" in evaluation.arrays and evaluation.step > 0:
        yield Cell("q0,q", Quantity.of(float(evaluation.arrays["weight_distance"][0])))


def _changes(evaluation: Evaluation, q: Scored) -> np.ndarray | None:
    """The change of log q of unseen strings [nat]; None where there are none, or where it is not finite for one."""
    world = evaluation.world
    hidden, start = unseen(world), world.start(evaluation.phase).log_q
    known = np.isfinite(q.log_q) & np.isfinite(start)
    return (q.log_q[hidden] - start[hidden]) if hidden.any() and known[hidden].all() else None


def _first_order(evaluation: Evaluation) -> Iterator[Cell]:
    """R² of lr t (K S)(y), the first order of gradient descent in time, for the change of log q of unseen strings."""
    world, arrays = evaluation.world, _recorded(evaluation)
    if arrays is None or not of_this_view(world) or (moved := _changes(evaluation, evaluation.q)) is None:
        return
    rate = world.record.config["optimizer"]["learning_rate"]
    r2 = explained(moved, rate * float(evaluation.step) * arrays["tangent_velocity"][unseen(world)])
    if np.isfinite(r2):
        yield Cell("q", Quantity.of(r2))


def _by_kernel(value: Callable[[np.ndarray, np.ndarray], float]) -> Callable[[Evaluation], Iterator[Cell]]:
    """Compare the change of log q of unseen strings with its change under the linearised model at the same step."""

    def measure(evaluation: Evaluation) -> Iterator[Cell]:
        phases, world = evaluation.world.record.phases, evaluation.world
        linearised = [name for name in phases if world.record.meanings[name].role == "linearisation"]
        if evaluation.is_truth or evaluation.meaning.role != "fine-tuning" or not linearised or not evaluation.step:
            return
        moved, line = (_changes(evaluation, q) for q in (evaluation.q, world.scored(linearised[0], evaluation.index)))
        if moved is not None and line is not None and np.isfinite(found := value(moved, line)):
            yield Cell("q", Quantity.of(found))

    return measure


METRICS = [
    Metric("fisher", "½ Δᵀ F Δ", "nat", "KL(q₀‖q) to second order in the parameters", _fisher),
    Metric("weight_distance", "‖θ − θ₀‖", "1", "distance of the parameters from those of q₀", _distance),
    Metric("kernel_r2", "R²", "1", "R² of the kernel at q₀, unseen strings", _by_kernel(explained)),
    Metric("first_order_r2", "R²", "1", "R² of the first order in time of SGD, unseen strings", _first_order),
    Metric(
        "kernel_share", "share", "1", "mean change by the kernel over the mean true change, unseen strings",
        _by_kernel(lambda moved, line: float(line.mean() / moved.mean()) if moved.mean() else math.nan),
    ),
    Metric(
        "moved_unseen", "Δ log q", "nat", "mean change of log q of unseen strings",
        _by_kernel(lambda moved, _: float(moved.mean())),
    ),
]  # fmt: skip
