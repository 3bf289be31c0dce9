"""Figures: artists hold the table's numbers, files have the same bytes twice, and what a world lacks drops out."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from figures._data import curve, ends
from figures._words import change, mark, percent, three, title
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from PIL import Image

from experiments import demo as experiment
from figures import animation, demo, forgetting, styles, support, waterfall
from figures.__main__ import TABLES, draw_all, main
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
    assert sft.containers[3].patches[0].get_y() + heights[3] == pytest.approx(final[0])
    assert heights[4] == pytest.approx(final[0])
    bar = sft.containers[-1].lines[2][0].get_segments()[1]
    assert bar[:, 1] == pytest.approx(final)
    assert [bar.get_height() for bar in control.patches][1:3] == [0.0, 0.0]


def test_replay_has_a_step_to_its_own_optimum() -> None:
    tables = tables_of(replay=True)
    metrics, changes = tables["metrics"], waterfall.steps(tables, "sft", "S(x)")
    entropy = {of: ends(metrics, "truth", "entropy", of, "S(x)")[0] for of in ("S", "q*")}
    assert list(changes) == ["conditioning", "narrowing", "objective", "learning"]
    assert changes["objective"] == pytest.approx((entropy["q*"] - entropy["S"],) * 2)
    final = ends(metrics, "sft", "entropy", "q", "S(x)")
    assert changes["learning"] == pytest.approx(tuple(end - entropy["q*"] for end in final))
    sft, control = waterfall.draw(tables).axes
    assert "H(q^*)" in sft.get_xticklabels()[3].get_text()
    assert len(sft.get_xticks()) == len(control.get_xticks()) + 1
    assert sft.get_title(loc="left") == "replay on style “poetic”"


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
    wanted = support.support(tables["metrics"], "sft", 12, "q", "P(x)").filter(pl.col("lower") > 0.0)
    assert lines["$q$ (after SFT)"].get_ydata() == pytest.approx(wanted["lower"].to_numpy())
    band = axes.collections[1].get_paths()[0].vertices[:, 1]
    bounded = wanted.filter(pl.col("upper") > pl.col("lower"))
    assert band.max() == pytest.approx(bounded["upper"].to_numpy().max())


def test_style_masses_are_stacked(tables: Tables) -> None:
    drawn = styles.draw(tables)
    assert drawn is not None
    masses = [
        curve(tables["metrics"], "sft", "style_mass", f"q {z}", "P(x)").lower for z in ("plain", "poetic", "terse")
    ]
    assert tops(drawn.axes[0])[:3] == pytest.approx(np.cumsum(masses, axis=0))


def test_ranks_keep_the_mass_of_a_style(tables: Tables) -> None:
    blocks = animation.ranked(tables["documents"], tables["strings"], ["sft", "identity"], ["plain", "poetic", "terse"])
    for block in blocks:
        mass = curve(tables["metrics"], "sft", "style_mass", f"q {block.style}", "P(x)").lower
        assert block.q["sft"].sum(axis=1) == pytest.approx(mass)
        assert block.p.sum() == pytest.approx(
            ends(tables["metrics"], "truth", "style_mass", f"P {block.style}", "P(x)")[0]
        )
        assert (np.diff(block.p) <= 0.0).all()


def test_the_animation_shows_every_evaluation(tables: Tables, tmp_path: Path) -> None:
    assert animation.animate(tables, tmp_path / "a.gif") == len(STEPS)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == len(STEPS)
    bars = animation.draw(tables).axes[0].patches
    block = animation.ranked(tables["documents"], tables["strings"], ["sft"], ["plain"])[0]
    assert bars[0].get_data().values == pytest.approx(block.q["sft"][-1])


def test_support_has_one_prompt_law(tables: Tables) -> None:
    metrics = tables["metrics"].filter(~(pl.col("of").str.starts_with("S") & (pl.col("prompt_law") == "P(x)")))
    (axes,) = support.draw(tables).axes
    assert "P(x)" in axes.get_xlabel()
    (axes,) = support.draw(tables | {"metrics": metrics}).axes
    assert "S(x)" in axes.get_xlabel()
    base = support.support(metrics, "sft", 0, "q", "S(x)").filter(pl.col("lower") > 0.0)
    assert axes.lines[0].get_ydata() == pytest.approx(base["lower"].to_numpy())


def test_the_line_of_p_is_drawn_over_the_bars(tables: Tables, tmp_path: Path) -> None:
    animation.animate(tables, tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as image:
        image.seek(len(STEPS) - 1)
        moved = np.asarray(image.convert("L"), float)
    drawn = animation.draw(tables)
    drawn.canvas.draw()
    still = np.asarray(Image.fromarray(np.asarray(drawn.canvas.buffer_rgba())).convert("L"), float)
    assert np.mean(np.abs(moved - still) > 60.0) < 1e-4


def test_percentages_stand_above_all_lines(tables: Tables) -> None:
    for panel in animation.draw(tables).axes:
        most = max(float(np.max(patch.get_data().values)) for patch in panel.patches)
        bottom, top = np.log10(panel.get_ylim())
        assert (np.log10(most) - bottom) / (top - bottom) <= 0.8 + 1e-9


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1.0, "100 %"),
        (0.99999, "> 99.99 %"),
        (0.9997, "99.97 %"),
        (0.9984, "99.8 %"),
        (0.224, "22 %"),
        (0.0005, "0.05 %"),
        (8e-11, "< 0.0001 %"),
        (0.0, "0 %"),
    ],
)
def test_percentages(share: float, text: str) -> None:
    assert percent(share) == text


def test_numbers_keep_three_digits() -> None:
    assert [three(value) for value in (0.00453, 8.2762, 11.6012, 104.2, 3e-6, 0.0)] == [
        "0.00453", "8.28", "11.6", "104", "< 0.0001", "0"
    ]  # fmt: skip
    assert [change(*ends) for ends in ((0.0228, 0.0655), (-2.138, -2.138), (0.0, 0.0), (3e-4, 3e-4))] == [
        "+0.02 to\n+0.07", "−2.14", "0", "+0.0003"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("restriction", "text"),
    [
        ("style poetic", "SFT on style “poetic”"),
        ("style poetic, prompts keep P(x)", "SFT on style poetic"),
        ("mixture of styles plain 0.5, poetic 0.5", "SFT on plain 0.5, poetic 0.5"),
        ('documents that match "sun .*"', "SFT on documents “sun .*”"),
        ("random event like style poetic (style_blind), seed 1", "SFT on random event like “poetic”"),
        ("everything (S = P)", "SFT on everything (S = P)"),
        ("something of which there is far too much to say", "SFT on S"),
    ],
)
def test_titles_name_the_data(tables: Tables, restriction: str, text: str) -> None:
    run = tables["run"].with_columns(restriction=pl.lit(restriction))
    assert title(tables | {"run": run}, "sft") == text


def test_a_run_that_is_not_valid_is_marked() -> None:
    tables = tables_of(valid=False)
    said = "NOT VALID: KL(P‖q₀) = 0.0456 > 0.02 nat"
    assert animation.draw(tables).get_suptitle() == said
    drawn = waterfall.draw(tables)
    mark(drawn, tables)
    assert drawn.get_suptitle() == said


def test_a_valid_run_is_not_marked(tables: Tables) -> None:
    assert animation.draw(tables).get_suptitle() == ""


@pytest.mark.filterwarnings("error")
def test_a_language_of_one_string(tmp_path: Path) -> None:
    tables = tables_of(single=True, styles=False)
    assert draw_all(demo, tables, tmp_path)
    assert waterfall.draw(tables).axes[0].get_ylim()[0] == 0.0


def test_without_prompts_documents_are_strings() -> None:
    tables = tables_of(prompts=False, styles=False)
    run = tables["run"].with_columns(restriction=pl.lit('documents that match "a .*"'))
    assert title(tables | {"run": run}, "sft") == "SFT on strings “a .*”"


@pytest.mark.parametrize(("prompts", "word"), [(True, "answers"), (False, "strings")])
def test_a_world_is_called_what_it_is(prompts: bool, word: str) -> None:
    tables = tables_of(prompts=prompts, styles=False)
    assert waterfall.draw(tables).axes[0].get_ylabel().startswith(f"entropy of {word}")
    (axes, _) = animation.draw(tables).axes
    assert axes.get_xlabel().startswith(f"{word} of each group, most likely under P first")
    assert ("averaged over prompts" in axes.get_xlabel()) == prompts


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
