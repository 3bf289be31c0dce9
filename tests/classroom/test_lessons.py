"""The lessons of the classroom page: their texts, those on the table, recorded runs, and (slow) all over seeds."""

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

DOCS = ROOM.parent / "docs"
OTHERS = {"index.ts", "reading.ts"}
"""Files of the folder that are no lessons."""

PRINT = """
@page { size: A4 landscape; margin: 9mm }
body { font: 10.2pt/1.28 "Noto Sans", "Noto Sans CJK SC", sans-serif; margin: 0 }
h1 { font-size: 13pt; margin: 0 0 1mm } p { margin: 0 0 1mm }
table { border-collapse: collapse; width: 100% } td, th { border: 0.2mm solid #777; padding: 0.5mm 1mm;
  vertical-align: top }
"""
"""A simple style with which a sheet is printed on A4."""

RECORDED = 120_000
"""The largest size of all recorded runs [bytes]."""


def asked(node: str, *jobs: Any, browser: str | None = None) -> list[Any]:
    """Answers of classroom/tests/lessons.mjs to some jobs."""
    program = [node, str(ROOM / "tests" / "lessons.mjs")]
    given = json.dumps({"browser": browser, "jobs": jobs})
    done = subprocess.run(program, input=given, capture_output=True, text=True, encoding="utf-8", check=True)
    found: list[Any] = json.loads(done.stdout)
    return found


FAILING = [
    {"lessons": ["entropy"], "settings": {"style": 0}},  # the plain style has less entropy than the language
    {"lessons": ["entropy"], "settings": {"steps": 2}},
    {"lessons": ["decay"], "settings": {"optimizer": "adam", "rate": 0.03}},  # about t^-1.5
    {"lessons": ["decay"], "settings": {"rate": 0.3}},  # too early
]
"""Settings in which lessons do not show what they say."""


@pytest.fixture(scope="module")
def answers(node: str) -> dict[str, Any]:
    """All quick answers, by one process."""
    failing = [job | {"languages": ["en"]} for job in FAILING]
    texts, recorded, again, table, *failed = asked(node, "texts", "recorded", "again", {}, *failing)
    return {"texts": texts, "recorded": recorded, "again": again, "table": table, "failed": failed}


@pytest.fixture(scope="module")
def texts(answers: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = answers["texts"]
    return found


def lesson_files() -> set[str]:
    """The ids of the lessons, by their files."""
    return {file.stem for file in (ROOM / "src" / "lessons").glob("*.ts") if file.name not in OTHERS}


def worlds_of(lesson: dict[str, Any]) -> list[str]:
    """The languages in which a lesson has runs of its own: one where it names the world, else both."""
    return ["en"] if lesson["settings"].get("world", "own") != "own" else ["en", "zh"]


def on_the_table(texts: dict[str, Any]) -> set[str]:
    return {lesson["id"] for lesson in texts["lessons"] if lesson["settings"].get("model") == "table"}


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = [unicodedata.normalize("NFKC", one).lower() for one in headings]
    return {re.sub(r"[^\w\- ]", "", one).strip().replace(" ", "-") for one in plain}


def test_every_file_of_the_folder_is_a_lesson_of_the_course(texts: dict[str, Any]) -> None:
    ids = [lesson["id"] for lesson in texts["lessons"]]
    assert sorted(ids) == sorted(lesson_files())
    assert len(ids) > 1


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


def test_a_theorem_is_told_in_a_sentence_and_never_by_its_number_alone(texts: dict[str, Any]) -> None:
    """The page is one file: "T4" and "claim C2" without a word of what they are mean nothing there."""
    for lesson in texts["lessons"]:
        proved = lesson["en"]["theory"] != "observed-not-proved"
        for language, claim in (("en", r"behind this page \(claim"), ("zh", r"本页背后的较大世界的研究中（主张")):
            text = lesson[language]
            assert bool(text.get("theorem")) is proved, (lesson["id"], language)
            told = " ".join(text[key] for key in ("question", "do", "look", "after")) + text.get("theorem", "")
            assert not re.search(r"\bT\d", told), (lesson["id"], language)
            assert len(re.findall(r"C\d", told)) == len(re.findall(claim + r" ?C\d", told)), (lesson["id"], language)


def test_what_to_look_at_has_that_name_on_the_page(texts: dict[str, Any]) -> None:
    """A name between quotation marks in "look" and "do" is one of the page's own words."""
    for lesson in texts["lessons"]:
        for language in ("en", "zh"):
            named = re.findall("“([^”]+)”", lesson[language]["look"] + lesson[language]["do"])
            assert any(name in texts["titles"][language] for name in named), (lesson["id"], language)
            for name in named:
                assert name in texts["words"][language], (lesson["id"], language, name)


def test_the_lessons_on_the_table_show_what_they_say(answers: dict[str, Any]) -> None:
    found = {(one["lesson"], one["language"]): one["runs"] for one in answers["table"]}
    wanted = on_the_table(answers["texts"])
    assert wanted >= {"entropy", "decay"}
    assert set(found) == {(lesson, language) for lesson in wanted for language in ("en", "zh")}
    for runs in found.values():
        assert all(run["shown"] for run in runs)
    numbers = found["entropy", "en"][0]["numbers"]
    assert numbers["truth"]["p"] == pytest.approx(1.8214, abs=1e-4)
    assert numbers["truth"]["s"] == pytest.approx(2.4648, abs=1e-4)
    lost = found["decay", "en"][0]["numbers"]["after"]["lost"]
    limit = 4 * 8 * 24 / 32  # n_A n_B / (n_A + n_B) for every prompt, and P(x) cancels: docs/theory.md, T10
    assert 10 * 1000 * lost == pytest.approx(limit, rel=0.05)


def test_a_lesson_can_fail(answers: dict[str, Any]) -> None:
    for job, (found,) in zip(FAILING, answers["failed"], strict=True):
        assert [run["shown"] for run in found["runs"]] == [False], job


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
        for language in worlds_of(lesson)
        for role in ("tuning", "control")
    }
    assert sides == wanted


