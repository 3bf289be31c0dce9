"""C5.1, C5.3, C5.5: the spectrum of the update, what its top directions do, and hidden states."""

import polars as pl

from experiments.c5_rank import spectra_cases as cases
from experiments.predictions import Need, Prediction, Tables
from experiments.study import Step, Study

PART = "spectra"

RANKS = (1, 2, 4, 8, 16)
"""Numbers of singular directions that a truncation keeps."""

WEIGHTS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Weights of the tuned model at which parameters are interpolated."""

TRAINED = ("sft", "identity")

EDITS = {
    "pretrain": ("interpolated", 0.0),
    **{f"interpolate_{weight}": ("interpolated", weight) for weight in WEIGHTS},
    "sft": ("as trained", 1.0),
    **{f"truncate_{rank}": ("truncated", float(rank)) for rank in RANKS},
    "hard_threshold": ("hard threshold", 0.0),
    "random_update": ("random update", 0.0),
}
"""The models whose erasure is read, by phase: what was done, and with which rank or weight."""

NEEDS = (
    Need(("update_norm", "stable_rank", "update_effective_rank", "update_top_share", "update_singular_value",
          "update_standing_out"), phases=(*TRAINED, "random_update"), part=PART),
    Need(("cka", "hidden_dimension"), phases=("sft",), part=PART),
    Need(("style_erasure", "event_mass", "kl"), phases=("truth", "identity", *EDITS), part=PART),
)  # fmt: skip

UPDATES = {"norm": ("update_norm", ""), "stable": ("stable_rank", ""), "effective": ("update_effective_rank", ""),
           "standing_out": ("update_standing_out", ""),
           **{f"share_{k}": ("update_top_share", f"{k}") for k in (1, 2, 4, 8)}}  # fmt: skip
"""Columns of `spectra_updates` by metric and `at`."""


def tables(study: Study) -> Tables:
    """Return the tables of the parts whose names begin with `spectra`; they are empty without such runs.

    `spectra_updates` has a row for each run and update, with its norm, its ranks, and the shares of its top k
    directions; `spectra_values` its singular values; `spectra_edits` has E, q(B) (lost) and KL(S‖q) (fit) of every
    edit; `spectra_hidden` has CKA with q0 and effective dimensions by layer, and E. `targets` are those of the run.
    """
    names = ("updates", "values", "edits", "hidden")
    own = study.runs.filter(pl.col("part").str.starts_with(PART))
    if not own.height:
        return {f"{PART}_{name}": pl.DataFrame() for name in names}
    study = study.restricted(own)
    tags = own.select("run", "seed", "valid", targets="objective.targets").sort("targets", "seed")
    makers = (_updates, _values, _edits, _hidden)
    return {f"{PART}_{name}": make(study, tags) for name, make in zip(names, makers, strict=True)}


def _joined(
    tags: pl.DataFrame, study: Study, phase: str, columns: dict[str, tuple[str, str, str, str]]
) -> pl.DataFrame:
    """Return the last number of some metrics in a phase beside the tags: metric, of, law and at by column."""
    found = tags.with_columns(phase=pl.lit(phase))
    for name, (metric, of, law, at) in columns.items():
        one = study.pick(metric, of, law, phase, at=at).select("run", pl.col("lower").alias(name))
        found = found.join(one, on="run", how="left", maintain_order="left")
    return found


def _updates(study: Study, tags: pl.DataFrame) -> pl.DataFrame:
    columns = {name: (metric, "q-q0", "", at) for name, (metric, at) in UPDATES.items()}
    phases = (*TRAINED, "random_update")
    return pl.concat([_joined(tags, study, phase, columns) for phase in phases]).drop_nulls("stable")


def _values(study: Study, tags: pl.DataFrame) -> pl.DataFrame:
    rows = []
    for phase in (*TRAINED, "random_update"):
        one = study.pick("update_singular_value", "q-q0", phase=phase, at=None)
        rows.append(one.select("run", number=pl.col("at").cast(pl.Int64), value="lower", phase=pl.lit(phase)))
    return tags.join(pl.concat(rows), on="run").sort("targets", "seed", "phase", "number")


def _edits(study: Study, tags: pl.DataFrame) -> pl.DataFrame:
    """E of q0 is 0 by definition, and its phase has no row of it."""
    best = study.pick("kl", "S||q*", "S(x)").select("run", fit_best="lower")
    rows = []
    for phase, (kind, number) in EDITS.items():
        columns = {"e": ("style_erasure", "E", "P(x)", ""), "lost": ("event_mass", "q(B)", "P(x)", ""),
                   "fit": ("kl", "S||q", "S(x)", "")}  # fmt: skip
        one = _joined(tags, study, phase, columns).with_columns(kind=pl.lit(kind), number=pl.lit(number))
        rows.append(one.with_columns(pl.col("e").cast(pl.Float64).fill_null(0.0)) if phase == "pretrain" else one)
    found = pl.concat(rows, how="vertical_relaxed").join(best, on="run", how="left", maintain_order="left")
    return found.drop_nulls("fit")


def _hidden(study: Study, tags: pl.DataFrame) -> pl.DataFrame:
    cka = study.pick("cka", "q,q0", phase="sft", at=None).select("run", "at", cka="lower")
    steps: tuple[tuple[str, Step], ...] = (("dimension_start", "first"), ("dimension", "last"))
    dimension = {
        name: study.pick("hidden_dimension", "q", phase="sft", step=step, at=None).select(
            "run", "at", **{name: "lower"}
        )
        for name, step in steps
    }
    e = study.pick("style_erasure", "E", "P(x)", "sft").select("run", e="lower")
    found = tags.join(cka, on="run")
    for one in dimension.values():
        found = found.join(one, on=["run", "at"], how="left", maintain_order="left")
    found = found.join(e, on="run", how="left", maintain_order="left")
    return found.with_columns(layer=pl.col("at").cast(pl.Int64)).drop("at").sort("targets", "seed", "layer")


ONLY = f"valid runs with KL(S‖q) ≤ KL(S‖q*) + {cases.FIT:g} in the end"
EQUAL = "E of interpolated weights is read where their KL(S‖q) first is that of the edit, on a line over its logarithm"

PREDICTIONS = (
    Prediction(
        "C5.1a", "The update of fine-tuning has a lower stable rank than one that goes on with P: exact targets < "
        "sampled targets < identity control.", "ordering", cases.ordered,
        predicted="SFT exact < SFT sampled < identity",
        rule="Mean over matrices of ‖ΔW‖²_F/‖ΔW‖²₂, weighted by ‖ΔW‖²_F; it does not depend on the norm of the update, "
        "which is in the note.", control="the identity control, on exact and on sampled targets", only=ONLY,
        says="same", figure="spectra",
    ),
    Prediction(
        "C5.1b", "A random update of equal norm has a higher one.", "sign", cases.random, predicted="above 0",
        rule="log of the stable rank of a Gaussian matrix in the place of every ΔW, minus that of the identity "
        "control.", control="it is a control", instrument=True, only=ONLY, figure="spectra",
    ),
    Prediction(
        "C5.1c", "Stable rank of every update.", "report", cases.stable, predicted="–", rule="Shown.", control="C5.1b",
        only=ONLY, figure="spectra",
    ),
    Prediction(
        "C5.3a", "At equal fit, the top one or two directions of every matrix erase less than interpolated weights.",
        "sign", cases.erases_less, predicted="above 0",
        rule=f"E(interpolated) − E(rank k) above 0, k = 1 and 2, sampled targets; {EQUAL}.",
        control="interpolated weights", only=ONLY, worlds=12, figure="truncated",
    ),
    Prediction(
        "C5.3b", "And they gate more.", "sign", cases.gates_more, predicted="a ratio above 1",
        rule="log q(B) of interpolated weights minus that of rank k above 0, read as in C5.3a.",
        control="interpolated weights", only=ONLY, worlds=12, figure="truncated",
    ),
    Prediction(
        "C5.3c", "A published repair, which cuts each matrix at the threshold of Gavish and Donoho, erases less than "
        "the tuned model.", "sign", cases.repaired, predicted="above 0.25",
        rule="E(as trained) − E(hard threshold) minus 0.25 nats above 0, sampled targets.", control="C5.3d",
        threshold=0.25, only=ONLY, worlds=12, figure="truncated",
    ),
    Prediction(
        "C5.3d", "E, fit and q(B) of all edits, and of interpolated weights at their fit.", "report", cases.every_edit,
        predicted="–", rule="Shown.", control="none", only=ONLY, figure="truncated",
    ),
    Prediction(
        "C5.5a", "Share of ‖ΔW‖² in the top k directions of each matrix: how low is a low rank?", "report",
        cases.shares, predicted="–", rule="Shown.", control="the identity control", only=ONLY, figure="spectra",
    ),
    Prediction(
        "C5.5b", "Effective rank of the update, and directions above the threshold of Gavish and Donoho.", "report",
        cases.effective, predicted="–", rule="e^H of σ/Σσ; number of σ above the threshold.",
        control="the identity control", only=ONLY, figure="spectra",
    ),
    Prediction(
        "C5.5c", "Similarity of hidden states with those of q₀, and their effective dimension, by layer.", "report",
        cases.hidden, predicted="–", rule="Linear CKA under the prefixes of P; e^H of the shares of variance at the "
        "end over that of q₀.", control="none", only=ONLY, figure="hidden",
    ),
)  # fmt: skip
