"""C6: its amendments. They are the history of the claim, so they are no part of its digest."""

from experiments.predictions import Amendment

AMENDMENTS = (
    Amendment(
        "2026-11-30", "runs are told apart by the seed of their world and by the share of fresh data, too; without it "
        "those of C6.1 and C6.4 could not be judged. No criterion was changed, and no verdict had been seen",
        "51d4a7d03e41", "undecided",
    ),
)  # fmt: skip
"""The amendments, oldest first."""
