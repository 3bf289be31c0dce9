"""Print a description as text for a terminal that is 100 columns wide."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from sim.describe.sections import Entry, Section
from sim.languages.machine import shown_count
from sim.numerics import visible
from sim.quantity import Quantity
from sim.show.width import cells as cells_of
from sim.show.width import filled, padded

WIDTH, LABEL = 100, 28
NAT = 1 / math.log(2.0)
"""Bits per nat."""


LABELS = {
    "log_mass": "log P(A)",
    "entropy_before": "entropy before",
    "entropy_after": "entropy after",
    "shift_total": "KL(S || P)",
    "shift_conditioning": "  = -log P(A)",
    "shift_narrowing": "  + KL(S || P_A)",
    "latent_conditioning": "or: -log P(z)",
    "latent_narrowing": "  + KL(S || P_z)",
    "latent_overlap": "  + E_S log P(z | x)",
    "entropy_gap": "H(P_A) - H(P_B)",
    "entropy_needed": "h(b) / b",
}
"""Labels of the effects of steps that are in nats."""


def lines(sections: Sequence[Section]) -> Iterator[str]:
    """Yield the lines of the description, in which control characters of symbols are shown as escapes."""
    yield from map(visible, _lines(sections))


def _lines(sections: Sequence[Section]) -> Iterator[str]:
    for number, section in enumerate(sections):
        if number:
            yield ""
        if section.title:
            yield section.title
        for entry in section.entries:
            yield from _entry(entry)


def _entry(entry: Entry) -> Iterator[str]:
    value, note = entry.value, entry.note
    if isinstance(value, list) and value and isinstance(value[0], dict):
        yield from _rows(value)
        if note:
            yield f"  {note}"
        return
    if not entry.label:  # the entry is for programs only
        return
    if isinstance(value, dict) and "verdict" in value:
        value = value["verdict"]
    said = _shown(value, entry.unit)
    tail = f"  ({note})" if note else ""
    yield from _wrapped(f"  {padded(entry.label, LABEL)}", f"{said}{tail}")


def _wrapped(label: str, text: str) -> Iterator[str]:
    """Yield a label and its text; continued lines are indented to the start of the text."""
    if cells_of(text) > len(text):  # Chinese, whose lines may end between characters
        yield from filled(text, WIDTH, label, " " * len(label)).split("\n")
        return
    room, rest = WIDTH - len(label), text
    while len(rest) > room and " " in rest[:room]:
        cut = rest.rindex(" ", 0, room)
        yield (label + rest[:cut]).rstrip()
        label, rest = " " * len(label), rest[cut + 1 :]
    yield (label + rest).rstrip()


def number(value: float) -> str:
    """Format a number with six significant digits."""
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    return f"{value + 0.0:.6g}"  # never -0


def _shown(value: Any, unit: str) -> str:
    if isinstance(value, Quantity):
        return _quantity(value, unit)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**12 else shown_count(value)
    if isinstance(value, float) and unit == "nat":
        return f"{number(value)} nats"
    if isinstance(value, float):
        return number(value) if unit != "strings" or math.isfinite(value) else "infinitely many"
    if isinstance(value, dict) and unit == "1":  # a law: probabilities of symbols, which can be digits
        return ", ".join(f"{key}: {_shown(item, '')}" for key, item in value.items())
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {_shown(item, '')}" for key, item in value.items())
    if isinstance(value, list):
        return _listed(value)
    return "none" if value is None else str(value)


def _quantity(value: Quantity, unit: str) -> str:
    names = {"1": "", "nat": " nats", "nat^2": " nats^2"}
    named = names.get(unit, " " + unit.replace("nat ", "nats ") if unit else "")
    if value.exact and unit == "strings" and value.lower == math.inf:
        return "infinitely many   exact"
    if value.exact:
        bits = (
            f" = {number(value.lower * NAT)} bits"
            if unit != "nat^2" and unit.startswith("nat") and math.isfinite(value.lower)
            else ""
        )
        return f"{number(value.lower)}{named}{bits}   exact"
    if value.upper == math.inf:
        return f"at least {number(value.lower)}{named}   bounded"
    return f"{number(value.lower)} to {number(value.upper)}{named}   bounded"


def _listed(values: Sequence[Any]) -> str:
    shown = [_quantity(value, "").split()[0] if isinstance(value, Quantity) else _shown(value, "") for value in values]
    return " ".join(shown) if len(" ".join(shown)) <= 400 else " ".join(shown)[:400].rsplit(" ", 1)[0] + " ..."


def _rows(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table, or of a list of steps."""
    if "step" in rows[0]:
        for row in rows:
            yield from _step(row)
        return
    rows = [_with_unit(row) for row in rows]
    columns = list(rows[0])
    cells = [[_cell(row[column]) for column in columns] for row in rows]
    widths = [max(cells_of(column), *(cells_of(line[i]) for line in cells)) for i, column in enumerate(columns)]
    widths = [min(width, WIDTH - 40) for width in widths]
    yield "  " + "  ".join(padded(column, width) for column, width in zip(columns, widths, strict=True)).rstrip()
    for line in cells:
        yield "  " + "  ".join(padded(cell, width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _with_unit(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its unit, if it has one, beside the name of the quantity."""
    if "unit" not in row:
        return row
    name = row["quantity"] + (f" [{row['unit']}]" if row["unit"] != "1" else "")
    return {"quantity": name} | {key: value for key, value in row.items() if key not in ("quantity", "unit")}


def _cell(value: Any) -> str:
    if value == "":
        return "(the empty string)"
    if isinstance(value, Quantity):
        return _quantity(value, "")
    return number(value) if isinstance(value, float) else str(value)


def _written(restriction: dict[str, Any]) -> str:
    """Write a restriction as `--restrict` takes it."""
    arguments = [f"{key}: {_shown(value, '')}" for key, value in restriction.items() if key != "kind"]
    return ", ".join([restriction["kind"], *arguments])


def _step(step: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of one change: its name and arguments, then its effects."""
    rest = {key: value for key, value in step.items() if key != "step"}
    chosen = rest.pop("restriction", None)
    name = step["step"] if chosen is None else f"restriction {_written(chosen)}"
    yield f"  {name}"
    notes = rest.pop("notes", {})
    for key, value in {**rest, **notes}.items():
        label = LABELS.get(key, key.replace("_", " "))
        yield from _wrapped(f"    {label:<{LABEL - 2}}", _shown(value, "nat" if key in LABELS else ""))
