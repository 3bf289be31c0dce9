"""Reports: numbers are those of the table, rounding is outward, sections drop out, sentences follow the numbers."""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR
from io import StringIO
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from experiments import demo
from experiments.__main__ import main
from experiments._numbers import NEGLIGIBLE, Number, written
from experiments._report import WIDTH, Block, Heading, Paragraph, Table, markdown, show
from experiments._sentences import shows
from sim.records import Record, write
from tests.unit.figures.tiny_runs import run

Tables = dict[str, pl.DataFrame]


@pytest.fixture(scope="module")
def tables() -> Tables:
    return demo.analyse(run())


def printed(blocks: list[Block]) -> str:
    out = StringIO()
    show(blocks, Console(file=out, width=WIDTH, highlight=False))
    return out.getvalue()


def headings(record: Record) -> list[str]:
    return [block.text for block in demo.report(demo.analyse(record)) if isinstance(block, Heading)]


def cell(tables: Tables, quantity: str, column: str) -> tuple[float, float, str]:
    row = tables["summary"].filter(quantity=quantity, column=column).row(0, named=True)
    return row["lower"], row["upper"], row["exactness"]


# -- numbers ----------------------------------------------------------------------------------------------------------


@given(st.floats(-1e6, 1e6))
def test_bounds_are_rounded_outward(value: float) -> None:
    below, above = float(written(value, ROUND_FLOOR)), float(written(value, ROUND_CEILING))
    assert below <= value + NEGLIGIBLE
    assert value - NEGLIGIBLE <= above
    assert above - below <= max(1.0, abs(value) * 0.11)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Number.of(2.0), "= 2.000"),
        (Number.of(-3e-17), "= 0"),
        (Number.of(math.inf), "= ∞"),
        (Number.of(0.00012345), "= 1.2e-04"),
        (Number(1.00049, 1.00051, "bounded"), "[1.000, 1.001]"),
        (Number(0.5, 0.75, "estimated"), "≈ [0.500, 0.750]"),
    ],
)
def test_marks(number: Number, text: str) -> None:
    assert number.text == text


def test_a_difference_is_as_certain_as_its_parts() -> None:
    difference = Number(2.0, 3.0, "bounded") - Number.of(1.0)
    assert (difference.lower, difference.upper, difference.exactness, difference.sign) == (1.0, 2.0, "bounded", 1)
    assert (Number(0.0, 3.0, "bounded") - Number.of(1.0)).sign == 0


# -- the summary is the metrics table, and the report is the summary ---------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "metric", "of", "law"),
    [
        ("entropy", "entropy", "q", "S(x)"),
        ("entropy_p", "entropy", "q", "P(x)"),
        ("hill_1", "hill_1", "q", "P(x)"),
        ("kl_p", "kl", "P||q", "P(x)"),
        ("kl_s", "kl", "S||q", "S(x)"),
        ("gate", "gate", "A", "P(x)"),
        ("erasure", "erasure", "A", "P(x)"),
        ("off_support", "off_support", "q", "P(x)"),
        ("support eps=0.01", "epsilon_support", "q eps=0.01", "P(x)"),
        ("style poetic", "style_mass", "q poetic", "P(x)"),
    ],
)
@pytest.mark.parametrize(
    ("column", "phase", "step"), [("q₀", "pretrain", 20), ("q", "sft", 12), ("identity", "identity", 12)]
)
def test_models_show_the_last_evaluation(
    tables: Tables, quantity: str, metric: str, of: str, law: str, column: str, phase: str, step: int
) -> None:
    rows = tables["metrics"].filter(view="response", phase=phase, step=step, metric=metric, of=of, prompt_law=law)
    assert cell(tables, quantity, column) == rows.select("lower", "upper", "exactness").row(0)


def test_predictions_come_from_the_truths(tables: Tables) -> None:
    shift = cell(tables, "shift_total", "truth")
    assert cell(tables, "kl_s", "P") == shift
    assert shift[0] == pytest.approx(cell(tables, "shift_conditioning", "truth")[0])
    assert cell(tables, "kl_s", "S") == (0.0, 0.0, "exact")
    assert cell(tables, "kl_p", "S") == (math.inf, math.inf, "exact")
    assert cell(tables, "style poetic", "S")[0] == pytest.approx(1.0)
    loss = cell(tables, "entropy", "P")[0] - cell(tables, "entropy", "S")[0]
    assert cell(tables, "conditioning", "S")[0] == pytest.approx(loss)


