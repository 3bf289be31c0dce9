"""C4.1 and C4.3, a rival cause: is what changes where the data say nothing due to the sharing of parameters?

Two things changed at prompts or prefixes that the data never show: what is said in the tuned style (C4.1b), and how
often a walker comes back (C4.3e). Tables share exactly what their rows are for. A trie table has a row for every
prefix, so it shares nothing. An n-gram table has a row for every step and the last n − 1 tokens:

* styles, n = 3: the style's token is chosen by prompt; what is said in a style is shared by all prompts;
* styles, n = 2: the choice of the style is shared too;
* walks, n = 2: the last symbol tells whether the walker is off the path, so nothing is shared with those on it;
* walks, n = 1: all walkers share the step.
"""

from collections.abc import Callable, Iterator

import polars as pl

from experiments.c4_cloning.cloning import TUNED_STYLE, counted
from experiments.c4_cloning.tables import TUNED, UNSHOWN
from experiments.predictions import Case, Need, Prediction, Tables
from experiments.study import Step, Study

PART = "sharing"
STYLE, WALK = f"{PART}_style", f"{PART}_walk"
"""Beginnings of the names of the parts; the model follows: trie, ngram1, ngram2, ngram3."""

ENDS: dict[str, tuple[str, Step]] = {"": ("sft", "last"), "_start": ("sft", "first"), "_control": ("identity", "last")}
"""The ends of the names of columns, with the phase and the evaluation that they are read from."""

SMALL = 1e-4
"""A difference up to this counts as 0. Weights are given a valid answer, and a table leaks up to 1e-5 in other rows."""

CARRIED = 0.19
"""A quarter of 1 − P(z), what the weight of the tuned style can rise by."""

NEEDS = (
    Need(("style_weight", "style_residual", "kl"), phases=("truth", *TUNED), part=STYLE),
    Need(("recovery", "kl"), phases=("truth", *TUNED), part=WALK),
)


def tables(study: Study, runs: pl.DataFrame) -> Tables:
    """Return `sharing`, a row for each run. It is empty without runs of these parts.

    weight: of the tuned style at prompts that S never shows; rest: KL of the model from the best mixture of styles
    there [nat], the middle of its bounds; back: the probability to come back at the last step. Each of them after the
    fine-tuning, and with _start before it and with _control after the same on data from P. fit: KL(S‖q) [nat].
    """
    own = runs.filter(pl.col("part").str.starts_with(PART))
    if not own.height:
        return {"sharing": pl.DataFrame()}
    study, found = study.restricted(own), own.drop("claim")
    for end, (phase, step) in ENDS.items():
        back = study.pick("recovery", "q", "S(x)", phase, step, at=None)
        back = back.filter(pl.col("at").cast(pl.Int64) == pl.col("at").cast(pl.Int64).max().over("run"))
        columns = {
            "weight": study.pick("style_weight", "q", UNSHOWN, phase, step, at=TUNED_STYLE),
            "rest": study.pick("style_residual", "q", UNSHOWN, phase, step),
            "back": back,
        }
        for name, one in columns.items():
            middle = one.select("run", ((pl.col("lower") + pl.col("upper")) / 2).alias(f"{name}{end}"))
            found = found.join(middle, on="run", how="left", maintain_order="left")
    fit = study.pick("kl", "S||q", "S(x)", "sft").select("run", fit="lower")
    return {"sharing": found.join(fit, on="run", how="left", maintain_order="left")}


def _changes(tables: Tables, part: str, column: str, against: str) -> Iterator[Case]:
    """The change of a number by the fine-tuning, against its start or against the control, by world."""
    found = counted(tables, "sharing")
    own = found.filter(part=part).sort("shown", "seed") if found.height else found
    for (shown,), one in own.group_by("shown", maintain_order=True) if own.height else ():
        values = (one[column] - one[f"{column}_{against}"]).to_numpy()
        world = "walks" if shown is None else "shown style" if shown else "latent style"
        note = f"{one[column].to_numpy().mean():.3g} after {one[f'{column}_{against}'].to_numpy().mean():.3g}"
        yield Case.exact(f"{world}, {part.rpartition('_')[2]}, {column}", values, note=note)


NOTHING = (
    (f"{STYLE}_trie", "weight"), (f"{STYLE}_trie", "rest"), (f"{STYLE}_ngram3", "weight"), (f"{WALK}_trie", "back"),
    (f"{WALK}_ngram2", "back"),
)  # fmt: skip
"""Parts and numbers whose rows the data never touch."""


def untouched(tables: Tables) -> Iterator[Case]:
    """What the fine-tuning changes in rows that the data never touch."""
    for part, column in NOTHING:
        yield from _changes(tables, part, column, "start")


def against_control(part: str, column: str) -> Callable[[Tables], Iterator[Case]]:
    """A number after the fine-tuning minus that of the control."""

    def measure(tables: Tables) -> Iterator[Case]:
        yield from _changes(tables, part, column, "control")

    return measure


SHARING = (
    Prediction(
        "C4.1c", "A table changes nothing at prompts and prefixes with which its data share no row.", "equality",
        untouched, predicted="0", rule="Weight of the tuned style, KL from the best mixture, and probability to come "
        "back: after minus before the fine-tuning.", control="C4.1d", value=0.0, margin=SMALL, instrument=True,
    ),
    Prediction(
        "C4.1d", "A table that shares what is said in a style, and not which style is said, says other things at the "
        "other prompts.", "sign", against_control(f"{STYLE}_ngram3", "rest"), predicted="above 0",
        rule="KL(q‖Σ w_z P_z) at prompts that S never shows: tuned minus control above 0, n = 3.",
        control="C4.1c, the same table's weights", only="valid runs, exact targets",
    ),
    Prediction(
        "C4.1e", "A table that shares the choice carries the style to all prompts.", "sign",
        against_control(f"{STYLE}_ngram2", "weight"), predicted=f"above {CARRIED:g}",
        rule=f"The weight of the tuned style there: tuned minus control above {CARRIED:g}, n = 2.", control="C4.1c",
        threshold=CARRIED, only="valid runs, exact targets", instrument=True,
    ),
    Prediction(
        "C4.3g", "A table that shares the step, whether the walker is on or off, brings walkers back.", "sign",
        against_control(f"{WALK}_ngram1", "back"), predicted="above 0",
        rule="Probability to come back at the last step: tuned minus control above 0, n = 1.", control="C4.1c, n = 2",
        only="valid runs, exact targets", instrument=True,
    ),
)  # fmt: skip
"""Announced before these runs. The conversation says nothing about them."""
