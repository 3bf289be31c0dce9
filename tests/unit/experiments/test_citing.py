"""What is cited has an entry in references.bib, and every claim says what to cite."""

import re
from pathlib import Path

import pytest

from experiments.board import blocks
from experiments.citing import ALL, cited, entries, file, works
from experiments.predictions import Claim, table
from experiments.study import Judged
from sim.config import members
from sim.show.blocks import markdown

ROOT = Path(__file__).resolve().parents[3]
CLAIMS: list[Claim] = [module.CLAIM for one in members("experiment").values() if hasattr(module := one.load(), "CLAIM")]
SOURCES = [path for room in ("sim", "experiments", "figures") for path in sorted((ROOT / room).rglob("*.py"))]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
JUDGING = [*(path for path in SOURCES if path.is_relative_to(ROOT / "experiments")), *(ROOT / "docs").rglob("*.md")]
"""Where authors with a year have an entry too. What only `sim` rests on is cited in its docstrings."""

ARXIV = re.compile(r"ar[Xx]iv[: ./abs]*(\d{4}\.\d{4,5})")
AUTHOR = re.compile(
    r"\b([A-Z][a-zé]+)(?: et al\.|,? & [A-Z][a-zé]+|, [A-Z][a-zé]+ & [A-Z][a-zé]+)?,? \(?((?:19|20)\d{2})\b(?!-)"
)
NO_AUTHORS = {"Amended", "In", "May", "June", "September", "November", "December"}


def text(paths: list[Path]) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def test_every_arxiv_number_has_an_entry() -> None:
    found = set(ARXIV.findall(text([*SOURCES, *PAGES])))
    assert len(found) >= 11
    assert found <= {one.get("eprint") for one in entries().values()}


def test_every_author_with_a_year_has_an_entry() -> None:
    found = {pair for pair in AUTHOR.findall(text(JUDGING)) if pair[0] not in NO_AUTHORS}
    assert len(found) >= 7
    known = [(one["author"], one.get("year")) for one in entries().values()]
    missing = {pair for pair in found if not any(pair[0] in author and pair[1] == year for author, year in known)}
    assert not missing


def test_entries_are_whole() -> None:
    names = {claim.identifier for claim in CLAIMS} | {ALL, "code"} | {f"C{number}" for number in range(1, 7)}
    raw = file().read_text(encoding="utf-8")
    assert len(re.findall("^@", raw, re.MULTILINE)) == len(entries())
    assert raw.count("{") == raw.count("}")
    for key, one in entries().items():
        assert one["author"], key
        assert set(one["keywords"].split(", ")) <= names, key
        assert key.endswith(one.get("year", "")), key
        if "eprint" in one:
            assert one["archiveprefix"] == "arXiv"
            assert one["eprint"][:2] in (one["year"][2:], str(int(one["year"]) - 1)[2:]), key  # v1 may be a year older
        assert "{" not in one["author"]


def test_the_project_is_in_it_as_the_citation_file_says() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    own = entries()["sft_diversity"]
    assert f'title: "{own["title"]}"' in citation
    assert f"version: {own['version']}\n" in citation
    assert own["author"] in citation


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_a_report_says_what_to_cite(claim: Claim, tmp_path: Path) -> None:
    assert "sft_diversity" in works(claim.identifier)
    findings = table(claim, [], [claim.announced])
    if findings.is_empty():
        assert cited(claim.identifier).startswith("To cite (references.bib): ")
        return
    assert cited(claim.identifier) in markdown(list(blocks([Judged(claim, findings, "undecided", "", tmp_path)])))


def test_a_claim_of_another_package_cites_the_project() -> None:
    assert works("X9") == works("none of ours") == [key for key, one in entries().items() if one["keywords"] == ALL]
