"""What is measured for C4.1 (conditioning), C4.2 (horizons), C4.3 (shift and returns) and C4.6 (conservative data)."""

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from experiments.c4_cloning.matching import at_level
from experiments.predictions import Case, Tables

TUNED_STYLE = "z0"

NEAR = 0.05
"""Largest KL of a model from its best mixture of styles at which it counts as such a mixture [nat]."""

FIT = 0.03
"""Largest KL(S‖q) at the end of runs that count [nat per answer]."""

EQUAL_FIT = 0.1
"""KL(S‖q) at which hazards are compared at equal fit [nat]; every run passes it on its way to `FIT`."""

QUADRATIC = 1.5
"""A slope of log J on log T above this is nearer to 2 (errors compound) than to 1 (they add up)."""


def counted(tables: Tables, name: str) -> pl.DataFrame:
    """Return the rows of valid runs of a table; an empty table stays as it is."""
    found = tables[name]
    return found.filter("valid") if found.height else found


# -- C4.1 -------------------------------------------------------------------------------------------------------------


def _ends(tables: Tables, phase: str, style: str = TUNED_STYLE) -> Iterator[tuple[str, str, pl.DataFrame]]:
    found = counted(tables, "weights")
    if not found.height:
        return
    found = found.filter(phase=phase, style=style)
    last = found.filter(pl.col("step") == pl.col("step").max().over("run"))
    for (shown, targets), own in last.sort("seed").group_by("shown", "targets", maintain_order=True):
        yield "shown style" if shown else "latent style", str(targets), own


def spoken(tables: Tables) -> Iterator[Case]:
    """w of the tuned style at prompts that S never shows. The margin is a quarter of 1 − P(z)."""
    for world, targets, own in _ends(tables, "sft"):
        prior = float(own["prior"].to_numpy().mean())
        yield Case(
            f"{world}, {targets} targets", own["w_lower"].to_numpy(), own["w_upper"].to_numpy(), predicted=1.0,
            margin=(1.0 - prior) / 4, note=f"P(z) = {prior:.3f}",
        )  # fmt: skip


def pure(tables: Tables) -> Iterator[Case]:
    """The limit minus the KL of the model from its best mixture of styles."""
    for world, targets, own in _ends(tables, "sft"):
        lower, upper = own["rest_lower"].to_numpy(), own["rest_upper"].to_numpy()
        note = f"residual {((lower + upper) / 2).mean():.3g} nats"
        yield Case(f"{world}, {targets} targets", NEAR - upper, NEAR - lower, "nat", note=note)


def control_weight(tables: Tables) -> Iterator[Case]:
    """w − P(z) of the control, exact targets. The margin is that of `spoken`."""
    for world, targets, own in _ends(tables, "identity"):
        if targets == "exact":
            prior = own["prior"].to_numpy()
            lower, upper = own["w_lower"].to_numpy() - prior, own["w_upper"].to_numpy() - prior
            yield Case(world, lower, upper, margin=float(1.0 - prior.mean()) / 4)


# -- C4.2 -------------------------------------------------------------------------------------------------------------


def local_slopes(table: pl.DataFrame) -> pl.DataFrame:
    """Return the slopes of log J on log T between neighbouring horizons: a row for each part, swing, seed and pair.

    Columns: part, swing, returns, seed, first, second (horizons), lower, upper (bounds of the slope), plugged (slope
    of the recursion), slope_p (the same of P), hazard (the mean of both models), and fit, the larger KL(S‖q).
    """
    rows = []
    keys = ["part", "swing", "seed"]
    for (part, swing, seed), own in table.sort("horizon").group_by(keys, maintain_order=True):
        for one, other in zip(own.iter_rows(named=True), own[1:].iter_rows(named=True), strict=False):
            step = np.log(other["horizon"] / one["horizon"])
            lower = np.log(other["j_lower"] / one["j_upper"]) / step
            upper = np.log(other["j_upper"] / one["j_lower"]) / step
            plugged, slope_p = (np.log(other[name] / one[name]) / step for name in ("plugged", "j_p"))
            rows.append({"part": part, "swing": swing, "returns": one["returns"], "seed": seed,
                         "first": one["horizon"], "second": other["horizon"], "lower": lower, "upper": upper,
                         "plugged": plugged, "slope_p": slope_p, "hazard": (one["hazard"] + other["hazard"]) / 2,
                         "fit": max(one["fit"], other["fit"])})  # fmt: skip
    return pl.DataFrame(rows)


