"""A model of ours that is handed in has the numbers of its own record: by documents, and by next-token laws."""

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sim.disk.records import Record, read
from sim.exam.scoring import Terms, gather, scored
from sim.exam.world import ExamWorld
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.languages.vocabulary import Vocabulary
from sim.metrics.frames import metrics_table
from tests.unit.exam.handed_in import MODELS, answers, exam_of, laws, log_q, write
from tests.unit.figures.tiny_runs import run

ROOT = Path(__file__).resolve().parents[3]
KEYS = ["phase", "view", "metric", "of", "at", "prompt_law"]
EXACT = {
    "kl", "gate", "kept", "erasure", "total_variation", "jensen_shannon", "off_support", "outside_p", "event_mass",
    "style_mass", "style_gate", "style_within", "kl_lost", "style_erasure", "kl_moved", "coverage_lost", "hill_inf",
    "zeros", "reverse_kl", "lost_mass",
}  # fmt: skip
"""Metrics of which whole strings tell everything, as far as the model's likeliest string is a listed one."""

OTHER_START = (pl.col("phase") == "identity") & pl.col("metric").str.contains("moved|stage_")
"""In an exam a control begins with the model before the fine-tuning. That of the imitated record began elsewhere."""


@pytest.fixture(scope="module")
def record() -> Record:
    return run()


@pytest.fixture(scope="module")
def own(record: Record) -> pl.DataFrame:
    """The numbers of the record."""
    return metrics_table(record)


def last(table: pl.DataFrame) -> pl.DataFrame:
    """The numbers of the last evaluations."""
    return table.filter(pl.col("step") == pl.col("step").max().over("phase")).select(*KEYS, "lower", "upper")


def both(own: pl.DataFrame, other: Record, view: str = "response") -> pl.DataFrame:
    """The numbers of a record and of an exam, side by side. Steps are numbered in another way in an exam."""
    left, right = last(own).filter(view=view), last(metrics_table(other)).filter(view=view)
    return left.join(right, on=KEYS, suffix="_exam")


def by_answers(record: Record, folder: Path, **terms: object) -> Record:
    """What becomes of a record whose models hand in answers."""
    world = exam_of(record)
    files = {name: [answers(record, folder / f"{name}.parquet", name)] for name in MODELS}
    said = Terms(**terms)  # type: ignore[arg-type]
    return scored(gather(files, world, said), world, said)  # type: ignore[arg-type]


def close(table: pl.DataFrame, tolerance: float) -> None:
    for end in ("lower", "upper"):
        one, other = table[end].to_numpy(), table[f"{end}_exam"].to_numpy()
        same = (one == other) | np.isclose(one, other, rtol=tolerance, atol=tolerance)
        assert same.all(), table.filter(~pl.Series(same))


def test_answers_give_the_exact_numbers_of_the_record(record: Record, own: pl.DataFrame, tmp_path: Path) -> None:
    table = both(own, by_answers(record, tmp_path))
    exact = table.filter(pl.col("metric").is_in(EXACT) & (pl.col("phase") != "truth"))
    assert set(exact["metric"]) == EXACT
    assert set(exact["phase"]) == {"pretrain", "sft", "identity"}
    close(exact.filter(~OTHER_START), 1e-12)
    inexact = table.filter(~pl.col("metric").is_in(EXACT) & (pl.col("phase") != "truth") & ~OTHER_START)
    assert (inexact["lower_exam"] <= inexact["lower"] + 1e-12).all()  # the others are bounded, never wrong
    assert (inexact["upper_exam"] >= inexact["upper"] - 1e-12).all()
    positions = {"hazard", "tokens_off", "behind", "shown_erasure", "own_hazard", "recovery", "branching"}
    assert not set(table.filter(pl.col("phase") != "truth")["metric"]) & positions
    assert set(own.filter(phase="sft")["metric"]) >= positions
    assert set(metrics_table(by_answers(record, tmp_path), ["kl"]).filter(pl.col("phase") != "truth")["view"]) == {
        "response"
    }


