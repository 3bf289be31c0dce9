"""The report on SFT beside replay: tables of one run each become phases, and runs that do not fit are refused."""

import dataclasses
from pathlib import Path
from unittest import mock

import polars as pl
import pytest

from experiments import collapse
from experiments.predictions import Tables
from figures.collapse import replay
from figures.style import styled
from sim.disk.records import Record
from sim.numerics import SpecificationError
from sim.show.blocks import Table
from tests.unit.figures.tiny_runs import run
from tests.unit.figures.tiny_studies import tables


def analysed(*records: Record) -> Tables:
    """The tables of records as if they lay in a folder; the newest comes last."""
    found = {f"{number}": record for number, record in enumerate(records)}
    places = {"finished": lambda _: [Path(name) for name in found], "read": lambda place: found[place.name]}
    with mock.patch.multiple(collapse, **places):
        return collapse.analyse(Path("there"))


def test_a_phase_is_the_fine_tuning_of_a_run_and_sft_is_first() -> None:
    found = tables("collapse")
    assert found["runs"]["phase"].to_list() == ["SFT", "replay, λ = 0.1"]
    for name in ("metrics", "strings", "phases"):
        assert set(found[name]["phase"]) - {"truth"} == {"SFT", "replay, λ = 0.1"}, name
    alone = members_of(run(control=False))
    both = found["strings"].filter(phase="SFT").drop("phase")
    assert both.equals(alone.filter(phase="sft").drop("phase"))


def members_of(record: Record) -> pl.DataFrame:
    return collapse.strings_table(record)


def test_the_report_holds_the_last_numbers() -> None:
    found = tables("collapse")
    (table,) = [block for block in collapse.report(found) if isinstance(block, Table)]
    assert [row[0] for row in table.rows] == ["SFT", "replay, λ = 0.1"]
    kl = found["metrics"].filter(phase="SFT", metric="kl", of="P||q", view="response", prompt_law="P(x)").sort("step")
    assert table.rows[0][2] == f"{kl['lower'][-1]:.3g}"


def test_runs_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(SpecificationError, match="runs on one language with one restriction are required, found"):
        analysed(run(control=False), run(control=False, prompts=False, styles=False))


def test_runs_with_one_objective_are_told_apart() -> None:
    one = run(control=False)
    found = analysed(one, dataclasses.replace(one, hash="0123456789ab"))
    assert set(found["runs"]["phase"]) == {f"SFT ({one.hash})", "SFT (0123456789ab)"}


def test_every_frame_has_both_notes(tmp_path: Path) -> None:
    found = tables("collapse")
    with styled("slide"):
        drawn = replay.draw(found)
    left, right = (axes.texts[-1].get_text() for axes in drawn.axes)
    assert left.split()[:2] == right.split()[:2]
    assert "KL(P‖q) =" in left
    assert "H(q) =" in right
    assert [axes.get_title(loc="left") for axes in drawn.axes] == ["SFT", "Replay, λ = 0.1"]
    assert drawn.axes[0].get_ylim() == drawn.axes[1].get_ylim()
