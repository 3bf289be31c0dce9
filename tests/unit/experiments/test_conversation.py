"""Every sentence of the conversation has a row: what tests it, or why nothing does."""

import polars as pl
import pytest

from experiments import conversation
from experiments.conversation import SENTENCES, Sentence
from experiments.predictions import Claim
from sim.config import members

CLAIMS: list[Claim] = [module.CLAIM for one in members("experiment").values() if hasattr(module := one.load(), "CLAIM")]


def findings(**verdicts: str) -> pl.DataFrame:
    """A claim's findings, one for each case: `C9_1a="holds refuted"`."""
    pairs = [(name.replace("_", "."), one) for name, all_ in verdicts.items() for one in all_.split()]
    return pl.DataFrame(pairs, schema=["prediction", "verdict"], orient="row")


def test_every_prediction_that_a_sentence_names_was_announced() -> None:
    assert conversation.missing([one.identifier for claim in CLAIMS for one in claim.predictions]) == []


def test_every_claim_and_every_prediction_of_which_the_conversation_speaks_has_a_sentence() -> None:
    named = {name for one in SENTENCES for name in one.predictions}
    spoken = [claim for claim in CLAIMS if any(one.says != "silent" for one in claim.predictions)]
    assert {claim.identifier for claim in spoken} == {name.split(".")[0] for name in named}


@pytest.mark.parametrize("one", SENTENCES, ids=lambda one: one.text[:40])
def test_a_sentence_is_tested_or_says_why_it_is_not(one: Sentence) -> None:
    assert bool(one.predictions) == (one.status == "tested")
    assert one.predictions or one.remark or one.status == "a definition"
    assert one.text.endswith(".")


def test_a_row_says_the_verdicts_over_all_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Sentence("1 Entropy", "It is so.", "tested", ("C9.1a", "C9.1b", "C8.1"), "in part")
    monkeypatch.setattr(conversation, "SENTENCES", (said,))
    judged = {"C9": findings(C9_1a="holds refused holds refuted", C9_1b="refuted")}
    ((_, _, _, out),) = conversation.rows(judged)
    assert out == "C9.1a holds in 2 of 3 cases, else refuted; C9.1b refuted; C8.1 not judged; in part"
