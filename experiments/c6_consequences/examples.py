"""C6.3: the base model with worked examples in the prompt against the tuned model without, and a lost style recalled.

Documents have 0, 1 or 2 examples in one latent style, then a question. S is P given 0 examples and the style z0, or
this law sharpened. The style of an answer is judged without the examples, see `sim.metrics.examples`.
"""

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from experiments.c6_consequences._examples_tables import PART, TUNED_STYLE
from experiments.c6_consequences._examples_tables import tables as tables
from experiments.predictions import Case, Need, Prediction, Tables

NEAR_BAYES = 0.05
"""Largest KL of the base model from the exact Bayes predictive [nat per answer]."""

MOST = 2
"""The number of examples after which the lost style is asked for."""

NEEDS = (
    Need(("examples_kl", "examples_style", "examples_content", "examples_log_odds"),
         phases=("truth", "pretrain", "sft", "identity"), part=PART),
)  # fmt: skip


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
    """1 − T, T the share of the gate, in log-odds against the control, that holds after the examples too.

    By Bayes' rule, another prior over styles adds one number to the log-odds of a style, whatever the examples are.
    """
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
        condition="not met", figure="examples",
    ),
    Prediction(
        "C6.3c", "Narrower data do not: the base model with examples is more varied.", "sign",
        content_gap("examples_narrow"), predicted="above 0", rule="As C6.3b, above 0.", control="C6.3b", says="same",
        worlds=12, condition="met", figure="examples",
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
        "minus ½ is above 0.", control="C6.3g, and exact Bayes in the figure", worlds=12, figure="examples",
    ),
    Prediction(
        "C6.3f", "The gate belongs to the prompts that were tuned: less of it holds after examples than with a new "
        "prior over styles.", "sign", not_carried, predicted="1 − T, above 0",
        rule="T: log-odds of z1 after 2 of its examples, control minus tuned, over the same without examples; 1 − T is "
        "above 0. If the gate only adds to the log-odds, as another prior over styles does, T = 1.",
        control="the identity control", worlds=12, figure="examples",
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
