"""Pages as data: on a terminal nothing is wider than it and no number is cut; Markdown and HTML say the same."""

import re
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sim.show.blocks import (
    MARKED,
    WIDTH,
    Block,
    Heading,
    Paragraph,
    Picture,
    Quote,
    Table,
    fitting,
    markdown,
    page,
    show,
)


def printed(*blocks: Block, width: int = WIDTH) -> str:
    out = StringIO()
    show(blocks, Console(file=out, highlight=False), width)
    return out.getvalue()


# -- the terminal -----------------------------------------------------------------------------------------------------

WORDS = st.lists(st.sampled_from(["a", "exact", "targets,", "τ", "0.7", "−0.000505,", "likeliest", "the"]), max_size=7)
NUMBERS = st.sampled_from(["–", "= 0", "[1234.567, 8901.234]", "≈ [0.500, 0.750]", "−1.2e-04"])


@st.composite
def parts_of_tables(draw: st.DrawFn) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...], int, str]:
    """Heads, rows, number of columns of words, title."""
    num_left, num_numbers, num_rows = draw(st.integers(1, 4)), draw(st.integers(0, 5)), draw(st.integers(1, 4))

    def row() -> tuple[str, ...]:
        left = [" ".join(draw(WORDS)) for _ in range(num_left)]
        return (*left, *(draw(NUMBERS) for _ in range(num_numbers)))

    heads = tuple(f"column {at}" for at in range(num_left + num_numbers))
    return heads, tuple(row() for _ in range(num_rows)), num_left, draw(st.sampled_from(["", "A title"]))


@given(parts_of_tables())
def test_a_table_is_never_wider_than_the_page_and_no_number_is_cut(parts):
    table = Table(*parts)
    text = printed(table)
    assert max(map(len, text.splitlines())) <= WIDTH
    printed_parts = list(fitting(table, WIDTH))
    for row in table.rows:
        for cell in row[: table.num_left]:
            assert all(text.count(word) >= len(printed_parts) for word in cell.split())
        for cell in row[table.num_left :]:
            assert cell in text
    columns = [name for part in printed_parts for name in part.columns[table.num_left :]]
    assert columns == list(table.columns[table.num_left :])
    assert all(part.columns[: table.num_left] == table.columns[: table.num_left] for part in printed_parts)


def test_a_wide_table_is_never_cut():
    wide = Table(("", *"abcdefgh"), (("row", *["[1234.567, 8901.234]"] * 8),))
    assert printed(wide).count("[1234.567, 8901.234]") == 8


def test_columns_that_fit_lie_in_one_part():
    """80 columns: 2 of margin, 10 of words, and three numbers of 20 with 2 before each."""
    table = Table(("w" * 10, "a", "b", "c"), (("word", *["9" * 20] * 3),))
    assert len(list(fitting(table, WIDTH))) == 1
    assert len(list(fitting(Table(table.columns, (("word", *["9" * 21] * 3),)), WIDTH))) == 2


def test_words_are_wrapped_before_a_number_is_cut():
    """Where not even whole words have room, letters go to the next line, digits do not."""
    row = ("a" * 30, "b" * 30, "−0.000505, −0.000182", "= 1.000")
    text = printed(Table(("one", "two", "three", "four"), (row,), 3))
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "−0.000505," in text
    assert "−0.000182" in text
    assert "a" * 30 not in text


@given(
    st.lists(st.sampled_from(["a", "word", "[0.1, 0.2]", "[bold]", "x" * 79]), min_size=1, max_size=40), st.booleans()
)
def test_sentences_are_wrapped_and_say_what_they_say(words, bullet):
    text = printed(Paragraph(" ".join(words), bullet), Quote(" ".join(words)))
    assert max(map(len, text.splitlines())) <= WIDTH
    said = " ".join(words)
    plain = re.sub(r"\s+", "", text)
    assert plain == re.sub(r"\s+", "", f"{'·' * bullet}{said}“{said}”")


