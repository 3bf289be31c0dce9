"""The verdict board as text, as Markdown and as HTML: what is shown of every prediction, and what is never cut."""

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from experiments import board, conversation
from experiments.predictions import Amendment, Claim, Finding, table
from experiments.standing import RULE
from experiments.statistics import interval
from experiments.study import Judged
from sim.config import members
from sim.quantity import Quantity
from sim.show.blocks import WIDTH, Block, Paragraph, Table, markdown, page, show

CLAIMS: list[Claim] = [module.CLAIM for one in members("experiment").values() if hasattr(module := one.load(), "CLAIM")]
every_claim = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)

CASES = ("exact targets, random 50 % of the strings", "sampled targets, without the likeliest 20 %")
VERDICTS = ("holds", "refuted", "undecided")
UNITS = ("nat", "1", "answers", "1/step")


def invented(claim: Claim) -> Iterator[Finding]:
    """Findings with every verdict, in long and in no cases, of small, large and infinite numbers."""
    for at, one in enumerate(claim.predictions):
        if at % 7 == 6:
            yield Finding(one.identifier, "", None, None, "", "not valid", "no run counts for it")
            continue
        for number, case in enumerate(CASES):
            size = (-1.0) ** at * 10.0 ** (at % 5 - 4)
            values = size * (1 + 0.01 * np.arange(5.0))
            measured = interval(values[: 1 if at % 11 == 10 else 5])
            if one.kind == "bound":
                measured = Quantity(size, size, "over seeds", size, 1.0, 80 - at, "none")
            predicted = size if one.value is None and one.kind != "report" and at % 2 else one.value
            verdict = "reported" if one.kind == "report" else VERDICTS[(at + number) % 3]
            unit = UNITS[at % len(UNITS)]
            yield Finding(one.identifier, case, predicted, measured, unit, verdict, threshold=one.threshold)


def result(claim: Claim, folder: Path, made_for: str | None = "these") -> Judged:
    announced = claim.announced if made_for == "these" else made_for
    findings = table(claim, list(invented(claim)), [announced])
    return Judged(claim, findings, "holds only if", "H(S) < H(P): a reason", folder)


@pytest.fixture(params=CLAIMS, ids=lambda claim: claim.name)
def judged(request: pytest.FixtureRequest, tmp_path: Path) -> Judged:
    found = result(request.param, tmp_path)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "one.png").write_bytes(b"\x89PNG not really")
    (tmp_path / "figures" / "one.txt").write_text("What the figure shows | and\nhow it is read.")
    (tmp_path / "figures" / "unfinished.png").write_bytes(b"\x89PNG not really")
    return found


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """The coverage that a board prints is simulated; that it is right is tested below, and once."""
    monkeypatch.setattr(board, "DRAWS", 100)


def printed(blocks: list[Block]) -> list[str]:
    out = StringIO()
    show(blocks, Console(file=out, highlight=False))
    return out.getvalue().splitlines()


def words(text: str) -> str:
    """The text without what its form adds: every word once more, one blank apart."""
    return " ".join(text.split())


# -- the three forms, read back ----------------------------------------------------------------------------------------


def of_text(blocks: list[Block]) -> Iterator[list[tuple[str, ...]]]:
    """The tables on a terminal: columns lie where their heads begin, and a row begins in the first column."""
    lines = printed(blocks)
    for at, line in enumerate(lines):
        if re.fullmatch(r"  ─+", line):
            top = max(above for above in range(at) if not lines[above].strip()) + 1
            heads = [at - 1] if top == at - 1 else range(top, at)
            body = lines[at + 1 :]
            end = next((row for row, text in enumerate(body) if text[:2] != "  "), len(body))
            body = body[: next((row for row, text in enumerate(body[:end]) if not text.strip()), end)]
            edges = columns_of([lines[row] for row in heads], body)
            yield [tuple(cells) for cells in joined([*(lines[row] for row in heads)], body, edges)]


def columns_of(heads: list[str], body: list[str]) -> list[int]:
    """Where columns begin: after two blanks in every line at once."""
    width = max(map(len, [*heads, *body]))
    filled = [any(line[at : at + 1].strip() for line in [*heads, *body]) for at in range(width)]
    return [at for at in range(2, width) if filled[at] and not filled[at - 1] and not filled[at - 2]]


def joined(heads: list[str], body: list[str], edges: list[int]) -> Iterator[list[str]]:
    """Rows of cells, each made of its lines."""

    def cut(line: str) -> list[str]:
        return [line[start:end].strip() for start, end in zip(edges, [*edges[1:], None], strict=True)]

    rows: list[list[str]] = []
    for line in body:
        cells = cut(line)
        if cells[0]:
            rows.append(cells)
        else:
            rows[-1] = [f"{old} {new}".strip() for old, new in zip(rows[-1], cells, strict=True)]
    names = [cut(line) for line in heads]
    yield [words(" ".join(parts)) for parts in zip(*names, strict=True)]
    yield from rows


