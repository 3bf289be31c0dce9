"""C4.3, C4.5 and C4.6: reports on rival causes that the claim's page names. They were made after the runs were seen.

* C4.3h: the hazard of every step after data without errors and with repaired ones (C4.3d).
* C4.5e: the mass outside the language after every stage.
* C4.5f: DPO with hard labels and with labels by Bradley and Terry at equal q(B), in place of equal steps (C4.5b).
* C4.6b: which share of KL(S‖q) is gate where hazards are compared at equal fit (C4.6).
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from experiments.c4_cloning.cloning import EQUAL_FIT, counted
from experiments.c4_cloning.forgetting import STAGE_ARMS
from experiments.c4_cloning.matching import at_level
from experiments.c4_cloning.tables import STAGES
from experiments.predictions import Case, Need, Prediction, Tables
from experiments.study import Study

AGAIN = "again"
"""The beginning of the names of the parts that repeat stages of DPO with many evaluations."""

LOST = 0.01
"""q(B) at which two kinds of labels are compared; a second stage begins at about ½."""

LABELLED = {"forgot": ("KL(P‖q)", "nat"), "outside": ("q(⊥)", "1")}
"""Columns of the table `labels` that are compared, their names and units."""

NEEDS = (
    Need(("hazard",), phases=("sft",), part="returns"),
    Need(("off_support",), phases=STAGES, part="stages"),
    Need(("event_mass",), phases=("sft",), part="drift"),
    Need(("event_mass", "kl", "off_support"), phases=STAGES, part=AGAIN),
)


def tables(study: Study, runs: pl.DataFrame, drift: pl.DataFrame) -> Tables:
    """Return `by_step`, `outside`, `labels` and `shares`; each is empty without runs of its parts.

    by_step: hazard of every shown step under prefixes of S, in the end. outside: q(⊥) after every stage. labels: every
    evaluation of a second stage of DPO, with lost = q(B), forgot = KL(P‖q) [nat] and outside = q(⊥). shares: gate =
    −log q(A) [nat] where KL(S‖q) is `EQUAL_FIT`, read between two evaluations, and h_s = H(S).
    """
    returns, stages, again = (runs.filter(pl.col("part").str.starts_with(one)) for one in ("returns", "stages", AGAIN))
    found = {
        "by_step": _by_step(study, returns) if returns.height else None,
        "outside": _outside(study, stages) if stages.height else None,
        "labels": _labels(study, again) if again.height else None,
        "shares": _shares(study, drift) if drift.height else None,
    }
    return {name: pl.DataFrame() if one is None else one for name, one in found.items()}


def _by_step(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    hazard = study.pick("hazard", "q", "S(x)", "sft", at=None).filter(pl.col("at") != "")
    hazard = hazard.select("run", pl.col("at").cast(pl.Int64).alias("step"), hazard="lower")
    return runs.drop("claim").join(hazard, on="run", maintain_order="left")


def _outside(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    parts = [
        study.pick("off_support", "q", "P(x)", phase).select("run", phase=pl.lit(phase), outside="lower")
        for phase in STAGES
    ]
    return runs.drop("claim").join(pl.concat(parts), on="run", maintain_order="left")


def _labels(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    found = runs.drop("claim")
    columns = {"lost": ("event_mass", "q(B_2)"), "forgot": ("kl", "P||q"), "outside": ("off_support", "q")}
    for name, (metric, of) in columns.items():
        one = study.pick(metric, of, "P(x)", "stage_2", "every").select("run", "step", pl.col("lower").alias(name))
        found = found.join(one, on=["run"] if name == "lost" else ["run", "step"], how="left", maintain_order="left")
    return found.sort("part", "seed", "step", maintain_order=True)


def _shares(study: Study, drift: pl.DataFrame) -> pl.DataFrame:
    """A row for each run that comes near enough to its data."""
    mass = study.pick("event_mass", "q(A)", "P(x)", "sft", "every").select("run", "step", inside="lower")
    paths = drift.filter("valid", phase="sft").join(mass, on=["run", "step"], maintain_order="left").sort("step")
    rows = []
    for (run,), own in paths.sort("seed", "h_s", "step").group_by("run", maintain_order=True):
        gate, fit = -np.log(own["inside"].to_numpy()), own["fit"].to_numpy()
        if (found := at_level(-np.log(fit), gate, -np.log(EQUAL_FIT))) is not None:
            said = own.select("seed", "targets", "h_s").row(0, named=True)
            rows.append({"run": run, **said, "gate": found.value, "before": found.before, "after": found.after})
    return pl.DataFrame(rows)


# -- reports ----------------------------------------------------------------------------------------------------------


def by_step(tables: Tables) -> Iterator[Case]:
    """log of the hazard after data without errors over that after data with repaired errors, at each shown step."""
    found = counted(tables, "by_step")
    if not found.height:
        return
    clean, noisy = (found.filter(part=f"returns_{data}") for data in ("clean", "noisy"))
    both = clean.join(noisy, on=["seed", "targets", "step"], suffix="_noisy").sort("targets", "step", "seed")
    for (targets, step), own in both.group_by("targets", "step", maintain_order=True):
        one, other = own["hazard"].to_numpy(), own["hazard_noisy"].to_numpy()
        note = f"hazard {one.mean():.3g} and {other.mean():.3g}"
        yield Case.exact(f"{targets} targets, step {step}", np.log(one / other), "×", note=note, logarithmic=True)


def outside(tables: Tables) -> Iterator[Case]:
    """q(⊥) after the first stage and after every second stage."""
    found = counted(tables, "outside")
    for name, label in STAGE_ARMS.items() if found.height else ():
        for phase in ("sft", "stage_2") if name == "sft" else ("stage_2",):
            own = found.filter(part=f"stages_{name}", phase=phase).sort("seed")["outside"].to_numpy()
            said = "first stage, SFT" if phase == "sft" else f"second stage, {label}"
            if len(own):
                yield Case.exact(said, own, note=f"from {own.min():.2g} to {own.max():.2g}")


def labels(tables: Tables) -> Iterator[Case]:
    """KL(P‖q) and q(⊥) of DPO with hard labels minus those with labels by Bradley and Terry, at equal q(B)."""
    found = counted(tables, "labels")
    for column, (words, unit) in LABELLED.items() if found.height else ():
        read: dict[tuple[object, ...], float] = {}
        for key, own in found.group_by("part", "seed", maintain_order=True):
            level = at_level(-np.log(own["lost"].to_numpy()), own[column].to_numpy(), -np.log(LOST))
            read |= {} if level is None else {key: level.value}
        pairs = [[read.get((f"{AGAIN}_{one}", seed)) for one in ("hard", "dpo")] for seed in sorted(set(found["seed"]))]
        both = np.array([pair for pair in pairs if None not in pair], np.float64).reshape(-1, 2)
        note = f"{both[:, 0].mean():.3g} and {both[:, 1].mean():.3g}" if len(both) else ""
        yield Case.exact(f"{words} at q(B) = {LOST:g}", both[:, 0] - both[:, 1], unit, note=note)


def gates(tables: Tables) -> Iterator[Case]:
    """−log q(A) over KL(S‖q) where KL(S‖q) is 0.1, by data: sharpened, as they are, flattened."""
    found = tables["shares"]
    names = ("sharpened", "as they are", "flattened")
    for (targets,), own in found.group_by("targets", maintain_order=True) if found.height else ():
        worlds = [
            one.sort("h_s")["gate"].to_numpy()
            for _, one in own.group_by("seed", maintain_order=True)
            if one.height == len(names)
        ]
        for place, name in enumerate(names) if worlds else ():
            yield Case.exact(f"{targets} targets, {name}", np.array([one[place] for one in worlds]) / EQUAL_FIT)


RIVALS = (
    Prediction(
        "C4.3h", "The hazard of each step: data without errors over data with repaired ones.", "report", by_step,
        predicted="–", rule="Hazard under prefixes of S in the end, ratio, geometric mean over worlds.",
        control="C4.3d", figure="returns",
    ),
    Prediction(
        "C4.5e", "The mass outside the language after every stage.", "report", outside, predicted="–",
        rule="q(⊥) under P(x).", control="C4.5d", figure="stages",
    ),
    Prediction(
        "C4.5f", "Hard labels against labels by Bradley and Terry at equal q(B).", "report", labels, predicted="–",
        rule=f"KL(P‖q) and q(⊥) where q(B) first is {LOST:g}, read between two evaluations: hard minus the others.",
        control="C4.5b", figure="stages",
    ),
    Prediction(
        "C4.6b", "Which share of KL(S‖q) is gate at equal fit.", "report", gates, predicted="–",
        rule=f"−log q(A) over KL(S‖q) where KL(S‖q) = {EQUAL_FIT:g}; the rest is wrong between the paths.",
        control="C4.6", figure="narrowness",
    ),
)  # fmt: skip
