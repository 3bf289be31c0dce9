"""The rule that turns findings into what becomes of a sentence."""

from typing import Any

import polars as pl
import pytest

from experiments.standing import RULE, evidence, standing


def finding(name: str, verdict: str, says: str = "silent", **given: Any) -> dict[str, Any]:
    usual = {"kind": "sign", "case": "", "instrument": False, "null": False, "condition": ""}
    certain = {"p_holds": None, "p_refuted": None}
    return {"prediction": name, "verdict": verdict, "says": says, **usual, **certain, **given}


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema_overrides={"p_holds": pl.Float64, "p_refuted": pl.Float64})


def stands(*rows: dict[str, Any], condition: str = "it rains") -> tuple[str, str]:
    return standing(frame(list(rows)), condition)


CONTROL = finding("C.0", "holds", null=True)


def met(verdict: str, **given: Any) -> dict[str, Any]:
    return finding("C.1", verdict, "same", condition="met", **given)


def unmet(verdict: str, **given: Any) -> dict[str, Any]:
    return finding("C.2", verdict, "opposite", condition="not met", **given)


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([finding("C.1", "holds", "same")], "supported"),
        ([finding("C.1", "refuted", "same")], "refuted"),
        ([finding("C.1", "undecided", "same")], "undecided"),
        ([finding("C.1", "holds", "opposite")], "refuted"),
        ([finding("C.1", "refuted", "opposite")], "supported"),
        ([finding("C.1", "holds", "same"), finding("C.2", "holds", "opposite")], "refuted"),
        ([finding("C.1", "holds", "same"), finding("C.2", "undecided", "opposite")], "undecided"),
        ([finding("C.1", "holds", "same"), finding("C.2", "refuted")], "supported"),
        ([finding("C.1", "holds", "same"), finding("C.2", "refuted", "same", instrument=True)], "supported"),
        ([finding("C.1", "holds", "same"), finding("C.2", "reported", "same", kind="report")], "supported"),
        ([finding("C.1", "holds")], "undecided"),
    ],
)
def test_what_becomes_of_a_sentence_without_a_condition(rows, wanted):
    found, reason = stands(CONTROL, *rows)
    assert found == wanted
    assert reason


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([met("holds"), unmet("holds")], "holds only if"),
        ([met("holds"), unmet("refuted")], "supported"),
        ([met("refuted"), unmet("holds")], "refuted"),
        ([met("holds"), unmet("undecided")], "undecided"),
        ([met("undecided"), unmet("holds")], "undecided"),
        ([met("not valid"), unmet("holds")], "undecided"),
        ([met("holds"), unmet("holds"), finding("C.3", "holds", "opposite")], "refuted"),
        ([met("holds"), unmet("holds"), finding("C.3", "holds", "same")], "holds only if"),
    ],
)
def test_what_becomes_of_a_sentence_with_a_condition(rows, wanted):
    found, reason = stands(CONTROL, *rows)
    assert found == wanted
    assert wanted != "holds only if" or reason == "it rains: right where it is met (C.1), wrong where it is not (C.2)"


def test_one_refuted_case_refutes_and_one_that_is_denied_has_to_hold_everywhere():
    one, other = (finding("C.1", verdict, "same", case=verdict) for verdict in ("holds", "refuted"))
    assert stands(CONTROL, one, other)[0] == "refuted"
    one, other = (finding("C.1", verdict, "opposite", case=verdict) for verdict in ("holds", "refuted"))
    assert stands(CONTROL, one, other)[0] == "supported"
    assert stands(CONTROL, one, finding("C.1", "undecided", "opposite", case="x"))[0] == "undecided"


def test_controls_come_first():
    same = finding("C.1", "holds", "same")
    assert stands(finding("C.0", "refuted", null=True), same)[0] == "not valid"
    assert stands(finding("C.0", "not valid", null=True), same)[0] == "not valid"
    assert stands(finding("C.0", "undecided", null=True), same) == ("undecided", "open: C.0")
    assert stands(finding("C.0", "undecided", null=True), finding("C.1", "refuted", "same"))[0] == "refuted"


@pytest.mark.parametrize(
    "rows",
    [
        [finding("C.1", "holds", "same")], [finding("C.1", "refuted", "same")], [finding("C.1", "holds", "opposite")],
        [met("holds"), unmet("holds")], [finding("C.1", "not valid", "same")], [finding("C.1", "holds")],
    ],
)  # fmt: skip
def test_what_is_refused_counts_for_nothing(rows):
    """Beside every finding a case of the same prediction that is refused; and the control has one."""
    more = [{**one, "verdict": "refused", "case": "of another language"} for one in (CONTROL, *rows)]
    assert stands(CONTROL, *rows, *more) == stands(CONTROL, *rows)
    assert evidence(frame([*rows, *more])) == evidence(frame(rows))


def test_holm_takes_back_a_refutation_that_many_cases_make_likely_by_chance():
    cases = [finding("C.1", "holds", "same", case=str(at), p_refuted=1.0) for at in range(9)]
    weak, strong = (finding("C.1", "refuted", "same", case="x", p_refuted=p) for p in (0.03, 0.004))
    assert stands(CONTROL, weak)[0] == "refuted"
    assert stands(CONTROL, *cases, weak) == ("undecided", "open: C.1")
    assert stands(CONTROL, *cases, strong)[0] == "refuted"
    denied = finding("C.2", "holds", "opposite", p_holds=0.03)
    assert stands(CONTROL, denied)[0] == "refuted"
    assert stands(CONTROL, *cases, denied)[0] == "undecided"


def test_the_rule_is_said_in_words():
    for word in ("Refuted", "Supported", "only under a condition", "Not valid", "undecided", "Holm", "refused"):
        assert word in RULE
