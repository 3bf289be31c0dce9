"""C2: the cases of the predictions about mass: sizes of the support, gate and erasure."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from experiments.c2_support.tables import ENTROPY_SIZE
from experiments.predictions import Case, Tables

FIT = 0.05
"""Largest mean KL(S‖q) at which the fine-tuning on a restriction counts as converged [nat per answer]."""

FEW = 0.1
"""A size is left out if it differs between S and P by less than this share of N(P)."""

ONE = 1.0
"""A size is also left out if it differs by less than this [answers]; for controls, a count if N(P) is smaller."""

CONTROLS = {"identity": "fresh optimiser state", "carried": "carried optimiser state"}


def counted(tables: Tables, name: str) -> pl.DataFrame:
    """Return the rows of a table that belong to valid runs."""
    table, valid = tables[name], tables["runs"].filter(pl.col("valid"))["run"]
    return table.filter(pl.col("run").is_in(valid.implode())) if table.height else table


# -- sizes of the support ---------------------------------------------------------------------------------------------


def _changes_of_controls(tables: Tables, targets: str) -> Iterator[tuple[str, pl.DataFrame]]:
    """Iterate over the bounds of the change of every size of a control: low, high; log_low, log_high for log N."""
    sizes = counted(tables, "sizes")
    for phase, name in CONTROLS.items() if sizes.height else ():
        path = sizes.filter(phase=phase, targets=targets)
        if path.height:
            start, end = (path.filter(pl.col("step") == one) for one in (0, path["step"].max()))
            both = end.join(start.select("run", "size", "lower", "upper"), on=["run", "size"], suffix="_start")
            yield (
                name,
                both.with_columns(
                    low=pl.col("lower") - pl.col("upper_start"),
                    high=pl.col("upper") - pl.col("lower_start"),
                    log_low=pl.col("lower").log() - pl.col("upper_start").log(),
                    log_high=pl.col("upper").log() - pl.col("lower_start").log(),
                ),
            )


def _entropies_of_controls(tables: Tables, targets: str) -> Iterator[Case]:
    for case, change in _changes_of_controls(tables, targets):
        low, high = _by_seed(change.filter(size=ENTROPY_SIZE), pl.col("log_low"), pl.col("log_high"))
        yield Case(case, low, high, "nat")


def control_entropy(tables: Tables) -> Iterator[Case]:
    """C2.0a: H of both identity controls on exact targets, with means over restrictions: each seed counts once."""
    return _entropies_of_controls(tables, "exact")


def noise_floor(tables: Tables) -> Iterator[Case]:
    """C2.0c: the same on sampled targets."""
    return _entropies_of_controls(tables, "sampled")


def control_counts(tables: Tables) -> Iterator[Case]:
    """C2.0b: the change of the eps-support of both controls on exact targets, as a share of that of P."""
    for case, change in _changes_of_controls(tables, "exact"):
        counts = change.filter(pl.col("size") != ENTROPY_SIZE, pl.col("p") >= ONE)
        low, high = _by_seed(counts, pl.col("low") / pl.col("p"), pl.col("high") / pl.col("p"))
        yield Case(case, low, high)


def _by_seed(frame: pl.DataFrame, low: pl.Expr, high: pl.Expr) -> tuple[np.ndarray, np.ndarray]:
    """Return the means of two columns for every seed."""
    means = frame.group_by("seed", maintain_order=True).agg(low.mean().alias("low"), high.mean().alias("high"))
    means = means.sort("seed")
    return means["low"].to_numpy(), means["high"].to_numpy()


def converged(sizes: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the restrictions that have a mean `fit` within the limit."""
    kept = sizes.group_by("restriction").agg(pl.col("fit").mean()).filter(pl.col("fit") <= FIT)["restriction"]
    return sizes.filter(pl.col("restriction").is_in(kept.implode()))