def of_markdown(blocks: list[Block]) -> Iterator[list[tuple[str, ...]]]:
    for part in re.findall(r"(?:^\|.*\n)+", markdown(blocks), re.MULTILINE):
        rows = [re.split(r" (?<!\\)\| ", line[2:-2]) for line in part.splitlines()]
        assert all(re.fullmatch("---:?", rule) for rule in rows[1])
        yield [tuple(cell.strip().replace("\\|", "|") for cell in row) for row in [rows[0], *rows[2:]]]


class Tables(HTMLParser):
    """The tables of a page, as rows of cells."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[list[list[str]]] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.found.append([])
        elif tag == "tr":
            self.found[-1].append([])
        elif tag in ("td", "th"):
            self.found[-1][-1].append("")
        self.inside = tag in ("td", "th")

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.found[-1][-1][-1] += data


def of_html(blocks: list[Block]) -> Iterator[list[tuple[str, ...]]]:
    parser = Tables()
    parser.feed(page("Verdict board", blocks))
    yield from ([tuple(row) for row in rows] for rows in parser.found)


FORMS = {"text": of_text, "Markdown": of_markdown, "HTML": of_html}
FULL = {
    "text": lambda blocks: re.sub(r"(?<=\w)- (?=\w)", "-", words(" ".join(printed(blocks)))),  # a break after a hyphen
    "Markdown": lambda blocks: words(markdown(blocks)),
    "HTML": lambda blocks: words(html.unescape(re.sub("<[^>]*>", " ", page("Verdict board", blocks)))),
}
every_form = pytest.mark.parametrize("form", FORMS)


def shown(form: str, blocks: list[Block]) -> Iterator[dict[str, str]]:
    """The rows of all tables by the names of their columns; parts of one table lie beside each other."""
    parts = [part for part in FORMS[form](blocks) if not part[0][1].startswith("before")]  # those of amendments
    while parts:
        head, *rows = parts.pop(0)
        found = [dict(zip(head, row, strict=True)) for row in rows]
        while parts and not set(board.COLUMNS) <= set(found[0]):
            head, *rows = parts.pop(0)
            found = [one | dict(zip(head, row, strict=True)) for one, row in zip(found, rows, strict=True)]
        yield from found


# -- what is shown ----------------------------------------------------------------------------------------------------


@every_form
def test_every_finding_is_a_row_with_what_was_predicted_what_was_measured_and_the_verdict(form, judged):
    rows = list(shown(form, list(board.blocks([judged]))))
    assert len(rows) == judged.findings.height
    findings = judged.findings.sort("instrument", maintain_order=True)
    for row, one in zip(rows, findings.iter_rows(named=True), strict=True):
        assert row["prediction"] == one["prediction"]
        assert row["kind"] == one["kind"]
        assert row["sentence"] == {"same": "says so", "opposite": "says the opposite", "silent": "–"}[one["says"]]
        assert row["case"] == one["case"]
        assert row["verdict"] == one["verdict"]
        assert row["predicted"] == board.predicted(one)
        assert row["measured"] == board.measured(one)
        assert row["worlds"].split()[0] == (str(one["num_seeds"]) if one["num_seeds"] else "–")


@every_form
def test_every_prediction_is_explained_with_its_rule_whom_it_counts_and_its_control(form, judged):
    text = FULL[form](list(board.blocks([judged])))
    for one in judged.claim.predictions:
        said = f"{one.identifier} {one.statement} Predicted: {one.predicted}. {one.rule}"
        assert words(f"{said} Counts: {one.only}. Control: {one.control}.") in text
    assert words(f"What counts. {judged.claim.rule}") in text
    assert judged.claim.sentence in text
    assert f"{judged.claim.title}: holds only if H(S) < H(P)" in text
    assert judged.claim.command in text
    assert judged.claim.digest in text
    assert words(RULE) in text
    assert "with 5 worlds 9" in text  # the simulated coverage
    assert "edited" not in text
    assert text.index("stands under a condition") < text.index(judged.claim.sentence)  # what stands comes first


def tables_of_findings(blocks: list[Block]) -> list[Table]:
    """The tables with a row for each finding, without those of amendments."""
    return [one for one in blocks if isinstance(one, Table) and not one.columns[1].startswith("before")]


@every_form
def test_what_is_true_by_construction_is_shown_apart(form, judged):
    """After all others, below a remark that it supports nothing."""
    blocks = list(board.blocks([judged]))
    remark = "They check the instrument and support no claim"
    if not any(one.instrument for one in judged.claim.predictions):
        pytest.skip("this claim has no such checks")
    assert FULL[form](blocks).count(remark) == 1
    checks = {one.identifier for one in judged.claim.predictions if one.instrument}
    order = [row["prediction"] in checks for row in shown(form, blocks)]
    assert order == sorted(order)
    assert any(order)
    (said,) = (at for at, one in enumerate(blocks) if isinstance(one, Paragraph) and remark in one.text)
    usual, apart = tables_of_findings(blocks)
    assert blocks.index(usual) < said < blocks.index(apart)
    assert not checks & {row[0] for row in usual.rows}
    assert {row[0] for row in apart.rows} == checks


def test_a_claim_without_such_checks_has_no_remark_on_them(judged):
    plain = [one for one in invented(judged.claim) if not judged.claim.prediction(one.prediction).instrument]
    findings = table(judged.claim, plain, [judged.claim.announced])
    blocks = list(board.blocks([Judged(judged.claim, findings, "undecided", "a reason", judged.folder)]))
    assert len(tables_of_findings(blocks)) == 1
    assert "True by construction" not in markdown(blocks)


def test_the_board_of_several_claims_has_a_row_for_every_sentence_of_the_conversation(tmp_path):
    both = [result(claim, tmp_path) for claim in CLAIMS[:2]]
    (found,) = (one for one in board.blocks(both) if isinstance(one, Table) and one.columns == conversation.COLUMNS)
    assert [row[1] for row in found.rows] == [one.text for one in conversation.SENTENCES]
    assert any("C1.2a" in row[3] and "not judged" not in row[3] for row in found.rows)


def test_nothing_is_wider_than_the_page_and_no_number_is_cut(judged):
    blocks = list(board.blocks([judged]))
    lines = printed(blocks)
    assert max(map(cell_len, lines)) <= WIDTH == 80
    pieces = set(" ".join(lines).split())
    for row in (row for one in blocks if isinstance(one, Table) for row in one.rows):
        assert {piece for cell in row for piece in cell.split() if re.search(r"\d", piece)} <= pieces


def test_a_table_of_markdown_is_one_piece(judged):
    """A blank line within it would end the table: the rest would be a paragraph of bars."""
    blocks = list(board.blocks([judged]))
    tables = [one for one in blocks if isinstance(one, Table)]
    parts = [part for part in markdown(blocks).split("\n\n") if "|" in part and part.lstrip().startswith("|")]
    assert len(parts) == len(tables)
    for part, one in zip(parts, tables, strict=True):
        lines = part.strip().splitlines()
        assert len(lines) == 2 + len(one.rows)
        assert all(line.startswith("| ") and line.endswith(" |") for line in lines)
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {len(one.columns) + 1}
    loose = [line for line in markdown(blocks).splitlines() if line.startswith("|")]
    assert len(loose) == sum(2 + len(one.rows) for one in tables)


def test_figures_are_shown_with_their_captions_once_they_are_finished(judged):
    blocks = list(board.blocks([judged]))
    caption = "What the figure shows | and how it is read."
    assert f"figures/one.png: {caption}" in words(" ".join(printed(blocks)))
    assert f"![{caption}](figures/one.png)" in markdown(blocks)
    text = page("Verdict board", blocks)
    assert text.count('src="data:image/png;base64,') == 1
    assert f"<figcaption>{caption}</figcaption>" in text
    assert not re.search(r'(?:src|href)="(?!data:)', text)  # one file that needs no other
    assert "unfinished" not in markdown(blocks) + text


def test_verdicts_are_coloured_on_the_page(judged):
    text = page("Verdict board", list(board.blocks([judged])))
    for verdict, number in judged.findings.group_by("verdict").len().iter_rows():
        assert text.count(f' {verdict.split()[0]}">{verdict}<') == number


@every_form
@every_claim
def test_predictions_that_were_edited_after_the_runs_are_pointed_out(form, claim, tmp_path):
    said = (
        "The predictions were edited after these runs were made, or some runs were made for other predictions, so the "
    )
    said += "runs do not test them. Move or delete the records of these runs, and give the command below again; or add"
    edited = FULL[form](list(board.blocks([result(claim, tmp_path, made_for=None)])))
    assert (said in edited) == claim.trains, "what judges the runs of others has no runs that were made for it"
    for one in claim.amendments[:1]:
        runs = f"{claim.name}@{one.digest_before}"
        for made_for in (runs, "these"):  # an amendment is shown even if the runs were made after it
            text = FULL[form](list(board.blocks([result(claim, tmp_path, made_for=made_for)])))
            assert said not in text
            assert words(f"Amended on {one.date}: {one.reason}. Verdict before: {one.verdict_before}.") in text
            assert "Verdict now: holds only if." in text


@every_form
def test_an_amendment_shows_the_verdicts_before_and_now_of_what_it_changed(form, tmp_path):
    plain = CLAIMS[0]
    first, second, third = (one.identifier for one in plain.predictions[:3])
    changed = {first: "refuted", second: "", "X.9": "holds"}
    made = replace(plain, amendments=(Amendment("2000-01-01", "a reason", "0" * 12, "undecided", changed),))
    found = [Finding(name, case, None, None, "", "holds") for name in (first, third) for case in ("a", "b")]
    found += [Finding(second, "", None, None, "", "undecided")]
    one = Judged(made, table(made, found, [made.announced]), "undecided", "a reason", tmp_path)
    rows = [row for rows in FORMS[form](list(board.blocks([one]))) for row in rows]
    assert (first, "refuted", "holds") in rows
    assert (second, "new", "undecided") in rows
    assert ("X.9", "holds", "withdrawn") in rows


def test_all_claims_lie_on_one_board_and_what_stands_of_each_comes_first(tmp_path):
    text = words(" ".join(printed(list(board.blocks([result(claim, tmp_path) for claim in CLAIMS])))))
    firsts = [text.index(f"{claim.title} stands under a condition.") for claim in CLAIMS]
    assert firsts == sorted(firsts)
    assert max(firsts) < min(text.index(claim.sentence) for claim in CLAIMS)


@every_form
def test_a_case_that_is_refused_has_a_row_and_its_reason_in_one_line(form, tmp_path):
    claim = CLAIMS[0]
    name = claim.predictions[0].identifier
    found = [Finding(name, "small", None, interval([1.0, 2.0]), "nat", "holds")]
    whole = list(board.blocks([Judged(claim, table(claim, found, [None]), "undecided", "a reason", tmp_path)]))
    found += [Finding(name, "large", None, None, "", "refused", "3 runs have no estimate")]
    blocks = list(board.blocks([Judged(claim, table(claim, found, [None]), "undecided", "a reason", tmp_path)]))
    assert [(row["case"], row["measured"], row["worlds"], row["verdict"]) for row in shown(form, blocks)] == [
        ("small", "1.5 [−4.85, 7.85] nat", "2", "holds"), ("large", "–", "–", "refused")
    ]  # fmt: skip
    assert words(f"{name}, large: 3 runs have no estimate.") in FULL[form](blocks)
    assert "These cases are refused" in FULL[form](blocks)
    assert "These cases are refused" not in FULL[form](whole)


# -- cells ------------------------------------------------------------------------------------------------------------


def row(**given: object) -> dict[str, object]:
    usual = {"kind": "sign", "predicted": None, "threshold": 0.0, "margin": None, "unit": "1"}
    return {**usual, "measured": 0.2, "lower": 0.1, "upper": 0.3, **given}


@pytest.mark.parametrize(
    ("given", "predicted", "measured"),
    [
        ({}, "above 0", "0.2 [0.1, 0.3]"),
        ({"threshold": 0.5, "unit": "nat"}, "above 0.5", "0.2 [0.1, 0.3] nat"),
        ({"predicted": -0.012345}, "below 0 (truth −0.0123)", "0.2 [0.1, 0.3]"),
        ({"predicted": 2.0}, "above 0 (truth 2)", "0.2 [0.1, 0.3]"),
        ({"kind": "equality", "predicted": 1.0, "margin": 0.05}, "1 ± 0.05", "0.2 [0.1, 0.3]"),
        ({"kind": "slope", "predicted": 0.75, "margin": 0.1}, "0.75 ± 0.1", "0.2 [0.1, 0.3]"),
        ({"kind": "bound", "predicted": 0.0, "margin": 1e-9}, "never violated", "0.2 [0.1, 0.3]"),
        ({"kind": "report"}, "–", "0.2 [0.1, 0.3]"),
        ({"measured": None, "lower": None, "upper": None}, "–", "–"),
        ({"lower": 0.2, "upper": 0.2}, "above 0", "0.2"),
        ({"measured": 1e-13, "lower": -1234.5, "upper": 2e-5}, "above 0", "0 [−1.23e+03, 2e−05]"),
        ({"lower": -np.inf, "upper": np.inf}, "above 0", "0.2 [−∞, ∞]"),
    ],
)
def test_cells(given, predicted, measured):
    assert board.predicted(row(**given)) == predicted
    assert board.measured(row(**given)) == measured


def test_the_coverage_that_is_printed_is_simulated_at_the_numbers_of_seeds_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(board, "DRAWS", 2_000)
    found = result(CLAIMS[0], tmp_path)
    covered = board.coverage(5)
    assert 0.93 < covered["normal"] < 0.97
    assert 0.83 < covered["skewed"] < 0.93
    said = f"with 5 worlds {covered['normal']:.0%} of the time for normal and {covered['skewed']:.0%} for skewed values"
    assert said in board.method([found])
    nothing = Judged(found.claim, found.findings.clear(), "undecided", "", tmp_path)
    assert "with 5 worlds" not in board.method([nothing])
