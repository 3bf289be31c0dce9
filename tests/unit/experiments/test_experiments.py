"""Reports: numbers are those of the table, rounding is outward, sections drop out, sentences follow the numbers."""

import dataclasses
import math
from decimal import ROUND_CEILING, ROUND_FLOOR
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from experiments._about import NO_VERDICT, restriction, world
from experiments._examples import probability
from experiments._numbers import NEGLIGIBLE, Number, counted, legend, percent, written
from experiments._report import WIDTH, Block, Heading, Paragraph, Table, markdown, show
from experiments._sentences import by, shows, shows_not, warnings
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from experiments import demo
from experiments.__main__ import main
from sim.disk.records import Record, write
from sim.languages.restricted import Restricted
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
        (Number.of(0.0), "= 0"),
        (Number.of(3e-17), "< 1e-12"),
        (Number.of(2.0) - Number.of(2.0 + 4e-16), "= 0"),
        (Number.of(123456.7), "= 1.23e+05"),
        (Number(3e-17, 2.51e6, "bounded"), "[3.0e-17, 2.51e+06]"),
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


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100 %"), (0.99997, "> 99.9 %"), (1.0001, "> 100 %"), (0.5, "50.0 %"), (0.0, "0 %"), (2e-5, "0.002 %")],
)
def test_percentages_are_whole_only_where_they_are(share: float, text: str) -> None:
    assert percent(share) == text


def test_probabilities_and_counts() -> None:
    assert [probability(value) for value in (0.0, 1e-4, 7e-4, 0.99997)] == ["0 %", "< 0.1 %", "0.1 %", "> 99.9 %"]
    assert [counted(number, "string") for number in (1, 2)] == ["1 string", "2 strings"]


def test_the_legend_says_which_marks_do_not_occur() -> None:
    assert legend({"exact"}).count("(none here)") == 2
    assert "(none here)" not in legend({"bounded", "estimated"})
    assert "1e-12" in legend(set())


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
    assert cell(tables, "conditioning", "lost")[0] == pytest.approx(loss)


def test_the_joint_shift_is_that_of_answers_and_of_prompts(tables: Tables) -> None:
    joint, answers, prompts = (
        cell(tables, *key)[0]
        for key in (("shift_total", "joint"), ("shift_total", "truth"), ("shift_prompts", "joint"))
    )
    assert prompts > 0.0
    assert joint == pytest.approx(answers + prompts)
    assert joint == pytest.approx(-run().restricted.log_mass)


def test_a_row_has_one_prompt_law(tables: Tables) -> None:
    keys = {"hill_1": ("hill_1", ""), "support eps=0.01": ("epsilon_support", " eps=0.01"), "style plain": None}
    laws = tables["summary"].group_by("quantity").agg(pl.col("law").n_unique())
    assert laws["law"].max() == 1
    truths = tables["metrics"].filter(phase="truth", view="response", prompt_law="P(x)")
    for quantity, key in keys.items():
        assert tables["summary"].filter(quantity=quantity)["law"][0] == "P(x)"
        if key is not None:
            assert cell(tables, quantity, "S")[0] == truths.filter(metric=key[0], of=f"S{key[1]}")["lower"][0]


def test_a_restriction_that_loses_a_prompt_is_compared_over_its_own_prompts() -> None:
    record = run()
    s, log_mass = record.p.condition(record.p.prompts.group == 0)
    lost = dataclasses.replace(record, restricted=Restricted(s, s, record.p.prompts.group == 0, log_mass))
    tables = demo.analyse(lost)
    assert set(tables["summary"].filter(section="support")["law"]) == {"S(x)"}
    truth = tables["metrics"].filter(phase="truth", view="response", metric="hill_1", prompt_law="S(x)")
    assert cell(tables, "hill_1", "P")[0] == truth.filter(of="P")["lower"][0]
    assert tables["summary"].filter(quantity="entropy_p", column="S")["exactness"][0] == ""
    assert "Diversity (x ~ S(x))" in shows(tables)[1]
    assert "Prompts x ~ S(x)." in printed(demo.report(tables))


