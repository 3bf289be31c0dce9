"""C2.8, C2.9: the arms that all reach S on different paths, and the edits of their weights, as tables."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from experiments.predictions import Need, Tables
from experiments.study import Study

FIT = 0.03
"""E and X are read if KL(S‖q) exceeds KL(S‖q*) by at most this in the end [nat per answer]."""

PART = "erasing"
"""Beginning of the names of the parts of the study that are arms."""

Role = Literal["plain", "intervention", "own"]


@dataclass(frozen=True)
class Arm:
    """A way to fine-tune: its name in words, and its role.

    plain: an arm on the curve of E against X; intervention: the same, and it changes `BASE` in one respect; own: an arm
    that the curve does not cover, because it trains on what is lost or has another rule for its steps.
    """

    name: str
    role: Role = "plain"


BASE, EXACT = f"{PART}_adam", f"{PART}_exact"
"""The arms with identity controls: Adam at 2e-3 on sampled and on exact targets. Interventions change the first."""

ARMS = {
    BASE: Arm("Adam 2e-3, sampled"),
    EXACT: Arm("Adam 2e-3, exact"),
    f"{PART}_slow": Arm("Adam 1e-4, sampled, long"),
    f"{PART}_middle": Arm("Adam 5e-4, sampled"),
    f"{PART}_half": Arm("Adam 1e-3, sampled"),
    f"{PART}_batch": Arm("batch of 512"),
    f"{PART}_forgetful": Arm("β₂ = 0.9"),
    f"{PART}_exact_first": Arm("exact, then sampled"),
    f"{PART}_sampled_first": Arm("sampled, then exact"),
    f"{PART}_sgd": Arm("SGD 0.1, exact"),
    f"{PART}_eps": Arm("ε = 0.01", "intervention"),
    f"{PART}_warmup": Arm("warm-up of 300", "intervention"),
    f"{PART}_clip": Arm("clipping", "intervention"),
    f"{PART}_sharpness": Arm("sharpness-aware", "intervention"),
    f"{PART}_average": Arm("averaged weights", "intervention"),
    f"{PART}_finch": Arm("FINCH", "own"),
    f"{PART}_replay": Arm("replay of 1 %", "own"),
}
"""The arms by the parts of the study."""

RANKS = (1, 2, 4, 8, 16)
"""Numbers of singular directions that a truncation keeps of every change of a matrix."""

STEPS = (2, 4)
"""Norms of the random steps from q0."""

CONTROL = "identity"


@dataclass(frozen=True)
class Edit:
    """A model that is made from a fine-tuned one: what was done, with which number, and whether to the control."""

    kind: Literal["truncated", "random directions", "interpolated", "random step", "as trained"]
    number: float
    of_control: bool = False


EDITS = {
    "sft": Edit("as trained", 0.0),
    CONTROL: Edit("as trained", 0.0, of_control=True),
    **{f"truncate_{k}": Edit("truncated", k) for k in RANKS},
    **{f"truncate_{k}_of_{CONTROL}": Edit("truncated", k, of_control=True) for k in RANKS},
    **{f"random_directions_{k}": Edit("random directions", k) for k in RANKS},
    "interpolate_0.5": Edit("interpolated", 0.5),
    **{f"random_step_{norm}": Edit("random step", norm) for norm in STEPS},
}
"""The models whose erasure is read, by phase."""

NEEDS = (
    Need(("style_erasure", "excursion", "kl", "gate", "event_mass", "weight_distance", "sharpness", "gradient_noise"),
         phases=tuple(EDITS), part=PART),
)  # fmt: skip
"""The numbers that are needed from the arms."""


def tables(study: Study, runs: pl.DataFrame) -> Tables:
    """Return `arms` (the end of every arm), `arm_paths` (all evaluations) and `edits`. They are empty without arms.

    A part such as erasing_adam_in_chain is the arm erasing_adam, in a study of several languages or sizes.
    """
    named = pl.DataFrame([{"part": part, "arm": arm.name, "role": arm.role} for part, arm in ARMS.items()])
    own = runs.with_columns(pl.col("part").str.replace("_in_[a-z]+$", ""))
    own = own.join(named, on="part", maintain_order="left")
    if not own.height:
        return {name: pl.DataFrame() for name in ("arms", "arm_paths", "edits")}
    study = study.restricted(own)
    tags = own.select("run", "seed", "part", "arm", "role", "targets", "optimizer", "learning_rate", "num_steps")
    paths = paths_of(study, tags)
    return {"arms": ends(study, tags, paths), "arm_paths": paths, "edits": _edits(study, tags)}


def paths_of(study: Study, tags: pl.DataFrame) -> pl.DataFrame:
    """Return every evaluation of the arms. e: E; gate: mass that moved [nat]; lost: q(B); distance: ‖θ − θ₀‖."""
    found = tags
    columns = {
        "e": ("style_erasure", "E", "P(x)"), "gate": ("gate", "A", "P(x)"), "lost": ("event_mass", "q(B)", "P(x)"),
        "fit": ("kl", "S||q", "S(x)"), "distance": ("weight_distance", "q0,q", ""),
        "noise": ("gradient_noise", "q", ""),
    }  # fmt: skip
    for name, (metric, of, law) in columns.items():
        one = study.pick(metric, of, law, "sft", "every").select("run", "step", pl.col("lower").alias(name))
        keys = ["run"] if name == "e" else ["run", "step"]
        found = found.join(one, on=keys, how="left", maintain_order="left")
    return found.sort("run", "step", maintain_order=True)


def ends(study: Study, tags: pl.DataFrame, paths: pl.DataFrame) -> pl.DataFrame:
    """Return what every arm has in the end.

    Columns beside those of the paths at the last step: kept = exp(−E); x, x_lower, x_upper: the excursion X [nat], and
    missing, whether there is none; excess = KL(S‖q) − KL(S‖q*), fits (it is at most `FIT`); and the rivals of X: lr·t
    and lr·√t for Adam, lr·λ_max, and noise, the mean of the noise of gradients at q0 and in the end. It is not defined
    for SGD, which divides by no √v, and where the targets change.
    """
    last = paths.group_by("run", maintain_order=True).agg(
        pl.col("step", "e", "gate", "lost", "fit", "distance").last(), pl.col("noise").mean()
    )
    x = study.pick("excursion", "X", "S(x)", "sft").select("run", x_lower="lower", x_upper="upper")
    best = study.pick("kl", "S||q*", "S(x)").select("run", fit_best="lower")
    sharp = study.pick("sharpness", "q0", "", "sft", "first").select("run", sharpness="lower")
    found = tags.join(last, on="run", maintain_order="left")
    for one in (x, best, sharp):
        found = found.join(one, on="run", how="left", maintain_order="left")
    excess, adam = pl.col("fit") - pl.col("fit_best"), pl.col("optimizer") == "adam"
    rate, steps = pl.col("learning_rate"), pl.col("num_steps").cast(pl.Float64)
    return found.with_columns(
        kept=(-pl.col("e")).exp(),
        x=(pl.col("x_lower") + pl.col("x_upper")) / 2,
        missing=pl.col("x_lower").is_null(),
        excess=excess,
        fits=((excess <= FIT) & pl.col("fit_best").is_finite()).fill_null(False),
        rate_time=pl.when(adam).then(rate * steps),
        rate_root=pl.when(adam).then(rate * steps.sqrt()),
        rate_sharpness=rate * pl.col("sharpness"),
    )


def _edits(study: Study, tags: pl.DataFrame) -> pl.DataFrame:
    """Return E, q(B) and KL(S‖q) of the fine-tuned model, of the control, and of what edits of their weights make."""
    parts = []
    for phase, edit in EDITS.items():
        found = study.pick("style_erasure", "E", "P(x)", phase).select("run", e="lower")
        for name, metric, of, law in (("lost", "event_mass", "q(B)", "P(x)"), ("fit", "kl", "S||q", "S(x)")):
            one = study.pick(metric, of, law, phase).select("run", pl.col("lower").alias(name))
            found = found.join(one, on="run", how="left", maintain_order="left")
        said = {"phase": phase, "kind": edit.kind, "number": float(edit.number), "of_control": edit.of_control}
        parts.append(found.with_columns(**{name: pl.lit(value) for name, value in said.items()}))
    return tags.join(pl.concat(parts), on="run", maintain_order="left")


def matched(paths: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return E of every arm where its gate, or its distance, first is that of the arm of its world that ends least far.

    It is read between two evaluations on a straight line. Columns: run, seed, part, e. An arm that begins farther away
    than this is left out.
    """
    ends_ = paths.group_by("run", "seed").agg(pl.col(column).last())
    level = ends_.group_by("seed").agg(pl.col(column).min().alias("level"))
    rows = []
    for (run, seed, part), own in paths.join(level, on="seed").group_by("run", "seed", "part", maintain_order=True):
        own = own.sort("step").with_columns(pl.col(column).fill_null(0.0))
        far = np.flatnonzero(own[column].to_numpy() >= own["level"][0])
        if len(far) and far[0] > 0:
            near, e = own[column].to_numpy()[far[0] - 1 : far[0] + 1], own["e"].to_numpy()[far[0] - 1 : far[0] + 1]
            share = (own["level"][0] - near[0]) / (near[1] - near[0])
            rows.append({"run": run, "seed": seed, "part": part, "e": float(e[0] + share * (e[1] - e[0]))})
    return pl.DataFrame(rows)
