"""Published tables give the findings and captions that were judged; what is damaged, stale or too large is refused."""

import contextlib
import io
import json
import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from experiments import doors, publishing
from experiments import reduction as reducing
from experiments.__main__ import experiment, main
from experiments.board import lines
from experiments.predictions import Claim, table
from experiments.publishing import captioned, publish_claim, read_tables
from experiments.reduction import Reader, Watched, agree, ordered, reduced, rounded
from experiments.study import judge
from figures.__main__ import main as draw
from sim.numerics import SpecificationError
from sim.show import published as publications
from sim.show.published import MANIFEST, Published, published
from tests.unit.experiments.tiny_studies import archived, study, variant

CLAIM: Claim = experiment("c2_support").CLAIM
NAME = CLAIM.name
FIGURE = "sizes"
"""The figure of this claim that is drawn, and for which tables are published. All of them would take long."""

RUNS = [variant(archived(), number, "support", seed=number) for number in range(2)]

pytestmark = pytest.mark.filterwarnings("ignore::numpy.exceptions.RankWarning")  # parabolas through one or two runs


@pytest.fixture(scope="module", autouse=True)
def one_figure() -> Iterator[None]:
    """Only one figure is a reader."""
    found = publishing.figures
    only = lambda name, tables: [one for one in found(name, tables) if one.name == f"figure {name}/{FIGURE}"]  # noqa: E731
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publishing, "figures", only)
        yield


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an imitated study that was judged."""
    folder = study(tmp_path_factory.mktemp("outputs") / NAME, RUNS)
    judge(CLAIM, folder)
    return folder


@pytest.fixture(scope="module")
def top(judged: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with its published tables."""
    top = tmp_path_factory.mktemp("published")
    publish_claim(CLAIM, judged, top)
    return top


