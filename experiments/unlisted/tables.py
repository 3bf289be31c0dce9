"""Runs on languages that are not listed as tables: one row for each number, with how it is known."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from experiments.statistics import interval
from sim.numerics import EOS
from sim.unlisted.numbers import mean, numbers
from sim.unlisted.record import UnlistedRecord

SEEDS = ("seed", "grammar.seed")
"""Keys in which runs of one way may differ: the seed of the run, and that of the world."""

MODEL = ["way", "phase", "step", "end", "name", "of", "unit", "first", "last"]
"""What names a number of a model, in all runs of a way."""


def runs(records: Sequence[UnlistedRecord]) -> pl.DataFrame:
    """Return a row for each run: what was trained on what, how large the model is, and whether q0 is valid.

    Numbers of a language that its kind cannot give are null. reached: KL(P||q0) [nat per token]; waited: the seconds
    for which the pretraining waited for batches and their exact laws.
    """
    return pl.DataFrame([_run(one) for one in records], infer_schema_length=None)


def _run(one: UnlistedRecord) -> dict[str, Any]:
    facts, config = one.facts, one.config
    world, speed, reached, said = facts["world"], facts["speed"], facts["pretraining"], facts["described"]
    return {
        "run": one.hash, "way": way(config), "seed": config["seed"], "world": config["grammar"].get("seed"),
        "cut_p": cut(one.rows["p_rows"]), "cut_s": cut(one.rows["s_rows"]),
        **{group: said[group] for group in ("grammar", "restriction", "objective", "model")},
        "targets": config.get("objective", {}).get("targets"),
        "parameters": facts["parameters"], "length": world["length"], "tokens": len(facts["vocabulary"]),
        "rows": len(one.rows["p_rows"]), "own": config["judged"]["own"],
        **{name: world[name] for name in ("log_mass", "narrowing", "of_strings", "entropy_p", "entropy_s",
                                          "latent_entropy_p", "expected_length_p")},
        **_path_entropies(one),
        "reached": reached["joint_kl"], "limit": reached["limit"], "valid": reached["valid"],
        "pretrain_steps": config["pretrain"]["num_steps"], "finetune_steps": config["finetune"]["num_steps"],
        "batch": config["pretrain"]["batch_size"],
        "pretrain_seconds": speed["pretrain"].get("seconds"), "waited": speed["pretrain"].get("waited"),
    }  # fmt: skip


def cut(rows: np.ndarray) -> float:
    """The share of strings that are longer than the horizon, and so are cut."""
    return float((rows != EOS).all(axis=1).mean())


def _path_entropies(one: UnlistedRecord) -> dict[str, float | None]:
    """The entropies of the first L tokens of P and S [nat], estimated, with their intervals."""
    found = {name: mean(one.rows[f"{name}_entropy"]) for name in ("p", "s")}
    return {f"path_entropy_{name}{end}": value for name, q in found.items()
            for end, value in (("", q.estimate), ("_lower", q.lower), ("_upper", q.upper))}  # fmt: skip


def way(config: Mapping[str, Any]) -> str:
    """Return a short name of what a run does: 6 hex digits of the SHA-256 of its configuration without its seeds."""
    grammar = {key: value for key, value in config["grammar"].items() if key != "seed"}
    rest = {key: value for key, value in config.items() if key not in ("seed", "outputs", "name", "claim", "study")}
    return hashlib.sha256(json.dumps(rest | {"grammar": grammar}, sort_keys=True).encode()).hexdigest()[:6]


def rows(records: Sequence[UnlistedRecord]) -> pl.DataFrame:
    """Return every number of every model at every evaluation. order: its place among the numbers of a model."""
    found = []
    for one in records:
        for phase, recorded in one.phases.items():
            for index, step in enumerate(recorded.steps.tolist()):
                own = {"run": one.hash, "way": way(one.config), "seed": one.config["seed"], "phase": phase}
                place = {"step": step, "end": step == int(recorded.steps[-1])}
                for order, number in enumerate(numbers(one, phase, index)):
                    q = number.quantity
                    found.append({
                        **own, **place, "order": order, "name": number.name, "of": number.of, "unit": number.unit,
                        "first": number.first, "last": number.last,
                        "estimate": q.estimate, "lower": q.lower, "upper": q.upper, "kind": q.kind, "level": q.level,
                        "count": q.count, "method": q.method,
                    })  # fmt: skip
    return pl.DataFrame(found, infer_schema_length=None)


def over_seeds(found: pl.DataFrame) -> pl.DataFrame:
    """Return the mean of every number over the runs of a way, with its interval over runs, if there are at least two.

    A number that some run does not have, or cannot estimate (an infinite or a missing estimate), has null there.
    """
    lines = []
    number = dict(found.group_by("way").agg(pl.col("run").n_unique()).iter_rows())
    for key, group in found.group_by(MODEL, maintain_order=True):
        values, runs = group["estimate"].to_list(), number[key[0]]
        if runs < 2:
            continue
        known = len(values) == runs and all(value is not None and math.isfinite(value) for value in values)
        q = interval(values) if known else None
        ends = {"estimate": q.estimate, "lower": q.lower, "upper": q.upper} if q else {}
        if q and q.lower == q.upper:  # equal counts in all runs are no certainty, so the runs' own intervals stand
            ends |= {"lower": min(group["lower"].to_list()), "upper": max(group["upper"].to_list())}
        lines.append(dict(zip(MODEL, key, strict=True)) | {"runs": len(values)} | ends)
    kinds = {name: found.schema[name] for name in MODEL} | {"runs": pl.Int64()}
    kinds |= {name: pl.Float64() for name in ("estimate", "lower", "upper")}
    return pl.DataFrame(lines, schema=kinds)
