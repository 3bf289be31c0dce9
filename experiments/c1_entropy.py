"""C1, entropy reduction: does fine-tuning lower the entropy of a model, or does it follow the entropy of its data?"""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import polars as pl

from experiments._claims import (
    Claim,
    Prediction,
    Standing,
    Verdict,
    both_ends,
    ends,
    in_order,
    outcomes,
    signed,
    unanswered,
)
from experiments._entropies import FIT, POSITIONS, converged, positions, summary
from experiments._statistics import bound, equality, slope
from sim.disk.records import Record

NEAR = 0.1
"""Nats: what counts as no difference between entropies of about 4 to 5 nats, far below the effects of 0.2 to 1.3."""

PAIRED = ("targets", "restriction", "seed")
"""What tells the runs of the study apart."""

PLAIN = "style z0"
"""The restriction that keeps one style and changes nothing within it."""

BLIND = "style-blind z0"
"""Its control: as much mass and as much entropy, drawn without regard to style."""

CONVERGED = (
    "Only restrictions with a mean KL(S‖q) of at most 0.05 nats per answer count: entropy is judged at convergence."
)

CLAIM = Claim(
    "C1",
    "c1_entropy",
    "Entropy reduction",
    "Fine-tuning data has a much lower entropy than pretraining data; maximum likelihood takes the model there, so its "
    "entropy falls and its next-token distribution becomes peaky.",
    "Supported if the entropy falls for every restriction. Holds only if H(S) < H(P) if C1.1 holds and C1.2 both ways: "
    "the entropy falls where H(S) < H(P) and rises where H(S) > H(P). Refuted if C1.1 is refuted. Else undecided. "
    "Not valid unless the control C1.0 holds. Entropy is judged at convergence: runs count as converged where a "
    f"restriction's mean KL(S‖q) is at most {FIT} nats per answer.",
    (
        Prediction(
            "C1.0", "Fine-tuning on fresh data from P changes the entropy by nothing.", "equality", "0",
            "H(control) − H(q₀) within the margin. Converged runs.", "it is the identity control", NEAR,
        ),
        Prediction(
            "C1.1a", "Over restrictions, H(q) against H(S) has slope 1.", "slope", "1",
            "The least-squares slope of every seed; their mean within the margin. Converged runs.", "C1.0", NEAR,
        ),
        Prediction(
            "C1.1b", "Over restrictions, H(q) against H(S) has no offset.", "equality", "0",
            "The mean over restrictions of H(q) − H(S) within the margin. Converged runs.", "C1.0", NEAR,
        ),
        Prediction(
            "C1.2a", "Where H(S) < H(P), fine-tuning lowers the entropy.", "sign", "H(S) − H(P)",
            "H(q) − H(q₀) below 0, whatever H is between its bounds. Converged runs.", "C1.0",
        ),
        Prediction(
            "C1.2b", "Where H(S) > H(P), fine-tuning raises the entropy.", "sign", "H(S) − H(P)",
            "H(q) − H(q₀) above 0, whatever H is between its bounds. Converged runs.", "C1.0",
        ),
        Prediction(
            "C1.3", "|H(S) − H(q)| ≤ TV log(K − 1) + h(TV) and |C(S) − C(q)| ≤ √KL(S‖q), in every model.", "bound",
            "slack ≥ 0", "The least slack over all runs, phases and both views, valid or not.", "none", 1e-9,
        ),
        Prediction(
            "C1.4a", "On a plain style restriction the data are not narrower than P given the style.", "bound", "0",
            "|H(P_A) − H(S)| of every run.", "none", 1e-9,
        ),
        Prediction(
            "C1.4b", "On a plain style restriction the learning error H(S) − H(q) is small.", "equality", "0",
            "Mean within the margin.", "C1.0", 0.05,
        ),
        Prediction(
            "C1.5", "The probability of the likeliest next token moves as it does from P to S.", "sign",
            "mean over positions of max S(·|h) − max P(·|h), x ~ S",
            "The same difference between q and q₀ has the predicted sign. Converged runs.", "C1.0",
        ),
        Prediction(
            "C1.6", "A style and a random set of the same mass and entropy lower the entropy equally.", "equality", "0",
            "Difference of H(q) − H(q₀) between the two within the margin. Converged runs.", "style-blind", NEAR,
        ),
    ),
)  # fmt: skip


def analyse(records: Sequence[Record]) -> dict[str, pl.DataFrame]:
    """`runs`, a row each with what the verdicts need, and `positions`, the curves of branching factor,
    top-1 and nucleus.
    """
    runs = pl.DataFrame([summary(record) for record in records], infer_schema_length=None)
    curves = pl.concat([positions(record) for record in records])
    return {"runs": runs.sort("targets", "restriction", "seed"), "positions": curves.select(POSITIONS)}


def check(tables: dict[str, pl.DataFrame]) -> list[Verdict]:
    """The verdicts, for exact and for sampled targets."""
    runs = tables["runs"]
    found = list(_bounds(runs))
    for (case,), own in runs.filter(pl.col("valid")).group_by("targets", maintain_order=True):
        settled = converged(own)
        found += [*_control(settled, f"{case} targets"), *_slopes(settled, f"{case} targets")]
        found += [*_signs(settled, f"{case} targets"), *_plain(settled, f"{case} targets")]
        found += _blind(settled, f"{case} targets")
    return in_order(CLAIM, [*found, *unanswered(CLAIM, found)])


