"""C6.3: the base model with worked examples in the prompt against the tuned model without, and a lost style recalled.

Documents have 0, 1 or 2 examples in one latent style, then a question. S is P given 0 examples and the style z0, or
this law sharpened. The style of an answer is judged without the examples, see `sim.metrics.examples`.
"""

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from experiments.predictions import Case, Need, Prediction, Tables
from experiments.study import Study

PART = "examples"
TUNED_STYLE, LOST_STYLE = "z0", "z1"

NEAR_BAYES = 0.05
"""Largest KL of the base model from the exact Bayes predictive [nat per answer]."""

MOST = 2
"""The number of examples after which the lost style is asked for."""

PHASES = ("pretrain", "sft", "identity")

NAMES = ("examples_bayes", "examples_paths", "examples_matched", "examples_recall")

NEEDS = (
    Need(("examples_kl", "examples_style", "examples_content", "examples_log_odds", "kl"),
         phases=("truth", *PHASES), part=PART),
)  # fmt: skip


def law(k: int, style: str) -> str:
    """The name of the law of prompts with k examples of a style."""
    return f"P(x | {k} examples of {style})"


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
    return dict(zip(NAMES, (bayes, paths, _matched(paths), _recall(paths)), strict=True))


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
    """Read `values` where `mass`, float64[n] over the evaluations of a run, first reaches a level below 1.

    It is read on a straight line over −log(1 − mass), in which the path of a style is smooth, between the last
    evaluation below the level and the first one at or above it; these two neighbours are returned too. None if the
    level is never reached, or at the first evaluation already. Raises ValueError for a level of 1 or more.
    """
    if not level < 1.0:
        raise ValueError(f"level: a number below 1 is required, found {level!r}")
    reached = np.flatnonzero(mass >= level)
    if not len(reached) or reached[0] == 0:
        return None
    i = int(reached[0])
    before, after, wanted = (-np.log1p(-min(one, 1.0 - 1e-15)) for one in (mass[i - 1], mass[i], level))
    share = (wanted - before) / (after - before)
    return float(values[i - 1] + share * (values[i] - values[i - 1])), float(values[i - 1]), float(values[i])


def _matched(paths: pl.DataFrame) -> pl.DataFrame:
    """A row for each run and k > 0: mass and base of the base model with k examples of z0, and tuned at equal mass.

    base, tuned: entropies of the content in z0. before, after: the neighbours between which `tuned` was read.
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
            found = at_mass(path["mass"].to_numpy(), path["content"].to_numpy(), mass)
            if found is not None:
                rows.append(
                    {"run": run, "seed": seed, "part": part, "targets": targets, "valid": valid, "k": k, "mass": mass,
                     "base": content, "tuned": found[0], "before": found[1], "after": found[2],
                     "last": path["content"][-1], "content_p": truth["content"][0], "content_s": truth["narrow"][0]}
                )  # fmt: skip
    return pl.DataFrame(rows)


def _recall(paths: pl.DataFrame) -> pl.DataFrame:
    """A row for each run, model and k: mass and odds of the lost style after k of its examples, in the end."""
    if not paths.height:
        return paths
    own = paths.filter(style=LOST_STYLE)
    last = own.filter(pl.col("step") == pl.col("step").max().over("run", "phase"))
    return last.select("run", "seed", "part", "targets", "valid", "phase", "k", "mass", "odds")


# -- what is measured -------------------------------------------------------------------------------------------------


def _valid(tables: Tables, name: str) -> pl.DataFrame:
    found = tables[name]
    return found.filter("valid") if found.height else found


def near_bayes(tables: Tables) -> Iterator[Case]:
    """The limit minus KL(P‖q0), for every k and overlap. Runs of one pretraining have one number."""
    found = _valid(tables, "examples_bayes")
    found = found.unique(["seed", "overlap", "k"], maintain_order=True).sort("overlap", "k") if found.height else found
    for (overlap, k), own in found.group_by("overlap", "k", maintain_order=True) if found.height else ():
        kl = own["kl"].to_numpy()
        note = f"mean {kl.mean():.4f}, largest {kl.max():.4f} nats"
        yield Case.exact(f"overlap {overlap:g}, {k} examples", NEAR_BAYES - kl, "nat", note=note)


def content_gap(part: str) -> Callable[[Tables], Iterator[Case]]:
    """Content entropy of the base model with k examples minus that of the tuned model with none, at equal q(z0|x)."""

    def measure(tables: Tables) -> Iterator[Case]:
        found = _valid(tables, "examples_matched")
        found = found.filter(part=part) if found.height else found
        for (targets, k), own in found.group_by("targets", "k", maintain_order=True) if found.height else ():
            gap = own["base"].to_numpy() - own["tuned"].to_numpy()
            apart = np.abs(own["before"].to_numpy() - own["after"].to_numpy()).mean()
            note = (
                f"q(z0) {own['mass'].to_numpy().mean():.4f}; the two evaluations around it differ by {apart:.3f} nats"
            )
            yield Case.exact(f"{targets} targets, {k} examples", gap, "nat", note=note)

    return measure


def control_content(tables: Tables) -> Iterator[Case]:
    """Content entropy of the control without examples, in the end, minus that at its start."""
    found = _valid(tables, "examples_paths")
    found = found.filter(phase="identity", k=0, style=TUNED_STYLE) if found.height else found
    for (targets,), own in found.group_by("targets", maintain_order=True) if found.height else ():
        ends = (
            own.sort("step")
            .group_by("run", maintain_order=True)
            .agg(pl.col("content").last() - pl.col("content").first())
        )
        yield Case.exact(f"{targets} targets", ends["content"].to_numpy(), "nat")


def _columns(tables: Tables, value: str) -> Iterator[tuple[str, dict[tuple[str, int], np.ndarray]]]:
    """A number of the lost style by phase and k, float64[worlds], from the runs with a control."""
    found = _valid(tables, "examples_recall")
    for (targets,), own in found.group_by("targets", maintain_order=True) if found.height else ():
        with_control = own.filter(pl.col("run").is_in(own.filter(phase="identity")["run"].implode()))
        groups = with_control.sort("seed").group_by("phase", "k", maintain_order=True)
        yield str(targets), {(str(phase), int(k)): one[value].to_numpy() for (phase, k), one in groups}


def recalled(tables: Tables) -> Iterator[Case]:
    """The share R of the lost style's rise in the control that the tuned model has, minus ½."""
    for targets, mass in _columns(tables, "mass"):
        rise = mass["sft", MOST] - mass["sft", 0]
        share = rise / (mass["identity", MOST] - mass["identity", 0])
        note = (
            f"q(z1) {mass['sft', 0].mean():.4f} without examples, {mass['sft', MOST].mean():.3f} with {MOST}; control "
        )
        note += f"{mass['identity', MOST].mean():.3f}"
        yield Case.exact(f"{targets} targets", share - 0.5, note=note)


