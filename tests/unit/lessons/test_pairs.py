"""The notebooks are pairs: a .py file that people edit, and an .ipynb without outputs that says the same."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from sim.lessons._checking import exercises
from tests.composed import ROOT
from tests.unit.lessons.worlds import LESSONS, NOTEBOOKS
from tools.notebooks import repository, sources, with_badge

MARK = "\n# %%"


def cells_of(text: str) -> list[tuple[str, str]]:
    """The cells of a file in the percent format: kind and source."""
    found = []
    for part in text.split(MARK)[1:]:
        header, _, body = part.partition("\n")
        if "[markdown]" in header:
            found.append(("markdown", "\n".join(line[2:] for line in body.strip().split("\n"))))
        else:
            found.append(("code", body.strip()))
    return found


def notebook(lesson: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((NOTEBOOKS / f"{lesson}.ipynb").read_text(encoding="utf-8"))
    return found


def test_every_notebook_has_its_pair() -> None:
    assert [file.stem for file in sources()] == LESSONS == sorted(file.stem for file in NOTEBOOKS.glob("*.ipynb"))


def test_every_lesson_has_a_notebook_and_the_other_way_round() -> None:
    modules = [file.stem for file in (ROOT / "sim" / "lessons").glob("*.py") if not file.stem.startswith("_")]
    assert sorted(modules) == LESSONS
    assert {name.partition(".")[0] for name in exercises()} == {lesson.partition("_")[0] for lesson in LESSONS}


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_two_say_the_same(lesson: str) -> None:
    written = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook(lesson)["cells"]]
    assert written == cells_of((NOTEBOOKS / f"{lesson}.py").read_text(encoding="utf-8")), (
        "run python -m tools.notebooks"
    )


@pytest.mark.parametrize("lesson", LESSONS)
def test_no_output_is_committed(lesson: str) -> None:
    cells = notebook(lesson)["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert [cell["id"] for cell in cells] == [f"{lesson}-{number}" for number in range(len(cells))]


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_has_its_parts(lesson: str) -> None:
    """A title, a prediction, then a picture, then exercises; and a start within fifteen lines."""
    cells = cells_of((NOTEBOOKS / f"{lesson}.py").read_text(encoding="utf-8"))
    text = "\n".join(source for _, source in cells)
    assert text.startswith("# ")
    picture = re.search(r"^(figure|result\.figure\(.*\))$", text, re.MULTILINE)
    assert picture is not None
    assert text.index("**Predict.**") < picture.start() < text.index("## Exercises")
    if lesson == "start":
        first = next(source for _, source in cells if "sim.simulate(" in source)
        assert len([line for line in first.split("\n") if line.strip()]) <= 15
        assert "result.figure(" in first
    else:
        pages = re.findall(r"docs/[\w/]+\.md", text)
        assert pages, "where to read on"
        assert all((ROOT / page).is_file() for page in pages)
        own = f"docs/claims/{lesson}.md"
        assert own in pages or not (ROOT / own).is_file()


# -- a badge needs an address -----------------------------------------------------------------------------------------

TEXT = "# %% [markdown]\n# # A title\n#\n# Words.\n"
ADDRESS = "https://github.com/someone/something"


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_notebook_has_a_badge_if_and_only_if_the_project_has_an_address(lesson: str) -> None:
    text = (NOTEBOOKS / f"{lesson}.py").read_text(encoding="utf-8")
    assert text == with_badge(text, lesson, repository(project())), "run python -m tools.notebooks"
    assert ("colab" in text) == (repository(project()) is not None)


def test_a_badge_is_added_replaced_and_removed() -> None:
    once = with_badge(TEXT, "c9_new", ADDRESS)
    line = once.split("\n")[2]
    assert "(https://colab.research.google.com/github/someone/something/blob/main/notebooks/c9_new.ipynb)" in line
    assert f"`!pip install git+{ADDRESS}`" in line
    assert once.replace(line + "\n", "") == TEXT
    assert with_badge(once, "c9_new", ADDRESS) == once
    assert with_badge(once, "c9_new", "https://github.com/other/name").count("colab-badge") == 1
    assert with_badge(once, "c9_new", None) == TEXT


@pytest.mark.parametrize(
    ("urls", "found"),
    [(None, None), ({}, None), ({"Homepage": "https://example.org/x"}, None),
     ({"Docs": "https://someone.github.io/something"}, None), ({"Repository": f"{ADDRESS}.git"}, ADDRESS),
     ({"Homepage": "https://example.org", "Source": f"{ADDRESS}/"}, ADDRESS),
     ({"Issues": f"{ADDRESS}/issues"}, None), ({"Repository": f"https://evil.org/{ADDRESS}"}, None)],
)  # fmt: skip
def test_only_an_address_at_github_counts(urls: dict[str, str] | None, found: str | None) -> None:
    assert repository({} if urls is None else {"urls": urls}) == found


def test_the_folder_is_small() -> None:
    assert sum(file.stat().st_size for file in Path(NOTEBOOKS).glob("*.*")) < 150_000
