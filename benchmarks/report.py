"""Results on the disk, and the tables of README.md that are made from them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import SMALLER_IS_BETTER, Result, machine, machine_name, rounded

FOLDER = Path(__file__).parent
BEGIN, END = "<!-- results: begin (written by python -m benchmarks --render) -->", "<!-- results: end -->"


def merge(results: Sequence[Result], measured: Sequence[str], load_before: float, folder: Path = FOLDER) -> Path:
    """Write the results of the `measured` benchmarks to the file of this machine; they replace earlier ones."""
    file = folder / "results" / f"{machine_name()}.json"
    earlier = json.loads(file.read_text("utf-8")) if file.exists() else {"benchmarks": {}}
    runs = earlier["benchmarks"]
    for name in measured:
        own = [result.plain() | {"verdict": result.verdict} for result in results if result.benchmark == name]
        runs[name] = {"load before": rounded(load_before), "machine": machine(), "results": own}
    file.parent.mkdir(exist_ok=True)
    file.write_text(
        json.dumps({"benchmarks": dict(sorted(runs.items()))}, indent=1, ensure_ascii=False) + "\n", "utf-8"
    )
    return file


def rows(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of one Markdown table."""
    head = ["| work | measured | spread | goal | stretch goal | goal met | details |", "|---|---|---|---|---|---|---|"]
    return head + [_row(result) for result in results]


def _row(result: Mapping[str, Any]) -> str:
    unit, lower_is_better = result["unit"], result["unit"] in SMALLER_IS_BETTER
    behind = ", ".join(f"{number(value)} {name}" for name, value in result["measured"].items())
    of_what = "; ".join(part for part in (result["note"], behind) if part)
    sign = "≤ " if lower_is_better else "≥ "
    goals = ["–" if result[key] is None else f"{sign}{number(result[key])} {unit}" for key in ("reach", "stretch")]
    spread = f"{number(result['low'])} – {number(result['high'])} ({result['rounds']})"
    cells = [result["work"], f"**{number(result['ratio'])} {unit}**", spread, *goals, result["verdict"] or "–", of_what]
    return "| " + " | ".join(cells) + " |"


def number(value: float) -> str:
    """Format a number with three significant digits; numbers from 1000 on are written in full."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def tables(folder: Path = FOLDER) -> str:
    """Return the tables of every machine that has results."""
    lines: list[str] = []
    for file in sorted((folder / "results").glob("*.json")):
        runs = json.loads(file.read_text("utf-8"))["benchmarks"]
        about = next(iter(runs.values()))["machine"]
        versions = ", ".join(
            f"{name} {value}" for name, value in about.items() if name not in ("accelerator", "cpu", "cores", "system")
        )
        host = f"{about['cpu']}, {about['cores']} cores ({about['system']})"
        named = f"{about['accelerator']} in {host}" if about.get("accelerator") else host
        lines += [f"### {named}", "", f"Versions: {versions}.", ""]
        lines += [*rows([result for run in runs.values() for result in run["results"]]), ""]
        empty = [name for name, run in runs.items() if not run["results"]]
        lines += [f"Not measured on this machine: {', '.join(empty)}.", ""] if empty else []
    return "\n".join(lines)


def render(folder: Path = FOLDER) -> None:
    """Write the tables between the marks of README.md. It raises ValueError if a mark is missing."""
    readme = folder / "README.md"
    before, _, rest = readme.read_text("utf-8").partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{readme}: the two marks around the results are required, found them missing; restore them")
    readme.write_text(f"{before}{BEGIN}\n\n{tables(folder)}\n{END}{after}", "utf-8")
