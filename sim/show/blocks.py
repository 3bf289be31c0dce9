"""A page as data: headings, paragraphs, tables and pictures. It can be shown in a terminal, as Markdown or as HTML."""

import base64
import html
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table as RichTable

from sim.numerics import visible
from sim.show.width import WIDE, cells, filled

WIDTH = 80
"""Width of printed pages [characters]."""

MARKED = ("supported", "holds", "holds only if", "refuted", "undecided", "reported", "not valid", "refused")
"""Words that are coloured if a cell of a table holds nothing else."""


@dataclass(frozen=True)
class Heading:
    """The title of the page or of a section."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Plain sentences; with `bullet`, an item of a list."""

    text: str
    bullet: bool = False


@dataclass(frozen=True)
class Quote:
    """A quotation."""

    text: str


@dataclass(frozen=True)
class Table:
    """Columns of text. The first `num_left` columns hold words and are flush left, the others hold numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    num_left: int = 1
    title: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture with its caption. `shown` replaces it where pictures cannot be shown."""

    file: Path
    caption: str

    @property
    def shown(self) -> str:
        """The place of the file, and the caption."""
        return f"{self.file.parent.name}/{self.file.name}: {self.caption}"


Block = Heading | Paragraph | Quote | Table | Picture


def harmless(block: Block, change: Callable[[str], str] = visible) -> Block:
    """Return a block with all its texts changed: by default control characters are shown as escapes.

    Symbols of a language come from files, and may hold anything.
    """
    match block:
        case Table(columns, rows, num_left, title):
            changed = tuple(tuple(map(change, row)) for row in rows)
            return Table(tuple(map(change, columns)), changed, num_left, change(title))
        case Picture(file, caption):
            return Picture(file, change(caption))
        case _:
            return replace(block, text=change(block.text))


# -- the terminal -----------------------------------------------------------------------------------------------------


def show(blocks: Iterable[Block], console: Console | None = None, width: int = WIDTH) -> None:
    """Print a page that is at most `width` characters wide. If the output is not a terminal, it is plain text.

    Words are wrapped, but numbers are not. If the numbers of a table do not fit, the table is printed in parts, and
    each part repeats the columns of words.
    """
    console = console or Console(highlight=False)
    console.width = width
    for block in map(harmless, blocks):
        match block:
            case Heading(text):
                console.print(f"\n[bold]{escape(text)}[/bold]")
            case Paragraph(text, bullet):
                first, rest = ("· ", "  ") if bullet else ("", "")
                console.print(escape(filled(text, width, first, rest)))
            case Quote(text):
                console.print(escape(filled(f"“{text}”", width, "  ", "  ")))
            case Picture():
                console.print(escape(filled(block.shown, width, "  ", "    ")))
            case Table():
                for part in fitting(block, width):
                    console.print(_rich_table(part, width))


