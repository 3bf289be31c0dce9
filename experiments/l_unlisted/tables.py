"""The runs of the claim on languages that are not listed as one table: a row for each fine-tuning, with its control."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from experiments.predictions import Tables
from experiments.statistics import interval
from sim.disk.folders import finished
from sim.numerics import SpecificationError
from sim.quantity import Quantity
from sim.unlisted.numbers import Number, mean, numbers
from sim.unlisted.record import UnlistedRecord, read

CONTROL = "everything"
"""The restriction of a control: the same fine-tuning on fresh data from P."""

SETUP = ("language", "targets", "rate")
"""Columns that tell the kinds of runs apart, beside the restriction."""


@dataclass(frozen=True, eq=False)
class Runs:
    """The finished runs of a study: one row for each, see `tables`."""

    runs: pl.DataFrame


def runs_of(folder: Path) -> Runs:
    """Read the finished runs of a folder, one at a time; their arrays are not kept."""
    return Runs(pl.DataFrame([_row(read(source)) for source in finished(folder)], infer_schema_length=None))


def _row(one: UnlistedRecord) -> dict[str, Any]:
    config, world = one.config, one.facts["world"]
    before, after = (_numbers(one, index) for index in (0, -1))
    lost = -math.expm1(world["log_mass"])
    found: dict[str, Any] = {
        "run": one.hash, "seed": config["seed"], "claim": config.get("claim"),
        "part": str(config.get("study", {}).get("part") or ""), "valid": one.facts["pretraining"]["valid"],
        "language": one.facts["described"]["grammar"], "restriction": one.facts["described"]["restriction"],
        "kind": config["restriction"]["kind"], "targets": config["objective"]["targets"],
        "rate": config["optimizer"]["learning_rate"], "mass_b": lost,
        "h_p": _entropy(one, "p"), "h_s": _entropy(one, "s"),
        "reached": one.facts["pretraining"]["joint_kl"],
    }  # fmt: skip
    for when, own in (("before", before), ("after", after)):
        found |= {
            f"h_{when}": own["entropy of the model", "H(q)"], f"kl_{when}": own["divergence", "KL(P‖q)"],
            f"fit_{when}": own["divergence per token", "KL(S‖q)"],
            f"outside_{when}": own["share outside of the language", "q(outside of P)"],
            f"rarer_{when}": own["coverage lost", "P(P/q ≥ 10)"],
            f"lost_{when}": own.get(("mass of what S leaves out", "q(B)")),
            f"gate_{when}": own.get(("gate", "KL((P(A), P(B), 0)‖(q(A), q(B), q(⊥)))")),
            f"erased_{when}": _over(own.get(("erasure", "P(B) KL(P_B‖q_B)")), lost),
        }  # fmt: skip
    return found


def _numbers(one: UnlistedRecord, index: int) -> dict[tuple[str, str], float | None]:
    found: Sequence[Number] = list(numbers(one, "sft", index))
    return {(each.name, each.of): each.quantity.estimate for each in found}


def _over(value: float | None, mass: float) -> float | None:
    return None if value is None else value / mass


def _entropy(one: UnlistedRecord, name: str) -> float:
    """H of the strings that a model sees [nat]: exact if no string is cut, else from sums along drawn strings."""
    exact = one.facts["world"][f"entropy_{name}"]
    whole = bool((one.rows[f"{name}_rows"] == 0).any(axis=1).all())
    if exact is not None and whole:
        return float(exact)
    middle = mean(one.rows[f"{name}_entropy"]).estimate
    assert middle is not None
    return middle


def tables(study: Runs) -> Tables:
    """Return `runs`: a row for each fine-tuning on a part of P, and the numbers of the control beside it.

    h_p, h_s: H(P) and H(S) [nat]. h: H(q); kl: KL(P||q) [nat]; fit: KL(S||q) [nat/token]; outside: q(outside of P);
    rarer: P(P/q >= 10); lost: q(B); gate [nat]; erased: KL(P_B||q_B) [nat]; each with _before for q0, _after for the
    model, and _control for the fine-tuning on P with the same seed, targets and rate. A number that has no estimate is
    null. Raises SpecificationError for a run without a control.
    """
    arms, controls = (study.runs.filter((pl.col("kind") == CONTROL) == own) for own in (False, True))
    names = ("h", "kl", "fit", "outside", "rarer")
    beside = controls.select(
        *SETUP, "seed", *(pl.col(f"{name}_after").alias(f"{name}_control") for name in names), control="run"
    )
    if beside.select(*SETUP, "seed").is_duplicated().any():
        raise SpecificationError("tables: one control of a kind and seed is required, found several; move older runs")
    found = arms.join(beside, on=[*SETUP, "seed"], how="left", maintain_order="left")
    missing = found.filter(pl.col("control").is_null())
    if missing.height:
        raise SpecificationError(
            f"tables: a control (restriction=everything) with the same seed, targets and rate is required, found none "
            f"for {missing['run'][0]}; finish the study"
        )
    return {"runs": found, "parts": parts(found)}


DIRECTIONS = ("less entropy than P", "more entropy than P")
"""What S has, in a table of parts: the restrictions of a language differ by world."""


def parts(runs: pl.DataFrame) -> pl.DataFrame:
    """Return what the fine-tuning adds to gate and erasure, P(B) E [nat]: means over the seeds that have an estimate.

    Columns: language, targets, rate, direction (one of DIRECTIONS), part, estimate, lower, upper, seeds. It is of the
    valid runs, or of all if none is valid. Of one seed there is no interval, and the ends are the estimate.
    """
    counted = runs.filter("valid") if runs["valid"].any() else runs
    more = pl.col("h_s") > pl.col("h_p")
    counted = counted.with_columns(direction=pl.when(more).then(pl.lit(DIRECTIONS[1])).otherwise(pl.lit(DIRECTIONS[0])))
    found = []
    for key, own in counted.group_by(*SETUP, "direction", maintain_order=True):
        rows = own.to_dicts()
        for part, measure in (("gate", gate_moved), ("erasure", lambda row: _times(erased(row), row["mass_b"]))):
            values = [value for row in rows if (value := measure(row)) is not None]
            if not values:
                continue
            ends = interval(values) if len(values) > 1 else Quantity.of(values[0])
            found.append(
                dict(zip((*SETUP, "direction"), key, strict=True))
                | {"part": part, "estimate": ends.value, "lower": ends.lower, "upper": ends.upper, "seeds": len(values)}
            )
    columns = dict.fromkeys((*SETUP, "direction", "part"), pl.String()) | {"rate": pl.Float64(), "seeds": pl.Int64()}
    columns |= dict.fromkeys(("estimate", "lower", "upper"), pl.Float64())
    return pl.DataFrame(found, schema=columns)


def gate_moved(run: Mapping[str, Any]) -> float | None:
    """The gate less that of q0 [nat]; None if one of them has no finite estimate."""
    after, before = run["gate_after"], run["gate_before"]
    return None if after is None or before is None or not math.isfinite(after - before) else float(after - before)


def _times(value: float | None, mass: float) -> float | None:
    return None if value is None else value * mass


def erased(run: Mapping[str, Any]) -> float | None:
    """E = KL(P_B||q_B) less that of q0 [nat]; None if one of them has no estimate."""
    after, before = run["erased_after"], run["erased_before"]
    return None if after is None or before is None else float(after - before)
