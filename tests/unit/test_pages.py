"""The pages of the project: tables are whole, links lead somewhere, and no page names what a reader cannot see.

Links and anchors are those of a code host and of the site (`make docs`); both make the same anchors.
"""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from tests.composed import ROOT
from tools.api import api_pages, public
from tools.cells import as_page, is_notebook
from tools.pages import MOVED, from_page, links, pages, place, relinked

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


@functools.cache
def anchors(text: str) -> set[str]:
    """The anchors of the headings of a page: letters, digits, hyphens and underscores in lower case."""
    outside = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    found = set[str]()
    for heading in re.findall(r"^#+ (.*)$", outside, re.MULTILINE):
        words = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        assert anchor not in found, (
            f"two headings with the anchor {anchor}: code hosts and the site number them differently"
        )
        found.add(anchor)
    return found


def broken(page: Path, text: str) -> Iterator[str]:
    """The links of a page that lead nowhere."""
    for found in links(text):
        target, anchor = found["target"], (found["anchor"] or "")[1:]
        if "://" in target:
            continue
        file = page.parent / target if target else None
        if file and not file.is_file():
            yield target
        elif anchor and anchor not in anchors(file.read_text(encoding="utf-8") if file else text):
            yield f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    assert list(broken(page, page.read_text(encoding="utf-8"))) == []


def test_a_broken_link_is_found() -> None:
    text = "# One `two` three?\n\n[a](#one-two-three) [b](#one) [c](no.md) `[d](no.md)` [e](theory.md#notation)"
    text += " [f](theory.md#x)"
    assert list(broken(ROOT / "docs" / "page.md", text)) == ["#one", "no.md", "theory.md#x"]
    assert anchors(text) == {"one-two-three"}
    assert anchors("# 六个判定：C1\n") == {"六个判定c1"}


# -- the site ---------------------------------------------------------------------------------------------------------


class Tags(yaml.SafeLoader):
    """YAML with the tags of mkdocs.yml, which name objects of Python."""


Tags.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: suffix)


def entries(nav: Any) -> Iterator[str]:
    """The files that a navigation leads to."""
    for one in nav:
        (value,) = one.values()
        yield from [value] if isinstance(value, str) else entries(value)


def test_the_navigation_has_every_page_once() -> None:
    config = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader=Tags)
    listed = sorted(entries(config["nav"]))
    assert listed == sorted({str(place(page)) for page in pages()} | set(api_pages(ROOT)))
    assert config["theme"]["font"] is False, "fonts would be asked for from a network"


def test_links_within_the_site() -> None:
    assert str(place(ROOT / "README.md")) == "index.md"
    assert str(place(ROOT / "docs" / "claims" / "c1_entropy.md")) == "claims/c1_entropy.md"
    assert str(place(ROOT / "sim" / "quantity.py")) == "source/sim/quantity.py.md"
    for page, other, link in (
        ("index.md", "laws.md", "laws.md"),
        ("claims/c1.md", "claims/c2.md", "c2.md"),
        ("claims/c1.md", "index.md", "../index.md"),
        ("source/sim/a.py.md", "claims/c2.md", "../../claims/c2.md"),
    ):
        assert from_page(PurePosixPath(page), PurePosixPath(other)) == link
    text = "[a](b.md#c) `[d](e.md)` [f](#g) [h](https://i.org/)\n\n```\n[j](k.md)\n```\n![l](m.png)"
    assert relinked(text, str.upper) == text.replace("b.md", "B.MD").replace("m.png", "M.PNG")


def test_a_notebook_becomes_a_page(tmp_path: Path) -> None:
    text = "# ---\n# jupyter: x\n# ---\n\n# %% [markdown]\n# # A\n#\n# word\n\n# %%\na = 1  # one\n\n# %%\n"
    for name, content in (("a.py", text), ("b.py", "import marimo\n")):
        (tmp_path / name).write_text(content, encoding="utf-8")
    assert [is_notebook(tmp_path / name) for name in ("a.py", "b.py", "c.py")] == [True, False, False]
    assert as_page(text) == "# A\n\nword\n\n```python\na = 1  # one\n```\n"


def test_a_page_that_is_moved_exists() -> None:
    assert all((ROOT / name).is_file() for name in MOVED)


