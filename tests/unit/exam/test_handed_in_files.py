"""Files as strangers write them: formats, order, units, names of models, series; and every refusal once."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import sim
from sim.disk.records import Record, read
from sim.exam.world import ExamWorld
from sim.interface.result import Result
from sim.metrics.frames import metrics_table
from sim.numerics import SpecificationError
from sim.score import main
from tests.unit.exam.handed_in import answers, exam_of, exported, laws, log_q, write
from tests.unit.figures.tiny_runs import run

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def record() -> Record:
    return run()


@pytest.fixture(scope="module")
def place(record: Record, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(record, tmp_path_factory.mktemp("worlds") / "toy")


def number(result: Result, metric: str, of: str, law: str, phase: str = "sft") -> float:
    table = metrics_table(result.record, [metric], ["response"])
    found = table.filter(phase=phase, view="response", metric=metric, of=of, prompt_law=law, at="")
    return float(found.filter(pl.col("step") == pl.col("step").max())["upper"].item())


def forgetting(log_q_: np.ndarray, record: Record) -> float:
    """KL(P‖q) of answers, without the program: a sum over the list."""
    p, prompts = np.exp(record.p.log_p), record.p.prompts
    given = record.p.log_p - np.log(np.bincount(prompts.group, p))[prompts.group]
    return float(math.fsum(p * (given - log_q_)))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "npz"])
def test_any_format_any_order_any_unit(ending: str, record: Record, place: Path, tmp_path: Path) -> None:
    ids = np.array(exam_of(record).document_ids)
    dice = np.random.default_rng(1)
    files = {}
    for name, phase in (("before", "pretrain"), ("after", "sft")):
        order = dice.permutation(len(ids))
        columns = {
            "note": np.arange(len(ids)),
            "log_q_answer": log_q(record, phase)[order] / math.log(2),
            "id": ids[order],
        }
        files[name] = write(tmp_path / f"{name}.{ending}", columns)
    result = sim.score_model(files["after"], place, before=files["before"], unit="log2", outputs=tmp_path / "out")
    wanted = forgetting(log_q(record, "sft"), record)
    np.testing.assert_allclose(number(result, "kl", "P||q", "P(x)"), wanted, rtol=1e-12)
    assert result.folder.parent == tmp_path / "out" / "exam"
    assert read(result.folder).hash == result.record.hash


def test_models_in_one_file_and_a_series(record: Record, place: Path, tmp_path: Path, capsys: Captured) -> None:
    ids = exam_of(record).document_ids
    rows: dict[str, list[Any]] = {"id": [], "model": [], "step": [], "log_q_answer": []}
    for model, phase, index, step in (
        ("before", "pretrain", -1, 0), ("after", "sft", 2, 40), ("after", "sft", 1, 10), ("after", "sft", 3, 90),
        ("control", "identity", -1, 90),
    ):  # fmt: skip
        rows["id"] += ids
        rows["model"] += [model] * len(ids)
        rows["step"] += [step] * len(ids)
        rows["log_q_answer"] += log_q(record, phase, index).tolist()
    file = write(tmp_path / "all.jsonl", rows)
    assert main([str(file), "--world", str(place), "--outputs", str(tmp_path), "--name", "mine", "--full"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    for part in ("What this shows", "What it does not tell", "First crossings", "Forgetting", "Control (identity)"):
        assert part in said.out
    reports = list((tmp_path / "mine" / "reports").glob("*"))
    path = pl.read_parquet(reports[0] / "tables" / "path.parquet")
    assert path.filter(model="after")["step"].to_list() == [0, 10, 40, 90]
    assert path.filter(model="control")["step"].to_list() == [0, 90]
    fit = path.filter(model="after")["fit_upper"].to_numpy()
    crossings = pl.read_parquet(reports[0] / "tables" / "crossings.parquet")
    for level, above, step, later in crossings.select("level", "above_at", "step", "largest_later").iter_rows():
        below = np.flatnonzero(fit <= level)
        assert step == ([0, 10, 40, 90][below[0]] if len(below) else None)
        assert above == ([0, 10, 40, 90][below[0] - 1] if len(below) and below[0] else None)
        assert later == (fit[below[0] :].max() if len(below) else None)
    assert crossings["step"].drop_nulls().len() > 0
    assert (reports[0] / "report.md").read_text(encoding="utf-8").startswith("# mine, exam")


def test_one_model_alone_has_no_changes(record: Record, place: Path, tmp_path: Path, capsys: Captured) -> None:
    file = answers(record, tmp_path / "q.csv", "after")
    for _ in range(2):  # the second time the record is there already
        assert main([str(file), "--world", str(place), "--outputs", str(tmp_path)]) == 0
        out = capsys.readouterr().out
        assert "What this shows" not in out
        assert "KL(P‖q)" in out
    (folder,) = (one for one in (tmp_path / "exam").glob("*") if one.name != "reports")
    assert set(
        read(
            folder,
        ).phases
    ) == {"pretrain"}


def test_documents_alone_are_judged_whole(record: Record, place: Path, tmp_path: Path) -> None:
    ids = exam_of(record).document_ids
    whole = log_q(record, "sft", view="joint")
    file = write(tmp_path / "q.csv", {"id": ids, "log_q_document": whole})
    result = sim.score_model(file, place, outputs=tmp_path)
    wanted = math.fsum(np.exp(record.p.log_p) * (record.p.log_p - whole))
    np.testing.assert_allclose(number(result, "kl", "P||q", "P(x)", "pretrain"), wanted, rtol=1e-12)
    assert result.record.p.vocabulary.prompt_end is None
    assert result.record.p.prompts.num_groups == 1


def test_another_tokenizer_gives_bounds_on_the_right_side(record: Record, place: Path, tmp_path: Path) -> None:
    """q is the model; what is handed in is less, because some of its mass is on other sequences of tokens."""
    ids = exam_of(record).document_ids
    dice = np.random.default_rng(2)
    models = {"before": log_q(record, "pretrain"), "after": log_q(record, "sft", 1)}
    files, truth = {}, {}
    for name, values in models.items():
        part = values + np.log(dice.uniform(0.3, 1.0, len(values)))
        truth[name] = write(tmp_path / f"true_{name}.csv", {"id": ids, "log_q_answer": values})
        files[name] = write(tmp_path / f"{name}.csv", {"id": ids, "log_q_answer": part})
    exact = sim.score_model(truth["after"], place, before=truth["before"], outputs=tmp_path).table()
    bounds = sim.score_model(files["after"], place, before=files["before"], outputs=tmp_path, tokenizer="other").table()
    keys = ["phase", "step", "view", "metric", "of", "at", "prompt_law"]
    both = exact.join(bounds, on=keys, suffix="_other").filter(pl.col("phase") != "truth")
    assert both.height == exact.filter(pl.col("phase") != "truth").height
    assert (both["lower_other"] <= both["lower"] + 1e-12).all()
    assert (both["upper_other"] >= both["upper"] - 1e-12).all()
    upper = both.filter(pl.col("metric").is_in(["kl", "gate", "off_support", "total_variation", "jensen_shannon"]))
    assert upper["upper_other"].is_finite().all()
    assert (upper["upper_other"] > upper["upper"] + 1e-3).any()
    nothing = both.filter(pl.col("metric").is_in(["entropy", "erasure", "kept", "style_erasure"]))
    assert nothing["upper_other"].is_infinite().all()


def test_a_mass_above_one_by_rounding_is_said(record: Record, place: Path, tmp_path: Path, capsys: Captured) -> None:
    ids = exam_of(record).document_ids
    p = record.p.log_p - record.p.prompts.log_p[record.p.prompts.group]
    file = write(tmp_path / "q.csv", {"id": ids, "log_q_answer": p + 1e-5})
    assert main([str(file), "--world", str(place), "--outputs", str(tmp_path)]) == 0
    assert "total probability 1 + 1.0e-05" in " ".join(capsys.readouterr().out.split())


# -- refusals ---------------------------------------------------------------------------------------------------------

Break = Callable[[dict[str, Any], ExamWorld], None]


def drop(found: dict[str, Any], world: ExamWorld) -> None:
    for name in found:
        found[name] = found[name][:-2]


def double(found: dict[str, Any], world: ExamWorld) -> None:
    found["id"][3] = found["id"][4]


def elsewhere(found: dict[str, Any], world: ExamWorld) -> None:
    found["id"] = [f"0badbeef{one[8:]}" for one in found["id"]]


def unlisted(found: dict[str, Any], world: ExamWorld) -> None:
    found["id"][0] = f"{world.mark}-d999999"


def not_a_number(found: dict[str, Any], world: ExamWorld) -> None:
    found["log_q_answer"][5] = math.nan


def positive(found: dict[str, Any], world: ExamWorld) -> None:
    found["log_q_answer"][5] = 0.7


def too_much(found: dict[str, Any], world: ExamWorld) -> None:
    found["log_q_answer"] = [one / 2 for one in found["log_q_answer"]]


def misspelt(found: dict[str, Any], world: ExamWorld) -> None:
    found["log_q_answers"] = found.pop("log_q_answer")


def no_id(found: dict[str, Any], world: ExamWorld) -> None:
    del found["id"]


def words(found: dict[str, Any], world: ExamWorld) -> None:
    found["log_q_answer"] = ["many"] * len(found["id"])


def unknown_model(found: dict[str, Any], world: ExamWorld) -> None:
    found["model"] = ["afterr"] * len(found["id"])


def half_a_step(found: dict[str, Any], world: ExamWorld) -> None:
    found["step"] = [0.5] * len(found["id"])


def control_alone(found: dict[str, Any], world: ExamWorld) -> None:
    found["model"] = ["control"] * len(found["id"])


def other_prompts(found: dict[str, Any], world: ExamWorld) -> None:
    found["log_q_document"] = [one - 0.1 * (at % 3) - 1.0 for at, one in enumerate(found["log_q_answer"])]


REFUSED: list[tuple[Break, str]] = [
    (drop, "found 2 missing, such as"),
    (double, "twice; leave one of them out"),
    (elsewhere, "give the folder of the world that was scored"),
    (unlisted, "ids of the listed documents"),
    (not_a_number, "found nan for"),
    (positive, "give log-probabilities, with their minus sign"),
    (too_much, "a total probability of at most 1 is required"),
    (misspelt, "log_q_answer"),
    (no_id, "the columns id and log_q_answer"),
    (words, "a number is required in every row, found 'many' in row 1"),
    (unknown_model, "did you mean 'after'?"),
    (half_a_step, "a whole number of at least 0"),
    (control_alone, "the model before the fine-tuning is required too"),
    (other_prompts, "cut prompt and answer at a token"),
]


@pytest.mark.parametrize(("breaks", "said"), REFUSED, ids=lambda one: getattr(one, "__name__", ""))
def test_wrong_files_are_refused_in_one_line(
    breaks: Break, said: str, record: Record, place: Path, tmp_path: Path, capsys: Captured
) -> None:
    world = exam_of(record)
    found: dict[str, Any] = {"id": list(world.document_ids), "log_q_answer": log_q(record, "sft").tolist()}
    breaks(found, world)
    file = write(tmp_path / "q.jsonl", found)
    out = tmp_path / "out"
    assert main([str(file), "--world", str(place), "--outputs", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    assert said in error
    assert not out.exists()


def test_wrong_laws_are_refused(record: Record, place: Path, tmp_path: Path) -> None:
    world = exam_of(record)
    right = laws(record, "sft")
    wrong: list[tuple[np.ndarray, list[str], str]] = [
        (right[:, :-1], world.prefix_ids, "8 ids of the tokenizer"),
        (right - 0.1, world.prefix_ids, "sum to 1"),
        (np.where(right == right.max(), np.nan, right), world.prefix_ids, "sum to 1"),
        (right[:-1], world.prefix_ids[:-1], "1 missing"),
        (right[1:], world.prefix_ids[1:], "missing"),
    ]
    for number_, (values, ids, said) in enumerate(wrong):
        file = write(tmp_path / f"{number_}.npz", {"prefix": ids, "log_probs": values})
        with pytest.raises(SpecificationError, match=said):
            sim.score_model(file, place, outputs=tmp_path / "out")
    file = write(tmp_path / "right.npz", {"prefix": world.prefix_ids, "log_probs": right})
    with pytest.raises(SpecificationError, match="own is required for next-token laws"):
        sim.score_model(file, place, outputs=tmp_path / "out", tokenizer="other")
    other = answers(record, tmp_path / "before.csv", "before")
    with pytest.raises(SpecificationError, match="one kind of numbers for all models"):
        sim.score_model(file, place, before=other, outputs=tmp_path / "out")
    with pytest.raises(SpecificationError, match="a second one besides"):
        sim.score_model(other, place, before=[other, other], outputs=tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("q.txt", "", "ends in .csv"),
        ("q.csv", "", "a table (csv) is required"),
        ("q.jsonl", "[1]\n", "an object"),
        ("q.jsonl", "{", "a table (jsonl) is required"),
        ("q.jsonl", '{"id": "a", "log_q_answer": 1}\n{"id": "b"}\n', "keys of the first line"),
        ("q.npz", "PK", "a table (npz) is required"),
        ("q.parquet", "PAR", "a table (parquet) is required"),
        ("q.csv", "id,log_q_answer\n", "found none"),
        ("absent.csv", None, "no such file"),
    ],
)
def test_what_is_no_table_is_refused(name: str, text: str | None, said: str, place: Path, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(SpecificationError) as caught:
        sim.score_model(tmp_path / name, place, outputs=tmp_path / "out")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "terms",
    [
        {"unit": "bits"},
        {"tokenizer": "mine"},
        {"strings": 0.0},
        {"rounding": -1.0},
        {"rounding": math.nan},
        {"name": "../a"},
    ],
)
def test_wrong_terms_are_refused(terms: dict[str, Any], place: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match="is required, found"):
        sim.score_model(tmp_path / "q.csv", place, outputs=tmp_path / "out", **terms)


def test_csv_writes_minus_infinity_as_people_do(record: Record, place: Path, tmp_path: Path) -> None:
    values = [json.dumps(one) for one in log_q(record, "sft")]
    values[0] = "-inf"
    rows = zip(exam_of(record).document_ids, values, strict=True)
    (tmp_path / "q.csv").write_text("id,log_q_answer\n" + "".join(f"{one},{value}\n" for one, value in rows))
    result = sim.score_model(tmp_path / "q.csv", place, outputs=tmp_path)
    assert number(result, "kl", "P||q", "P(x)", "pretrain") == math.inf
    assert number(result, "zeros", "q", "", "pretrain") == 1.0
