"""The report of one run: its numbers are those of the table, sections drop out, sentences follow the numbers."""

import dataclasses
import functools
import math
from collections.abc import Iterator
from io import StringIO
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from experiments import demo
from experiments.demo.examples import NUM_SAMPLES, probability
from experiments.demo.facts import NO_VERDICT
from experiments.demo.headline import five, short
from experiments.demo.sentences import by, moved, shows, shows_not, warnings
from sim.disk.records import Record
from sim.languages.restricted import Restricted
from sim.metrics.scene import Cell, Evaluation, Metric
from sim.metrics.table import metrics
from sim.quantity import Quantity
from sim.show.blocks import WIDTH, Block, Heading, Paragraph, Table, markdown, show
from sim.show.writing import bare, restored, text
from tests.unit.figures.tiny_runs import run

Tables = dict[str, pl.DataFrame]


@functools.cache
def _analysed(**chosen: bool) -> Tables:
    return demo.analyse(run(**chosen))


def analysed(**chosen: bool) -> Tables:
    """The tables of a run, made once for all tests."""
    return dict(_analysed(**chosen))


@pytest.fixture
def tables() -> Tables:
    return analysed()


def printed(blocks: list[Block]) -> str:
    out = StringIO()
    show(blocks, Console(file=out, highlight=False))
    return out.getvalue()


def words(blocks: list[Block]) -> str:
    return " ".join(printed(blocks).split())


def headings(tables: Tables) -> list[str]:
    return [block.text for block in demo.report(tables) if isinstance(block, Heading)]


def cell(tables: Tables, quantity: str, column: str) -> tuple[float, float, str]:
    row = tables["lines"].filter(quantity=quantity, column=column).row(0, named=True)
    return row["lower"], row["upper"], row["exactness"]


def sentence(said: list[str], start: str) -> str:
    (found,) = (one for one in said if one.startswith(start))
    return found


def changed(**config: Any) -> Record:
    record = run()
    return dataclasses.replace(record, config={**record.config, **config})


# -- the lines are the table of numbers, and the report is the lines ---------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "metric", "of", "at", "law"),
    [
        ("entropy", "entropy", "q", "", "S(x)"),
        ("entropy_p", "entropy", "q", "", "P(x)"),
        ("hill_1", "hill_1", "q", "", "P(x)"),
        ("kl_p", "kl", "P||q", "", "P(x)"),
        ("kl_s", "kl", "S||q", "", "S(x)"),
        ("gate", "gate", "A", "", "P(x)"),
        ("erasure", "erasure", "A", "", "P(x)"),
        ("kept_mass", "event_mass", "q(A)", "", "P(x)"),
        ("outside_p", "outside_p", "q", "", "P(x)"),
        ("support 0.01", "epsilon_support", "q", "0.01", "P(x)"),
        ("style poetic", "style_mass", "q", "poetic", "P(x)"),
    ],
)
@pytest.mark.parametrize(
    ("column", "phase", "step"), [("q₀", "pretrain", 20), ("q", "sft", 12), ("identity", "identity", 12)]
)
def test_models_show_the_last_evaluation(
    tables: Tables, quantity: str, metric: str, of: str, at: str, law: str, column: str, phase: str, step: int
) -> None:
    rows = tables["metrics"].filter(
        view="response", phase=phase, step=step, metric=metric, of=of, at=at, prompt_law=law
    )
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


def test_a_line_has_one_prompt_law(tables: Tables) -> None:
    keys = {"hill_1": ("hill_1", ""), "support 0.01": ("epsilon_support", "0.01"), "style plain": None}
    laws = tables["lines"].group_by("quantity").agg(pl.col("law").n_unique())
    assert laws["law"].max() == 1
    truths = tables["metrics"].filter(phase="truth", view="response", prompt_law="P(x)", of="S")
    for quantity, key in keys.items():
        assert tables["lines"].filter(quantity=quantity)["law"][0] == "P(x)"
        if key is not None:
            assert cell(tables, quantity, "S")[0] == truths.filter(metric=key[0], at=key[1])["lower"][0]


