"""Verdicts of C2 on laws: decay, the kernel and the Fisher form, what foretells forgetting, replay."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from experiments._c2_mass import SHOWN
from experiments._claims import Claim, Verdict
from experiments._race import PREDICTORS, TARGETS, margins
from experiments._statistics import bound, equality, interval, sign
from sim.theory.decay import adam_ceiling, adam_rate

DECADE, HALF = 0.1, 0.5
"""Where the windows of the late laws begin, as a share of all steps."""

FITTED = 0.02
"""Largest KL(q*‖q) [nat per document] at which a replay counts as trained to its optimum."""

TABLES = ("tabular_strings", "tabular_trie")


def bounds(claim: Claim, tables: dict[str, pl.DataFrame]) -> Iterator[Verdict]:
    """What holds for every model, valid or not."""
    paths, adam = decays(tables["splits"]), tables["laws"]
    if adam.height:  # the law is of times beyond 1 / (1 - β₂), about half the inverse of its ceiling
        late_enough = HALF * pl.col("num_steps") * 2 * pl.col("ceiling") >= 1
        adam = adam.filter(pl.col("optimizer") == "adam", late_enough, pl.col("rate").is_finite())
    if adam.height:
        outcome, found = bound((adam["ceiling"] - adam["rate"]).to_numpy(), claim.margin("C2.2g"))
        yield Verdict("C2.2g", "all runs", 0.0, found, "1/step", outcome, "the least slack", "decay")
    trie = paths.filter(model="tabular_trie") if paths.height else paths
    if trie.height:
        moved = trie.with_columns(moved=(pl.col("erasure") - pl.col("erasure").first().over("run")).abs())
        most = moved.group_by("run", maintain_order=True).agg(pl.col("moved").max())
        outcome, found = bound(-most["moved"].to_numpy(), claim.margin("C2.3a"))
        yield Verdict("C2.3a", "trie table, all evaluations", 0.0, found, "nat", outcome, figure="split")
    replays = tables["replays"]
    if replays.height:
        slack = np.minimum(
            (replays["bound"] - replays["kl_best"]).to_numpy(),
            -np.abs((replays["closed_form"] - replays["kl_best"]).to_numpy()),
        )
        outcome, found = bound(slack, claim.margin("C2.7b"))
        yield Verdict("C2.7b", "all runs", 0.0, found, "nat", outcome, "the least slack", "replay")


def verdicts(claim: Claim, tables: dict[str, pl.DataFrame]) -> Iterator[Verdict]:
    """What needs runs that came near enough to P."""
    if tables["laws"].height:  # a path with too few late evaluations has no slope
        yield from _decays(claim, tables["laws"].filter(pl.col("exponent").is_finite(), pl.col("rate").is_finite()))
        yield from _levelled(decays(tables["splits"]))
    if tables["kernels"].height:
        yield from _kernels(claim, tables["kernels"])
    if tables["race"].height:
        yield from _race(tables["race"])
    if tables["replays"].height:
        yield from _replays(claim, tables["replays"])


def decays(splits: pl.DataFrame) -> pl.DataFrame:
    """The paths of the long fine-tunings."""
    return splits.filter(pl.col("part").str.starts_with("decay")) if splits.height else splits


def fitted(path: pl.DataFrame, column: str, begin: float, log_steps: bool = True, log: bool = True) -> float:
    """Least-squares slope of a column, or its log, on (log) steps from the share `begin` on; nan for under 3."""
    late = path.filter(pl.col("step") >= begin * pl.col("step").max())
    x, y = late["step"].to_numpy().astype(float), late[column].to_numpy()
    if len(x) < 3:
        return float("nan")
    return float(np.polyfit(np.log(x) if log_steps else x, np.log(y) if log else y, 1)[0])


def late(splits: pl.DataFrame) -> pl.DataFrame:
    """Of every long run the late laws that it follows.

    exponent, growth: slopes of log q_t(B) and of KL(P‖q_t) on log t; rate: of exponential decay [1/step], beside
    that of the law of the tables under Adam, and the ceiling ½ |log β₂|; end: q_T(B).
    """
    keep = ["seed", "model", "optimizer", "p_lost", "num_steps"]
    rows = [
        {
            "run": run, **{name: own[name][0] for name in keep}, "end": own.sort("step")["lost"][-1],
            "exponent": fitted(own, "lost", DECADE), "growth": fitted(own, "kl", DECADE, log=False),
            "rate": -fitted(own, "lost", HALF, log_steps=False), **_adam(own),
        }
        for (run,), own in decays(splits).group_by("run", maintain_order=True)
    ] if splits.height else []  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"law": pl.Float64, "ceiling": pl.Float64})


def _adam(own: pl.DataFrame) -> dict[str, float | None]:
    if own["optimizer"][0] != "adam":
        return {"law": None, "ceiling": None}
    rate, b1, b2 = (float(own[name][0]) for name in ("learning_rate", "b1", "b2"))
    return {"law": adam_rate(rate, b1, b2, 2.0), "ceiling": adam_ceiling(b2)}


def _decays(claim: Claim, laws: pl.DataFrame) -> Iterator[Verdict]:
    for (model, optimizer), own in laws.group_by("model", "optimizer", maintain_order=True):
        name, table = SHOWN[str(model)], model in TABLES
        if optimizer == "sgd":
            yield _equal(claim, "C2.2a" if table else "C2.2d", f"{name}, SGD", own["exponent"].to_numpy(), -1.0, "1")
            lost = float(own["p_lost"].to_numpy().mean())
            growth = lost + (own["growth"] - own["p_lost"]).to_numpy()
            yield _equal(claim, "C2.2b" if table else "C2.2e", f"{name}, SGD", growth, lost, "nat")
        elif table:
            yield _equal(claim, "C2.2c", f"{name}, Adam", (own["rate"] / own["law"]).to_numpy(), 1.0, "1")
        else:
            outcome, measured = sign(-1.0 - own["exponent"].to_numpy())
            yield Verdict("C2.2f", f"{name}, Adam", None, measured, "1", outcome, figure="decay")


def _levelled(paths: pl.DataFrame) -> Iterator[Verdict]:
    own = paths.filter(model="tabular_strings", optimizer="sgd").sort("run", "step", maintain_order=True)
    if own.height:
        grown = own.group_by("run", maintain_order=True).agg(pl.col("erasure").last() - pl.col("erasure").first())
        outcome, measured = sign(grown["erasure"].to_numpy())
        yield Verdict("C2.3b", "flat table, SGD", None, measured, "nat", outcome, figure="split")


def _equal(claim: Claim, identifier: str, case: str, values: np.ndarray, wanted: float, unit: str) -> Verdict:
    outcome, found = equality(values, wanted, claim.margin(identifier))
    return Verdict(identifier, case, wanted, found, unit, outcome, figure="decay")


def _kernels(claim: Claim, kernels: pl.DataFrame) -> Iterator[Verdict]:
    least, most = float(kernels["learning_rate"].to_numpy().min()), float(kernels["learning_rate"].to_numpy().max())
    for (width,), own in kernels.group_by("width", maintain_order=True):
        slow = own.filter(pl.col("learning_rate") == least, pl.col("step") == 1).sort("seed")
        fast = own.filter(pl.col("learning_rate") == most).sort("seed", "step")
        case = f"width {width}"
        yield _above("C2.5a", f"{case}, lr {least:g}", slow["r2"].to_numpy(), 0.9)
        change = fast.group_by("seed", maintain_order=True).agg(pl.col("r2").first() - pl.col("r2").last())
        yield _above("C2.5b", f"{case}, lr {most:g}", change["r2"].to_numpy(), 0.0)
        outcome, found = equality((slow["fisher"] / slow["kl"]).to_numpy(), 1.0, claim.margin("C2.5c"))
        yield Verdict("C2.5c", f"{case}, lr {least:g}", 1.0, found, "1", outcome, figure="kernel")


def _above(identifier: str, case: str, values: np.ndarray, threshold: float) -> Verdict:
    outcome, found = sign(values, threshold)
    return Verdict(identifier, case, None, found, "1", outcome, figure="kernel", threshold=threshold)


def _race(found: pl.DataFrame) -> Iterator[Verdict]:
    for rival, margin in margins(found, "elsewhere").items():
        outcome, measured = sign(margin)
        yield Verdict("C2.6a", f"against {rival}", None, measured, "1", outcome, figure="race")
    for target in TARGETS:
        for name in PREDICTORS:
            values = found.filter(target=target, predictor=name)["r2"].to_numpy()
            where = "on all prompts" if target == "forgotten" else "elsewhere"
            yield Verdict("C2.6b", f"{name}, {where}", None, interval(values), "R²", "reported", figure="race")


def _replays(claim: Claim, replays: pl.DataFrame) -> Iterator[Verdict]:
    for (targets, weight), own in replays.group_by("targets", "weight", maintain_order=True):
        case = f"{targets} targets, λ = {weight:g}"
        counted = own.filter(pl.col("gap") <= FITTED)
        if not counted.height:
            yield Verdict("C2.7a", case, 0.0, None, "nat", "undecided", "no run came near its optimum", "replay")
            continue
        outcome, found = equality((counted["kl"] - counted["kl_best"]).to_numpy(), 0.0, claim.margin("C2.7a"))
        yield Verdict("C2.7a", case, 0.0, found, "nat", outcome, f"{counted.height} runs", "replay")
