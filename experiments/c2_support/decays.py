"""C2.2: how the lost mass of every long run falls, and what the laws say about it, as one table."""

import numpy as np
import polars as pl

from experiments.study import Study
from sim.theory.decay import adam_ceiling, adam_rate
from sim.theory.memory import WINDOW, corrected_memory_law, has_memory, memory_law, spread

DECADE, HALF = 0.1, 0.5
"""Beginnings of the windows for laws that hold late, as shares of all steps."""

FEWEST = 5
"""Least number of evaluations in the window of Adam's memory."""

KEYS = ("seed", "model", "model_shown", "optimizer", "learning_rate", "b1", "b2", "p_lost", "num_steps")
"""What is known of a long run beside its numbers."""

PREFACTORS = ("prefactor", "change", "limit", "limit_before", "speed")
"""Columns that need the kernel."""


def decays(splits: pl.DataFrame, kernels: pl.DataFrame) -> pl.DataFrame:
    """Return for every long run the laws that it follows, a row for each: `late`, `of_adam` and `prefactors`.

    kernels: what `prefactors` returns.
    """
    long = splits.filter(pl.col("part").str.starts_with("decay")) if splits.height else splits
    if not long.height:
        return pl.DataFrame()
    rows = [
        {"run": run, **{name: own[name][0] for name in KEYS}, **late(own), **of_adam(own)}
        for (run,), own in long.group_by("run", maintain_order=True)
    ]
    found = pl.DataFrame(rows, schema_overrides=dict.fromkeys(("law", "ceiling", "memory", "corrected"), pl.Float64))
    return found.join(kernels, on="run", how="left", maintain_order="left")


def fitted(path: pl.DataFrame, column: str, begin: float, log_steps: bool = True, log: bool = True) -> float:
    """Least-squares slope of a column, or its log, on (log) steps after the share `begin`; nan for under 3 points."""
    end = path.filter(pl.col("step") >= begin * pl.col("step").max())
    x, y = end["step"].to_numpy().astype(float), end[column].to_numpy()
    if len(x) < 3:
        return float("nan")
    return float(np.polyfit(np.log(x) if log_steps else x, np.log(y) if log else y, 1)[0])


def late(own: pl.DataFrame) -> dict[str, float]:
    """Return what a run does late.

    exponent, growth: slopes of log q_t(B) and of KL(P‖q_t) on log t; rate: rate of exponential decay [1/step]; end:
    q_T(B).
    """
    return {
        "end": float(own.sort("step")["lost"][-1]),
        "exponent": fitted(own, "lost", DECADE),
        "growth": fitted(own, "kl", DECADE, log=False),
        "rate": -fitted(own, "lost", HALF, log_steps=False),
    }


def of_adam(own: pl.DataFrame) -> dict[str, float | bool | None]:
    """Return the laws of Adam and how far a run is from them; None for another optimiser.

    law: the constant rate of tables; ceiling: ρ = ½ |log β₂|; has_memory: whether the conditions of the law of Adam's
    memory hold; memory, corrected: spread of log q_t(B) about this law, and about the one with the bias correction, for
    0.5 <= ρ t <= 5 [nat]; None if the run ends before, or has fewer than 5 evaluations there.
    """
    if own["optimizer"][0] != "adam":
        return {"law": None, "ceiling": None, "has_memory": False, "memory": None, "corrected": None}
    rate, b1, b2 = (float(own[name][0]) for name in ("learning_rate", "b1", "b2"))
    rho = adam_ceiling(b2)
    found = {
        "law": adam_rate(rate, b1, b2, 2.0), "ceiling": rho,
        "has_memory": has_memory(rate, b1, b2, round(1.0 - float(own["p_lost"][0]), 9)),  # P(B) is a sum of floats
        "memory": None, "corrected": None,
    }  # fmt: skip
    path = own.filter((pl.col("step") * rho).is_between(*WINDOW)).sort("step")
    if path.height >= FEWEST and float(own["step"].to_numpy().max()) * rho >= WINDOW[1]:
        log_mass, steps = np.log(path["lost"].to_numpy()), path["step"].to_numpy()
        found |= {"memory": spread(log_mass, memory_law(b2, steps)),
                  "corrected": spread(log_mass, corrected_memory_law(b2, steps))}  # fmt: skip
    return found


def prefactors(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """Return lr t m_t of runs of SGD at a constant rate, and what the kernel says about it, for the prompts of S.

    prefactor: lr T m_T; change: by which share lr t m_t changed from T/2 to T; limit, limit_before: 1/κ by the kernel
    at the last q and at q0; speed: d(1/m)/d(lr t) between the last two evaluations, over the mean of what the kernel
    says at both. Runs without a recorded kernel are left out.
    """
    numbers = {name: study.pick(name, "q", "S(x)", "sft", "every").sort("step") for name in
               ("lost_mass", "kernel_limit", "kernel_speed")}  # fmt: skip
    rows = []
    for tags in runs.iter_rows(named=True):
        mass, limit, speed = (one.filter(run=tags["run"])["lower"].to_numpy() for one in numbers.values())
        steps = numbers["lost_mass"].filter(run=tags["run"])["step"].to_numpy()
        if len(limit) == len(steps) == len(speed) >= 3:
            rows.append({"run": tags["run"], **prefactor(tags["learning_rate"] * steps, mass, limit, speed)})
    return pl.DataFrame(rows, schema={"run": pl.String, **dict.fromkeys(PREFACTORS, pl.Float64)})


def prefactor(time: np.ndarray, mass: np.ndarray, limit: np.ndarray, speed: np.ndarray) -> dict[str, float]:
    """Return the columns of one run from its path: lr t, which begins with 0, m_t, 1/κ and the speed by the kernel."""
    product = time * mass
    halfway = float(np.exp(np.interp(np.log(time[-1] / 2), np.log(time[1:]), np.log(product[1:]))))
    measured = (1 / mass[-1] - 1 / mass[-2]) / (time[-1] - time[-2])
    return {
        "prefactor": float(product[-1]),
        "change": abs(float(product[-1]) / halfway - 1.0),
        "limit": float(limit[-1]),
        "limit_before": float(limit[0]),
        "speed": float(measured / (0.5 * (speed[-1] + speed[-2]))),
    }
