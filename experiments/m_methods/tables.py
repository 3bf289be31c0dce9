"""M: the runs as tables: ends, where paths first reach a fit, the path of DFT, and interpolated models."""

from typing import Any

import polars as pl

from experiments.c5_rank.paths import at_fit
from experiments.m_methods.methods import FIT, LEVELS, METHODS, WEIGHTS
from experiments.predictions import Need, Tables
from experiments.study import Study
from sim.theory.frontier import least_forgetting

NEEDS = (
    Need(("kl", "style_erasure", "event_mass", "gate", "entropy", "off_support", "excursion", "squared_path")),
)  # fmt: skip
"""The numbers that are needed, of all phases: models are also read before the fine-tuning, and after edits."""

PATH = {
    "fit": ("kl", "S||q", "S(x)"), "forgetting": ("kl", "P||q", "P(x)"), "e": ("style_erasure", "E", "P(x)"),
    "lost": ("event_mass", "q(B)", "P(x)"), "gate": ("gate", "A", "P(x)"), "behind": ("kl", "q*||q", "S(x)"),
}  # fmt: skip
"""What is read of every evaluation: columns, and the metric, what it is of, and the prompt law."""

TRUTH = {
    "h_s": ("entropy", "S", "P(x)"), "h_best": ("entropy", "q*", "P(x)"), "fit_best": ("kl", "S||q*", "S(x)"),
    "forgetting_best": ("kl", "P||q*", "P(x)"),
}  # fmt: skip
"""What is read of the truth, in the same way."""


def tables(study: Study) -> Tables:
    """Return `runs`, `ends`, `crossings`, `greedy` (the path of DFT) and `edits` (interpolated models).

    Parts that are no methods of the claim are left out.
    """
    runs = study.runs.select("run", "seed", "valid", "claim", "part").sort("part", "seed", "run")
    own = runs.filter(pl.col("part").is_in(list(METHODS)))
    if not own.height:
        return {"runs": runs} | {name: pl.DataFrame() for name in ("ends", "crossings", "greedy", "edits")}
    tags = own.select("run", "seed", "valid", "part")
    paths = paths_of(study, tags)
    greedy = paths.filter(part="dft").select("run", "seed", "valid", "step", "behind")
    return {
        "runs": runs, "ends": ends(study, tags, paths), "crossings": crossings(study, paths), "greedy": greedy,
        "edits": edits(study, paths),
    }  # fmt: skip


def paths_of(study: Study, tags: pl.DataFrame) -> pl.DataFrame:
    """Return every evaluation of the fine-tunings.

    fit: KL(S‖q); forgetting: KL(P‖q); e: E, which is 0 at q0 by its definition; lost: q(B); gate; behind: KL(q*‖q),
    null without q*.
    """
    found = tags
    for name, (metric, of, law) in PATH.items():
        one = study.pick(metric, of, law, "sft", "every").select("run", "step", pl.col("lower").alias(name))
        keys = ["run"] if name == "fit" else ["run", "step"]
        found = found.join(one, on=keys, how="left", maintain_order="left")
    start = pl.when(pl.col("step") == 0).then(0.0)
    return found.with_columns(e=pl.col("e").fill_null(start)).sort("part", "seed", "run", "step", maintain_order=True)


def ends(study: Study, tags: pl.DataFrame, paths: pl.DataFrame) -> pl.DataFrame:
    """Return what every run has in the end.

    Beside the columns of the paths: x_lower, x_upper: the excursion X, null if there is none; walked, the sum Q of the
    squared lengths of all steps (the middle of its bounds); h_lower, h_upper: the entropy of the model [nat per
    answer]; off: q(⊥); forgetting_start: KL(P‖q0); e_identity: E of the identity control, null without one; the columns
    of `TRUTH`; and fits: KL(S‖q) + log(1 − q(⊥)) is at most KL(S‖q*) + `FIT`, or KL(S‖q*) is infinite, so that no fit
    can be asked for. q* is known given that the answer is listed, so the leak is taken from the fit of the model too.
    """
    last = paths.group_by("run", maintain_order=True).agg(pl.col("step", *PATH).last())
    found = tags.join(last, on="run", maintain_order="left")
    for name, (metric, of, law) in TRUTH.items():
        one = study.pick(metric, of, law).select("run", pl.col("lower").alias(name))
        found = found.join(one, on="run", how="left", maintain_order="left")
    more = {
        "x": ("excursion", "X", "S(x)", "sft"), "walked": ("squared_path", "q0,q", "", "sft"),
        "h": ("entropy", "q", "P(x)", "sft"), "off": ("off_support", "q", "P(x)", "sft"),
        "forgetting_start": ("kl", "P||q", "P(x)", "pretrain"),
        "e_identity": ("style_erasure", "E", "P(x)", "identity"),
    }  # fmt: skip
    found = study.beside(found, **{name: study.pick(*said) for name, said in more.items()})
    middle = {
        name: (pl.col(f"{name}_lower") + pl.col(f"{name}_upper")) / 2
        for name in ("walked", "off", "forgetting_start", "e_identity")
    }
    found = found.with_columns(**middle).drop(f"{name}_{end}" for name in middle for end in ("lower", "upper"))
    listed = pl.col("fit") + (-pl.col("off")).log1p()
    fits = (listed - pl.col("fit_best") <= FIT) | pl.col("fit_best").is_infinite()
    return found.with_columns(fits=fits.fill_null(False))


