"""Tables of C4 whose truth is known: a world in which every prediction holds, and one number for each way out of it."""

import math
from typing import Any

import numpy as np
import polars as pl

from experiments.c4_cloning import CLAIM
from experiments.c4_cloning.sharing import ENDS
from experiments.predictions import Tables
from sim.theory.horizon import steps_off_at_rate

NAMES = ("weights", "horizons", "hazards", "drift", "returns", "forgetting", "optima", "stages", "sharing", "by_step",
         "outside", "labels", "shares")  # fmt: skip

FORGOT = {"oracle": 2e-4, "sampled": 0.02, "rejection": 2e-4, "klpg": 3e-4, "pg": 4.0, "tilted": 0.3}
"""KL(P_A‖q_A) of every arm when q(A) = 0.999 [nat]."""


def frames(**given: pl.DataFrame) -> Tables:
    """The tables that a prediction reads; those that are not given are empty."""
    return {"runs": pl.DataFrame({"valid": [True]}), **{name: pl.DataFrame() for name in NAMES}, **given}


def verdicts(identifier: str, tables: Tables) -> dict[str, str]:
    return {one.case: one.verdict for one in CLAIM.prediction(identifier).judge(tables)}


def dice(seed: int) -> Any:
    return np.random.default_rng(seed)


def weights(w: float = 0.98, rest: float = 0.02, control: float = 0.26, worlds: int = 5) -> pl.DataFrame:
    rows = []
    for seed in range(worlds):
        for shown in (0.0, 1.0):
            for targets in ("exact", "sampled"):
                for phase, end in (("sft", w), ("identity", control)):
                    for step, value in ((0, 0.25), (1000, end + 0.002 * float(dice(seed).standard_normal()))):
                        rows.append(
                            {"run": f"{seed}{shown}{targets}", "seed": seed, "valid": True, "shown": shown,
                             "targets": targets, "phase": phase, "step": step, "style": "z0", "prior": 0.26,
                             "w_lower": value, "w_upper": value, "rest_lower": rest, "rest_upper": rest}
                        )  # fmt: skip
    return pl.DataFrame(rows)


def horizons(power: float = 0.0, back: float = 0.2, worlds: int = 5) -> pl.DataFrame:
    """J of walkers with a constant hazard, times T^power; the recursion knows nothing of this power."""
    rows = []
    for seed in range(worlds):
        for part, swing, recovery in (
            ("horizon_table", 0.0, 0.0), ("horizon_net", 0.0, 0.0), ("horizon_net", 0.5, 0.0),
            ("horizon_returns", 0.0, back),
        ):  # fmt: skip
            for horizon in (8, 16, 32, 64):
                hazard = 0.005 * (1 + 0.01 * seed)
                plugged = steps_off_at_rate(hazard, recovery, horizon)
                rows.append(
                    {"run": f"{part}{swing}{horizon}{seed}", "seed": seed, "valid": True, "part": part, "swing": swing,
                     "horizon": horizon, "returns": part == "horizon_returns", "j_lower": plugged * horizon**power,
                     "j_upper": plugged * horizon**power, "plugged": plugged, "j_p": plugged, "hazard": hazard,
                     "fit": 0.01}
                )  # fmt: skip
    return pl.DataFrame(rows)


def drift(
    shift: float = -0.001, start: float = 0.075, narrow: float = 1.0, control: float = 0.05, worlds: int = 12
) -> pl.DataFrame:
    """Runs whose relative shift and whose hazard as a function of H(S) are given; hazard_p is 0.05."""
    rows = []
    for seed in range(worlds):
        for part, h_s in (("drift", 2.0), ("drift_tilted", 1.7), ("drift_tilted", 2.1)):
            for targets in ("exact", "sampled"):
                for phase in ("sft", "identity") if part == "drift" else ("sft",):
                    for step, fit, level in ((0, 0.9, 5e-2), (10, 0.2, 1e-2), (20, 0.05, 3e-3), (1000, 1e-3, 4e-5)):
                        noise = 1 + 0.02 * float(dice(seed + step).standard_normal())
                        hazard = control if phase == "identity" else level * noise * math.exp(narrow * (h_s - 2.0))
                        relative = (start if step == 0 else shift) * noise
                        rows.append(
                            {"run": f"{part}{h_s}{targets}{seed}", "seed": seed, "valid": True, "part": part,
                             "targets": targets, "phase": phase, "step": step, "fit": fit, "true": hazard,
                             "own": hazard * (1 + relative), "shift": hazard * relative, "h_s": h_s,
                             "hazard_p": control if phase == "sft" else 0.05, "tv": 0.1, "tv_steps": 0.2}
                        )  # fmt: skip
    return pl.DataFrame(rows)


