"""The pages of the project: tables are whole, links lead somewhere, and no page names what a reader cannot see."""

import re
from pathlib import Path

import pytest

from tests.composed import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def tables(text: str) -> list[list[str]]:
    """Blocks of lines that begin with a bar, outside of code."""
    plain = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    blocks: list[list[str]] = [[]]
    for line in plain.splitlines():
        if line.startswith("|"):
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return [block for block in blocks if block]


def cells(row: str) -> int:
    return len(re.findall(r"(?<!\\)\|", row)) - 1


def test_there_are_pages_with_tables() -> None:
    assert len(PAGES) >= 10
    assert sum(len(tables(page.read_text(encoding="utf-8"))) for page in PAGES) >= 10


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_tables_are_whole(page: Path) -> None:
    """A blank line cuts a table in two, and its second half has no head."""
    for table in tables(page.read_text(encoding="utf-8")):
        assert len(table) >= 3, table
        assert re.fullmatch(r"\|(\s*:?-+:?\s*\|)+", table[1]), f"no head: {table[0]}"
        assert {cells(row) for row in table} == {cells(table[0])}, table[0]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_folder_that_is_not_in_the_repository_is_not_cited(page: Path) -> None:
    assert not re.search(r"\bspec/|\bshared/", page.read_text(encoding="utf-8"))


def test_a_table_that_is_cut_is_found() -> None:
    cut = "| a | b |\n|---|---|\n| 1 | 2 |\n\n| 3 | 4 |\n"
    assert [len(table) for table in tables(cut)] == [3, 1]