@pytest.mark.parametrize("declared", [False, True])
def test_the_entropy_lies_between_its_bounds(record: Record, own: pl.DataFrame, tmp_path: Path, declared: bool) -> None:
    others, length = len(record.p.vocabulary) - 1.0, record.p.trie.length
    strings = sum(others**j for j in range(length + 1)) if declared else math.inf  # more than can follow any prompt
    table = both(own, by_answers(record, tmp_path, strings=strings)).filter(pl.col("phase") != "truth")
    for metric in ("entropy", "hill_1", "waterfall_learning"):
        rows = table.filter(metric=metric)
        assert rows.height
        assert (rows["lower_exam"] <= rows["lower"] + 1e-12).all()
        assert (rows["upper_exam"] >= rows["upper"] - 1e-12).all()
    entropy = table.filter(metric="entropy")
    assert entropy["upper_exam"].is_finite().all() == declared
    assert (entropy["lower_exam"] > entropy["lower"] - 0.02).all()  # ⊥ has 0.6 % here: little is lost by merging it


def test_laws_give_every_number_of_the_record(record: Record, own: pl.DataFrame, tmp_path: Path) -> None:
    world = exam_of(record)
    files = {}
    for name, (phase, index) in MODELS.items():
        columns = {"prefix": world.prefix_ids, "log_probs": laws(record, phase, index)}
        files[name] = [write(tmp_path / f"{name}.npz", columns)]
    exam = scored(gather(files, world, Terms()), world, Terms())  # type: ignore[arg-type]
    for view in ("response", "joint"):
        table = both(own, exam, view)
        assert table.height > 500
        close(table.filter(~OTHER_START), 1e-10)
        assert set(table["metric"]) == set(last(own).filter(view=view)["metric"])
    assert len(exam.facts["residuals"]) == 6


def test_laws_of_answers_alone_say_nothing_of_documents(record: Record, own: pl.DataFrame, tmp_path: Path) -> None:
    world = exam_of(record)
    trie, prompts = record.p.trie, record.p.prompts
    inside = trie.depth < prompts.length[trie.first_string]
    assert inside.any()
    columns = {"prefix": np.array(world.prefix_ids)[~inside], "log_probs": laws(record, "sft")[~inside]}
    files = {"after": [write(tmp_path / "after.npz", columns)]}
    exam = scored(gather(files, world, Terms()), world, Terms())  # type: ignore[arg-type]
    table = metrics_table(exam, ["entropy"]).filter(pl.col("phase") != "truth")
    assert set(table["view"]) == {"response"}
    wanted = own.filter(metric="entropy", of="q", phase="sft", view="response", step=12)
    for end in ("lower", "upper"):
        np.testing.assert_allclose(table[end], wanted[end], rtol=1e-12)


def test_the_further_tokens_of_the_tokenizer_are_off_the_list(
    record: Record, own: pl.DataFrame, tmp_path: Path
) -> None:
    """A model of Hugging Face gives some mass to its start, padding and unknown tokens."""
    world = exam_of(record)
    narrow = laws(record, "sft") + math.log1p(-0.03)
    further = np.full((len(narrow), 3), math.log(0.01))
    columns = {"prefix": world.prefix_ids, "log_probs": np.concatenate([narrow, further], axis=1)}
    files = {"after": [write(tmp_path / "after.npz", columns)]}
    exam = scored(gather(files, world, Terms()), world, Terms())  # type: ignore[arg-type]
    table = metrics_table(exam, ["kl"], ["response"]).filter(phase="pretrain", of="P||q", prompt_law="P(x)")
    wanted = own.filter(metric="kl", view="response", phase="sft", of="P||q", prompt_law="P(x)", step=12)
    tokens = 4  # of an answer, with its end: each of them is 0.97 times as likely
    np.testing.assert_allclose(table["lower"], wanted["lower"][0] - tokens * math.log(0.97), rtol=1e-12)


