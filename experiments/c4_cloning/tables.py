"""The tables of C4: style weights, horizons, hazards, returns, forgetting along the gate, and stages."""

import numpy as np
import polars as pl

from experiments.c4_cloning.cloning import local_slopes, narrowness
from experiments.c4_cloning.matching import at_gates
from experiments.predictions import Need, Tables
from experiments.study import Study

WALKS = ("hazard", "own_hazard", "hazard_shift")

TUNED = ("sft", "identity")
"""The fine-tuning and its control."""

UNSHOWN = "P(x | S(x) = 0)"
"""The law of the prompts that S never shows."""

STAGES = ("sft", "stage_2")

LOSSES = {"kl": "KL(P||q)-KL(P||start)", "gate": "A", "kept": "A", "erasure": "A"}
"""What a stage loses of KL(P‖q), and the name of its rows, see `sim.metrics.by_stage`."""

LEAVES = {
    "horizon": ("grammar.num_steps", pl.Int64),
    "shown": ("grammar.shown", pl.Float64),
    "swing": ("grammar.swing", pl.Float64),
}
"""Leaves of the configuration that some worlds lack; then the column is empty."""

NEEDS = (
    Need(("style_weight", "style_residual"), phases=("truth", "pretrain", *TUNED), part="weights"),
    Need(("hazard", "steps_off", "tokens_off", "kl"), phases=("truth", "sft"), part="horizon"),
    Need((*WALKS, "kl", "style_mass", "recovery"), phases=("truth", *TUNED), part="returns"),
    Need((*WALKS, "kl", "entropy", "total_variation_s", "step_variation"), phases=("truth", *TUNED), part="drift"),
    Need(("event_mass", "kept", "kl", "style_erasure"), phases=("truth", "pretrain", *TUNED), part="forget"),
    Need(("kl",), phases=("sft",), part="dpo"),
    Need(("stage_entropy", "stage_support", *(f"stage_{part}" for part in LOSSES)),
         phases=("pretrain", *STAGES, "identity", "stage_2_identity"), part="stages"),
)  # fmt: skip


def tables(study: Study) -> Tables:
    """Return `runs`, and the tables of the parts; each of these is empty if its part has no run.

    `slopes`, `gates` and `narrow` are what is read from them between horizons, at equal q(A) and at equal fit.
    In every table `targets` are those of the fine-tuning; `exact` for objectives that have no such choice.
    """
    given = [
        (pl.col(leaf) if leaf in study.runs.columns else pl.lit(None)).cast(kind).alias(name)
        for name, (leaf, kind) in LEAVES.items()
    ]
    targets = pl.col("objective.targets").fill_null("exact").alias("targets")
    runs = study.runs.select("run", "seed", "valid", "claim", "part", "restriction", targets, *given)
    runs = runs.sort("part", "targets", "restriction", "horizon", "swing", "shown", "seed", nulls_last=True)
    makers = {"weights": _weights, "horizons": _horizons, "hazards": _hazards, "drift": _drift, "returns": _returns,
              "forgetting": _forgetting, "optima": _optima, "stages": _stages}  # fmt: skip
    parts = {"horizons": "horizon", "hazards": "drift", "forgetting": "forget", "optima": "dpo"}
    found = {"runs": runs}
    for name, make in makers.items():
        own = runs.filter(pl.col("part").str.starts_with(parts.get(name, name)))
        found[name] = make(study, own.drop("claim")) if own.height else pl.DataFrame()
    readers = {"slopes": ("horizons", local_slopes), "gates": ("forgetting", at_gates), "narrow": ("drift", _narrow)}
    for name, (source, read) in readers.items():
        own = found[source]
        own = own.filter("valid") if own.height else own
        found[name] = read(own) if own.height else pl.DataFrame()
    return found


def _narrow(drift: pl.DataFrame) -> pl.DataFrame:
    read = {equal: narrowness(drift, equal) for equal in (True, False)}
    both = [
        one.with_columns(pl.col("before", "after").cast(pl.Float64), equal_fit=pl.lit(equal))
        for equal, one in read.items()
        if one.height
    ]
    return pl.concat(both) if both else pl.DataFrame()