def test_a_restriction_that_loses_a_prompt_is_compared_over_its_own_prompts() -> None:
    record = run()
    s, log_mass = record.p.condition(record.p.prompts.group == 0)
    lost = dataclasses.replace(record, restricted=Restricted(s, s, record.p.prompts.group == 0, log_mass))
    tables = demo.analyse(lost)
    assert set(tables["lines"].filter(section="support")["law"]) == {"S(x)"}
    truth = tables["metrics"].filter(phase="truth", view="response", metric="hill_1", prompt_law="S(x)")
    assert cell(tables, "hill_1", "P")[0] == truth.filter(of="P")["lower"][0]
    assert tables["lines"].filter(quantity="entropy_p", column="S")["exactness"][0] == ""
    assert sentence(shows(tables), "Diversity").startswith("Diversity (x ~ S(x))")
    assert "Prompts x ~ S(x)." in printed(demo.report(tables))


def test_every_number_of_the_lines_is_printed_with_its_mark(tables: Tables) -> None:
    blocks = demo.report(tables)
    shown, source = printed(blocks), markdown(blocks)
    rows = tables["lines"].filter(pl.col("exactness") != "").select("lower", "upper", "exactness")
    assert rows.height > 100
    for row in rows.iter_rows():
        assert text(restored(*row)) in shown
        assert text(restored(*row)) in source


@pytest.mark.parametrize("chosen", [{}, {"reverse": True}, {"prompts": False}, {"control": False}, {"valid": False}])
def test_the_printed_report_fits(chosen: dict[str, bool]) -> None:
    tables = analysed(**chosen, styles=chosen.get("prompts", True))
    for blocks in (demo.report(tables), demo.headline(tables)):
        assert max(map(len, printed(blocks).splitlines())) <= WIDTH


# -- metrics that name a section ---------------------------------------------------------------------------------------


def with_metric(monkeypatch: pytest.MonkeyPatch, section: str, law: str) -> Tables:
    """The tables of a run with one more metric, of the models alone, with the number of the step."""

    def measure(evaluation: Evaluation) -> Iterator[Cell]:
        if not evaluation.is_truth:
            yield Cell("q", Quantity.of(evaluation.step + 0.25), law if evaluation.world.view == "response" else "")

    found = [*metrics(), Metric("steps_done", "t + ¼", "1", "steps and a quarter", measure, section)]
    for module in ("sim.metrics.table", "experiments.demo", "experiments.demo.lines"):
        monkeypatch.setattr(f"{module}.metrics", lambda: found)
    return demo.analyse(run())


@pytest.mark.parametrize("law", ["", "P(x)", "S(x)"])
@pytest.mark.parametrize("section", ["diversity", "optimisation"])
def test_a_metric_of_any_law_of_prompts_has_a_row_with_its_numbers_and_its_meaning(
    monkeypatch: pytest.MonkeyPatch, section: str, law: str
) -> None:
    tables = with_metric(monkeypatch, section, law)
    found = {column: cell(tables, "steps_done", column) for column in ("q₀", "q", "identity")}
    assert found == {
        "q₀": (20.25,) * 2 + ("exact",),
        "q": (12.25,) * 2 + ("exact",),
        "identity": (12.25,) * 2 + ("exact",),
    }
    assert tables["lines"].filter(quantity="steps_done")["law"].unique().to_list() == [law]
    shown = printed(demo.report(tables))
    part = shown[shown.index("\nEntropy and diversity\n" if section == "diversity" else "\nOptimisation\n") :]
    assert "t + ¼: steps and a quarter." in part
    row = [word for line in part.splitlines() if line.strip().startswith("t + ¼ ") for word in line.split()[3:]]
    assert row == ["–", "–", "=", "20.25", "=", "12.25", "=", "12.25"]
    assert "x ~ ." not in words(demo.report(tables))
    assert "N_∞ have x ~ P(x)." in words(demo.report(tables))
    assert max(map(len, shown.splitlines())) <= WIDTH