@pytest.fixture
def own_root(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that takes the place of the one in the repository; the current folder is an empty one."""
    copy = tmp_path / "root"
    shutil.copytree(top, copy)
    for module in (publications, doors, publishing):
        monkeypatch.setattr(module, "root", lambda name: copy)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return copy


def said(command, *arguments: str, status: int = 0) -> str:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert command(arguments) == status, err.getvalue()
    return " ".join((out.getvalue() + err.getvalue()).split())


def read(found: Published) -> dict[str, pl.DataFrame]:
    return {name: pl.read_parquet(found.file(name)) for name in found.tables}


# -- publish, redraw, judge -------------------------------------------------------------------------------------------


def test_the_published_tables_give_the_findings_that_were_judged(judged: Path, top: Path) -> None:
    tables = read(published(NAME, top))
    before = pl.read_parquet(judged / "reports" / "claim" / "tables" / "findings.parquet")
    again = table(CLAIM, CLAIM.judge(tables), [None])
    assert agree(before.to_dicts(), again.to_dicts())
    assert list(lines(before)) == list(lines(tables["findings"]))
    assert CLAIM.verdict(again) == CLAIM.verdict(before) == CLAIM.verdict(tables["findings"])


def test_published_figures_say_what_the_figures_of_the_runs_say(judged: Path, own_root: Path) -> None:
    said(draw, NAME, str(judged), "--only", FIGURE)
    assert f"{FIGURE}.svg" in said(draw, NAME, "--published", "--only", FIGURE)
    target = Path("outputs") / "published" / NAME / "figures"
    original = judged / "reports" / "claim" / "figures"
    assert (target / f"{FIGURE}.txt").read_bytes() == (original / f"{FIGURE}.txt").read_bytes()
    one, other = (imread(folder / f"{FIGURE}.png") for folder in (target, original))
    assert one.shape == other.shape
    assert np.abs(one - other).mean() < 2e-3, "rounding moves lines by less than a pixel"
    assert "figures/sizes.png" in said(main, NAME, "--published")
    said(draw, NAME, "--published", "--only", FIGURE, "--out", "elsewhere")
    assert (Path("elsewhere") / NAME / "figures" / f"{FIGURE}.png").is_file()


def test_the_board_is_that_of_the_runs(own_root: Path) -> None:
    one = said(main, NAME, "--published")
    for row in lines(pl.read_parquet(own_root / NAME / "tables" / "findings.parquet")):
        assert row[0] in one
    assert "To cite (references.bib): " in one
    assert "spearman1904" in one
    assert "Verdict board" in said(main, "board", "--published")
    assert (Path("outputs") / "published" / "board" / "board.html").is_file()


def test_what_is_published_is_smaller_and_the_same_at_every_time(judged: Path, top: Path, tmp_path: Path) -> None:
    publish_claim(CLAIM, judged, tmp_path)
    files = sorted(file.relative_to(top) for file in top.rglob("*") if file.is_file())
    assert files == sorted(file.relative_to(tmp_path) for file in tmp_path.rglob("*") if file.is_file())
    assert all((top / file).read_bytes() == (tmp_path / file).read_bytes() for file in files)
    before = sum(file.stat().st_size for file in (judged / "reports" / "claim" / "tables").glob("*.parquet"))
    assert sum((top / file).stat().st_size for file in files) < before


def test_the_manifest_says_where_the_numbers_come_from(top: Path, judged: Path) -> None:
    about = json.loads((top / NAME / MANIFEST).read_bytes())
    assert about["claim"] == CLAIM.announced
    assert about["made_for"] == "other"  # the imitated runs were made for no predictions
    assert about["runs"] == len(RUNS)
    assert set(about) >= {"results_version", "commit", "python", "jax", "processor", "last_run", "published_on"}
    assert set(about["tables"]) == {file.stem for file in (top / NAME / "tables").iterdir()}
    assert str(judged.parent) not in json.dumps(about), "no path of the machine"


# -- what is left out -------------------------------------------------------------------------------------------------


def test_a_table_and_a_column_that_nothing_reads_are_left_out(judged: Path) -> None:
    tables = read_tables(judged / "reports" / "claim" / "tables")
    del tables["findings"]
    noise = np.random.default_rng(0).normal(size=tables["sizes"].height)
    more = {**tables, "unread": pl.DataFrame({"x": [1.0]}), "sizes": tables["sizes"].with_columns(unread=noise)}
    found = reduced(CLAIM, more)
    assert "unread" not in found
    assert "unread" not in found["sizes"].columns
    assert {"run", "valid", *CLAIM.paired} <= set(found["runs"].columns)


def test_what_a_figure_reads_is_kept(judged: Path) -> None:
    tables = read_tables(judged / "reports" / "claim" / "tables")
    del tables["findings"]
    more = {**tables, "drawn": pl.DataFrame({"seen": [1 / 3], "seen_lower": [0.25], "unseen": [2.0]})}
    digits = Reader(
        "figure", frozenset({"drawn"}), lambda found: f"{found['drawn']['seen'][0]:.9f}", frozenset({"seen"})
    )
    found = reduced(CLAIM, more, [digits])["drawn"]
    assert found.columns == ["seen", "seen_lower"]
    assert found["seen"][0] == 1 / 3, "five or seven digits would be written as others"


def test_numbers_that_depend_on_the_order_of_runs_are_refused(judged: Path) -> None:
    tables = read_tables(judged / "reports" / "claim" / "tables")
    del tables["findings"]
    first = Reader("figure", frozenset({"runs"}), lambda found: found["runs"]["run"][0], frozenset({"run"}))
    backwards = {**tables, "runs": tables["runs"].sort("run", descending=True)}
    with pytest.raises(SpecificationError, match=r"figure: .* another order of runs are required"):
        reduced(CLAIM, backwards, [first])


def test_tables_remember_who_asked() -> None:
    asked = Watched({name: pl.DataFrame() for name in "abc"})
    asked["a"], asked.get("b")
    assert asked.asked == {"a", "b"}


def test_rows_of_a_run_stay_in_their_order() -> None:
    found = ordered({"x": pl.DataFrame({"run": ["b", "a", "b"], "step": [2, 1, 1]}), "y": pl.DataFrame({"z": [2, 1]})})
    assert found["x"].rows() == [("a", 1), ("b", 2), ("b", 1)]
    assert found["y"]["z"].to_list() == [2, 1]


@pytest.mark.parametrize("bits", reducing.BITS)
def test_rounding_is_to_the_nearest(bits: int) -> None:
    """Against exact fractions: no number with so many bits is nearer."""
    dice = np.random.default_rng(bits)
    values = dice.normal(size=50) * 10.0 ** dice.integers(-300, 300, 50)
    found = rounded(pl.DataFrame({"x": values, "n": range(50)}), bits)
    assert found["n"].to_list() == list(range(50))
    for x, y in zip(values.tolist(), found["x"].to_list(), strict=True):
        exact, near = Fraction(x), Fraction(y)
        spacing = Fraction(2) ** (int(np.frexp(x)[1]) - bits)
        assert (near / spacing).denominator == 1
        assert abs(exact - near) <= spacing / 2
    assert rounded(found, bits).equals(found)


def test_rounding_leaves_what_is_no_ordinary_number() -> None:
    values = [None, 0.0, -np.inf, np.inf, np.nan, 1.0, None, 5e-324, 2 / 3]
    found = rounded(pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)}), 16)["x"]
    assert found[:-1].equals(pl.Series("x", values[:-1], pl.Float64), null_equal=True)
    assert found[-1] != 2 / 3


def test_settings_are_not_rounded() -> None:
    frame = pl.DataFrame({"rate": [0.003, 0.999, None], "measured": [0.5, 1 / 3, np.nan], "n": [1, 2, 3]})
    assert reducing.numeric(frame) == ["measured"]
    assert rounded(frame, 13)["rate"].to_list() == [0.003, 0.999, None]


def test_what_is_read_of_a_figure_are_its_labels_and_its_caption() -> None:
    drawn = Figure()
    drawn.add_subplot().set(title="a title", xlabel="a label")
    given = {"draw": staticmethod(lambda tables: drawn), "caption": staticmethod(lambda tables: "a caption")}
    found = captioned(type("Drawn", (), given))({})
    assert {"a title", "a label"} < set(found)
    assert found[-1] == "a caption"


def test_metrics_are_named_by_a_source_also_in_part() -> None:
    metrics = pl.Series(["waterfall_learning", "kl", "gate", "kl", "style_gate"])
    assert publishing.named(metrics, frozenset({"kl", "waterfall_", "_", "gat"})) == ["kl", "waterfall_learning"]


def test_a_figure_that_is_not_drawn_has_no_caption() -> None:
    class Nothing:
        draw = staticmethod(lambda tables: None)

    assert captioned(Nothing)({}) is None


# -- what is refused --------------------------------------------------------------------------------------------------


def test_too_much_is_refused_and_nothing_is_written(judged: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(publishing, "BUDGET", 9_000)
    with pytest.raises(SpecificationError, match="at most 9,000 bytes of published tables in all are required, found"):
        publish_claim(CLAIM, judged, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_tables_of_others_count_too(tmp_path: Path) -> None:
    (tmp_path / "other" / "tables").mkdir(parents=True)
    (tmp_path / "other" / "tables" / "large.parquet").write_bytes(bytes(600_000))
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "old.parquet").write_bytes(bytes(600_000))  # it will be replaced
    left = publishing.BUDGET - 600_000
    publishing.check_size("own", left, tmp_path)
    with pytest.raises(SpecificationError, match=f"found {publishing.BUDGET + 1:,}, {left + 1:,} of them of own"):
        publishing.check_size("own", left + 1, tmp_path)


@pytest.mark.parametrize("damage", ["a bit", "no file", "no manifest", "a damaged manifest", "a manifest of nothing"])
def test_a_damaged_table_is_refused(damage: str, own_root: Path) -> None:
    manifest, file = own_root / NAME / MANIFEST, own_root / NAME / "tables" / "sizes.parquet"
    if damage == "a bit":
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    elif damage == "no file":
        file.unlink()
    elif damage == "no manifest":
        manifest.unlink()
    else:
        manifest.write_text("{" if damage == "a damaged manifest" else "{}")
    wanted = {"a bit": "sizes.parquet: the table that was published", "no file": "found no such file or directory"}
    wanted |= {"no manifest": "an experiment with published tables"}
    for command in (main, draw):
        line = said(command, NAME, "--published", status=2)
        assert wanted.get(damage, "found a damaged one") in line
        assert "required" in line
    assert not list(Path().iterdir())


def test_tables_of_other_predictions_say_so(own_root: Path) -> None:
    file = own_root / NAME / MANIFEST
    about = json.loads(file.read_bytes())
    file.write_text(json.dumps({**about, "claim": f"{NAME}@000000000000"}))
    for command in (main, draw):
        line = said(command, NAME, "--published", *(["--only", FIGURE] if command is draw else []))
        assert f"belong to the predictions {NAME}@000000000000, and the predictions are {CLAIM.announced} now" in line


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["board", "--published", "outputs"], "--published: no folder of runs is required"),
        (["publish", "x", "--published"], "--published: a claim or board is required, found 'publish'"),
        (["demo", "--published"], "--published: one of the claims"),
        (["c1_entropy", "--published"], "--published: an experiment with published tables (c2_support)"),
        (["board", "--out", "x"], "--out: --published, publish or findings is required"),
        (["compare", "x", "--beside", "y"], "--beside: publish is required, found 'compare'"),
        (["compare"], "compare: the folder of a judged study is required, found none"),
        (["publish", "nowhere"], "nowhere: a folder with a judged study"),
        (["compare", "."], "reports: a judged claim, or reports of single runs, are required, found none"),
    ],
)
def test_flags_without_sense_are_refused(words: list[str], wanted: str, own_root: Path) -> None:
    assert wanted in said(main, *words, status=2)
    assert not list(Path().iterdir())


def test_figures_refuse_runs_and_published_tables_together(own_root: Path) -> None:
    assert "--published: no runs are required" in said(draw, NAME, "x", "--published", status=2)
    assert "--out: --published is required" in said(draw, NAME, "--out", "x", status=2)


def test_findings_of_other_predictions_are_not_published(judged: Path, tmp_path: Path) -> None:
    shutil.copytree(judged / "reports", tmp_path / "reports")
    file = tmp_path / "reports" / "claim" / "tables" / "findings.parquet"
    pl.read_parquet(file).with_columns(digest=pl.lit("0" * 12)).write_parquet(file)
    with pytest.raises(SpecificationError, match=f"findings of the predictions {CLAIM.digest} are required"):
        publish_claim(CLAIM, tmp_path, tmp_path)


# -- what is in the repository ----------------------------------------------------------------------------------------

IN_REPOSITORY = publications.known()


@pytest.mark.parametrize("name", IN_REPOSITORY)
def test_what_is_in_the_repository_is_whole(name: str) -> None:
    found = published(name)
    assert set(found.tables) == {file.stem for file in (found.folder / "tables").iterdir()}


def test_all_of_it_is_small() -> None:
    assert {"c1_entropy", "c2_support", "c3_answers", "c4_cloning"} <= set(IN_REPOSITORY)
    files = [file for file in publications.root(NAME).rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= publishing.BUDGET


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_REPOSITORY)
def test_what_is_in_the_repository_gives_its_findings_and_its_figures(name: str, tmp_path: Path, monkeypatch) -> None:
    """Unless the predictions were edited since then; the commands say so."""
    monkeypatch.chdir(tmp_path)
    assert ".png" in said(draw, name, "--published")
    module = experiment(name)
    found = published(name)
    if not hasattr(module, "CLAIM") or found.difference(module.CLAIM.announced):
        return
    tables = read(found)
    assert agree(tables["findings"].to_dicts(), table(module.CLAIM, module.CLAIM.judge(tables), [None]).to_dicts())
