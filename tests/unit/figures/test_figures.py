"""Figures: artists hold the table's numbers, files have the same bytes twice, and what a world lacks drops out."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from PIL import Image

from experiments import demo as experiment
from figures import animation, demo, forgetting, styles, support, waterfall
from figures.__main__ import TABLES, draw_all, main
from figures._data import curve, ends
from figures.style import styled
from tests.unit.figures.tiny_runs import STEPS, run

Tables = dict[str, pl.DataFrame]


def tables_of(**chosen: bool) -> Tables:
    tables = experiment.analyse(run(**chosen))
    return {name: tables[name] for name in TABLES}


@pytest.fixture(scope="module")
def tables() -> Tables:
    return tables_of()


@pytest.fixture(autouse=True)
def drawn_in_style() -> Iterator[None]:
    with styled():
        yield


def tops(axes: Axes) -> np.ndarray:
    """Upper ends of the bands of a stack, one row per band, at every step."""
    stacks = [band for band in axes.collections if isinstance(band, PolyCollection)]
    return np.array(
        [[max(y for x, y in band.get_paths()[0].vertices if x == step) for step in STEPS] for band in stacks]
    )


def test_waterfall_bars_are_the_rows_of_the_table(tables: Tables) -> None:
    metrics = tables["metrics"]
    sft, control = waterfall.draw(tables).axes
    heights = [bar.get_height() for bar in sft.patches]
    parts = [
        ends(metrics, "sft", f"waterfall_{part}", law="S(x)") for part in ("conditioning", "narrowing", "learning")
    ]
    final = ends(metrics, "sft", "entropy", "q", "S(x)")
    assert heights[0] == ends(metrics, "truth", "entropy", "P", "S(x)")[0]
    assert heights[1:4] == [-upper for _, upper in parts]
    assert heights[4] == pytest.approx(final[0])
    bar = sft.containers[-1].lines[2][0].get_segments()[1]
    assert bar[:, 1] == pytest.approx(final)
    assert [bar.get_height() for bar in control.patches][1:3] == [0.0, 0.0]


def test_forgetting_is_stacked_exactly(tables: Tables) -> None:
    drawn = forgetting.draw(tables)
    for axes, phase in zip(drawn.axes, ("sft", "identity"), strict=False):
        assert tops(axes)[-1] == pytest.approx(curve(tables["metrics"], phase, "kl", "P||q").lower)
        assert tops(axes)[0] == pytest.approx(curve(tables["metrics"], phase, "gate").lower)
    fit = {line.get_label(): line for line in drawn.axes[2].lines}
    assert fit["SFT"].get_ydata() == pytest.approx(curve(tables["metrics"], "sft", "kl", "S||q").lower)


def test_support_draws_both_ends(tables: Tables) -> None:
    (axes,) = support.draw(tables).axes
    lines = {line.get_label(): line for line in axes.lines}
    assert set(lines) == {"$P$", "$S$", "$q_0$ (base)", "$q$ (after SFT)", "identity control"}
    wanted = support.support(tables["metrics"], "sft", 12, "q").filter(pl.col("lower") > 0.0)
    assert lines["$q$ (after SFT)"].get_ydata() == pytest.approx(wanted["lower"].to_numpy())
    band = axes.collections[3].get_paths()[0].vertices[:, 1]
    bounded = wanted.filter(pl.col("upper") > pl.col("lower"))
    assert band.max() == pytest.approx(bounded["upper"].to_numpy().max())


def test_style_masses_are_stacked(tables: Tables) -> None:
    drawn = styles.draw(tables)
    assert drawn is not None
    masses = [curve(tables["metrics"], "sft", "style_mass", f"q {z}").lower for z in ("plain", "poetic", "terse")]
    assert tops(drawn.axes[0])[:3] == pytest.approx(np.cumsum(masses, axis=0))


def test_ranks_keep_the_mass_of_a_style(tables: Tables) -> None:
    blocks = animation.ranked(tables["documents"], tables["strings"], ["sft", "identity"], ["plain", "poetic", "terse"])
    for block in blocks:
        mass = curve(tables["metrics"], "sft", "style_mass", f"q {block.style}").lower
        assert block.q["sft"].sum(axis=1) == pytest.approx(mass)
        assert block.p.sum() == pytest.approx(ends(tables["metrics"], "truth", "style_mass", f"P {block.style}")[0])
        assert (np.diff(block.p) <= 0.0).all()


def test_the_animation_shows_every_evaluation(tables: Tables, tmp_path: Path) -> None:
    assert animation.animate(tables, tmp_path / "a.gif") == len(STEPS)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == len(STEPS)
    bars = animation.draw(tables).axes[0].patches
    block = animation.ranked(tables["documents"], tables["strings"], ["sft"], ["plain"])[0]
    assert bars[0].get_data().values == pytest.approx(block.q["sft"][-1])


@pytest.fixture(scope="module")
def reports(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the command has drawn the figures of one run."""
    folder = tmp_path_factory.mktemp("toy")
    target = folder / "reports" / "0123456789ab" / "tables"
    target.mkdir(parents=True)
    for name, table in tables.items():
        table.write_parquet(target / f"{name}.parquet")
    assert main(["demo", str(folder)]) == 0
    return folder


def test_same_tables_same_bytes(reports: Path, tables: Tables, tmp_path: Path) -> None:
    files = draw_all(demo, tables, tmp_path)
    assert {file.suffix for file in files} == {".pdf", ".svg", ".png", ".gif"}
    for file in files:
        before = reports / "reports" / "0123456789ab" / "figures" / file.name
        assert hashlib.sha256(file.read_bytes()).digest() == hashlib.sha256(before.read_bytes()).digest(), file.name


def test_an_unknown_run_is_refused(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", str(reports), "--run", "0123"]) == 2
    assert "--run: one of 0123456789ab is required" in capsys.readouterr().err


@pytest.mark.parametrize("prompts", [True, False])
def test_a_world_without_styles(prompts: bool) -> None:
    tables = tables_of(prompts=prompts, styles=False)
    drawn = {name: draw(tables) for name, draw in demo.FIGURES.items()}
    assert [name for name, figure in drawn.items() if figure is None] == ["styles"]
    assert [tick.get_text() for tick in animation.draw(tables).axes[0].get_xticklabels()] == [
        "kept by S",
        "left out by S",
    ]


def test_a_run_without_control(tmp_path: Path) -> None:
    tables = tables_of(control=False)
    assert len(waterfall.draw(tables).axes) == 1
    assert [axes.get_visible() for axes in forgetting.draw(tables).axes] == [True, False, True, True]
    assert animation.animate(tables, tmp_path / "a.gif") == len(STEPS)


@pytest.mark.parametrize(("name", "part"), [("deno", "did you mean 'demo'?"), ("demo", "tables of a run are required")])
def test_mistakes_are_one_line(name: str, part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "nowhere"]) == 2
    error = capsys.readouterr().err
    assert part in error
    assert error.count("\n") == 1
