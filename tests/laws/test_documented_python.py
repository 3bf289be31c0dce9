"""The Python that the pages show is executed: with small runs in every test run, as it stands in the slow tests."""

import functools
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.interface.result import Result
from tests.composed import ROOT

PAGES = ("README.md", "docs/python.md", "docs/notebooks.md")
SMALL: dict[str, Any] = {"scale": "smoke", "model": "tabular_trie", "progress": False}


def program(page: str) -> str:
    """All blocks of Python of a page, one after the other."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks, page
    return "\n".join(blocks)


def executed(page: str, folder: Path) -> dict[str, Any]:
    file = folder / "page.py"
    file.write_text(program(page), encoding="utf-8")
    return runpy.run_path(str(file))


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


@pytest.mark.parametrize("page", PAGES)
def test_it_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = sim.simulate

    @functools.wraps(real)
    def small(**given: Any) -> Result:
        return real(**{**given, **SMALL, "outputs": tmp_path})

    monkeypatch.setattr(sim, "simulate", small, raising=False)
    found = executed(page, tmp_path)
    assert isinstance(found["result"], Result)
    assert list(tmp_path.glob("*/*/manifest.json"))
    del capsys


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_it_runs_as_it_stands(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = executed(page, tmp_path)
    if page == "README.md":
        assert "- VALID: " in repr(found["result"])
        assert "- VALID: " in repr(found["other"])
