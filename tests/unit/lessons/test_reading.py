"""Short ways to numbers, published tables and figures; and charts in which a bounded number is a band."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from sim.interface.result import Result
from sim.lessons import chart, last, line, path, picture, published
from sim.numerics import SpecificationError
from tests.unit.lessons import worlds


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return worlds.table(tmp_path_factory.mktemp("outputs"))


def test_a_path_is_the_rows_of_the_table(result: Result) -> None:
    found = path(result, "entropy", "q")
    rows = result.table().filter(view="response", phase="sft", metric="entropy", of="q", prompt_law="P(x)", at="")
    assert found.columns == ["step", "lower", "upper"]
    assert found.rows() == rows.sort("step").select("step", "lower", "upper").rows()
    assert found["step"].to_list() == result.record.phases["sft"].steps.tolist()
    end = last(result, "entropy", "q")
    assert (end.lower, end.upper) == found.row(-1)[1:]
    assert last(result, "entropy", "P", phase="truth").exact
    assert result.table() is result.table(), "computed once"


@pytest.mark.parametrize(
    ("given", "words"),
    [({"metric": "entropi", "of": "q"}, r"^metric: one of .* is required here, found 'entropi' \(did you mean"),
     ({"metric": "entropy", "of": "Q"}, r"^of: one of 'q' is required here, found 'Q'"),
     ({"metric": "entropy", "of": "q", "phase": "stf"}, r"^phase: one of 'identity', .* found 'stf'"),
     ({"metric": "entropy", "of": "q", "law": "x"}, r"^prompt_law: one of 'P\(x\)'.* found 'x'"),
     ({"metric": "entropy", "of": "q", "at": "z9"}, r"^at: one of '' is required here, found 'z9'")],
)  # fmt: skip
def test_what_was_not_measured_is_named(result: Result, given: dict[str, str], words: str) -> None:
    with pytest.raises(SpecificationError, match=words):
        path(result, **given)


def test_published_tables() -> None:
    tables = published("c1_entropy")
    assert {"findings", "runs", "subsets"} <= set(tables)
    assert tables["runs"].height == 105
    words = r"an experiment with published tables .* is required, found 'c2_dials'"
    with pytest.raises(SpecificationError, match=words):
        published("c2_dials")


def test_a_published_figure_is_drawn_with_its_caption(capsys: pytest.CaptureFixture[str]) -> None:
    figure: Any = picture("c1_entropy", "subsets")
    said = capsys.readouterr().out
    assert said.endswith(".\n")
    assert "subsets" in said
    assert max(map(len, said.splitlines())) <= 110
    assert figure._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(
        SpecificationError, match=r"^figure: one of .*subsets.* is required, found 'subset' \(did you mean"
    ):
        picture("c1_entropy", "subset")
    with pytest.raises(SpecificationError, match=r"the published tables of demo has numbers is required"):
        picture("demo", "animation")


# -- charts -----------------------------------------------------------------------------------------------------------


def frame(lower: list[float], upper: list[float]) -> pl.DataFrame:
    return pl.DataFrame({"step": list(range(len(lower))), "lower": lower, "upper": upper})


def test_an_exact_number_is_a_line_and_a_bounded_one_a_band() -> None:
    figure, axes = chart("A title", y="H [nat]", last_step=3)
    line(axes, frame([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]), "exact")
    assert (len(axes.lines), len(axes.collections)) == (1, 0)
    line(axes, frame([1.0, 2.0], [1.5, 2.5]), "bounded", 1)
    assert (len(axes.lines), len(axes.collections)) == (3, 1)
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), [1.0, 2.0])
    np.testing.assert_array_equal(axes.lines[2].get_ydata(), [1.5, 2.5])
    assert [text.get_text() for text in axes.legend().get_texts()] == ["exact", "bounded"]
    assert (axes.get_title(loc="left"), axes.get_ylabel()) == ("A title", "H [nat]")
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_a_truth_is_a_dashed_line_across_the_panel() -> None:
    _, (left, right) = chart("One", "Two", last_step=9, sharey=False)
    line(left, frame([0.5], [0.5]), "H(P)", truth=True)
    (drawn,) = left.lines
    assert drawn.is_dashed()
    assert list(drawn.get_ydata()) == [0.5, 0.5]
    assert right.get_xlim() == (0, 9)
    left.set_ylim(0, 7)
    assert right.get_ylim() != (0, 7)
