"""Figures of one run: artists hold the table's numbers, and what a world lacks drops out."""

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from PIL import Image

from figures import bars, moving
from figures.curves import curve, ends, styles
from figures.demo import animation, answers, forgetting, support, waterfall
from figures.demo import styles as style_masses
from figures.style import styled
from figures.words import change, mark, percent, plain, three, title
from sim.config import members
from tests.unit.figures.tiny_runs import STEPS, run

Tables = dict[str, pl.DataFrame]

NAMES = [name for name in members("figure") if name.startswith("demo/")]


@functools.cache
def tables_of(**chosen: bool) -> Tables:
    return members("experiment")["demo"].load().analyse(run(**chosen))


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


def said(axes: Axes) -> set[str]:
    """What is written in a panel and beside it."""
    return {text.get_text() for text in axes.texts}


# -- values -----------------------------------------------------------------------------------------------------------


def test_waterfall_bars_are_the_rows_of_the_table(tables: Tables) -> None:
    metrics = tables["metrics"]
    sft, control = waterfall.draw(tables).axes
    widths = [bar.get_width() for bar in sft.patches]
    parts = [
        ends(metrics, "sft", f"waterfall_{part}", law="S(x)") for part in ("conditioning", "narrowing", "learning")
    ]
    final = ends(metrics, "sft", "entropy", "q", "S(x)")
    assert widths[0] == ends(metrics, "truth", "entropy", "P", "S(x)")[0]
    assert widths[1:4] == [-upper for _, upper in parts]
    assert sft.patches[3].get_x() + widths[3] == pytest.approx(final[0])
    assert widths[4] == pytest.approx(final[0])
    assert [bar.get_width() for bar in control.patches][1:3] == [0.0, 0.0]


def test_waterfall_draws_certified_bounds_from_end_to_end(tables: Tables) -> None:
    (sft, _) = waterfall.draw(tables).axes
    lower, upper = ends(tables["metrics"], "sft", "entropy", "q", "S(x)")
    assert upper > lower
    bars = sft.containers[-1].lines[2][0].get_segments()
    assert [sorted(bar[:, 0]) for bar in bars] == [pytest.approx([lower, upper])] * 2
    assert f"{lower:.2f} to {upper:.2f}" in said(sft)


def test_replay_has_a_step_to_its_own_optimum() -> None:
    tables = tables_of(replay=True)
    metrics, changes = tables["metrics"], waterfall.steps(tables, "sft", "S(x)")
    entropy = {of: ends(metrics, "truth", "entropy", of, "S(x)")[0] for of in ("S", "q*")}
    assert list(changes) == ["conditioning", "narrowing", "objective", "learning"]
    assert changes["objective"] == pytest.approx((entropy["q*"] - entropy["S"],) * 2)
    final = ends(metrics, "sft", "entropy", "q", "S(x)")
    assert changes["learning"] == pytest.approx(tuple(end - entropy["q*"] for end in final))
    sft, control = waterfall.draw(tables).axes
    assert "H(q^*)" in sft.get_yticklabels()[3].get_text()
    assert control.patches[3].get_width() == 0.0
    assert sft.get_title(loc="left") == "replay, λ = 0.1 on style poetic"


def test_forgetting_is_stacked_exactly(tables: Tables) -> None:
    drawn = forgetting.draw(tables)
    for axes, phase in zip(drawn.axes, ("sft", "identity"), strict=False):
        assert tops(axes)[-1] == pytest.approx(curve(tables["metrics"], phase, "kl", "P||q").lower)
        assert tops(axes)[0] == pytest.approx(curve(tables["metrics"], phase, "gate").lower)
        parts = {part: float(curve(tables["metrics"], phase, part).lower[-1]) for part in ("gate", "kept", "erasure")}
        assert {f"{part} {three(value)}" for part, value in parts.items()} <= said(axes)
        assert f"{three(sum(parts.values()))} nat at the end" in said(axes)


def test_fit_and_mass_off_the_kept_part_are_those_of_the_table(tables: Tables) -> None:
    metrics = tables["metrics"]
    _, _, fit, mass = forgetting.draw(tables).axes
    for line, phase in zip(fit.lines, ("sft", "identity"), strict=False):
        assert line.get_ydata() == pytest.approx(curve(metrics, phase, "kl", "S||q").lower)
    assert fit.lines[-1].get_ydata()[0] == ends(metrics, "truth", "shift_total", "S||P")[0]
    kept, off, *_ = mass.lines
    assert kept.get_ydata() == pytest.approx(1.0 - curve(metrics, "sft", "event_mass", "q(A)").lower)
    assert off.get_ydata() == pytest.approx(curve(metrics, "sft", "outside_p").lower)
    assert said(mass) == {"SFT", "SFT, off P", "control", "$P$"}


