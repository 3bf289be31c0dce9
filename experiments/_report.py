"""A report as data: headings, paragraphs and tables; the same for the terminal and as Markdown."""

import textwrap
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table as RichTable

WIDTH = 100
"""Columns of the printed report."""


@dataclass(frozen=True)
class Heading:
    """The title of a section."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Plain sentences; a bullet if it is one of several."""

    text: str
    bullet: bool = False


@dataclass(frozen=True)
class Table:
    """Columns of text; the first `num_left` are words and flush left, the others numbers and flush right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    num_left: int = 1
    title: str = ""


Block = Heading | Paragraph | Table


def markdown(blocks: list[Block]) -> str:
    """The report as Markdown."""
    parts: list[str] = []
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        match block:
            case Heading(text):
                parts.append(f"{'#' if not parts else '##'} {text}\n\n")
            case Paragraph(text, bullet):
                again = bullet and isinstance(following, Paragraph) and following.bullet
                parts.append(f"- {text}\n" if bullet else f"{text}\n\n")
                parts.append("" if again or not bullet else "\n")
            case Table():
                parts.append(_markdown_table(block))
    return "".join(parts).rstrip() + "\n"


def _markdown_table(table: Table) -> str:
    rules = ["---" if index < table.num_left else "---:" for index in range(len(table.columns))]
    title = f"**{table.title}**\n\n" if table.title else ""
    lines = [
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"
        for row in (table.columns, rules, *table.rows)
    ]
    return title + "\n".join(lines) + "\n\n"


def show(blocks: list[Block], console: Console | None = None) -> None:
    """Print the report; plain text where the output is not a terminal. Sentences are wrapped at WIDTH.

    A table is never squeezed: numbers that are cut are no numbers.
    """
    console = console or Console(highlight=False)
    console.width = max(console.width, 4 * WIDTH)
    for block in blocks:
        match block:
            case Heading(text):
                console.print(f"\n[bold]{escape(text)}[/bold]")
            case Paragraph(text, bullet):
                first, rest = ("· ", "  ") if bullet else ("", "")
                console.print(escape(textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=rest)))
            case Table():
                console.print(_rich_table(block))


def _rich_table(table: Table) -> Padding:
    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for index, column in enumerate(table.columns):
        drawn.add_column(escape(column), justify="left" if index < table.num_left else "right", no_wrap=True)
    for row in table.rows:
        drawn.add_row(*(escape(cell) for cell in row))
    if table.title:
        drawn.title, drawn.title_justify, drawn.title_style = escape(table.title), "left", "italic"
    return Padding(drawn, (1, 0, 0, 2), expand=False)
