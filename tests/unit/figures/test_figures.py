"""Laws of every figure that is found, on paper and on a slide: it can be read, and its caption says what it is.

They hold in Chinese too, where nothing is left in English.
"""

import functools
import re
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import polars as pl
import pytest
import yaml
from matplotlib import font_manager
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from figures.colours import CONTRAST, contrast, luminance
from figures.fonts import chinese_font, families
from figures.language import catalogue
from figures.style import MEDIA, styled
from figures.words import mark as mark_invalid
from sim.config import GROUPS, canonical, conf_folder, described, members
from sim.numerics import SpecificationError
from tests.unit.figures import seen
from tests.unit.figures.test_chinese_figures import english
from tests.unit.figures.tiny_studies import tables, variants

FIGURES = [name for name in members("figure") if variants(name.split("/")[0])]
CASES = [
    (name, medium, variant, "en")
    for name in FIGURES
    for variant in variants(name.split("/")[0])
    for medium in (MEDIA if variant in ("", "two controls") else ["paper"])
]
QUICK = [
    (name, medium, variant, language)
    for name, medium, variant, language in CASES
    if (medium, variant) == ("paper", "") or (name.startswith("demo/") and (medium == "paper" or variant == ""))
]
"""The claims' figures on slides, and of runs that are not valid, take as long again; the slow tests look at them.

So do they at what is special about a run, on slides; on paper, the quick tests look at all of it.
"""

CHINESE = [(name, medium, "", "zh") for name in FIGURES for medium in MEDIA]

WITH_FONT = pytest.mark.skipif(
    chinese_font(search=True) is None, reason="no Chinese font is installed (fonts-noto-cjk)"
)

SMALLEST = {"paper": 7.0, "slide": 18.0}
"""Least size of letters [point], on a slide where it is SHOWN inches wide; indices in formulas are smaller."""

SHOWN = 40 / 3

CROSSED = 0.1
"""Largest share of the place of a text on which its letters may stand out too little, such as a thin line's."""

CERTAINTY = re.compile(r"\b(exact|exactly|bounds?|bounded|certified|estimate[sd]?)\b")


@functools.cache
def made(name: str, medium: str, variant: str, language: str) -> Figure | None:
    """A figure whose texts have no places yet; None where the tables hold nothing for it."""
    module, found = members("figure")[name].load(), tables(name.split("/")[0], variant)
    with styled(medium, language):
        figure = module.draw(found)
        if figure is not None and figure.get_suptitle() == "":
            mark_invalid(figure, found)
        return figure


@functools.cache
def drawn(name: str, medium: str, variant: str, language: str) -> tuple[Figure, list[seen.Seen]] | None:
    """A figure and the texts in it; None where the tables hold nothing for it."""
    if (figure := made(name, medium, variant, language)) is None:
        return None
    with styled(medium, language):
        return figure, seen.texts(figure)


@pytest.fixture(
    params=[
        *QUICK,
        *(pytest.param(one, marks=pytest.mark.slow) for one in CASES if one not in QUICK),
        *(pytest.param(one, marks=[pytest.mark.slow, WITH_FONT]) for one in CHINESE),
    ],
    ids=lambda case: " ".join(part.replace(" ", "_") for part in case if part),
)
def case(request: pytest.FixtureRequest) -> tuple[str, Figure, list[seen.Seen]]:
    """The medium, the figure, and the texts in it."""
    name, medium, variant, language = request.param
    found = drawn(name, medium, variant, language)
    if found is None:
        pytest.skip("the world has nothing for it")
    return medium, *found


def test_every_study_draws_most_of_its_figures():
    """Else the laws below would hold of nothing."""
    assert len(FIGURES) >= 3
    for name in FIGURES:
        assert any(made(name, "paper", variant, "en") for variant in ("", "not valid")), name


# -- texts ------------------------------------------------------------------------------------------------------------


def test_letters_can_be_read_on_what_they_are_written_on(case):
    for one in case[2]:
        paper = one.text.get_gid() or "white"
        assert contrast(one.colour, paper) >= CONTRAST, f"{one.words!r}: {one.colour} on {paper}"


def test_letters_can_be_read_on_what_really_lies_behind_them(case):
    _, figure, found = case
    for one, pixels in zip(found, seen.behind(figure, found), strict=True):
        linear = np.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4)
        there, letters = linear @ [0.2126, 0.7152, 0.0722], luminance(one.colour)
        ratio = (np.maximum(there, letters) + 0.05) / (np.minimum(there, letters) + 0.05)
        assert np.mean(ratio < CONTRAST) <= CROSSED, one.words


def test_words_are_plain(case):
    for one in case[2]:
        words = seen.without_mathtext(one.words)
        assert "-\n" not in words, f"{words!r} is broken inside a word"
        assert "_" not in words, f"{words!r} holds the name of a column or a member"
        assert not (found := internal(words)), f"{words!r} holds {found}"


def test_letters_are_large_enough(case):
    medium, figure, found = case
    factor = SHOWN / figure.get_figwidth() if medium == "slide" else 1.0
    assert medium != "slide" or figure.get_figwidth() * 9 == pytest.approx(figure.get_figheight() * 16)
    for one in found:
        assert one.text.get_fontsize() * factor >= SMALLEST[medium], one.words


def test_texts_do_not_overlap_and_stay_in_the_figure(case):
    _, figure, found = case
    assert not list(seen.overlapping(found))
    width, height = figure.bbox.width, figure.bbox.height
    for one in found:
        inside = min(one.box.x0, one.box.y0, width - one.box.x1, height - one.box.y1)
        assert inside >= -1.0, f"{one.words!r} leaves the figure by {-inside:.1f} pixels"


