"""Runs of claim G as nobody has made them: eight worlds, four levels with two rules each, and a random event."""

from typing import Any

import polars as pl

from experiments.g_levels.tables import CONTROL, EVENT, FIT, SCHEMA, Runs

WORLDS = (0, 1, 2, 4, 5, 6, 8, 9)
LEVELS = (1, 2, 3, 4)


def levelled(
    valid: bool = True,
    drift: float = 0.0,
    followed: float = 0.95,
    slope: float = 0.0,
    worse: float = 0.02,
    noise: float = 0.05,
    event_followed: float = 0.6,
    event_excess: float = 0.2,
    fit: float = 0.02,
) -> Runs:
    """The study. drift: KL(P‖control) − KL(P‖q0) [nat]; followed, slope: of the rules, and of the excess over levels;
    worse: derived − siblings [nat/token]; noise: what sampled targets add to the excess; event_followed, event_excess:
    of the random event."""
    rows: list[dict[str, Any]] = []
    for targets in ("exact", "sampled"):
        for seed in WORLDS:
            wobble = 0.01 * (seed % 3)
            more = noise if targets == "sampled" else 0.0
            common = {"seed": seed, "claim": "", "part": "", "targets": targets, "valid": valid, "reached": 0.001,
                      "control": f"c{seed}{targets}", "drift": drift + wobble, "uses": 1.0, "p": 0.5, "s": 0.1336,
                      "share": 0.15, "gate": 0.38, "expected": 0.385, "fit": fit, "fitted": abs(fit) <= FIT,
                      "outside": 0.01}  # fmt: skip
            for level in LEVELS:
                for number in (0, 1) if targets == "exact" else (0,):
                    excess = slope * level + more + wobble * (-1) ** level
                    rows.append(common | {
                        "kind": "reweighted", "arm": f"level {level}", "level": level, "number": number,
                        "rule": f"{level}.0 → {number}", "followed": followed + wobble, "excess": excess,
                        "forgotten": 0.38 + excess, "derived": 0.01 + worse + wobble, "siblings": 0.01,
                    })  # fmt: skip
            rows.append(common | {
                "kind": "random_prefixes", "arm": EVENT, "rule": EVENT, "followed": event_followed + wobble,
                "excess": event_excess + more, "forgotten": 0.38 + event_excess, "derived": 0.02, "siblings": 0.01,
            })  # fmt: skip
            bare = {name: None for name in SCHEMA if name != "drift"}
            rows.append(common | bare | {"kind": CONTROL, "arm": CONTROL})
    numbered = [{"run": f"{at:012x}", **row} for at, row in enumerate(rows)]
    return Runs(pl.DataFrame(numbered, schema_overrides=SCHEMA, infer_schema_length=None))