def test_every_number_of_the_summary_is_printed_with_its_mark(tables: Tables) -> None:
    blocks = demo.report(tables)
    text, source = printed(blocks), markdown(blocks)
    shown = tables["summary"].filter(pl.col("exactness") != "").select("lower", "upper", "exactness")
    for row in shown.iter_rows():
        assert Number(*row).text in text
        assert Number(*row).text in source


def test_the_printed_report_fits(tables: Tables) -> None:
    assert max(len(line.rstrip()) for line in printed(demo.report(tables)).splitlines()) <= WIDTH


def test_a_wide_table_is_never_cut() -> None:
    wide = Table(("", *"abcdefgh"), (("row", *["[1234.567, 8901.234]"] * 8),))
    assert printed([wide]).count("[1234.567, 8901.234]") == 8


def test_markdown_keeps_bars_inside_cells() -> None:
    assert "| P(A\\|x) | = 1 |" in markdown([Heading("title"), Table(("", "a"), (("P(A|x)", "= 1"),))])


# -- what a world lacks drops out --------------------------------------------------------------------------------------


def test_sections_of_a_full_world() -> None:
    found = headings(run())
    assert "Mass of the styles" in found
    assert len(found) == 11


def test_a_world_without_styles_has_no_section_on_them() -> None:
    assert "Mass of the styles" not in headings(run(styles=False))


def test_a_world_without_prompts_has_one_entropy_and_no_prompt_law() -> None:
    tables = demo.analyse(run(prompts=False, styles=False))
    assert tables["summary"].filter(section="diversity", column="P")["label"][0] == "H"
    assert tables["summary"].filter(quantity="entropy_p").is_empty()
    assert "S(x)" not in printed(demo.report(tables))
    assert tables["run"]["num_prompts"][0] == 0


def test_a_run_without_controls() -> None:
    tables = demo.analyse(run(control=False))
    assert "control" not in printed(demo.report(tables)).split("What this shows")[1]
    assert tables["summary"]["column"].unique().sort().to_list() == ["P", "S", "q", "q₀", "truth"]


# -- sentences ---------------------------------------------------------------------------------------------------------


def test_sentences_follow_the_numbers() -> None:
    narrowed, widened = (
        shows(demo.analyse(run(reverse=reverse))["summary"], ["identity"]) for reverse in (False, True)
    )
    assert narrowed[0].startswith("Entropy: H(q) fell by [")
    assert widened[0].startswith("Entropy: H(q) rose by [")
    assert "nothing was forgotten" in widened[4]
    assert "poetic from" in narrowed[5]


def test_an_invalid_run_says_so(tables: Tables) -> None:
    invalid = tables["run"].with_columns(valid=pl.lit(False))
    blocks = demo.report(tables | {"run": invalid})
    assert any(isinstance(block, Paragraph) and "NOT VALID" in block.text for block in blocks)


def test_a_broken_identity_is_counted(tables: Tables) -> None:
    assert demo.residual_line(tables["identities"]).startswith("all 78 within tolerance")
    broken = tables["identities"].with_columns(holds=pl.col("identity") != "pinsker")
    assert "6 of 78 OUT OF TOLERANCE" in demo.residual_line(broken)


def test_examples_are_the_most_likely_answers(tables: Tables) -> None:
    shown = tables["examples"].filter(prompt="x ?")
    last = tables["strings"].filter(phase="sft", step=12).join(tables["documents"], on="index").filter(prompt="x ?")
    last = last.sort("q", descending=True)
    assert set(last["answer"].head(3)) <= set(shown["answer"])
    assert (
        shown.filter(chosen="before")
        .sort("q0", descending=True)["answer"]
        .equals(shown.filter(chosen="before")["answer"])
    )


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_writes_and_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = run()
    write(record, tmp_path / "toy" / record.hash)
    assert main(["demo", str(tmp_path / "toy")]) == 0
    target = tmp_path / "toy" / "reports" / record.hash
    for name in ("metrics", "documents", "strings", "summary", "examples", "identities", "run"):
        assert pl.read_parquet(target / "tables" / f"{name}.parquet").height > 0
        assert (target / "tables" / f"{name}.csv").is_file()
    assert (target / "report.md").read_text(encoding="utf-8").startswith("# Report of toy, run 0123456789ab")
    assert "What this shows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["deno", "."], "did you mean 'demo'?"),
        (["demo", "nowhere"], "nowhere: at least one finished run is required"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert part in error
    assert error.count("\n") == 1


def test_an_unknown_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = run()
    write(record, tmp_path / record.hash)
    assert main(["demo", str(tmp_path), "--run", "0123456789ac"]) == 2
    assert "did you mean '0123456789ab'?" in capsys.readouterr().err
