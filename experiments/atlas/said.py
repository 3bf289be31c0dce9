"""The report of the atlas: what there is, the ranking at equal fit, the ends, the optima, and the two other planes."""

from collections.abc import Iterator, Mapping

import polars as pl

from experiments.atlas.ranking import ERROR, FEWEST, SHARE
from experiments.atlas.tables import FITTED, LEVELS
from experiments.board import short
from sim.show.blocks import Block, Heading, Paragraph, Table

RANKED = 0.03
"""The fit KL(S‖q) [nat per answer] at which the text names the first and the last."""


def blocks(tables: Mapping[str, pl.DataFrame]) -> list[Block]:
    """Return the report of all languages of a folder."""
    found: list[Block] = [Heading("Which method keeps diversity, at equal fit?")]
    languages = tables["runs"]["language"].unique(maintain_order=True).to_list()
    for language in languages:
        own = {
            name: table.filter(language=language) if "language" in table.columns else table
            for name, table in tables.items()
        }
        if language:
            found.append(Heading(f"Language: {language.replace('_', ' ')}"))
        found += [*_facts(own), *_ranking(own), *_ends(own), *_mixtures(own), *_planes(own)]
    return [*found, *_rules()]


def _facts(tables: Mapping[str, pl.DataFrame]) -> Iterator[Block]:
    """Say how many runs, methods and worlds there are, and after how many steps the runs end."""
    runs, last = tables["runs"], tables["ends"].filter(phase="sft")
    valid = runs.filter("valid")
    said = (
        f"Runs: {runs.height}, of {runs['method'].n_unique()} methods; worlds: {runs['seed'].n_unique()}; not valid, "
        f"and left out: {runs.height - valid.height}."
    )
    steps = last.group_by("step").len().sort("len", descending=True)
    if steps.height == 1:
        said += f" The end of every fine-tuning is after {steps['step'][0]:,} steps, so ends are at equal steps."
    elif steps.height:
        other = last.filter(pl.col("step") != steps["step"][0])["method"].unique().sort().to_list()
        said += f" The end is after {steps['step'][0]:,} steps, but not that of {', '.join(other)}."
    yield Paragraph(said)


def _ranking(tables: Mapping[str, pl.DataFrame]) -> Iterator[Block]:
    """Yield a table for each fit, with what it says in words."""
    cells, places = tables["cells"], tables["places"]
    for level in LEVELS:
        at = places.filter(level=level)
        beside = at.join(cells.filter(level=level), on=["method", "strength"], suffix="_cell", maintain_order="left")
        lines = [
            ("–" if row["place"] is None else str(row["place"]), row["method"], row["strength"], _reached(row),
             *(_shown(row, name) for name in ("above", "ratio", "step", "forgetting", "gate")))
            for row in beside.iter_rows(named=True)
        ]  # fmt: skip
        columns = ("place", "method", "strength", "worlds", "above the frontier [nat]", "times the nearest",
                   "step", "KL(P‖q) [nat]", "gate [nat]")  # fmt: skip
        yield Table(columns, tuple(lines), 3, f"At the first KL(S‖q) = {level:g} nats")
    yield from _in_words(tables)


def _in_words(tables: Mapping[str, pl.DataFrame]) -> Iterator[Block]:
    """Say who is nearest, who is tied with it, and who never gets there."""
    at, orders = tables["places"].filter(level=RANKED), tables["orders"].filter(level=RANKED)
    placed = at.filter(pl.col("place").is_not_null())
    if placed.height:
        first = placed.filter(place=1)["method"].unique(maintain_order=True).to_list()
        pairs = placed["method"].n_unique() * (placed["method"].n_unique() - 1) // 2
        tied = f"Tied with it: {', '.join(first[1:])}." if len(first) > 1 else "No other method is tied with it."
        yield Paragraph(
            f"At KL(S‖q) = {RANKED:g} nats the nearest is {_way(placed.row(0, named=True))}. {tied} "
            f"{orders.height} of {pairs} pairs of methods are surely ordered.",
            bullet=True,
        )
    elif at.height:
        yield Paragraph(
            f"There are too few worlds for a place: at least {FEWEST} are needed. Lines are in the order of the mean "
            "log-distances.",
            bullet=True,
        )
    ends = tables["cells"].filter(pl.col("level").is_null())
    reached = set(tables["crossings"].filter(level=RANKED)["method"])
    lacking = ends.filter(~pl.col("method").is_in(list(reached)))
    if lacking.height:
        each = lacking.unique(("method", "strength"), maintain_order=True).iter_rows(named=True)
        said = "; ".join(f"{_way(row)}: {_number(row['fit_best'])}" for row in each)
        yield Paragraph(
            f"No strength of these methods gets to KL(S‖q) = {RANKED:g} on its path. After each its KL(S‖q*) [nat]: "
            f"{said}.",
            bullet=True,
        )