def travelled(sizes: pl.DataFrame) -> pl.DataFrame:
    """Return the share of the way from N(P) to N(S) for every run and size: (N(q) - N(control)) / (N(S) - N(P)).

    q and the identity control are read at the end, so that what sampled targets do by themselves does not count. A size
    counts if P and S differ by at least FEW and ONE, and in the same direction, for every seed of a restriction: a case
    has all its seeds. low and high are bounds of the share; `falls` says whether N(S) < N(P).
    """
    path = converged(sizes).sort("run", "size", "step", maintain_order=True)
    keys = ["run", "seed", "targets", "restriction", "size", "p", "s"]
    tuned, control = (
        path.filter(phase=phase).group_by(keys, maintain_order=True).agg(pl.col("lower", "upper").last())
        for phase in ("sft", "identity")
    )
    both = tuned.join(control.select("run", "size", low_control="lower", high_control="upper"), on=["run", "size"])
    way, least, most = (
        pl.col("s") - pl.col("p"),
        pl.col("lower") - pl.col("high_control"),
        pl.col("upper") - pl.col("low_control"),
    )
    far = (way.abs() >= FEW * pl.col("p")) & (way.abs() >= ONE)
    case = ["targets", "restriction", "size"]
    asked = both.filter(far.all().over(case), (way.sign() == way.sign().first()).all().over(case))
    return asked.with_columns(
        falls=way < 0,
        low=pl.min_horizontal(least / way, most / way),
        high=pl.max_horizontal(least / way, most / way),
    )


def _ways(tables: Tables) -> Iterator[tuple[str, pl.DataFrame]]:
    sizes = counted(tables, "sizes")
    for (targets,), part in sizes.group_by("targets", maintain_order=True) if sizes.height else ():
        for (name,), own in travelled(part).group_by("restriction", maintain_order=True):
            yield f"{targets} targets, {name}", own


def _least(tables: Tables, falls: bool) -> Iterator[Case]:
    """The smallest share over the sizes of every seed."""
    for case, own in _ways(tables):
        part = own.filter(pl.col("falls") == falls)
        if part.height:
            least = part.group_by("seed", maintain_order=True).agg(pl.col("low").min(), pl.col("high").min())
            yield Case(case, least["low"].to_numpy(), least["high"].to_numpy(), note=_named(part))


def falls(tables: Tables) -> Iterator[Case]:
    """C2.1a: sizes that should fall."""
    return _least(tables, falls=True)


def rises(tables: Tables) -> Iterator[Case]:
    """C2.1b: sizes that should rise."""
    return _least(tables, falls=False)


def arrives(tables: Tables) -> Iterator[Case]:
    """C2.1c: the mean share over the sizes of every seed."""
    for case, own in _ways(tables):
        means = own.group_by("seed", maintain_order=True).agg(pl.col("low").mean(), pl.col("high").mean()).sort("seed")
        yield Case(case, means["low"].to_numpy(), means["high"].to_numpy(), note=_named(own))


def _named(part: pl.DataFrame) -> str:
    return "sizes: " + ", ".join(sorted(part["size"].unique().to_list()))


def zeros(tables: Tables) -> Iterator[Case]:
    """C2.1d, for every run, valid or not."""
    splits = tables["splits"]
    if splits.height:
        most = splits.group_by("run", maintain_order=True).agg(pl.col("zeros").max())
        yield Case.exact("all runs", -most["zeros"].to_numpy(), "answers")


# -- gate and erasure -------------------------------------------------------------------------------------------------


def last(splits: pl.DataFrame) -> pl.DataFrame:
    """Return for every run what was forgotten in the end: its split, the share of the gate, what is known behind it."""
    path = splits.sort("run", "step", maintain_order=True)
    keys = ["run", "seed", "part", "targets", "restriction_kind", "model", "model_shown", "optimizer", "learning_rate",
            "p_lost", "unlearnt"]  # fmt: skip
    names = ("kl", "gate", "kept", "erasure", "behind")
    change = [(pl.col(name).last() - pl.col(name).first()).alias(name) for name in names]
    found = path.group_by(keys, maintain_order=True).agg(*change, behind_before=pl.col("behind").first())
    return found.with_columns(
        share=pl.col("gate") / pl.col("kl"),
        known_behind=1 - pl.col("behind") / (pl.col("unlearnt") - pl.col("behind_before")),
    )


def _tuned(tables: Tables) -> pl.DataFrame:
    """Return the ends of the fine-tunings on one style, or on one way to begin."""
    splits = counted(tables, "splits")
    if not splits.height:
        return splits
    found = last(splits.filter(pl.col("restriction_kind").is_in(["style", "regular"])))
    return found.with_columns(long=pl.col("part").str.starts_with("decay"))


def shares(tables: Tables) -> Iterator[Case]:
    """C2.3c: the share of the gate in what transformers have forgotten."""
    found = _tuned(tables)
    keys = ["model_shown", "optimizer", "learning_rate", "targets", "long"]
    own_ = found.filter(model="transformer") if found.height else found
    for values, own in own_.group_by(keys, maintain_order=True) if own_.height else ():
        shown, optimizer, rate, targets, long = values
        case = f"{shown}, {optimizer}, lr {rate:g}, {targets} {'gradients' if long else 'targets'}"
        yield Case.exact(case, own["share"].to_numpy())


