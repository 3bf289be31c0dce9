"""The tables of C3: a row for each run and for each evaluation, data sets from the truth, and fits of tables."""

import polars as pl

from experiments.c3_answers.datasets import datasets
from experiments.c3_answers.truth import truth
from experiments.predictions import Need, Tables
from experiments.study import Study
from sim.metrics.frames import documents_table
from sim.theory.ngram import fit

TRAINED, HELD = "S(x)", "P(x | S(x) = 0)"
"""The laws of the prompts that the data show, and of those that they never show."""

CELLS = ("cells", "infinite", "identity", "annotators", "fewer", "rivals", "copies")
"""Beginnings of the names of the parts of the study that train transformers."""

MODES = "modes"
"""The beginning of the names of the parts that fit tables."""

_ENDS = ("entropy", "entropy_held_out", "kl", "covering_slope", "memorisation", "memorisation_residual",
         "excess_collision", "answer_mass", "good_turing")  # fmt: skip

NEEDS = (
    *(Need(_ENDS, phases=("sft",), part=part) for part in CELLS),
    Need(("entropy", "kl", "answer_mass"), phases=("sft",), part=MODES),
)

LEAVES = {
    "width": ("model.width", pl.Int64),
    "m": ("restriction.num_answers", pl.Int64),
    "n": ("restriction.num_prompts", pl.Int64),
    "annotator": ("restriction.annotator", pl.String),
    "temperature": ("restriction.temperature", pl.Float64),
    "rate": ("optimizer.learning_rate", pl.Float64),
    "targets": ("objective.targets", pl.String),
    "batch": ("finetune.batch_size", pl.Int64),
    "num_steps": ("finetune.num_steps", pl.Int64),
}
"""Columns of the table `runs`, their leaves of the configuration and their types; null where a run lacks one."""

PAIRED = ("part", "model", "objective", "width", "m", "n", "annotator", "temperature", "rate", "targets", "seed")


def tables(study: Study) -> Tables:
    """Return `runs` (a row each), `paths` (a row for each evaluation), `datasets`, `modes` and `answers`.

    Entropies [nat per answer]: h_<model>_<prompts>, where the model is p, s, q or q0 and the prompts are trained or
    held; those of models have a lower and an upper bound. rho, residual: the dial of memorisation, from q0; excess: the
    excess of the collision probability of q as a share of 1 − C(P); tau_<prompts>: the fitted temperature of q against
    P; slope: of log(q/S) on log S; fit: KL(S‖q); unseen, missing: mass of the valid answers that the data lack, of q
    and of P; loss: see `experiments.c3_answers.truth`; bits: of the data per parameter of the model.
    """
    runs = tagged(study.runs)
    cells = runs.filter(pl.any_horizontal(pl.col("part").str.starts_with(one) for one in CELLS))
    modes = runs.filter(pl.col("part").str.starts_with(MODES))
    own = study.restricted(cells)
    found = runs.join(_ends(own, cells), on="run", how="left", maintain_order="left")
    found = found.join(truth(own, cells), on="run", how="left", maintain_order="left").sort(*PAIRED)
    return {
        "runs": found,
        "paths": _paths(own, cells),
        "datasets": datasets(),
        "modes": _modes(study.restricted(modes), modes),
        "answers": _answers(study, modes),
    }


def tagged(runs: pl.DataFrame) -> pl.DataFrame:
    """Return what tells the runs of the study apart."""

    def leaf(name: str, kind: type[pl.DataType]) -> pl.Expr:
        return (pl.col(name) if name in runs.columns else pl.lit(None)).cast(kind)

    columns = {name: leaf(*one) for name, one in LEAVES.items()}
    objective = pl.col("objective.kind")
    return runs.select("run", "seed", "valid", "claim", "part", model="model.kind", objective=objective, **columns)


def _middle(
    study: Study, metric: str, of: str, law: str = "", name: str = "", phase: str = "truth", at: str = ""
) -> pl.DataFrame:
    """Return the middle of the bounds of a number at the end of every run."""
    found = study.pick(metric, of, law, phase, at=at)
    return found.select("run", ((pl.col("lower") + pl.col("upper")) / 2).alias(name))


