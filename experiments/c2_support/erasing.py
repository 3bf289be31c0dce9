"""C2.8, C2.9: what erases, at equal fit: the cases of the predictions, and the predictions themselves."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import polars as pl

from experiments.c2_support.arms import ARMS, BASE, EXACT, FIT, matched
from experiments.c2_support.mass import counted
from experiments.predictions import Case, Prediction, Tables
from experiments.ranks import advantage, rank_correlation

RIVALS = {
    "distance": "‖Δθ‖", "rate_time": "lr·t", "rate_root": "lr·√t", "rate_sharpness": "lr·λ_max", "noise": "noise/√v",
}  # fmt: skip
"""The rivals of the excursion X, by columns of the table `arms`.

How good the statistic of C2.8c is with 12 worlds and 15 arms (200 simulated studies for each line, R related to X by a
correlation of 0.4 before the ranks; tests/unit/experiments/test_c2_erasing.py):

    E = R + 0.3 noise         advantage −0.90, found in   0 % of the studies, interval covers in 97 %
    E = X + R + 0.3 noise     advantage  0.00, found in   0 %, covers in 98 %
    E = X + 0.3 noise         advantage  0.69, found in 100 %, covers in 95 %
    E = X + 0.6 noise         advantage  0.56, found in  95 %, covers in 94 %
    E = X + 0.8 noise         advantage  0.48, found in  69 %, covers in 96 %

