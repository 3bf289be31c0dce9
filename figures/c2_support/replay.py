"""C2.7: KL(P||q) of fine-tuning with replay against its prediction."""

from matplotlib.figure import Figure

from figures.colours import GUIDE, looks
from figures.curves import Tables, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "replays")


def draw(tables: Tables) -> Figure | None:
    """Draw a mark per run, and the line on which prediction and measurement agree."""
    runs = tables["replays"]
    if not runs.height:
        return None
    drawn, (axes,) = figure(3.0, 1, share=0.65)
    for targets, look in looks(runs["targets"].unique(maintain_order=True).to_list()).items():
        own = runs.filter(targets=targets)
        axes.plot(own["kl_best"], own["kl"], label=say("{targets} targets", targets=targets), **look.points, alpha=0.8)
    top = float(runs.select("kl", "kl_best").to_numpy().max()) * 1.1
    for weight in sorted(runs["weight"].unique()):
        best = float(runs.filter(weight=weight)["kl_best"].to_numpy().mean())
        axes.annotate(
            f"λ = {weight:g}", (best, best), (7 * factor(), -9 * factor()), textcoords="offset points", fontsize="small"
        )
    axes.plot([0, top], [0, top], color=GUIDE, linewidth=factor(), zorder=0)
    axes.set(xlabel=say(r"predicted, $KL(P\,\|\,(1-λ)S+λP)$ [nat]"), ylabel=say(r"measured, $KL(P\,\|\,q)$ [nat]"))
    axes.legend()
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C2.7. Forgetting with replay of a share λ of P: KL(P‖q) of whole documents against KL(P‖q*) of "
        "the predicted optimum q* = (1 − λ)S + λP; a mark for each run, {seeds}. Grey: equality. All "
        "numbers are exact.",
        seeds=num_seeds(tables["replays"]),
    )
