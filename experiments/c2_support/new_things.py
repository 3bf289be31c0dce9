"""C2.10: new things in the data, S = (1 - ν) P_A + ν N with N outside supp P. Losses are compared at equal q(B)."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from experiments.c2_support.mass import counted
from experiments.predictions import Case, Need, Prediction, Tables
from experiments.study import Study

PART, TABLE_PART = "new_things", "new_table"
"""Names of the parts of the study begin so: transformers, and flat tables under SGD with exact gradients."""

FITTED = 0.03
"""Largest KL(S‖q) in the end at which a fine-tuning counts [nat per answer]."""

SETTLED = 0.05
"""A flat table counts if lr·t·q(B) has changed by less than this share over the last doubling of the steps."""

FEATURES = ("gate", "gate_by_prompt", "erased")
"""What is read where q(B) is equal [nat]."""

WORDS = {"all": "new words", "first": "a new first word"}
"""What is new in N, by the argument `words` of the restriction."""

NEW_NEEDS = (
    Need(("kl", "gate", "event_mass", "style_erasure", "style_mass"), phases=("sft",), part=PART),
    Need(("event_mass", "decay_constant"), phases=("sft",), part=TABLE_PART),
)
"""The numbers that are needed from the parts."""

KEYS = ("seed", "targets", "optimizer", "learning_rate", "model_shown", "words")
"""What pairs a run with new things and the run without. They have the same world and the same q0."""


def tables(study: Study, runs: pl.DataFrame) -> Tables:
    """Return `new_things` (see `new_paths`) and `new_limits`. They are empty without runs of the parts."""
    own = {part: runs.filter(pl.col("part").str.starts_with(part)) for part in (PART, TABLE_PART)}
    return {
        "new_things": new_paths(study.restricted(own[PART]), own[PART]),
        "new_limits": new_limits(study.restricted(own[TABLE_PART]), own[TABLE_PART]),
    }


def new_paths(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """Return the fine-tunings at every evaluation: q(A), q(B), E [nat], q(N), fit KL(S‖q), ν and P(A), and two gates.

    Masses are averaged under P(x), q(N) under S(x). gate: P(A) log P(A)/q(A) + P(B) log P(B)/q(B) of the averages;
    gate_by_prompt: the same at every prompt, then averaged; it is larger where prompts differ.
    """
    if not runs.height:
        return pl.DataFrame()
    path = study.pick("event_mass", "q(B)", "P(x)", "sft", "every").select("run", "step", lost="lower")
    columns = {
        "kept": ("event_mass", "q(A)", "P(x)", ""), "gate_by_prompt": ("gate", "A", "P(x)", ""),
        "erased": ("style_erasure", "E", "P(x)", ""), "fit": ("kl", "S||q", "S(x)", ""),
        "new": ("style_mass", "q", "S(x)", "new"),
    }  # fmt: skip
    for name, (metric, of, law, at) in columns.items():
        one = study.pick(metric, of, law, "sft", "every", at=at).select("run", "step", pl.col("lower").alias(name))
        path = path.join(one, on=["run", "step"], how="left", maintain_order="left")
    share = study.runs.select("run", words="restriction.words", share=pl.col("restriction.share").cast(pl.Float64))
    whole = study.pick("event_mass", "P(A)").select("run", p_kept="lower")
    found = path.join(share, on="run").join(whole, on="run")
    p = pl.col("p_kept")
    found = found.with_columns(
        gate=p * (p / pl.col("kept")).log() + (1 - p) * ((1 - p) / pl.col("lost")).log(),
    )
    return runs.join(found, on="run", maintain_order="left").sort("run", "step", maintain_order=True)


def new_limits(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """Return for every flat table lr·t·q(B) in the end and at half of the steps, and its limit 1/κ of the decay law.

    The limit is the sum over prompts of 1/(1/n + 1/n_B), with n the number of answers that S has, old and new.
    """
    if not runs.height:
        return pl.DataFrame()
    path = study.pick("event_mass", "q(B)", "P(x)", "sft", "every").filter(pl.col("step") > 0)
    limit = study.pick("decay_constant", "S", "S(x)", at="tabular_strings").select("run", limit="lower")
    path = runs.join(path, on="run", maintain_order="left").join(limit, on="run", maintain_order="left")
    share = study.runs.select("run", share=pl.col("restriction.share").cast(pl.Float64))
    path = path.join(share, on="run", maintain_order="left")
    path = path.with_columns(scaled=pl.col("learning_rate") * pl.col("step") * pl.col("lower")).sort("run", "step")
    half = (pl.col("step").log() - (pl.col("step").max() / 2).log()).abs().arg_min()
    return path.group_by("run", "seed", "share", maintain_order=True).agg(
        pl.col("scaled").last(), pl.col("scaled").get(half).alias("before"), pl.col("limit").last()
    )


# -- at equal q(B) ----------------------------------------------------------------------------------------------------


def matched(paths: pl.DataFrame) -> pl.DataFrame:
    """Return the runs with ν > 0, each beside the run with ν = 0 that has the same keys, both where q(B) is equal.

    The level of q(B) is the larger one of both ends, so that one of them is at its end and the other one near it.
    Columns <name> and <name>_old for every feature; end: q(A) in the end. A pair counts if both runs have fitted S.
    """
    rows = []
    for values, own in paths.group_by(*KEYS, maintain_order=True) if paths.height else ():
        curves = {float(share): one for (share,), one in own.group_by("share", maintain_order=True)}
        old = curves.pop(0.0, None)
        for share, curve in sorted(curves.items()):
            if old is None or max(old["fit"][-1], curve["fit"][-1]) > FITTED:
                continue
            level = max(float(old["lost"][-1]), float(curve["lost"][-1]))
            row = dict(zip(KEYS, values, strict=True)) | {"share": share, "level": level, "end": curve["kept"][-1]}
            row |= {name: at_level(curve, name, level) for name in FEATURES}
            row |= {f"{name}_old": at_level(old, name, level) for name in FEATURES}
            rows.append(row | {"p_kept": float(curve["p_kept"][0])})
    return pl.DataFrame(rows)


def at_level(path: pl.DataFrame, column: str, level: float) -> float:
    """Return a column where q(B) last falls to a level, or in the end if it ends there; linear in log q(B) between."""
    lost, values = path["lost"].to_numpy(), path[column].to_numpy()
    if lost[-1] == level:
        return float(values[-1])
    at = int(np.flatnonzero(lost > level)[-1])
    share = np.log(lost[at] / level) / np.log(lost[at] / lost[at + 1])
    return float(values[at] + share * (values[at + 1] - values[at]))


def _pairs(tables: Tables) -> Iterator[tuple[str, float, pl.DataFrame]]:
    """Iterate over the pairs by targets, optimiser and ν."""
    found = matched(counted(tables, "new_things"))
    keys = (*KEYS[1:], "share")
    for values, own in found.group_by(*keys, maintain_order=True) if found.height else ():
        targets, optimizer, rate, model, words, share = values
        case = f"{WORDS[words]}, ν = {share:g}, {targets} targets, {model}, {optimizer}, lr {rate:g}"
        yield case, float(share), own.sort("seed")


def _excess(tables: Tables, gate: str) -> Iterator[Case]:
    """A gate with new things minus the gate without, in units of P(A) log 1/(1-ν)."""
    for case, share, own in _pairs(tables):
        if share < 1.0:
            more = (own[gate] - own[f"{gate}_old"]) / own["p_kept"] / -np.log1p(-share)
            yield Case.exact(case, more.to_numpy())


def gates(tables: Tables) -> Iterator[Case]:
    """C2.10a: the gate of the masses."""
    return _excess(tables, "gate")


def gates_by_prompt(tables: Tables) -> Iterator[Case]:
    """C2.10e: the gate that is part of KL(P‖q)."""
    return _excess(tables, "gate_by_prompt")


def limits(tables: Tables) -> Iterator[Case]:
    """C2.10b: lr·t·q(B) of flat tables in units of its limit, where it has settled."""
    found = counted(tables, "new_limits")
    for (share,), own in found.group_by("share", maintain_order=True) if found.height else ():
        settled = own.filter((pl.col("scaled") / pl.col("before") - 1.0).abs() < SETTLED)
        case, ratio = f"flat table, SGD, ν = {share:g}", (settled["scaled"] / settled["limit"]).to_numpy()
        yield Case.exact(case, ratio, note=f"{settled.height} of {own.height} settled", undecided=not settled.height)


def erasures(tables: Tables) -> Iterator[Case]:
    """C2.10c: E with new things minus E without."""
    for case, share, own in _pairs(tables):
        if share < 1.0:
            yield Case.exact(case, (own["erased"] - own["erased_old"]).to_numpy(), "nat")


def only_new(tables: Tables) -> Iterator[Case]:
    """C2.10d: of data that are all new, E minus E without new things, and what is left of the mass of A."""
    for case, share, own in _pairs(tables):
        if share == 1.0:
            yield Case.exact(f"E, {case}", (own["erased"] - own["erased_old"]).to_numpy(), "nat")
            yield Case.exact(f"q(A), {case}", own["end"].to_numpy())


# -- predictions ------------------------------------------------------------------------------------------------------

NEW = (
    Prediction(
        "C2.10a",
        "New things in the data cost a gate of P(A) log 1/(1−ν) more, at equal q(B).",
        "equality",
        gates,
        predicted="1, in units of P(A) log 1/(1−ν)",
        rule="(gate(ν) − gate(0)) / (P(A) log 1/(1−ν)) at the same q(B), the larger one of both ends, within the "
        "margin.",
        control="ν = 0",
        value=1.0,
        margin=0.25,
        instrument=True,
        only=f"valid runs with KL(S‖q) of at most {FITTED} nats",
    ),
    Prediction(
        "C2.10b",
        "Flat table, SGD: old and new answers of S together set the limit of lr·t·q(B).",
        "equality",
        limits,
        predicted="1, in units of 1/κ = 1/(1/n + 1/n_B), n = |A ∪ N|",
        rule="lr·t·q(B) over its limit, summed over prompts, in the end, within the margin.",
        control="n = |A|",
        value=1.0,
        margin=0.1,
        only=f"valid runs in which lr·t·q(B) changed by less than {SETTLED:.0%} in the last doubling of the steps",
    ),
    Prediction(
        "C2.10c",
        "New things in the data erase more of the lost styles, at equal q(B).",
        "sign",
        erasures,
        predicted="above 0",
        rule="E(ν) − E(0) at the same q(B), the larger one of both ends, above 0.",
        control="ν = 0",
        only=f"valid runs with KL(S‖q) of at most {FITTED} nats",
        worlds=12,
    ),
    Prediction(
        "C2.10d",
        "Data that are all new lose A as well.",
        "report",
        only_new,
        predicted="–",
        rule="E(1) − E(0) at the same q(B), and q(A) in the end.",
        control="ν = 0",
        only=f"valid runs with KL(S‖q) of at most {FITTED} nats",
    ),
    Prediction(
        "C2.10e",
        "The gate given the prompt exceeds this where q(B|x) differs more between prompts.",
        "report",
        gates_by_prompt,
        predicted="–",
        rule="As C2.10a, with the gate that is part of KL(P‖q).",
        control="ν = 0",
        only=f"valid runs with KL(S‖q) of at most {FITTED} nats",
    ),
)