def _ends(tables: Mapping[str, pl.DataFrame]) -> Iterator[Block]:
    """Yield the table of ends, and that of optima."""
    ends = tables["cells"].filter(pl.col("level").is_null())
    names = ("fit", "fit_best", "forgetting", "above", "e", "x")
    lines = [
        (row["method"], row["strength"], f"{row['fitted']} of {row['worlds']}", *(_shown(row, name) for name in names))
        for row in ends.iter_rows(named=True)
    ]
    columns = ("method", "strength", "fitted", "KL(S‖q) [nat]", "KL(S‖q*) [nat]", "KL(P‖q) [nat]",
               "above the frontier [nat]", "E [nat]", "X [nat]")  # fmt: skip
    yield Table(columns, tuple(lines), 3, "In the end")
    units = dict(tables["runs"].select("method", "unit").iter_rows())
    of_best = ("fit_best", "forgetting_best", "above_best", "objective_gap", "learning_gap")
    optima = [
        (row["method"], row["strength"], units.get(row["method"]) or "–", *(_shown(row, name) for name in of_best))
        for row in ends.iter_rows(named=True)
    ]
    of_optima = ("method", "strength", "unit", "KL(S‖q*) [nat]", "KL(P‖q*) [nat]", "q* above the frontier [nat]",
               "H(q*) − H(P) [nat]", "H(q) − H(q*) [nat]")  # fmt: skip
    yield Table(of_optima, tuple(optima), 3, "The optimum q*, and how far learning is from it")


def _mixtures(tables: Mapping[str, pl.DataFrame]) -> Iterator[Block]:
    """Yield averaged weights beside mixtures of the laws of the same models, if any method averages weights."""
    if (found := tables["mixtures"]).is_empty():
        return
    lines = [
        (row["method"], row["strength"], row["mixed"], *(_shown(row, name) for name in ("fit", "forgetting", "above")))
        for row in found.iter_rows(named=True)
    ]
    apart: float = found.select(pl.col("apart").max()).item()
    columns = ("method", "strength", "mixed", "KL(S‖·) [nat]", "KL(P‖·) [nat]", "above the frontier [nat]")
    yield Table(columns, tuple(lines), 3, "In the end: averaged weights, and mixtures of the laws of the same models")
    yield Paragraph(
        "Arithmetic: one model is drawn for every answer. Geometric: products of the laws with these weights, "
        "normalised at every token, or for whole answers. Mixtures are exact, but for products of whole answers: each "
        f"of their numbers is the middle of bounds that are at most {_number(apart)} nats apart.",
        bullet=True,
    )


def _planes(tables: Mapping[str, pl.DataFrame]) -> Iterator[Block]:
    """Yield the ends in the planes of validity and of coverage."""
    names = ("off", "surprisal", "h_on", "below_entropy", "coverage_2", "coverage_10", "below_coverage_10")
    lines = [
        (row["method"], row["strength"], *(_shown(row, name) for name in names))
        for row in tables["cells"].filter(pl.col("level").is_null()).iter_rows(named=True)
    ]
    columns = ("method", "strength", "q(⊥)", "E[−log P] [nat]", "H on supp P [nat]", "below the frontier [nat]",
               "coverage at 2", "coverage at 10", "below the frontier")  # fmt: skip
    yield Table(columns, tuple(lines), 2, "In the end: validity and entropy; leak and coverage")
    marks = (
        tables["laws"]
        .group_by("law", maintain_order=True)
        .agg(pl.col("surprisal", "h_on", "coverage_2", "coverage_10").mean())
    )
    lines = [(row["law"], *(_number(row[name]) for name in ("surprisal", "h_on", "coverage_2", "coverage_10")))
             for row in marks.iter_rows(named=True)]  # fmt: skip
    yield Table(("law", "E[−log P] [nat]", "H [nat]", "coverage at 2", "coverage at 10"), tuple(lines), 1,
                "P and S in the same planes, means over worlds")  # fmt: skip


def _rules() -> Iterator[Block]:
    """Say how the tables are to be read."""
    for said in (
        "Numbers of one run are exact, but for X and for H(q) of a model that leaks: these are the middle of bounds. "
        "Means over worlds have 95 % intervals over worlds, one at a time.",
        "A place is one more than the number of other methods that are surely nearer to the frontier. Surely: the "
        "ratio of the distances in the same worlds is not 1, by a test of all pairs at once. In at most "
        f"{100 * ERROR:g} % of all atlases is any pair of equal methods ordered at a fit. Ties share a place. A line "
        f"without a place reaches the fit in less than {100 * SHARE:g} % of the worlds.",
        "Early stopping of SFT is on the path of sft: every fit there is a stop. Edits of weights have no path, so "
        "they stand in the tables of ends alone.",
        f"E and X are means over the worlds in which the end fits: KL(S‖q) is at most KL(S‖q*) + {FITTED:g}. The "
        "other worlds are counted in the column 'fitted'. A method without a predicted optimum has no X, and fits "
        "nowhere.",
        "The unit of a loss is the whole answer or the next token. Optima of different units are no points of one "
        "curve.",
        "Coverage at N is the probability that N samples hold an answer drawn from P.",
    ):
        yield Paragraph(said, bullet=True)


def _way(row: Mapping[str, str]) -> str:
    return f"{row['method']} ({row['strength']})" if row["strength"] else row["method"]


def _reached(row: Mapping[str, int]) -> str:
    return f"{row['worlds']} of {row['tried']}"


def _number(value: float | None) -> str:
    return "–" if value is None else short(value)


def _shown(row: Mapping[str, float | None], name: str) -> str:
    """Write a mean with its interval."""
    value, lower, upper = row[name], row[f"{name}_lower"], row[f"{name}_upper"]
    if value is None or lower is None or upper is None:
        return _number(value)
    return f"{short(value)} [{short(lower)}, {short(upper)}]"
