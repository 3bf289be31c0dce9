"""Read curves from the tables."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from figures.language import say
from sim.numerics import SpecificationError, nearest

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


def drawable(tables: Tables) -> bool:
    """Return whether a run has numbers to draw: not of a model that was handed in alone, or of which bounds are known.

    A figure that has neither table shows what is known without a run of its own.
    """
    if "run" not in tables or "tokenizer" not in tables["run"].columns:
        return True
    return tables["run"]["tokenizer"][0] == "own" and ("phases" not in tables or bool(phases(tables, "fine-tuning")))


def is_control(tables: Tables, phase: str) -> bool:
    """Return whether a phase is a control."""
    return phase in phases(tables, "control")


def rows(metrics: pl.DataFrame, phase: str, metric: str, of: str = "", law: str = "", at: str = "") -> pl.DataFrame:
    """Return the rows of one quantity given the prompt, by step. `of`, `law` and `at` select rows if they are given."""
    narrowed = {name: value for name, value in (("of", of), ("at", at), ("prompt_law", law)) if value}
    return metrics.filter(phase=phase, view="response", metric=metric, **narrowed).sort("step", maintain_order=True)


def curve(metrics: pl.DataFrame, phase: str, metric: str, of: str = "", law: str = "", at: str = "") -> Curve:
    """Return one quantity over the steps of a phase. Raises SpecificationError if the table has no such numbers."""
    found = rows(metrics, phase, metric, of, law, at)
    if found.is_empty():
        raise SpecificationError(_missing(metrics, metric=metric, phase=phase, of=of, prompt_law=law, at=at))
    return Curve(*(found[name].to_numpy() for name in ("step", "lower", "upper")))


def _missing(metrics: pl.DataFrame, **asked: str) -> str:
    """Return a line on the first column of the table `metrics` that does not hold what was asked for."""
    left, given = metrics.filter(view="response"), list[str]()
    for column, value in asked.items():
        there = [str(one) for one in left[column].unique().sort()]
        where = f" for {', '.join(given)}" if given else ""
        if value and value not in there:
            wanted = "a metric of the table" if column == "metric" else f"one of {', '.join(map(repr, there[:9]))}"
            return f"{column}: {wanted} is required{where}, found {value!r}{nearest(value, there)}"
        if value:
            left, given = left.filter(pl.col(column) == value), [*given, f"{column}={value!r}"]
    return f"numbers are required for {', '.join(given)}, found none"


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
    return say("{count} seed", count=count) if count == 1 else say("{count} seeds", count=count)
