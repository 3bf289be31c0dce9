"""Read curves from the tables."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

Tables = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Curve:
    """A quantity over the steps of a phase. lower = upper if it is exact."""

    steps: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def phases(tables: Tables, *roles: str) -> list[str]:
    """Return the phases with some roles, see `sim.phases`, in the order of the roles."""
    return [str(one["phase"]) for role in roles for one in tables["phases"].filter(role=role).iter_rows(named=True)]


def tuned(tables: Tables) -> list[str]:
    """Return the fine-tuning, then its controls."""
    return phases(tables, "fine-tuning", "control")


def is_control(tables: Tables, phase: str) -> bool:
    """Return whether a phase is a control."""
    return phase in phases(tables, "control")


def rows(metrics: pl.DataFrame, phase: str, metric: str, of: str = "", law: str = "", at: str = "") -> pl.DataFrame:
    """Return the rows of one quantity given the prompt, by step. `of`, `law` and `at` select rows if they are given."""
    narrowed = {name: value for name, value in (("of", of), ("at", at), ("prompt_law", law)) if value}
    return metrics.filter(phase=phase, view="response", metric=metric, **narrowed).sort("step", maintain_order=True)


def curve(metrics: pl.DataFrame, phase: str, metric: str, of: str = "", law: str = "", at: str = "") -> Curve:
    """Return one quantity over the steps of a phase."""
    found = rows(metrics, phase, metric, of, law, at)
    return Curve(*(found[name].to_numpy() for name in ("step", "lower", "upper")))


def ends(metrics: pl.DataFrame, phase: str, metric: str, of: str = "", law: str = "") -> tuple[float, float]:
    """Return the lower and the upper end of one quantity at the last step of a phase."""
    found = curve(metrics, phase, metric, of, law)
    return float(found.lower[-1]), float(found.upper[-1])


def styles(metrics: pl.DataFrame) -> list[str]:
    """Return the styles in the order of the world; an empty list if it has none."""
    return [str(at) for at in rows(metrics, "truth", "style_mass", "P", "P(x)")["at"]]


def common_law(metrics: pl.DataFrame) -> str:
    """Return the law of prompts under which all can be compared: P(x), or S(x) if S lacks some prompts."""
    return "P(x)" if rows(metrics, "truth", "entropy", "S", "P(x)").height else "S(x)"


def mean_over(frame: pl.DataFrame, key: str, *columns: str) -> pl.DataFrame:
    """Return the means of some columns over seeds for each value of a key, sorted by the key."""
    return frame.group_by(key).agg(pl.col(*columns).mean()).sort(key)


def num_seeds(frame: pl.DataFrame) -> str:
    """Return text such as '5 seeds' for the runs of a table."""
    count = frame["seed"].n_unique()
    return f"{count} seed{'' if count == 1 else 's'}"
