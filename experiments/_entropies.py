"""What the entropy claim takes from a run: entropies before and after, fit, waterfall, slacks, curves by position."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from sim.disk.records import Record, invalidity
from sim.metrics.divergence import kl
from sim.metrics.entropy import entropy_interval
from sim.metrics.forgetting import waterfall
from sim.metrics.nucleus import nucleus_by_position
from sim.metrics.positions import branching_factor_by_position, live_by_position, top_one_by_position
from sim.metrics.scored import Scored
from sim.metrics.table import Truths

SLACKS = ("entropy_continuity", "collision_continuity")

FIT = 0.05
"""Largest mean KL(S||q) [nat per answer] at which the fine-tuning on a restriction counts as converged."""

NUCLEUS = ("nucleus_lower", "nucleus_upper")

POSITIONS = [
    "run", "seed", "targets", "restriction", "of", "position", "live", "branching", "top_one", "nucleus_lower",
    "nucleus_upper",
]  # fmt: skip


def label(restriction: Mapping[str, Any]) -> str:
    """What tables and figures call a restriction."""
    kind = restriction["kind"]
    if kind == "in_turn":
        return ", ".join(label(step) for step in restriction["steps"])
    if kind == "fraction" and restriction.get("of") == "prompts":
        return f"{restriction['share']:g} of the prompts"
    if kind == "everything":
        return "P itself"
    if kind == "sharpen":
        return f"tilt {restriction['temperature']:g}"
    of = {"style": "keep", "style_blind": "like", "fraction": "share", "top_mass": "mass", "drop_mode": "mass"}
    shown = restriction.get(of.get(kind, ""), "")
    return f"{kind.replace('_', '-' if kind == 'style_blind' else ' ')} {shown}".strip()


def converged(runs: pl.DataFrame) -> pl.DataFrame:
    """The rows of restrictions whose mean `fit` is within the limit."""
    kept = runs.group_by("restriction").agg(pl.col("fit").mean()).filter(pl.col("fit") <= FIT)["restriction"]
    return runs.filter(pl.col("restriction").is_in(kept.implode()))


def summary(record: Record) -> dict[str, Any]:
    """One row; entropies are those of answers, under the prompts x ~ S(x) that the model was tuned on [nat]."""
    truths = Truths(record, "response")
    law = truths.s_law
    base, tuned, control = (truths.scored(phase, -1) for phase in ("pretrain", "sft", "identity"))
    h_p, h_kept, h_s = (entropy_interval(one, law) for one in (truths.p, truths.kept, truths.s))
    h = {name: entropy_interval(one, law) for name, one in (("q0", base), ("q", tuned), ("control", control))}
    steps = waterfall(h_p, h_kept, h_s, h["q"])
    residuals = record.facts["residuals"].values()
    tops = {name: _mean_top_one(truths.s, one, law) for name, one in _curves(truths).items()}
    ends = {f"h_{name}_{end}": getattr(one, end) for name, one in h.items() for end in ("lower", "upper")}
    return {
        "run": record.hash,
        "seed": record.config["seed"],
        "targets": record.config["objective"]["targets"],
        "restriction": label(record.config["restriction"]),
        "claim": record.config.get("claim"),
        "valid": invalidity(record) is None,
        "fit": _fit(truths, tuned),
        "h_p": h_p.lower,
        "h_kept": h_kept.lower,
        "h_s": h_s.lower,
        **ends,
        "conditioning": steps.conditioning.lower,
        "narrowing": steps.narrowing.lower,
        "learning_lower": steps.learning.lower,
        "learning_upper": steps.learning.upper,
        "slack": min(values[name] for values in residuals for name in SLACKS if name in values),
        "top_one_truth": tops["S"] - tops["P"],
        "top_one_model": tops["q"] - tops["q0"],
    }


def _fit(truths: Truths, tuned: Scored) -> float:
    """KL(S||q) of answers [nat]."""
    law = truths.s_law
    return kl(truths.s.log_q, tuned.log_q, law[truths.s.group])


def _curves(truths: Truths) -> dict[str, Scored]:
    return {
        "P": truths.p,
        "S": truths.s,
        "q0": truths.scored("pretrain", -1),
        "q": truths.scored("sft", -1),
    }


def _mean_top_one(prefixes: Scored, of: Scored, law: np.ndarray) -> float:
    """Probability of the likeliest next token, averaged over the decisions of a string x ~ S."""
    live = live_by_position(prefixes, law)
    return float(live @ top_one_by_position(prefixes, of, law) / live.sum())


def positions(record: Record) -> pl.DataFrame:
    """Branching factor, top-1 probability and size of the 90 % nucleus by position, over prefixes x ~ S."""
    truths = Truths(record, "response")
    law, live = truths.s_law, live_by_position(truths.s, truths.s_law)
    about = {"run": record.hash, "seed": record.config["seed"], "targets": record.config["objective"]["targets"]}
    return pl.concat(
        [
            pl.DataFrame(
                {
                    "of": name,
                    "position": np.arange(len(live)),
                    "live": live,
                    "branching": branching_factor_by_position(truths.s, one, law),
                    "top_one": top_one_by_position(truths.s, one, law),
                    **dict(zip(NUCLEUS, nucleus_by_position(truths.s, one, law), strict=True)),
                }
            )
            for name, one in _curves(truths).items()
        ]
    ).with_columns(**{key: pl.lit(value) for key, value in about.items()},
                   restriction=pl.lit(label(record.config["restriction"])))  # fmt: skip
