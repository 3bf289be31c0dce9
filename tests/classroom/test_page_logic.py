"""The page's modules without a browser: settings, hash, texts of both languages, ticks and numbers as text."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "classroom"
NAMES = (
    "every_setting_has_a_control",
    "a_hash_comes_back",
    "a_bad_hash_gives_one_fault_and_the_defaults",
    "an_address_names_only_what_its_world_has",
    "a_change_of_the_world_moves_what_it_lacks",
    "worked_examples_are_those_of_the_world",
    "every_number_of_worked_examples_has_a_picture",
    "both_languages_have_every_text",
    "idle_settings_have_a_reason",
    "every_fault_is_one_sentence_in_both_languages",
    "everything_that_can_be_wrong_is_told_in_chinese",
    "labels_are_moved_apart_and_stay_inside",
    "numbers_never_claim_more_than_they_know",
    "a_guide_keeps_its_slope_inside_of_the_axis",
    "frames_begin_and_end_with_the_training",
)


@pytest.fixture(scope="module")
def results() -> dict[str, str]:
    """What each check of `classroom/tests/page_logic.mjs` found."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (FOLDER / "node_modules" / "esbuild").exists():
        pytest.skip("classroom/node_modules is missing; run `npm ci` in classroom/")
    command = [node, str(FOLDER / "tests" / "page_logic.mjs")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_check_has_a_name_here(results: dict[str, str]) -> None:
    assert sorted(results) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_page_logic(results: dict[str, str], name: str) -> None:
    assert results[name] == "ok"
