"""The report on trainers in words and tables: which signs hold, by which numbers, and where trainers differ."""

from collections.abc import Iterator, Mapping

import polars as pl

from experiments.board import short
from experiments.carry_over.judging import AGAINST, by_world, standing
from experiments.carry_over.signs import FIT, LIMIT, NAMES, SIGNS
from sim.show.blocks import Block, Heading, Paragraph, Table
from sim.show.writing import counted

SHOWN = {"jax": "our JAX model", "torch": "torch GPT", "trl": "TRL, GPT-2"}
"""Trainers in words; others keep their names."""

NUMBERS = {
    "share": "share of the gate", "e": "E [nat]", "x": "X [nat]", "kl": "KL(P‖q) [nat]", "fit": "KL(S‖q) [nat]",
    "off": "q(⊥)", "held": "H held out [nat]",
}  # fmt: skip
"""Numbers in words, in the order of the tables."""


def blocks(tables: Mapping[str, pl.DataFrame]) -> list[Block]:
    """Return the report: the signs, their parts, and the numbers of the arms."""
    parts, carried = tables["parts"], tables["carried"]
    worlds = ", ".join(map(str, carried["world"].unique().sort()))
    return [
        Heading("Do the signs carry over? In these worlds:"),
        Paragraph(f"Worlds: {worlds}. A world is the unit of replication; seeds in a world are averaged."),
        signs_table(parts),
        parts_table(parts),
        Paragraph(
            "Means over worlds with 95 % intervals (Student's t, estimated). In each world the numbers are exact for "
            "the log-probabilities that were handed in, but X is a lower bound: the largest of the steps that were "
            f"handed in. A world counts if KL(P‖q₀) is at most {LIMIT:g} nats, and for share, E and X if the arm ends "
            f"at KL(S‖q) of at most {FIT:g} nats. Intervals are not corrected for the number of signs."
        ),
        worlds_table(carried),
        numbers_table(tables["differences"], ("share", "e", "x")),
        numbers_table(tables["differences"], ("kl", "fit", "off", "held")),
        differences_table(tables["differences"]),
        *(Paragraph(line, bullet=True) for line in notes(carried)),
    ]


def trainers_of(found: pl.DataFrame) -> list[str]:
    """Return the trainers of a table: ours first, the others by name."""
    return sorted(found["trainer"].unique(), key=lambda name: (list(SHOWN).index(name) if name in SHOWN else 9, name))


def signs_table(parts: pl.DataFrame) -> Table:
    """Return the table of the signs: a row for each, a column for each trainer."""
    trainers = trainers_of(parts)
    rows = [(one.sentence, *(standing(parts, trainer, name) for trainer in trainers)) for name, one in SIGNS.items()]
    return Table(("sign, announced", *(SHOWN.get(one, one) for one in trainers)), tuple(rows), 9, "The five signs")


def parts_table(parts: pl.DataFrame) -> Table:
    """Return the table of the parts: the number that is above the threshold, with its interval, by trainer."""
    trainers = trainers_of(parts)
    rows = []
    for one in SIGNS.values():
        for part in one.parts:
            own = [parts.filter(trainer=trainer, part=part.name).row(0, named=True) for trainer in trainers]
            rows.append((part.words, f"above {short(part.threshold)}", *(_part(row) for row in own)))
    columns = ("number", "announced", *(SHOWN.get(one, one) for one in trainers))
    return Table(columns, tuple(rows), 1, "Their parts")


def worlds_table(carried: pl.DataFrame) -> Table:
    """Return the table of every world: the number of each part of a sign, a row for each trainer and world."""
    parts = [part for one in SIGNS.values() for part in one.parts]
    values = {part.name: by_world(carried, part.terms) for part in parts}
    rows = []
    for trainer in trainers_of(carried):
        for world in dict.fromkeys(carried.filter(trainer=trainer)["world"]):
            own = [one.filter(trainer=trainer, world=world)["value"] for one in values.values()]
            rows.append((SHOWN.get(trainer, trainer), world, *(short(one[0]) if len(one) else "–" for one in own)))
    return Table(("trainer", "world", *(part.words for part in parts)), tuple(rows), 2, "By world, exact")


