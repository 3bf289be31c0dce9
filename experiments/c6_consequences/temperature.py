"""C6.2: can a temperature bring back what the fine-tuning lost, and is the base model more creative at a high one?"""

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from experiments.c6_consequences import temperature_paths as read
from experiments.predictions import Case, Prediction, Tables
from experiments.study import Study

NEEDS = read.NEEDS

FIT = 0.03
"""Largest KL(S‖q) at the end of the runs that count [nat per answer]."""

SAME = 0.1
"""Margin of differences in coverage: a quarter of 0.4, about the least that the base model is predicted to be ahead."""

LAW = 0.33
"""Margin of log(measured / law) [nat]: a quarter of log(0.375 / 0.1), by which a typical gate misses P(B) / 2."""

ROUNDING = 1e-9

TUNED = ("temperature_plain", "temperature_sharp", "temperature_erased")


def tables(study: Study) -> dict[str, pl.DataFrame]:
    """Return the tables of this part of the study; they are empty if it has no run.

    `temperature_paths` has the base and the tuned model at every decoding rule; `temperature_best` the temperature that
    brings back most; `temperature_equal` both models at equal validity; `temperature_repairs` what re-weighting leaves.
    """
    runs = study.runs.filter(pl.col("part").str.starts_with("temperature")).select("run", "seed", "valid", "part")
    if not runs.height:
        return {f"temperature_{name}": pl.DataFrame() for name in ("paths", "best", "equal", "repairs")}
    runs = runs.with_columns(arm=pl.col("part").replace(read.ARMS)).sort("part", "seed")
    found = read.paths(study, runs)
    return {
        "temperature_paths": found,
        "temperature_best": read.best(study, found),
        "temperature_equal": read.equal(found),
        "temperature_repairs": read.repairs(study, runs),
    }


def _counted(tables: Tables, name: str, fitted: bool = True) -> pl.DataFrame:
    """Return the rows of valid runs that fit S; an empty table stays as it is."""
    found = tables[f"temperature_{name}"]
    if not found.height:
        return found
    return found.filter(pl.col("valid") & (pl.col("fit") <= FIT)) if fitted else found.filter("valid")


def _by_arm(found: pl.DataFrame, *columns: str) -> Iterator[tuple[str, pl.DataFrame]]:
    """Iterate over the arms, and over the values of further columns within them."""
    if found.height:
        for names, own in found.sort("seed").group_by("arm", *columns, maintain_order=True):
            yield ", ".join(str(one) for one in names), own


def missing(tables: Tables) -> Iterator[Case]:
    """P(B) / 2 minus the largest q_T(B) at a validity of at least VALID, of tuned models."""
    found = _counted(tables, "best")
    for name, own in _by_arm(found.filter(model="tuned") if found.height else found):
        leak, needed = (float(np.exp(np.log(own[column].to_numpy()).mean())) for column in ("leak", "needed"))
        note = f"leak at the gate {leak:.1e}, it would have to be {needed:.1e}"
        yield Case.exact(name, (own["p_lost"] / 2 - own["most_lost"]).to_numpy(), note=note)


def reached(tables: Tables) -> Iterator[Case]:
    """The largest q_T(B) of the base model at such a temperature, minus P(B) / 2."""
    found = _counted(tables, "best")
    for name, own in _by_arm(found.filter(model="base") if found.height else found):
        yield Case.exact(name, (own["most_lost"] - own["p_lost"] / 2).to_numpy())


def bounded(tables: Tables) -> Iterator[Case]:
    """The least slack of q_T(B) below the mass of the first tokens of lost answers, over all rules."""
    found = _counted(tables, "paths", fitted=False)
    if found.height:
        slack = found.group_by("arm", "seed").agg(slack=(pl.col("gate_lost") - pl.col("lost")).min())
        for name, own in _by_arm(slack):
            yield Case.exact(name, own["slack"].to_numpy())


def by_law(tables: Tables) -> Iterator[Case]:
    """log of the largest q_T(B) at the gate, at a validity of at least VALID there, over that of an even gate."""
    found = _counted(tables, "best")
    for name, own in _by_arm(found.filter(model="tuned").drop_nulls("law") if found.height else found):
        values = np.log(own["most_gate"].to_numpy() / own["law"].to_numpy())
        yield Case.exact(name, values, "nat", note=f"law {own['law'].to_numpy().mean():.3g}")


def repaired(tables: Tables) -> Iterator[Case]:
    """KL(P‖q_w) minus Σ P(z) KL(P_z‖q_z)."""
    for name, own in _by_arm(_counted(tables, "repairs", fitted=False), "model"):
        yield Case.exact(name, (own["reweighted"] - own["within"]).to_numpy(), "nat")


def ahead(kind: str, *parts: str, levels: tuple[float, ...] = read.LEVELS) -> Callable[[Tables], Iterator[Case]]:
    """Base minus tuned at equal validity: `covered`, of all answers of P; `in_style`, of P_A by the model given A."""

    def measure(tables: Tables) -> Iterator[Case]:
        found = _counted(tables, "equal")
        if not found.height:
            return
        wanted = pl.col("part").is_in(parts) & pl.col("level").is_in(levels)
        own = found.filter(wanted & pl.col("quantity").str.starts_with(kind))
        for name, one in _by_arm(own.drop_nulls(["base", "tuned"]), "quantity", "level"):
            arm, quantity, level = name.split(", ")
            case = f"{arm}, N = {quantity.rsplit('_', 1)[1]}, validity {level}"
            yield Case.exact(case, (one["base"] - one["tuned"]).to_numpy())

    return measure