def fitting(table: Table, width: int) -> Iterator[Table]:
    """Divide a table into parts that fit into a width. Each part repeats the columns of words."""
    words = range(min(table.num_left, len(table.columns)))
    least = sum(min(_longest(table, index, r"\S+"), width // 3) + 2 for index in words)
    chosen: list[int] = []
    used = least
    for index in range(table.num_left, len(table.columns)):
        if chosen and used + _width(table, index) + 2 > width:
            yield _columns(table, [*words, *chosen])
            chosen, used = [], least
        chosen.append(index)
        used += _width(table, index) + 2
    yield _columns(table, [*words, *chosen])


def _cells(table: Table, index: int) -> list[str]:
    return [table.columns[index], *(row[index] for row in table.rows)]


def _width(table: Table, index: int) -> int:
    return max(cells(line) for cell in _cells(table, index) for line in cell.split("\n"))


def _longest(table: Table, index: int, pattern: str) -> int:
    """Width of the longest piece of text of a kind in a column, at least 1."""
    return max([1, *(cells(found) for cell in _cells(table, index) for found in re.findall(pattern, cell))])


def _word_widths(table: Table, width: int) -> list[int]:
    """Widths of the columns of words: whole cells if there is room, else whole words, else whole numbers at least."""
    words = range(min(table.num_left, len(table.columns)))
    numbers = range(table.num_left, len(table.columns))
    room = width - 2 * len(table.columns) - sum(_width(table, index) for index in numbers)
    found = [_width(table, index) for index in words]
    for kept in (r"\S+", r"\S*\d\S*", r"\S"):
        least = [_longest(table, index, kept) for index in words]
        while sum(found) > room and (wider := [index for index in words if found[index] > least[index]]):
            found[max(wider, key=found.__getitem__)] -= 1
    return found


def _columns(table: Table, chosen: list[int]) -> Table:
    rows = tuple(tuple(row[index] for index in chosen) for row in table.rows)
    return Table(tuple(table.columns[index] for index in chosen), rows, table.num_left, table.title)


def _rich_table(table: Table, width: int) -> Padding:
    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    widths = _word_widths(table, width)
    for index, column in enumerate(table.columns):
        if index < table.num_left:
            drawn.add_column(escape(column), overflow="fold", width=widths[index])
        else:
            drawn.add_column(escape(column), justify="right", no_wrap=True, overflow="fold")
    for row in table.rows:
        drawn.add_row(*(escape(cell) for cell in row))
    if table.title:
        drawn.title, drawn.title_justify, drawn.title_style = escape(table.title), "left", "italic"
    return Padding(drawn, (1, 0, 0, 2), expand=False)


# -- Markdown ---------------------------------------------------------------------------------------------------------


def markdown(blocks: Iterable[Block]) -> str:
    """Return the page as Markdown. Pictures are links to the folder `figures` beside it."""
    parts: list[str] = []
    all_ = [harmless(block, _plain) for block in blocks]
    for block, following in zip(all_, [*all_[1:], None], strict=True):
        match block:
            case Heading(text):
                parts.append(f"{'#' if not parts else '##'} {text}\n\n")
            case Paragraph(text, bullet):
                again = bullet and isinstance(following, Paragraph) and following.bullet
                parts.append(f"- {text}\n" if bullet else f"{text}\n\n")
                parts.append("" if again or not bullet else "\n")
            case Quote(text):
                parts.append(f"> {text}\n\n")
            case Picture(file, caption):
                parts.append(f"![{caption}]({file.parent.name}/{file.name})\n\n")
            case Table():
                parts.append(_markdown_table(block))
    return "".join(parts).rstrip() + "\n"


def _plain(text: str) -> str:
    """Return a text in which Markdown finds no HTML, code, link or picture."""
    escaped = re.sub(r"&(?=#?\w+;)", "&amp;", visible(text))
    escaped = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", escaped)  # "H(S) < H(P)" stays as it is
    return escaped.replace("`", "\\`").replace("](", "]\\(")


def _markdown_table(table: Table) -> str:
    rules = ["---" if index < table.num_left else "---:" for index in range(len(table.columns))]
    title = f"**{table.title}**\n\n" if table.title else ""
    lines = [
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"
        for row in (table.columns, rules, *table.rows)
    ]
    return title + "\n".join(lines) + "\n\n"


# -- HTML -------------------------------------------------------------------------------------------------------------

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%;font-size:.85rem;margin:1rem 0}
td,th{border-bottom:1px solid #ddd;padding:.3rem .5rem;text-align:left}
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums}
.supported,.holds{color:#00694a;font-weight:bold}.refuted{color:#b00;font-weight:bold}
.undecided,.not,.reported,.refused{color:#666;font-weight:bold}
blockquote{border-left:4px solid #ddd;margin-left:0;padding-left:1rem;color:#555}
figure{margin:1rem 0}img{max-width:100%}figcaption{color:#555;font-size:.9rem}code{background:#f4f4f4}"""


def page(title: str, blocks: Iterable[Block]) -> str:
    """Return the page as one HTML file that needs no other file: it contains its pictures."""
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>"
    return "\n".join([f"{head}<style>{STYLE}</style>", *fragments(blocks), "</html>", ""])


def fragments(blocks: Iterable[Block]) -> Iterator[str]:
    """Iterate over the blocks as pieces of HTML."""
    first, in_list = True, False
    for block in map(harmless, blocks):
        bullet = isinstance(block, Paragraph) and block.bullet
        if bullet != in_list:
            yield "<ul>" if bullet else "</ul>"
            in_list = bullet
        match block:
            case Heading(text):
                yield f"<h1>{_html(text)}</h1>" if first else f"<h2>{_html(text)}</h2>"
                first = False
            case Paragraph(text, _):
                yield f"<li>{_html(text)}" if bullet else f"<p>{_html(text)}</p>"
            case Quote(text):
                yield f"<blockquote>{_html(text)}</blockquote>"
            case Picture(file, caption):
                data = base64.b64encode(file.read_bytes()).decode()
                alt = html.escape(caption, quote=True)
                yield f'<figure><img alt="{alt}" src="data:image/png;base64,{data}">'
                yield f"<figcaption>{_html(caption)}</figcaption></figure>"
            case Table():
                yield _html_table(block)
    if in_list:
        yield "</ul>"


def _html(text: str) -> str:
    """Return a text as HTML. Chinese is marked, because its signs look different in Japanese fonts."""
    return re.sub(f"[{WIDE}]+", r'<span lang="zh-Hans">\g<0></span>', html.escape(text))


def _html_table(table: Table) -> str:
    def cell(tag: str, index: int, text: str) -> str:
        names = ["number"] if index >= table.num_left else []
        names += [text.split()[0]] if tag == "td" and text in MARKED else []
        attribute = f' class="{" ".join(names)}"' if names else ""
        return f"<{tag}{attribute}>{_html(text)}"

    caption = f"<caption>{_html(table.title)}</caption>" if table.title else ""
    head = "".join(cell("th", index, text) for index, text in enumerate(table.columns))
    rows = "".join("<tr>" + "".join(cell("td", index, text) for index, text in enumerate(row)) for row in table.rows)
    return f"<table>{caption}<tr>{head}{rows}</table>"
