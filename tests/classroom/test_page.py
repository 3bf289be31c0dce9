"""The built page in Chromium, offline: controls, keyboard, accessibility, hash, own sentences, languages, pictures."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "classroom"
NAMES = (
    "every_control_repaints",
    "play_step_and_reset",
    "keyboard_alone_reaches_everything",
    "numbers_on_focus_hover_and_touch",
    "a_hash_gives_the_same_page_again",
    "a_bad_hash_gives_one_line_and_the_defaults",
    "a_control_that_does_not_exist_is_told_and_can_be_left",
    "own_sentences",
    "own_sentences_train_the_transformer",
    "no_accessibility_violation",
    "lessons_are_predict_do_see",
    "recorded_runs_without_workers",
    "a_slow_browser_says_how_long_it_takes",
    "both_languages",
    "screenshots_are_legible",
    "no_console_error_and_no_request",
)

pytestmark = pytest.mark.slow


def chromium() -> str | None:
    """Return the path of Chromium, which the variable CHROMIUM may name."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each check of `classroom/tests/page.mjs` found in a page that is built now."""
    node, browser = shutil.which("node"), chromium()
    if node is None or browser is None:
        pytest.skip("node and chromium are needed; install both, or set CHROMIUM to the browser's path")
    if not (FOLDER / "node_modules" / "playwright-core").exists():
        pytest.skip("classroom/node_modules is missing; run `npm ci` in classroom/")
    folder = tmp_path_factory.mktemp("page")
    page = folder / "classroom.html"
    subprocess.run([node, "build.mjs", "--out", str(page)], cwd=FOLDER, check=True, timeout=300)
    command = [node, "tests/page.mjs", str(page), browser, str(folder)]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False, timeout=3000)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_check_of_the_browser_has_a_name_here(results: dict[str, str]) -> None:
    assert sorted(results) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_page(results: dict[str, str], name: str) -> None:
    assert results[name] == "ok"