def test_what_a_section_explains_is_not_explained_twice(tables: Tables) -> None:
    assert "effective number by the likeliest string" not in words(demo.report(tables))


# -- the predicted optimum ---------------------------------------------------------------------------------------------


def test_replay_is_compared_with_its_own_optimum() -> None:
    tables = demo.analyse(changed(objective={"kind": "replay", "weight": 0.2, "targets": "exact"}))
    assert tables["run"]["target"][0] == "q*"
    best = tables["metrics"].filter(phase="sft", view="response", metric="kl", of="q*||q").sort("step")["lower"]
    assert cell(tables, "kl_best", "q₀")[0] == best[0]
    assert cell(tables, "kl_best", "q")[0] == best[-1]
    gap, learning, whole = (cell(tables, name, "lost") for name in ("objective_gap", "learning_gap", "learning"))
    assert gap[0] < 0.0
    assert (gap[0] + learning[0], gap[0] + learning[1]) == pytest.approx(whole[:2])
    said = words(demo.report(tables))
    assert "target of q " not in said
    assert f"for q it is q*, the optimum of {tables['run']['objective'][0]}, and not the data S" in said
    assert "replay" in tables["run"]["objective"][0]
    assert "0.2" in tables["run"]["objective"][0]
    assert sentence(shows(tables), "Fit (x ~ S(x)): KL(q*‖q) went from")
    assert "and, from H(q*) to H(q)," in said
    assert "its predicted optimum q* has" in sentence(shows(tables), "Diversity")
    assert "data of SFT" in demo.head("S", tables["run"].row(0, named=True), ["S"]).replace("\n", " ")


def test_without_a_known_optimum_none_is_claimed() -> None:
    tables = demo.analyse(changed(objective={"kind": "unheard_of"}))
    assert tables["run"]["target"][0] == ""
    said = words(demo.report(tables))
    assert "none is claimed for q" in said
    assert "so S is not a target" in said
    assert "q*" not in tables["lines"]["column"]


# -- what a world lacks drops out --------------------------------------------------------------------------------------


def test_sections_of_a_full_world() -> None:
    found = headings(analysed())
    assert "Mass of the styles" in found
    assert {title for title, _ in demo.EXPLAINED.values()} < set(found)
    assert len(found) == len(set(found)) == len(demo.EXPLAINED) + 7


def test_a_world_without_styles_has_no_section_on_them() -> None:
    assert "Mass of the styles" not in headings(analysed(styles=False))


def test_a_world_without_prompts_has_one_entropy_and_no_prompt_law() -> None:
    tables = analysed(prompts=False, styles=False)
    assert tables["lines"].filter(section="diversity", column="P")["label"][0] == "H"
    assert tables["lines"].filter(quantity="entropy_p").is_empty()
    assert "S(x)" not in printed(demo.report(tables))
    assert tables["run"]["num_prompts"][0] == 0


def test_a_world_without_prompts_speaks_of_strings() -> None:
    tables = analysed(prompts=False, styles=False)
    for blocks in (demo.report(tables), demo.headline(tables)):
        said = words(blocks)
        for word in ("(y|x)", "prompt", "x ~", "Styles"):
            assert word not in said
        assert "answer" not in said.replace("(an answer that P never gives)", "")
    assert "strings with q(y) ≥ ε" in words(demo.report(tables))


def test_a_run_without_controls() -> None:
    tables = analysed(control=False)
    for said in (shows(tables), five(tables)):
        assert not any("ontrol" in one for one in said)
    assert tables["lines"]["column"].unique().sort().to_list() == ["P", "S", "joint", "lost", "q", "q₀", "truth"]
    assert "identity" not in printed(demo.report(tables))


# -- sentences ---------------------------------------------------------------------------------------------------------