def _part(row: Mapping[str, float | int | str | None]) -> str:
    if row["mean"] is None:
        return "not run"
    said = _interval(row["mean"], row["lower"], row["upper"])
    return f"{said}: {row['verdict']!s}"


def _interval(mean: object, lower: object, upper: object) -> str:
    known = [one for one in (mean, lower, upper) if isinstance(one, float)]
    if len(known) < 3:
        return "–"
    ends = "one world" if known[1] == -float("inf") else f"{short(known[1])}, {short(known[2])}"
    return f"{short(known[0])} [{ends}]"


def numbers_table(found: pl.DataFrame, numbers: tuple[str, ...]) -> Table:
    """Return the table of some numbers of all arms: means over worlds, a row for each arm and trainer."""
    rows = []
    for arm, words in NAMES.items():
        for trainer in trainers_of(found):
            own = {row["number"]: row for row in found.filter(arm=arm, trainer=trainer).iter_rows(named=True)}
            if own:
                cells = [own.get(name, {}) for name in numbers]
                said = [_interval(one.get("mean"), one.get("lower"), one.get("upper")) for one in cells]
                rows.append((words, SHOWN.get(trainer, trainer), *said))
    return Table(("arm", "trainer", *(NUMBERS[name] for name in numbers)), tuple(rows), 2, "By arm and trainer")


def differences_table(found: pl.DataFrame) -> Table:
    """Return what other trainers have less ours, paired by world."""
    rows = []
    others = found.filter(pl.col("trainer") != AGAINST, pl.col("less").is_not_null())
    for arm, words in NAMES.items():
        for trainer in trainers_of(others) if others.height else ():
            own = {row["number"]: row for row in others.filter(arm=arm, trainer=trainer).iter_rows(named=True)}
            if own:
                cells = [own.get(name, {}) for name in ("share", "e", "x", "kl")]
                said = [_interval(one.get("less"), one.get("less_lower"), one.get("less_upper")) for one in cells]
                rows.append((words, SHOWN.get(trainer, trainer), *said))
    columns = ("arm", "trainer", *(NUMBERS[name] for name in ("share", "e", "x", "kl")))
    return Table(columns, tuple(rows), 2, f"The same less that of {SHOWN[AGAINST]}, paired by world")


def notes(carried: pl.DataFrame) -> Iterator[str]:
    """Iterate over what a reader has to know about some trainers."""
    for trainer in trainers_of(carried):
        own = carried.filter(trainer=trainer)
        sizes = own["parameters"].to_list()
        runs = own.select("world", "seed").unique().sort("world", "seed")
        names = ", ".join(dict.fromkeys(runs["world"]))
        yield (
            f"{SHOWN.get(trainer, trainer)}: {counted(runs.height, 'pretraining')} ({names}), "
            f"{'' if min(sizes) == max(sizes) else f'{min(sizes):,} to '}{max(sizes):,} parameters, "
            f"{_seconds(own):,.0f} seconds of processor time."
        )
        bad = own.filter(pl.col("before") > LIMIT)["world"].unique().sort().to_list()
        if bad:
            named = ", ".join(map(str, bad))
            yield f"{SHOWN.get(trainer, trainer)}: KL(P‖q₀) is above {LIMIT:g} nats in {named}, left out."
        if (own["tokenizer"] == "other").any():
            yield (
                f"{SHOWN.get(trainer, trainer)} has a tokenizer of its own: its numbers are those of the sequences of "
                "tokens that the tokenizer writes. Of texts they are bounds (docs/exam.md)."
            )


def _seconds(own: pl.DataFrame) -> float:
    return float(own.select("world", "seed", "seconds").unique()["seconds"].sum())