def test_a_recorded_run_is_judged_as_its_own_record(tmp_path: Path) -> None:
    record = read(ROOT / "tests" / "archive" / "fe3430a4d566")
    there = {name: place for name, place in MODELS.items() if place[0] in record.phases}
    world, files = exam_of(record), {}
    for name, (phase, index) in there.items():
        columns: dict[str, object] = {"id": world.document_ids, "log_q_answer": log_q(record, phase, index)}
        columns["log_q_document"] = log_q(record, phase, index, "joint")
        files[name] = [write(tmp_path / f"{name}.npz", columns)]
    exam = scored(gather(files, world, Terms()), world, Terms())  # type: ignore[arg-type]
    numbers = metrics_table(record, ["kl"]).filter(pl.col("of").str.contains(r"\*").not_())
    for view in ("response", "joint"):
        left, right = (last(one).filter(view=view) for one in (numbers, metrics_table(exam, ["kl"])))
        table = left.join(right, on=KEYS, suffix="_exam")
        assert set(table["phase"]) >= {"pretrain", "sft"}
        close(table, 1e-11)


# -- by hand ----------------------------------------------------------------------------------------------------------


def three() -> ExamWorld:
    """P = (1/2, 1/4, 1/4) on the strings a, b, c; fine-tuning keeps a and b: S = (2/3, 1/3, 0)."""
    words = Vocabulary(("<eos>", "a", "b", "c"))
    p = FiniteLanguage.from_strings(words, np.array([[1, 0], [2, 0], [3, 0]]), np.log([0.5, 0.25, 0.25]))
    event = np.array([True, True, False])
    kept, log_mass = p.condition(event)
    return ExamWorld.of("three", p, Restricted(kept, kept, event, log_mass))


def test_three_strings_by_hand(tmp_path: Path) -> None:
    world, terms = three(), Terms(strings=10.0)
    q = [Fraction(1, 2), Fraction(1, 8), Fraction(1, 8)]
    off = 1 - sum(q)
    columns = {"id": world.document_ids, "log_q_document": np.log([float(one) for one in q])}
    files = {"after": [write(tmp_path / "q.csv", columns)]}
    table = metrics_table(scored(gather(files, world, terms), world, terms), views=["response"])  # type: ignore[arg-type]

    def number(metric: str, of: str, law: str = "P(x)", at: str = "") -> tuple[float, float]:
        row = table.filter(phase="pretrain", metric=metric, of=of, prompt_law=law, at=at).row(0, named=True)
        return row["lower"], row["upper"]

    two, third = math.log(2), math.log(3)
    assert number("kl", "P||q") == pytest.approx((0.5 * two,) * 2)  # 1/4 log 2 twice
    assert number("kl", "S||q", "S(x)") == pytest.approx((7 / 3 * two - third,) * 2)  # 2/3 log 4/3 + 1/3 log 8/3
    assert number("gate", "A") == pytest.approx((0.75 * math.log(6 / 5) + 0.25 * two,) * 2)  # q(A) = 5/8, q(B) = 1/8
    assert number("kept", "A") == pytest.approx((0.75 * (2 / 3 * math.log(5 / 6) + 1 / 3 * math.log(5 / 3)),) * 2)
    assert number("erasure", "A") == pytest.approx((0.0, 0.0), abs=1e-15)
    assert number("off_support", "q") == pytest.approx((0.25,) * 2)
    assert number("total_variation", "P,q") == pytest.approx((0.25,) * 2)
    on = 0.5 * two + 2 * math.log(8) / 8
    assert off == Fraction(1, 4)
    assert number("entropy", "q") == pytest.approx((on + 0.25 * math.log(4), on + 0.25 * math.log(10 / 0.25)))
    assert number("epsilon_support", "q", at="0.2") == (1.0, 2.0)
    assert number("epsilon_support", "q", at="0.1") == (3.0, 5.0)
    middle = [(p + float(one)) / 2 for p, one in zip((0.5, 0.25, 0.25, 0.0), (*q, off), strict=True)]
    halves = [0.5 * (p * math.log(p / m) if p else 0.0) for p, m in zip((0.5, 0.25, 0.25, 0.0), middle, strict=True)]
    others = [0.5 * float(one) * math.log(float(one) / m) for one, m in zip((*q, off), middle, strict=True)]
    assert number("jensen_shannon", "P,q") == pytest.approx((math.fsum(halves + others),) * 2)
