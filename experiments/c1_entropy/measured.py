"""What the predictions of C1 measure: a number, or two bounds of it, for every world."""

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from experiments.predictions import Case, Tables
from experiments.statistics import slope

EFFECT = 0.15
"""The smallest change of entropy that is announced [nat]: what leaving out the mode adds in the world with least of it.

It is 0.181 in the worlds 0 to 4 and 0.153 in 0 to 9, from the truth alone (a test computes it again).
"""

NEAR = EFFECT / 4
"""Differences between entropies up to this count as none [nat]: a quarter of the smallest effect announced."""

FIT = 0.05
"""Largest mean KL(S‖q) at which the fine-tuning on a restriction counts as converged [nat per answer]."""

ROUNDING = 1e-9
"""A difference of exact numbers up to this counts as 0 [nat]."""

RARE, COMMON = 0.01, 0.2
"""C1.7: the share of random subsets with more entropy than the language is below the one, or above the other."""

FLAT = ("uniform", "Zipf ½")
"""C1.7: the laws that are at most as uneven as Zipf's law with exponent ½."""

EXACT = ("exact",)
BOTH = ("exact", "sampled")
SAMPLED = ("sampled",)


# -- which runs count -------------------------------------------------------------------------------------------------


def converged(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the restrictions that have a mean `fit` within the limit."""
    kept = runs.group_by("restriction").agg(pl.col("fit").mean()).filter(pl.col("fit") <= FIT)["restriction"]
    return runs.filter(pl.col("restriction").is_in(kept.implode()))


def settled(tables: Tables, targets: tuple[str, ...] = BOTH) -> Iterator[tuple[str, pl.DataFrame]]:
    """Iterate over the valid and converged runs of every kind of targets and every rate that has restrictions."""
    runs = tables["runs"].filter(pl.col("valid"), pl.col("arm"))
    for (kind, rate), own in runs.group_by("targets", "rate", maintain_order=True):
        if kind in targets:
            yield f"{kind} targets" + ("" if rate is None else f", rate {rate:g}"), converged(own)


def by_restriction(
    tables: Tables, targets: tuple[str, ...], rises: bool | None = None, style: bool | None = None
) -> Iterator[tuple[str, pl.DataFrame, float]]:
    """Iterate over the runs of every restriction that changes the entropy, and the mean change H(S) − H(P) [nat].

    rises: only the worlds in which H(S) lies above H(P), or below it; style: only restrictions to a style, or no such.
    """
    change = pl.col("h_s") - pl.col("h_p")
    for case, runs in settled(tables, targets):
        runs = runs.filter(change.abs() > ROUNDING)  # nothing is predicted for S = P
        runs = runs if rises is None else runs.filter((change > 0) == rises)
        runs = runs if style is None else runs.filter((pl.col("kind") == "style") == style)
        for (name,), own in runs.group_by("restriction", maintain_order=True):
            yield f"{case}, {name}", own, float(own.select(change.mean()).item())


def mean_of_worlds(case: str, runs: pl.DataFrame, lower: pl.Expr, upper: pl.Expr) -> Iterator[Case]:
    """Return the case of a number [nat] that is averaged over the restrictions of a world, so that it counts once."""
    found = runs.group_by("seed", maintain_order=True).agg(lower.mean().alias("lower"), upper.mean().alias("upper"))
    if found.height:
        note = f"{runs['restriction'].n_unique()} restrictions"
        yield Case(case, found["lower"].to_numpy(), found["upper"].to_numpy(), "nat", note=note)


def apart(own: pl.DataFrame, of: str, other: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the two bounds of the difference between two numbers of every run that are known between bounds."""
    lower = own[f"{of}_lower"] - own[f"{other}_upper"]
    upper = own[f"{of}_upper"] - own[f"{other}_lower"]
    return lower.to_numpy(), upper.to_numpy()


# -- C1.0, C1.1, C1.9: the control, and how the model follows its data ------------------------------------------------


def control(tables: Tables) -> Iterator[Case]:
    """H(control) − H(q0) under exact targets."""
    lower = pl.col("h_control_lower") - pl.col("h_q0_upper")
    upper = pl.col("h_control_upper") - pl.col("h_q0_lower")
    for case, runs in settled(tables, EXACT):
        yield from mean_of_worlds(case, runs, lower, upper)


def slopes(tables: Tables) -> Iterator[Case]:
    """Slope of H(q) on H(S) over the restrictions of a world."""
    for case, runs in settled(tables):
        worlds = [own for _, own in runs.group_by("seed", maintain_order=True) if own["h_s"].n_unique() > 1]
        found = [slope(*(own[name].to_numpy() for name in ("h_s", "h_q_lower", "h_q_upper"))) for own in worlds]
        if found:
            lower, upper = np.array(found).T
            yield Case(case, lower, upper, note=f"{runs['restriction'].n_unique()} restrictions")
        elif runs.height:
            yield Case(case, np.zeros(0), np.zeros(0), note="one restriction has no slope", undecided=True)


def offsets(targets: tuple[str, ...]) -> Callable[[Tables], Iterator[Case]]:
    """H(q) − H(S), mean over restrictions."""

    def measure(tables: Tables) -> Iterator[Case]:
        lower, upper = (pl.col(f"h_q_{end}") - pl.col("h_s") for end in ("lower", "upper"))
        for case, runs in settled(tables, targets):
            yield from mean_of_worlds(case, runs, lower, upper)

    return measure


def noise(tables: Tables) -> Iterator[Case]:
    """H(q) − H(q0) of the fine-tuning on fresh samples from P, by batch and rate: what sampling adds."""
    floor = tables["runs"].filter(pl.col("valid"), pl.col("batch").is_not_null(), kind="everything", targets="sampled")
    for (rate, batch), own in floor.group_by("rate", "batch", maintain_order=True):
        yield Case(f"rate {rate:g}, {batch:g} strings a step", *apart(own, "h_q", "h_q0"), "nat", predicted=0.0)


# -- C1.2, C1.5, C1.8: signs of changes, against the control ----------------------------------------------------------


def changes(targets: tuple[str, ...], rises: bool, style: bool | None = None) -> Callable[[Tables], Iterator[Case]]:
    """H(q) − H(control) where H(S) lies above H(P), or below it."""

    def measure(tables: Tables) -> Iterator[Case]:
        for case, own, expected in by_restriction(tables, targets, rises, style):
            yield Case(case, *apart(own, "h_q", "h_control"), "nat", predicted=expected)

    return measure


def texts(tables: Tables) -> Iterator[Case]:
    """H(q) − H(control) of whole texts, every restriction."""
    for case, own, _ in by_restriction(tables, EXACT):
        expected = float((own["text_s"] - own["text_p"]).to_numpy().mean())
        yield Case(case, *apart(own, "text_q", "text_control"), "nat", predicted=expected)


def likeliest(tables: Tables) -> Iterator[Case]:
    """The mean probability of the likeliest next token: q − control."""
    for case, own, _ in by_restriction(tables, BOTH):
        truth = float(own["top_one_truth"].to_numpy().mean())
        yield Case.exact(case, own["top_one_model"].to_numpy(), predicted=truth)


# -- C1.3, C1.4, C1.6: bounds, the parts of the change, and style against mass ----------------------------------------


def slack(tables: Tables) -> Iterator[Case]:
    """The least slack of the bounds of continuity in every run."""
    yield Case.exact("all runs", tables["runs"]["slack"].to_numpy(), "nat", note="the least slack")


def narrowing(tables: Tables) -> Iterator[Case]:
    """−|H(P_A) − H(S)| of every restriction to a style."""
    own = tables["runs"].filter(kind="style")
    if own.height:
        yield Case.exact("all runs", -np.abs(own["narrowing"].to_numpy()), "nat")


def learning(tables: Tables) -> Iterator[Case]:
    """H(S) − H(q) of a style, beside the same of the control, H(q0) − H(control)."""
    for case, runs in settled(tables):
        for (name,), own in runs.filter(kind="style").group_by("restriction", maintain_order=True):
            low, high = apart(own, "h_control", "h_q0")
            lower = (own["h_s"] - own["h_q_upper"]).to_numpy() + low
            upper = (own["h_s"] - own["h_q_lower"]).to_numpy() + high
            yield Case(f"{case}, {name}", lower, upper, "nat")


def blind(tables: Tables) -> Iterator[Case]:
    """H(q) of a style minus H(q) of the random set that is like it; both start from one q0."""
    for case, runs in settled(tables):
        sets = runs.filter(kind="style_blind").sort("seed")
        liked = sets["like"].unique().to_list()
        style = runs.filter(pl.col("restriction").is_in([f"style {name}" for name in liked])).sort("seed")
        if style.height and style["seed"].to_list() == sets["seed"].to_list():
            lower = (style["h_q_lower"] - sets["h_q_upper"]).to_numpy()
            upper = (style["h_q_upper"] - sets["h_q_lower"]).to_numpy()
            yield Case(case, lower, upper, "nat")


def condition(tables: Tables) -> Iterator[Case]:
    """−|error of the identity behind the condition| in every run that keeps a style."""
    found = tables["runs"]["style_residual"].drop_nulls()
    if len(found):
        yield Case.exact("all runs", -found.to_numpy(), "nat")


# -- C1.7: random subsets ---------------------------------------------------------------------------------------------


def _coins(tables: Tables) -> pl.DataFrame:
    return tables["subsets"].filter(rule="string", view="texts")


def rare(tables: Tables) -> Iterator[Case]:
    """The limit minus the largest share over all P(A), a number for every language; bounds are exact intervals."""
    for law in FLAT:
        most = _coins(tables).filter(law=law).group_by("language", maintain_order=True)
        found = most.agg(pl.col("lower").max(), pl.col("upper").max())
        yield Case(law, RARE - found["upper"].to_numpy(), RARE - found["lower"].to_numpy(), note="languages")


def common(tables: Tables) -> Iterator[Case]:
    """The share at Zipf 2 and P(A) = 1/2, a number for every language; bounds are exact intervals."""
    found = _coins(tables).filter(law="Zipf 2", mass=0.5)
    yield Case("Zipf 2, P(A) = ½", found["lower"].to_numpy(), found["upper"].to_numpy(), note="languages")


def shares(tables: Tables) -> Iterator[Case]:
    """The share under the other rules, for answers, and under the languages' own weights, at P(A) = 1/2."""
    cells = tables["subsets"].filter(pl.col("law").is_in(["Zipf 2", "its own"]), mass=0.5)
    for (rule, view, law), own in cells.group_by("rule", "view", "law", maintain_order=True):
        yield Case.exact(f"{RULES[rule]}, {view}, {law}", own["share"].to_numpy(), note="languages")


def identity(tables: Tables) -> Iterator[Case]:
    """−|error of the identity of C1.7| in the subsets for which both sides were computed."""
    found = tables["subsets"]["residual"].drop_nulls()
    if len(found):
        yield Case.exact("all languages", -found.to_numpy(), "nat")


RULES = {
    "string": "a coin for every text",
    "prompt": "a coin for every prompt",
    "style": "a coin for every style",
    "reached": "in random order until P(A) is reached",
    "skipped": "in random order, overshooting ones skipped",
}
"""The rules of `experiments.c1_entropy.subsets` in words."""
