"""Where a method of one's own lies among those of the reference: places with ties, and differences in the same worlds.

A run counts only if its world is that of the reference and its settings are, but for those that its method sets itself.
"""

import json
from typing import Any

import numpy as np
import polars as pl

from experiments.atlas.ranking import ERROR, FEWEST, SHARE, logs, matrix, mean_of, surely_less
from experiments.atlas.reference import Reference, settings_of
from experiments.atlas.shared import VERSION, differences, own_keys
from experiments.predictions import Tables

PLAIN = ("sft", "")
"""The method, and its strength, with which every other one is compared: plain fine-tuning on exact targets."""

COMPARED = ("above", "gate", "e")
"""The numbers [nat per answer] whose differences are shown; `above` decides about places."""

_PAIR = ("seed", "truth")
_ENDS = ("_lower", "_upper")


def checked(tables: Tables, reference: Reference) -> pl.DataFrame:
    """Return `marks` with a column `reason`: why a run is not compared with the reference; null if it is.

    It is that the run is not valid, the first setting that differs, a seed that the reference lacks, or another world.
    """
    of, worlds = settings_of(tables), reference.worlds
    marks = tables["marks"].join(tables["runs"].select("run", "valid"), on="run", how="left", maintain_order="left")
    reasons: list[str | None] = []
    for method, seed, truth, number, valid in marks.select("method", "seed", "truth", "setting", "valid").iter_rows():
        other = differences(of[number], reference.settings, own_keys(method))
        if not valid:
            reasons.append(
                "a pretraining that reaches pretrain.limit is required, found none; see python -m sim.status"
            )
        elif other:
            name, wanted, found = other[0]
            shown = "the version of the results" if name == VERSION else name
            reasons.append(f"{shown}: {json.dumps(wanted)} is required, found {json.dumps(found)}")
        elif seed not in worlds:
            reasons.append(f"seed: a world of the reference ({', '.join(map(str, worlds))}) is required, found {seed}")
        elif truth != worlds[seed]:
            reasons.append(
                f"world of seed {seed}: the hash {worlds[seed]} of its P and S is required, found {truth}, because the "
                "grammar or the restriction is another one"
            )
        else:
            reasons.append(None)
    return tables["marks"].with_columns(reason=pl.Series(reasons, dtype=pl.String))


def tables(found: Tables, reference: Reference | None) -> Tables:
    """Return `marks` with reasons, `placed`, `repeated` and `around`, from the tables of the atlas and its marks.

    A method with a strength that the reference has too is not placed: `repeated` has how far its runs lie from those of
    the reference [nat], at each level in each world. Without a reference there are no such tables.
    """
    if reference is None:
        return {}
    marks = checked(found, reference)
    used = marks.filter(pl.col("reason").is_null()).select("run", "truth")
    ends = found["ends"].with_columns(level=pl.lit(None, pl.Float64))
    own = pl.concat([found["crossings"], ends], how="diagonal_relaxed").join(used, on="run", maintain_order="left")
    there = pl.DataFrame(sorted(reference.methods), schema=["method", "strength"], orient="row")
    again = own.join(there, on=["method", "strength"], how="semi", maintain_order="left")
    new = own.join(there, on=["method", "strength"], how="anti", maintain_order="left")
    keys = ["method", "strength", "level", *_PAIR]
    both = again.select(*keys, "above").join(reference.places, on=keys, nulls_equal=True, maintain_order="left")
    repeated = both.select(*keys, difference=pl.col("above") - pl.col("above_right"))
    found_ = placed(new, reference.places)
    return {"marks": marks, "placed": found_, "repeated": repeated, "around": around(new, found_, reference.places)}


