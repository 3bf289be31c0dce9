"""The Python that the pages show is executed: with small runs in every test run, as it stands in the slow tests.

The blocks of a page are one program. A comment in the source of a page, which no reader of the page sees, may stand
before a block: `<!-- file: PATH -->` (it shows this file, which other tests execute), `<!-- slow: REASON -->` (it is
executed in the slow tests alone) or `<!-- not executed: REASON -->`.
"""

import ast
import functools
import re
import runpy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

import sim
from sim.interface.result import Result
from tests.composed import ROOT

SMALL: dict[str, Any] = {"scale": "smoke", "model": "tabular_trie", "progress": False}
FEW_PROMPTS = {"kind": "english", "num_prompts": 2}
"""The default world with two of its topics. The moon, about which the pages ask, is one of them."""

ALL = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])
BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>file|slow|not executed): (?P<said>.+?) -->\n)?"
    r" *```(?P<language>python|py|yaml|toml)\b[^\n]*\n(?P<code>.*?)^ *```",
    re.MULTILINE | re.DOTALL,
)

DATA = ("yaml", "toml")
"""Languages of blocks that are not executed."""


@dataclass(frozen=True)
class Shown:
    """A block of code on a page, and what its source says of it."""

    language: str
    code: str
    mark: str
    said: str


def shown(text: str) -> Iterator[Shown]:
    """The blocks of Python and of data of a page."""
    for found in BLOCK.finditer(text):
        yield Shown(found["language"], found["code"], found["mark"] or "", (found["said"] or "").strip())


def blocks(page: str) -> list[Shown]:
    return list(shown((ROOT / page).read_text(encoding="utf-8")))


def program(page: str, slow: bool = True) -> str:
    """All blocks of Python of a page that are executed, one after the other."""
    marks = ("", "slow") if slow else ("",)
    return "\n".join(one.code for one in blocks(page) if one.language not in DATA and one.mark in marks)


NAMES = [str(page.relative_to(ROOT)) for page in ALL]
PAGES = [page for page in NAMES if program(page)]
FILES = [(page, one) for page in NAMES for one in blocks(page) if one.mark == "file"]


def executed(page: str, folder: Path, slow: bool) -> dict[str, Any]:
    """Execute a page in a folder that has the examples, as the root of the repository has them."""
    (folder / "examples").symlink_to(ROOT / "examples")
    file = folder / "page.py"
    file.write_text(program(page, slow), encoding="utf-8")
    with mpl.rc_context():
        return runpy.run_path(str(file))


def test_pages_with_python_are_found() -> None:
    assert {"README.md", "docs/python.md", "docs/tables.md", "docs/figure.md"} <= set(PAGES)
    assert len(FILES) >= 12


def test_a_block_says_what_it_is() -> None:
    text = (
        "<!-- slow: a minute -->\n```python\na = 1\n```\n\n```yaml\nb: 2\n```\n<!-- file: x.py -->\n```python\nc\n```\n"
    )
    assert [(one.language, one.mark, one.said) for one in shown(text)] == [
        ("python", "slow", "a minute"), ("yaml", "", ""), ("python", "file", "x.py"),
    ]  # fmt: skip


@pytest.mark.parametrize("page", NAMES)
def test_every_block_is_python(page: str) -> None:
    for one in blocks(page):
        if one.language not in DATA:
            ast.parse(one.code)


@pytest.mark.parametrize(("page", "one"), FILES, ids=[f"{page} {one.said}" for page, one in FILES])
def test_a_block_is_the_file_that_it_shows(page: str, one: Shown) -> None:
    assert one.code == (ROOT / one.said).read_text(encoding="utf-8"), page


def test_the_first_screen_shows_a_whole_run_in_few_lines() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text[: text.index("```python")].count("\n") <= 45
    lines = [line for line in program("README.md").splitlines() if line.strip()]
    assert len(lines) <= 15
    for word in ("simulate", "table", "figure", "sample", "finetune"):
        assert any(f".{word}(" in line for line in lines), word


def test_every_public_name_is_on_the_page() -> None:
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    assert [name for name in sim.__all__ if not re.search(rf"\bsim\.{name}\b", text)] == ["__version__"]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of results for all pages, so that a run which several pages show is made once."""
    return tmp_path_factory.mktemp("outputs")


@pytest.mark.parametrize("page", PAGES)
def test_it_runs(page: str, outputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = sim.simulate

    @functools.wraps(real)
    def small(**given: Any) -> Result:
        world = {"grammar": FEW_PROMPTS} if given.get("grammar", "english") == "english" else {}
        return real(**{**given, **SMALL, **world, "outputs": outputs})

    monkeypatch.setattr(sim, "simulate", small, raising=False)
    monkeypatch.chdir(tmp_path)
    found = executed(page, tmp_path, slow=False)
    if "simulate(" in program(page, slow=False):
        assert isinstance(found["result"], Result)
        assert (found["result"].folder / "manifest.json").is_relative_to(outputs)
        assert (found["result"].folder / "manifest.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_it_runs_as_it_stands(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = executed(page, tmp_path, slow=True)
    if page == "README.md":
        assert "- VALID: " in repr(found["result"])
        assert "- VALID: " in repr(found["other"])