def test_support_draws_both_ends(tables: Tables) -> None:
    (axes,) = support.draw(tables).axes
    assert said(axes) == {"$P$", "$S$", "$q_0$ (before)", "$q$ (after SFT)", "control"}
    q = axes.lines[1]
    wanted = support.support(tables["metrics"], "sft", 12, "q", "P(x)").filter(pl.col("lower") > 0.0)
    assert q.get_ydata() == pytest.approx(wanted["lower"].to_numpy())
    band = axes.collections[1].get_paths()[0].vertices[:, 1]
    bounded = wanted.filter(pl.col("upper") > pl.col("lower"))
    assert band.max() == pytest.approx(bounded["upper"].to_numpy().max())


def test_support_has_one_prompt_law(tables: Tables) -> None:
    metrics = tables["metrics"].filter(~(pl.col("of").str.starts_with("S") & (pl.col("prompt_law") == "P(x)")))
    (axes,) = support.draw(tables).axes
    assert "P(x)" in axes.get_xlabel()
    (axes,) = support.draw(tables | {"metrics": metrics}).axes
    assert "S(x)" in axes.get_xlabel()
    base = support.support(metrics, "sft", 0, "q", "S(x)").filter(pl.col("lower") > 0.0)
    assert axes.lines[0].get_ydata() == pytest.approx(base["lower"].to_numpy())


def test_style_masses_are_stacked(tables: Tables) -> None:
    drawn = style_masses.draw(tables)
    assert drawn is not None
    names = ("plain", "poetic", "terse")
    masses = [curve(tables["metrics"], "sft", "style_mass", "q", "P(x)", at=name).lower for name in names]
    assert tops(drawn.axes[0])[:3] == pytest.approx(np.cumsum(masses, axis=0))
    for name, mass in zip(names, masses, strict=True):  # every style is named and its last mass is said
        assert {name, f"{percent(mass[-1])} {name}"} & said(drawn.axes[0])
        assert {percent(mass[-1]), f"{percent(mass[-1])} {name}"} & said(drawn.axes[0])


def test_a_style_that_has_no_room_in_its_band_is_named_beside_it() -> None:
    names = said(style_masses.draw(tables_of()).axes[0])
    assert "poetic" in names
    assert any(text.endswith("% terse") for text in names)


# -- the animation ----------------------------------------------------------------------------------------------------


def test_ranks_keep_the_mass_of_a_style(tables: Tables) -> None:
    metrics = tables["metrics"]
    blocks = bars.ranked(tables["documents"], tables["strings"], ["sft", "identity"], styles(metrics))
    assert len(blocks) == 3
    for block in blocks:
        mass = curve(metrics, "sft", "style_mass", "q", "P(x)", block.style)
        assert block.q["sft"].sum(axis=1) == pytest.approx(mass.lower)
        truth = curve(metrics, "truth", "style_mass", "P", "P(x)", block.style)
        assert block.p.sum() == pytest.approx(truth.lower[0])
        assert (np.diff(block.p) <= 0.0).all()


def test_the_animation_shows_every_evaluation(tables: Tables, tmp_path: Path) -> None:
    assert animation.animate(tables, tmp_path / "a.gif") == len(STEPS)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == len(STEPS)
        assert image.width * 9 == pytest.approx(image.height * 16, abs=16)
    patches = animation.draw(tables).axes[0].patches
    block = bars.ranked(tables["documents"], tables["strings"], ["sft"], ["plain"])[0]
    assert patches[0].get_data().values == pytest.approx(block.q["sft"][-1])


def test_the_last_frame_is_the_figure(tables: Tables, tmp_path: Path) -> None:
    """What moves is drawn over what stands still, as it is where all is drawn at once: the line of P over the bars."""
    animation.animate(tables, tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as image:
        image.seek(len(STEPS) - 1)
        moved = np.asarray(image.convert("L"), float)
    with styled("slide"):
        drawn = animation.draw(tables)
        drawn.set_dpi(moving.DPI)
        drawn.canvas.draw()
    still = np.asarray(Image.fromarray(np.asarray(drawn.canvas.buffer_rgba())).convert("L"), float)
    assert moved.shape == still.shape
    assert np.mean(np.abs(moved - still) > 60.0) < 1e-3


def test_percentages_stand_above_all_lines(tables: Tables) -> None:
    for panel in animation.draw(tables).axes:
        most = max(float(np.max(patch.get_data().values)) for patch in panel.patches)
        bottom, top = np.log10(panel.get_ylim())
        assert (np.log10(most) - bottom) / (top - bottom) <= bars.FILLED + 1e-9


# -- words ------------------------------------------------------------------------------------------------------------


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
        "+0.02 to +0.07", "−2.14", "0", "+0.0003"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("restriction", "text"),
    [
        ("style poetic", "SFT on style poetic"),
        ("random 50 % of the strings", "SFT on random 50 % of the strings"),
        ("P itself", "SFT on P itself"),
        ("strings that match “a$ b$”", r"SFT on strings that match “a\$ b\$”"),
        ("something of which there is far too much to say", "SFT on S"),
    ],
)
def test_titles_name_the_data(tables: Tables, restriction: str, text: str) -> None:
    run = tables["run"].with_columns(restriction=pl.lit(restriction))
    assert title(tables | {"run": run}, "sft") == text
    drawn = waterfall.draw(tables | {"run": run})
    drawn.draw_without_rendering()
    assert " ".join(drawn.axes[0].get_title(loc="left").split()) == text