def test_sentences_follow_the_numbers() -> None:
    narrowed, widened = (shows(analysed(reverse=reverse)) for reverse in (False, True))
    assert "the entropy of the model fell by [" in sentence(narrowed, "Entropy (x ~ S(x)):")
    assert "the entropy of the model rose by [" in sentence(widened, "Entropy (x ~ S(x)):")
    assert "nothing was forgotten" in sentence(widened, "Forgetting")
    assert "the mass of poetic rose from" in sentence(narrowed, "Styles")
    assert "the mass of plain, terse together fell from" in sentence(narrowed, "Styles")


def test_the_headline_is_five_lines(tables: Tables) -> None:
    said = five(tables)
    assert [one.split(" ")[0].strip(":") for one in said] == ["VALID", "Likely", "Entropy", "Forgetting", "Control"]
    lines = [line for line in printed(demo.headline(tables)).splitlines() if line.strip()]
    assert len(lines) == 6  # the heading, and a line for each
    assert all(one in line for one, line in zip(said, lines[1:], strict=True))


def test_the_numbers_of_the_conclusions_are_those_of_the_lines(tables: Tables) -> None:
    _, diversity, entropy, forgetting, control = five(tables)
    keys = [("hill_1", one) for one in ("P", "S", "q₀", "q")] + [("kl_p", one) for one in ("q₀", "q", "identity")]
    keys += [(quantity, one) for quantity in ("gate", "entropy") for one in ("q₀", "q")]
    number = {key: Quantity(*cell(tables, *key)[:2]) for key in keys}
    for column in ("q₀", "q", "S"):
        assert short(number["hill_1", column]) in diversity
    fell = number["entropy", "q₀"] - number["entropy", "q"]
    assert f"fell by {bare(fell)} nats" in entropy
    gained = number["kl_p", "q"] - number["kl_p", "q₀"]
    assert f"KL(P‖·) rose by {bare(gained)} nats" in forgetting
    share = (number["gate", "q"].lower - number["gate", "q₀"].lower) / gained.lower
    assert share == pytest.approx(1.0)
    assert "100 % gate" in forgetting
    assert f"rose by {bare(number['kl_p', 'identity'] - number['kl_p', 'q₀'])}," in control


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (-0.033, "54.2 % gate, 49.1 % erasure, −3.3 % kept"),
        (0.0051, "50.4 % gate, 49.1 % erasure, 0.5 % kept"),
        (0.0049, "50.4 % gate, 49.1 % erasure"),
        (0.0, "50.9 % gate, 49.1 % erasure"),
    ],
)
def test_the_shares_of_the_headline_sum_to_all_of_the_forgetting(kept: float, said: str, tables: Tables) -> None:
    gained = 2.0
    change = {"kl_p": gained, "kept": kept * gained, "erasure": 0.491 * gained, "gate": (0.509 - kept) * gained}
    start, end = dict.fromkeys(change, 0.0), change
    wanted = [
        pl.when(quantity=quantity, column=column).then(value)
        for column, values in (("q₀", start), ("q", end))
        for quantity, value in values.items()
    ]
    ends = {name: pl.coalesce(*wanted, pl.col(name)) for name in ("lower", "upper")}
    told = tables | {"lines": tables["lines"].with_columns(**ends)}
    assert sentence(five(told), "Forgetting") == f"Forgetting: KL(P‖·) rose by 2.000 nats: {said}"
    assert max(map(len, printed(demo.headline(told)).splitlines())) <= WIDTH


@pytest.mark.parametrize(
    ("change", "word", "said"),
    [
        (Quantity.of(-2.0), "fell", "fell by 2.000 nats"),
        (Quantity(1.0, 2.0), "rose", "rose by [1.000, 2.000] nats"),
        (Quantity(-2.0, -1.0), "fell", "fell by [1.000, 2.000] nats"),
        (Quantity.of(0.0), "did not change", "did not change"),
        (
            Quantity(-1.0, 2.0), "did not certifiably change",
            "did not certifiably change (the change lies in [−1.000, 2.000] nats)",
        ),
    ],
)  # fmt: skip
def test_changes_keep_their_sign_and_equal_numbers_did_not_change(change: Quantity, word: str, said: str) -> None:
    assert moved(change) == word
    assert by(change) == said


