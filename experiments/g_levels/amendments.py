"""G: its amendments. They are the history of the claim, so they are no part of its digest."""

from experiments.predictions import Amendment

FITTED = ("G.1", "G.2", "G.3", "G.4", "G.5a", "G.5b", "G.6b")
"""Predictions in which only runs at equal fit count."""

AMENDMENTS = (
    Amendment(
        "2026-11-30", "equal fit was measured by KL(S‖q) − KL(P‖control), means over different strings: where a rule "
        "of the root that gives long strings is rarer, S has the shorter ones, which any model knows better. In one of "
        "the four worlds that were read the root's two rules had −0.15 and 0.18 nats and did not count, although both "
        "fit. Now both models are compared on the same strings, with the same limit. The four other worlds had not "
        "been read, and no prediction had a verdict",
        "42bc1329edda", "undecided", {one: "reported" if one == "G.6b" else "undecided" for one in FITTED},
    ),
)  # fmt: skip
"""The amendments, oldest first."""
