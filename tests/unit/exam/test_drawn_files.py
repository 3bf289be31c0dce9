"""Files that are handed in for drawn documents: what comes out beside the exact exam, and what is refused."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import sim
from sim.exam import building as listed_worlds
from sim.exam.drawn.building import built
from sim.exam.drawn.exporting import export
from sim.exam.drawn.report import LABELS, METRICS
from sim.exam.drawn.stored import read_drawn
from sim.exam.drawn.world import DrawnWorld
from sim.exam.exporting import export as export_listed
from sim.numerics import SpecificationError
from sim.score import main
from tests.unit.exam.drawn import GRAMMAR, PATTERN, config, small
from tests.unit.exam.handed_in import write
from tests.unit.exam.test_drawn_worlds import EXAMPLES
from tests.unit.exam.test_exported_worlds import Captured, lines

NAMES = ("before", "after", "control")
Columns = dict[str, Any]
Break = Callable[[Columns, DrawnWorld], None]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(small(1500), tmp_path_factory.mktemp("drawn") / "world", 20, 20)


@pytest.fixture(scope="module")
def world(place: Path) -> DrawnWorld:
    return read_drawn(place)


def log_q(log_p: np.ndarray, log_s: np.ndarray, name: str) -> np.ndarray:
    """Models of which both exams know the same: mixtures of P and S, with a leak."""
    p, s, off = {"before": (0.97, 0.0, 0.03), "after": (0.02, 0.9, 0.08), "control": (0.9, 0.05, 0.05)}[name]
    assert math.isclose(p + s + off, 1.0)
    return np.logaddexp(log_p + math.log(p), log_s + (math.log(s) if s else -math.inf))


def answer(world: DrawnWorld, name: str = "after") -> Columns:
    documents = world.documents
    return {"id": list(world.document_ids), "log_q_document": log_q(documents.log_p, documents.log_s, name).tolist()}


@pytest.fixture(scope="module")
def files(world: DrawnWorld, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    return {name: write(folder / f"{name}.npz", answer(world, name)) for name in NAMES}


# -- beside the exact exam --------------------------------------------------------------------------------------------

EXACT = {
    "fit": ("kl", "S||q", "S(x)"), "forgetting": ("kl", "P||q", "P(x)"), "gate": ("gate", "A", "P(x)"),
    "kept": ("kept", "A", "P(x)"), "erasure": ("erasure", "A", "P(x)"), "mass_a": ("event_mass", "q(A)", "P(x)"),
    "mass_b": ("event_mass", "q(B)", "P(x)"), "off_support": ("off_support", "q", "P(x)"),
    "total_variation": ("total_variation", "P,q", "P(x)"), "jensen_shannon": ("jensen_shannon", "P,q", "P(x)"),
    "coverage_lost": ("coverage_lost", "P,q", "P(x)"),
}  # fmt: skip
PHASES = {"before": "pretrain", "after": "sft", "control": "identity"}


def test_the_exact_exam_lies_in_the_intervals(files: dict[str, Path], place: Path, tmp_path: Path) -> None:
    """The seed is fixed. With another one an interval of 95 % may miss; how often is counted in test_drawn_numbers."""
    grammar = {"kind": "file", "path": "brackets.yaml", "text": GRAMMAR, "length": 9}
    exact = listed_worlds.built({"grammar": grammar, "restriction": config()["restriction"]}, "exact", "exact")
    whole = export_listed(exact, tmp_path / "exact", 5, 5)
    for name in NAMES:
        values = log_q(exact.p.log_p, exact.s.log_p, name)
        write(tmp_path / f"{name}.npz", {"id": exact.document_ids, "log_q_document": values})
    given = {name: tmp_path / f"{name}.npz" for name in ("before", "control")}
    truth = sim.score_model(tmp_path / "after.npz", whole, outputs=tmp_path, **given).table()  # type: ignore[arg-type]
    more = {"before": files["before"], "control": files["control"]}
    found = sim.estimate_model(files["after"], place, worst=6.0, outputs=tmp_path, **more).table()  # type: ignore[arg-type]
    for name, phase in PHASES.items():
        for metric, (metric_, of, law) in EXACT.items():
            at = pl.col("at") == "10" if metric == "coverage_lost" else pl.lit(True)
            rows = truth.filter(at, phase=phase, metric=metric_, of=of, view="response", prompt_law=law)
            value = rows.filter(pl.col("step") == pl.col("step").max())["lower"].item()
            one = found.filter(model=name, metric=metric, per="document", against="").row(0, named=True)
            assert one["lower"] - 1e-9 <= value <= one["upper"] + 1e-9, (name, metric, value, one)
            assert one["known"] == "estimated"
    changes = found.filter(model="after", metric="forgetting", per="document", against="before").row(0, named=True)
    forgetting = truth.filter(metric="kl", of="P||q", view="response", prompt_law="P(x)")
    exactly = [forgetting.filter(phase=phase)["lower"][-1] for phase in ("sft", "pretrain")]
    assert changes["lower"] <= exactly[0] - exactly[1] <= changes["upper"]
    p = found.filter(model="P", metric="entropy")["value"].item()
    assert p == pytest.approx(exact.p.entropy(), rel=1e-9)
    assert found.filter(model="S", metric="shift")["value"].item() == pytest.approx(-exact.restricted.log_mass)


# -- a whole exam -----------------------------------------------------------------------------------------------------


def own_documents(place: Path, tmp_path: Path, bad: int = 20, **more: object) -> Path:
    """Documents of the model after the fine-tuning, as JSONL."""
    rows = [one for one in lines(place / "documents.jsonl") if one["from"] == "S"][:180]
    texts = [str(one["text"]) for one in rows] + [") (", "no-such-word"] * (bad // 2)
    file = tmp_path / "own.jsonl"
    file.write_text("".join(json.dumps({"text": text, **more}) + "\n" for text in texts), encoding="utf-8")
    return file


def test_an_exam_from_the_command_line(files: dict[str, Path], place: Path, tmp_path: Path, capsys: Captured) -> None:
    own = own_documents(place, tmp_path)
    words = [str(files["after"]), "--before", str(files["before"]), "--control", str(files["control"])]
    words += ["--world", str(place), "--outputs", str(tmp_path / "out"), "--samples", str(own), "--worst", "6"]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "After, step 1: fit, KL(S‖q)" in shown
    assert "Change from" not in shown
    assert main([*words, "--full"]) == 0  # the same exam again
    shown = capsys.readouterr().out
    assert "Change from before to after" in shown
    assert "declared that log P/q and log S/q are at most 6 nats" in shown
    (target,) = (tmp_path / "out" / "exam" / "reports").iterdir()
    assert (target / "report.md").read_text(encoding="utf-8").startswith("# exam, exam ")
    table = pl.read_parquet(target / "tables" / "numbers.parquet")
    assert set(table["exam"]) == {target.name}
    assert set(table["metric"]) <= set(METRICS) == set(LABELS)
    leak = table.filter(model="after", metric="off_support").row(0, named=True)
    assert 0.05 < leak["lower"] < 0.08 < leak["upper"] < 0.17  # 0.08 is the truth, and 20 of 200 documents are wrong
    assert (table["lower"] <= table["upper"]).all()
    config_ = json.loads((target / "exam.json").read_text(encoding="utf-8"))
    assert config_["exam"]["worst"] == 6.0
    given: Any = {"before": files["before"], "control": files["control"], "samples": own, "worst": 6.0}
    assert sim.estimate_model(files["after"], place, outputs=tmp_path / "out", **given).folder == target


def test_what_documents_do_not_tell_is_said(files: dict[str, Path], place: Path, tmp_path: Path) -> None:
    alone = sim.estimate_model(files["after"], place, outputs=tmp_path)
    assert repr(alone).count("\n") == 1
    assert "in [" in repr(alone)
    page = (alone.folder / "report.md").read_text(encoding="utf-8")
    for said in ("have a lower end alone", "is seen by no document of P", "need a list of all strings"):
        assert said in " ".join(page.split())
    assert set(alone.table()["model"]) == {"P", "S", "after"}
    cut = own_documents(place, tmp_path, ended=False)
    found = sim.estimate_model(files["after"], place, samples=cut, outputs=tmp_path)
    assert "were cut off" in (found.folder / "report.md").read_text(encoding="utf-8")
    row = found.table().filter(metric="off_support").row(0, named=True)
    assert 0.0 < row["lower"] < 0.08 < row["upper"]  # some prefixes are wrong already, others count as anything
    wrong = own_documents(place, tmp_path, bad=120)  # another model, or another temperature
    found = sim.estimate_model(files["after"], place, samples=wrong, outputs=tmp_path)
    assert "contradict each other about q(A)" in " ".join((found.folder / "report.md").read_text("utf-8").split())


def test_several_steps_and_models_in_one_file(world: DrawnWorld, place: Path, tmp_path: Path) -> None:
    parts = [answer(world, name) for name in ("before", "after", "after")]
    number = len(world.document_ids)
    columns = {key: [value for part in parts for value in part[key]] for key in parts[0]}
    columns |= {"model": [name for name in ("before", "after", "after") for _ in range(number)]}
    columns |= {"step": [step for step in (0, 10, 20) for _ in range(number)]}
    table = sim.estimate_model(write(tmp_path / "q.parquet", columns), place, outputs=tmp_path).table()
    assert set(zip(table["model"], table["step"], strict=True)) == {
        ("P", 0), ("S", 0), ("before", 0), ("after", 10), ("after", 20)
    }  # fmt: skip
    assert table.filter(metric="fit", per="document", against="before").height == 2


def test_bits_and_an_event_of_derivations(tmp_path: Path) -> None:
    grammar = {"kind": "file", "path": str(EXAMPLES / "attachment.yaml")}
    restriction = {"kind": "sub_grammar", "rules": [{"lhs": "thing", "rhs": ["thing", "with", "thing"]}]}
    latent = built({"grammar": grammar, "restriction": restriction, "documents": 100, "horizon": 12}, "a", "a")
    place = export(latent, tmp_path / "world", 5, 5)
    values = latent.documents.log_p / math.log(2.0)
    file = write(tmp_path / "q.csv", {"id": latent.document_ids, "log_q_document": values})
    found = sim.estimate_model(file, place, unit="log2", outputs=tmp_path)
    table = found.table().filter(model="after", per="document")
    assert not set(table["metric"]) & {"gate", "kept", "erasure", "mass_a", "mass_b", "part_a", "part_b"}
    assert table.filter(metric="forgetting")["value"].item() == pytest.approx(0.0, abs=1e-12)
    assert table.filter(metric="off_support")["value"].item() == pytest.approx(0.0, abs=1e-9)
    assert "set of derivations" in (found.folder / "report.md").read_text(encoding="utf-8")


def test_another_tokenizer_gives_one_sided_intervals(world: DrawnWorld, place: Path, tmp_path: Path) -> None:
    """A share of each document's probability lies on other sequences of tokens. The truth stays inside."""
    share = np.random.default_rng(0).uniform(0.3, 1.0, len(world.document_ids))
    _, first, same = np.unique(world.documents.strings, axis=0, return_index=True, return_inverse=True)
    columns = answer(world)
    whole = np.array(columns["log_q_document"])
    parts = whole + np.log(share[first][same.reshape(-1)])
    files = {"whole": write(tmp_path / "whole.npz", columns)}
    files["part"] = write(tmp_path / "part.npz", {**columns, "log_q_document": parts})
    exact = sim.estimate_model(files["whole"], place, worst=8.0, outputs=tmp_path).table()
    found = sim.estimate_model(files["part"], place, worst=8.0, tokenizer="other", outputs=tmp_path).table()
    for row in found.filter(model="after", per="document").iter_rows(named=True):
        true = exact.filter(model="after", per="document", metric=row["metric"])["value"].item()
        assert row["lower"] - 1e-9 <= true <= row["upper"] + 1e-9, row
        if row["metric"] in ("fit", "forgetting", "total_variation"):
            assert row["lower"] == 0.0
    with_before = sim.estimate_model(
        files["part"], place, before=files["whole"], worst=8.0, tokenizer="other", outputs=tmp_path
    )
    assert set(with_before.table()["against"]) == {""}


