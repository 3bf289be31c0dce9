"""The lessons of the classroom page: texts, anchors, the lessons on the table, recorded runs, and (slow) all over seeds."""

import base64
import json
import re
import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.classroom.conftest import ROOM

Tried = Callable[..., list[dict[str, Any]]]

DOCS = ROOM.parent / "docs"
OTHERS = {"index.ts", "reading.ts"}
"""Files of the folder that are no lessons."""

PRINT = """
@page { size: A4 landscape; margin: 9mm }
body { font: 8.4pt/1.22 "Noto Sans", "Noto Sans CJK SC", sans-serif; margin: 0 }
h1 { font-size: 13pt; margin: 0 0 1mm } p { margin: 0 0 1mm }
table { border-collapse: collapse; width: 100% } td, th { border: 0.2mm solid #777; padding: 0.5mm 1mm; vertical-align: top; text-align: left }
"""
"""A simple style with which a sheet is printed on A4."""

RECORDED = 120_000
"""The largest size of all recorded runs [bytes]."""


def asked(node: str, **given: Any) -> Any:
    program = [node, str(ROOM / "tests" / "lessons.mjs")]
    done = subprocess.run(
        program, input=json.dumps(given), capture_output=True, text=True, encoding="utf-8", check=True
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def texts(node: str) -> dict[str, Any]:
    found: dict[str, Any] = asked(node, check="texts")
    return found


@pytest.fixture(scope="module")
def tried(node: str) -> Tried:
    return lambda **given: asked(node, **given)


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = [unicodedata.normalize("NFKC", one).lower() for one in headings]
    return {re.sub(r"[^\w\- ]", "", one).strip().replace(" ", "-") for one in plain}


def test_every_file_of_the_folder_is_a_lesson_of_the_course(texts: dict[str, Any]) -> None:
    files = {file.stem for file in (ROOM / "src" / "lessons").glob("*.ts") if file.name not in OTHERS}
    ids = [lesson["id"] for lesson in texts["lessons"]]
    assert len(ids) == len(set(ids)) == 10
    assert set(ids) == files


def test_every_text_is_there_in_both_languages(texts: dict[str, Any]) -> None:
    for lesson in texts["lessons"]:
        for language in ("en", "zh"):
            text = lesson[language]
            assert all(text[key].strip() for key in ("title", "question", "do", "look", "after")), lesson["id"]
            assert len(text["choices"]) == len(set(text["choices"])) == 3, lesson["id"]
            assert not re.search(r"\s{2}|\n", text["after"]), lesson["id"]
        assert len(lesson["en"]["choices"]) == len(lesson["zh"]["choices"])
        assert lesson["en"]["theory"] == lesson["zh"]["theory"]
        assert not re.search(r"[一-鿿]", json.dumps({k: v for k, v in lesson["en"].items() if k != "own"}))


def test_every_anchor_is_a_section_of_the_theory(texts: dict[str, Any]) -> None:
    known = anchors(DOCS / "theory.md")
    assert "t1-forward-kl-leads-to-the-data" in known
    for lesson in texts["lessons"]:
        assert lesson["en"]["theory"] in known, lesson["id"]


def test_what_to_look_at_has_that_name_on_the_page(texts: dict[str, Any]) -> None:
    """A name between quotation marks in "look" and "do" is one of the page's own words."""
    for lesson in texts["lessons"]:
        for language in ("en", "zh"):
            named = re.findall("“([^”]+)”", lesson[language]["look"] + lesson[language]["do"])
            assert any(name in texts["titles"][language] for name in named), (lesson["id"], language)
            for name in named:
                assert name in texts["words"][language], (lesson["id"], language, name)


def test_the_lessons_on_the_table_show_what_they_say(tried: Tried) -> None:
    found = {(one["lesson"], one["language"]): one["runs"] for one in tried(lessons=["entropy", "decay"])}
    assert set(found) == {(lesson, language) for lesson in ("entropy", "decay") for language in ("en", "zh")}
    for runs in found.values():
        assert all(run["shown"] for run in runs)
    numbers = found["entropy", "en"][0]["numbers"]
    assert numbers["truth"]["p"] == pytest.approx(1.8214, abs=1e-4)
    assert numbers["truth"]["s"] == pytest.approx(2.4648, abs=1e-4)
    lost = found["decay", "en"][0]["numbers"]["after"]["lost"]
    limit = 4 * 8 * 24 / 32  # n_A n_B / (n_A + n_B) for every prompt, and P(x) cancels: docs/theory.md, T10
    assert 10 * 1000 * lost == pytest.approx(limit, rel=0.05)


@pytest.mark.parametrize(
    ("lesson", "settings"),
    [
        ("entropy", {"style": 0}),  # the plain style has less entropy than the language
        ("entropy", {"steps": 2}),
        ("decay", {"optimizer": "adam", "rate": 0.03}),  # about t^-1.5
        ("decay", {"rate": 0.3}),  # too early
    ],
)
def test_a_lesson_can_fail(tried: Tried, lesson: str, settings: dict[str, Any]) -> None:
    (found,) = tried(lessons=[lesson], languages=["en"], settings=settings)
    assert [run["shown"] for run in found["runs"]] == [False]


def recorded_runs() -> list[tuple[str, dict[str, Any]]]:
    files = sorted((ROOM / "recorded").glob("*.json"))
    return [(file.stem, run) for file in files for run in json.loads(file.read_text(encoding="utf-8"))]


def test_recorded_runs_are_laws_of_both_sides_of_every_lesson(
    texts: dict[str, Any], world: Callable[[str], Any]
) -> None:
    sizes = [file.stat().st_size for file in (ROOM / "recorded").glob("*.json")]
    assert sum(sizes) <= RECORDED
    sides: set[tuple[str, str, str]] = set()
    for lesson, run in recorded_runs():
        log_q = np.frombuffer(base64.b64decode(run["logQ"]), "<f2").astype(float).reshape(len(run["steps"]), -1)
        assert run["steps"] == sorted(set(run["steps"])), lesson
        assert run["steps"][0] == 0, lesson
        name = run["settings"]["world"]
        prompt = np.zeros(log_q.shape[1], int) if name == "own" else np.array(world(name)["prompt"])
        assert len(prompt) == log_q.shape[1], lesson
        for law in np.exp(log_q):
            assert (np.bincount(prompt, law) <= 1.003).all(), lesson  # half precision
        language = "zh" if name == "chinese" or (name == "own" and "大" in run["settings"]["own"]) else "en"
        sides.add((lesson, language, run["role"]))
    wanted = {
        (lesson["id"], language, role)
        for lesson in texts["lessons"]
        for language in ("en", "zh")
        for role in ("tuning", "control")
    }
    assert sides == wanted - {("examples", "zh", role) for role in ("tuning", "control")}


def test_recorded_runs_show_what_the_lessons_say(tried: Tried) -> None:
    found = tried(check="recorded")
    assert len(found) == 19
    assert [one for one in found if not one["shown"]] == []


@pytest.mark.slow
def test_every_lesson_shows_its_point_in_nine_of_ten_seeds(tried: Tried, chromium: str) -> None:
    for one in tried(browser=chromium, seeds=10):
        shown = [run["shown"] for run in one["runs"]]
        assert len(shown) == (10 if one["dice"] else 1)
        assert sum(shown) >= 0.9 * len(shown), (one["lesson"], one["language"], shown)


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_teachers_sheet_is_one_printed_page(chromium: str, node: str, tmp_path: Path, language: str) -> None:
    del node
    markdown = pytest.importorskip("markdown", reason="the package markdown is not installed")
    sheet = DOCS / f"classroom_teacher_{language}.md"
    body = markdown.markdown(sheet.read_text(encoding="utf-8"), extensions=["tables"])
    page, printed = tmp_path / "sheet.html", tmp_path / "sheet.pdf"
    page.write_text(f'<meta charset="utf-8"><style>{PRINT}</style><body lang="{language}">{body}', encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", f"--print-to-pdf={printed}"]
    subprocess.run([chromium, *options, f"file://{page}"], check=True, capture_output=True)
    pages = re.findall(rb"/Type\s*/Page\b(?!s)", printed.read_bytes())
    assert len(pages) == 1