def standing(verdicts: pl.DataFrame) -> tuple[Standing, str]:
    """What becomes of the seed's sentence, by the rule of the claim."""
    found = outcomes(verdicts)
    if "not valid" in found["C1.0"]:
        return "not valid", "no run has come near enough to P before it was fine-tuned"
    if "refuted" in found["C1.0"]:
        return "not valid", "the identity control does not stay where it is"
    followed = found["C1.1a"] | found["C1.1b"]
    if "refuted" in followed:
        return "refuted", "the entropy of the model does not follow that of the data"
    falls, rises = found["C1.2a"], found["C1.2b"]
    if found["C1.0"] == falls == {"holds"} and rises == {"refuted"}:
        return "supported", "the entropy falls for every restriction"
    if found["C1.0"] == followed == falls == rises == {"holds"}:
        return "holds only if", "H(S) < H(P): the entropy of the model follows that of the data, down and up"
    return "undecided", "some intervals are too wide, or some fine-tunings have not converged"


def _control(runs: pl.DataFrame, case: str) -> Iterator[Verdict]:
    """Means over the restrictions, so that a seed counts once."""
    change = runs.group_by("seed", maintain_order=True).agg(
        (pl.col("h_control_lower") - pl.col("h_q0_upper")).mean().alias("lower"),
        (pl.col("h_control_upper") - pl.col("h_q0_lower")).mean().alias("upper"),
    )
    outcome, found = ends(
        lambda x: equality(x, 0.0, CLAIM.margin("C1.0")), change["lower"].to_numpy(), change["upper"].to_numpy()
    )
    yield Verdict("C1.0", case, 0.0, found, "nat", outcome, figure="entropy")


def _slopes(runs: pl.DataFrame, case: str) -> Iterator[Verdict]:
    slopes, offsets = [], []
    for _, own in runs.group_by("seed", maintain_order=True):
        h_s, lower, upper = (own[name].to_numpy() for name in ("h_s", "h_q_lower", "h_q_upper"))
        slopes.append(slope(h_s, lower, upper))
        offsets.append((float(np.mean(lower - h_s)), float(np.mean(upper - h_s))))
    used = f"{runs['restriction'].n_unique()} restrictions"
    for identifier, found, wanted, unit in (("C1.1a", slopes, 1.0, "1"), ("C1.1b", offsets, 0.0, "nat")):
        lower, upper = np.array(found).T
        outcome, measured = ends(partial(equality, predicted=wanted, margin=CLAIM.margin(identifier)), lower, upper)
        yield Verdict(identifier, case, wanted, measured, unit, outcome, used, "entropy")


def _signs(runs: pl.DataFrame, case: str) -> Iterator[Verdict]:
    for (name,), own in runs.group_by("restriction", maintain_order=True):
        expected = float((own["h_s"] - own["h_p"]).to_numpy().mean())
        if abs(expected) < NEAR / 10:  # nothing is predicted of S = P
            continue
        direction = 1.0 if expected > 0 else -1.0
        lower = (own["h_q_lower"] - own["h_q0_upper"]).to_numpy()
        upper = (own["h_q_upper"] - own["h_q0_lower"]).to_numpy()
        outcome, found = both_ends(signed(lower, direction), signed(upper, direction))
        identifier = "C1.2b" if expected > 0 else "C1.2a"
        yield Verdict(identifier, f"{case}, {name}", expected, found, "nat", outcome, figure="entropy")
        truth = float(own["top_one_truth"].to_numpy().mean())
        towards = 1.0 if truth > 0 else -1.0
        outcome, found = signed(own["top_one_model"].to_numpy(), towards)
        yield Verdict("C1.5", f"{case}, {name}", truth, found, "1", outcome, figure="positions")


def _plain(runs: pl.DataFrame, case: str) -> Iterator[Verdict]:
    own = runs.filter(restriction=PLAIN)
    if own.height:
        outcome, found = ends(
            lambda x: equality(x, 0.0, CLAIM.margin("C1.4b")),
            (own["h_s"] - own["h_q_upper"]).to_numpy(),
            (own["h_s"] - own["h_q_lower"]).to_numpy(),
        )
        yield Verdict("C1.4b", case, 0.0, found, "nat", outcome, figure="waterfall")


def _blind(runs: pl.DataFrame, case: str) -> Iterator[Verdict]:
    style, blind = (runs.filter(restriction=name).sort("seed") for name in (PLAIN, BLIND))
    if style.height and style["seed"].to_list() == blind["seed"].to_list():
        # q0 is the same model in both: only H(q) differs.
        lower = (style["h_q_lower"] - blind["h_q_upper"]).to_numpy()
        upper = (style["h_q_upper"] - blind["h_q_lower"]).to_numpy()
        outcome, found = ends(lambda x: equality(x, 0.0, CLAIM.margin("C1.6")), lower, upper)
        yield Verdict("C1.6", case, 0.0, found, "nat", outcome, figure="entropy")


def _bounds(runs: pl.DataFrame) -> Iterator[Verdict]:
    tolerance = CLAIM.margin("C1.3")
    outcome, found = bound(runs["slack"].to_numpy(), tolerance)
    yield Verdict("C1.3", "all runs", 0.0, found, "nat", outcome, "the least slack")
    own = runs.filter(restriction=PLAIN)
    if own.height:
        outcome, found = bound(-np.abs(own["narrowing"].to_numpy()), tolerance)
        yield Verdict("C1.4a", "all runs", 0.0, found, "nat", outcome, figure="waterfall")
