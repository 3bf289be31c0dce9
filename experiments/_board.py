"""The verdict board: every prediction of every claim that has been run, and what stands of the seed."""

import base64
import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from experiments._claims import Claim, Standing
from experiments._report import Block, Heading, Paragraph, Table
from experiments._statistics import BOOTSTRAP_FROM, interval

COLUMNS = ("prediction", "case", "predicted", "measured, interval", "seeds", "verdict")

WORDS = {
    "supported": "stands",
    "refuted": "falls",
    "holds only if": "stands under a condition",
    "undecided": "is open",
    "not valid": "is open: no run counts",
}

DRAWS = 2_000
"""Simulated studies for the coverage that the board prints."""


@dataclass(frozen=True, eq=False)
class Result:
    """A claim that was run: its verdicts, what becomes of the seed's sentence and why, and where its figures lie."""

    claim: Claim
    verdicts: pl.DataFrame
    standing: Standing
    reason: str
    folder: Path

    @property
    def edited(self) -> bool:
        """Whether the predictions were changed after the runs."""
        return bool(self.verdicts["edited"].any())

    @property
    def figures(self) -> list[Path]:
        """The figures as pictures, in the order of their names."""
        return sorted((self.folder / "figures").glob("*.png"))


def short(value: float) -> str:
    """A number in three significant digits; rounding (below 1e-12) is 0."""
    return "0" if abs(value) < 1e-12 else f"{value:.3g}".replace("-", "−")


def measured(row: dict[str, Any]) -> str:
    """An estimate with its interval; the value alone where nothing is random."""
    if row["measured"] is None:
        return "–"
    unit = "" if row["unit"] == "1" else f" {row['unit']}"
    if row["lower"] == row["upper"]:
        return f"{short(row['measured'])}{unit}"
    return f"{short(row['measured'])} [{short(row['lower'])}, {short(row['upper'])}]{unit}"


def predicted(row: dict[str, Any]) -> str:
    """The predicted value with its margin, or the sign of it where only that is predicted."""
    if row["kind"] == "sign" and row["predicted"] is None and row["measured"] is not None:
        return f"above {short(row['threshold'])}"
    if row["predicted"] is None:
        return "–"
    if row["kind"] == "sign":
        return f"{'above' if row['predicted'] > 0 else 'below'} 0 (truth {short(row['predicted'])})"
    if row["kind"] == "bound":
        return "never violated"
    margin = "" if row["margin"] is None else f" ± {short(row['margin'])}"
    return f"{short(row['predicted'])}{margin}"


def lines(result: Result) -> list[tuple[str, ...]]:
    """The verdicts as text."""
    return [
        (row["prediction"], row["case"], predicted(row), measured(row), _sample(row), row["outcome"])
        for row in result.verdicts.iter_rows(named=True)
    ]


def _sample(row: dict[str, Any]) -> str:
    """How many seeds an interval is over, or how many runs a bound was looked for in."""
    if not row["num_seeds"]:
        return "–"
    return f"{row['num_seeds']} runs" if row["kind"] == "bound" else str(row["num_seeds"])


def title(result: Result) -> str:
    """The claim and its verdict, with the condition that the verdict has."""
    condition = f" {result.reason.split(':')[0]}" if result.standing == "holds only if" else ""
    return f"{result.claim.identifier} {result.claim.title}: {result.standing}{condition}"


def sentence(result: Result) -> str:
    """What becomes of the seed's sentence."""
    said = f"{result.claim.identifier} {result.standing}" + (" " if result.standing == "holds only if" else ": ")
    return f"{said}{result.reason}."


def coverage(num_seeds: int) -> dict[str, float]:
    """How often the interval covers the expectation, simulated: of normal and of exponential values."""
    dice = np.random.default_rng(num_seeds)
    shape = (DRAWS, num_seeds)
    sources = {"normal": (dice.normal(size=shape), 0.0), "skewed": (dice.exponential(size=shape), 1.0)}
    return {
        name: float(np.mean([one.lower <= truth <= one.upper for one in map(interval, rows)]))
        for name, (rows, truth) in sources.items()
    }


