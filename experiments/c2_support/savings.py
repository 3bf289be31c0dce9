"""C2.4: the cases of the predictions about learning again what was lost."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from experiments.c2_support.mass import counted
from experiments.predictions import Case, Tables

AT_ONCE = 1.0
"""Steps that count for a recovery that begins below the threshold. It needs none, so this is an upper bound."""


def savings(tables: Tables) -> Iterator[Case]:
    """C2.4a: the logarithms of the least and of the largest possible savings, for every threshold.

    The least savings are the lower bound of the steps from scratch over the upper bound of the steps of recovery.
    """
    relearning = counted(tables, "relearning")
    keys = ("threshold", "targets", "restriction")
    for (threshold, targets, name), own in relearning.group_by(keys, maintain_order=True) if relearning.height else ():
        case = f"{targets} targets, {name}, {threshold:g} nats"
        slow = own.height - own.filter(pl.col("recovery_upper").is_finite()).height
        none = own.filter(pl.col("scratch_lower") == 0).height
        if slow or none:  # before the first evaluation after the start a ratio is not known
            note = f"{slow} runs did not come back" if slow else f"{none} runs were there in no steps that are known"
            yield Case(case, np.zeros(0), np.zeros(0), note=note, undecided=True)
            continue
        with np.errstate(divide="ignore"):
            upper = np.maximum(own["recovery_upper"].to_numpy(), AT_ONCE)
            least = np.log(own["scratch_lower"].to_numpy() / upper)
            most = np.log(own["scratch_upper"].to_numpy() / own["recovery_lower"].to_numpy())
        there = own.filter(pl.col("recovery_upper") == 0).height
        said = "geometric mean of the savings" + (f"; {there} runs begin below" if there else "")
        yield Case(case, least, most, "×", note=said, logarithmic=True, decided_by="lower")


def areas(tables: Tables) -> Iterator[Case]:
    """C2.4b: the area between the curves of log KL(P_B‖q(·|B)), from scratch minus recovery."""
    relearning = counted(tables, "relearning")
    if not relearning.height:
        return
    own_ = relearning.unique("run", keep="first", maintain_order=True)
    for (targets, name), own in own_.group_by("targets", "restriction", maintain_order=True):
        yield Case.exact(f"{targets} targets, {name}", own["area"].to_numpy(), "nat")