def crossings(study: Study, paths: pl.DataFrame) -> pl.DataFrame:
    """Return the numbers of every run where KL(S‖q) first is at most each of `LEVELS`, on a straight line in its log.

    above: KL(P‖q) minus the least that any model can have at this fit, the distance to the frontier [nat per answer].
    A run that never gets there has no row.
    """
    rows, least = [], _Frontier(study)
    names = ("step", "e", "forgetting", "lost", "gate")
    for (run, seed, valid, part), own in _by_run(paths):
        for level in LEVELS:
            read = {name: at_fit(own["fit"].to_numpy(), own[name].cast(pl.Float64).to_numpy(), level) for name in names}
            there = {name: one.interpolated for name, one in read.items() if one is not None}
            if there:
                above = there["forgetting"] - least.at(run, seed, level)
                rows.append({"run": run, "seed": seed, "valid": valid, "part": part, "level": level, **there,
                             "above": above})  # fmt: skip
    schema: dict[str, type[pl.DataType]] = {"run": pl.String, "seed": pl.Int64, "valid": pl.Boolean, "part": pl.String}
    return pl.DataFrame(rows, schema=schema | dict.fromkeys(("level", *names, "above"), pl.Float64))


class _Frontier:
    """The least forgetting at a fit, computed once for each world and fit."""

    def __init__(self, study: Study) -> None:
        self.study, self.known = study, dict[tuple[int, float], float]()

    def at(self, run: str, seed: int, fit: float) -> float:
        if (seed, fit) not in self.known:
            record = self.study.record(run)
            laws = record.restricted.s.log_p, record.p.log_p
            self.known[seed, fit] = least_forgetting(*laws, fit, record.p.prompts.group)
        return self.known[seed, fit]


def edits(study: Study, paths: pl.DataFrame) -> pl.DataFrame:
    """Return the interpolated models, beside the path of their own fine-tuning where it first fits as well.

    Columns: weight; fit, forgetting and e of the interpolated model; forgetting_path and e_path: those of the path
    where KL(S‖q) first is at most that of the interpolated model, null if it never is.
    """
    rows, of_run = [], {key[0]: own for key, own in _by_run(paths)}
    for weight in WEIGHTS:
        phase = f"interpolate_{weight:g}"
        found = study.pick(*PATH["fit"], phase).select("run", fit="lower")
        for name in ("forgetting", "e"):
            one = study.pick(*PATH[name], phase).select("run", pl.col("lower").alias(name))
            found = found.join(one, on="run", how="left", maintain_order="left")
        for row in found.sort("run").iter_rows(named=True):
            own = of_run.get(row["run"])
            if own is None:
                continue
            fits = own["fit"].to_numpy()
            read = {name: at_fit(fits, own[name].to_numpy(), row["fit"]) for name in ("forgetting", "e")}
            beside = {f"{name}_path": None if one is None else one.interpolated for name, one in read.items()}
            rows.append(
                own.select("run", "seed", "valid", "part").row(0, named=True) | row | {"weight": weight} | beside
            )
    number = ("fit", "forgetting", "e", "weight", "forgetting_path", "e_path")
    schema = {"run": pl.String, "seed": pl.Int64, "valid": pl.Boolean, "part": pl.String}
    return pl.DataFrame(rows, schema=schema | dict.fromkeys(number, pl.Float64)).sort("part", "weight", "seed")


def _by_run(paths: pl.DataFrame) -> list[tuple[tuple[Any, ...], pl.DataFrame]]:
    """The runs, with their evaluations in the order of the steps."""
    return list(paths.sort("part", "seed", "run", "step").group_by("run", "seed", "valid", "part", maintain_order=True))