# -- what is refused --------------------------------------------------------------------------------------------------


def drop(found: Columns, world: DrawnWorld) -> None:
    found.update({key: values[:-2] for key, values in found.items()})


def double(found: Columns, world: DrawnWorld) -> None:
    found.update({key: [*values, values[3]] for key, values in found.items()})


def elsewhere(found: Columns, world: DrawnWorld) -> None:
    found["id"] = ["01234567" + one[8:] for one in found["id"]]


def unlisted(found: Columns, world: DrawnWorld) -> None:
    found["id"][5] = world.mark + "-d999999"


def not_a_number(found: Columns, world: DrawnWorld) -> None:
    found["log_q_document"][5] = math.nan


def positive(found: Columns, world: DrawnWorld) -> None:
    found["log_q_document"] = [-one for one in found["log_q_document"]]


def too_much(found: Columns, world: DrawnWorld) -> None:
    found["log_q_document"] = [one / 3.0 for one in found["log_q_document"]]


def uneven(found: Columns, world: DrawnWorld) -> None:
    _, first, counts = np.unique(world.documents.strings, axis=0, return_index=True, return_counts=True)
    found["log_q_document"][int(first[counts.argmax()])] -= 0.5


def answers_alone(found: Columns, world: DrawnWorld) -> None:
    found["log_q_answer"] = found.pop("log_q_document")


