"""The runs of the claim on levels of a grammar as tables: a row for each change of the data, beside its control."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from experiments.g_levels.places import Place
from experiments.predictions import Tables
from experiments.statistics import interval
from sim.disk.folders import finished
from sim.numerics import SpecificationError
from sim.restrictions.reweighted import divergence
from sim.unlisted.record import UnlistedRecord, read

RULE, RANDOM, CONTROL = "reweighted", "random_prefixes", "everything"
"""The restrictions: one rule is rarer, a random event is rarer, and the data of the control."""

FIT = 0.1
"""Largest |E_S[log(S/q) - log(P/control)]| of a run at equal fit [nat per string]: a third of the shift."""

EVENT = "random event"
"""The arm without a level."""

OTHERS = ("restriction", "name", "outputs", "claim", "study")
"""Keys of a configuration in which a run and its control differ."""

NUMBERS = ("followed", "gate", "expected", "forgotten", "excess", "fit", "derived", "siblings", "outside", "uses")
"""Numbers of a run that the table of means has."""


@dataclass(frozen=True, eq=False)
class Runs:
    """The finished runs of a study: one row for each, see `tables`."""

    runs: pl.DataFrame


@dataclass(frozen=True, eq=False)
class Kept:
    """What is kept of a record: its judged strings, and arrays of the first and the last look at the fine-tuning."""

    hash: str
    config: Mapping[str, Any]
    facts: Mapping[str, Any]
    rows: np.ndarray  # judged strings of P, int[N, L]
    log_p: np.ndarray  # log P of these strings [nat], float64[N]
    log_s: np.ndarray  # log S
    log_q: np.ndarray  # log q of the tuned model
    each: np.ndarray  # KL(P||q) of the tuned model at every position [nat], float32[N, L]
    before: float  # KL(P||q0) [nat per string]
    after: float  # KL(P||q)
    own: Mapping[str, np.ndarray]  # what the tuned model wrote

    @property
    def kind(self) -> str:
        """The kind of its restriction."""
        return str(self.config["restriction"]["kind"])

    @property
    def pair(self) -> str:
        """What it has in common with its control: the configuration but for the restriction."""
        return json.dumps({key: value for key, value in self.config.items() if key not in OTHERS}, sort_keys=True)

    @property
    def world(self) -> str:
        """What decides P and the judged strings."""
        return json.dumps([self.config["grammar"], self.config["seed"], self.config["judged"]["rows"]], sort_keys=True)


def kept(one: UnlistedRecord) -> Kept:
    """What is kept of a record. Raises SpecificationError for one that was made before positions were recorded."""
    arrays = one.phases["sft"].arrays
    if "p_kl_each" not in arrays:
        raise SpecificationError(
            f"{one.name}/{one.hash}: a record with the divergence at every position (p_kl_each) is required, found one "
            "of an earlier version; make the run again under another name="
        )
    own = {name: arrays[name][-1] for name in ("own_rows", "own_log_p", "own_log_s")}
    before, after = (float(arrays["p_kl_at"][at].sum(axis=1).mean()) for at in (0, -1))
    return Kept(
        one.hash, one.config, one.facts, one.rows["p_rows"], one.rows["p_log_p"], one.rows["p_log_s"],
        arrays["p_log_q"][-1].copy(), arrays["p_kl_each"][-1].copy(), before, after, own,
    )  # fmt: skip


def runs_of(folder: Path) -> Runs:
    """Read the finished runs of a folder, one at a time; most of their arrays are not kept."""
    return Runs(table_of([kept(read(source)) for source in finished(folder)]))


def table_of(records: Sequence[Kept]) -> pl.DataFrame:
    """A row for each run. Raises SpecificationError for a run without its control, or beside one of other strings."""
    controls = {one.pair: one for one in records if one.kind == CONTROL}
    places = dict[str, Place]()
    rows = []
    for one in records:
        control = controls.get(one.pair)
        if control is None:
            raise SpecificationError(
                f"tables: a control (restriction=everything) that is like the run but for its restriction is required, "
                f"found none for {one.hash}; finish the study"
            )
        if not np.array_equal(one.rows, control.rows):
            raise SpecificationError(
                f"tables: a control that is judged by the same strings is required, found others in {control.hash} "
                f"than in {one.hash}; make both runs with one version"
            )
        if one.world not in places:
            places[one.world] = Place.of(one.config, one.rows)
        rows.append(dict.fromkeys(SCHEMA) | _common(one, control) | _changed(one, control, places[one.world]))
    return pl.DataFrame(rows, schema_overrides=SCHEMA, infer_schema_length=None)


SCHEMA = {
    "level": pl.Int64(), "number": pl.Int64(), "rule": pl.String(), "fitted": pl.Boolean(),
    **dict.fromkeys(("p", "s", "share", *NUMBERS, "drift"), pl.Float64()),
}  # fmt: skip
"""Types of columns that can be null."""


def _common(one: Kept, control: Kept) -> dict[str, Any]:
    return {
        "run": one.hash, "seed": one.config["seed"], "claim": one.config.get("claim"), "kind": one.kind,
        "part": str(one.config.get("study", {}).get("part") or ""), "targets": one.config["objective"]["targets"],
        "valid": one.facts["pretraining"]["valid"], "reached": one.facts["pretraining"]["joint_kl"],
        "control": control.hash, "drift": control.after - control.before,
    }  # fmt: skip


def _changed(one: Kept, control: Kept, place: Place) -> dict[str, Any]:
    """What a run has followed and forgotten; nothing for a control."""
    if one.kind == CONTROL:
        return {"arm": CONTROL}
    notes = one.facts["world"]["notes"]
    s, n = notes["probability"], notes["uses"]
    own_of = _of_rule if one.kind == RULE else _of_event
    found = own_of(one, control, place)
    p, share = found["p"], found["share"]
    forgotten, fit = one.after - control.after, _fit(one, control)
    # without a use of the rule, or of its siblings, its cost has no estimate
    gate = n * divergence(p, share) if share is not None and 0.0 < share < 1.0 else None
    outside, beside = (float((each.own["own_log_p"] == -math.inf).mean()) for each in (one, control))
    return found | {
        "uses": n, "s": s, "followed": None if share is None else (share - p) / (s - p), "gate": gate,
        "expected": n * divergence(p, s), "forgotten": forgotten,
        "excess": None if gate is None else forgotten - gate,
        "fit": fit, "fitted": abs(fit) <= FIT, "outside": outside - beside,
    }  # fmt: skip


def _fit(one: Kept, control: Kept) -> float:
    """E_S[log(S/q) - log(P/control)] [nat per string], from the judged strings of P with the weights S/P.

    Both models are compared on the same strings, so what both do not know of a kind of string takes itself away. The
    weights are divided by their sum, whose expectation is their number.
    """
    more = (one.log_s - one.log_q) - (one.log_p - control.log_q)
    return float(np.average(more, weights=np.exp(one.log_s - one.log_p)))


def _of_rule(one: Kept, control: Kept, place: Place) -> dict[str, Any]:
    node = one.config["restriction"]
    number = place.number(node["rule"])
    rule = place.language.rules[number]
    level = place.level(number)
    more = one.each.astype(np.float64) - place.divergence(node) - control.each
    return {
        "arm": f"level {level}", "level": level,
        "number": sorted([number, *place.siblings(number)]).index(number),
        "rule": place.language.shown(rule).replace("->", "→"), "p": float(rule.p),
        "share": place.share(number, one.own["own_rows"]), "derived": place.derived([number], more),
        "siblings": place.derived(place.siblings(number), more),
    }  # fmt: skip


def _of_event(one: Kept, control: Kept, place: Place) -> dict[str, Any]:
    writable = one.own["own_log_p"] > -math.inf
    inside = (one.own["own_log_s"] < one.own["own_log_p"])[writable]
    depth, rarer = one.config["restriction"]["depth"], one.log_s < one.log_p
    more = one.each.astype(np.float64) - control.each
    return {
        "arm": EVENT, "rule": EVENT, "p": one.facts["world"]["notes"]["mass"],
        "share": float(inside.mean()) if inside.size else None,
        "derived": place.behind(depth, rarer, more), "siblings": place.behind(depth, ~rarer, more),
    }  # fmt: skip


def tables(study: Runs) -> Tables:
    """Return `runs` (a row for each run on changed data) and `means` (over worlds, by arm).

    followed: (u - p)/(s - p), with the share u of the rule among the uses of its symbol in what the model writes and P
    can write (of the event, among strings), and its probabilities p in P and s in S. gate: n KL(p||u) [nat], with n
    uses of the symbol in a string of P: what the change costs KL(P||q). expected: the same with s for u. forgotten:
    KL(P||q) - KL(P||control) [nat]. excess: forgotten - gate. fit: E_S[log(S/q) - log(P/control)]; fitted: at most FIT.
    derived: mean over the tokens that the changed rule derives late (`Place.derived`), in judged strings of P, of
    KL(P_t||q_t) - KL(P_t||S_t) - KL(P_t||control_t) [nat per token]; siblings: the same for the other rules of its
    symbol. Of the event they are those behind its beginnings, in strings of the event and in others, where S_t = P_t.
    outside: q(outside of P) less that of the control. drift: KL(P||control) - KL(P||q0) [nat].
    """
    changed = study.runs.filter(pl.col("kind") != CONTROL)
    return {"runs": changed, "means": means(changed)}


def counted(runs: pl.DataFrame) -> pl.DataFrame:
    """The runs that count: valid, and at equal fit."""
    return runs.filter("valid", "fitted")


def per_world(runs: pl.DataFrame, name: str) -> pl.DataFrame:
    """A number of every arm and world, averaged over the rules of a level: columns targets, arm, level, seed, value."""
    known = runs.filter(pl.col(name).is_not_null())
    keys = ("targets", "arm", "level", "seed")
    return known.group_by(*keys, maintain_order=True).agg(pl.col(name).mean().alias("value")).sort(*keys)


def means(runs: pl.DataFrame) -> pl.DataFrame:
    """Every number of every arm: its mean over worlds, with an interval of 95 %.

    Columns: targets, arm, level, number, estimate, lower, upper, worlds. It is of the runs that count, or of all if
    none does. Of one world there is no interval, and the ends are the estimate.
    """
    used = counted(runs) if counted(runs).height else runs
    columns = {"targets": pl.String(), "arm": pl.String(), "level": pl.Int64(), "number": pl.String()}
    ends = dict.fromkeys(("estimate", "lower", "upper"), pl.Float64())
    return pl.DataFrame(list(_means(used)), schema=columns | ends | {"worlds": pl.Int64()})


def _means(runs: pl.DataFrame) -> Iterator[dict[str, Any]]:
    for name in NUMBERS:
        for (targets, arm, level), own in per_world(runs, name).group_by(
            "targets", "arm", "level", maintain_order=True
        ):
            values = own["value"].to_list()
            found = interval(values) if len(values) > 1 else None
            yield {
                "targets": targets, "arm": arm, "level": level, "number": name,
                "estimate": float(np.mean(values)), "lower": found.lower if found else values[0],
                "upper": found.upper if found else values[0], "worlds": len(values),
            }  # fmt: skip
