"""Write an exam whose documents are drawn: a report, a table of numbers, and what decided its hash."""

import io
from pathlib import Path

from sim.exam.drawn.report import report
from sim.exam.drawn.scoring import Judged
from sim.exam.exporting import json_bytes
from sim.places import write_whole
from sim.show.blocks import markdown

TABLE = "numbers"
"""The name of the table, as Parquet and as CSV."""


def publish(judged: Judged, outputs: Path) -> Path:
    """Write an exam to outputs/<name>/reports/<hash>, and return the folder. The same exam again is the same bytes.

    It is no record of a run: there is no list of strings on which arrays could stand, so `sim.rows` passes it by. The
    tables of several exams have the same columns and can be read together.
    """
    target = outputs / judged.given.terms.name / "reports" / judged.hash
    tables = target / "tables"
    tables.mkdir(parents=True, exist_ok=True)
    parquet = io.BytesIO()
    judged.table.write_parquet(parquet)
    write_whole(tables / f"{TABLE}.parquet", parquet.getvalue())
    write_whole(tables / f"{TABLE}.csv", judged.table.write_csv().encode())
    write_whole(target / "exam.json", json_bytes(dict(judged.config)))
    write_whole(target / "report.md", markdown(report(judged)).encode())
    return target
