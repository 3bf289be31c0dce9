"""C2: from the numbers of its runs to its tables. Each part of the study has tables of its own."""

import numpy as np
import polars as pl

from experiments.c2_support.decays import decays, prefactors
from experiments.c2_support.race import PREDICTORS, race
from experiments.c2_support.relearning import relearning, relearning_paths
from experiments.predictions import Need, Tables
from experiments.study import Step, Study
from sim.theory.optima import replay_forgetting

THRESHOLDS = ("0.0001", "0.001", "0.003", "0.01", "0.02", "0.05")
"""Thresholds of the eps-support [probability per answer], from far below every answer of P to above most of them."""

ENTROPY_SIZE = "e^H"
"""Name of the effective number of answers, one of the sizes of the support."""

SIZED = {"sft": "sft", "identity": "identity", "carried": "carried"}
"""The phases for which sizes are compared."""

ARMS = ("erasing_adam", "erasing_exact", "erasing_slow")
"""The parts of C2.8 that are plain fine-tunings: Adam at 2e-3 on sampled and on exact targets, and at 1e-4."""

FITTED = 0.03
"""E is compared between runs that end with at most this KL(S‖q), since plain fine-tuning has q* = S [nat]."""

NEEDS = (
    *(Need(("hill_1", "epsilon_support"), phases=tuple(SIZED), part=part) for part in ("support", "recovery")),
    *(
        Need(("kl", "gate", "kept", "erasure", "style_gate", "style_within", "event_mass", "behind", "zeros"),
             phases=("pretrain", "sft"), part=part)
        for part in ("support", "recovery", "decay", "rates")
    ),
    *(Need(("style_erasure", "kept_behind_gate", "kl"), phases=("sft",), part=part)
      for part in ("recovery", "decay", "rates", *ARMS)),
    Need(("lost_mass", "kernel_limit", "kernel_speed"), phases=("sft",), part="decay_sgd"),
    Need(("kl_lost_given",), phases=("recovery", "scratch"), part="recovery"),
    Need(("kernel_r2", "first_order_r2", "kernel_share", "moved_unseen", "fisher", "weight_distance", "kl_moved"),
         phases=("sft",), part="kernel"),
    Need(("kl_moved", "total_variation_moved", "jensen_shannon_moved", "hellinger_moved", "fisher", "weight_distance",
          "entropy", "kl"), phases=("sft",), part="race"),
    Need(("kl", "event_mass"), views=("joint",), phases=("sft",), part="replay"),
)  # fmt: skip
"""The numbers that are needed from each part."""


def tables(study: Study) -> Tables:
    """Return `runs`, and the tables of every part of the study. A part without runs has empty tables."""
    runs = tagged(study.runs)

    def of(*parts: str) -> tuple[Study, pl.DataFrame]:
        own = runs.filter(pl.any_horizontal(pl.col("part").str.starts_with(part) for part in parts))
        return study.restricted(own), own

    splits = split_paths(*of("support", "decay", "recovery", "rates"))
    paths = relearning_paths(*of("recovery"))
    entrants_ = entrants(*of("race"))
    return {
        "runs": runs,
        "sizes": size_paths(*of("support", "recovery")),
        "splits": splits,
        "laws": decays(splits, prefactors(*of("decay_sgd"))),
        "kept": kept(*of("recovery", "decay", "rates", *ARMS)),
        "relearning": relearning(paths),
        "relearning_paths": paths,
        "kernels": kernel_paths(*of("kernel")),
        "scatter": kernel_scatter(*of("kernel")),
        "entrants": entrants_,
        "race": race(entrants_) if entrants_.height else entrants_,
        "replays": replays(*of("replay")),
    }


def tagged(runs: pl.DataFrame) -> pl.DataFrame:
    """Return what tells the runs of the study apart. A number is 0 if a run does not have it."""

    def number(name: str) -> pl.Expr:
        return pl.col(name).fill_null(0).cast(pl.Float64) if name in runs.columns else pl.lit(0.0)

    return runs.select(
        "run", "seed", "valid", "claim", "part", "restriction",
        restriction_kind="restriction.kind",
        kept_style=pl.col("restriction.keep") if "restriction.keep" in runs.columns else pl.lit(None, pl.String),
        targets="objective.targets",
        model="model.kind",
        model_shown="model",
        width=number("model.width").cast(pl.Int64),
        optimizer="optimizer.kind",
        learning_rate="optimizer.learning_rate",
        b1=number("optimizer.b1"),
        b2=number("optimizer.b2"),
        weight=number("objective.weight"),
        num_steps="finetune.num_steps",
    )  # fmt: skip


# -- sizes of the support ---------------------------------------------------------------------------------------------


