"""docs/theory.md: every result has assumptions, a proof, a source and tests that exist; references lead somewhere."""

import re

import pytest

from tests.composed import ROOT

PAGE = ROOT / "docs" / "theory.md"
TEXT = PAGE.read_text(encoding="utf-8")
RESULTS = {
    match[1]: match[2]
    for match in re.finditer(r"^### (T\d+)\. [^\n]+\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
}
ITEMS = ("Statement", "Assumptions", "Proof", "Source", "Test")
NAMED = re.compile(r"\]\((?P<file>[^)]+\.py)\):(?P<names>(?:\s*`test_\w+`,?)+)")


def item(result: str, name: str) -> str:
    """One of the points about a result, in one line."""
    found = re.search(rf"^\* \*\*{name}\.\*\* (.*?)(?=^\* |\Z)", RESULTS[result], re.MULTILINE | re.DOTALL)
    assert found, f"{result} has no {name}"
    return " ".join(found[1].split())


def test_results_are_numbered_without_a_gap() -> None:
    assert list(RESULTS) == [f"T{number}" for number in range(1, len(RESULTS) + 1)]
    assert len(RESULTS) >= 20


@pytest.mark.parametrize("result", RESULTS)
def test_a_result_has_its_assumptions_a_whole_proof_its_source_and_tests_that_exist(result: str) -> None:
    for name in ITEMS:
        assert item(result, name)
    assert item(result, "Proof").endswith("∎"), "a proof ends; what was only seen is said after it, or elsewhere"
    listed = re.findall(r"`(test_\w+)`", item(result, "Test"))
    found = [(one["file"], name) for one in NAMED.finditer(item(result, "Test")) for name in
             re.findall(r"test_\w+", one["names"])]  # fmt: skip
    assert [name for _, name in found] == listed != []
    for file, name in found:
        source = (PAGE.parent / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {name}\(", source, re.MULTILINE), f"{file}: {name}"


def test_every_proof_belongs_to_a_result_and_every_reference_to_one() -> None:
    assert TEXT.count("∎") == len(RESULTS)
    mentioned = {f"T{number}" for number in re.findall(r"\bT(\d+)\b", TEXT)}
    assert mentioned == set(RESULTS)


def test_what_is_observed_is_called_so() -> None:
    """What has no proof stands in a section of its own, or after the words that say so."""
    assert "\n## Observed, not proved\n" in TEXT
    last = TEXT.partition("\n## Observed, not proved\n")[2]
    assert "∎" not in last
    assert not re.search(r"^### T", last, re.MULTILINE)


def test_the_modules_of_the_room_are_all_used_by_its_tests() -> None:
    """A module of sim/theory whose formulas the page does not prove would have no test here that imports it."""
    named = {one["file"] for one in NAMED.finditer(" ".join(TEXT.split()))}
    sources = "".join((PAGE.parent / file).read_text(encoding="utf-8") for file in named)
    modules = {file.stem for file in (ROOT / "sim" / "theory").glob("*.py")} - {"__init__"}
    assert {name for name in modules if f"sim.theory.{name}" not in sources} == set()