def unsharpened(tables: Tables) -> Iterator[Case]:
    """The largest coverage within the style (N = 2) at a validity of at least VALID, minus that at T = 1."""
    found = _counted(tables, "best")
    if found.height:
        for name, own in _by_arm(found.filter(model="tuned", part="temperature_sharp")):
            yield Case.exact(name, (own["most_in_style_2"] - own["in_style_2"]).to_numpy())


def nearest(tables: Tables) -> Iterator[Case]:
    """KL(P‖q) at T = 1 minus the least KL(P‖q_T) at a validity of at least VALID [nat]."""
    found = _counted(tables, "paths")
    if found.height:
        heated = found.filter(
            pl.col("rule") == "temperature", pl.col("model") == "tuned", pl.col("validity") >= read.VALID
        )
        plain = found.filter(pl.col("number") == 1.0, rule="temperature", model="tuned").select("run", plain="kl")
        least = heated.group_by("run", "arm", "seed").agg(least=pl.col("kl").min()).join(plain, on="run")
        for name, own in _by_arm(least):
            yield Case.exact(name, (own["plain"] - own["least"]).to_numpy(), "nat")


FITS = f"valid runs with KL(S‖q) ≤ {FIT:g} nats in the end"
GRID = f"recorded temperatures from 0.3 to 30 at which P can give at least {100 * read.VALID:g} % of the answers"

PREDICTIONS = (
    Prediction(
        "C6.2a", "No temperature brings half of the lost mass back.", "sign", missing, predicted="above 0",
        rule=f"P(B) / 2 minus the largest q_T(B), over {GRID}.", control="the base model (C6.2b)", only=FITS,
        says="same", worlds=12, figure="temperature",
    ),
    Prediction(
        "C6.2b", "The base model has it.", "sign", reached, predicted="above 0",
        rule=f"The largest q_T(B) of the base model minus P(B) / 2, over {GRID}.", control="C6.2a", only=FITS,
        instrument=True, worlds=12, figure="temperature",
    ),
    Prediction(
        "C6.2c", "The gate, which is the law of the first token, bounds what a rule brings back.", "bound", bounded,
        predicted="slack ≥ 0", rule="The least slack over all rules, both models.", control="none", margin=ROUNDING,
        instrument=True, figure="temperature",
    ),
    Prediction(
        "C6.2d", "How much comes back follows from q(B), q(⊥) and the vocabulary at the gate.", "equality", by_law,
        predicted="0", rule="log of the largest q_T(B) at the gate over that of a gate with both masses spread evenly, "
        "within the margin.", control="the law of an even gate", value=0.0, margin=LAW, only=FITS, worlds=12,
        figure="temperature",
    ),
    Prediction(
        "C6.2e", "Weights of the styles, given back by hand, repair the gate and nothing else.", "equality", repaired,
        predicted="0", rule="KL(P‖q_w) − Σ P(z) KL(P_z‖q_z) within the margin.", control="none", value=0.0,
        margin=ROUNDING, instrument=True,
    ),
    Prediction(
        "C6.2f", "At equal validity the base model covers more of P than the tuned model, at high temperatures too.",
        "sign", ahead("covered", *TUNED), predicted="above 0",
        rule=f"Covered P-mass, base − tuned, each at the temperature with validity {', '.join(map(str, read.LEVELS))}.",
        control="fresh data from P (C6.2g)", only=FITS, says="same", worlds=12, figure="temperature",
    ),
    Prediction(
        "C6.2g", "A model that is tuned on fresh data from P covers as much as before.", "equality",
        ahead("covered", "temperature_control"), predicted="0", rule="As C6.2f, within the margin.",
        control="it is the identity control", value=0.0, margin=SAME, only=FITS, null=True, worlds=12,
        figure="temperature",
    ),
    Prediction(
        "C6.2h", "Within the kept style the tuned model covers as much as the base model if S = P_z.", "equality",
        ahead("in_style", "temperature_plain"), predicted="0",
        rule="Covered P_A-mass of the model given A, base − tuned, as C6.2f, within the margin.", control="C6.2g",
        value=0.0, margin=SAME, only=FITS, worlds=12,
    ),
    Prediction(
        "C6.2i", "If S is narrower, a temperature brings back answers of the kept style.", "sign", unsharpened,
        predicted=f"above {SAME:g}", rule=f"Covered P_A-mass of the model given A, N = 2: the largest over {GRID}, "
        "minus that at T = 1.", control="C6.2a, the lost styles", threshold=SAME, only=FITS, worlds=12,
    ),
    Prediction(
        "C6.2j", "Within the style, for the other data.", "report",
        ahead("in_style", "temperature_sharp", "temperature_erased"), predicted="–", rule="As C6.2h.",
        control="C6.2h", only=FITS,
    ),
    Prediction(
        "C6.2k", "By how much the best temperature lowers KL(P‖q).", "report", nearest, predicted="–",
        rule=f"KL(P‖q) minus the least KL(P‖q_T), over {GRID}.", control="none", only=FITS,
    ),
    Prediction(
        "C6.2l", "So hot that most answers are impossible.", "report", ahead("covered", *TUNED, levels=(read.LOW,)),
        predicted="–", rule=f"As C6.2f, at the validity {read.LOW:g}.", control="C6.2f", only=FITS,
        figure="temperature",
    ),
)  # fmt: skip
