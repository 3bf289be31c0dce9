"""Which quantity foretells forgetting: predictors on the fine-tuning's prompts, forgetting there and elsewhere."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl

from experiments._kernels import explained
from experiments._paths import about
from sim.disk.records import Record
from sim.metrics.divergence import hellinger, jensen_shannon, kl, total_variation
from sim.metrics.entropy import exit_merged_entropy
from sim.metrics.scored import Scored
from sim.metrics.table import Truths
from sim.metrics.tangent import fisher_form

PREDICTORS = {
    "forward KL": "KL(q0‖q)",
    "reverse KL": "KL(q‖q0)",
    "total variation": "TV(q0, q)",
    "Jensen–Shannon": "JS(q0, q)",
    "Hellinger": "Hellinger(q0, q)",
    "Fisher": "½ Δᵀ F Δ",
    "weight distance": "‖θ − θ0‖",
    "entropy change": "|H(q) − H(q0)|",
    "fit": "KL(S‖q0) − KL(S‖q)",
    "steps × rate": "lr · steps",
}
"""What runs in the race, with its formula; all on the prompts of the fine-tuning, x ~ S(x)."""

TARGETS = ("forgotten", "elsewhere")
"""What is to be foretold: KL(P‖q) - KL(P‖q0) on all prompts, and on those that the fine-tuning never saw [nat]."""


def entrant(record: Record) -> dict[str, Any]:
    """One run: the predictors and what it forgot."""
    truths = Truths(record, "response")
    q0, q, law = truths.scored("sft", 0), truths.scored("sft", -1), truths.s_law
    arrays, chosen = record.phases["sft"].arrays, record.config
    merged = q0.merged_weights(law)
    values = {
        "forward KL": kl(q0.merged, q.merged, merged),
        "reverse KL": kl(q.merged, q0.merged, merged),
        "total variation": total_variation(q0.merged, q.merged, merged),
        "Jensen–Shannon": jensen_shannon(q0.merged, q.merged, merged),
        "Hellinger": hellinger(q0.merged, q.merged, merged),
        "Fisher": fisher_form(q0, arrays["tangent_displacement"][-1], law),
        "weight distance": float(arrays["weight_distance"][-1][0]),
        "entropy change": abs(exit_merged_entropy(q, law) - exit_merged_entropy(q0, law)),
        "fit": _loss(truths.s, q0, law) - _loss(truths.s, q, law),
        "steps × rate": chosen["optimizer"]["learning_rate"] * chosen["finetune"]["num_steps"],
    }
    return {**about(record), **values, **_forgotten(truths, q0, q)}


def _loss(s: Scored, q: Scored, law: np.ndarray) -> float:
    return kl(s.log_q, q.log_q, s.weights(law))


def _forgotten(truths: Truths, q0: Scored, q: Scored) -> dict[str, float]:
    other = np.where(truths.s_law == -np.inf, truths.p_law, -np.inf)
    total = float(np.exp(other).sum())
    laws = {"forgotten": truths.p_law} | ({"elsewhere": other - np.log(total)} if total > 0.0 else {})
    return {name: _loss(truths.p, q, law) - _loss(truths.p, q0, law) for name, law in laws.items()}


def quadratic(predictor: np.ndarray, forgotten: np.ndarray) -> float:
    """R² of a least-squares parabola of forgetting over a predictor; the fit of arXiv 2509.04259."""
    scale = np.abs(predictor).max() or 1.0
    x = predictor / scale
    return explained(forgotten, np.polyval(np.polyfit(x, forgotten, 2), x))


def race(runs: pl.DataFrame, fit: Callable[[np.ndarray, np.ndarray], float] = quadratic) -> pl.DataFrame:
    """R² of every predictor over the runs of each seed, for both targets: seed, target, predictor, num_runs, r2 and
    rho, the correlation of ranks, which large values do not dominate.
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
    """By how much the favourite's R² exceeds that of every other predictor, a number per seed."""
    own = found.filter(target=target)
    best = own.filter(predictor=favourite).sort("seed")["r2"].to_numpy()
    rivals = [name for name in PREDICTORS if name != favourite]
    return {name: best - own.filter(predictor=name).sort("seed")["r2"].to_numpy() for name in rivals}
