"""C2, the figures of laws: decay of lost mass, the kernel's prediction, the race of predictors, replay."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures._data import Tables
from figures.style import PALE, STYLE_CYCLE, figure

MODELS = {
    "tabular_strings": ("flat table", STYLE_CYCLE[0]),
    "tabular_trie": ("trie table", STYLE_CYCLE[2]),
    "transformer": ("transformer", STYLE_CYCLE[5]),
}


def decay(tables: Tables) -> Figure | None:
    """q_t(B) of every model: under SGD on two logarithmic axes, under Adam over steps; with the laws."""
    splits = tables["splits"]
    if not splits.height or not (paths := splits.filter(pl.col("part").str.starts_with("decay"))).height:
        return None
    drawn, (sgd, adam) = figure(3.4, 2)
    for model, (name, colour) in MODELS.items():
        for axes, optimizer in ((sgd, "sgd"), (adam, "adam")):
            for number, (_, own) in enumerate(paths.filter(model=model, optimizer=optimizer).group_by("run")):
                path = own.filter(pl.col("step") > 0).sort("step")
                label = name if number == 0 else None
                wide = 3.5 if model == "tabular_strings" else 1.2  # under Adam the two tables do the same
                axes.plot(path["step"], path["lost"], color=colour, linewidth=wide, label=label)
    _guides(tables["laws"], sgd, adam)
    sgd.set(xscale="log", yscale="log", title="SGD", xlabel="fine-tuning step $t$", ylabel="lost mass $q_t(B)$")
    adam.set(title="Adam", xlabel="fine-tuning step $t$")
    sgd.legend(fontsize=8)
    adam.legend(fontsize=8)
    return drawn


def _guides(laws: pl.DataFrame, sgd: Axes, adam: Axes) -> None:
    """Dashed: the power -1; the rate of the law of the tables; the fastest late rate that Adam allows."""
    late = laws.filter(optimizer="sgd")
    if late.height:
        steps = np.array([late["num_steps"].to_numpy().max() / 100, late["num_steps"].to_numpy().max()])
        top = float(late["end"].to_numpy().max()) * 3
        sgd.plot(steps, top * steps[-1] / steps, color="black", linestyle="--", linewidth=1, label="$1/t$")
    for model, (_, colour) in MODELS.items():
        own = laws.filter(model=model, optimizer="adam")
        if own.height:
            rate = float(own["ceiling" if model == "transformer" else "law"].to_numpy()[0])
            last, end = float(own["num_steps"].to_numpy()[0]), float(own["end"].to_numpy().mean())
            steps = np.array([last / 2, last])
            adam.plot(steps, 0.5 * end * np.exp(rate * (last - steps)), color=colour, linestyle="--", linewidth=1)
    adam.plot([], [], color="0.4", linestyle="--", linewidth=1, label="law (tables), ceiling (transformer)")


def kernel(tables: Tables) -> Figure | None:
    """Change of log q of unseen answers against what the kernel at q0 foretells, at three steps; R² for every width."""
    if not tables["points"].height:
        return None
    points = tables["points"]
    width, rate = _middle(points["width"]), float(points["learning_rate"].to_numpy().max())
    own = points.filter(width=width, learning_rate=rate)
    steps = sorted(own["step"].unique())[1:]
    drawn, panels = figure(2.9, 4, sharey=False)
    for axes, step in zip(panels, (steps[0], steps[len(steps) // 2], steps[-1]), strict=False):
        part = own.filter(step=step, unseen=True)
        axes.plot(part["predicted"], part["moved"], "o", markersize=2.5, color=STYLE_CYCLE[5], alpha=0.7)
        low, high = (float(end) for end in np.quantile(part["moved"].to_numpy(), [0, 1]))
        axes.plot([low, high], [low, high], color="0.6", linewidth=1, zorder=0)
        axes.set(title=f"step {step}", xlabel="kernel's Δ log q [nat]")
    panels[0].set_ylabel("true Δ log q(y|x) of unseen answers [nat]", fontsize=8)
    _explained(panels[3], tables["kernels"])
    return drawn


def _middle(values: pl.Series) -> int:
    found = sorted(values.unique())
    return int(found[len(found) // 2])


def _explained(axes: Axes, kernels: pl.DataFrame) -> None:
    """R² on unseen answers over lr · t: one line per width, its points are learning rates and steps."""
    for colour, width in zip(STYLE_CYCLE, sorted(kernels["width"].unique()), strict=False):
        for number, rate in enumerate(sorted(kernels["learning_rate"].unique())):
            own = kernels.filter(width=width, learning_rate=rate).group_by("step").agg(pl.col("r2").mean()).sort("step")
            x = own["step"].to_numpy() * rate
            label = f"width {width}" if number == 0 else None
            axes.plot(x, np.maximum(own["r2"].to_numpy(), 0.0), color=colour, label=label, linewidth=1)
    axes.axhline(0, color=PALE, zorder=0)
    axes.set(xscale="log", ylim=(-0.05, 1.05), title="R², unseen", xlabel="lr · step")
    axes.legend(fontsize=7, loc="lower left")


def race(tables: Tables) -> Figure | None:
    """R² of every predictor of forgetting, a point per seed; and forgetting elsewhere against the forward KL."""
    if not tables["race"].height:
        return None
    found, runs = tables["race"], tables["entrants"]
    drawn, (ranks, cloud) = figure(3.4, 2, sharey=False)
    order = found.filter(target="elsewhere").group_by("predictor").agg(pl.col("r2").mean()).sort("r2")["predictor"]
    for target, colour, name in (("forgotten", STYLE_CYCLE[0], "all prompts"), ("elsewhere", STYLE_CYCLE[5], "others")):
        for place, predictor in enumerate(order):
            values = np.maximum(found.filter(target=target, predictor=predictor)["r2"].to_numpy(), -0.05)
            at = np.full(len(values), place + (0.14 if target == "forgotten" else -0.14))
            ranks.plot(values, at, "o", markersize=3, color=colour, label=name if place == 0 else None)
    ranks.set_yticks(range(len(order)), list(order))
    ranks.set(xlabel="R² over the runs of a seed", title="what foretells forgetting", xlim=(-0.08, 1.02))
    ranks.legend(fontsize=7, loc="lower right", title="forgotten on", title_fontsize=7)
    for colour, (optimizer,) in zip(
        STYLE_CYCLE[3:], runs.select("optimizer").unique().sort("optimizer").rows(), strict=False
    ):
        own = runs.filter(optimizer=optimizer)
        cloud.plot(own["forward KL"], own["elsewhere"], "o", markersize=2.5, color=colour, label=optimizer, alpha=0.7)
    cloud.set(
        title="forgotten elsewhere", xlabel="$KL(q_0\\|q)$ on the prompts of $S$ [nat]", ylabel="[nat per answer]"
    )
    cloud.legend(fontsize=7)
    return drawn


def replay(tables: Tables) -> Figure | None:
    """KL(P||q) of fine-tuning with replay against the closed form."""
    runs = tables["replays"]
    if not runs.height:
        return None
    drawn, (axes,) = figure(2.8, 1, width=4.2)
    for targets, colour, marker in (("exact", STYLE_CYCLE[0], "o"), ("sampled", STYLE_CYCLE[5], "s")):
        own = runs.filter(targets=targets)
        axes.plot(own["kl_best"], own["kl"], marker, markersize=4, color=colour, label=f"{targets} targets", alpha=0.8)
    for weight in sorted(runs["weight"].unique()):
        best = float(runs.filter(weight=weight)["kl_best"][0])
        axes.annotate(f"λ = {weight:g}", (best, best), (6, -8), textcoords="offset points", fontsize=7)
    top = float(runs.select("kl", "kl_best").to_numpy().max()) * 1.1
    axes.plot([0, top], [0, top], color="0.6", linewidth=1, zorder=0)
    axes.set(xlabel="predicted $KL(P\\|(1-λ)S+λP)$ [nat]", ylabel="measured $KL(P\\|q)$ [nat]")
    axes.legend(fontsize=8)
    return drawn
