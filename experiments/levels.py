"""At which level of a hierarchy does a model forget? One rule of each level is made rarer, at equal KL(S||P).

For every run of `experiment=levels`: how far the model has followed the rule, and what it forgot beside that.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from experiments.predictions import Tables
from experiments.statistics import interval
from experiments.unlisted.tables import runs
from sim.config import construct
from sim.disk.folders import finished
from sim.languages.pcfg.language import ContextFree
from sim.laws.reading import law
from sim.numerics import SpecificationError
from sim.quantity import Quantity
from sim.restrictions.reweighted import divergence
from sim.restrictions.sub_grammar import numbered
from sim.show.blocks import Block, Heading, Paragraph, Table
from sim.show.writing import text
from sim.unlisted.record import UnlistedRecord, read

TOGETHER = True
"""All runs of the folder are reported together."""

UNLISTED = True
"""It reads runs on languages that are not listed (`sim.unlisted.record`), and no others."""

KIND, CONTROL = "reweighted", "everything"
"""The restrictions of the runs that are compared, and of their controls."""

SHOWN = {
    "followed": "share of the way from p to s",
    "gate": "gate [nat per string]",
    "expected": "gate if q = S [nat]",
    "forgotten": "KL(P‖q) − control [nat]",
    "excess": "excess [nat]",
    "fit": "KL(S‖q) − control [nat]",
    "outside": "q(outside of P)",
}
"""Numbers of a run, and their columns."""


def analyse(folder: Path) -> Tables:
    """Return `runs`, `levels` (a row for each run with a changed rule), `means` and `trends` (over pairs of runs).

    followed: (u - p) / (s - p), with the share u of the rule among the uses of its symbol in what the model writes, and
    its probabilities p in P and s in S. gate: n KL(p||u), with n uses of the symbol in a string of P: what the change
    of the rule costs KL(P||q). forgotten: KL(P||q) less that of the control with the same seed and targets. excess:
    forgotten - gate: what else was forgotten, below 0 if u depends on more than the symbol. fit: KL(S||q) less KL(P||q)
    of the control. All are estimated from independent strings; u is that of the strings which P can write, and outside
    is the share of the others. Raises SpecificationError if a run has no control, or if a level has several rules.
    """
    records = [read(source) for source in finished(folder)]
    controls = {_pair(one): one for one in records if one.config["restriction"]["kind"] == CONTROL}
    rows = []
    for one in records:
        if one.config["restriction"]["kind"] == KIND:
            if _pair(one) not in controls:
                raise SpecificationError(
                    f"{folder}: a control (restriction=everything) that is like the run but for its restriction is "
                    f"required, found none for {one.hash}; run experiment=levels again with the same settings"
                )
            rows.append(_row(one, controls[_pair(one)]))
    if not rows:
        raise SpecificationError(f"{folder}: runs with restriction=reweighted are required, found none")
    levels = pl.DataFrame(rows).sort("targets", "level", "seed")
    if levels.select("targets", "level", "seed").is_duplicated().any():
        raise SpecificationError(
            f"{folder}: one rule of each level, and one shift and world, are required for every seed, found several; "
            "move the others to a folder of their own"
        )
    return {"runs": runs(records), "levels": levels, "means": _means(levels), "trends": _trends(levels)}


def _pair(one: UnlistedRecord) -> str:
    """What a run and its control have in common: their configuration but for the restriction."""
    others = ("restriction", "name", "outputs", "claim", "study")
    return json.dumps({key: value for key, value in one.config.items() if key not in others}, sort_keys=True)


def _row(one: UnlistedRecord, control: UnlistedRecord) -> dict[str, Any]:
    language = construct("grammar", one.config["grammar"], "grammar").language
    rule, notes = one.config["restriction"]["rule"], one.facts["world"]["notes"]
    number = numbered(language, [rule])[0]
    shown = language.shown(language.rules[number]).replace("->", "→")
    p, s, n = float(language.rules[number].p), notes["probability"], notes["uses"]
    arrays = one.phases["sft"].at(-1)
    share = _share(language, number, arrays["own_rows"])
    forgotten, fit = (_end(one, name) - _end(control, "p") for name in ("p", "s"))
    gate = n * divergence(p, share) if 0.0 < share < 1.0 else math.nan  # without a use of either there is no estimate
    return {
        "run": one.hash, "seed": one.config["seed"], "targets": one.config["objective"]["targets"],
        "level": heights(language)[language.rules[number].lhs], "rule": shown, "uses": n, "p": p,
        "s": s, "share": share, "followed": (share - p) / (s - p), "gate": gate, "expected": n * divergence(p, s),
        "forgotten": forgotten, "excess": forgotten - gate, "fit": fit,
        "outside": float((arrays["own_log_p"] == -math.inf).mean()),
        "valid": one.facts["pretraining"]["valid"],
    }  # fmt: skip


def _share(language: ContextFree, number: int, rows: np.ndarray) -> float:
    """The share of a rule among the uses of its left-hand side in the strings of rows that P can write; nan if none."""
    own = law(language)
    counts = own.parse(rows).counts(len(rows), len(language.rules)).sum(axis=0)
    lhs = language.rules[number].lhs
    all_ = sum(counts[at] for at, rule in enumerate(language.rules) if rule.lhs == lhs)
    return float(counts[number] / all_) if all_ > 0 else math.nan


def heights(language: ContextFree) -> list[int]:
    """The height of every non-terminal above the tokens: 1 if its rules lead to tokens alone."""
    found: dict[int, int] = {}

    def height(lhs: int) -> int:
        if lhs not in found:
            below = [height(child) for rule in language.rules if rule.lhs == lhs for child in rule.children]
            found[lhs] = 1 + max(below, default=0)
        return found[lhs]

    return [height(lhs) for lhs in range(len(language.nonterminals))]


def _end(one: UnlistedRecord, name: str) -> float:
    """KL(P‖q) or KL(S‖q) at the end of the fine-tuning [nat per string]."""
    return float(one.phases["sft"].arrays[f"{name}_kl_at"][-1].sum(axis=1).mean())


def _means(levels: pl.DataFrame) -> pl.DataFrame:
    """The mean of every number over the runs of a level and kind of targets, with its interval over runs."""
    found = []
    for (targets, level, rule), group in levels.group_by(["targets", "level", "rule"], maintain_order=True):
        for name in SHOWN:
            found.append({"targets": targets, "level": level, "rule": rule, "number": name, **_mean(group[name])})
    return pl.DataFrame(found)


def _mean(values: pl.Series) -> dict[str, Any]:
    known = [value for value in values.to_list() if math.isfinite(value)]
    if len(known) < len(values):
        return {"runs": len(known), "estimate": None, "lower": None, "upper": None}
    q = interval(known)
    return {"runs": len(known), "estimate": q.estimate, "lower": q.lower, "upper": q.upper}


def _trends(levels: pl.DataFrame) -> pl.DataFrame:
    """For every number its slope over the levels, per level upwards, within a seed, with its interval over seeds."""
    found = []
    for targets, own in levels.group_by("targets", maintain_order=True):
        for name in ("followed", "excess", "fit"):
            slopes = [_slope(group, name) for _, group in own.group_by("seed", maintain_order=True)]
            found.append({"targets": targets[0], "number": name, **_mean(pl.Series(slopes, dtype=pl.Float64))})
    both = levels.pivot("targets", index=["seed", "level"], values="excess")
    if {"exact", "sampled"} <= set(both.columns):
        more = both.group_by("seed", maintain_order=True).agg((pl.col("sampled") - pl.col("exact")).mean())
        found.append({"targets": "sampled − exact", "number": "excess", **_mean(more["sampled"])})
    return pl.DataFrame(found)


def _slope(group: pl.DataFrame, name: str) -> float:
    level, values = group["level"].to_numpy().astype(np.float64), group[name].to_numpy()
    if len(level) < 2 or not np.isfinite(values).all():
        return math.nan
    return float(np.polyfit(level, values, 1)[0])


def report(tables: Mapping[str, pl.DataFrame]) -> list[Block]:
    """Describe what was followed and what was forgotten at every level."""
    levels, valid = tables["levels"], tables["runs"]["valid"]
    found: list[Block] = [Heading("At which level does a model forget?")]
    found.append(Paragraph(
        f"{levels.height} runs in {levels['seed'].n_unique()} seeds; not valid: {int((~valid).sum())} of {len(valid)}. "
        "Intervals are over seeds. All numbers are estimated from strings; p, s and n are exact."
    ))  # fmt: skip
    for targets in levels["targets"].unique(maintain_order=True).to_list():
        found.append(_table(tables["means"].filter(targets=targets), f"{targets} targets"))
    lines = [(row["number"], row["targets"], _shown(row)) for row in tables["trends"].iter_rows(named=True)]
    found.append(Table(("number", "targets", "slope per level, or difference"), tuple(lines), num_left=2))
    return found


def _table(means: pl.DataFrame, title: str) -> Table:
    return Table(("level", "rule", *SHOWN.values()), tuple(_lines(means)), num_left=2, title=title)


def _lines(means: pl.DataFrame) -> Iterator[tuple[str, ...]]:
    for level, rule in means.select("level", "rule").unique(maintain_order=True).sort("level").iter_rows():
        own: Sequence[dict[str, Any]] = means.filter(level=level).to_dicts()
        yield str(level), rule, *(_shown(row) for row in own)


def _shown(row: Mapping[str, Any]) -> str:
    if row["lower"] is None:
        return "not in every run"
    q = Quantity(row["lower"], row["upper"], "over seeds", row["estimate"])
    return f"{row['estimate']:.3g} {text(q).removeprefix('≈ ')}"
