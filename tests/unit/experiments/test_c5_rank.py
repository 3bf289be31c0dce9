"""C5.1, C5.2, C5.3: every judged prediction holds in worlds made so, and is refuted in worlds made otherwise."""

import math

import numpy as np
import polars as pl
import pytest

from experiments.c5_rank import CLAIM, ranks, spectra, spectra_cases
from experiments.c5_rank.paths import at_fit
from tests.unit.experiments.rank_tables import edits, ends, frames, updates

JUDGED = [one for topic in (spectra, ranks) for one in topic.PREDICTIONS if one.kind != "report"]


def verdicts(identifier: str, tables: dict[str, pl.DataFrame]) -> dict[str, str]:
    return {one.case: one.verdict for one in CLAIM.prediction(identifier).judge(tables)}


@pytest.mark.parametrize("one", JUDGED, ids=lambda one: one.identifier)
def test_it_holds_where_the_world_is_made_so(one) -> None:
    found = verdicts(one.identifier, frames())
    assert set(found.values()) == {"holds"}
    wanted = {"C5.1a": 2, "C5.1b": 2, "C5.3a": 2, "C5.3b": 2, "C5.2a": 3, "C5.2d": 2, "C5.2h": 3}
    assert len(found) == wanted.get(one.identifier, 1)


@pytest.mark.parametrize(
    ("identifier", "own"),
    [
        ("C5.1a", {"spectra_updates": updates(sft_exact=6.0)}),
        ("C5.1a", {"spectra_updates": updates(identity_exact=3.0, identity_sampled=3.0)}),
        ("C5.1b", {"spectra_updates": updates(random_update_exact=2.0)}),
        ("C5.3a", {"spectra_edits": edits(cut=3.0)}),
        ("C5.3b", {"spectra_edits": edits(gate=0.5)}),
        ("C5.3c", {"spectra_edits": edits(hard=4.2)}),
        ("C5.2a", {"ranks_ends": ends(others=0.5)}),
        ("C5.2b", {"ranks_ends": ends(e=(1.9, 0.8, 0.3))}),
        ("C5.2d", {"ranks_ends": ends(calm=(0.4, 0.4, 0.05))}),
        ("C5.2h", {"ranks_ends": ends().with_columns(e_control=0.2 + 0.001 * pl.col("seed"))}),
    ],
)
def test_it_is_refuted_where_the_world_is_made_otherwise(identifier: str, own: dict[str, pl.DataFrame]) -> None:
    assert "refuted" in verdicts(identifier, frames(**own)).values()


def test_reports_have_a_number_for_every_case() -> None:
    found = {
        one.identifier: one.judge(frames())
        for topic in (spectra, ranks)
        for one in topic.PREDICTIONS
        if one.kind == "report"
    }
    assert all({case.verdict for case in cases} == {"reported"} for cases in found.values())
    assert {name: len(cases) for name, cases in found.items()} == {
        "C5.1c": 6, "C5.3d": 14, "C5.5a": 24, "C5.5b": 12, "C5.5c": 16, "C5.2c": 6, "C5.2e": 12, "C5.2f": 6, "C5.2g": 3,
    }  # fmt: skip


def test_runs_that_do_not_fit_or_are_not_valid_do_not_count() -> None:
    loose = frames(spectra_edits=edits(fit=0.5), ranks_ends=ends(fit=0.5))
    for identifier in ("C5.1a", "C5.3a", "C5.3c", "C5.2b", "C5.2d"):
        assert set(verdicts(identifier, loose).values()) == {"not valid"}, identifier
    invalid = {name: frame.with_columns(valid=False) for name, frame in frames().items()}
    for one in JUDGED:
        assert set(verdicts(one.identifier, invalid).values()) == {"not valid"}, one.identifier


def test_tables_without_a_run_are_empty_and_judge_nothing() -> None:
    nothing = {name: pl.DataFrame() for name in frames()}
    for topic in (spectra, ranks):
        for one in topic.PREDICTIONS:
            assert [case.verdict for case in one.judge(nothing)] == ["not valid"], one.identifier


def test_a_number_at_equal_fit_is_read_on_a_line_over_log_fit() -> None:
    fit, e = np.array([1.0, 0.1, 0.001]), np.array([0.0, 2.0, 6.0])
    found = at_fit(fit, e, 0.01)
    assert found is not None
    assert (found.interpolated, found.stopped, found.place) == (pytest.approx(4.0), 6.0, 2)
    assert at_fit(fit, e, 0.1).interpolated == pytest.approx(2.0)
    assert at_fit(fit, e, 1e-4) is None, "the level is never reached"
    assert at_fit(fit, e, 2.0) is None, "the path begins below it"
    with pytest.raises(ValueError, match="values: one for each of 3 fits is required, found 2"):
        at_fit(fit, e[:2], 0.01)
    with pytest.raises(ValueError, match=r"fit: numbers above 0 are required, found 0\.0"):
        at_fit(fit * 0.0, e, 0.01)


def test_an_edit_is_compared_with_interpolated_weights_that_fit_as_well() -> None:
    found = spectra_cases.at_equal_fit(edits(path=2.0).filter(seed=0, targets="sampled"))
    one = found.filter(phase="truncate_1").row(0, named=True)
    assert one["e_path"] == pytest.approx(2.0 * math.log(1.4 / 0.2) / 4, rel=1e-9), "E is linear in −log fit there"
    assert one["lost_path"] == pytest.approx(0.75 * math.exp(-5 * math.log(1.4 / 0.2) / 4), rel=1e-9)
    beyond = edits(fit=0.05).with_columns(fit=pl.when(pl.col("phase") == "truncate_16").then(0.001).otherwise("fit"))
    assert spectra_cases.at_equal_fit(beyond).filter(phase="truncate_16")["e_path"].null_count() == 24
