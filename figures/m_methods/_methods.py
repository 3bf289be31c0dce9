"""How the figures of M name and draw every method, and means over worlds with their intervals."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from figures.colours import STYLE_CYCLE, Look
from figures.curves import Tables


@dataclass(frozen=True)
class Drawn:
    """A method: its name, the index of its colour, its shape, and whether its marks are hollow."""

    name: str
    colour: int
    shape: str
    hollow: bool = False

    @property
    def kind(self) -> dict[str, Any]:
        """Arguments of `Axes.plot` and `Axes.errorbar` for its marks."""
        look = Look(STYLE_CYCLE[self.colour], self.shape)
        return look.hollow if self.hollow else look.points


LOSSES = {
    "gem": Drawn("GEM", 0, "o"),
    "focal": Drawn("focal loss", 0, "s"),
    "coverage": Drawn("coverage", 0, "D"),
    "mixce": Drawn("MixCE", 5, "v"),
    "dft": Drawn("DFT", 5, "^"),
    "label_smoothing": Drawn("label smoothing", 2, "P", hollow=True),
    "entropy_bonus": Drawn("entropy bonus", 2, "X", hollow=True),
    "reverse_kl_to_start": Drawn("reverse KL to $q_0$", 3, "*"),
    "forward_kl_to_start": Drawn("forward KL to $q_0$", 3, "p"),
    "self_replay": Drawn("self-replay of 1 %", 1, "h"),
    "replay": Drawn("replay of 1 %", 1, "<"),
}
"""Methods with exact targets and another optimum than S. Hollow: H(q*) is known given that the answer is listed."""

STEPS = {
    "warmup_100": Drawn("warm-up of 100", 6, "o", hollow=True),
    "warmup_300": Drawn("warm-up of 300", 6, "s", hollow=True),
    "finch": Drawn("FINCH", 6, "D", hollow=True),
    "sharpness": Drawn("sharpness-aware", 6, "v", hollow=True),
    "self_replay_sampled": LOSSES["self_replay"],
    "replay_sampled": LOSSES["replay"],
}
"""Methods with sampled targets: other steps, and replay."""

PLAIN = {
    "exact": ("sft_slow", "sft", "sft_fast"),
    "sampled": ("sampled_slowest", "sampled_slower", "sampled_slow", "sampled", "sampled_fast"),
}
"""Plain cross-entropy on S by the kind of its targets, each at its rates, the smallest first."""

CONTROL = {"exact": "sft", "sampled": "sampled"}
"""SFT at the rate of all methods."""


def counted(tables: Tables) -> pl.DataFrame:
    """Return the ends of the valid runs that fit; of all runs if none does, as in an imitated or tiny study."""
    found = tables["ends"]
    if not found.height:
        return found
    kept = found.filter("valid", "fits")
    return (kept if kept.height else found).sort("part", "seed")


def over_worlds(values: pl.Series) -> tuple[float, float, float]:
    """Return the mean and the ends of its 95 % interval, by Student's t; one world has no interval: its ends are nan.

    Source: Student 1908, "The probable error of a mean".
    """
    from scipy.special import stdtrit  # imported here, because other figures do not need scipy

    x = values.to_numpy()
    mean = math.fsum(x) / len(x)
    half = math.nan if len(x) < 2 else float(stdtrit(len(x) - 1, 0.975)) * float(np.std(x, ddof=1)) / math.sqrt(len(x))
    return mean, mean - half, mean + half


def bars(low: pl.Series, high: pl.Series) -> tuple[float, list[list[float]]]:
    """Return the middle of bounds and the lengths of the bars of `Axes.errorbar` that hold the intervals of both."""
    (below, start, _), (above, _, end) = over_worlds(low), over_worlds(high)
    middle = (below + above) / 2
    return middle, [[middle - start], [end - middle]]
