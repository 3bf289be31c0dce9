"""C2, support contraction and forgetting: does the support shrink, and is what is left out gated or erased?"""

import polars as pl

from experiments.c2_support import mass
from experiments.c2_support.announced import DECAY, ERASURE, KERNEL, SIZES
from experiments.c2_support.tables import NEEDS, tables
from experiments.predictions import Amendment, Claim, Standing, verdicts_of


def standing(findings: pl.DataFrame) -> tuple[Standing, str]:
    """Return the verdict on the sentence by the rule of the claim, and its reason."""
    found = verdicts_of(findings)
    controls = found["C2.0a"] | found["C2.0b"]
    if "not valid" in controls:
        return "not valid", "no run has come near enough to P before it was fine-tuned"
    if "refuted" in controls:
        return "not valid", "the identity control does not stay where it is"
    falls, rises, known = (found[name] for name in ("C2.1a", "C2.1b", "C2.3d"))
    if "refuted" in falls:
        return "refuted", "the effective support does not follow that of the data"
    if falls == {"holds"} and rises == known == {"refuted"}:
        return "supported", "the effective support always shrinks, and what is left out is erased"
    if controls == falls == rises == {"holds"}:
        cases = findings.filter(prediction="C2.3d")["verdict"].to_list()
        kept, gone = (cases.count(verdict) for verdict in ("holds", "refuted"))
        split = f"most of what it leaves out is still known in {kept} of {len(cases)} cases, and erased in {gone}"
        return "holds only if", f"S is narrower than P: sizes follow the data, down and up; {split}"
    open_ = findings.filter(pl.col("prediction").is_in(["C2.0a", "C2.0b", "C2.1a", "C2.1b"]), verdict="undecided")
    where = "; ".join(f"{row['prediction']} for {row['case']}" for row in open_.iter_rows(named=True))
    return "undecided", f"some intervals are too wide ({where})" if where else "the parts of the sentence disagree"


BEFORE = "holds only if S is narrower than P"
"""The verdict on the sentence before every amendment."""

CLAIM = Claim(
    identifier="C2",
    file=__file__,
    title="Support contraction and forgetting",
    sentence="Fine-tuning data is a tiny subset; gradient descent forgets what is absent from it: the support shrinks "
    "and the paths to other styles are cut off.",
    rule="Supported if sizes of the support never rise (C2.1b refuted) and what is left out is erased (C2.3d refuted "
    "in every case). Refuted if C2.1a is refuted. Holds only if the data are narrower, if C2.1a and C2.1b hold: sizes "
    "follow the data, down and up; then it is said in how many cases what is left out is still known (C2.3d holds) "
    "and in how many it is erased (refuted). Else undecided. Not valid unless the controls C2.0a and C2.0b hold. "
    f"Sizes are judged at convergence, a mean KL(S‖q) of at most {mass.FIT} nats per answer.",
    predictions=(*SIZES, *DECAY, *ERASURE, *KERNEL),
    needs=NEEDS,
    tables=tables,
    standing=standing,
    condition="S is narrower than P",
    paired=("part", "restriction", "targets", "model", "width", "optimizer", "learning_rate", "weight", "num_steps",
            "seed"),
    amendments=(
        Amendment(
            "2026-11-26", "C2.2g was asked of late times alone, after runs had been seen: the window had to begin "
            "after 1/(1 − β₂) steps. The digest did not cover the code that judges", "8780409d13dd", BEFORE,
        ),
        Amendment(
            "2026-11-26", "savings (C2.4) were known between bounds only, so a lower bound refuted nothing any more; "
            "changed after runs had been seen, with the same digest", "8780409d13dd", BEFORE,
        ),
        Amendment(
            "2026-11-29", "restated as data that judges itself; criteria, margins and windows are as before, and the "
            "verdicts on the archived runs are the same", "8780409d13dd", BEFORE,
        ),
        Amendment(
            "2026-11-29", "third edition, before its runs: C2.2g was false as stated and is the law of Adam's memory; "
            "the prefactor by the kernel in place of the exponent (C2.2d); E in place of what is known; relearning at "
            "thresholds that do not depend on P(B); signs against the control; exact targets alone decide whether a "
            "control is null, with a quarter of the margin; 12 worlds where it is asked how much is kept",
            "96c8d32dca77", BEFORE,
        ),
    ),
)  # fmt: skip
