"""C2: the cases of the predictions about mass: sizes of the support, gate and erasure, learning again."""

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


def _by_targets(tables: Tables) -> Iterator[tuple[str, pl.DataFrame]]:
    sizes = counted(tables, "sizes")
    if sizes.height:
        for (targets,), own in sizes.group_by("targets", maintain_order=True):
            yield f"{targets} targets", own


def _changes_of_controls(tables: Tables) -> Iterator[tuple[str, pl.DataFrame]]:
    """Iterate over the bounds of the change of every size of a control: low, high; log_low, log_high for log N."""
    for case, sizes in _by_targets(tables):
        for phase, name in CONTROLS.items():
            path = sizes.filter(phase=phase)
            if path.height:
                start, end = (path.filter(pl.col("step") == one) for one in (0, path["step"].max()))
                both = end.join(start.select("run", "size", "lower", "upper"), on=["run", "size"], suffix="_start")
                yield (
                    f"{case}, {name}",
                    both.with_columns(
                        low=pl.col("lower") - pl.col("upper_start"),
                        high=pl.col("upper") - pl.col("lower_start"),
                        log_low=pl.col("lower").log() - pl.col("upper_start").log(),
                        log_high=pl.col("upper").log() - pl.col("lower_start").log(),
                    ),
                )


def control_entropy(tables: Tables) -> Iterator[Case]:
    """C2.0a: H of both identity controls, with means over restrictions, so that each seed counts once."""
    for case, change in _changes_of_controls(tables):
        low, high = _by_seed(change.filter(size=ENTROPY_SIZE), pl.col("log_low"), pl.col("log_high"))
        yield Case(case, low, high, "nat")


def control_counts(tables: Tables) -> Iterator[Case]:
    """C2.0b: the change of the eps-support of both controls, as a share of the eps-support of P."""
    for case, change in _changes_of_controls(tables):
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
    """Return the share of the way from N(P) to N(S) for every run and size: (N(q) - N(q0)) / (N(S) - N(P)).

    A size counts if P and S differ by at least FEW and ONE, and in the same direction, for every seed of a restriction:
    a case has all its seeds. low and high are bounds of the share; `falls` says whether N(S) < N(P).
    """
    path = converged(sizes).filter(phase="sft").sort("run", "size", "step", maintain_order=True)
    keys = ["run", "seed", "targets", "restriction", "size", "p", "s"]
    moved = path.group_by(keys, maintain_order=True).agg(
        (pl.col("lower").last() - pl.col("upper").first()).alias("least"),
        (pl.col("upper").last() - pl.col("lower").first()).alias("most"),
    )
    way = pl.col("s") - pl.col("p")
    far = (way.abs() >= FEW * pl.col("p")) & (way.abs() >= ONE)
    case = ["targets", "restriction", "size"]
    asked = moved.filter(far.all().over(case), (way.sign() == way.sign().first()).all().over(case))
    return asked.with_columns(
        falls=way < 0,
        low=pl.min_horizontal(pl.col("least") / way, pl.col("most") / way),
        high=pl.max_horizontal(pl.col("least") / way, pl.col("most") / way),
    )


def _ways(tables: Tables) -> Iterator[tuple[str, pl.DataFrame]]:
    for case, sizes in _by_targets(tables):
        for (name,), own in travelled(sizes).group_by("restriction", maintain_order=True):
            yield f"{case}, {name}", own


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
    """Return for every run what was forgotten in the end: its split, the share of the gate, and what is still known."""
    path = splits.sort("run", "step", maintain_order=True)
    keys = ["run", "seed", "part", "targets", "restriction_kind", "model", "model_shown", "optimizer", "learning_rate",
            "p_lost", "untrained", "unlearnt"]  # fmt: skip
    names = ("kl", "gate", "kept", "erasure", "behind")
    change = [(pl.col(name).last() - pl.col(name).first()).alias(name) for name in names]
    first = [pl.col(name).first().alias(f"{name}_before") for name in ("erasure", "behind")]
    found = path.group_by(keys, maintain_order=True).agg(*change, *first)
    return found.with_columns(
        share=pl.col("gate") / pl.col("kl"),
        known=1 - pl.col("erasure") / (pl.col("untrained") - pl.col("erasure_before")),
        known_behind=1 - pl.col("behind") / (pl.col("unlearnt") - pl.col("behind_before")),
    )


