"""Writing figures: equal bytes whoever draws them, and no drawing twice."""

import gc
from pathlib import Path
from unittest import mock

import polars as pl
import pytest
from matplotlib.figure import Figure

from figures import drawing
from figures.style import MEDIA, save, styled
from sim import pool
from tests.unit.figures import cheap
from tests.unit.figures.tiny_runs import run


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (folder / "tables").mkdir()
    seed = run().config["seed"]
    pl.DataFrame({"seed": [seed], "valid": [True]}).write_parquet(folder / "tables" / "run.parquet")
    return folder


def test_several_processes_write_the_same_bytes(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["one", "two", "three", "four"]
    contents = []
    for count in (1, 2):
        target = tmp_path / str(count)
        target.mkdir()
        monkeypatch.setattr(drawing, "cores", lambda count=count: count)
        monkeypatch.setattr(pool, "cores", lambda count=count: count)
        found = drawing.write_all(dict.fromkeys(names, cheap), source, target, drawing.Form())
        assert list(found) == names
        assert {file.name for files in found.values() for file in files} == {file.name for file in target.iterdir()}
        contents.append({file.name: file.read_bytes() for file in target.iterdir()})
    assert contents[0] == contents[1]
    assert len(contents[0]) == len(names) * 4
    assert contents[0]["one.svg"] == contents[0]["two.svg"]


@pytest.mark.parametrize("medium", MEDIA)
def test_a_figure_is_drawn_once_for_the_layout_and_once_for_each_format(
    medium: str, source: Path, tmp_path: Path
) -> None:
    with styled(medium):
        drawn = cheap.draw({"run": pl.read_parquet(source / "tables" / "run.parquet")})
        with mock.patch.object(Figure, "draw", autospec=True, side_effect=Figure.draw) as draw:
            save(drawn, tmp_path / "figure")
    assert draw.call_count == 1 + len(MEDIA[medium].formats)


def test_garbage_is_collected_again_afterwards() -> None:
    with drawing.uncollected():
        assert not gc.isenabled()
        with drawing.uncollected():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
