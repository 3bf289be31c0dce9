"""What both figures show: which runs count, and what a language is called."""

import polars as pl

from figures.curves import Tables


def counted(tables: Tables) -> pl.DataFrame:
    """Return the runs that came near enough to P. If none did, return all of them; then the figure is marked."""
    runs = tables["runs"]
    valid = runs.filter("valid")
    return valid if valid.height else runs


def languages(runs: pl.DataFrame) -> list[str]:
    """The languages, by name."""
    return runs["language"].unique().sort().to_list()


def arm(targets: str, rate: float, rates: list[float]) -> str:
    """The name of an arm. A study with one rate has it as the large one."""
    return f"{targets} targets, {'small' if len(rates) > 1 and rate == min(rates) else 'large'} rate"
