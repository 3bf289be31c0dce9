"""The tables of C6.3: Bayes by number of examples, paths of the fine-tuning, content at equal style, recall."""

import numpy as np
import polars as pl

from experiments.study import Study

PART = "examples"
TUNED_STYLE, LOST_STYLE = "z0", "z1"

ALWAYS = 0.99
"""From this share of answers on, a model counts as always speaking a style."""

NAMES = ("examples_bayes", "examples_paths", "examples_matched", "examples_recall")


def tables(study: Study) -> dict[str, pl.DataFrame]:
    """Return the tables `NAMES`; they are empty if the study has no run of the part.

    examples_bayes: KL(P‖q0) by number of examples k. examples_paths: every evaluation at prompts with k examples of a
    style. examples_matched: the base model with k examples of z0, and the tuned model where it first speaks z0 equally
    often. examples_recall: the lost style after k of its examples, of P, the base model, the control and the tuned one.
    """
    runs = study.runs.filter(pl.col("part").str.starts_with(PART))
    if not runs.height:
        return {name: pl.DataFrame() for name in NAMES}
    targets = pl.col("objective.targets").fill_null("exact").alias("targets")
    overlap = pl.col("grammar.overlap").cast(pl.Float64).alias("overlap")
    runs = runs.select("run", "seed", "valid", "part", targets, overlap).sort("part", "targets", "seed")
    paths = _paths(study, runs.filter(~pl.col("part").str.contains("overlap")))
    bayes = _bayes(study, runs)
    return dict(zip(NAMES, (bayes, paths, matched(paths), recall(paths)), strict=True))


def _bayes(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """A row for each run and number of examples: kl = KL(P‖q0) of an answer, given examples and question."""
    numbers = study.numbers.filter(metric="examples_kl", phase="pretrain")
    last = numbers.filter(pl.col("step") == pl.col("step").max().over("run"))
    found = last.select("run", k=pl.col("at").cast(pl.Int64), kl="lower")
    return runs.join(found, on="run").sort("part", "targets", "seed", "k", maintain_order=True)


def _paths(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """A row for each model, evaluation, number of examples k and style of the examples.

    Of an answer after these examples: mass = q(z | k of z), content = H(q(y|x, z)) and odds = E log q(z)/q(not z).
    The phase "truth" has the rows of P, at step 0, and its `narrow` is the content entropy of S, where S has it.
    """
    rows = []
    pattern = r"P\(x \| (\d+) examples of (.*)\)"
    given = (pl.col("prompt_law").str.extract(pattern, 1).cast(pl.Int64).alias("k"),
             pl.col("prompt_law").str.extract(pattern, 2).alias("style"))  # fmt: skip
    keys = ["run", "phase", "step", "k", "style"]
    asked = study.numbers.filter(
        pl.col("metric").is_in([f"examples_{name}" for name in ("style", "content", "log_odds")])
    )
    asked = asked.with_columns(*given).filter(pl.col("at") == pl.col("style"))
    for of in ("P", "q"):
        own = asked.filter(of=of)
        found = own.filter(metric="examples_style").select(*keys, mass="lower")
        for name, metric in (("content", "examples_content"), ("odds", "examples_log_odds")):
            one = own.filter(metric=metric).select(*keys, pl.col("lower").alias(name))
            found = found.join(one, on=keys, how="left", maintain_order="left")
        rows.append(found)
    narrow = asked.filter(of="S", metric="examples_content").select("run", "k", "style", narrow="lower")
    both = runs.join(pl.concat(rows), on="run").join(narrow, on=["run", "k", "style"], how="left")
    return both.sort("part", "targets", "seed", "phase", "k", "style", "step", maintain_order=True)


def at_mass(mass: np.ndarray, values: np.ndarray, level: float) -> tuple[float, float, float] | None:
    """Read `values` where `mass`, float64[n] over the evaluations of a run, first reaches a level.

    It is read on a straight line over −log(1 − mass), in which the path of a style is smooth, between the last
    evaluation below the level and the first one at or above it; these two neighbours are returned too. None for a level
    of 1, and if the level is never reached, or at the first evaluation already.
    """
    reached = np.flatnonzero(mass >= level)
    if not len(reached) or reached[0] == 0 or level >= 1.0:
        return None
    i = int(reached[0])
    before, after, wanted = (-np.log1p(-min(one, 1.0 - 1e-15)) for one in (mass[i - 1], mass[i], level))
    share = (wanted - before) / (after - before)
    return float(values[i - 1] + share * (values[i] - values[i - 1])), float(values[i - 1]), float(values[i])


def matched(paths: pl.DataFrame) -> pl.DataFrame:
    """A row for each run and k > 0: mass and base of the base model with k examples of z0, and tuned at equal mass.

    base, tuned: entropies of the content in z0. before, after: the neighbours between which `tuned` was read.
    Where both speak z0 in at least `ALWAYS` of the answers in the end, and the base model more often, the end is read.
    last: that of the tuned model in the end; content_p, content_s: those of P and of S.
    """
    rows = []
    own = paths.filter(style=TUNED_STYLE) if paths.height else paths
    for (run, seed, part, targets, valid), one in (
        own.group_by("run", "seed", "part", "targets", "valid", maintain_order=True) if own.height else ()
    ):
        path = one.filter(phase="sft", k=0).sort("step")
        base = one.filter(phase="pretrain").filter(pl.col("step") == pl.col("step").max()).sort("k")
        truth = one.filter(phase="truth", k=0)
        for k, mass, content in base.filter(pl.col("k") > 0).select("k", "mass", "content").rows():
            end = path["mass"][-1]
            level = min(mass, end) if end >= ALWAYS else mass
            found = at_mass(path["mass"].to_numpy(), path["content"].to_numpy(), level)
            if found is not None:
                rows.append(
                    {"run": run, "seed": seed, "part": part, "targets": targets, "valid": valid, "k": k, "mass": mass,
                     "base": content, "tuned": found[0], "before": found[1], "after": found[2],
                     "last": path["content"][-1], "content_p": truth["content"][0], "content_s": truth["narrow"][0]}
                )  # fmt: skip
    return pl.DataFrame(rows)


def recall(paths: pl.DataFrame) -> pl.DataFrame:
    """A row for each run, model and k: mass and odds of the lost style after k of its examples, in the end."""
    if not paths.height:
        return paths
    own = paths.filter(style=LOST_STYLE)
    last = own.filter(pl.col("step") == pl.col("step").max().over("run", "phase"))
    return last.select("run", "seed", "part", "targets", "valid", "phase", "k", "mass", "odds")