def placed(own: pl.DataFrame, reference: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each method, strength and level of `own`, beside the rows of a reference in the same worlds.

    Both have a row for each method, strength, world and level; a null level is the end. Columns: worlds; methods, how
    many of the reference got there too; place, see `ranks`; above, gate, e: means over worlds [nat]; of_above, of_gate,
    of_e: differences to plain SFT; nearest, nearest_strength, near: the method of the reference whose `above` differs
    least, and this difference. Each number has <name>_lower and <name>_upper, and each difference <name>_worlds. The
    nearest one is chosen by the same numbers, so its interval is no test.
    """
    rows, places = [], ranks(own, reference)
    for keys, one in own.group_by("method", "strength", "level", maintain_order=True):
        others = reference.filter(pl.col("level").eq_missing(pl.lit(keys[2], pl.Float64)))
        row: dict[str, Any] = dict(zip(("method", "strength", "level"), keys, strict=True)) | {"worlds": one.height}
        plain = others.filter(method=PLAIN[0], strength=PLAIN[1])
        for name in COMPARED:
            row |= _estimate(name, one[name].drop_nulls().to_numpy())
            row |= _difference(f"of_{name}", _paired(one, plain, name))
        there = _beside(one, others)
        row["methods"] = len({method for method, _, _ in there})
        row["nearest"], row["nearest_strength"] = there[0][:2] if there else (None, None)
        row |= _difference("near", there[0][2] if there else np.zeros(0))
        row["place"] = places.get(keys)
        rows.append(row)
    return pl.DataFrame(rows, schema=_schema())


def ranks(own: pl.DataFrame, reference: pl.DataFrame) -> dict[tuple[Any, ...], int]:
    """Return the place of each method, strength and level of `own` among the methods of a reference.

    It is one more than the number of its methods that are surely nearer to the frontier at some strength, by the test
    of the ranking (`experiments.atlas.ranking`) in the worlds of `own`. At the end, where fits differ, there is none,
    nor for a way that reaches a level in fewer worlds than this test needs.
    """
    found: dict[tuple[Any, ...], int] = {}
    for (level,), mine in own.drop_nulls("level").group_by("level", maintain_order=True):
        same = reference.filter(level=level).join(mine.select(_PAIR).unique(), on=_PAIR, how="semi")
        columns = ["method", "strength", "seed", "above"]
        ways, values = matrix(pl.concat([same.select(columns), mine.select(columns)]))
        theirs = set(same.select("method", "strength").rows())
        sure, worlds = surely_less(logs(values)) <= ERROR, np.isfinite(values).sum(axis=0)
        for at, way in enumerate(ways):
            if way not in theirs and worlds[at] >= max(FEWEST, SHARE * len(values)):
                nearer = {one[0] for one, is_sure in zip(ways, sure[:, at], strict=True) if is_sure and one in theirs}
                found[*way, level] = 1 + len(nearer)
    return found


def around(own: pl.DataFrame, found: pl.DataFrame, reference: pl.DataFrame) -> pl.DataFrame:
    """Return all methods of the reference around one of one's own, the nearest to the frontier first.

    It is the one with the least mean `above` at the smallest fit that one of them reaches in most worlds. Each method
    of the reference is there with its strength of the least mean `above` in the worlds of this one. Columns: method,
    strength, level, own, above and of_own (it minus one's own) with intervals and worlds.
    """
    levels = found.drop_nulls("level").sort("worlds", "level", "above", descending=[True, False, False])
    rows: list[dict[str, Any]] = []
    if levels.height:
        method, strength, level = levels.row(0)[:3]
        mine = own.filter(method=method, strength=strength, level=level)
        same = reference.filter(level=level).join(mine.select(_PAIR), on=_PAIR, how="semi")
        best = same.group_by("method", "strength").agg(pl.col("above").mean()).sort("above", "method", "strength")
        chosen = best.unique("method", keep="first", maintain_order=True).select("method", "strength").rows()
        for which in [(method, strength, True), *((*one, False) for one in chosen)]:
            one = mine if which[2] else same.filter(method=which[0], strength=which[1])
            row = dict(zip(("method", "strength", "own"), which, strict=True)) | {"level": level}
            row |= _estimate("above", one["above"].to_numpy()) | _difference("of_own", _paired(one, mine, "above"))
            rows.append(row)
    keys = {"method": pl.String, "strength": pl.String, "level": pl.Float64, "own": pl.Boolean}
    numbers = [f"{name}{end}" for name in ("above", "of_own") for end in ("", *_ENDS)]
    schema = keys | dict.fromkeys(numbers, pl.Float64) | {"of_own_worlds": pl.Int64}
    return pl.DataFrame(rows, schema=schema).sort("above", maintain_order=True)


def _schema() -> dict[str, Any]:
    differences_ = [*(f"of_{name}" for name in COMPARED), "near"]
    keys = {"method": pl.String, "strength": pl.String, "level": pl.Float64, "worlds": pl.Int64, "methods": pl.Int64}
    more = {"place": pl.Int64, "nearest": pl.String, "nearest_strength": pl.String}
    counts = {f"{name}_worlds": pl.Int64 for name in differences_}
    numbers = [f"{name}{end}" for name in (*COMPARED, *differences_) for end in ("", *_ENDS)]
    return keys | more | dict.fromkeys(numbers, pl.Float64) | counts


def _beside(own: pl.DataFrame, others: pl.DataFrame) -> list[tuple[str, str, np.ndarray]]:
    """Return own minus other in `above` for every other method and strength, the smallest difference first."""
    there: list[tuple[str, str, np.ndarray]] = []
    for (method, strength), other in others.group_by("method", "strength"):
        if len(values := _paired(own, other, "above")):
            there.append((str(method), str(strength), values))
    return sorted(there, key=lambda one: (abs(float(one[2].mean())), one[0], one[1]))


def _paired(own: pl.DataFrame, other: pl.DataFrame, name: str) -> np.ndarray:
    """Return own minus other in the worlds that both have and where both numbers are finite, in the order of seeds."""
    both = own.select(*_PAIR, one=name).join(other.select(*_PAIR, other=name), on=_PAIR).sort("seed")
    found = (both["one"] - both["other"]).drop_nulls().to_numpy().astype(np.float64)
    return np.asarray(found[np.isfinite(found)])


def _difference(name: str, values: np.ndarray) -> dict[str, float | int | None]:
    """Return an estimate with the number of worlds."""
    return {**_estimate(name, values), f"{name}_worlds": len(values)}


def _estimate(name: str, values: np.ndarray) -> dict[str, float | int | None]:
    """Return the mean and its 95 % interval as columns."""
    return dict(zip((name, f"{name}_lower", f"{name}_upper"), mean_of(values.astype(np.float64)), strict=True))