At a rank correlation of 0.9, which C2.8b announces, the noise is about 0.37. A rival with a correlation of 0.7 to X is
told apart in 99.5 % (noise 0.3) or 66 % (noise 0.6) of the studies.
"""

FEWEST = 6
"""Least number of arms of a world over which a rank correlation is computed."""

CROSSED = 0.05
"""X is counted from the first step with KL(S‖q) ≤ KL(S‖q*) + this [nat], so that a calm arm has an X near to it."""

GATED = 0.01
"""Largest q(B) at which a truncated model still leaves out what the tuned model leaves out."""


# -- E against X ------------------------------------------------------------------------------------------------------


def read(tables: Tables) -> tuple[pl.DataFrame, str]:
    """Return the arms for which E and X are read, and how many runs are left out, in words."""
    arms = counted(tables, "arms")
    if not arms.height:
        return arms, ""
    fit = arms.filter("fits")
    found = fit.filter(~pl.col("missing"))
    note = f"{arms.height - fit.height} of {arms.height} runs left out for their fit, {fit.height - found.height}"
    return found, f"{note} without X"


def curve(tables: Tables) -> tuple[pl.DataFrame, str]:
    """Return the same without the arms that the curve does not cover."""
    arms, note = read(tables)
    return (arms.filter(pl.col("role") != "own") if arms.height else arms), note


def by_world(arms: pl.DataFrame, number: Callable[[pl.DataFrame], float]) -> np.ndarray:
    """Return a number for every world, computed over its arms. Worlds with too few arms, or with nan, are left out."""
    worlds = arms.sort("seed", "part").group_by("seed", maintain_order=True) if arms.height else ()
    found = [number(own) for _, own in worlds if own.height >= FEWEST]
    return np.array([one for one in found if np.isfinite(one)], np.float64)


def _correlation(arms: pl.DataFrame, x: str = "x") -> np.ndarray:
    return by_world(arms, lambda own: rank_correlation(own["e"].to_numpy(), own[x].to_numpy()))


def function_of_x(tables: Tables) -> Iterator[Case]:
    """C2.8b: the rank correlation of E and X over the arms of each world."""
    arms, note = curve(tables)
    yield Case.exact("E and X", _correlation(arms), "ρ", note=note)


def _advantage(arms: pl.DataFrame, rival: str) -> np.ndarray:
    return by_world(
        arms.filter(pl.col(rival).is_not_null()) if arms.height else arms,
        lambda own: advantage(*(own[name].to_numpy() for name in ("e", "x", rival))),
    )


def against_rivals(tables: Tables) -> Iterator[Case]:
    """C2.8c: by how much X explains E better than each rival, over the arms of a world that have the rival."""
    arms, note = curve(tables)
    for rival, name in RIVALS.items():
        found = _advantage(arms, rival)
        yield Case.exact(f"against {name}", found, "Δρ", note=f"{note}; {len(found)} worlds in which it varies")


def other_correlations(tables: Tables) -> Iterator[Case]:
    """C2.8g: the same with other arms, with ties, against the gate, and of E at equal gate and at equal distance."""
    (everything, _), (arms, _) = read(tables), curve(tables)
    if not arms.height:
        return
    yield Case.exact("E and X, all arms", _correlation(everything), "ρ")
    tied = arms.with_columns(x=pl.max_horizontal("x", pl.lit(CROSSED)))
    yield Case.exact(f"E and X, those up to {CROSSED:g} tied", _correlation(tied), "ρ")
    for column, name in (("gate", "the gate"), ("lost", "q(B)")):
        yield Case.exact(f"X against {name}", _advantage(arms, column), "Δρ")
    paths = tables["arm_paths"].filter(pl.col("run").is_in(arms["run"].implode()))
    for column, name in (("gate", "gate"), ("distance", "‖Δθ‖")):
        early = matched(paths, column)
        if early.height:
            both = early.join(arms.select("run", "x"), on="run")
            yield Case.exact(f"E at equal {name}, and X", _correlation(both), "ρ")


# -- controls, interventions, arms of their own -----------------------------------------------------------------------


def _edits(tables: Tables, **chosen: object) -> pl.DataFrame:
    """Return the models of some kind, beside the fit of the fine-tuned model of their run."""
    edits = counted(tables, "edits")
    if not edits.height:
        return edits
    fits = tables["arms"].select("run", "fits")
    return edits.filter(**chosen).join(fits, on="run", maintain_order="left").sort("seed", maintain_order=True)


def control_keeps(tables: Tables) -> Iterator[Case]:
    """C2.8a: E after fine-tuning on fresh data from P, exact targets."""
    found = _edits(tables, kind="as trained", of_control=True, part=EXACT)
    if found.height:
        yield Case.exact("exact targets, fresh optimiser state", found["e"].to_numpy(), "nat")


def noise_floor(tables: Tables) -> Iterator[Case]:
    """C2.8h: the same with sampled targets."""
    found = _edits(tables, kind="as trained", of_control=True, part=BASE)
    if found.height:
        yield Case.exact("sampled targets, fresh optimiser state", found["e"].to_numpy(), "nat")


def beside_base(tables: Tables, part: str) -> pl.DataFrame:
    """Return E and X of an arm, and those of the base arm in the same worlds: columns e, x, e_base, x_base."""
    arms, _ = read(tables)
    if not arms.height:
        return arms
    base = arms.filter(part=BASE).select("seed", e_base="e", x_base="x")
    return arms.filter(part=part).join(base, on="seed").sort("seed")


def interventions(tables: Tables) -> Iterator[Case]:
    """C2.8d: E of the base arm minus E with an intervention, where the intervention has cut the mean X."""
    for part, arm in ARMS.items():
        both = beside_base(tables, part) if arm.role == "intervention" else pl.DataFrame()
        if not both.height:
            continue
        cut = float((both["x_base"] - both["x"]).to_numpy().mean())
        if cut > 0.0:
            difference = (both["e_base"] - both["e"]).to_numpy()
            yield Case.exact(arm.name, difference, "nat", note=f"X was cut by {cut:.3g} nats")
        else:
            none = np.zeros(0)
            yield Case(arm.name, none, none, "nat", note=f"X was not cut: it rose by {-cut:.3g}", undecided=True)


def differences(tables: Tables) -> Iterator[Case]:
    """C2.8e: E of the base arm minus E of every other arm."""
    for part, arm in ARMS.items():
        both = beside_base(tables, part) if part != BASE else pl.DataFrame()
        if both.height:
            yield Case.exact(arm.name, (both["e_base"] - both["e"]).to_numpy(), "nat")


def random_steps(tables: Tables) -> Iterator[Case]:
    """C2.8f: E of q0 plus a step in a random direction."""
    found = _edits(tables, kind="random step")
    for (norm,), own in found.group_by("number", maintain_order=True) if found.height else ():
        yield Case.exact(f"random step of norm {norm:g}", own["e"].to_numpy(), "nat")


# -- the rank of the gate ---------------------------------------------------------------------------------------------


def rank_one(tables: Tables) -> pl.DataFrame:
    """Return E of the base arm (e_full), and E and q(B) of its truncation to rank one, for the runs that fit."""
    one = _edits(tables, kind="truncated", number=1.0, of_control=False)
    if not one.height:
        return one
    full = _edits(tables, phase="sft").select("run", e_full="e")
    return one.filter("fits").join(full, on="run").sort("seed")


def erased_by_the_rest(tables: Tables) -> Iterator[Case]:
    """C2.9a: E of the fine-tuned model minus E of its truncation to rank one."""
    found = rank_one(tables)
    if found.height:
        yield Case.exact("rank 1", (found["e_full"] - found["e"]).to_numpy(), "nat")


def gate_of_rank_one(tables: Tables) -> Iterator[Case]:
    """C2.9b: the logarithm of the limit over q(B) of the truncation to rank one."""
    found = rank_one(tables)
    if found.height:
        values = np.log(GATED / found["lost"].to_numpy())
        yield Case.exact("rank 1", values, "×", note=f"{GATED:g} over the geometric mean of q(B)", logarithmic=True)


def _named(row: Mapping[str, object]) -> str:
    words = {"truncated": "truncated to rank {:g}", "random directions": "{:g} random directions",
             "interpolated": "interpolated at {:g}", "as trained": "all ranks"}[str(row["kind"])]  # fmt: skip
    return words.format(row["number"]) + (", control" if row["of_control"] else "")


def edited(tables: Tables) -> Iterator[Case]:
    """C2.9c: E of every truncation, of random directions, of the interpolation, and of truncations of the control."""
    yield from _every_edit(tables, "e", "E", "nat")


def gates_of_edits(tables: Tables) -> Iterator[Case]:
    """C2.9d: q(B) of the same."""
    yield from _every_edit(tables, "lost", "q(B)", "1")


def _every_edit(tables: Tables, column: str, symbol: str, unit: str) -> Iterator[Case]:
    found = _edits(tables, part=BASE)
    found = found.filter("fits", pl.col("kind") != "random step") if found.height else found
    for _, own in found.group_by("phase", maintain_order=True) if found.height else ():
        note = f"KL(S‖q) = {own['fit'].to_numpy().mean():.3g} nats"
        yield Case.exact(f"{_named(own.row(0, named=True))}, {symbol}", own[column].to_numpy(), unit, note=note)


# -- the predictions --------------------------------------------------------------------------------------------------

COUNTS = f"valid runs with KL(S‖q) ≤ KL(S‖q*) + {FIT:g} in the end"

ERASING = (
    Prediction(
        "C2.8a", "Fine-tuning on fresh data from P erases nothing.", "equality", control_keeps, predicted="0",
        rule="E of the identity control, exact targets [nat].", control="it is the identity control", value=0.0,
        margin=0.05, null=True, worlds=12,
        figure="erasing",
    ),
    Prediction(
        "C2.8b", "What is erased is a function of the excursion: E rises with X over the arms.", "sign", function_of_x,
        predicted="rank correlation above 0.9", rule="Rank correlation of E and X over the arms of a world, minus 0.9, "
        "above 0; mean over worlds. Without FINCH and replay.", control="random steps, C2.8f", threshold=0.9,
        only=COUNTS, worlds=12, figure="erasing",
    ),
    Prediction(
        "C2.8c", "The excursion explains more of it than every rival.", "sign", against_rivals,
        predicted="above 0.3", rule="partial(E, X | R) − |partial(E, R | X)| minus 0.3 above 0, partial rank "
        "correlations over the arms of a world in which R is defined and varies; mean over worlds.",
        control="the rivals R", threshold=0.3, only=COUNTS, worlds=12, figure="erasing",
    ),
    Prediction(
        "C2.8d", "What cuts the excursion at equal fit cuts what is erased.", "sign", interventions,
        predicted="above 0", rule="E(base) − E(arm) above 0 in the same worlds, for each intervention with mean "
        "X(base) − X(arm) above 0; for the others nothing follows.", control="the base arm", only=COUNTS,
        worlds=12, figure="erasing",
    ),
    Prediction(
        "C2.8e", "How much less every arm erases than the base arm.", "report", differences, predicted="–",
        rule="E(base) − E(arm) [nat].", control="the base arm", only=COUNTS, figure="erasing",
    ),
    Prediction(
        "C2.8f", "A random step erases less than a path of the same length.", "report", random_steps, predicted="–",
        rule="E of q₀ plus a step of a given norm in a random direction [nat].", control="it is a control",
        figure="erasing",
    ),
    Prediction(
        "C2.8g", "E and X with other arms, with ties, against the gate, at equal gate and at equal distance.",
        "report", other_correlations, predicted="–", rule="As C2.8b and C2.8c; E at equal gate or distance is read "
        "where an arm first is as far as the arm of its world that ends least far.", control="C2.8b", only=COUNTS,
        figure="erasing",
    ),
    Prediction(
        "C2.8h", "The noise floor of sampled targets.", "report", noise_floor, predicted="–",
        rule="E of the identity control, sampled targets [nat].", control="it is the identity control",
        figure="erasing",
    ),
    Prediction(
        "C2.9a", "The first direction of every change of a matrix erases little of what all of them erase.", "sign",
        erased_by_the_rest, predicted="above 0.25", rule="E(all ranks) − E(rank 1) minus 0.25 nats above 0.",
        control="random directions, and the truncated control", threshold=0.25, only=COUNTS, worlds=12,
        figure="truncation",
    ),
    Prediction(
        "C2.9b", "The first direction of every change of a matrix has the gate.", "sign", gate_of_rank_one,
        predicted="q(B) ≤ 0.01, a ratio above 1", rule="log of 0.01 / q(B) of rank 1 above 0, mean over worlds.",
        control="random directions, and the truncated control", only=COUNTS, worlds=12, figure="truncation",
    ),
    Prediction(
        "C2.9c", "E of all truncations and of their controls.", "report", edited, predicted="–", rule="Shown.",
        control="none", only=COUNTS, figure="truncation",
    ),
    Prediction(
        "C2.9d", "q(B) of all truncations and of their controls.", "report", gates_of_edits, predicted="–",
        rule="Shown.", control="none", only=COUNTS, figure="truncation",
    ),
)  # fmt: skip
"""C2.8 and C2.9. The conversation says nothing about them."""
