"""What is measured for C4.4 (forgetting at a matched gate, fine-tuning against reinforcement learning) and C4.5."""

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from experiments.c4_cloning.cloning import counted
from experiments.c4_cloning.matching import GATES, at_gates
from experiments.predictions import Case, Tables

ARMS = {
    "oracle": "SFT on P_A",
    "sampled": "SFT on P_A, sampled",
    "rejection": "rejection + SFT",
    "pg": "policy gradient",
    "klpg": "KL policy gradient",
    "tilted": "SFT on S",
}
"""The arms of C4.4, by the end of the name of their part."""

TIE = 0.0125
"""Margin of ties [nat]: a quarter of what `SETTLED` allows beside it."""

SETTLED = 0.05
"""How near the forgetting of fine-tuning on S ends to KL(P_A‖S) [nat]."""

OPTIMAL = 0.005
"""Largest KL(q*‖q) at which the KL-regularised policy gradient counts as converged [nat]."""

NARROW = 0.1
"""KL(P_A‖S) from which fine-tuning on S is predicted to forget more than KL-regularised policy gradient [nat]."""

LAST = GATES[-1]

STAGE_ARMS = {"sft": "SFT", "klpg": "KL policy gradient", "dpo": "DPO", "hard": "DPO, hard labels"}
"""The arms of C4.5, by the end of the name of their part."""


def arm(part: str) -> str:
    """The arm of a part such as forget_table_oracle: its last word."""
    return part.rpartition("_")[2]


def _read(tables: Tables, model: str, level: float) -> pl.DataFrame:
    """KL(P_A‖q_A) of every valid run of a model (table or net) at a level of q(A), by arm."""
    paths = counted(tables, "forgetting")
    if not paths.height:
        return paths
    own = paths.filter(pl.col("part").str.starts_with(f"forget_{model}"))
    found = at_gates(own) if own.height else own
    if not found.height:
        return found
    arms = pl.col("part").map_elements(arm, return_dtype=pl.String).alias("arm")
    return found.filter(level=level).with_columns(arms)


def _apart(found: pl.DataFrame, one: str, other: str) -> tuple[np.ndarray, str]:
    """KL(P_A‖q_A) of one arm minus that of another one in the same worlds, and both means in words."""
    if not found.height:
        return np.zeros(0), ""
    columns = found.select("seed", "arm", "forgot")
    both = columns.filter(arm=one).join(columns.filter(arm=other), on="seed", suffix="_other").sort("seed")
    if not both.height:
        return np.zeros(0), ""
    first, second = both["forgot"].to_numpy(), both["forgot_other"].to_numpy()
    return first - second, f"{first.mean():.4g} and {second.mean():.4g} nats"


def tie(tables: Tables) -> Iterator[Case]:
    """Rejection sampling and SFT minus SFT on P_A, tables, at every gate."""
    for level in GATES:
        values, note = _apart(_read(tables, "table", level), "rejection", "oracle")
        yield Case.exact(f"q(A) = {level:g}", values, "nat", note=note)


def converged(tables: Tables) -> Iterator[Case]:
    """KL-regularised policy gradient minus SFT on P_A, tables, at the last gate, in runs that reach their optimum."""
    paths = counted(tables, "forgetting")
    if paths.height:
        last = paths.filter(pl.col("step") == pl.col("step").max().over("run"), phase="sft")
        near = last.filter(pl.col("gap") <= OPTIMAL)["seed"].implode()
        found = _read(tables, "table", LAST)
        found = found.filter((pl.col("arm") != "klpg") | pl.col("seed").is_in(near)) if found.height else found
        values, note = _apart(found, "klpg", "oracle")
        yield Case.exact(f"q(A) = {LAST:g}", values, "nat", note=note)


def drifts(model: str, others: tuple[str, ...]) -> Callable[[Tables], Iterator[Case]]:
    """Plain policy gradient minus other arms, at the last gate."""

    def measure(tables: Tables) -> Iterator[Case]:
        found = _read(tables, model, LAST)
        for other in others:
            values, note = _apart(found, "pg", other)
            yield Case.exact(f"against {ARMS[other]}", values, "nat", note=note)

    return measure


def _tilted(tables: Tables, model: str) -> Iterator[tuple[str, pl.DataFrame]]:
    """The paths of fine-tuning on each S, with what KL(P_A‖S) is on average, in words."""
    paths = counted(tables, "forgetting")
    own = paths.filter(part=f"forget_{model}_tilted", phase="sft") if paths.height else paths
    for _, found in own.sort("paid").group_by("restriction", maintain_order=True) if own.height else ():
        yield f"KL(P_A‖S) = {found['paid'].to_numpy().mean():.2g}", found.sort("seed", "step")