WORLD = ("model_shown", "optimizer", "learning_rate", "targets", "num_steps", "seed")
"""What tells fine-tunings on one style apart. Parts of the study may share one, which counts once."""


def _kept(tables: Tables, short: bool) -> pl.DataFrame:
    """Return what runs erase in the end, E [nat]: short tunings of transformers, or all others."""
    found = counted(tables, "kept")
    if not found.height:
        return found
    is_short = (pl.col("model") == "transformer") & ~pl.col("part").str.starts_with("decay")
    found = found.filter(is_short == short)
    return found.unique(WORLD, keep="first", maintain_order=True).sort(WORLD)


def _by_arm(found: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for values, own in found.group_by(WORLD[:-1], maintain_order=True) if found.height else ():
        shown, optimizer, rate, targets, steps = values
        yield f"{shown}, {optimizer}, lr {rate:g}, {targets} targets, {steps} steps", own


def known(tables: Tables) -> Iterator[Case]:
    """C2.3d: -E of transformers that fit S, a world for each number; shown as exp(-E)."""
    for case, own in _by_arm(_kept(tables, short=True)):
        fit = own.filter("fits")
        note = f"geometric mean of the share that is kept; {own.height - fit.height} runs left out for their fit"
        if fit["erased"].is_infinite().any():
            none = np.zeros(0)
            yield Case(case, none, none, note=f"{note}; E is infinite in a world", undecided=True)
        else:
            yield Case.exact(case, -fit["erased"].to_numpy(), note=note, logarithmic=True)


def known_by_others(tables: Tables) -> Iterator[Case]:
    """C2.3f: the same of tables, and of transformers that are trained with exact gradients; where E is finite."""
    for case, own in _by_arm(_kept(tables, short=False)):
        finite = own.filter(pl.col("erased").is_finite())
        note = f"geometric mean; {own.height - finite.height} worlds left out because E is infinite or not known"
        yield Case.exact(case, -finite["erased"].to_numpy(), note=note, logarithmic=True)


def faster(tables: Tables) -> Iterator[Case]:
    """C2.3e: E after Adam's largest rate minus E after its smallest, in the worlds in which both fit; equal steps."""
    found = _kept(tables, short=True)
    found = found.filter("fits") if found.height else found
    found = found.filter(optimizer="adam") if found.height else found
    for values, own in (
        found.group_by("model_shown", "targets", "num_steps", maintain_order=True) if found.height else ()
    ):
        rates = sorted(own["learning_rate"].unique())
        slow, fast = (own.filter(learning_rate=rate).select("seed", "erased") for rate in (rates[0], rates[-1]))
        both = slow.join(fast, on="seed", suffix="_fast").sort("seed")
        if len(rates) > 1 and both.height:
            case = f"{values[0]}, lr {rates[-1]:g} against {rates[0]:g}, {values[1]} targets"
            yield Case.exact(case, (both["erased_fast"] - both["erased"]).to_numpy(), "nat")


def trie_erasure(tables: Tables) -> Iterator[Case]:
    """C2.3a, for every run of the trie table, valid or not."""
    splits = tables["splits"]
    if not splits.height:
        return
    trie = splits.filter(pl.col("model") == "tabular_trie", pl.col("part").str.starts_with("decay"))
    if trie.height:
        moved = trie.with_columns(moved=(pl.col("erasure") - pl.col("erasure").first().over("run")).abs())
        most = moved.group_by("run", maintain_order=True).agg(pl.col("moved").max())
        yield Case.exact("trie table, all evaluations", -most["moved"].to_numpy(), "nat")


def flat_erasure(tables: Tables) -> Iterator[Case]:
    """C2.3b: the growth of erasure in the flat table under SGD."""
    splits = counted(tables, "splits")
    if not splits.height:
        return
    own = splits.filter(pl.col("part").str.starts_with("decay"), pl.col("model") == "tabular_strings")
    own = own.filter(optimizer="sgd").sort("run", "step", maintain_order=True)
    if own.height:
        grown = own.group_by("run", maintain_order=True).agg(pl.col("erasure").last() - pl.col("erasure").first())
        yield Case.exact("flat table, SGD", grown["erasure"].to_numpy(), "nat")