def test_styles_that_stay_to_the_printed_digits_did_not_rise(tables: Tables) -> None:
    before = pl.col("lower").filter(pl.col("column") == "q₀").first().over("quantity")
    ends = {end: pl.when(section="styles").then(before + 1e-7).otherwise(pl.col(end)) for end in ("lower", "upper")}
    still = tables | {"lines": tables["lines"].with_columns(**ends)}
    said = sentence(shows(still), "Styles")
    assert "did not change" in said
    assert "rose" not in said


def test_lost_strings_are_counted(tables: Tables) -> None:
    assert "No string is lost entirely: q > 0 for all 24 strings of P." in sentence(shows(tables), "Support")
    gone = tables["strings"].with_columns(q=pl.when(pl.col("index") < 3).then(0.0).otherwise(pl.col("q")))
    said = sentence(shows(tables | {"strings": gone}), "Support")
    assert "Of the 24 strings of P, q gives probability 0 in float64 to 3." in said


def test_forgetting_without_end_has_no_shares(tables: Tables) -> None:
    def endless(column: str) -> Tables:
        there = (pl.col("quantity") == "kl_p") & (pl.col("column") == column)
        ends = {end: pl.when(there).then(math.inf).otherwise(pl.col(end)) for end in ("lower", "upper")}
        return tables | {"lines": tables["lines"].with_columns(**ends)}

    assert "its parts have no shares" in sentence(shows(endless("q")), "Forgetting")
    assert "no change is defined" in sentence(shows(endless("q₀")), "Forgetting")
    assert "gate" not in sentence(five(endless("q")), "Forgetting")
    assert sentence(five(endless("q")), "Forgetting").endswith("∞ after")


def test_a_wrecked_fine_tuning_is_flagged_at_the_top(tables: Tables) -> None:
    assert warnings(tables) == []
    wrecked = analysed(reverse=True)
    for blocks in (demo.report(wrecked), demo.headline(wrecked)):
        first = next(block for block in blocks if isinstance(block, Paragraph))
        assert first.text.startswith("WARNING: after fine-tuning KL(S‖q) is ")


def test_no_verdict_rests_on_an_invalid_run() -> None:
    tables = analysed(reverse=True)
    tables["run"] = tables["run"].with_columns(valid=pl.lit(False))
    blocks = demo.report(tables)
    assert any(isinstance(block, Paragraph) and "NOT VALID" in block.text for block in blocks)
    found = [block.text for block in blocks if isinstance(block, Heading)]
    assert f"NOT VALID: {NO_VERDICT}" in found
    assert "What this shows" not in found
    assert not any("nothing was forgotten" in one for one in shows(tables))
    assert NO_VERDICT in shows_not(tables)[0]
    assert "NOT VALID, no verdict" in words(demo.headline(tables))


# -- what was run ------------------------------------------------------------------------------------------------------


def test_a_grammar_file_is_named_and_its_cut_explained() -> None:
    record = changed(grammar={"kind": "file", "path": "some/where/weather.yaml", "length": 8})
    facts = record.facts | {"world_notes": {"dropped_mass": 0.028}, "grammar_file": {"sha256": "0123456789abcdef"}}
    about = demo.analyse(dataclasses.replace(record, facts=facts))["run"].row(0, named=True)
    assert "weather.yaml" in about["world"]
    assert about["world"].endswith(" (sha256 0123456789ab)")
    assert about["notes"].startswith("0.028 of the mass lies in strings that are longer than the horizon")
    assert "P(· | |x| ≤ 7), renormalised" in about["notes"]
    assert "sha256" not in demo.analyse(record)["run"]["world"][0]