def returns(clean: float = 3e-4, noisy: float = 1e-4, recovery: float = 0.1, worlds: int = 12) -> pl.DataFrame:
    rows = []
    for seed in range(worlds):
        for part, off in (("returns_clean", clean), ("returns_noisy", noisy)):
            for targets in ("exact", "sampled"):
                for phase in ("sft", "identity"):
                    noise = math.exp(0.1 * float(dice(seed).standard_normal()))
                    rows.append(
                        {"run": f"{part}{targets}{seed}", "seed": seed, "valid": True, "part": part, "targets": targets,
                         "phase": phase, "off": off * noise, "fit": 1e-3,
                         "recovery": 0.2 if phase == "identity" else recovery * noise}
                    )  # fmt: skip
    return pl.DataFrame(rows)


def forgetting(early: float = 0.2, gap: float = 1e-3, worlds: int = 5, **forgot: float) -> pl.DataFrame:
    """Paths of all arms of both models. Until q(A) = 0.95 every arm has `early` more than in the end."""
    levels, rows = {**FORGOT, **forgot}, []
    for model in ("table", "net"):
        for seed in range(worlds):
            for arm, end in levels.items():
                for step, gate in ((0, 0.25), (10, 0.95), (100, 0.995), (1000, 0.9995)):
                    value = end * (1 + 0.01 * seed)
                    paid = 0.3 * (1 + 0.01 * seed) if arm == "tilted" else 0.0
                    for phase in ("sft", "identity"):
                        control = forgot.get("control", 0.0) if step else 0.0
                        rows.append(
                            {"run": f"{model}{arm}{seed}", "seed": seed, "valid": True, "part": f"forget_{model}_{arm}",
                             "restriction": "tilted" if arm == "tilted" else "z0", "paid": paid, "narrowed": paid,
                             "targets": "sampled" if arm == "sampled" else "exact", "phase": phase, "step": step,
                             "gate": gate, "forgot": value + (early if gate < 0.99 else 0.0), "gap": gap, "fit": 0.01,
                             "e": 0.0, "kl": 0.01 + control}
                        )  # fmt: skip
    return pl.DataFrame([row for row in rows if not row["part"].endswith("control")])


def optima(gap: float = 1e-3) -> pl.DataFrame:
    return pl.DataFrame([{"run": f"{seed}", "seed": seed, "valid": True, "gap": gap} for seed in range(5)])


def stages(hard: float = 20.0) -> pl.DataFrame:
    added = {"sft": 4.0, "klpg": 4.0, "dpo": 4.0, "hard": hard}
    rows = [
        {"run": f"{arm}{seed}", "seed": seed, "valid": True, "part": f"stages_{arm}", "phase": phase,
         "kl": value + 0.1 * seed, "gate": value, "kept": 0.0, "erasure": 0.0, "entropy": 0.7, "entropy_upper": 0.71}
        for arm, value in added.items() for seed in range(5) for phase in ("sft", "stage_2", "stage_2_identity")
    ]  # fmt: skip
    return pl.DataFrame(rows)


SHARED = {
    "sharing_style_trie": (1.0, 0.0), "sharing_style_ngram3": (1.0,), "sharing_style_ngram2": (1.0,),
    "sharing_walk_trie": (None,), "sharing_walk_ngram2": (None,), "sharing_walk_ngram1": (None,),
}  # fmt: skip
"""The parts with tables, and how styles are shown in their worlds."""


def sharing(touched: float = 0.0, said: float = 0.3, carried: float = 0.7, back: float = 0.2) -> pl.DataFrame:
    """Tables that change by `touched` where they share nothing, and by the other numbers where they do."""
    rows = []
    for part, worlds in SHARED.items():
        for seed in range(5):
            for shown in worlds:
                one = 1 + 0.01 * float(dice(seed).standard_normal())
                rest = said if part.endswith("ngram3") else touched
                weight = carried if part.endswith("style_ngram2") else touched
                more = back if part.endswith("ngram1") else touched
                styled = "style" in part
                rows.append(
                    {"run": f"{part}{shown}{seed}", "seed": seed, "valid": True, "part": part, "shown": shown,
                     "targets": "exact", "fit": 1e-4}
                    | {f"rest{end}": 0.1 + (rest * one if not end else 0.0) if styled else None for end in ENDS}
                    | {f"weight{end}": 0.25 + (weight * one if not end else 0.0) if styled else None for end in ENDS}
                    | {f"back{end}": None if styled else 0.2 + (more * one if not end else 0.0) for end in ENDS}
                )  # fmt: skip
    return pl.DataFrame(rows, infer_schema_length=None)


def everything() -> Tables:
    return frames(
        weights=weights(), horizons=horizons(), drift=drift(), returns=returns(), forgetting=forgetting(),
        optima=optima(), stages=stages(), sharing=sharing(),
    )  # fmt: skip
