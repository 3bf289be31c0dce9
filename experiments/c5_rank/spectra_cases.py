"""The cases of C5.1, C5.3 and C5.5."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from experiments.c5_rank.paths import at_fit
from experiments.predictions import Case, Tables

FIT = 0.03
"""Runs count if KL(S‖q) exceeds KL(S‖q*) by at most this in the end [nat per answer]."""

TARGETS = ("exact", "sampled")

FEW = (1, 2)
"""Numbers of directions that are compared with interpolated weights."""

UPDATES = {"sft": "SFT", "identity": "identity control", "random_update": "random update"}
"""The updates in words, by phase."""


def _counted(tables: Tables, name: str) -> pl.DataFrame:
    """Return the rows of a table that belong to valid runs that fit in the end."""
    table, edits = tables[f"spectra_{name}"], tables["spectra_edits"]
    if not table.height:
        return table
    fits = edits.filter("valid", pl.col("fit") - pl.col("fit_best") <= FIT, phase="sft")["run"]
    return table.filter(pl.col("run").is_in(fits.implode()))


def _update(tables: Tables, phase: str, targets: str) -> pl.DataFrame:
    found = _counted(tables, "updates")
    return found.filter(phase=phase, targets=targets).sort("seed") if found.height else found


# -- C5.1 -------------------------------------------------------------------------------------------------------------


def ordered(tables: Tables) -> Iterator[Case]:
    """Stable ranks of SFT on exact targets, on sampled targets, and of the control on either, in the same worlds."""
    exact, sampled = (_update(tables, "sft", targets) for targets in TARGETS)
    if not exact.height or not sampled.height:
        return
    names = ["seed", "stable", "norm"]
    both = exact.select(names).join(sampled.select(names), on="seed", suffix="_sampled")
    for targets in TARGETS:
        control = _update(tables, "identity", targets).select(names)
        found = both.join(control, on="seed", suffix="_control").sort("seed")
        rows, norms = (
            np.array([found[f"{name}{end}"].to_numpy() for end in ("", "_sampled", "_control")])
            for name in ("stable", "norm")
        )
        means = [
            " < ".join(f"{one:.3g}" for one in rows.mean(axis=1)),
            ", ".join(f"{n:.3g}" for n in norms.mean(axis=1)),
        ]
        yield Case.exact(f"identity on {targets} targets", rows, note=f"means {means[0]}; norms {means[1]}")


def random(tables: Tables) -> Iterator[Case]:
    """log of the stable rank of random matrices over that of the identity control."""
    for targets in TARGETS:
        one, other = (_update(tables, phase, targets) for phase in ("random_update", "identity"))
        both = one.join(other, on="run", suffix="_control").sort("seed") if one.height else one
        if both.height:
            ratio = np.log(both["stable"].to_numpy() / both["stable_control"].to_numpy())
            yield Case.exact(f"{targets} targets", ratio, "×", logarithmic=True)


def _every_update(tables: Tables, columns: dict[str, str]) -> Iterator[Case]:
    for phase, words in UPDATES.items():
        for targets in TARGETS:
            own = _update(tables, phase, targets)
            for column, said in columns.items() if own.height else ():
                norm = f"norm {own['norm'].to_numpy().mean():.3g}"
                yield Case.exact(f"{words}, {targets} targets{said}", own[column].to_numpy(), note=norm)


def stable(tables: Tables) -> Iterator[Case]:
    """The stable rank of every update."""
    yield from _every_update(tables, {"stable": ""})


def shares(tables: Tables) -> Iterator[Case]:
    """The share of ‖ΔW‖² in the top k directions."""
    yield from _every_update(tables, {f"share_{k}": f", k = {k}" for k in (1, 2, 4, 8)})


def effective(tables: Tables) -> Iterator[Case]:
    """The effective rank, and the number of directions that stand out."""
    yield from _every_update(tables, {"effective": ", effective rank", "standing_out": ", above the threshold"})


# -- C5.3 -------------------------------------------------------------------------------------------------------------


def at_equal_fit(edits: pl.DataFrame) -> pl.DataFrame:
    """Return E and q(B) of every edit of the table `spectra_edits`, and those of interpolated weights at its fit.

    Columns: run, seed, targets, phase, kind, number, e, lost, fit; e_path and lost_path, empty where no interpolated
    model fits as well. log q(B) is interpolated.
    """
    rows = []
    for (run,), own in edits.group_by("run", maintain_order=True):
        path = own.filter(pl.col("kind").is_in(["interpolated", "as trained"])).sort("number")
        fit, e, lost = (path[name].to_numpy() for name in ("fit", "e", "lost"))
        for row in own.filter(~pl.col("kind").is_in(["interpolated", "as trained"])).iter_rows(named=True):
            found = {name: row[name] for name in ("seed", "targets", "phase", "kind", "number", "e", "lost", "fit")}
            at_e, at_lost = (at_fit(fit, values, row["fit"]) for values in (e, np.log(lost)))
            e_path = None if at_e is None else at_e.interpolated
            lost_path = None if at_lost is None else float(np.exp(at_lost.interpolated))
            rows.append({"run": run, **found, "e_path": e_path, "lost_path": lost_path})
    schema = {"e_path": pl.Float64, "lost_path": pl.Float64}
    return pl.DataFrame(rows, schema_overrides=schema)


def _equal(tables: Tables, phase: str, targets: str = "sampled") -> pl.DataFrame:
    edits = _counted(tables, "edits")
    found = at_equal_fit(edits.filter(targets=targets)) if edits.height else edits
    return found.filter(phase=phase).sort("seed") if found.height else found


def erases_less(tables: Tables) -> Iterator[Case]:
    """E of interpolated weights minus E of the top directions, at equal fit."""
    for rank in FEW:
        found = _equal(tables, f"truncate_{rank}")
        both = found.drop_nulls("e_path") if found.height else found
        if both.height:
            one, other = both["e_path"].to_numpy(), both["e"].to_numpy()
            note = f"{one.mean():.3g} and {other.mean():.3g} nats, {found.height - both.height} without an equal fit"
            yield Case.exact(f"rank {rank}", one - other, "nat", note=note)


def gates_more(tables: Tables) -> Iterator[Case]:
    """log q(B) of interpolated weights minus that of the top directions, at equal fit."""
    for rank in FEW:
        found = _equal(tables, f"truncate_{rank}")
        both = found.drop_nulls("lost_path") if found.height else found
        if both.height:
            one, other = (np.log(both[name].to_numpy()) for name in ("lost_path", "lost"))
            note = f"geometric means {np.exp(one.mean()):.2g} and {np.exp(other.mean()):.2g}"
            yield Case.exact(f"rank {rank}", one - other, "×", note=note, logarithmic=True)


def repaired(tables: Tables) -> Iterator[Case]:
    """E of the tuned model minus E of the model whose changes are cut at the hard threshold."""
    edits = _counted(tables, "edits")
    if edits.height:
        own = edits.filter(targets="sampled")
        full = own.filter(phase="sft").select("run", e_full="e")
        both = own.filter(phase="hard_threshold").join(full, on="run").sort("seed")
        if both.height:
            one, other = both["e_full"].to_numpy(), both["e"].to_numpy()
            yield Case.exact(
                "sampled targets", one - other, "nat", note=f"{one.mean():.3g} and {other.mean():.3g} nats"
            )


def every_edit(tables: Tables) -> Iterator[Case]:
    """E of every edit; fit, q(B) and E of interpolated weights at its fit are in the note."""
    edits = _counted(tables, "edits")
    for targets in TARGETS if edits.height else ():
        whole = edits.filter(targets=targets, phase="sft").sort("seed")
        found = at_equal_fit(edits.filter(targets=targets)) if whole.height else whole
        if whole.height:
            yield Case.exact(f"{targets} targets, as trained", whole["e"].to_numpy(), "nat", note=_said(whole))
        for _, own in found.group_by("phase", maintain_order=True) if found.height else ():
            kind, number = own["kind"][0], own["number"][0]
            name = f"{kind} to rank {number:g}" if kind == "truncated" else str(kind)
            equal = own["e_path"].drop_nulls().to_numpy()
            beside = f", E of interpolated weights {equal.mean():.3g} in {len(equal)}" if len(equal) else ""
            yield Case.exact(f"{targets} targets, {name}", own["e"].to_numpy(), "nat", note=_said(own) + beside)


def _said(own: pl.DataFrame) -> str:
    lost = np.exp(np.log(own["lost"].to_numpy()).mean())
    return f"KL(S‖q) {own['fit'].to_numpy().mean():.3g}, q(B) {lost:.2g}"


# -- C5.5 -------------------------------------------------------------------------------------------------------------


def hidden(tables: Tables) -> Iterator[Case]:
    """CKA with q0, and the effective dimension over that of q0, by layer."""
    found = _counted(tables, "hidden")
    last = int(found["layer"].to_numpy().max()) if found.height else 0
    for (targets, layer), own in found.group_by("targets", "layer", maintain_order=True) if found.height else ():
        place = "output" if layer == last else f"layer {layer}"
        own, e = own.sort("seed"), own["e"].to_numpy().mean()
        yield Case.exact(f"{targets} targets, {place}, CKA", own["cka"].to_numpy(), note=f"mean E {e:.3g} nats")
        ratio = np.log(own["dimension"].to_numpy() / own["dimension_start"].to_numpy())
        yield Case.exact(f"{targets} targets, {place}, dimension", ratio, "×", logarithmic=True)
