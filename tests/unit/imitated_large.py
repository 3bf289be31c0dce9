"""Runs of claim L as nobody has made them: two languages, three arms, five worlds; the model follows its data."""

import polars as pl

from experiments.l_unlisted.tables import CONTROL, Runs

LANGUAGES = ("cfg3 of 4 levels", "hidden machine")
ARMS = (("exact", 5e-4), ("exact", 2e-3), ("sampled", 2e-3))
WORLDS = (0, 1, 2, 3, 5)
RULES = {"without rule 0 of root": -3.0, "without rule 1 of root": 2.0}
"""Restrictions, and H(S) − H(P) [nat]."""


def large(
    valid: bool = True,
    slope: float = 1.0,
    drift: float = 0.0,
    gate: float = 3.0,
    erased: float = 1.0,
    faster: float = 0.5,
    noise: float = 0.4,
    fit: float = 0.01,
    forgotten: float = 4.0,
) -> Runs:
    """The study. slope: of H(q) on H(S); drift: H(control) − H(q0); gate, erased: what the small rate moves and erases
    [nat]; faster, noise: what the large rate and sampled targets add to E; forgotten: KL(P‖q) [nat]."""
    rows = []
    for language in LANGUAGES:
        for targets, rate in ARMS:
            for seed in WORLDS:
                h_p = 18.0 + 0.1 * seed
                same = {"seed": seed, "claim": "", "part": "", "valid": valid, "language": language, "rate": rate,
                        "targets": targets, "mass_b": 0.5, "h_p": h_p, "reached": 0.01}  # fmt: skip
                wobble = 0.01 * (seed % 3)
                e = erased + (faster if rate > 1e-3 else 0.0) + (noise if targets == "sampled" else 0.0) + wobble
                before = {"h_before": h_p + wobble, "kl_before": 0.3, "fit_before": 0.2, "outside_before": 0.1,
                          "rarer_before": 0.0, "lost_before": 0.4, "gate_before": 0.1,
                          "erased_before": 0.05}  # fmt: skip
                for name, change in RULES.items():
                    after = {"h_after": h_p + slope * change + wobble, "kl_after": forgotten + wobble,
                             "fit_after": fit, "outside_after": 0.2, "rarer_after": 0.5, "lost_after": 1e-3,
                             "gate_after": 0.1 + gate, "erased_after": 0.05 + e}  # fmt: skip
                    rows.append(
                        same | before | after | {"h_s": h_p + change, "restriction": name, "kind": "sub_grammar"}
                    )
                after = {"h_after": h_p + wobble + drift, "kl_after": 0.3, "fit_after": 0.2, "outside_after": 0.1,
                         "rarer_after": 0.0, "lost_after": None, "gate_after": None, "erased_after": None}  # fmt: skip
                rows.append(same | before | after | {"h_s": h_p, "restriction": "everything", "kind": CONTROL})
    return Runs(pl.DataFrame([{"run": f"{at:012x}", **row} for at, row in enumerate(rows)], infer_schema_length=None))