def not_carried(tables: Tables) -> Iterator[Case]:
    """1 − T, T the share of the gate, in log-odds against the control, that holds after the examples too."""
    for targets, odds in _columns(tables, "odds"):
        gate = odds["identity", 0] - odds["sft", 0]
        carried = (odds["identity", MOST] - odds["sft", MOST]) / gate
        yield Case.exact(f"{targets} targets", 1.0 - carried, note=f"gate {gate.mean():.2f} nats without examples")


def control_recall(tables: Tables) -> Iterator[Case]:
    """q(z1) after 2 examples of z1, control minus base model."""
    for targets, mass in _columns(tables, "mass"):
        yield Case.exact(f"{targets} targets", mass["identity", MOST] - mass["pretrain", MOST])


def styles(tables: Tables) -> Iterator[Case]:
    """q(z1) after k examples of z1, of P and of every model."""
    for targets, mass in _columns(tables, "mass"):
        for (phase, k), values in mass.items():
            yield Case.exact(f"{targets} targets, {phase}, {k} examples", values)


FRESH = "C6.3d: the same fine-tuning on fresh data from P"

PREDICTIONS = (
    Prediction(
        "C6.3a", "The base model answers after examples as exact Bayes does.", "bound", near_bayes,
        predicted=f"KL(P‖q₀) ≤ {NEAR_BAYES:g} nats for every number of examples",
        rule="The limit minus the KL of an answer given examples and question, every world.", control="none", value=0.0,
        margin=0.0, figure="examples",
    ),
    Prediction(
        "C6.3b", "Data that are the style itself leave its content as varied as examples do.", "equality",
        content_gap("examples_style"), predicted="0",
        rule="Content entropy H(q(y|x, z0)): base model with k examples minus tuned model with none, where both speak "
        "z0 equally often, within the margin.", control=FRESH, value=0.0, margin=0.1, says="opposite", worlds=12,
        figure="examples",
    ),
    Prediction(
        "C6.3c", "Narrower data do not: the base model with examples is more varied.", "sign",
        content_gap("examples_narrow"), predicted="above 0", rule="As C6.3b, above 0.", control="C6.3b", says="same",
        worlds=12, figure="examples",
    ),
    Prediction(
        "C6.3d", "The control leaves the content of the style as it is.", "equality", control_content, predicted="0",
        rule="H(q(y|x, z0)) without examples in the end minus that at the start, within the margin.",
        control="it is the identity control", value=0.0, margin=0.1, null=True, worlds=12, figure="examples",
    ),
    Prediction(
        "C6.3e", "Two examples of a lost style reopen the gate more than half.", "sign", recalled,
        predicted="the share minus ½, above 0",
        rule="(q(z1 | 2 examples of z1) − q(z1 | none)) of the tuned model, as a share of the same of the control, "
        "minus ½ is above 0.", control="C6.3g, and exact Bayes in the figure", says="opposite", worlds=12,
        figure="examples",
    ),
    Prediction(
        "C6.3f", "The gate belongs to the prompts that were tuned: less of it holds after examples than with a new "
        "prior over styles.", "sign", not_carried, predicted="1 − T, above 0",
        rule="T: log-odds of z1 after 2 of its examples, control minus tuned, over the same without examples; above "
        "0. Bayes with another prior has T = 1.", control="the identity control", worlds=12, figure="examples",
    ),
    Prediction(
        "C6.3g", "The control answers examples as the base model does.", "equality", control_recall, predicted="0",
        rule="q(z1 | 2 examples of z1), control minus base model, within a quarter of ½.",
        control="it is the identity control", value=0.0, margin=0.125, null=True, worlds=12, figure="examples",
    ),
    Prediction(
        "C6.3h", "The lost style by number of its examples.", "report", styles, predicted="–",
        rule="q(z1 | k examples of z1).", control="exact Bayes, phase truth", figure="examples",
    ),
)  # fmt: skip