def size_paths(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """Return the sizes of the support of every phase at every evaluation, beside those of P and S, x ~ S(x) [answers].

    size: e^H, or the number of answers with q(y|x) >= eps; fit: KL(S‖q) of the fine-tuned model in the end [nat].
    """
    if not runs.height:
        return pl.DataFrame()
    fit = study.pick("kl", "S||q", "S(x)", "sft").select("run", fit="lower")
    sizes = {ENTROPY_SIZE: ("hill_1", "")} | {f"ε = {at}": ("epsilon_support", at) for at in THRESHOLDS}
    parts = []
    for phase in SIZED:
        for name, (metric, at) in sizes.items():
            p, s = (study.pick(metric, of, "S(x)", at=at) for of in ("P", "S"))
            path = study.pick(metric, "q", "S(x)", phase, "every", at=at).drop("at")
            path = path.join(p.select("run", p="lower"), on="run").join(s.select("run", s="lower"), on="run")
            parts.append(path.with_columns(phase=pl.lit(phase), size=pl.lit(name)))
    found = pl.concat(parts).join(fit, on="run")
    return runs.join(found, on="run", maintain_order="left").sort("run", "phase", "step", maintain_order=True)


# -- what is forgotten ------------------------------------------------------------------------------------------------


def split_paths(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """Return the fine-tuning on S at every evaluation: KL(P‖q), its split, the error behind the gate [nat], and q(B).

    The split is by style if one style is kept, else by the kept event. p_lost: P(B); unlearnt: the error behind the
    gate of the model before any training.
    """
    if not runs.height:
        return pl.DataFrame()
    p_lost = study.pick("event_mass", "P(B)").select("run", p_lost="lower")
    begun = _splits(study, runs, "pretrain", "first").select("run", unlearnt="behind")
    path = _splits(study, runs, "sft", "every")
    found = path.join(p_lost, on="run").join(begun, on="run")
    return runs.join(found, on="run", maintain_order="left").sort("run", "step", maintain_order=True)


def _splits(study: Study, runs: pl.DataFrame, phase: str, step: Step) -> pl.DataFrame:
    """Return the numbers of a phase, in a row per evaluation."""
    columns = {"kl": ("kl", "P||q"), "gate": ("gate", "A"), "kept": ("kept", "A"), "erasure": ("erasure", "A"),
               "lost": ("event_mass", "q(B)"), "behind": ("behind", "P,q")}  # fmt: skip
    found = study.pick("zeros", "q", "", phase, step).select("run", "step", zeros="lower")
    for name, (metric, of) in columns.items():
        one = study.pick(metric, of, "P(x)", phase, step).select("run", "step", pl.col("lower").alias(name))
        found = found.join(one, on=["run", "step"])
    styles = _by_style(study, runs, phase, step)
    return found.update(styles, on=["run", "step"]) if styles.height else found


def _by_style(study: Study, runs: pl.DataFrame, phase: str, step: Step) -> pl.DataFrame:
    """Return the split by style of the runs that keep one style: gate, error within it (kept), within the others."""
    one_style = pl.col("kept_style").is_not_null() & ~pl.col("kept_style").str.contains(r"^[\[{]")
    own = runs.filter(pl.col("restriction_kind") == "style", one_style)
    within = study.pick("style_within", "z", "P(x)", phase, step, at=None)
    within = within.join(own.select("run", style="kept_style"), on="run")
    kept = pl.col("lower").filter(pl.col("at") == pl.col("style")).sum()
    sums = within.group_by("run", "step").agg(kept=kept, erasure=pl.col("lower").sum() - kept)
    gate = study.pick("style_gate", "z", "P(x)", phase, step).select("run", "step", gate="lower")
    return sums.join(gate, on=["run", "step"])


def kept(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """Return how much each run erases in the end, E [nat], and the share exp(-E) that it keeps behind the gate.

    These are the runs on one style, of the parts recovery, decay and rates, and of plain arms. fits: whether KL(S‖q) is
    at most `FITTED` in the end, where E is compared.
    """
    plain = pl.col("part").str.contains("^(recovery|decay|rates)") | pl.col("part").is_in(ARMS)
    own = runs.filter(plain, pl.col("restriction_kind").is_in(["style", "regular"]))
    for name, metric, of in (("erased", "style_erasure", "E"), ("share", "kept_behind_gate", "exp(-E)")):
        found = study.pick(metric, of, "P(x)", "sft").select("run", pl.col("lower").alias(name))
        own = own.join(found, on="run", maintain_order="left")
    fit = study.pick("kl", "S||q", "S(x)", "sft").select("run", fit="lower")
    return own.join(fit, on="run", maintain_order="left").with_columns(fits=pl.col("fit") <= FITTED)


# -- kernel, race, replay ---------------------------------------------------------------------------------------------


def kernel_paths(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """Return per evaluation how well the kernel at q0 predicts the change of log q(y|x) of unseen answers; Fisher, KL.

    r2: R² of the linearised model (constant kernel, true softmax); r2_first: R² of lr t (K S)(y), the first order of
    gradient descent; share: mean predicted change over mean true change.
    """
    columns = {
        "r2": ("kernel_r2", "q", ""), "r2_first": ("first_order_r2", "q", ""), "share": ("kernel_share", "q", ""),
        "moved": ("moved_unseen", "q", ""), "fisher": ("fisher", "q0,q", "S(x)"), "kl": ("kl_moved", "q0||q", "S(x)"),
        "distance": ("weight_distance", "q0,q", ""),
    }  # fmt: skip
    found: pl.DataFrame | None = None
    for name, (metric, of, law) in columns.items():
        one = study.pick(metric, of, law, "sft", "every").select("run", "step", pl.col("lower").alias(name))
        found = one if found is None else found.join(one, on=["run", "step"], how="left", maintain_order="left")
    assert found is not None
    return runs.join(found, on="run", maintain_order="left") if runs.height else pl.DataFrame()


def kernel_scatter(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """Return the true and the predicted change of log q(y|x) of every answer at every evaluation, for seed 0 [nat]."""
    parts = []
    for tags in runs.filter(seed=0).iter_rows(named=True):
        record = study.record(tags["run"])
        supported = np.flatnonzero(record.p.log_p > -np.inf)
        unseen = pl.DataFrame({"index": supported, "unseen": record.restricted.s.log_p[supported] == -np.inf})
        log_q = study.strings(tags["run"]).select("phase", "step", "index", log_q=pl.col("q").log())
        tuned, line = (log_q.filter(phase=phase).drop("phase") for phase in ("sft", "linearised"))
        both = tuned.join(line, on=["step", "index"], suffix="_line").join(unseen, on="index")
        start = tuned.filter(step=0).select("index", start="log_q")
        both = both.join(start, on="index").select(
            "step", "unseen", moved=pl.col("log_q") - pl.col("start"), predicted=pl.col("log_q_line") - pl.col("start")
        )
        parts.append(both.with_columns(**{name: pl.lit(value) for name, value in tags.items()}))
    return pl.concat(parts) if parts else pl.DataFrame()


def entrants(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """Return the predictors of every run of the race, and what it forgot: on all prompts, and on those S never has."""
    if not runs.height:
        return pl.DataFrame()
    moved = {name: one for name, one in PREDICTORS.items() if one.metric}
    found = {
        name: study.pick(one.metric, one.of, one.law, "sft").select("run", pl.col("lower").alias(name))
        for name, one in moved.items()
    }
    for name, metric, of, law, sign in (
        ("entropy change", "entropy", "q", "S(x)", 0.0), ("fit", "kl", "S||q", "S(x)", -1.0),
        ("forgotten", "kl", "P||q", "P(x)", 1.0), ("elsewhere", "kl", "P||q", "P(x | S(x) = 0)", 1.0),
    ):  # fmt: skip
        first = study.pick(metric, of, law, "sft", "first").select("run", "lower")
        last = study.pick(metric, of, law, "sft", "last").select("run", "lower")
        change = pl.col("lower") - pl.col("lower_first")
        change = change.abs() if sign == 0.0 else sign * change
        found[name] = last.join(first, on="run", suffix="_first").select("run", change.alias(name))
    for one in found.values():
        runs = runs.join(one, on="run", how="left", maintain_order="left")
    return runs.with_columns((pl.col("learning_rate") * pl.col("num_steps")).alias("steps × rate"))


def replays(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """Return KL(P‖q) of documents, KL(P‖q*) as a sum and in closed form, with q* = (1-λ)S + λP, and KL(q*‖q) [nat]."""
    if not runs.height:
        return pl.DataFrame()
    numbers = {
        "kl": study.pick("kl", "P||q", "", "sft", view="joint"),
        "kl_q0": study.pick("kl", "P||q", "", "sft", "first", view="joint"),
        "kl_best": study.pick("kl", "P||q*", view="joint"),
        "gap": study.pick("kl", "q*||q", "", "sft", view="joint"),
        "p_kept": study.pick("event_mass", "P(A)", view="joint"),
    }
    for name, one in numbers.items():
        runs = runs.join(one.select("run", pl.col("lower").alias(name)), on="run", maintain_order="left")
    weight = runs["weight"].to_numpy()
    closed = replay_forgetting(np.log(runs["p_kept"].to_numpy()), weight)
    return runs.with_columns(closed_form=pl.Series(closed), bound=pl.Series(-np.log(weight)))