def prefixes(found: Columns, world: DrawnWorld) -> None:
    found["prefix"] = found.pop("id")
    found["log_probs"] = [[one, one] for one in found.pop("log_q_document")]


def control_alone(found: Columns, world: DrawnWorld) -> None:
    found["model"] = ["control"] * len(found["id"])


REFUSED: list[tuple[Break, str]] = [
    (drop, "found 2 missing, such as"),
    (double, "twice; leave one of them out"),
    (elsewhere, "give the folder of the world that was scored"),
    (unlisted, "ids of the listed documents"),
    (not_a_number, "found nan for"),
    (positive, "give log-probabilities, with their minus sign"),
    (too_much, "different documents of at most 1 is required"),
    (uneven, "score without dropout"),
    (answers_alone, "the columns id and log_q_document"),
    (prefixes, "the columns id and log_q_document"),
    (control_alone, "the model before the fine-tuning is required too"),
]


def refused(words: list[str], out: Path, capsys: Captured) -> str:
    """The one line with which a command is refused."""
    assert main([*words, "--outputs", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    assert not out.exists()
    return error


@pytest.mark.parametrize(("breaks", "said"), REFUSED, ids=lambda one: getattr(one, "__name__", ""))
def test_wrong_files_are_refused_in_one_line(
    breaks: Break, said: str, world: DrawnWorld, place: Path, tmp_path: Path, capsys: Captured
) -> None:
    found = answer(world)
    breaks(found, world)
    file = write(tmp_path / "q.jsonl", found)
    assert said in refused([str(file), "--world", str(place)], tmp_path / "out", capsys)


OWN: list[tuple[str, str]] = [
    ('{"txt": "( )"}', "is it|did you mean|the column text is required"),
    ('{"text": "( )", "model": "later"}', "found 'later'"),
    ('{"text": "( )", "ended": "perhaps"}', "true or false is required"),
    ('{"text": "( )", "log_q_document": null}', "a number is required in every row"),
    ('{"text": "( )", "log_q_document": 0.5}', "at most 0, are required"),
    ('{"text": "( )", "model": "before"}', "a model that was scored"),
]


@pytest.mark.parametrize(("line", "said"), OWN)
def test_wrong_documents_of_a_model_are_refused(
    line: str, said: str, files: dict[str, Path], place: Path, tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "own.jsonl").write_text(line + "\n")
    words = [str(files["after"]), "--world", str(place), "--samples", str(tmp_path / "own.jsonl")]
    error = refused(words, tmp_path / "out", capsys)
    assert any(one in error for one in said.split("|")), error


def test_terms_of_the_other_kind_of_world_are_refused(
    files: dict[str, Path], place: Path, tmp_path: Path, capsys: Captured
) -> None:
    out, file = tmp_path / "out", str(files["after"])
    drawn, whole = [file, "--world", str(place)], [file, "--world", "brackets_small@1"]
    assert "leave it out" in refused([*drawn, "--strings", "10"], out, capsys)
    assert "no document exceeds is required" in refused([*drawn, "--worst", "0.5"], out, capsys)
    assert "--worst: a world whose documents are drawn" in refused([*whole, "--worst", "5"], out, capsys)
    assert "--samples: a world whose documents are drawn" in refused([*whole, "--samples", file], out, capsys)
    with pytest.raises(SpecificationError, match=r"use sim\.estimate_model"):
        sim.score_model(file, place)
    with pytest.raises(SpecificationError, match=r"use sim\.score_model"):
        sim.estimate_model(file, "brackets_small@1")
    with pytest.raises(SpecificationError, match="worst: a number of nats"):
        sim.estimate_model(file, place, worst=-1.0)


def test_the_pattern_of_these_tests_is_that_of_the_world(world: DrawnWorld) -> None:
    assert world.definition["restriction"]["pattern"] == PATTERN
