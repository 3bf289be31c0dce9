"""C2: its amendments. They are the history of the claim, so they are no part of its digest."""

from experiments.c2_support.steps import STEPS
from experiments.predictions import Amendment

BEFORE = "holds only if S is narrower than P"
"""The verdict on the sentence before every amendment."""

AMENDMENTS = (
    Amendment(
        "2026-11-26", "C2.2g was asked of late times alone, after runs had been seen: the window had to begin "
        "after 1/(1 − β₂) steps. The digest did not cover the code that judges", "8780409d13dd", BEFORE,
        {"C2.2g": "holds"},
    ),
    Amendment(
        "2026-11-26", "savings (C2.4) were known between bounds only, so a lower bound refuted nothing any more; "
        "changed after runs had been seen, with the same digest", "8780409d13dd", BEFORE,
        {"C2.4": "holds"},
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
        {"C2.0a": "holds", "C2.0b": "holds", "C2.2d": "holds", "C2.2g": "holds", "C2.2j": "", "C2.2k": "",
         "C2.3d": "holds 8, undecided 1, refuted 1", "C2.3e": "undecided", "C2.4": "holds", "C2.4b": ""},
    ),
    Amendment(
        "2026-11-29", "while the runs were made, before any was judged: a KL of 0 has no logarithm, so C2.4b "
        "is undecided there; C2.8a is a control that has to be null; C2.6a is built into its target, so it checks "
        "the instrument", "27817d9f563a", "undecided, because nothing had been judged",
    ),
    Amendment(
        "2026-11-29", "the excursion does not explain what is erased (C2.8b), so another explanation, found in the "
        "same worlds, is announced and judged in others (C2.8i to C2.8p); C2.3d and C2.3e read E only where S is "
        "fitted, as the rule says, and an infinite E is said", "7fd0ffdce893", "undecided",
        {"C2.3d": "holds 1, undecided 1, refuted 1", "C2.3e": "not valid", **dict.fromkeys(
            (one.identifier for one in STEPS), "")},
    ),
    Amendment(
        "2026-11-29", "before any run of the second attempt was judged: amendments are no part of the digest any more, "
        "and C2.8i uses the function of C2.8b; no criterion was changed. Runs with 0c343a7e07fa were made for these "
        "predictions", "0c343a7e07fa", "undecided",
    ),
    Amendment(
        "2026-11-29", "while the second attempt was written: it was announced with Σ lr² at first, and with Q after a "
        "pilot in the world of seed 0. Six runs of a part that is not judged by it carry this digest", "448f859955b8",
        "undecided",
    ),
)  # fmt: skip
"""The amendments, oldest first."""
