"""Text from files is data: whatever a symbol holds, terminals, pages, tables and spreadsheets only show it."""

import io
import json
import os
import re
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from sim.describe.command import main as describe
from sim.grammars._reading import MOST_BYTES
from sim.grammars.file import read
from sim.metrics.frames import as_csv
from sim.numerics import SpecificationError, visible
from sim.show.blocks import Heading, Paragraph, Picture, Quote, Table, fragments, markdown, show

HOSTILE = (
    "\x1b[31mred", "\x1b]0;title\x07", "bell\x07", "back\bspace", "a\x00b", "\x9b2J", "\u202ertl\u2066",
    "zero\u200bwidth", "<script>alert(1)</script>", "![x](javascript:1)", "[x](http://evil)", "`code`", "a|b", "&lt;",
)  # fmt: skip
ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""What acts on a terminal, or is there and cannot be seen."""

BLOCKS = [
    Heading("".join(HOSTILE)),
    *map(Paragraph, HOSTILE),
    Paragraph(HOSTILE[0], bullet=True),
    Quote("".join(HOSTILE)),
    Table(HOSTILE[:2], tuple((one, one) for one in HOSTILE), title=HOSTILE[0]),
]


def test_what_is_visible_stays_and_the_rest_is_escaped() -> None:
    plain = "KL(P‖q) − q₀ ≤ ½ · 中文\té\n"
    assert visible(plain) == plain
    assert visible("a\x1b[0m\x9b\u202e\r") == r"a\x1b[0m\x9b\u202e\r"
    assert not any(ACTING.search(visible(one)) for one in HOSTILE)


def test_a_terminal_is_not_spoken_to() -> None:
    out = io.StringIO()
    show(BLOCKS, Console(file=out, highlight=False))
    assert not ACTING.search(out.getvalue())
    assert r"\x1b[31mred" in out.getvalue()


def test_markdown_holds_no_html_no_links_and_no_code() -> None:
    source = markdown(BLOCKS)
    assert not ACTING.search(source)
    assert "<script" not in source
    assert "](" not in source.replace("]\\(", "")
    assert not re.search(r"(?<!\\)`", source)
    rows = [line for line in source.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {3}


def test_html_holds_no_tag_of_a_symbol(tmp_path: Path) -> None:
    picture = tmp_path / "one.png"
    picture.write_bytes(b"")
    source = "\n".join(fragments([*BLOCKS, Picture(picture, '"><script>alert(1)</script>')]))
    assert not ACTING.search(source)
    assert "<script" not in source
    assert "&lt;script&gt;" in source


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /c calc'!A0"])
def test_a_spreadsheet_runs_no_cell(text: str) -> None:
    table = pl.DataFrame({"answer": [text, "plain", None, "1=1"], "p": [-1.5, 2.0, 3.0, 4.0], "n": [-1, 2, 3, 4]})
    found = pl.read_csv(io.StringIO(as_csv(table)), schema_overrides={"answer": pl.String})
    assert found["answer"].to_list() == ["'" + text, "plain", None, "1=1"]
    assert found["p"].to_list() == table["p"].to_list()
    assert found["n"].to_list() == table["n"].to_list()


@pytest.fixture
def grammar(tmp_path: Path) -> Path:
    file = tmp_path / "hostile.json"
    share = f"1/{len(HOSTILE)}"
    strings = {one.replace(" ", "") or "x": share for one in HOSTILE}
    file.write_text(json.dumps({"type": "strings", "separator": " ", "strings": strings}), encoding="utf-8")
    return file


def test_a_description_and_its_refusals_show_and_do_not_act(grammar: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert describe([str(grammar), "--top", "20"]) == 0
    assert not ACTING.search(capsys.readouterr().out)
    assert describe([str(grammar), "--string", "\x1b[31mno"]) == 2
    assert not ACTING.search(capsys.readouterr().err)


def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    for place in (tmp_path / "pipe.yaml", Path("/dev/zero")):
        with pytest.raises(SpecificationError, match="a plain file is required, found a device or a pipe"):
            read(str(place))
    with pytest.raises(SpecificationError, match="a plain file is required, found a folder"):
        read(str(tmp_path))


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    with file.open("wb") as out:
        out.truncate(MOST_BYTES + 2**20)  # a hole: nothing is written
    with pytest.raises(SpecificationError, match="at most 64 MiB are required, found 65 MiB"):
        read(str(file))


@pytest.mark.parametrize("text", ["root:x:0:0:secret\nadmin:secret", "- secret\n- secret", "secret", "key secret"])
def test_what_is_no_grammar_is_not_shown(text: str, tmp_path: Path) -> None:
    file = tmp_path / "other"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SpecificationError) as refused:
        read(str(file))
    assert "secret" not in str(refused.value)