def _ends(study: Study, cells: pl.DataFrame) -> pl.DataFrame:
    """Return the numbers at the end of the fine-tuning of every run, and what is true of P and S."""
    found = cells.select("run")
    exact = {
        "h_p_trained": ("entropy", "P", TRAINED, "truth", ""), "h_s_trained": ("entropy", "S", TRAINED, "truth", ""),
        "h_p_held": ("entropy_held_out", "P", HELD, "truth", ""), "fit": ("kl", "S||q", TRAINED, "sft", ""),
        "rho": ("memorisation", "q-q0", TRAINED, "sft", ""),
        "slope": ("covering_slope", "S,q", TRAINED, "sft", "mass"),
        "slope_p_trained": ("covering_slope", "P,q", TRAINED, "sft", "mass"),
        "slope_p_held": ("covering_slope", "P,q", HELD, "sft", "mass"),
        "unseen": ("answer_mass", "q", TRAINED, "sft", "unseen"),
        "missing": ("answer_mass", "P", TRAINED, "truth", "unseen"),
        "good_turing": ("good_turing", "S", TRAINED, "truth", ""),
    }  # fmt: skip
    for name, (metric, of, law, phase, at) in exact.items():
        number = _middle(study, metric, of, law, name, phase=phase, at=at)
        found = found.join(number, on="run", how="left", maintain_order="left")
    for prompts, metric, law in (("trained", "entropy", TRAINED), ("held", "entropy_held_out", HELD)):
        both = {"q": study.pick(metric, "q", law, "sft"), "q0": study.pick(metric, "q", law, "sft", "first")}
        found = study.beside(found, **{f"h_{model}_{prompts}": one for model, one in both.items()})
        found = found.with_columns(tau=1 / (1 + pl.col(f"slope_p_{prompts}"))).rename({"tau": f"tau_{prompts}"})
    several = {
        "residual": study.pick("memorisation_residual", "q-q0", TRAINED, "sft"),
        "excess": study.pick("excess_collision", "q", TRAINED, "sft"),
    }
    return study.beside(found, **several)


def _paths(study: Study, cells: pl.DataFrame) -> pl.DataFrame:
    """Return entropies on both kinds of prompts, ρ̂, its residual and the unseen mass at every evaluation."""
    if not cells.height:
        return pl.DataFrame()
    picked = {
        "h_trained": ("entropy", "q", TRAINED, ""), "h_held": ("entropy_held_out", "q", HELD, ""),
        "rho": ("memorisation", "q-q0", TRAINED, ""), "residual": ("memorisation_residual", "q-q0", TRAINED, ""),
        "unseen": ("answer_mass", "q", TRAINED, "unseen"), "invalid": ("answer_mass", "q", TRAINED, "invalid"),
        "fit": ("kl", "S||q", TRAINED, ""),
    }  # fmt: skip
    steps = study.pick("entropy", "q", TRAINED, "sft", "every").select("run", "step")
    found = cells.join(steps, on="run", maintain_order="left")
    for name, (metric, of, law, at) in picked.items():
        path = study.pick(metric, of, law, "sft", "every", at=at)
        middle = path.select("run", "step", ((pl.col("lower") + pl.col("upper")) / 2).alias(name))
        found = found.join(middle, on=["run", "step"], how="left", maintain_order="left")
    epochs = pl.col("step") * pl.col("batch") / (pl.col("m") * pl.col("n"))
    return found.with_columns(epochs=epochs).sort(*PAIRED, "step")


def _modes(study: Study, modes: pl.DataFrame) -> pl.DataFrame:
    """Return the fits of tables: leak q(not in supp S), the entropies of q and of S, and the predicted leak."""
    if not modes.height:
        return modes
    found = modes
    for name, of in (("unseen", "unseen"), ("invalid", "invalid")):
        number = _middle(study, "answer_mass", "q", TRAINED, name, phase="sft", at=of)
        found = found.join(number, on="run", how="left", maintain_order="left")
    for name, of, phase in (("h_q", "q", "sft"), ("h_s", "S", "truth"), ("h_p", "P", "truth")):
        number = _middle(study, "entropy", of, TRAINED, name, phase=phase)
        found = found.join(number, on="run", how="left", maintain_order="left")
    fit = _middle(study, "kl", "S||q", TRAINED, "fit", phase="sft")
    found = found.join(fit, on="run", how="left", maintain_order="left")
    best = [fitted(study, run, order) for run, order in found.select("run", "model").iter_rows()]
    leak = pl.col("unseen") + pl.col("invalid")
    return found.with_columns(leak=leak, predicted=pl.Series(best, dtype=pl.Float64)).sort(*PAIRED)


def fitted(study: Study, run: str, model: str) -> float | None:
    """Return the leak of the best n-gram for the data of a run; None for a model that can express them."""
    if model != "tabular_ngram":
        return None
    record = study.record(run)
    return fit(record.restricted.s, int(record.config["model"]["order"])).leak


def _answers(study: Study, modes: pl.DataFrame) -> pl.DataFrame:
    """Return S(y|x) and q(y|x) of the answers of one world, under every fit of the n-gram table.

    Columns: objective, prompt, answer, s, q; of prompts that the data show.
    """
    own = modes.filter(pl.col("seed") == pl.col("seed").min(), model="tabular_ngram")
    parts = []
    for run, objective in own.sort("objective").select("run", "objective").iter_rows():
        found = study.strings(run)
        last = found.filter(pl.col("step") == pl.col("step").max().over("phase"), phase="sft").select("index", "q")
        known = documents_table(study.record(run)).join(last, on="index", maintain_order="left")
        shown = known.filter((pl.col("s") > 0).any().over("prompt"))
        parts.append(shown.select("prompt", "answer", "s", "q", objective=pl.lit(objective)))
    return pl.concat(parts) if parts else pl.DataFrame()