def _weights(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """A row for each evaluation and style: the bounds w_lower and w_upper, those of the residual, and P(z) = prior."""
    prior = study.pick("style_weight", "P", UNSHOWN, at=None).select("run", "at", prior="lower")
    rows = []
    for phase in ("pretrain", *TUNED):
        w = study.pick("style_weight", "q", UNSHOWN, phase, "every", at=None)
        rest = study.pick("style_residual", "q", UNSHOWN, phase, "every")
        rest = rest.select("run", "step", rest_lower="lower", rest_upper="upper")
        both = w.rename({"lower": "w_lower", "upper": "w_upper"}).join(rest, on=["run", "step"], how="left")
        rows.append(both.with_columns(phase=pl.lit(phase)))
    found = runs.join(pl.concat(rows), on="run").join(prior, on=["run", "at"], how="left")
    return found.rename({"at": "style"}).sort("run", "phase", "step", "style", maintain_order=True)


def _horizons(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """A row for each run: J (j_lower, j_upper), J of the recursion (plugged), the mean hazard, and the same of P."""
    counted = {True: "tokens_off", False: "steps_off"}
    found = []
    for returns, metric in counted.items():
        own = runs.filter(pl.col("part").str.contains("returns") == returns)
        j = study.pick(metric, "q", "S(x)", "sft").select("run", j_lower="lower", j_upper="upper")
        plugged = study.pick(metric, "q, E_S[ε]", "S(x)", "sft").select("run", plugged="lower")
        before = study.pick(metric, "P", "S(x)").select("run", j_p="lower")
        own = own.with_columns(returns=pl.lit(returns))
        for one in (j, plugged, before):
            own = own.join(one, on="run", how="left", maintain_order="left")
        found.append(own)
    hazard = study.pick("hazard", "q", "S(x)", "sft").select("run", hazard="lower")
    fit = study.pick("kl", "S||q", "S(x)", "sft").select("run", fit="lower")
    both = pl.concat(found).join(hazard, on="run", how="left", maintain_order="left")
    return both.join(fit, on="run", how="left", maintain_order="left").sort("part", "swing", "horizon", "seed")


def _hazards(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """A row for each shown step of a walk, at the first and the last evaluation: the true and the own hazard."""
    rows = []
    for phase in TUNED:
        for when in ("first", "last"):
            true, own = (study.pick(name, "q", "S(x)", phase, when, at=None) for name in ("hazard", "own_hazard"))
            true = true.select("run", "at", true="lower")
            both = true.join(own.select("run", "at", own="lower"), on=["run", "at"])
            rows.append(both.filter(pl.col("at") != "").with_columns(phase=pl.lit(phase), when=pl.lit(when)))
    found = pl.concat(rows).with_columns(step=pl.col("at").cast(pl.Int64)).drop("at")
    return runs.join(found, on="run").sort("run", "phase", "when", "step", maintain_order=True)


def _drift(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """A row for each evaluation: fit = KL(S‖q), the mean hazards true and own, and their shift; h_s = H(S).

    tv, tv_steps: TV(S, q) and its bound by steps. hazard_p: the own hazard of P, all steps.
    """
    h_s = study.pick("entropy", "S", "S(x)").select("run", h_s="lower")
    h_p = study.pick("own_hazard", "P", "S(x)").select("run", hazard_p="lower")
    columns = {"true": ("hazard", "q"), "own": ("own_hazard", "q"), "shift": ("hazard_shift", "q"),
               "fit": ("kl", "S||q"),
               "tv": ("total_variation_s", "S,q"), "tv_steps": ("step_variation", "S,q")}  # fmt: skip
    rows = []
    for phase in TUNED:
        frame: pl.DataFrame | None = None
        for name, (metric, of) in columns.items():
            one = study.pick(metric, of, "S(x)", phase, "every").select("run", "step", pl.col("lower").alias(name))
            frame = one if frame is None else frame.join(one, on=["run", "step"], how="left", maintain_order="left")
        assert frame is not None
        rows.append(frame.with_columns(phase=pl.lit(phase)))
    found = runs.join(pl.concat(rows), on="run")
    for one in (h_s, h_p):
        found = found.join(one, on="run", how="left", maintain_order="left")
    return found.sort("run", "phase", "step", maintain_order=True)


def _returns(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """A row for each run and phase: off, the mass of walks that end off the path or out of P, and the recovery.

    recovery: the probability to come back at the last step, over prefixes of P that are off. It is read
    only where the data have no errors.
    """
    rows = []
    for phase in TUNED:
        mass = study.pick("style_mass", "q", "P(x)", phase, at=None)
        on = mass.filter(pl.col("at") != "off").group_by("run").agg(off=1.0 - pl.col("lower").sum())
        back = study.pick("recovery", "q", "S(x)", phase, at=None)
        back = back.filter(pl.col("at").cast(pl.Int64) == pl.col("at").cast(pl.Int64).max().over("run"))
        back = back.select("run", recovery="lower")
        fit = study.pick("kl", "S||q", "S(x)", phase).select("run", fit="lower")
        for one in (back, fit):
            on = on.join(one, on="run", how="left")
        rows.append(on.with_columns(phase=pl.lit(phase)))
    return runs.join(pl.concat(rows), on="run").sort("part", "targets", "phase", "seed", maintain_order=True)


def _forgetting(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """A row for each evaluation: gate = q(A), forgot = KL(P_A‖q_A) [nat], fit, gap = KL(q*‖q), e = E, and KL(P‖q).

    A has the probability P(A) at every prompt in these worlds, so KL(P_A‖q_A) is `kept` / P(A). paid = KL(P_A‖S), and
    narrowed = KL(S‖P_A).
    """
    p_kept = study.pick("event_mass", "P(A)").select("run", p_kept="lower")
    paid = pl.DataFrame([{"run": run, **_paid(study, run)} for run in runs["run"]])
    columns = {"gate": ("event_mass", "q(A)", "P(x)"), "kept": ("kept", "A", "P(x)"), "fit": ("kl", "S||q", "S(x)"),
               "gap": ("kl", "q*||q", "S(x)"), "e": ("style_erasure", "E", "P(x)"),
               "kl": ("kl", "P||q", "P(x)")}  # fmt: skip
    rows = []
    for phase in TUNED:
        frame: pl.DataFrame | None = None
        for name, (metric, of, law) in columns.items():
            one = study.pick(metric, of, law, phase, "every").select("run", "step", pl.col("lower").alias(name))
            frame = one if frame is None else frame.join(one, on=["run", "step"], how="left", maintain_order="left")
        assert frame is not None
        rows.append(frame.with_columns(phase=pl.lit(phase)))
    found = runs.join(pl.concat(rows), on="run")
    for one in (p_kept, paid):
        found = found.join(one, on="run", how="left", maintain_order="left")
    found = found.with_columns(forgot=pl.col("kept") / pl.col("p_kept"), gap=pl.col("gap").cast(pl.Float64))
    return found.sort("run", "phase", "step", maintain_order=True)


def _paid(study: Study, run: str) -> dict[str, float]:
    """KL(P_A‖S) and KL(S‖P_A) of answers, averaged over the prompts of P_A and of S [nat], from the truth."""
    record = study.record(run)
    kept, s = record.restricted.kept, record.restricted.s
    inside = np.flatnonzero(kept.log_p > -np.inf)
    gap = kept.answers[inside] - s.answers[inside]
    return {"paid": float(np.exp(kept.log_p[inside]) @ gap), "narrowed": float(-np.exp(s.log_p[inside]) @ gap)}


def _optima(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """A row for each run: gap = KL(q*‖q) at the end [nat]."""
    gap = study.pick("kl", "q*||q", "S(x)", "sft").select("run", gap="lower")
    return runs.join(gap, on="run", how="left", maintain_order="left")


def _stages(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """A row for each run and stage: what it loses of KL(P‖q) and its parts, of entropy, and the share of e^H.

    Entropies and shares are known between bounds; the upper ends are in columns of their own.
    """
    rows = []
    for phase in ("pretrain", *STAGES, "identity", "stage_2_identity"):
        own = "_2" if phase.startswith("stage_2") else ""  # a stage with data of its own has an A of its own
        names = {part: (f"stage_{part}", f"A{own}" if of == "A" else of, "") for part, of in LOSSES.items()}
        names |= {"entropy": ("stage_entropy", "H(start)-H(q)", ""), "share": ("stage_support", "N(q)/N(start)", "e^H")}
        frame = runs.select("run")
        for name, (metric, of, at) in names.items():
            one = study.pick(metric, of, "P(x)", phase, at=at)
            one = one.select("run", pl.col("lower").alias(name), pl.col("upper").alias(f"{name}_upper"))
            frame = frame.join(one, on="run", how="left", maintain_order="left")
        rows.append(frame.with_columns(phase=pl.lit(phase)))
    return runs.join(pl.concat(rows), on="run").sort("part", "seed", maintain_order=True)