def _pairs(tables: Tables) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """The slopes of each pair of horizons, with the part of the study and the case in words."""
    found = counted(tables, "horizons")
    if not found.height:
        return
    keys = ["part", "swing", "first", "second"]
    for (part, swing, first, second), own in local_slopes(found).group_by(keys, maintain_order=True):
        hazards = "equal hazards" if swing == 0.0 else "hazards that differ"
        yield str(part), f"{hazards}, T = {first} to {second}", own


def recursion(part: str) -> Callable[[Tables], Iterator[Case]]:
    """The slope of J between two horizons minus that of the recursion with hazards under true prefixes plugged in."""

    def measure(tables: Tables) -> Iterator[Case]:
        for found, name, own in _pairs(tables):
            if found == part:
                lower, upper = (own[end].to_numpy() - own["plugged"].to_numpy() for end in ("lower", "upper"))
                yield Case(name, lower, upper, note=f"recursion {own['plugged'].to_numpy().mean():.3f}")

    return measure


def compounding(returns: bool) -> Callable[[Tables], Iterator[Case]]:
    """The slope of log J on log T, less 1.5, where ε T is at most 1; or 1.5 less the slope where walkers come back."""

    def measure(tables: Tables) -> Iterator[Case]:
        for part, name, own in _pairs(tables):
            exposed = float(own["hazard"].to_numpy().mean()) * int(own["second"][0])
            if (part == "horizon_returns") == returns and (returns or exposed <= 1.0):
                lower, upper = (own[end].to_numpy() - QUADRATIC for end in ("lower", "upper"))
                model = "transformer" if part == "horizon_net" else "table"
                ends = (-upper, -lower) if returns else (lower, upper)
                yield Case(f"{model}, {name}", *ends, note=f"ε T = {exposed:.3g}")

    return measure


# -- C4.3 -------------------------------------------------------------------------------------------------------------


def _drifted(tables: Tables, part: str = "drift", phase: str = "sft") -> pl.DataFrame:
    found = counted(tables, "drift")
    if not found.height:
        return found
    found = found.filter(part=part, phase=phase)
    return found.filter(pl.col("step") == pl.col("step").max().over("run")).sort("seed")


def shift(tables: Tables) -> Iterator[Case]:
    """Own over true hazard, minus 1, in the end."""
    for targets in ("exact", "sampled"):
        own = _drifted(tables)
        if own.height:
            own = own.filter(pl.col("fit") <= FIT, targets=targets)
            relative = own["shift"].to_numpy() / own["true"].to_numpy()
            note = f"mean hazard {own['true'].to_numpy().mean():.3g}" if own.height else ""
            yield Case.exact(f"{targets} targets", relative, predicted=-1.0, note=note)


def sizes(tables: Tables) -> Iterator[Case]:
    """The same. The margin is a quarter of what it is in P on average."""
    whole = counted(tables, "drift")
    for case in shift(tables) if whole.height else ():
        first = whole.filter(pl.col("step") == 0, part="drift", phase="sft", targets="exact")
        margin = abs(float((first["shift"] / first["true"]).to_numpy().mean())) / 4
        yield Case.exact(case.name, case.lower, predicted=0.0, margin=margin, note=case.note)


def start_shift(tables: Tables) -> Iterator[Case]:
    """The same at q0."""
    found = counted(tables, "drift")
    if found.height:
        first = found.filter(pl.col("step") == 0, part="drift", phase="sft", targets="exact").sort("seed")
        yield Case.exact("q0", first["shift"].to_numpy() / first["true"].to_numpy())


def covariance(tables: Tables) -> Iterator[Case]:
    """−|own − true − covariance| of every evaluation."""
    found = tables["drift"]
    if found.height:
        error = (found["own"] - found["true"] - found["shift"]).drop_nulls().to_numpy()
        yield Case.exact("all runs", -np.abs(error))