def method(results: Sequence[Result]) -> str:
    """Which intervals these are and how often they cover."""
    sizes = sorted({int(n) for result in results for n in result.verdicts.filter(pl.col("method") == "t")["num_seeds"]})
    said = [
        f"with {size} seeds {found['normal']:.0%} of the time for normal and {found['skewed']:.0%} for skewed values"
        for size in sizes
        for found in [coverage(size)]
    ]
    return (
        f"Intervals are 95 % over paired seeds: Student's t below {BOOTSTRAP_FROM} seeds, the BCa bootstrap from there "
        f"on. They cover (simulated) {'; '.join(said) or 'as the tests say'}. Where a number of a run is only bounded, "
        "the interval covers both ends. An equality holds if the 90 % interval lies within the margin, and is refuted "
        "if the 95 % interval lies outside."
    )


def blocks(results: Sequence[Result]) -> Iterator[Block]:
    """The board for the terminal and as Markdown."""
    yield Heading("Verdict board")
    for result in results:
        claim = result.claim
        yield Heading(title(result))
        yield Paragraph(f"The seed: “{claim.sentence}”")
        yield Paragraph(sentence(result))
        if result.edited:
            yield Paragraph("The predictions were edited after these runs were made: they are no test of them.")
        yield Table(COLUMNS, tuple(lines(result)), num_left=3)
        yield from (
            Paragraph(f"{one.identifier} ({one.kind}) {one.statement} {one.rule} Control: {one.control}.", bullet=True)
            for one in claim.predictions
        )
        pictures = ", ".join(str(file.relative_to(result.folder)) for file in result.figures) or "none drawn yet"
        yield Paragraph(f"Figures: {pictures}. Again: {claim.command}; predictions {claim.digest}.")
    yield Paragraph(method(results))
    yield Heading("What stands and what falls of the conversation so far")
    for result in results:
        yield Paragraph(f"{result.claim.title} {WORDS[result.standing]}. {sentence(result)}", bullet=True)


STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%;font-size:.85rem}
td,th{border-bottom:1px solid #ddd;padding:.3rem .5rem;text-align:left}
.holds{color:#00694a;font-weight:bold}.refuted{color:#b00;font-weight:bold}.undecided,.not{color:#777;font-weight:bold}
blockquote{border-left:4px solid #ddd;margin-left:0;padding-left:1rem;color:#555}
img{max-width:100%}code{background:#f4f4f4}"""


def page(results: Sequence[Result]) -> str:
    """The board as one self-contained HTML page, figures included."""
    say = html.escape
    parts = [f"<!doctype html><html lang=en><meta charset=utf-8><title>Verdict board</title><style>{STYLE}</style>"]
    parts.append("<h1>Verdict board</h1>")
    for result in results:
        claim = result.claim
        parts.append(f"<h2>{say(title(result))}</h2>")
        parts.append(f"<blockquote>{say(claim.sentence)}</blockquote><p>{say(sentence(result))}</p>")
        if result.edited:
            parts.append("<p class=refuted>The predictions were edited after these runs were made.</p>")
        parts.append(f"<table><tr>{''.join(f'<th>{say(name)}' for name in COLUMNS)}")
        for row in lines(result):
            cells = "".join(f"<td>{say(cell)}" for cell in row[:-1])
            parts.append(f'<tr>{cells}<td class="{say(row[-1])}">{say(row[-1])}')
        parts.append("</table><ul>")
        parts += [f"<li>{say(f'{one.identifier} {one.statement} {one.rule}')}" for one in claim.predictions]
        parts.append(f"</ul><p>Again: <code>{say(claim.command)}</code>, predictions {say(claim.digest)}.</p>")
        for file in result.figures:
            data = base64.b64encode(file.read_bytes()).decode()
            parts.append(f'<p><img alt="{say(file.stem)}" src="data:image/png;base64,{data}">')
    parts.append(f"<p>{say(method(results))}</p><h2>What stands and what falls of the conversation so far</h2><ul>")
    parts += [f"<li>{say(f'{one.claim.title} {WORDS[one.standing]}. {sentence(one)}')}" for one in results]
    return "\n".join([*parts, "</ul></html>", ""])
