"""What the report of the atlas says of methods that are placed beside the reference."""

from collections.abc import Iterator, Mapping

import polars as pl

from experiments.atlas.placing import PLAIN
from experiments.atlas.ranking import FEWEST
from experiments.atlas.shared import own_keys, within
from experiments.board import short
from sim.show.blocks import Block, Heading, Paragraph, Table

END = "the end"
"""What stands in the place of a level for the end of a fine-tuning."""


MISSING = "There is no reference of the atlas (experiments/reference), so no method is placed beside one."
"""What is said without a reference."""


def blocks(tables: Mapping[str, pl.DataFrame]) -> list[Block]:
    """Return the part of the report about one's own methods; nothing if no run was looked at, or nothing is to say."""
    if "placed" not in tables:
        return [Paragraph(MISSING, bullet=True)] if "marks" in tables else []
    marks, placed = tables["marks"], tables["placed"]
    left, again = list(left_out(marks)), list(repeated(tables["repeated"]))
    if not placed.height and not left:
        return [Paragraph(line, bullet=True) for line in again]
    found: list[Block] = [Heading("Your method among those of the reference")]
    if placed.height:
        worlds = sorted(set(marks.filter(pl.col("reason").is_null())["seed"]))
        found += [
            Paragraph(
                f"{named_worlds(worlds)} of the reference: the same languages P and S, and the same "
                "settings but for what your method sets itself. Differences are between runs in the same world."
            ),
            Table(*summary(placed), 3, "Your method; all numbers in nats per answer"),
        ]
        around = tables["around"]
        if around.height:
            title = f"All methods, each with its nearest strength, at the first KL(S‖q) = {around['level'][0]:g} nats"
            found += [Table(*listed(around), 3, title)]
    lines = [*left, *own_settings(placed), *again, *(notes() if placed.height else ())]
    return [*found, *(Paragraph(line, bullet=True) for line in lines)]


def summary(placed: pl.DataFrame) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return the columns and rows of the table of one's own methods: all levels, then the end."""
    columns = ("method", "strength", "at", "place", "worlds", "above the frontier [nat]", "minus SFT: above",
               "minus SFT: gate", "minus SFT: E", "nearest method", "minus it: above")  # fmt: skip
    rows = []
    for row in placed.sort("level", "above", descending=[True, False], nulls_last=True).iter_rows(named=True):
        at = END if row["level"] is None else f"{row['level']:g}"
        place = "–" if row["place"] is None else f"{row['place']} of {row['methods'] + 1}"
        nearest = "–" if row["nearest"] is None else named(row["nearest"], row["nearest_strength"])
        numbers = [_said(row, f"of_{name}", row["worlds"]) for name in ("above", "gate", "e")]
        rows.append(
            (row["method"], row["strength"], at, place, str(row["worlds"]), _said(row, "above"), *numbers, nearest,
             _said(row, "near", row["worlds"]))
        )  # fmt: skip
    return columns, tuple(rows)


def listed(around: pl.DataFrame) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return the columns and rows of the table of all methods. One's own is marked."""
    worlds = around.filter("own")["of_own_worlds"].item()
    rows = [
        ("→ yours" if row["own"] else "reference", row["method"], row["strength"], _said(row, "above"),
         "" if row["own"] else _said(row, "of_own", worlds))
        for row in around.iter_rows(named=True)
    ]  # fmt: skip
    return ("of", "method", "strength", "above the frontier [nat]", "minus yours [nat]"), tuple(rows)


def left_out(marks: pl.DataFrame) -> Iterator[str]:
    """Iterate over a line for each reason why runs are not compared."""
    out = marks.filter(pl.col("reason").is_not_null())
    for (method, reason), own in out.group_by("method", "reason", maintain_order=True):
        yield f"Left out, {_counted(own.height, 'run')} of {method}: {reason}."


def own_settings(placed: pl.DataFrame) -> Iterator[str]:
    """Iterate over a line for each method that sets more than its objective, as its file says."""
    for method in placed["method"].unique(maintain_order=True):
        if keys := [key for key in own_keys(method) if not within(key, ("objective",))]:
            yield f"{method} sets {', '.join(keys)} itself, so it may differ from the others in this."


def repeated(found: pl.DataFrame) -> Iterator[str]:
    """Iterate over a line that says how far runs of methods of the reference lie from it, if some were done again."""
    ranked = found.drop_nulls("level")
    if ranked.height:
        names = sorted(set(found["method"]))
        largest = float(ranked["difference"].abs().max())  # type: ignore[arg-type]
        yield (
            f"Done again here, and not placed: {', '.join(names)}. At equal fit they lie within {short(largest)} nats "
            "of the reference, above the frontier."
        )


def notes() -> Iterator[str]:
    """Iterate over what a reader has to know about the numbers."""
    yield (
        "Numbers are exact in each world, read between two evaluations; means over worlds have 95 % intervals "
        "(estimated). “in 4” is said of a difference that fewer worlds have, because the other method does not get to "
        "this fit in all of them."
    )
    yield (
        "A place is one more than the number of methods of the reference that are surely nearer to the frontier at "
        f"some strength, by the test of the ranking, which needs {FEWEST} worlds; “–” where there are fewer. Intervals "
        "are not corrected for the number of methods. The nearest method is chosen by these numbers, so its interval "
        f"is no test. Plain SFT is {named(*PLAIN)} of the reference."
    )


def named(method: str, strength: str) -> str:
    """Name a method with its strength."""
    return f"{method} ({strength})" if strength else method


def named_worlds(seeds: list[int]) -> str:
    """Name worlds by their seeds."""
    return f"World{'' if len(seeds) == 1 else 's'} {', '.join(map(str, seeds))}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _said(row: Mapping[str, float | int | None], name: str, worlds: int | None = None) -> str:
    """Write a mean with its interval, and in how many worlds, if that is not `worlds`."""
    value, lower, upper = row[name], row[f"{name}_lower"], row[f"{name}_upper"]
    if value is None:
        return "–"
    less = "" if worlds is None or row[f"{name}_worlds"] == worlds else f" in {row[f'{name}_worlds']}"
    return (
        short(value) if lower is None or upper is None else f"{short(value)} [{short(lower)}, {short(upper)}]"
    ) + less
