"""The report of runs on languages that are not listed."""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from sim.quantity import Quantity
from sim.show.blocks import Block, Heading, Paragraph, Table
from sim.show.writing import text
from sim.unlisted.numbers import HAZARD

MODELS = {"q0": ("sft", False), "after SFT": ("sft", True), "control": ("identity", True)}
"""The models of the tables, by name: their phase, and whether it is the end of it or its beginning."""


def blocks(tables: Mapping[str, pl.DataFrame]) -> list[Block]:
    """Return the report: for each way its languages, its models, and where the models leave the language."""
    found: list[Block] = [Heading("Languages that are not listed: what the model kept, and what it lost")]
    for name in tables["runs"]["way"].unique(maintain_order=True).to_list():
        own = {key: table.filter(way=name) for key, table in tables.items()}
        found += [*_facts(own["runs"]), *_models(own), *_depths(own)]
    return [*found, *_rules()]


def _facts(runs: pl.DataFrame) -> Iterator[Block]:
    one = runs.row(0, named=True)
    targets = f", {one['targets']} targets" if one["targets"] else ""
    yield Heading(f"{one['grammar']}; S: {one['restriction']}; {one['objective']}{targets}")
    entropy = _entropy(one, "p", "P"), _entropy(one, "s", "S")
    if runs["world"].n_unique() > 1:
        worlds = runs["world"].n_unique()
        yield Paragraph(f"The runs are of {worlds} worlds. What follows about P and S is that of seed {one['world']}.")
    yield Paragraph(
        f"{runs.height} run{'s' * (runs.height > 1)}; {one['parameters']:,} parameters; {one['pretrain_steps']:,} + "
        f"{one['finetune_steps']:,} steps of {one['batch']} strings of up to {one['length']} tokens. "
        f"{' '.join(entropy)} −log P(A) = {0.0 - one['log_mass']:.4g} nats (exact"
        f"{'' if one['of_strings'] else ', of derivations or paths, of which a string may have several'})."
    )
    for row in runs.filter(~pl.col("valid")).iter_rows(named=True):
        yield Paragraph(
            f"NOT VALID: run {row['run']} reached KL(P‖q0) = {row['reached']:.3g} nats a token, above its limit of "
            f"{row['limit']:g}. Its numbers are correct for this q0, but no verdict may rest on them.",
            bullet=True,
        )


def _entropy(one: Mapping[str, Any], name: str, symbol: str) -> str:
    """Say H of whole strings where it is exact, and that of the first L tokens where it is not, or strings are cut."""
    exact, cut = one[f"entropy_{name}"], one[f"cut_{name}"]
    whole = "" if exact is None else f"H({symbol}) = {exact:.4g} nats a string (exact). "
    if exact is not None and not cut:
        return whole.strip()
    middle, low, high = (one[f"path_entropy_{name}{end}"] for end in ("", "_lower", "_upper"))
    return (
        f"{whole}{cut:.0%} of the strings of {symbol} are cut; the first {one['length']} tokens have H ≈ {middle:.4g} "
        f"[{low:.4g}, {high:.4g}] nats."
    )


def _models(own: Mapping[str, pl.DataFrame]) -> Iterator[Block]:
    """A table of every number but the hazards, with a column for each model."""
    lines: list[tuple[str, ...]] = []
    present = _present(own["numbers"])
    listed = own["numbers"].filter(pl.col("name") != HAZARD)
    for name, of, unit in listed.select("name", "of", "unit").unique(maintain_order=True).iter_rows():
        lines.append((name, of, unit, *(_cell(own, *MODELS[model], {"name": name, "of": of}) for model in present)))
    yield Table(("number", "of", "unit", *present), tuple(lines), num_left=3)


def _depths(own: Mapping[str, pl.DataFrame]) -> Iterator[Block]:
    """A table of the hazards of leaving the language by depth."""
    present = _present(own["numbers"])
    places = own["numbers"].filter(pl.col("name") == HAZARD)["of"].unique(maintain_order=True).to_list()
    lines = [(of, *(_cell(own, *MODELS[model], {"name": HAZARD, "of": of}) for model in present)) for of in places]
    title = "Probability of a token that P cannot write, along strings of P, by depth [1/token]"
    yield Table(("depth", *present), tuple(lines), title=title)


def _present(found: pl.DataFrame) -> list[str]:
    there = found["phase"].unique().to_list()
    return [name for name, (phase, _) in MODELS.items() if phase in there]


def _cell(own: Mapping[str, pl.DataFrame], phase: str, end: bool, what: Mapping[str, Any]) -> str:
    """A number of a model: over runs if there are several, else of the one run. Empty if there is none."""
    where = {"phase": phase, "end": end, **what}
    several = own["seeds"].filter(**where)
    found = several if several.height else own["numbers"].filter(**where)
    found = found if end else found.filter(step=0)
    if found.is_empty():
        return ""
    row = found.row(0, named=True)
    if row["lower"] is None:
        return "not in every run"
    kind = "over seeds" if several.height else "estimated"
    middle = "" if row["estimate"] is None else f"{row['estimate']:.4g} "
    return middle + text(Quantity(row["lower"], row["upper"], kind, row["estimate"])).removeprefix("≈ ")  # type: ignore[arg-type]


def _rules() -> Iterator[Block]:
    yield Heading("How the numbers are known")
    yield Paragraph(
        "Every number of a model is estimated, with a 95 % interval: over runs if there are several of one way, else "
        "over independent strings. Numbers of P, S and A are exact and of whole strings, unless said otherwise. The "
        "divergence is a sum of exact divergences of next-token laws along strings of P or S (Rao–Blackwell); beside "
        "it stands the mean of log P − log q, a second route. Intervals of means are Student's t, which holds "
        "approximately: a rare string that was not drawn can move a mean without limit, and t does not know it. "
        "Whether q₀ is valid is decided by the estimate."
    )
    yield Paragraph(
        "q(A) and q(B) are estimated from strings that the model wrote. A model that never wrote a string of B has a "
        "gate without an upper end, and an erasure of which only an upper end is known: what it would say if it did "
        "cannot be told from a sample of this size."
    )
    yield Paragraph(
        "Not known: how many strings the model can write, its ε-support, total variation, and the same numbers for "
        "each string that S leaves out. These need a list."
    )
