"""Texts in cells: Chinese characters are two cells wide, and no line is wider than it may be."""

import re
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from sim.show.blocks import Heading, Paragraph, Table, page, show
from sim.show.width import cells, filled, padded, shortened

MIXED = st.text(st.sampled_from("ab月亮很圆，。！ 1-"), max_size=60)


def test_a_chinese_character_is_two_cells() -> None:
    assert cells("moon") == 4
    assert cells("月亮，") == 6
    assert padded("月亮", 6) == "月亮  "
    assert padded("月亮很圆", 6) == "月亮很圆"


@given(MIXED, st.integers(1, 30))
def test_shortened(text: str, width: int) -> None:
    short = shortened(text, width)
    assert cells(short) <= max(width, 1)
    assert short == text if cells(text) <= width else short.endswith("…")


@given(MIXED, st.integers(12, 40))
def test_filled(text: str, width: int) -> None:
    """Nothing is lost, no line is too wide unless a word alone is, and only the first may begin with a closing sign."""
    text = re.sub(r"\s+(?=[，。！])", "", text).strip() or "月"
    made = filled(text, width, "· ", "  ")
    assert re.sub(r"\s", "", made) == re.sub(r"\s", "", f"· {text}")
    lines = made.split("\n")
    for line in lines:
        single = len(re.findall(r"[月亮很圆]|[ab1-]+", line)) <= 1
        assert cells(line) <= width or single
    assert all(line.startswith("  ") for line in lines[1:])
    assert not any(line.strip()[0] in "，。！" for line in lines[1:])


@given(st.text(st.sampled_from("ab -."), max_size=60))
def test_latin_texts_are_filled_as_before(text: str) -> None:
    assert filled(text, 20, "· ", "  ") == textwrap.fill(text, 20, initial_indent="· ", subsequent_indent="  ")


def test_chinese_lines_break_between_characters() -> None:
    assert filled("月亮很圆，像诗一样。", 10) == "月亮很圆，\n像诗一样。"
    assert filled("月亮很圆，像诗一样。", 8) == "月亮很\n圆，像诗\n一样。", "a comma begins no line"


def test_tables_are_as_wide_as_they_look(capsys: pytest.CaptureFixture[str]) -> None:
    rows = (("月亮是什么样的？", "1.0"), ("moon", "22.0"), ("啊，月亮这样圆，像诗一样温柔！", "3.0"))
    show([Paragraph("月亮" * 60), Table(("answer", "p"), rows)], width=40)
    lines = capsys.readouterr().out.splitlines()
    assert max(cell_len(line.rstrip()) for line in lines) <= 40
    numbers = [line for line in lines if re.search(r"\d\.0\s*$", line)]
    assert len({cell_len(line.rstrip()) for line in numbers}) == 1, "numbers end in one column"


def test_chinese_is_marked_in_html() -> None:
    made = page("moon", [Heading("月亮"), Paragraph("“月亮很圆！” < moon"), Table(("a", "b"), (("猫", "1"),))])
    assert '<h1><span lang="zh-Hans">月亮</span></h1>' in made
    assert '<p>“<span lang="zh-Hans">月亮很圆！</span>” &lt; moon</p>' in made
    assert '<td><span lang="zh-Hans">猫</span><td class="number">1' in made