NAMES = {name: path for names in public(ROOT).values() for name, path in names.items()}


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_exists_and_is_described(name: str) -> None:
    """It is read from the source, so that no heavy package is imported for it."""
    path = NAMES[name].split(".")
    for length in range(len(path), 0, -1):
        stem = ROOT.joinpath(*path[:length])
        file = stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")
        if file.is_file():
            break
    tree, inner = ast.parse(file.read_text(encoding="utf-8")), path[length:]
    if inner:
        (tree,) = (node for node in tree.body if getattr(node, "name", "") == inner[0])
    assert len(inner) <= 1
    assert ast.get_docstring(tree)


def test_the_api_is_not_empty() -> None:
    assert {key: len(names) >= 10 for key, names in public(ROOT).items()} == dict.fromkeys(public(ROOT), True)
    assert "- heading" not in api_pages(ROOT)["api/theory.md"]
    assert "::: sim.interface.simulate.simulate\n" in api_pages(ROOT)["api/interface.md"]


# -- 中文 -------------------------------------------------------------------------------------------------------------

NUMBER = re.compile(r"(?<![A-Za-z\d.])[−-]?\d+(?:\.\d+)?")


def numbers(text: str) -> dict[str, list[str]]:
    """The numbers in the row of each claim of a table of verdicts, sorted; links and names of claims left out."""
    found = {}
    for claim, row in re.findall(r"^\| \[(C[1-6])\](.*)$", text, re.MULTILINE):
        plain = re.sub(r"\]\([^)]*\)|C\d(?:\.\d+)?|P_\w", "]", row)
        found[claim] = sorted(NUMBER.findall(plain))
    return found


def test_the_chinese_verdicts_have_the_numbers_of_the_readme() -> None:
    ours, theirs = (numbers((ROOT / name).read_text(encoding="utf-8")) for name in ("README.md", "docs/zh/verdicts.md"))
    assert list(ours) == ["C1", "C2", "C3", "C4", "C5", "C6"]
    assert sum(map(len, ours.values())) >= 40
    assert theirs == ours


@pytest.mark.parametrize("name", ["index", "start"])
def test_the_chinese_pages_have_no_numbers_of_their_own(name: str) -> None:
    readme, page = (
        set(NUMBER.findall((ROOT / one).read_text(encoding="utf-8"))) for one in ("README.md", f"docs/zh/{name}.md")
    )
    assert {one for one in page if len(one) > 1} <= readme | {"95"}, "95 % intervals"


def test_another_number_is_found() -> None:
    row = "| [C1](c1.md): a | 96 % [94, 99] by 0.002 nats [−0.016, 0.019] |\n"
    assert numbers(row) == {"C1": ["0.002", "0.019", "94", "96", "99", "−0.016"]}
    assert numbers(row.replace("94", "95")) != numbers(row)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_folder_that_is_not_in_the_repository_is_not_cited(page: Path) -> None:
    assert not re.search(r"\bspec/|\bshared/", page.read_text(encoding="utf-8"))


def test_a_table_that_is_cut_is_found() -> None:
    cut = "| a | b |\n|---|---|\n| 1 | 2 |\n\n| 3 | 4 |\n"
    assert [len(table) for table in tables(cut)] == [3, 1]


# -- what members import ----------------------------------------------------------------------------------------------


def looked_into() -> set[Path]:
    """The files of the table "Where to look". A name without a folder is in the folder before it."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("**Where to look.**")[1].split("\n### ")[0]
    found = set()
    for row in re.findall(r"^\| .*$", text, re.MULTILINE):
        folder = ROOT
        for where, name in re.findall(r"`([\w/]+/)?(\w+\.py)`", row):
            folder = ROOT / where if where else folder
            found.add(folder / name)
    return found


def module_of(name: str) -> Path:
    """The file that defines a public name or is the module of this name."""
    parts = name.split(".")
    for places in (parts, parts[:-1]):
        for file in (ROOT.joinpath(*places).with_suffix(".py"), ROOT.joinpath(*places, "__init__.py")):
            if file.is_file():
                return file
    raise AssertionError(name)


def test_where_to_look_is_what_is_public_for_members() -> None:
    names = public(ROOT)
    everything = {module_of(where) for page in names.values() for where in page.values()}
    assert {str(file) for file in looked_into() - everything} == set(), "no row in docs/api.md"
    members = {module_of(where) for where in names["members"].values()}
    assert {str(file) for file in members - looked_into()} == set(), "not in CONTRIBUTING.md, Where to look"


def test_the_architecture_names_every_folder() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    code = {file.parent.name for file in ROOT.glob("[a-z]*/*.py")}
    assert code >= {"sim", "figures", "classroom", "notebooks", "tools"}
    assert {one for one in code if f"`{one}/" not in text} == set()