def test_controls_are_told_apart_where_there_are_several(tables: Tables) -> None:
    assert title(tables, "identity") == "Control: SFT on P"
    two = tables_of(carried=True)
    assert [title(two, phase) for phase in ("identity", "carried")] == [
        "Control (identity): SFT on P", "Control (carried): SFT on P"
    ]  # fmt: skip


def test_a_dollar_is_no_formula() -> None:
    assert plain("a$b$") == r"a\$b\$"


@pytest.mark.parametrize(("prompts", "word"), [(True, "answers"), (False, "strings")])
def test_a_world_is_called_what_it_is(prompts: bool, word: str) -> None:
    tables = tables_of(prompts=prompts, styles=False)
    assert waterfall.draw(tables).axes[0].get_xlabel().startswith(f"entropy of {word}")
    (axes, _) = animation.draw(tables).axes
    assert axes.get_xlabel().startswith(f"{word} of each group by rank under P")
    assert ("mean over prompts" in axes.get_xlabel()) == prompts


# -- worlds and runs that lack something ------------------------------------------------------------------------------


def test_a_run_that_is_not_valid_is_marked() -> None:
    tables = tables_of(valid=False)
    mark_said = "NOT VALID: KL(P‖q₀) = 0.0456 > 0.02 nat"
    assert animation.draw(tables).get_suptitle() == mark_said  # in every frame
    drawn = waterfall.draw(tables)
    mark(drawn, tables)
    assert drawn.get_suptitle() == mark_said


def test_a_valid_run_is_not_marked(tables: Tables) -> None:
    drawn = animation.draw(tables)
    mark(drawn, tables)
    assert drawn.get_suptitle() == ""


@pytest.mark.parametrize("prompts", [True, False])
def test_a_world_without_styles(prompts: bool) -> None:
    tables = tables_of(prompts=prompts, styles=False)
    drawn = {name: members("figure")[name].load().draw(tables) for name in NAMES}
    assert [name for name, figure in drawn.items() if figure is None] == ["demo/styles"]
    groups = [tick.get_text() for tick in drawn["demo/animation"].axes[0].get_xticklabels()]
    assert groups == ["kept by S", "left out by S"]


@pytest.mark.filterwarnings("error")
def test_a_language_of_one_string(tmp_path: Path) -> None:
    tables = tables_of(single=True, styles=False)
    for name in NAMES:
        if (drawn := members("figure")[name].load().draw(tables)) is not None:
            drawn.draw_without_rendering()
    low, high = waterfall.draw(tables).axes[0].get_xlim()
    assert low == 0.0 < high
    assert animation.animate(tables, tmp_path / "a.gif") == len(STEPS)


def test_a_run_without_control(tmp_path: Path) -> None:
    tables = tables_of(control=False)
    assert len(waterfall.draw(tables).axes) == 1
    assert [axes.get_visible() for axes in forgetting.draw(tables).axes] == [True, False, True, True]
    assert animation.animate(tables, tmp_path / "a.gif") == len(STEPS)


# -- answers in words -------------------------------------------------------------------------------------------------


def test_answers_are_the_rows_of_the_table(tables: Tables) -> None:
    drawn = answers.draw(tables)
    shown = [part for _, part in tables["examples"].group_by("prompt", maintain_order=True)][: answers.NUM_PROMPTS]
    assert len(drawn.axes) == len(shown) > 0
    for axes, part in zip(drawn.axes, shown, strict=True):
        assert axes.get_title(loc="left") == plain(part["prompt"][0])
        widths = [[bar.get_width() for bar in bars] for bars in axes.containers]
        assert widths == [part["q₀"].to_list(), part["q"].to_list()]
        words = [tick.get_text() for tick in axes.get_yticklabels()]
        assert words == [f"{plain(a)}  ({z})" for a, z in zip(part["answer"], part["style"], strict=True)]


def test_long_answers_are_shortened_by_their_width(tables: Tables) -> None:
    long = tables["examples"].with_columns(answer=pl.lit("月" * 40), style=pl.lit(""))
    axes = answers.draw({**tables, "examples": long}).axes[0]
    assert {tick.get_text() for tick in axes.get_yticklabels()} == {"月" * 16 + "…"}
