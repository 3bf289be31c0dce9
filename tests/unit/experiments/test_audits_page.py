"""The table of docs/claims/a_audits.md is that of the published findings."""

import re
from pathlib import Path

import polars as pl

ROOT = Path(__file__).resolve().parents[3]
FINDINGS = ROOT / "experiments" / "published" / "a_audits" / "tables" / "findings.parquet"
ROW = re.compile(r"^\| ((?:distinct-\d|self-BLEU|plug-in entropy)[^|]*) \| (.+) \|$", re.MULTILINE)
SAMPLES = ("10", "100", "1,000", "10,000")


def test_shares_of_the_page_are_those_of_the_findings() -> None:
    found = pl.read_parquet(FINDINGS)
    rows = ROW.findall((ROOT / "docs" / "claims" / "a_audits.md").read_text(encoding="utf-8"))
    rows = [(name.removesuffix(" (control)"), cells.split(" | ")) for name, cells in rows if "[" in cells]
    assert [name for name, _ in rows] == ["distinct-1", "distinct-2", "distinct-3", "self-BLEU", "plug-in entropy"]
    own = found.filter(pl.col("prediction").is_in(["A.0a", "A.1", "A.2"])).with_columns(
        pl.col("case").str.strip_suffix(", all pairs")
    )
    for name, cells in rows:
        for samples, cell in zip(SAMPLES, cells, strict=True):
            numbers = own.filter(case=f"{name}, k = {samples}").select("measured", "lower", "upper").rows()
            told = ["{:.1f} [{:.1f}, {:.1f}]".format(*(100.0 * one for one in row)) for row in numbers]
            assert [cell] == (told or ["–"]), (name, samples)
