"""Verdicts of C2 on where the mass goes: sizes of the support, gate and erasure, learning again."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import polars as pl

from experiments._claims import Claim, Verdict, ends
from experiments._entropies import converged
from experiments._paths import ENTROPY_SIZE
from experiments._statistics import Interval, bound, equality, interval, sign

FEW = 0.1
"""A size that differs between S and P by less than this share of N(P) is not asked about, or by less than ..."""

HALF = 0.5
"""What a share must exceed to be most of something."""

SHOWN = {"tabular_strings": "flat table", "tabular_trie": "trie table", "transformer": "transformer"}

ONE = 1.0
"""... one answer; nor what a control does to a count that is smaller for P."""

CONTROLS = {"identity": "fresh optimiser state", "carried": "carried optimiser state"}


def bounds(claim: Claim, tables: dict[str, pl.DataFrame]) -> Iterator[Verdict]:
    """What holds for every model, valid or not."""
    splits = tables["splits"]
    if splits.height:
        most = splits.group_by("run", maintain_order=True).agg(pl.col("zeros").max())
        outcome, found = bound(-most["zeros"].to_numpy(), claim.margin("C2.1d"))
        yield Verdict("C2.1d", "all runs", 0.0, found, "answers", outcome, figure="sizes")


def verdicts(claim: Claim, tables: dict[str, pl.DataFrame]) -> Iterator[Verdict]:
    """What needs runs that came near enough to P."""
    if tables["sizes"].height:
        for (targets,), own in tables["sizes"].group_by("targets", maintain_order=True):
            yield from controls(claim, own, f"{targets} targets")
            yield from followed(claim, own, f"{targets} targets")
    if tables["splits"].height:
        yield from gates(tables["splits"])
    if tables["relearning"].height:
        yield from savings(tables["relearning"])


def controls(claim: Claim, sizes: pl.DataFrame, case: str) -> Iterator[Verdict]:
    """C2.0: both identity controls, means over restrictions, so that a seed counts once."""
    first, last = pl.col("step") == 0, pl.col("step") == pl.col("step").max()
    for phase, name in CONTROLS.items():
        path = sizes.filter(phase=phase)
        if not path.height:
            continue
        keys = ["run", "seed", "size", "p"]
        change = path.group_by(keys, maintain_order=True).agg(
            (pl.col("lower").filter(last).first() - pl.col("upper").filter(first).first()).alias("low"),
            (pl.col("upper").filter(last).first() - pl.col("lower").filter(first).first()).alias("high"),
            (pl.col("lower").filter(last).first().log() - pl.col("upper").filter(first).first().log()).alias("h_low"),
            (pl.col("upper").filter(last).first().log() - pl.col("lower").filter(first).first().log()).alias("h_high"),
        )
        entropy = _by_seed(change.filter(size=ENTROPY_SIZE), pl.col("h_low"), pl.col("h_high"))
        counts = change.filter(pl.col("size") != ENTROPY_SIZE, pl.col("p") >= ONE)
        count = _by_seed(counts, pl.col("low") / pl.col("p"), pl.col("high") / pl.col("p"))
        for identifier, (low, high), unit in (("C2.0a", entropy, "nat"), ("C2.0b", count, "1")):
            outcome, found = ends(partial(equality, predicted=0.0, margin=claim.margin(identifier)), low, high)
            yield Verdict(identifier, f"{case}, {name}", 0.0, found, unit, outcome, figure="sizes")


def _by_seed(frame: pl.DataFrame, low: pl.Expr, high: pl.Expr) -> tuple[np.ndarray, np.ndarray]:
    """The mean of two columns for every seed."""
    means = frame.group_by("seed", maintain_order=True).agg(low.mean().alias("low"), high.mean().alias("high"))
    means = means.sort("seed")
    return means["low"].to_numpy(), means["high"].to_numpy()


def travelled(sizes: pl.DataFrame) -> pl.DataFrame:
    """The share of the way from N(P) to N(S) that every run and size went, (N(q) - N(q0)) / (N(S) - N(P)).

    A size is asked about where P and S differ by FEW and by ONE at least, in the same direction for every seed of a
    restriction: a case has all its seeds. low and high are bounds; `falls` says whether N(S) is the smaller one.
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


def followed(claim: Claim, sizes: pl.DataFrame, case: str) -> Iterator[Verdict]:
    """C2.1a to C2.1c of every restriction."""
    for (name,), own in travelled(sizes).group_by("restriction", maintain_order=True):
        means = own.group_by("seed", maintain_order=True).agg(pl.col("low").mean(), pl.col("high").mean()).sort("seed")
        test = partial(equality, predicted=1.0, margin=claim.margin("C2.1c"))
        outcome, found = ends(test, means["low"].to_numpy(), means["high"].to_numpy())
        yield Verdict("C2.1c", f"{case}, {name}", 1.0, found, "1", outcome, _counted(own), "sizes")
        for falls, identifier in ((True, "C2.1a"), (False, "C2.1b")):
            part = own.filter(pl.col("falls") == falls)
            if part.height:
                least = part.group_by("seed", maintain_order=True).agg(pl.col("low").min(), pl.col("high").min())
                outcome, found = ends(sign, least["low"].to_numpy(), least["high"].to_numpy())
                yield Verdict(identifier, f"{case}, {name}", None, found, "1", outcome, _counted(part), "sizes")


