"""The tables of C5's topics `spectra` and `ranks` without a run: worlds in which all is as announced."""

import math

import polars as pl

from experiments.c5_rank import ranks_cases, spectra

SEEDS = range(12)


def wobble(seed: int, size: float = 0.02) -> float:
    return 1.0 + size * math.sin(7.0 * seed)


def updates(**stable: float) -> pl.DataFrame:
    """Stable ranks of the updates; a name such as sft_exact is a phase and its targets."""
    known = {"sft_exact": 1.9, "sft_sampled": 4.4, "identity_exact": 7.1, "identity_sampled": 5.6,
             "random_update_exact": 14.0, "random_update_sampled": 14.0}  # fmt: skip
    rows = [
        {"run": f"{name.rpartition('_')[2]}{seed}", "seed": seed, "valid": True, "targets": name.rpartition("_")[2],
         "phase": name.rpartition("_")[0], "norm": 5.0, "stable": value * wobble(seed), "effective": 20.0,
         "standing_out": 9.0, **{f"share_{k}": 0.1 * k for k in (1, 2, 4, 8)}}
        for name, value in (known | stable).items() for seed in SEEDS
    ]  # fmt: skip
    return pl.DataFrame(rows)


def edits(path: float = 2.0, cut: float = 0.5, gate: float = 1e-3, full: float = 4.3, hard: float = 1.0,
          fit: float = 0.01) -> pl.DataFrame:  # fmt: skip
    """Edits of 24 runs. path: E of interpolated weights per weight; cut, gate: E and q(B) of the truncations."""
    rows = []
    for targets in ("exact", "sampled"):
        for seed in SEEDS:
            models = [("pretrain", "interpolated", 0.0, 0.0, 0.75, 1.4)]
            for w in spectra.WEIGHTS:
                lost, there = 0.75 * math.exp(-5 * w), 1.4 * math.exp(-4 * w)
                models.append((f"interpolate_{w}", "interpolated", w, path * w, lost, there))
            models += [("sft", "as trained", 1.0, full, 1e-5, fit)]
            models += [(f"truncate_{k}", "truncated", float(k), cut, gate, 0.2 / k) for k in spectra.RANKS]
            models += [("hard_threshold", "hard threshold", 0.0, hard, 1e-4, 0.02)]
            rows += [
                {"run": f"{targets}{seed}", "seed": seed, "valid": True, "targets": targets, "phase": phase,
                 "kind": kind, "number": number, "e": e * wobble(seed), "lost": lost * wobble(seed), "fit": there,
                 "fit_best": 0.0}
                for phase, kind, number, e, lost, there in models
            ]  # fmt: skip
    return pl.DataFrame(rows)


def hidden() -> pl.DataFrame:
    rows = [
        {"run": f"{targets}{seed}", "seed": seed, "valid": True, "targets": targets, "layer": layer, "e": 1.0,
         "cka": 1.0 - 0.1 * layer, "dimension_start": 10.0, "dimension": 8.0}
        for targets in ("exact", "sampled") for seed in SEEDS for layer in range(4)
    ]  # fmt: skip
    return pl.DataFrame(rows)


def ends(e: tuple[float, float, float] = (0.3, 0.8, 1.9), calm: tuple[float, float, float] = (0.04, 0.04, 0.05),
         others: float = 2.0, fit: float = 0.02) -> pl.DataFrame:  # fmt: skip
    """The ends of all runs. others: KL(S‖q) of rates that were not chosen, over that of the chosen one."""
    rows = []
    for seed in SEEDS:
        for at, rank in enumerate(ranks_cases.RANKS):
            for use, erased in (("judged", e), ("exact", calm), ("held", e)):
                rows.append((use, rank, 12 + seed, 1e-2, fit, erased[at] * wobble(seed)))
            for rate in (2e-3, 5e-3, 1e-2, 2e-2) if seed < 6 else ():
                rows.append(("choice", rank, seed, rate, fit * (1.0 if rate == 1e-2 else others) * wobble(seed), 0.1))
    found = pl.DataFrame(rows, schema=["use", "rank", "seed", "rate", "fit", "e"], orient="row")
    run = pl.concat_str(pl.lit("ranks"), "use", "rank", "seed", "rate", separator="_")
    return found.with_columns(
        run=run, valid=True, part=pl.concat_str(pl.lit("ranks"), "use", "rank", separator="_"), fit_best=0.0,
        lost=1e-3, e_control=0.01, norm=3.0, stable=2.0, weight=0.99, rest_lower=0.1, rest_upper=0.11,
        kept=(-pl.col("e")).exp(), fits=pl.col("fit") <= 0.03,
    )  # fmt: skip


def paths() -> pl.DataFrame:
    rows = []
    for one in ends().filter(use="judged").iter_rows(named=True):
        for step, share in ((0, 0.0), (10, 0.5), (100, 1.0)):
            fit = 1.4 ** (1.0 - share) * one["fit"] ** share
            rows.append({**one, "step": step, "fit": fit, "e": share * one["e"]})
    return pl.DataFrame(rows)


def values() -> pl.DataFrame:
    """Singular values that fall as powers of their number."""
    powers = {"sft_exact": 1.5, "sft_sampled": 1.0, "identity_exact": 0.5, "identity_sampled": 0.6,
              "random_update_exact": 0.2, "random_update_sampled": 0.2}  # fmt: skip
    rows = [
        {"run": f"{name.rpartition('_')[2]}{seed}", "seed": seed, "valid": True, "targets": name.rpartition("_")[2],
         "phase": name.rpartition("_")[0], "number": number, "value": wobble(seed) * number**-power}
        for name, power in powers.items() for seed in SEEDS for number in (1, 2, 4, 8, 16, 32, 64)
    ]  # fmt: skip
    return pl.DataFrame(rows)


def frames(**own: pl.DataFrame) -> dict[str, pl.DataFrame]:
    known = {"spectra_updates": updates(), "spectra_edits": edits(), "spectra_hidden": hidden(),
             "spectra_values": values(), "ranks_ends": ends(), "ranks_paths": paths()}  # fmt: skip
    return known | own