def pays(tables: Tables) -> Iterator[Case]:
    """KL(P_A‖q_A) in the end minus KL(P_A‖S)."""
    for model in ("table", "net"):
        for name, found in _tilted(tables, model):
            last = found.filter(pl.col("step") == pl.col("step").max().over("run"))
            yield Case.exact(f"{model}, {name}", last["forgot"].to_numpy() - last["paid"].to_numpy(), "nat")


def detours(tables: Tables) -> Iterator[Case]:
    """KL(P_A‖q_A) at q(A) = 0.9 minus that in the end, for fine-tuning on S."""
    for model in ("table", "net"):
        first = _read(tables, model, GATES[0])
        for name, found in _tilted(tables, model):
            last = found.filter(pl.col("step") == pl.col("step").max().over("run")).select("run", end="forgot")
            both = first.join(last, on="run").sort("seed") if first.height else first
            if both.height:
                yield Case.exact(f"{model}, {name}", (both["forgot"] - both["end"]).to_numpy(), "nat")


def less(other: str, sign: float, least: float) -> Callable[[Tables], Iterator[Case]]:
    """Sign × (SFT on S minus another arm), tables, at the last gate, for every S with KL(P_A‖S) of at least `least`."""

    def measure(tables: Tables) -> Iterator[Case]:
        found = _read(tables, "table", LAST)
        if not found.height:
            return
        rival = found.filter(arm=other).select("seed", rival="forgot")
        own = found.filter(arm="tilted").join(rival, on="seed").sort("seed")
        for _, one in own.sort("paid").group_by("restriction", maintain_order=True):
            paid = float(one["paid"].to_numpy().mean())
            if paid >= least:
                apart = sign * (one["forgot"] - one["rival"]).to_numpy()
                yield Case.exact(f"KL(P_A‖S) = {paid:.2g}", apart, "nat")

    return measure


def every_arm(tables: Tables) -> Iterator[Case]:
    """KL(P_A‖q_A) of every arm of the transformer at every gate."""
    for level in GATES:
        found = _read(tables, "net", level)
        for name, label in ARMS.items():
            own = found.filter(arm=name).sort("seed") if found.height else found
            if own.height:
                yield Case.exact(f"{label}, q(A) = {level:g}", own["forgot"].to_numpy(), "nat")


def control_forgets(tables: Tables) -> Iterator[Case]:
    """KL(P‖q) of the identity controls in the end minus that of q0: exact targets, or the reward 1 everywhere."""
    paths = counted(tables, "forgetting")
    own = paths.filter(phase="identity", targets="exact").sort("step") if paths.height else paths
    for (part,), found in own.group_by("part", maintain_order=True) if own.height else ():
        ends = found.group_by("run", "seed").agg(pl.col("kl").last() - pl.col("kl").first()).sort("seed")
        yield Case.exact(ARMS[arm(str(part))], ends["kl"].to_numpy(), "nat")


# -- C4.5 -------------------------------------------------------------------------------------------------------------


def optimum(tables: Tables) -> Iterator[Case]:
    """The limit minus KL(q*‖q) of DPO on a table."""
    found = counted(tables, "optima")
    if found.height:
        yield Case.exact("table", OPTIMAL - found["gap"].to_numpy(), "nat")


def _stage(tables: Tables, name: str, phase: str) -> pl.DataFrame:
    found = counted(tables, "stages")
    return found.filter(part=f"stages_{name}", phase=phase).sort("seed") if found.height else found


def harder(tables: Tables) -> Iterator[Case]:
    """What a second stage of DPO adds to KL(P‖q): hard labels minus the labels of Bradley and Terry."""
    one, other = (_stage(tables, name, "stage_2") for name in ("hard", "dpo"))
    both = one.join(other, on="seed", suffix="_other") if one.height and other.height else pl.DataFrame()
    if both.height:
        first, second = both["kl"].to_numpy(), both["kl_other"].to_numpy()
        yield Case.exact("second stage", first - second, "nat", note=f"{first.mean():.3g} and {second.mean():.3g} nats")


def lost(tables: Tables) -> Iterator[Case]:
    """What the fine-tuning and each second stage add to KL(P‖q), and take from the entropy."""
    for name, label in STAGE_ARMS.items():
        for phase in ("sft", "stage_2") if name == "sft" else ("stage_2",):
            own = _stage(tables, name, phase)
            said = "first stage, SFT" if phase == "sft" else f"second stage, {label}"
            if own.height:
                yield Case.exact(f"{said}, KL(P‖q)", own["kl"].to_numpy(), "nat")
                yield Case(f"{said}, entropy", own["entropy"].to_numpy(), own["entropy_upper"].to_numpy(), "nat")


def control_stage(tables: Tables) -> Iterator[Case]:
    """What a second stage of SFT on fresh data from P adds to KL(P‖q). Below 0, it learns again."""
    own = _stage(tables, "sft", "stage_2_identity")
    if own.height:
        yield Case.exact("second stage on P", own["kl"].to_numpy(), "nat")
