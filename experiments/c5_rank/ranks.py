"""C5.2: does a low rank of the update limit diversity? Fine-tuning with updates of rank 1, 4 and full."""

import polars as pl

from experiments.c5_rank import ranks_cases as cases
from experiments.predictions import Need, Prediction, Tables
from experiments.study import Study

PART = "ranks"

UNSHOWN = "P(x | S(x) = 0)"
"""The law of the prompts that S never shows."""

NEEDS = (
    Need(("style_erasure", "kl", "event_mass", "update_norm", "stable_rank"), phases=("truth", "sft", "identity"),
         part=PART),
    Need(("style_residual", "style_weight", "entropy_held_out"), phases=("truth", "sft"), part=f"{PART}_held"),
)  # fmt: skip


def tables(study: Study) -> Tables:
    """Return `ranks_ends` and `ranks_paths` of the parts whose names begin with `ranks`, or empty tables.

    A part is named ranks_<use>_<rank>, with the use choice (to choose the rate), judged, exact or held (half of the
    prompts are shown). `ranks_ends` has a row for each run: rate, fit = KL(S‖q) and fit_best = KL(S‖q*), e = E, lost =
    q(B), e_control = E of the identity control, the norm of the update, and for held-out prompts the weight of the
    tuned style and the bounds of the KL from the best mixture of styles. `ranks_paths` has fit and e at every
    evaluation.
    """
    own = study.runs.filter(pl.col("part").str.starts_with(PART))
    if not own.height:
        return {f"{PART}_ends": pl.DataFrame(), f"{PART}_paths": pl.DataFrame()}
    study, words = study.restricted(own), pl.col("part").str.split("_").list
    tags = own.select(
        "run", "seed", "valid", "part", use=words.get(1), rank=words.get(2), rate="optimizer.learning_rate"
    )
    tags = tags.sort("part", "seed")
    return {f"{PART}_ends": _ends(study, tags), f"{PART}_paths": _paths(study, tags)}


def _ends(study: Study, tags: pl.DataFrame) -> pl.DataFrame:
    columns = {
        "fit": ("kl", "S||q", "S(x)", "sft", ""), "fit_best": ("kl", "S||q*", "S(x)", "truth", ""),
        "e": ("style_erasure", "E", "P(x)", "sft", ""), "lost": ("event_mass", "q(B)", "P(x)", "sft", ""),
        "norm": ("update_norm", "q-q0", "", "sft", ""), "stable": ("stable_rank", "q-q0", "", "sft", ""),
        "e_control": ("style_erasure", "E", "P(x)", "identity", ""),
        "weight": ("style_weight", "q", UNSHOWN, "sft", "z0"),
    }  # fmt: skip
    found = tags
    for name, (metric, of, law, phase, at) in columns.items():
        one = study.pick(metric, of, law, phase, at=at).select("run", pl.col("lower").alias(name))
        found = found.join(one, on="run", how="left", maintain_order="left")
    rest = study.pick("style_residual", "q", UNSHOWN, "sft").select("run", rest_lower="lower", rest_upper="upper")
    found = found.join(rest, on="run", how="left", maintain_order="left")
    excess = pl.col("fit") - pl.col("fit_best")
    return found.with_columns(kept=(-pl.col("e")).exp(), fits=(excess <= cases.FIT).fill_null(False))


def _paths(study: Study, tags: pl.DataFrame) -> pl.DataFrame:
    fit = study.pick("kl", "S||q", "S(x)", "sft", "every").select("run", "step", fit="lower")
    e = study.pick("style_erasure", "E", "P(x)", "sft", "every").select("run", "step", e="lower")
    both = fit.join(e, on=["run", "step"], how="left", maintain_order="left")
    return tags.join(both, on="run").sort("part", "seed", "run", "step", maintain_order=True)


ONLY = f"valid runs with KL(S‖q) ≤ KL(S‖q*) + {cases.FIT:g} in the end"

PREDICTIONS = (
    Prediction(
        "C5.2a", "The rates of the judged runs are the best of four for their rank, in six other worlds.", "bound",
        cases.chosen, predicted="none of the others fits better", rule="Mean of log KL(S‖q) at equal steps with each "
        "other rate, minus that with the rate of the judged runs, at least −log 1.1.", control="worlds that are not "
        "judged", margin=0.0953, instrument=True, only="valid runs",
        figure="ranks",
    ),
    Prediction(
        "C5.2b", "The lower the rank of the update, the less is erased: E(1) < E(4) < E(full), sampled targets.",
        "ordering", cases.erasures, predicted="E(1) < E(4) < E(full)",
        rule="E in the end, each rank at the rate of C5.2a, in the same worlds.", control="C5.2d", only=ONLY,
        says="opposite", worlds=12, figure="ranks",
    ),
    Prediction(
        "C5.2c", "E at equal fit, on the path of each rank.", "report", cases.matched, predicted="–",
        rule=f"Where KL(S‖q) first is at most {cases.LEVEL:g} nats: interpolated over its logarithm, and at the first "
        "evaluation at which it is (stopped).", control="C5.2b", only="valid runs", figure="ranks",
    ),
    Prediction(
        "C5.2d", "With exact targets and small rates all ranks erase equally little.", "equality", cases.calm,
        predicted="0", rule="E(rank) − E(full) within the margin, exact targets, in the same worlds.",
        control="C5.2b", value=0.0, margin=cases.EQUAL, only=ONLY, worlds=12, figure="ranks",
    ),
    Prediction(
        "C5.2e", "E, the share that is kept behind the gate, fit and norm of the update of every rank.", "report",
        cases.every_rank, predicted="–", rule="Shown.", control="none", only="valid runs", figure="ranks",
    ),
    Prediction(
        "C5.2g", "The noise floor: E of the identity control at the same rank and rate, sampled targets.", "report",
        cases.noise_floor, predicted="–", rule="Shown.", control="it is the identity control", only="valid runs",
        figure="ranks",
    ),
    Prediction(
        "C5.2h", "The identity control erases nothing, at any rank.", "equality", cases.noise_floor, predicted="0",
        rule="E of the identity control at the same rank and rate within the margin of C5.2d, sampled targets.",
        control="it is the identity control", value=0.0, margin=cases.EQUAL, null=True, only="valid runs", worlds=12,
        figure="ranks",
    ),
    Prediction(
        "C5.2f", "At prompts that S never shows: weight of the tuned style, and how far the model is from a mixture of "
        "styles.", "report", cases.held_out, predicted="–", rule="As C4.1a and C4.1b, sampled targets, half of the "
        "prompts in S.", control="C4.1", only="valid runs", figure="ranks",
    ),
)  # fmt: skip
