"""C3: its amendments. They are the history of the claim, so they are no part of its digest."""

from experiments.c3_answers.copying import COPIES
from experiments.predictions import Amendment

AMENDMENTS = (
    Amendment(
        "2026-11-29", "C3.6b is a report, so the value that it named decided nothing, and it is gone; the verdicts are "
        "the same", "1dca14d86101", "undecided",
    ),
    Amendment(
        "2026-11-30", "what held-out prompts collapse on was found by looking at the worlds of seeds 0 to 11 (C3.4a). "
        "That they copy few trained prompts is announced in C3.8 and judged in other worlds; no other criterion was "
        "changed, and the verdicts are the same", "fcdee0e31029", "undecided",
        dict.fromkeys((one.identifier for one in COPIES), ""),
    ),
)  # fmt: skip
"""The amendments, oldest first."""
