"""C2.4: how soon the lost answers are learnt again, from the fine-tuned model and from scratch."""

import numpy as np
import polars as pl

from experiments.study import Study

THRESHOLDS = (0.3, 0.1, 0.03, 0.01)
"""Values of KL(P_B‖q(·|B)) that have to be reached [nat per answer]."""

STARTS = ("recovery", "scratch")
"""Training on P_B from the fine-tuned model, and from scratch."""


def relearning_paths(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """Return KL(P_B‖q(·|B)) while P_B is learnt, from both starts (column start), prompts x ~ P_B(x) [nat per answer].

    It does not depend on how much of q is in B. So the gate alone, which is closed at first, costs nothing.
    """
    if not runs.height:
        return pl.DataFrame()
    parts = [
        study.pick("kl_lost_given", "P_B||q_B", "P_B(x)", start, "every").select(
            "run", "step", pl.lit(start).alias("start"), kl="lower"
        )
        for start in STARTS
    ]
    found = runs.join(pl.concat(parts), on="run", maintain_order="left")
    return found.sort("run", "start", "step", maintain_order=True)


def relearning(paths: pl.DataFrame) -> pl.DataFrame:
    """Return bounds of the steps until a threshold is reached from both starts, a row for each run and threshold.

    The steps lie between the last evaluation above and the first one at or below; the upper bound is inf if the
    threshold is never reached. area: mean over log(1 + t) of log KL from scratch minus that of the recovery [nat].
    """
    keys = ("run", "seed", "targets", "restriction")
    rows = []
    for values, own in paths.group_by(*keys, maintain_order=True) if paths.height else ():
        curves = {start: own.filter(start=start).sort("step") for start in STARTS}
        steps = {start: one["step"].to_numpy() for start, one in curves.items()}
        kls = {start: one["kl"].to_numpy() for start, one in curves.items()}
        if not all(len(one) > 1 for one in steps.values()):
            continue
        row = dict(zip(keys, values, strict=True))
        row["area"] = mean_log(steps["scratch"], kls["scratch"]) - mean_log(steps["recovery"], kls["recovery"])
        for threshold in THRESHOLDS:
            bounds = {start: reached(steps[start], kls[start], threshold) for start in STARTS}
            ends = {f"{start}_{end}": bounds[start][place] for start in STARTS
                    for place, end in enumerate(("lower", "upper"))}  # fmt: skip
            rows.append({**row, "threshold": threshold, **ends})
    return pl.DataFrame(rows)


def mean_log(steps: np.ndarray, values: np.ndarray) -> float:
    """Mean of log KL over log(1 + t), by trapezia: the area under the curve, over the width of its axis [nat]."""
    axis = np.log1p(steps)
    return float(np.trapezoid(np.log(values), axis) / (axis[-1] - axis[0]))


def reached(steps: np.ndarray, values: np.ndarray, threshold: float) -> tuple[float, float]:
    """Bounds of the step at which a curve first falls to a threshold; the upper bound is inf if it never does."""
    below = np.flatnonzero(values <= threshold)
    if not len(below):
        return float(steps[-1]), float("inf")
    first = int(below[0])
    return float(steps[max(first - 1, 0)]), float(steps[first])