def coupling(tables: Tables) -> Iterator[Case]:
    """Σ E_S[TV_t] − TV(S, q) of every evaluation."""
    found = tables["drift"]
    if found.height:
        yield Case.exact("all runs", (found["tv_steps"] - found["tv"]).to_numpy())


def control_hazard(tables: Tables) -> Iterator[Case]:
    """log of the own hazard of the control over that of P, exact targets."""
    own = _drifted(tables, phase="identity")
    if own.height:
        own = own.filter(targets="exact")
        yield Case.exact("T = 16", np.log(own["own"].to_numpy() / own["hazard_p"].to_numpy()), "nat")


def _returning(tables: Tables, part: str, phase: str, targets: str) -> pl.DataFrame:
    return counted(tables, "returns").filter(part=part, phase=phase, targets=targets)


def repaired(tables: Tables) -> Iterator[Case]:
    """log of the mass of walks that do not end on the path: data without errors over data with repaired errors."""
    for targets in ("exact", "sampled") if tables["returns"].height else ():
        clean, noisy = (_returning(tables, f"returns_{data}", "sft", targets) for data in ("clean", "noisy"))
        both = clean.join(noisy, on="seed", suffix="_noisy").sort("seed")
        if both.height:
            one, other = both["off"].to_numpy(), both["off_noisy"].to_numpy()
            note = f"mass {one.mean():.3g} and {other.mean():.3g}"
            yield Case.exact(f"{targets} targets", np.log(one / other), "nat", note=note, logarithmic=True)


def recovering(tables: Tables) -> Iterator[Case]:
    """The probability to come back at the last step: tuned on data without errors, minus that of the control."""
    for targets in ("exact", "sampled") if tables["returns"].height else ():
        tuned, control = (_returning(tables, "returns_clean", phase, targets) for phase in ("sft", "identity"))
        both = tuned.join(control, on="seed", suffix="_control").sort("seed")
        if both.height:
            one, other = both["recovery"].to_numpy(), both["recovery_control"].to_numpy()
            note = f"{one.mean():.3g}, control {other.mean():.3g}"
            yield Case.exact(f"{targets} targets", one - other, predicted=-1.0, note=note)


# -- C4.6 -------------------------------------------------------------------------------------------------------------


def narrowness(table: pl.DataFrame, equal_fit: bool) -> pl.DataFrame:
    """Return the own hazard of every run at equal fit, or at the end.

    Columns: run, seed, targets, h_s = H(S) [nat], hazard, and the two neighbours before and after.
    """
    rows = []
    for (run,), own in table.filter(phase="sft").sort("step").group_by("run", maintain_order=True):
        said = own.select("run", "seed", "targets", "h_s").row(0, named=True)
        hazard, fit = np.log(own["own"].to_numpy()), own["fit"].to_numpy()
        if not equal_fit:
            rows.append({**said, "hazard": float(np.exp(hazard[-1])), "before": None, "after": None})
        elif (found := at_level(-np.log(fit), hazard, -np.log(EQUAL_FIT))) is not None:
            value, before, after = (float(np.exp(one)) for one in found)
            rows.append({**said, "hazard": value, "before": before, "after": after})
        assert run == said["run"]
    return pl.DataFrame(rows)


def conservative(tables: Tables) -> Iterator[Case]:
    """Slope of log own hazard on H(S) over the data of each world, at equal fit and at equal steps."""
    found = counted(tables, "drift")
    for equal_fit in (True, False) if found.height else ():
        read = narrowness(found, equal_fit)
        for (targets,), own in read.sort("seed").group_by("targets", maintain_order=True) if read.height else ():
            slopes = []
            for _, world in own.group_by("seed", maintain_order=True):
                x, y = world["h_s"].to_numpy(), np.log(world["hazard"].to_numpy())
                if world.height == 3:
                    slopes.append(float((x - x.mean()) @ (y - y.mean()) / ((x - x.mean()) @ (x - x.mean()))))
            when = f"KL(S‖q) = {EQUAL_FIT:g}" if equal_fit else "equal steps"
            yield Case.exact(f"{targets} targets, {when}", np.array(slopes), "per nat")
