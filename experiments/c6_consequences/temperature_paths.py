"""C6.2: what the base model and the tuned model are at every decoding rule, and at equal validity."""

import numpy as np
import polars as pl

from experiments.predictions import Need
from experiments.study import Step, Study
from sim.theory.tempering import Gate, largest_leak

ARMS = {
    "temperature_plain": "S = P_z", "temperature_sharp": "narrower S", "temperature_erased": "erased",
    "temperature_control": "control",
}  # fmt: skip
"""What is fine-tuned, by the part of the study: one style; its answers sharpened; sampled targets; and fresh data."""

MODELS: dict[str, Step] = {"base": "first", "tuned": "last"}
"""The model before the fine-tuning, and the model after it, by the evaluation at which it is recorded."""

VALID = 0.9
"""Least probability of an answer that P can give, at a temperature that counts."""

LEVELS = (0.95, 0.8, 0.6)
"""Validities at which two models are compared."""

LOW = 0.3
"""A validity so low that the comparison there is only reported."""

RATIOS = (2, 10)
"""An answer is covered if the model makes it less than this many times rarer than P."""

NUMBERS = {
    "validity": ("decoded_validity", "q", "P(x)"), "lost": ("decoded_mass", "q(B)", "P(x)"),
    "kl": ("decoded_kl", "P||q", "P(x)"),
    "gate_lost": ("decoded_gate", "q(B)", "P(x)"), "gate_leak": ("decoded_gate", "q(⊥)", "P(x)"),
    **{f"missed_{ratio}": (f"decoded_lost_{ratio}", "P,q", "P(x)") for ratio in RATIOS},
    **{f"missed_in_style_{ratio}": (f"decoded_lost_{ratio}", "P_A,q_A", "P_A(x)") for ratio in RATIOS},
}  # fmt: skip
"""The numbers of a decoded model: columns of `paths`, and how they are picked."""

NEEDS = (
    Need(tuple(dict.fromkeys(name for name, _, _ in NUMBERS.values())), phases=("sft",), part="temperature"),
    Need(("kl", "event_mass", "style_within", "reweighted_kl"), phases=("sft",), part="temperature"),
)


