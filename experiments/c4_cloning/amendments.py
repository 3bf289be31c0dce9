"""C4: its amendments. They are the history of the claim, so they are no part of its digest."""

from experiments.c4_cloning.rivals import RIVALS
from experiments.c4_cloning.sharing import SHARING
from experiments.predictions import Amendment

AMENDMENTS = (
    Amendment(
        "2026-11-30", "rival causes that the page names. C4.1c, C4.1d, C4.1e and C4.3g are announced here and judged "
        "by runs of their own; C4.3h, C4.5e, C4.5f and C4.6b are reports. No other criterion was changed, and the "
        "verdicts are the same", "d1c1446355fb", "refuted",
        dict.fromkeys((one.identifier for one in (*SHARING, *RIVALS)), ""),
    ),
    Amendment(
        "2026-11-30", "the report C4.6b took its worlds in an order that differed from one call to the next, so the "
        "last digits of its intervals did. They are in the order of their seeds now. No criterion was changed, and the "
        "verdicts are the same", "fb8b16f6a431", "refuted", {"C4.6b": "reported"},
    ),
)  # fmt: skip
"""The amendments, oldest first."""