# -- marks ------------------------------------------------------------------------------------------------------------


def test_entries_of_a_legend_differ_without_their_colours(case):
    for entries in seen.entries(case[1]):
        marks = [seen.mark(one) for one in entries.values()]
        assert len(set(marks)) == len(marks), dict(zip(entries, marks, strict=True))


def test_lines_of_different_colours_differ_in_marker_or_dashes(case):
    for axes in case[1].axes:
        colours: dict[tuple[str, ...], str] = {}
        for line in seen.lines(axes):
            colour = to_hex(line.get_color())
            assert colours.setdefault(seen.mark(line), colour) == colour, (seen.mark(line), colour)


def test_areas_differ_in_hatch_or_are_named_where_they_are(case):
    _, figure, found = case
    legend = {mark for entries in seen.entries(figure) for mark in map(seen.mark, entries.values())}
    for axes in figure.axes:
        named = seen.named_colours(axes, found)
        marks = [
            seen.mark(area)
            for colour, area in seen.areas(axes).items()
            if not seen.is_named(colour, named) and seen.mark(area) not in legend and not at_tick(axes, area)
        ]
        assert len(set(marks)) == len(marks), marks


def at_tick(axes, area) -> bool:
    """Whether a bar lies at a tick that has a name of its own, in its panel or in one beside it."""
    if not isinstance(area, Rectangle):
        return False
    middle = round(area.get_y() + area.get_height() / 2, 6)
    panels = axes.get_shared_y_axes().get_siblings(axes)
    names = [label.get_text() for one in panels for label in one.get_yticklabels() if label.get_position()[1] == middle]
    return any(names)


# -- Chinese ----------------------------------------------------------------------------------------------------------


@WITH_FONT
@pytest.mark.parametrize(
    ("name", "variant"),
    [
        pytest.param(name, variant, marks=() if not variant and name.startswith("demo/") else pytest.mark.slow)
        for name in FIGURES
        for variant in variants(name.split("/")[0])
    ],
)
def test_nothing_is_left_in_english(name, variant):
    """Of what a Chinese figure writes, only words of the data may be English: answers of an English world.

    The quick test of all templates is `test_chinese_figures.py`.
    """
    module, found = members("figure")[name].load(), tables(name.split("/")[0], variant)
    with styled("paper", "zh"):
        if (figure := module.draw(found)) is None:
            pytest.skip("the world has nothing for it")
        texts = [text.get_text() for text in figure.findobj(Text)] + [module.caption(found)]
    data = data_words(found)
    assert not {words: more for words in texts if (more := english(words) - data)}


@WITH_FONT
def test_words_beside_a_formula_have_glyphs_in_the_first_font():
    """Words with a formula take no glyph from another font: a subscript such as in q₀ would be drawn as a box."""
    font = font_manager.findfont(font_manager.FontProperties(family=families("zh")[0]))
    known = font_manager.get_font(font).get_charmap()
    mixed = [words for words in catalogue().values() if "$" in words]
    assert len(mixed) > 50
    for words in mixed:
        beside = re.sub(r"\{[^}]*\}", "", seen.without_mathtext(words))
        assert not [sign for sign in beside if not sign.isspace() and ord(sign) not in known], words


def data_words(found) -> set[str]:
    """The English words of answers, prompts and the name of the world, which stay as they are."""
    worlds = [found[name]["world"] for name in ("run", "runs") if "world" in found.get(name, pl.DataFrame()).columns]
    words = [str(one) for world in worlds for one in world]
    if "examples" in found:
        words += [str(cell) for cell in found["examples"].select("prompt", "answer").to_numpy().ravel()]
    return english(" ".join(words))


# -- captions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIGURES)
def test_a_caption_is_one_paragraph_that_says_what_is_exact(name):
    for variant in variants(name.split("/")[0]):
        if made(name, "paper", variant, "en") is None:
            continue
        caption = members("figure")[name].load().caption(tables(name.split("/")[0], variant))
        assert "\n" not in caption
        assert caption.endswith(".")
        assert "  " not in caption
        assert CERTAINTY.search(caption), f"it must say what is exact, bounded or estimated: {caption}"
        assert not (found := internal(caption)), f"{caption!r} holds {found}"
        assert not re.search(r"[a-z]_[a-z]|[{}$\\]", caption.replace("KL(P‖q_t)", "")), caption


def internal(words: str) -> set[str]:
    """The names of members in a text that people do not use: those that a member's own label does not hold."""
    return {name for name in _internal() if re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", words)}


@functools.cache
def _internal() -> frozenset[str]:
    return frozenset(_unspoken())


def _unspoken() -> Iterator[str]:
    for group in GROUPS:
        spoken: dict[str, list[str]] = {name: [] for name in members(group)}
        for file in sorted((conf_folder() / group).glob("*.yaml")):
            node = yaml.safe_load(file.read_text(encoding="utf-8"))
            with suppress(SpecificationError):  # a configuration that is not complete by itself
                node = canonical(group, node, group)
                spoken[node["kind"]].append(described(group, node))
        for name, labels in spoken.items():
            if not any(re.search(rf"\b{name}\b", label) for label in labels):
                yield name


def test_internal_names_are_known():
    assert {"style_blind", "tabular_trie", "sft"} <= _internal()
    assert not {"transformer", "style", "replay"} & _internal()
    assert internal("SFT on style_blind") == {"style_blind"}
    assert not internal("SFT on a random set like poetic")
