"""Tables of C3 with known ends: every run goes along the dial, and a test changes what it is about."""

import itertools
from typing import Any

import numpy as np
import polars as pl

from experiments.predictions import Tables

H = 3.0
"""H(P) on all prompts [nat]."""

STEPS = (0, 1, 3, 10, 30, 100, 300, 1000)
RHO = {1: 0.99, 2: 0.98, 4: 0.96, 16: 0.9, 32: 0.9}
LOSS = {1: 1.9, 2: 1.3, 4: 0.9, 16: 0.3, 32: 0.35}
"""ρ̂ in the end, and b [nat], by the number of answers."""

FRESH = range(12, 24)
"""Seeds of the worlds in which C3.8 is judged."""


def run(part: str, seed: int, **given: Any) -> dict[str, Any]:
    """A row of `runs`; entropies of the model are H(P) where nothing else is given."""
    m = given.get("m")
    dice = np.random.default_rng([seed, len(part), m or 0])
    row = {
        "run": f"{part}-{seed}-{'-'.join(map(str, given.values()))}", "seed": seed, "valid": True, "claim": None,
        "part": part, "model": "transformer", "objective": "sft", "width": 64, "m": m, "n": 16,
        "annotator": "sampled", "temperature": None, "rate": 2e-3, "targets": "sampled", "batch": 64,
        "num_steps": 1000, "h_p_trained": H, "h_s_trained": H, "h_p_held": H, "fit": 0.005, "rho": RHO.get(m or 0),
        "slope": 0.001, "slope_p_trained": 0.0, "slope_p_held": 0.0, "missing": 0.5, "good_turing": 0.55,
        "tau_trained": 1.0, "tau_held": 1.0, "loss": LOSS.get(m or 0), "empty_topics": 0, "parameters": 10**5,
        "bits": (m or 1) / 1e3, "h_q_trained": H, "h_q_held": H, "residual": 0.02,
        "excess": 0.0 if m is None else RHO[m] ** 2 / m,
    } | given  # fmt: skip
    for name in ("h_q_trained", "h_q_held", "residual", "excess"):
        value, noise = row.pop(name), 0.002 * dice.standard_normal()
        row |= {f"{name}_lower": value + noise, f"{name}_upper": value + noise + 0.001}
    for prompts in ("trained", "held"):
        row |= {f"h_q0_{prompts}_lower": H, f"h_q0_{prompts}_upper": H + 0.001}
    return row


def runs() -> pl.DataFrame:
    """One run of every part in five worlds, as the predictions have it."""
    rows = []
    for seed, width in itertools.product(range(5), (32, 64)):
        for m in (1, 2, 4, 16):
            ends = {"h_q_trained": H * (1 - RHO[m] / m), "h_q_held": H - 0.8 * LOSS[m]}
            rows.append(run("cells" if width == 64 else "cells_narrow", seed, width=width, m=m, **ends))
        for targets in ("exact", "sampled"):
            part = "infinite_exact" if targets == "exact" else "infinite" if width == 64 else "infinite_narrow"
            rows.append(run(part, seed, width=width, targets=targets))
    for seed in range(5):
        rows.append(run("identity", seed, targets="exact"))
        rows.append(run("annotators", seed, m=1, annotator="homogeneous", h_q_held=0.1))
        for tau, change in ((0.5, -0.9), (0.7, -0.35), (1.4, 0.2)):
            given = {"h_s_trained": H + change, "h_q_held": H + 0.8 * change, "tau_held": tau**0.8, "tau_trained": tau}
            rows.append(run("annotators_tempered", seed, annotator="tempered", temperature=tau, **given))
        rows.append(run("fewer", seed, m=32, n=8, h_q_held=H - 0.5))
        rows.append(run("fewer_few", seed, m=4, n=8, h_q_held=H - 1.2))
        rows.append(run("rivals_exact", seed, m=1, targets="exact", h_q_held=H - 1.0))
    for seed in FRESH:
        rows.append(run("copies_first", seed, h_q_held=0.2))
        rows.append(run("copies_again", seed, h_q_held=0.2))
        rows.append(run("copies_few", seed, m=4, n=12, h_q_held=H - 1.2))
        rows.append(run("copies_many", seed, m=2, n=24, h_q_held=H - 2.1))
    return pl.DataFrame(rows, infer_schema_length=None)


