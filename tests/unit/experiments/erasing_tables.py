"""Tables of arms, edits and racers whose truth is known, for tests of claims and of figures."""

import math
from collections.abc import Callable

import numpy as np
import polars as pl

from experiments.c2_support.arms import ARMS, BASE, EDITS, EXACT
from experiments.c2_support.crossed import ENTRANTS, TARGETS

WORLDS = range(12)

X = {part: 0.05 * 1.4**place for place, part in enumerate(sorted(ARMS))} | {BASE: 30.0}
"""The excursion of every arm, apart from what is random in a world [nat]; that of the base arm is the largest."""


def arms(
    erased: Callable[[dict[str, float]], float] = lambda numbers: 0.3 * math.log(numbers["x"] / 0.04),
    noise: float = 0.1,
    worlds: range = WORLDS,
    **changed: dict[str, float],
) -> pl.DataFrame:
    """The ends of all arms, where E is a function of an arm's numbers plus noise; the rivals of X are random.

    changed: numbers of an arm by its part, in the place of the others.
    """
    dice, rows = np.random.default_rng(1), []
    for seed in worlds:
        for part, arm in ARMS.items():
            x = X[part] * math.exp(0.05 * dice.standard_normal())
            rivals = {name: float(dice.uniform(1, 3)) for name in ("distance", "rate_sharpness", "gate", "lost")}
            some = {"noise": float(dice.uniform(0, 1)), "rate_time": float(dice.choice([0.5, 1.0, 2.0])),
                    "rate_root": float(dice.choice([0.007, 0.03, 0.06]))}  # fmt: skip
            sgd = part.endswith("sgd")
            numbers = {"x": x, **rivals, **some}
            e = erased(numbers) + noise * dice.standard_normal()
            row = {"run": f"{part}{seed}", "seed": seed, "part": part, "arm": arm.name, "role": arm.role, "e": e,
                   **numbers, **changed.get(part, {}), "missing": False, "fits": True}  # fmt: skip
            rows.append(row | dict.fromkeys(some, None) if sgd else row)
    return pl.DataFrame(rows, schema_overrides=dict.fromkeys(("noise", "rate_time", "rate_root"), pl.Float64))


def paths(ends: pl.DataFrame) -> pl.DataFrame:
    """Straight paths from q0 to the ends of arms."""
    steps = pl.DataFrame({"step": [0, 10, 100], "share": [0.0, 0.5, 1.0]})
    return ends.join(steps, how="cross").with_columns(pl.col("e", "gate", "distance") * pl.col("share"))


def edits(
    full: float = 0.6, rank_one: float = 0.05, lost: float = 2e-3, control: float = 0.0, worlds: range = WORLDS
) -> pl.DataFrame:
    """The edits of the base arm and the control of the exact arm; E rises with the rank from `rank_one` to `full`."""
    dice, rows = np.random.default_rng(2), []
    for seed in worlds:
        for phase, edit in EDITS.items():
            share = min(edit.number, 32.0) / 32.0 if edit.kind == "truncated" else 1.0
            e = rank_one + (full - rank_one) * share if not edit.of_control else control
            e = {"interpolated": 0.1, "random step": 0.02 * edit.number**2}.get(edit.kind, e)
            mass = {"random directions": 0.7, "interpolated": 2e-2}.get(edit.kind, 0.75 if edit.of_control else lost)
            for part in (BASE, EXACT) if phase in ("sft", "identity") else (BASE,):
                rows.append(
                    {"run": f"{part}{seed}", "seed": seed, "part": part, "phase": phase, "kind": edit.kind,
                     "number": float(edit.number), "of_control": edit.of_control, "fit": 0.02,
                     "e": e + 0.01 * dice.standard_normal(), "lost": mass * math.exp(0.2 * dice.standard_normal())}
                )  # fmt: skip
    return pl.DataFrame(rows)


def racers(wrong: str = "", worlds: range = range(5), with_excursion: int = 30) -> pl.DataFrame:
    """Runs in which every target is a function of its first favourite; that of `wrong` is one of the Fisher form."""
    dice, rows = np.random.default_rng(0), []
    for seed in worlds:
        for number in range(30):
            row: dict[str, float | None] = {name: float(dice.uniform(0, 2)) for name in ENTRANTS}
            for name, target in TARGETS.items():
                cause = row["Fisher" if name == wrong else target.favourites[0]]
                assert cause is not None
                row[name] = 0.3 * cause + cause**2 + 0.02 * dice.standard_normal()
            if number >= with_excursion:
                row["excursion"] = None
            rows.append({"run": f"r{seed}{number}", "seed": seed, **row})
    return pl.DataFrame(rows)


def tables(**frames: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Tables of the claim, in which every run is valid; those that are not given are empty."""
    runs = sorted({run for frame in frames.values() if frame.height for run in frame["run"]})
    names = ("arms", "arm_paths", "edits", "crossed_runs", "steps")
    found = {name: frames.get(name, pl.DataFrame()) for name in names}
    return {"runs": pl.DataFrame({"run": runs, "valid": [True] * len(runs)}), **found}
