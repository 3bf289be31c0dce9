"""A claim that is written wrongly is refused in one line: its file, the field, what is required, the value, the fix."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from experiments import __main__ as command
from experiments.predictions import Case, Claim, Need, Prediction, Tables
from experiments.study import Study, judge
from sim.config.discovery import Member, members
from sim.numerics import SpecificationError
from tests.unit.experiments.tiny_studies import archived, study, variant

FILE = str(members("experiment")["c1_entropy"].file)
"""The claims of these tests are written in the file of C1, so that they have figures and a digest."""


def tables(study: Study) -> Tables:
    return {"runs": study.runs.select("run", "seed", "valid")}


def measured(*cases: Case) -> Any:
    def measure(tables: Tables) -> Iterator[Case]:
        yield from cases

    return measure


def claim(
    cases: tuple[Case, ...] = (), needs: tuple[str, ...] = (), make: Any = tables, **changed: Any,
) -> Claim:  # fmt: skip
    said = {"kind": "sign", "predicted": "above 0", "rule": "x", "control": "none", "worlds": 2, **changed}
    one = Prediction("C9.1", "A statement.", measure=measured(*cases), **said)
    return Claim("C9", FILE, "A title", "A sentence.", "A rule.", (one,), (Need(needs),), make)


def line(refused: pytest.ExceptionInfo[SpecificationError]) -> str:
    assert "\n" not in str(refused.value)
    return str(refused.value)


# -- what is announced ------------------------------------------------------------------------------------------------

KINDS = "sign, equality, bound, slope, exponent, ordering, report"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"kind": "sgin"}, f"kind: one of {KINDS} is required, found 'sgin' (did you mean 'sign'?)"),
        (
            {"condition": "met"},
            "condition: a claim with a condition is required, found 'met'; write Claim(condition=...)",
        ),
        ({"condition": "mett"}, "condition: one of '', met, not met is required, found 'mett' (did you mean 'met'?)"),
        ({"says": "sam"}, "says: one of same, opposite, silent is required, found 'sam' (did you mean 'same'?)"),
        (
            {"kind": "equality", "value": 0.0},
            "margin: a positive number is required for the kind equality, found None; write margin=...",
        ),
        (
            {"kind": "slope", "value": 1.0, "margin": 0.0},
            "margin: a positive number is required for the kind slope, found 0.0; write margin=...",
        ),
        (
            {"kind": "bound", "margin": -0.1},
            "margin: a number of at least 0 is required for the kind bound, found -0.1; write margin=...",
        ),
        (
            {"figure": "entropi"},
            "figure: one of entropy, noise, positions, subsets, waterfall, files in figures/c1_entropy, is required, "
            "found 'entropi' (did you mean 'entropy'?)",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_prediction_with_a_mistake_is_refused_when_the_claim_is_made(changed, said):
    with pytest.raises(SpecificationError) as refused:
        claim(**changed)
    assert line(refused) == f"{FILE}: C9.1: {said}"


def test_predictions_without_a_mistake_are_not_refused():
    claim(figure="entropy", says="opposite")
    claim(kind="bound", margin=0.0)
    claim(kind="ordering")
    claim(kind="equality", margin=0.1)


# -- what is measured -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("predicted", "own", "fix"),
    [
        ("< 0", None, "found None, with which the prediction holds above 0; write predicted=-1"),
        ("below 0", 0.3, "found 0.3, with which the prediction holds above 0; write predicted=-1"),
        ("> 0", -0.3, "found -0.3, with which the prediction holds below 0; write predicted=1"),
    ],
)
def test_a_sign_is_tested_on_the_side_that_the_words_name(predicted, own, fix):
    case = Case.exact("exact targets", np.array([-1.0, -1.1]), predicted=own)
    with pytest.raises(SpecificationError) as refused:
        claim((case,), predicted=predicted).judge({})
    said = f"predicted: a number in the Case with the sign of {predicted!r} is required"
    assert line(refused) == f"{FILE}: C9.1: case 'exact targets': {said}, {fix}"


@pytest.mark.parametrize(
    ("predicted", "own", "verdict"),
    [("< 0", -1.0, "holds"), ("above 0", None, "refuted"), ("H(S) − H(P)", -0.2, "holds"), ("R² > 0", 1.0, "refuted")],
)
def test_a_sign_that_fits_its_words_is_judged(predicted, own, verdict):
    case = Case.exact("", np.array([-1.0, -1.1, -1.05]), predicted=own)
    (found,) = claim((case,), predicted=predicted).judge({})
    assert found.verdict == verdict


@pytest.mark.parametrize("kind", ["equality", "slope", "exponent"])
def test_a_value_that_nobody_predicts_is_refused(kind):
    with pytest.raises(SpecificationError) as refused:
        claim((Case.exact("all", np.ones(3)),), kind=kind, margin=0.1).judge({})
    assert line(refused).startswith(f"{FILE}: C9.1: case 'all': value: a number is required for the kind {kind}, found")


def test_a_number_that_is_not_there_is_refused_with_its_case():
    def missing(tables: Tables) -> Iterator[Case]:
        yield Case.exact("sampled targets", pl.Series([0.5, None]).to_numpy())

    one = claim()
    object.__setattr__(one.predictions[0], "measure", missing)
    with pytest.raises(SpecificationError) as refused:
        one.judge({})
    said = "case 'sampled targets': two numbers for every seed are required, found nan in 1 of 2"
    assert line(refused).startswith(f"{FILE}: C9.1: {said}; a number that a table lacks is nan: `needs` must have")
    with pytest.raises(SpecificationError, match=r"found the shapes \(2,\) and \(3,\)"):
        Case("x", np.zeros(2), np.zeros(3))


def test_values_without_an_interval_are_refused_with_their_case():
    with pytest.raises(SpecificationError, match=rf"^{FILE}: C9.1: case 'x': interval: finite values"):
        claim((Case.exact("x", np.array([1.0, np.inf])),)).judge({})


# -- what is judged ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return study(tmp_path_factory.mktemp("c1_entropy"), [variant(archived(), 1)])


def picking(metric: str) -> Any:
    def make(study: Study) -> Tables:
        return {"runs": study.beside(tables(study)["runs"], x=study.pick(metric, "q", "P(x)", "sft"))}

    return make


def without(*names: str) -> Any:
    return lambda study: {"runs": tables(study)["runs"].drop(names)}


WRONG = {
    "unknown metric": (
        {"needs": ("entropi",)},
        "needs: the name of a metric is required, found 'entropi' (did you mean 'entropy'?); python -m sim.rows",
    ),
    "metric not needed": (
        {"needs": ("entropy",), "make": picking("kl")},
        "needs: every metric that is picked is required, found no 'kl'; add it",
    ),
    "metric misspelt": (
        {"needs": ("entropy",), "make": picking("entropi")},
        "needs: every metric that is picked is required, found no 'entropi' (did you mean 'entropy'?)",
    ),
    "other tables": (
        {"make": lambda study: {"run": study.runs, "cells": study.runs}},
        "tables: a table 'runs' with the columns run, valid, seed is required, found the tables run, cells",
    ),
    "no tables": (
        {"make": lambda study: None},
        "tables: a table 'runs' with the columns run, valid, seed is required, found the tables none",
    ),
    "a column missing": (
        {"make": without("valid")},
        "tables: a table 'runs' with the columns run, valid, seed is required, found the columns run, seed",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_mistake_in_judging_is_one_line_with_the_file_of_the_claim(what, folder):
    changed, said = WRONG[what]
    with pytest.raises(SpecificationError) as refused:
        judge(claim(**changed), folder)
    assert line(refused).startswith(f"{FILE}: {said}")
    assert not (folder / "reports").exists()


def test_a_claim_without_a_mistake_is_judged(folder):
    case = Case.exact("", np.array([1.0, 1.1, 1.05]))
    found = judge(claim((case,), needs=("entropy",), make=picking("entropy")), folder)
    assert (found.findings["verdict"].to_list(), found.standing) == (["holds"], "undecided")


def test_a_part_of_a_study_has_the_same_needs(folder):
    own = Study.of(folder, (Need(("entropy",)),))
    with pytest.raises(SpecificationError, match="found no 'kl'; add it"):
        own.restricted(own.runs).pick("kl", "q")


# -- what is found ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["c9"], ["claims"]], ids=" ".join)
def test_a_file_whose_claim_is_none_is_refused(arguments, monkeypatch, capsys):
    class Written(Member):
        def load(self) -> Any:
            return SimpleNamespace(CLAIM={"title": "x"}, __doc__="C9")

    found = {"c9": Written("experiment", "c9", __name__, Path(__file__))}
    monkeypatch.setattr(command, "members", lambda kind: found)
    assert command.main(arguments) == command.REFUSED
    out, error = capsys.readouterr()
    assert (out, error) == ("", f"{__file__}: CLAIM: a Claim (experiments/predictions.py) is required, found dict\n")