# -- the predicted optimum ---------------------------------------------------------------------------------------------


def changed(**config: Any) -> Record:
    record = run()
    return dataclasses.replace(record, config={**record.config, **config})


def test_replay_is_compared_with_its_own_optimum() -> None:
    tables = demo.analyse(changed(objective={"kind": "replay", "weight": 0.2, "targets": "exact"}))
    assert tables["run"]["target"][0] == "q*"
    best = tables["metrics"].filter(phase="sft", view="response", metric="kl", of="q*||q").sort("step")["lower"]
    assert cell(tables, "kl_best", "q₀")[0] == best[0]
    assert cell(tables, "kl_best", "q")[0] == best[-1]
    gap, learning, whole = (cell(tables, name, "lost") for name in ("objective_gap", "learning_gap", "learning"))
    assert gap[0] < 0.0
    assert (gap[0] + learning[0], gap[0] + learning[1]) == pytest.approx(whole[:2])
    text = " ".join(printed(demo.report(tables)).split())
    assert "target of q " not in text
    assert "for q it is q*, the optimum of replay (weight 0.2)" in text
    assert "Fit (x ~ S(x)): KL(q*‖q) went from" in text
    assert "H(q*) − H(q), is" in text
    assert "data of SFT" in demo.head("S", tables["run"].row(0, named=True), ["S"]).replace("\n", " ")


def test_without_a_known_optimum_none_is_claimed() -> None:
    tables = demo.analyse(changed(objective={"kind": "unheard_of"}))
    assert tables["run"]["target"][0] == ""
    text = " ".join(printed(demo.report(tables)).split())
    assert "none is claimed for q" in text
    assert "so S is not a target" in text
    assert "q*" not in tables["summary"]["column"]


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
    assert len(found) == 12


def test_a_world_without_styles_has_no_section_on_them() -> None:
    assert "Mass of the styles" not in headings(run(styles=False))


def test_a_world_without_prompts_has_one_entropy_and_no_prompt_law() -> None:
    tables = demo.analyse(run(prompts=False, styles=False))
    assert tables["summary"].filter(section="diversity", column="P")["label"][0] == "H"
    assert tables["summary"].filter(quantity="entropy_p").is_empty()
    assert "S(x)" not in printed(demo.report(tables))
    assert tables["run"]["num_prompts"][0] == 0


def test_a_world_without_prompts_speaks_of_strings() -> None:
    text = printed(demo.report(demo.analyse(run(prompts=False, styles=False))))
    for word in ("answer", "(y|x)", "prompt", "x ~", "Styles"):
        assert word not in text
    assert "strings with q(y) ≥ ε" in text


def test_a_run_without_controls() -> None:
    tables = demo.analyse(run(control=False))
    assert "control" not in printed(demo.report(tables)).split("What this shows")[1]
    assert tables["summary"]["column"].unique().sort().to_list() == ["P", "S", "joint", "lost", "q", "q₀", "truth"]


# -- sentences ---------------------------------------------------------------------------------------------------------


def test_sentences_follow_the_numbers() -> None:
    narrowed, widened = (shows(demo.analyse(run(reverse=reverse))) for reverse in (False, True))
    assert narrowed[0].startswith("Entropy (x ~ S(x)): H(q) fell by [")
    assert widened[0].startswith("Entropy (x ~ S(x)): H(q) rose by [")
    assert "nothing was forgotten" in widened[4]
    assert "the mass of poetic rose from" in narrowed[5]
    assert "the mass of plain, terse together fell from" in narrowed[5]


def test_changes_keep_their_sign_and_equal_numbers_did_not_change() -> None:
    assert by(Number.of(-2.0)) == "fell by 2.000 nats"
    assert by(Number(1.0, 2.0, "bounded")) == "rose by [1.000, 2.000] nats"
    assert by(Number.of(0.0)) == "did not change"
    assert by(Number(-1.0, 2.0, "bounded")) == "did not certifiably change (change in [-1.000, 2.000] nats)"


