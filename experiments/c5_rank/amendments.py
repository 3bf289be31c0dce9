"""C5: its amendments. They are the history of the claim, so they are no part of its digest."""

from experiments.predictions import Amendment

AMENDMENTS = (
    Amendment(
        "2026-11-30", "the claim had no control that has to be null. C5.2h was added after the runs, when the erasure "
        "of the identity control was known as the report C5.2g. Its margin is that of C5.2d, which was announced "
        "before them. No other criterion was changed, and the verdicts are the same", "d0182a9ba4d9", "refuted",
        {"C5.2h": ""},
    ),
)  # fmt: skip
"""The amendments, oldest first."""
