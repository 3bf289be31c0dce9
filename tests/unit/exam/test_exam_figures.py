"""The figures of a run, drawn of a model that was handed in."""

from pathlib import Path

import pytest

import sim
from figures.language import speaking
from sim.config import members
from sim.disk.records import Record
from sim.interface.result import Result
from sim.numerics import SpecificationError
from tests.unit.exam.handed_in import answers, exported
from tests.unit.figures.tiny_runs import run

FIGURES = {
    name.removeprefix("demo/"): one.load() for name, one in members("figure").items() if name.startswith("demo/")
}


@pytest.fixture(scope="module")
def record() -> Record:
    return run()


@pytest.fixture(scope="module")
def files(record: Record, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("exam")
    models = {name: answers(record, folder / f"{name}.csv", name) for name in ("before", "after", "control")}
    return {"world": exported(record, folder / "world"), **models}


def judged(files: dict[str, Path], outputs: Path, **more: object) -> Result:
    before, control = (files[name] for name in ("before", "control"))
    return sim.score_model(files["after"], files["world"], before=before, control=control, outputs=outputs, **more)  # type: ignore[arg-type]


def test_the_figures_of_a_run_are_drawn(files: dict[str, Path], tmp_path: Path) -> None:
    found = judged(files, tmp_path)
    for name in ("forgetting", "styles", "support", "answers"):
        assert found.figure(name).axes, name
    waterfall = found.figure("waterfall")
    texts = [text.get_text() for axes in waterfall.axes for text in axes.texts]
    assert sum("at least" in text for text in texts) == 4  # of the step and of H(q), for the tuning and its control
    assert "“At least” marks" in FIGURES["waterfall"].caption(found._tables)
    closed = judged(files, tmp_path, strings=1e6)
    texts = [text.get_text() for axes in closed.figure("waterfall").axes for text in axes.texts]
    assert not any("at least" in text for text in texts)
    assert "“At least”" not in FIGURES["waterfall"].caption(closed._tables)


def test_the_chinese_of_it_is_known(files: dict[str, Path], tmp_path: Path) -> None:
    tables = judged(files, tmp_path)._tables
    with speaking("zh"):
        assert "“至少”表示" in FIGURES["waterfall"].caption(tables)
        assert FIGURES["waterfall"]._at_least(-0.5) == "至少 −0.50"


def test_bounds_of_one_side_and_single_models_are_not_drawn(files: dict[str, Path], tmp_path: Path) -> None:
    other = judged(files, tmp_path, tokenizer="other")
    alone = sim.score_model(files["after"], files["world"], outputs=tmp_path)
    for found in (other, alone):
        for name in ("waterfall", "forgetting", "answers"):
            with pytest.raises(SpecificationError, match="has numbers is required"):
                found.figure(name)
        assert repr(found).startswith("exam, exam")
        assert "KL(P‖q)" in found._repr_html_()
    assert "≤" in repr(other)
    assert "Model, step 1: fit, KL(S‖q) = " in repr(alone)