def test_mismatches_of_a_blind_restriction_are_reported() -> None:
    record = run()
    notes = {"max_mass_mismatch": 7e-4, "max_entropy_mismatch": 9e-4, "mass_plain": 0.3, "some_note": 2.0}
    blind = dataclasses.replace(record, restricted=dataclasses.replace(record.restricted, notes=notes))
    said = demo.analyse(blind)["run"]["notes"][0]
    assert "off by at most 0.07 % (relative)" in said
    assert "H(P_A) by at most 9.0e-04 nats" in said
    assert "The restriction reports: some note 2.000." in said
    assert "mass plain" not in said


def test_the_condition_for_more_entropy_without_the_mode_is_judged() -> None:
    record = run()
    for gap, verdict in ((0.3, "0.300 > h(b)/b = 0.200"), (0.1, "0.100 ≤ h(b)/b = 0.200")):
        notes = {"entropy_gap": gap, "entropy_needed": 0.2}
        noted = dataclasses.replace(record, restricted=dataclasses.replace(record.restricted, notes=notes))
        said = demo.analyse(noted)["run"]["notes"][0]
        assert verdict in said
        assert said.endswith(f"is {'higher than' if gap > 0.2 else 'not higher than'} H(P).")


def test_a_broken_identity_is_counted(tables: Tables) -> None:
    assert demo.residual_line(tables["identities"]).startswith("All 78 hold")
    broken = tables["identities"].with_columns(holds=pl.col("identity") != "pinsker")
    assert "6 of 78 are OUT OF TOLERANCE" in demo.residual_line(broken)


# -- examples and samples ----------------------------------------------------------------------------------------------


def test_examples_are_the_most_likely_answers(tables: Tables) -> None:
    shown = tables["examples"].filter(prompt="x ?")
    last = tables["strings"].filter(phase="sft", step=12).join(tables["documents"], on="index").filter(prompt="x ?")
    last = last.sort("q", descending=True)
    assert set(last["answer"].head(3)) <= set(shown["answer"])
    before = shown.filter(chosen="before")
    assert before.sort("q₀", descending=True)["answer"].equals(before["answer"])


def test_probabilities_are_for_people() -> None:
    assert [probability(value) for value in (0.0, 1e-4, 7e-4, 0.99997)] == ["0 %", "< 0.1 %", "0.1 %", "> 99.9 %"]


def test_samples_are_drawn_from_the_recorded_probabilities(tables: Tables) -> None:
    """As often as they are likely; what no answer of P has is said to be none. Five standard errors of 3,000 draws."""
    drawn = pl.concat(
        [
            demo.samples(tables["documents"], tables["strings"], tables["phases"], seed)
            for seed in range(3000 // NUM_SAMPLES)
        ]
    )
    assert drawn["prompt"].n_unique() == 1
    last = tables["strings"].filter(phase="sft", step=12).join(tables["documents"], on="index")
    wanted = dict(last.filter(prompt=drawn["prompt"][0]).select("answer", "q").iter_rows())
    wanted["(an answer that P never gives)"] = 1.0 - math.fsum(wanted.values())
    found = drawn.filter(model="q")["answer"].value_counts()
    assert set(found["answer"]) <= set(wanted)
    for answer, share in wanted.items():
        count = found.filter(answer=answer)["count"].sum()
        assert count / 3000 == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / 3000) + 1e-3)
    assert wanted["(an answer that P never gives)"] > 0.0


def test_the_samples_of_a_report_are_those_of_its_seed(tables: Tables) -> None:
    assert tables["samples"].equals(demo.samples(tables["documents"], tables["strings"], tables["phases"], 5))
    (table,) = (one for one in demo.report(tables) if isinstance(one, Table) and one.title.startswith("sampled"))
    assert len(table.rows) == NUM_SAMPLES
    for at, model in enumerate(("q₀", "q")):
        assert [row[at] for row in table.rows] == tables["samples"].filter(model=model)["answer"].to_list()


def test_numbers_of_the_report_are_no_numpy_scalars(tables: Tables) -> None:
    assert not any("np." in one for one in shows(tables))
    assert np.isfinite(tables["lines"].filter(quantity="entropy", column="q")["lower"][0])