def donors() -> pl.DataFrame:
    """Held-out prompts that copy the same trained prompts, whatever these say."""
    rows = [
        {
            "seed": seed,
            "donors": 0.7 + 0.01 * dice,
            "answers": 0.02 * dice,
            "differ": 0.6 + 0.01 * dice,
            "differ_p": 0.1,
            "loss": LOSS[1],
        }
        for seed in FRESH
        for dice in [float(np.random.default_rng(seed).standard_normal())]
    ]
    return pl.DataFrame(rows)


def drawn(found: pl.DataFrame) -> pl.DataFrame:
    """E H of m answers."""
    own = found.filter(pl.col("part").is_in(["copies_few", "copies_many"])).select("run", "m")
    return own.select("run", told=pl.col("m").replace_strict({4: 1.3, 2: 0.7}, return_dtype=pl.Float64))


def paths(found: pl.DataFrame) -> pl.DataFrame:
    """ρ̂ rises as 1 − e^(−t/τ), faster where the model is wide and the prompts are few."""
    rows = []
    columns = ("run", "seed", "valid", "part", "m", "n", "width", "rate", "batch", "num_steps", "missing")
    finite = pl.col("m").is_not_null() | (pl.col("part") == "copies_first")
    for row in found.filter(finite).select(columns).with_columns(pl.col("m").fill_null(1)).iter_rows(named=True):
        slow = 30.0 * row["m"] ** 0.5 * (row["n"] / 16) ** 2 * (64 / row["width"]) ** 0.5
        for step in STEPS:
            rho = 1 - float(np.exp(-step / slow))
            more = {"step": step, "rho": rho, "residual": 0.05, "unseen": (1 - rho) * row["missing"], "fit": 1 - rho}
            epochs = step * row["batch"] / (row["m"] * row["n"])
            held = H - (2.8 if row["part"].startswith("copies") else 1.0) * rho
            rows.append(row | more | {"h_held": held, "h_trained": H - rho, "epochs": epochs})
    return pl.DataFrame(rows).drop("missing")


def modes() -> pl.DataFrame:
    """The fits of tables: forward KL leaks most in the small one, and nothing leaks in the large one."""
    rows = []
    for seed in range(5):
        for model, leaks in (("tabular_ngram", (0.75, 0.65, 0.5)), ("tabular_trie", (5e-4, 7e-4, 8e-4))):
            for objective, leak in zip(("sft", "mixed_kl", "reverse_kl"), leaks, strict=True):
                own = {"run": f"{model}{objective}{seed}", "seed": seed, "valid": True, "part": "modes", "model": model}
                best = 0.75 + 0.01 * seed if model == "tabular_ngram" else None
                value = leak + (0.01 * seed if model == "tabular_ngram" else 1e-6 * seed)
                rows.append(
                    own
                    | {
                        "objective": objective,
                        "leak": value,
                        "predicted": best,
                        "h_q": 0.6 + leak + 0.01 * seed,
                        "h_s": 0.6,
                    }
                )
    return pl.DataFrame(rows)


def datasets() -> pl.DataFrame:
    """Data sets whose diversity is as expected."""
    rows = [
        {"seed": seed, "m": m, "collision": c * (1 + 0.001 * seed), "expected_collision": c,
         "entropy": h * (1 + 0.001 * seed), "expected_entropy": h}
        for seed in range(5)
        for m, c, h in ((1, 1.0, 0.0), (4, 0.3, 1.27))
    ]  # fmt: skip
    return pl.DataFrame(rows)


def tables(found: pl.DataFrame | None = None, **others: pl.DataFrame) -> Tables:
    """All tables, with the paths of these runs."""
    one = runs() if found is None else found
    return {
        "runs": one,
        "paths": paths(one),
        "modes": modes(),
        "datasets": datasets(),
        "answers": pl.DataFrame(),
        "donors": donors(),
        "drawn": drawn(one),
    } | others
