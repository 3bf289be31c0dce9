"""C3: its amendments. They are the history of the claim, so they are no part of its digest."""

from experiments.predictions import Amendment

AMENDMENTS = (
    Amendment(
        "2026-11-29", "C3.6b is a report, so the value that it named decided nothing, and it is gone; the verdicts are "
        "the same", "1dca14d86101", "undecided",
    ),
)  # fmt: skip
"""The amendments, oldest first."""
