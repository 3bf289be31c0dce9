"""Writing figures: equal bytes whoever draws them, and no drawing twice."""

import gc
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import polars as pl
import pytest
from matplotlib.figure import Figure
from PIL import Image

from figures import __main__ as command
from figures import drawing
from figures.fonts import chinese_font
from figures.language import language
from figures.moving import can_film, film, write_gif
from figures.style import MEDIA, figure, has_chinese, save, styled
from sim import pool
from sim.numerics import SpecificationError
from tests.unit.figures import cheap
from tests.unit.figures.tiny_runs import run

WITH_FONT = pytest.mark.skipif(
    chinese_font(search=True) is None, reason="no Chinese font is installed (fonts-noto-cjk)"
)


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


@pytest.mark.parametrize(
    ("words", "language", "kind"),
    [("entropy", "en", b"/Type0"), pytest.param("熵", "zh", b"/Type3", marks=WITH_FONT)],
)
def test_a_pdf_with_chinese_has_outlines_because_its_glyphs_would_be_wrong(
    words: str, language: str, kind: bytes, tmp_path: Path
) -> None:
    with styled("paper", language):
        drawn, (axes,) = figure(1.0, 1)
        axes.set_axis_off()
        axes.set_title(words)
        assert has_chinese(drawn) == (language == "zh")
        pdf = next(file for file in save(drawn, tmp_path / "figure") if file.suffix == ".pdf")
    assert kind in pdf.read_bytes()


# -- moving figures ---------------------------------------------------------------------------------------------------


def moving(tmp_path: Path) -> Path:
    """A GIF with three frames."""
    pictures = [Image.new("RGB", (41, 23), "white") for _ in range(3)]
    for number, picture in enumerate(pictures):
        picture.paste("blue", (0, 20, 10 * number, 23))
    write_gif(pictures, tmp_path / "a.gif")
    return tmp_path / "a.gif"


def test_white_stays_white_in_a_gif(tmp_path: Path) -> None:
    with Image.open(moving(tmp_path)) as image:
        assert image.n_frames == 3
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.skipif(not can_film(), reason="ffmpeg is not installed")
def test_a_film_is_made_of_a_gif_of_any_size(tmp_path: Path) -> None:
    film(moving(tmp_path), tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4").read_bytes()[4:8] == b"ftyp"


@pytest.mark.skipif(not can_film(), reason="ffmpeg is not installed")
def test_what_ffmpeg_says_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(b"no picture")
    with pytest.raises(
        SpecificationError, match=r"ffmpeg: a version that writes H\.264 as MP4 is required, found"
    ) as no:
        film(tmp_path / "a.gif", tmp_path / "a.mp4")
    assert "\n" not in str(no.value)


@pytest.mark.parametrize("there", [True, False])
def test_slides_move_as_mp4_where_ffmpeg_is(there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "can_film", lambda: there)
    monkeypatch.setattr(drawing, "film", lambda gif, file: file.write_bytes(gif.read_bytes()))
    module = SimpleNamespace(animate=lambda tables, file: file.write_bytes(language().encode()))
    for medium, wanted in (("slide", {"a-zh.gif", "a-zh.mp4"} if there else {"a-zh.gif"}), ("paper", {"a-zh.gif"})):
        files = drawing.animated(module, tmp_path, "a-zh", {}, drawing.Form(medium, "zh"))
        assert {file.name for file in files} == wanted
        assert {file.read_bytes() for file in files} == {b"zh"}


def test_names_of_files_say_medium_and_language() -> None:
    assert drawing.Form().stem("a") == "a"
    assert drawing.Form("slide", "zh").stem("a") == "a-slide-zh"
    assert drawing.Form("slide", "zh").stem("a", of_medium=False) == "a-zh"


def test_a_film_that_is_left_out_is_mentioned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "can_film", lambda: False)
    monkeypatch.setattr(command, "write_all", lambda figures, *rest: {name: [] for name in figures})
    figures = {"moving": SimpleNamespace(animate=None)}
    monkeypatch.setattr(command, "places", lambda chosen, found: (figures, tmp_path, tmp_path / "figures"))
    assert command.main(["theory", "--for", "slide"]) == 0
    assert "Left out: MP4; ffmpeg is required" in capsys.readouterr().out
