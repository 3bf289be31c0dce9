"""C5.5: how similar hidden states stay, layer by layer, and against what is erased."""

from matplotlib.figure import Figure

from figures.c5_rank.ranks import counted
from figures.colours import GUIDE, Look
from figures.curves import Tables, mean_over, num_seeds
from figures.language import say
from figures.style import factor, figure

TABLES = ("runs", "spectra_hidden")

LOOKS = {"exact": Look("#0072B2", "s"), "sampled": Look("#D55E00", "o", (0, (5, 1.5)))}


def draw(tables: Tables) -> Figure | None:
    """Draw CKA by layer, and E against CKA of the last layer, a point for each world."""
    found = counted(tables["spectra_hidden"])
    if not found.height:
        return None
    drawn, (layers, erased) = figure(3.0, 2, sharey=False)
    last = int(found["layer"].to_numpy().max())
    for targets, look in LOOKS.items():
        own = found.filter(targets=targets)
        for _, run in own.sort("layer").group_by("run", maintain_order=True):
            layers.plot(run["layer"], run["cka"], linewidth=0.6 * factor(), color=look.colour, linestyle=look.dashes,
                        marker=look.marker, markersize=1.2 * factor(), alpha=0.35)  # fmt: skip
        mean = mean_over(own, "layer", "cka")
        layers.plot(mean["layer"], mean["cka"], label=say("{targets} targets", targets=targets), **look.line)
        end = own.filter(layer=last)
        erased.plot(1.0 - end["cka"].to_numpy(), end["e"], **look.points)
    names = [say("input"), *(say("block {layer}", layer=layer) for layer in range(1, last)), say("output")]
    layers.set_xticks(range(last + 1), names)
    layers.set(ylabel=say("similarity to q₀ (linear CKA)"), ylim=(None, 1.02))
    layers.axhline(1.0, color=GUIDE, linewidth=0.6 * factor(), zorder=0)
    erased.set(xlabel=say("dissimilarity at the output, 1 − CKA"), ylabel=say("erased behind the gate, $E$ [nat]"))
    drawn.legend(*layers.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return drawn


def caption(tables: Tables) -> str:
    """Say what is drawn."""
    return say(
        "C5.5. Linear CKA (Kornblith et al., 2019) of the hidden states of the tuned model with those of "
        "q₀, under the prefixes of P. Left: by layer; thick: means, thin: worlds. Right: what is erased "
        "behind the gate against the dissimilarity of the states that the output matrix reads; a point "
        "for each world. Adam at 0.002, SFT on one style; {seeds}. All numbers are exact for the float32 "
        "states.",
        seeds=num_seeds(counted(tables["spectra_hidden"])),
    )
