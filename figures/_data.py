"""Reading curves out of the tables."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

Tables = Mapping[str, pl.DataFrame]

NOT_TUNED = ("truth", "pretrain", "linearised", "recovery", "scratch")
"""Phases that are neither the fine-tuning nor a control on P."""


@dataclass(frozen=True)
class Curve:
    """A quantity over fine-tuning steps; lower = upper where it is exact."""

    steps: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def phases(metrics: pl.DataFrame) -> list[str]:
    """The fine-tuning, then its controls."""
    return [str(phase) for phase in metrics["phase"].unique(maintain_order=True) if phase not in NOT_TUNED]


def rows(metrics: pl.DataFrame, phase: str, metric: str, of: str = "", law: str = "") -> pl.DataFrame:
    """Rows of one quantity given the prompt, over steps; `of` and `law` narrow it down where they are named."""
    of, _, at = of.partition(" ")
    narrowed = {name: value for name, value in (("of", of), ("at", at), ("prompt_law", law)) if value}
    return metrics.filter(phase=phase, view="response", metric=metric, **narrowed).sort("step", maintain_order=True)


def curve(metrics: pl.DataFrame, phase: str, metric: str, of: str = "", law: str = "") -> Curve:
    """One quantity over the steps of a phase."""
    found = rows(metrics, phase, metric, of, law)
    return Curve(*(found[name].to_numpy() for name in ("step", "lower", "upper")))


def ends(metrics: pl.DataFrame, phase: str, metric: str, of: str = "", law: str = "") -> tuple[float, float]:
    """Lower and upper end of one quantity at the last step of a phase."""
    found = curve(metrics, phase, metric, of, law)
    return float(found.lower[-1]), float(found.upper[-1])


def styles(metrics: pl.DataFrame) -> list[str]:
    """The styles in the order of the world; empty where it has none."""
    return [str(at) for at in rows(metrics, "truth", "style_mass", "P", "P(x)")["at"]]


def common_law(metrics: pl.DataFrame) -> str:
    """The prompt law under which P, S and the models can all be compared: P(x), or S(x) where S lacks some prompts."""
    return "P(x)" if rows(metrics, "truth", "entropy", "S", "P(x)").height else "S(x)"