def _tuned(tables: Tables) -> pl.DataFrame:
    """Return the ends of the fine-tunings on one style, or on one way to begin."""
    splits = counted(tables, "splits")
    if not splits.height:
        return splits
    found = last(splits.filter(pl.col("restriction_kind").is_in(["style", "regular"])))
    return found.with_columns(long=pl.col("part").str.starts_with("decay"))


def _ends(tables: Tables, column: str, transformer: bool) -> Iterator[Case]:
    found = _tuned(tables)
    keys = ["model", "model_shown", "optimizer", "learning_rate", "targets", "long"]
    for values, own in found.group_by(keys, maintain_order=True) if found.height else ():
        model, shown, optimizer, rate, targets, long = values
        if (model == "transformer") == transformer:
            case = f"{shown}, {optimizer}, lr {rate:g}, {targets} {'gradients' if long else 'targets'}"
            yield Case.exact(case, own[column].to_numpy())


def shares(tables: Tables) -> Iterator[Case]:
    """C2.3c: the share of the gate in forgetting."""
    return _ends(tables, "share", transformer=True)


def known(tables: Tables) -> Iterator[Case]:
    """C2.3d: what transformers still know of the lost styles."""
    return _ends(tables, "known", transformer=True)


def known_by_tables(tables: Tables) -> Iterator[Case]:
    """C2.3f: what tables still know of the lost styles."""
    return _ends(tables, "known", transformer=False)


def faster(tables: Tables) -> Iterator[Case]:
    """C2.3e: what is known after Adam's smallest rate minus what is known after its largest."""
    found = _tuned(tables)
    if not found.height:
        return
    own = found.filter(model="transformer", optimizer="adam", targets="exact", long=False)
    rates = sorted(own["learning_rate"].unique())
    if len(rates) > 1:
        kept = [own.filter(learning_rate=rate).sort("seed")["known"].to_numpy() for rate in (rates[0], rates[-1])]
        case = f"{own['model_shown'][0]}, adam, lr {rates[0]:g} against {rates[-1]:g}"
        yield Case.exact(case, kept[0] - kept[1])


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


# -- learning again ---------------------------------------------------------------------------------------------------


def savings(tables: Tables) -> Iterator[Case]:
    """C2.4: the logarithms of the least and of the largest possible savings.

    The least savings are the lower bound of the steps from scratch over the upper bound of the steps of recovery.
    """
    relearning = counted(tables, "relearning")
    groups = relearning.group_by("restriction", "targets", maintain_order=True) if relearning.height else ()
    for (name, targets), own in groups:
        case = f"{targets} targets, {name}"
        slow = own.height - own.filter(pl.col("recovery_upper").is_finite()).height
        none = own.filter((pl.col("scratch_lower") == 0) | (pl.col("recovery_upper") == 0)).height
        if slow or none:  # in no steps, or before the first evaluation after the start: a ratio is not known
            note = f"{slow} runs did not come back" if slow else f"{none} runs were there in no steps that are known"
            yield Case(case, np.zeros(0), np.zeros(0), note=note, undecided=True)
            continue
        with np.errstate(divide="ignore"):
            least = np.log(own["scratch_lower"].to_numpy() / own["recovery_upper"].to_numpy())
            most = np.log(own["scratch_upper"].to_numpy() / own["recovery_lower"].to_numpy())
        said = "geometric mean of the savings"
        yield Case(case, least, most, "×", note=said, logarithmic=True, decided_by="lower")