def test_styles_that_stay_to_the_printed_digits_did_not_rise(tables: Tables) -> None:
    before = pl.col("lower").filter(pl.col("column") == "q₀").first().over("quantity")
    same = pl.when(section="styles").then(before + 1e-7).otherwise(pl.col("lower"))
    still = tables | {"summary": tables["summary"].with_columns(lower=same)}
    said = shows(still)[5]
    assert "did not change" in said
    assert "rose" not in said


def test_lost_strings_are_counted(tables: Tables) -> None:
    assert "None is lost entirely: q > 0 for all" in shows(tables)[2]
    gone = tables["strings"].with_columns(q=pl.when(pl.col("index") < 3).then(0.0).otherwise(pl.col("q")))
    assert "q gives probability 0 in float64 to 3." in shows(tables | {"strings": gone})[2]


def test_a_wrecked_fine_tuning_is_flagged_at_the_top(tables: Tables) -> None:
    assert warnings(tables) == []
    wrecked = demo.analyse(run(reverse=True))
    first = next(block for block in demo.report(wrecked) if isinstance(block, Paragraph))
    assert first.text.startswith("WARNING: after fine-tuning KL(S‖q) is ")


def test_no_verdict_rests_on_an_invalid_run() -> None:
    tables = demo.analyse(run(reverse=True))
    tables["run"] = tables["run"].with_columns(valid=pl.lit(False))
    blocks = demo.report(tables)
    assert any(isinstance(block, Paragraph) and "NOT VALID" in block.text for block in blocks)
    found = [block.text for block in blocks if isinstance(block, Heading)]
    assert f"NOT VALID: {NO_VERDICT}" in found
    assert "What this shows" not in found
    assert not any("nothing was forgotten" in sentence for sentence in shows(tables))
    assert NO_VERDICT in shows_not(tables)[0]


# -- what was run ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"kind": "everything"}, "everything (S = P)"),
        ({"kind": "style", "keep": "a", "keep_prompts": True}, "style a, prompts keep P(x)"),
        ({"kind": "style", "keep": {"a": 1.0, "b": 3.0}}, "mixture of styles a 1, b 3"),
        ({"kind": "regular", "pattern": "a .*", "dfa": None, "of": "document"}, 'documents that match "a .*"'),
        ({"kind": "regular", "pattern": None, "dfa": {}, "of": "answer"}, "answers that a listed DFA accepts"),
        (
            {"kind": "style_blind", "like": "a", "seed": 3, "tolerance": 1e-3, "max_restarts": 20},
            "random event like style a (style_blind), seed 3",
        ),
        ({"kind": "other", "some_thing": 2}, "other, some thing 2"),
    ],
)
def test_restrictions_are_readable(chosen: dict[str, Any], said: str) -> None:
    assert restriction(chosen) == said


def test_a_grammar_file_is_named_and_its_cut_explained() -> None:
    record = changed(grammar={"kind": "file", "path": "some/where/weather.yaml", "length": 8})
    facts = record.facts | {"world_notes": {"dropped_mass": 0.028}, "grammar_file": {"sha256": "0123456789abcdef"}}
    about = demo.analyse(dataclasses.replace(record, facts=facts))["run"].row(0, named=True)
    assert about["world"] == "file weather.yaml, sha256 0123456789ab"
    assert about["notes"].startswith("0.028 of the mass lies in strings longer than the horizon and was cut")
    assert "P(· | |x| ≤ 7), renormalised" in about["notes"]
    assert world({"kind": "file", "path": "a.yaml"}, None) == "file a.yaml"


def test_mismatches_of_a_blind_restriction_are_reported() -> None:
    record = run()
    notes = {"max_mass_mismatch": 7e-4, "max_entropy_mismatch": 9e-4, "mass_plain": 0.3, "some_note": 2.0}
    blind = dataclasses.replace(record, restricted=dataclasses.replace(record.restricted, notes=notes))
    said = demo.analyse(blind)["run"]["notes"][0]
    assert "off by at most 0.07 % (relative)" in said
    assert "H(P_A) by at most 9.0e-04 nats" in said
    assert "Restriction: some note 2.000." in said


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
