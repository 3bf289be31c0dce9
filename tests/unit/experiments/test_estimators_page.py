"""The numbers of docs/estimators.md are those of the recorded tables."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "estimators.md").read_text(encoding="utf-8")
CELLS, WORLDS = (
    pl.read_parquet(ROOT / "experiments" / "reference" / "estimators" / f"{name}.parquet")
    for name in ("cells", "worlds")
)
MINUS = "\N{MINUS SIGN}"
READS = {"plug-in": "counts", "Miller–Madow": "counts", "Chao–Shen": "counts", "Monte Carlo": "probabilities",
         "Rao–Blackwell": "next-token laws"}  # fmt: skip


def cell(language: str, pair: str, target: str, estimator: str, n: int) -> dict[str, float]:
    (row,) = CELLS.filter(language=language, pair=pair, target=target, estimator=estimator, n=n).rows(named=True)
    return row


def number(value: float, digits: int = 2) -> str:
    text = f"{value:.{digits}f}"
    return "0" if float(text) == 0 else text.replace("-", MINUS)


def bias(row: dict[str, float], digits: int = 2) -> str:
    return number(row["bias"] if row["bias_exact"] is None else row["bias_exact"], digits)


def entropies() -> Iterator[str]:
    for name, reads in READS.items():
        rows = [cell("English", "gated, from P", "H(q)", name, n) for n in (100, 1_000, 10_000)]
        held = " | ".join(f"{100 * one['usual']:.1f} %" for one in rows[1:])
        yield f"| {name} | {reads} | {' | '.join(map(bias, rows))} | {held} |"


def spreads() -> Iterator[str]:
    own = CELLS.filter(pl.col("sd").is_not_null(), target="KL(q‖p)", n=10_000)
    for language, pair in own.select("language", "pair").unique(maintain_order=True).rows():
        rows = {name: cell(language, pair, "KL(q‖p)", name, 10_000) for name in ("k1", "k2", "k3", "Rao–Blackwell")}
        spread = " | ".join(number(100.0 * one["sd"], 3) for one in rows.values())
        truth = number(rows["k1"]["truth"])
        yield f"| {pair} ({language}) | {truth} | {spread} | {bias(rows['k2'])} | {bias(rows['k3'])} |"


def over_worlds() -> Iterator[str]:
    for (source, count, method), own in WORLDS.group_by("source", "worlds", "method", maintain_order=True):
        held = own["covered"]
        yield (f"| {source} | {own.height} | {count} ({method}) | {100 * held.median():.1f} % | "  # type: ignore[operator]
               f"{100 * held.min():.1f} % |")  # type: ignore[operator]  # fmt: skip


@pytest.mark.parametrize("rows", [entropies, spreads, over_worlds])
def test_tables_of_the_page_are_those_of_the_recorded_numbers(rows: Callable[[], Iterator[str]]) -> None:
    wanted = list(rows())
    assert len(wanted) >= 5
    for row in wanted:
        assert f"\n{row}\n" in PAGE


def shares(own: pl.DataFrame, column: str) -> tuple[float, float]:
    values = own[column].drop_nulls().to_numpy()
    return float(values.min()), float(values.max())


def test_what_came_out_is_in_the_recorded_numbers() -> None:
    text = re.sub(r"\s+", " ", PAGE)
    rows = [cell("English", "gated, from P", "H(q)", name, 1_000) for name in ("plug-in", "Miller–Madow", "Chao–Shen")]
    lacks = [number(-float(bias(one).replace(MINUS, "-"))) for one in rows]
    assert "lacks {} nats, Miller–Madow {}, and Chao–Shen {}".format(*lacks) in text
    assert "hold the truth in {:.0f} %, {:.0f} % and {:.0f} %".format(*(100 * one["usual"] for one in rows)) in text
    plain = CELLS.filter(pl.col("estimator").is_in(["Monte Carlo", "Rao–Blackwell"]), pl.col("n") >= 100, target="H(q)")
    assert (
        "in {:.0f} to {:.0f} % of samples from n = 100".format(*(100 * one for one in shares(plain, "usual"))) in text
    )
    gated = {name: cell("English", "gated", "KL(q‖p)", name, 10_000)["sd"] for name in ("k1", "k3", "Rao–Blackwell")}
    assert f"Its spread is {gated['k3'] / gated['k1']:.0f} times that of k1" in text
    assert f"its spread is {gated['Rao–Blackwell'] / gated['k1']:.1f} times that of k1" in text
    assert f"here {-cell('English', 'one style', 'KL(q‖p)', 'k3', 100)['bias_exact']:.2f} nats" in text
    few = {name: cell("English", "gated", "KL(q‖p)", name, 100)["usual"] for name in ("k1", "Rao–Blackwell")}
    assert f"holds the truth in {100 * few['k1']:.0f} % of samples" in text
    assert f"next-token laws ({100 * few['Rao–Blackwell']:.0f} %)" in text
    tempered = [
        (cell("brackets", pair, "KL(q‖p)", "k1", 10_000)["sd"] /
         cell("brackets", pair, "KL(q‖p)", "Rao–Blackwell", 10_000)["sd"]) ** 2
        for pair in ("sharpened", "flattened")
    ]  # fmt: skip
    assert 80 < min(tempered) < max(tempered) < 130
    for n, told in (
        (30, "in {:.0f} to {:.0f} % of samples at n = 30"),
        (1_000, "in {:.0f} to {:.0f} % from n = 1,000"),
    ):
        own = CELLS.filter(pl.col("n") >= n if n > 30 else pl.col("n") == n, estimator="Good–Turing")
        assert told.format(*(100 * one for one in shares(own, "usual"))) in text


def test_reported_intervals_hold_as_often_as_the_page_says() -> None:
    text = re.sub(r"\s+", " ", PAGE)
    spread = pl.col("sd").is_null() | (pl.col("sd") > 1e-12)
    shown = CELLS.drop_nulls("covered")
    by_t = shown.filter(spread, pl.col("by_t") > 0.5)
    low, high = shares(by_t, "covered")
    assert f"in {100 * low:.1f} to {100 * high:.0f} %: one of {by_t.height} cells" in text
    assert by_t.filter(pl.col("covered_upper") < 0.95).height == 1
    assert f"where {0.025 * by_t.height:.1f} are expected by chance" in text
    proved, _ = shares(shown.filter(pl.col("by_t") <= 0.5), "covered")
    assert f"at least {100 * proved:.1f} % of samples" in text.replace("97.6 %", f"{100 * proved:.1f} %")
    assert 0.976 <= proved < 0.977


def test_skewed_quantities_have_less_coverage_as_the_page_says() -> None:
    own = WORLDS.filter(pl.col("source").str.contains("published"), worlds=12)
    medians = [
        own.filter(pl.col("skewness").abs() < 0.5)["covered"].median(),
        own.filter(pl.col("skewness").abs() > 1.5)["covered"].median(),
    ]
    text = re.sub(r"\s+", " ", PAGE)
    told = re.search(r"its median is (\d+) % where the skewness is below ½, and (\d+) % where it is above 1.5", text)
    assert told
    assert [int(one) for one in told.groups()] == [int(100 * one) for one in medians]  # type: ignore[operator, arg-type]
    exact = WORLDS.filter(pl.col("source").str.contains("exact"))
    least = exact.sort("covered").row(0, named=True)
    assert least["quantity"] == "odds of the rarest string"
    assert f"whose skewness is {least['skewness']:.1f}" in text