def test_recorded_runs_show_what_the_lessons_say(answers: dict[str, Any], texts: dict[str, Any]) -> None:
    found = answers["recorded"]
    wanted = [lesson["id"] for lesson in texts["lessons"] for _ in worlds_of(lesson)]
    assert sorted(one["lesson"] for one in found) == sorted(wanted)
    assert [one for one in found if not one["shown"]] == []


def erased(world: dict[str, Any], run: dict[str, Any]) -> tuple[float, float, float]:
    """Erasure of a recorded run [nat], between lost styles and within them, and what a typical lost answer keeps."""
    log_p, prompt, style = (np.array(world[key]) for key in ("logP", "prompt", "style"))
    last = np.frombuffer(base64.b64decode(run["logQ"]), "<f2").astype(float).reshape(len(run["steps"]), -1)[-1]
    p, q = np.exp(log_p), np.exp(last)
    between, within = 0.0, 0.0
    for x in np.unique(prompt):
        lost = (prompt == x) & (style != run["settings"]["style"])
        for z in np.unique(style[lost]):
            own = lost & (style == z)
            between += p[own].sum() * np.log(p[own].sum() / p[lost].sum() * q[lost].sum() / q[own].sum())
            within += (p[own] * np.log(p[own] / p[own].sum() * q[own].sum() / q[own])).sum()
    return between, within, float(np.exp(-within / p[style != run["settings"]["style"]].sum()))


def test_the_numbers_of_lesson_2_are_those_of_its_run(texts: dict[str, Any], world: Callable[[str], Any]) -> None:
    (lesson,) = [one for one in texts["lessons"] if one["id"] == "gate"]
    for language, name in (("en", "english"), ("zh", "chinese")):
        (run,) = [
            r for i, r in recorded_runs() if i == "gate" and r["settings"]["world"] == name and r["role"] == "tuning"
        ]
        between, within, keeps = erased(world(name), run)
        told = lesson[language]["after"], (DOCS / f"classroom_teacher_{language}.md").read_text(encoding="utf-8")
        for text in told:
            for number in (f"{between + within:.2f}", f"{between:.2f}", f"{within:.2f}", f"{100 * keeps:.0f} %"):
                assert number in text, (language, number)


def test_recorded_runs_have_the_settings_of_their_lesson(answers: dict[str, Any]) -> None:
    assert [(one["lesson"], one["role"]) for one in answers["again"] if not one["same"]] == []


def test_recorded_runs_on_the_table_are_what_a_training_gives(answers: dict[str, Any]) -> None:
    compared = [one for one in answers["again"] if one["laws"]]
    assert {one["lesson"] for one in compared} == on_the_table(answers["texts"])
    for one in compared:
        laws = one["laws"]
        anew, recorded = (np.array([float(log) if log is not None else -np.inf for log in laws[key]])
                          for key in ("logQ", "recorded"))  # fmt: skip
        assert laws["steps"] == one["steps"]
        assert recorded == pytest.approx(anew, rel=2**-11, abs=2**-14), (one["lesson"], one["role"])  # half precision


@pytest.mark.slow
def test_every_lesson_shows_its_point_in_nine_of_ten_seeds(node: str, chromium: str) -> None:
    (found,) = asked(node, {"seeds": 10}, browser=chromium)
    assert {(one["lesson"], one["language"]) for one in found} == {(i, x) for i in lesson_files() for x in ("en", "zh")}
    for one in found:
        shown = [run["shown"] for run in one["runs"]]
        assert len(shown) == (10 if one["dice"] else 1)
        assert sum(shown) >= 0.9 * len(shown), (one["lesson"], one["language"], shown)


def html(sheet: str) -> str:
    """A teacher's sheet as HTML: headings, paragraphs, one table, links and bold words are all that it has."""
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", sheet))
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|") and "---" not in line]
    table = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    before, after = [*re.split(r"(?:^\|.*\n?)+", text, maxsplit=1, flags=re.MULTILINE), ""][:2]
    parts = [
        f"<h1>{one[2:]}</h1>" if one.startswith("# ") else f"<p>{one}</p>"
        for one in (*before.split("\n\n"), "TABLE", *after.split("\n\n"))
        if one.strip()
    ]
    return "".join(parts).replace("<p>TABLE</p>", f"<table>{table}</table>")


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_teachers_sheet_is_one_printed_page(chromium: str, tmp_path: Path, language: str) -> None:
    body = html((DOCS / f"classroom_teacher_{language}.md").read_text(encoding="utf-8"))
    assert body.count("<tr>") == 1 + len(lesson_files())
    page, printed = tmp_path / "sheet.html", tmp_path / "sheet.pdf"
    page.write_text(
        f'<!doctype html><meta charset="utf-8"><style>{PRINT}</style><body lang="{language}">{body}', encoding="utf-8"
    )
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", f"--print-to-pdf={printed}"]
    subprocess.run([chromium, *options, f"file://{page}"], check=True, capture_output=True)
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", printed.read_bytes())) == 1