def paths(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each run, model (base or tuned) and rule, with the columns of NUMBERS.

    rule: temperature, top-k, top-p or min-p; number: its number; covered_N and in_style_N: the P-mass, and the P_A-mass
    within the kept style, of the answers that the model makes less than N times rarer; p_lost: P(B); fit: KL(S‖q) of
    the tuned model [nat].
    """
    parts = []
    for model, step in MODELS.items():
        found: pl.DataFrame | None = None
        for name, (metric, of, law) in NUMBERS.items():
            one = study.pick(metric, of, law, "sft", step, at=None).select("run", "at", pl.col("lower").alias(name))
            found = one if found is None else found.join(one, on=["run", "at"], how="left", maintain_order="left")
        assert found is not None
        parts.append(found.with_columns(model=pl.lit(model)))
    words = pl.col("at").str.replace("T =", "temperature").str.split(" ")
    covered = {f"covered_{ratio}": 1.0 - pl.col(f"missed_{ratio}") for ratio in RATIOS}
    in_style = {f"in_style_{ratio}": 1.0 - pl.col(f"missed_in_style_{ratio}") for ratio in RATIOS}
    both = pl.concat(parts).with_columns(
        rule=words.list.first(), number=words.list.last().cast(pl.Float64), **covered, **in_style
    )
    both = both.drop("at", pl.selectors.starts_with("missed"))
    fit = study.pick("kl", "S||q", "S(x)", "sft").select("run", fit="lower")
    p_lost = study.pick("event_mass", "P(B)").select("run", p_lost="lower")
    given = runs.join(fit, on="run", maintain_order="left").join(p_lost, on="run", maintain_order="left")
    return given.join(both, on="run").sort("part", "seed", "model", "rule", "number", maintain_order=True)


def best(study: Study, found: pl.DataFrame) -> pl.DataFrame:
    """Return for each run that loses something, and each model, the temperature that brings back most of it.

    most_lost: the largest q_T(B) among the recorded temperatures at which the validity is at least VALID; most_gate:
    the same of the first token alone, also between recorded temperatures; law: the same of a gate with the same q(B)
    and q(⊥), spread evenly over the tokens (`sim.theory.tempering`); leak: its q(⊥); needed: the largest leak at which
    a temperature would bring back P(B) / 2; most_in_style_2: the largest coverage within the kept style at such a
    temperature; in_style_2: the same at T = 1.
    """
    rows = []
    for (run, model), own in found.filter(rule="temperature").group_by("run", "model", maintain_order=True):
        if own["p_lost"][0] == 0.0:
            continue
        valid = own.filter(pl.col("validity") >= VALID)
        plain = own.filter(number=1.0).row(0, named=True)
        rows.append({
            "run": run, "model": model, "leak": plain["gate_leak"], "lost": plain["gate_lost"],
            "most_lost": valid["lost"].max(), "most_gate": _at_the_gate(own),
            "in_style_2": plain["in_style_2"], "most_in_style_2": valid["in_style_2"].max(),
            **_law(study, str(run), plain),
        })  # fmt: skip
    tags = found.select("run", "part", "arm", "seed", "valid", "fit", "p_lost").unique(maintain_order=True)
    return tags.join(pl.DataFrame(rows), on="run") if rows else pl.DataFrame()


def _at_the_gate(path: pl.DataFrame) -> float:
    """Return the largest q_T(B) of the first token at a validity of at least VALID there, or where it falls to it."""
    gate = path.select("number", "gate_lost", validity=1.0 - pl.col("gate_leak"))
    allowed = [*gate.filter(pl.col("validity") >= VALID)["gate_lost"].to_list(), at_level(gate, VALID, "gate_lost")]
    return float(max(one for one in allowed if one is not None))


def _law(study: Study, run: str, plain: dict[str, float]) -> dict[str, float | None]:
    """Return what the gate alone allows, from the size of the vocabulary and the number of lost styles."""
    p = study.record(run).p
    assert p.styles is not None, "the worlds of this part have styles"
    number = len(p.styles.names) - 1
    lost, size = plain["gate_lost"], len(p.vocabulary)
    needed = largest_leak(plain["p_lost"] / 2, VALID, lost, size, number)
    reached = Gate(lost, plain["gate_leak"], size, number).most_lost(VALID)
    return {"law": None if reached is None else reached.lost, "needed": needed, "vocabulary": float(size)}


def equal(found: pl.DataFrame) -> pl.DataFrame:
    """Return what the base and the tuned model cover at equal validity, each at the temperature that gives it.

    A row for each run, level and quantity (covered_N, in_style_N); the columns base and tuned are empty where no
    temperature crosses the level. Between neighbouring temperatures numbers are interpolated.
    """
    rows = []
    for (run,), own in found.filter(rule="temperature").group_by("run", maintain_order=True):
        for level in (*LEVELS, LOW):
            for name in (f"{kind}_{ratio}" for kind in ("covered", "in_style") for ratio in RATIOS):
                at = {model: at_level(own.filter(model=model), level, name) for model in MODELS}
                rows.append({"run": run, "level": level, "quantity": name, **at})
    tags = found.select("run", "part", "arm", "seed", "valid", "fit").unique(maintain_order=True)
    kinds = {"level": pl.Float64, **dict.fromkeys(MODELS, pl.Float64)}
    return tags.join(pl.DataFrame(rows, schema_overrides=kinds), on="run") if rows else pl.DataFrame()


def at_level(path: pl.DataFrame, level: float, name: str) -> float | None:
    """Return a number where the validity falls below a level for the last time as T rises; None if it never does."""
    path = path.sort("number")
    validity, values = path["validity"].to_numpy(), path[name].to_numpy()
    above = np.flatnonzero(validity >= level)
    if not len(above) or above[-1] == len(validity) - 1:
        return None
    i = int(above[-1])
    share = (validity[i] - level) / (validity[i] - validity[i + 1])
    return float((1.0 - share) * values[i] + share * values[i + 1])


def repairs(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """Return for each run and model KL(P‖q), the same after re-weighting by style, and Σ P(z) KL(P_z‖q_z) [nat]."""
    parts = []
    for model, step in MODELS.items():
        within = (
            study.pick("style_within", "z", "P(x)", "sft", step, at=None)
            .group_by("run")
            .agg(within=pl.col("lower").sum())
        )
        for name, metric, of in (("kl", "kl", "P||q"), ("reweighted", "reweighted_kl", "P||q_w")):
            one = study.pick(metric, of, "P(x)", "sft", step).select("run", pl.col("lower").alias(name))
            within = within.join(one, on="run")
        parts.append(within.with_columns(model=pl.lit(model)))
    return runs.join(pl.concat(parts), on="run").sort("part", "seed", "model", maintain_order=True)