def _counted(part: pl.DataFrame) -> str:
    return "sizes: " + ", ".join(sorted(part["size"].unique().to_list()))


def last(splits: pl.DataFrame) -> pl.DataFrame:
    """Of every run what was forgotten in the end, and how it splits: the share of the gate, and what is still known."""
    path = splits.sort("run", "step", maintain_order=True)
    keys = ["run", "seed", "part", "targets", "model", "optimizer", "learning_rate", "p_lost", "untrained", "unlearnt"]
    names = ("kl", "gate", "kept", "erasure", "behind")
    change = [(pl.col(name).last() - pl.col(name).first()).alias(name) for name in names]
    first = [pl.col(name).first().alias(f"{name}_before") for name in ("erasure", "behind")]
    found = path.group_by(keys, maintain_order=True).agg(*change, *first)
    return found.with_columns(
        share=pl.col("gate") / pl.col("kl"),
        known=1 - pl.col("erasure") / (pl.col("untrained") - pl.col("erasure_before")),
        known_behind=1 - pl.col("behind") / (pl.col("unlearnt") - pl.col("behind_before")),
    )


def gates(splits: pl.DataFrame) -> Iterator[Verdict]:
    """C2.3c to C2.3e: fine-tuning on one style, or on one way to begin, by the transformer and by the null models."""
    found = last(splits.filter(pl.col("restriction").str.contains("^(style |regular)")))
    found = found.with_columns(long=pl.col("part").str.starts_with("decay"))
    for keys, own in found.group_by("model", "optimizer", "learning_rate", "targets", "long", maintain_order=True):
        model, optimizer, rate, targets, long = keys
        case = f"{SHOWN[str(model)]}, {optimizer}, lr {rate:g}, {targets} {'gradients' if long else 'targets'}"
        if model != "transformer":
            yield Verdict("C2.3f", case, None, interval(own["known"].to_numpy()), "1", "reported", figure="split")
            continue
        for identifier, column in (("C2.3c", "share"), ("C2.3d", "known")):
            outcome, measured = sign(own[column].to_numpy(), HALF)
            yield Verdict(identifier, case, None, measured, "1", outcome, figure="split", threshold=HALF)
    yield from _faster(found.filter(model="transformer", optimizer="adam", targets="exact", long=False))


def _faster(found: pl.DataFrame) -> Iterator[Verdict]:
    """C2.3e: what is known after Adam's smallest rate minus what is known after its largest."""
    rates = sorted(found["learning_rate"].unique())
    if len(rates) > 1:
        known = [found.filter(learning_rate=rate).sort("seed")["known"].to_numpy() for rate in (rates[0], rates[-1])]
        outcome, measured = sign(known[0] - known[1])
        case = f"transformer, adam, lr {rates[0]:g} against {rates[-1]:g}"
        yield Verdict("C2.3e", case, None, measured, "1", outcome, figure="split")


def savings(relearning: pl.DataFrame) -> Iterator[Verdict]:
    """C2.4: from the lower bound of the steps from scratch and the upper bound of those of recovery.

    That is the least that the savings can be: they are refuted only where the most that they can be is below 1 too.
    """
    for (name, targets), own in relearning.group_by("restriction", "targets", maintain_order=True):
        case, back = f"{targets} targets, {name}", own.filter(pl.col("recovery_upper").is_finite())
        if back.height < own.height:
            note = f"{own.height - back.height} runs did not come back"
            yield Verdict("C2.4", case, None, None, "", "undecided", note, "recovery")
            continue
        ratio = np.log(own["scratch_lower"].to_numpy() / own["recovery_upper"].to_numpy())
        outcome, found = sign(ratio)
        if outcome == "refuted" and not _surely_less(own):
            outcome = "undecided"
        estimate, lower, upper = np.exp([found.estimate, found.lower, found.upper]).tolist()
        shown = Interval(estimate, lower, upper, found.level, found.num_seeds, found.method)
        yield Verdict(
            "C2.4", case, None, shown, "×", outcome, "geometric mean of the savings", "recovery", threshold=1.0
        )


def _surely_less(own: pl.DataFrame) -> bool:
    """Whether even the upper bounds of the savings are below 1; a seed without one has no upper bound."""
    bounded = own["scratch_upper"].is_finite().all() and (own["recovery_lower"] > 0).all()
    if not bounded:
        return False
    return sign(np.log(own["scratch_upper"].to_numpy() / own["recovery_lower"].to_numpy()))[0] == "refuted"