def test_brackets_are_no_markup():
    table = Table(("[red]",), (("[0.1, 0.2] [/]",),), 1, "[b]")
    text = printed(Heading("[bold]"), table, Picture(Path("figures/a.png"), "[link]"))
    for said in ("[bold]", "[red]", "[0.1, 0.2] [/]", "[b]", "[link]"):
        assert said in text


def test_a_picture_is_named_with_its_caption():
    assert printed(Picture(Path("/some/where/figures/a.png"), "What it shows.")) == "  figures/a.png: What it shows.\n"


# -- Markdown ---------------------------------------------------------------------------------------------------------


def test_markdown_keeps_bars_and_lines_inside_cells():
    text = markdown([Heading("title"), Table(("", "a\nb"), (("P(A|x)", "= 1"),))])
    assert "| P(A\\|x) | = 1 |" in text
    assert "|  | a b |" in text


@given(st.lists(st.one_of(parts_of_tables(), st.booleans()), min_size=1, max_size=6))
def test_tables_and_lists_of_markdown_are_whole_and_apart(parts):
    blocks = [Table(*one) if isinstance(one, tuple) else Paragraph("Said.", one) for one in parts]
    text = markdown([Heading("title"), *blocks])
    assert text.startswith("# title\n\n")
    assert text.endswith("\n")
    assert "\n\n\n" not in text
    parts = text.split("\n\n")
    of_tables = [part.strip().splitlines() for part in parts if part.startswith("|")]
    assert [len(lines) for lines in of_tables] == [len(one.rows) + 2 for one in blocks if isinstance(one, Table)]
    assert all(line.startswith("| ") for lines in of_tables for line in lines)
    bullets = sum(isinstance(one, Paragraph) and one.bullet for one in blocks)
    lists = [part.strip().splitlines() for part in parts if part.startswith("- ")]
    assert all(line == "- Said." for lines in lists for line in lines)
    assert sum(map(len, lists)) == bullets


def test_headings_quotes_and_pictures_of_markdown():
    blocks = [Heading("One"), Quote("Words."), Heading("Two"), Picture(Path("/a/figures/b.png"), "A caption.")]
    assert markdown(blocks) == "# One\n\n> Words.\n\n## Two\n\n![A caption.](figures/b.png)\n"


# -- HTML -------------------------------------------------------------------------------------------------------------


class Balance(HTMLParser):
    """Which lists are open where a tag begins."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.items_outside, self.tables_inside = 0, 0, 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open += tag == "ul"
        self.items_outside += tag == "li" and not self.open
        self.tables_inside += tag in ("table", "p", "h2", "blockquote", "figure") and bool(self.open)

    def handle_endtag(self, tag: str) -> None:
        self.open -= tag == "ul"


BLOCKS = (Heading("One"), Quote("Words."), Paragraph("Said."), Paragraph("Said.", True), Table(("a",), (("1",),)))


@given(st.lists(st.sampled_from(BLOCKS), max_size=7))
def test_lists_of_a_page_hold_their_items_alone(blocks):
    balance = Balance()
    balance.feed(page("A title", blocks))
    assert (balance.open, balance.items_outside, balance.tables_inside) == (0, 0, 0)


def test_a_page_escapes_what_it_shows(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    odd = '<b>&"'
    blocks = [Heading(odd), Paragraph(odd), Paragraph(odd, True), Quote(odd), Table((odd,), ((odd,),), 1, odd),
              Picture(tmp_path / "a.png", odd)]  # fmt: skip
    text = page(odd, blocks)
    assert "<b>" not in text
    assert (
        text.count("&lt;b&gt;&amp;") == 10
    )  # title, four texts, head, cell, caption, alt text, caption of the picture
    assert 'src="data:image/png;base64,iVBORw=="' in text


@pytest.mark.parametrize("word", MARKED)
def test_a_verdict_that_fills_a_cell_is_coloured(word):
    style = page("", []).split("</style>")[0]
    text = page("", [Table(("", "verdict"), ((f"{word} of all", word), ("", "another")))])
    name = word.split()[0]
    assert f'<td class="number {name}">{word}' in text
    assert text.count(f'{name}">') == 1
    assert f".{name}{{" in style or f".{name}," in style
