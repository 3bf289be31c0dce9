"""The tables of C1: a row for each run, curves over the positions of an answer, and shares of random subsets."""

import polars as pl

from experiments.c1_entropy.controls import with_controls
from experiments.c1_entropy.styles import residuals
from experiments.c1_entropy.subsets import subsets
from experiments.predictions import Need, Tables
from experiments.study import Study

SLACKS = ("entropy_continuity", "collision_continuity")
"""The inequalities of C1.3, see `sim.metrics.identities`."""

MODELS = {"q0": "pretrain", "q": "sft", "control": "identity"}
"""Models and the phases that end with them."""

LANGUAGES = {"p": "P", "kept": "P_A", "s": "S"}

LEAVES = {"rate": "optimizer.learning_rate", "batch": "finetune.batch_size", "like": "restriction.like"}
"""Leaves of the configuration that a study may lack; then the column is empty."""

SETUP = ("targets", "rate", "batch")
"""Columns of a setup: its restrictions are compared with each other and with its control."""

NEEDS = (
    Need(("entropy", "top_one", "live", "branching", "top_one_at", "nucleus")),
    Need(("entropy",), views=("joint",)),
    Need(("kl", "waterfall_conditioning", "waterfall_narrowing", "waterfall_learning"), phases=("sft",)),
    Need(("identity",), views=("response", "joint")),
)


def tables(study: Study) -> Tables:
    """Return `runs`, a row each with what the verdicts need, `positions` and `subsets`.

    Entropies h_<name> [nat] are those of answers to the prompts x ~ S(x) of the fine-tuning, and text_<name> those of
    whole texts. `arm` says whether the setup of a run has restrictions; a setup without is a cell of the noise floor.
    `positions` holds the branching factor, the probability of the likeliest next token, and the size of the 90 %
    nucleus, over prefixes x ~ S. `subsets` needs no runs, see `experiments.c1_entropy.subsets`.
    """
    study = with_controls(study)
    found = [_leaf(study.runs, leaf, name) for name, leaf in LEAVES.items()]
    runs = study.runs.select(
        "run", "seed", "claim", "valid", "restriction", *found, targets="objective.targets", kind="restriction.kind"
    )
    runs = _entropies(study, runs)
    parts = ("conditioning", "narrowing", "learning")
    lost = {part: study.pick(f"waterfall_{part}", "H(P)-H(q)", "S(x)", "sft") for part in parts}
    tops = {f"top_{of}": study.pick("top_one", of, "S(x)") for of in ("P", "S")}
    tops |= {f"top_{name}": study.pick("top_one", "q", "S(x)", phase) for name, phase in MODELS.items()}
    runs = study.beside(runs, fit=study.pick("kl", "S||q", "S(x)", "sft"), **lost, **tops)
    slack = study.numbers.filter(pl.col("metric") == "identity", pl.col("at").is_in(SLACKS))
    least = slack.group_by("run").agg(slack=pl.col("lower").min())
    runs = runs.join(least, on="run", how="left", maintain_order="left")
    exact = ("fit", "conditioning", "narrowing", *(f"{view}_{name}" for view in ("h", "text") for name in LANGUAGES))
    runs = runs.with_columns(
        **{name: pl.col(f"{name}_lower") for name in exact},
        top_one_truth=pl.col("top_S_lower") - pl.col("top_P_lower"),
        top_one_model=pl.col("top_q_lower") - pl.col("top_control_lower"),
        arm=(pl.col("kind") != "everything").any().over(SETUP),
    )
    runs = runs.join(residuals(study, runs), on="run", how="left", maintain_order="left")
    runs = runs.sort("targets", "rate", "batch", "restriction", "seed")
    return {"runs": runs, "positions": _positions(study, runs), "subsets": subsets()}


def _leaf(runs: pl.DataFrame, leaf: str, name: str) -> pl.Expr:
    kind = pl.String if name == "like" else pl.Float64
    return (pl.col(leaf) if leaf in runs.columns else pl.lit(None)).cast(kind).alias(name)


def _entropies(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    for name, law, view in (("h", "S(x)", "response"), ("text", "", "joint")):
        known = {f"{name}_{of}": study.pick("entropy", long, law, view=view) for of, long in LANGUAGES.items()}
        models = {
            f"{name}_{model}": study.pick("entropy", "q", law, phase, view=view) for model, phase in MODELS.items()
        }
        runs = study.beside(runs, **known, **models)
    return runs


def _positions(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    live = study.pick("live", "S", "S(x)", at=None).select("run", "at", live="lower")
    curves = []
    for name, of, phase in (("P", "P", "truth"), ("S", "S", "truth"), ("q0", "q", "pretrain"), ("q", "q", "sft")):
        branching, top, nucleus = (
            study.pick(metric, of, "S(x)", phase, at=None) for metric in ("branching", "top_one_at", "nucleus")
        )
        curve = branching.select("run", "at", branching="lower")
        curve = curve.join(top.select("run", "at", top_one="lower"), on=["run", "at"])
        curve = curve.join(nucleus.select("run", "at", nucleus_lower="lower", nucleus_upper="upper"), on=["run", "at"])
        curves.append(curve.with_columns(of=pl.lit(name)))
    found = pl.concat(curves).join(live, on=["run", "at"]).with_columns(position=pl.col("at").cast(pl.Int64)).drop("at")
    return found.join(runs.select("run", "seed", *SETUP, "restriction", "kind"), on="run")
