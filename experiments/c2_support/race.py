"""C2: which quantity predicts forgetting, on the prompts of the fine-tuning and elsewhere?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from sim.metrics.tangent import explained


@dataclass(frozen=True)
class Predictor:
    """A number that may predict forgetting: its formula, and its metric; "" if it is computed from several."""

    formula: str
    metric: str = ""
    of: str = "q0,q"
    law: str = "S(x)"


PREDICTORS = {
    "forward KL": Predictor("KL(q0‖q)", "kl_moved", "q0||q"),
    "reverse KL": Predictor("KL(q‖q0)", "kl_moved", "q||q0"),
    "total variation": Predictor("TV(q0, q)", "total_variation_moved"),
    "Jensen–Shannon": Predictor("JS(q0, q)", "jensen_shannon_moved"),
    "Hellinger": Predictor("Hellinger(q0, q)", "hellinger_moved"),
    "Fisher": Predictor("½ Δᵀ F Δ", "fisher"),
    "weight distance": Predictor("‖θ − θ0‖", "weight_distance", law=""),
    "entropy change": Predictor("|H(q) − H(q0)|"),
    "fit": Predictor("KL(S‖q0) − KL(S‖q)"),
    "steps × rate": Predictor("lr · steps"),
}
"""The predictors. All are measured on the prompts of the fine-tuning, x ~ S(x)."""

TARGETS = ("forgotten", "elsewhere")
"""What is predicted: KL(P‖q) - KL(P‖q0) on all prompts, and on those that the fine-tuning never saw [nat]."""


def quadratic(predictor: np.ndarray, forgotten: np.ndarray) -> float:
    """R² of a least-squares parabola of forgetting over a predictor. Source: RL's Razor, arXiv 2509.04259."""
    scale = np.abs(predictor).max() or 1.0
    x = predictor / scale
    return explained(forgotten, np.polyval(np.polyfit(x, forgotten, 2), x))


def race(runs: pl.DataFrame, fit: Callable[[np.ndarray, np.ndarray], float] = quadratic) -> pl.DataFrame:
    """Return R² of every predictor over the runs of each seed, for both targets.

    Columns: seed, target, predictor, num_runs, r2, and rho, the rank correlation, which large values do not dominate.
    """
    rows = [
        {
            "seed": seed, "target": target, "predictor": name, "num_runs": own.height,
            "r2": fit(own[name].to_numpy(), own[target].to_numpy()),
            "rho": float(own.select(pl.corr(name, target, method="spearman")).item()),
        }
        for (seed,), own in runs.sort("seed").group_by("seed", maintain_order=True)
        for target in TARGETS
        for name in PREDICTORS
    ]  # fmt: skip
    return pl.DataFrame(rows)


def margins(found: pl.DataFrame, target: str, favourite: str = "forward KL") -> Mapping[str, np.ndarray]:
    """Return R² of the favourite minus R² of every other predictor, one number per seed."""
    own = found.filter(target=target)
    best = own.filter(predictor=favourite).sort("seed")["r2"].to_numpy()
    rivals = [name for name in PREDICTORS if name != favourite]
    return {name: best - own.filter(predictor=name).sort("seed")["r2"].to_numpy() for name in rivals}
