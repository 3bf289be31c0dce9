"""How much two machines differ: the numbers of one run of the demo, computed several times with other rounding.

`python -m experiments publish outputs/demo --beside DIR ...` measures it: every DIR holds the same runs, computed by
another machine, or with other instructions of the processor. The spread is a standard deviation over these places,
pooled over seeds. The spread between seeds is given beside it. `python -m experiments compare outputs/demo` uses both.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from experiments.predictions import Tables
from sim.disk.folders import finished
from sim.disk.records import DESCRIPTION, read
from sim.metrics.frames import metrics_table
from sim.metrics.scored import View
from sim.numerics import SpecificationError
from sim.show.blocks import Block, Heading, Paragraph, Table
from sim.show.published import Published
from sim.show.writing import restored, text

KEYS = ("phase", "metric", "of", "prompt_law")
"""What tells the numbers of a run apart, of answers given the prompt, at the end of each phase."""

PHASES = ("pretrain", "sft", "identity")

VIEW: tuple[View] = ("response",)

SHOWN = (
    ("entropy", "q", "P(x)"), ("kl", "P||q", "P(x)"), ("gate", "A", "P(x)"), ("erasure", "A", "P(x)"),
    ("kl", "S||q", "S(x)"),
)  # fmt: skip
"""The numbers that are compared: metric, of what, and under which law of prompts. The README shows the first two."""

LEVEL = 0.05
"""How often a number may be called different by chance, over all numbers of a run together."""

EQUAL = 2.0**-13
"""Relative difference below which numbers are the same: published ones have as many digits."""


NOTHING = pl.DataFrame(
    schema=dict.fromkeys(KEYS, pl.String)
    | dict.fromkeys(("value", "machine", "machine_most", "seed"), pl.Float64)
    | dict.fromkeys(("machine_freedom", "seed_freedom"), pl.Int64)
)
"""The table of a spread that was not measured."""


def numbers_of(folder: Path) -> dict[str, pl.DataFrame]:
    """Return the numbers that are compared of all finished runs of a folder, by hash."""
    names = {name for name, _, _ in SHOWN}
    return {source.name: metrics_table(read(source), names, VIEW, PHASES) for source in finished(folder)}


def ends(metrics: pl.DataFrame) -> pl.DataFrame:
    """Return the numbers at the end of every phase that are compared: run, seed, `KEYS`, lower, upper, exactness."""
    names = [pl.col(name) for name in ("metric", "of", "prompt_law")]
    wanted = (pl.all_horizontal(col == one for col, one in zip(names, number, strict=True)) for number in SHOWN)
    last = metrics.filter(
        pl.col("view") == "response",
        pl.col("phase").is_in(PHASES),
        pl.col("at") == "",
        pl.col("step") == pl.col("step").max().over("phase"),
        pl.any_horizontal(*wanted),
    )
    return last.select("run", "seed", *KEYS, "lower", "upper", "exactness")


def spread(places: Sequence[Mapping[str, pl.DataFrame]]) -> pl.DataFrame:
    """Return by how much numbers differ between places and between seeds: a row for each number.

    places: for each place, the numbers of its runs by hash; only runs that all places have are used. Columns: `KEYS`,
    value (the mean over all), machine (standard deviation over places, pooled over runs), machine_freedom, machine_most
    (the largest difference within one run), seed (standard deviation of the means of runs), seed_freedom. A number that
    is known by two bounds counts with the middle between them.
    """
    shared = sorted(set(places[0]).intersection(*places[1:])) if places else []
    if len(places) < 2 or not shared:
        raise SpecificationError(
            f"--beside: folders that hold the same runs are required, found {len(shared)} runs in all of "
            f"{len(places)} folders; make the same runs for each"
        )
    middle = (pl.col("lower") + pl.col("upper")) / 2
    numbers = pl.concat(ends(place[run]) for place in places for run in shared).with_columns(middle=middle)
    by_run = numbers.group_by(*KEYS, "run", maintain_order=True).agg(
        mean=pl.col("middle").mean(),
        variance=pl.col("middle").var(),
        most=pl.col("middle").max() - pl.col("middle").min(),
        places=pl.len(),
    )
    return by_run.group_by(*KEYS, maintain_order=True).agg(
        value=pl.col("mean").mean(),
        machine=pl.col("variance").mean().sqrt(),
        machine_freedom=(pl.col("places") - 1).sum(),
        machine_most=pl.col("most").max(),
        seed=pl.col("mean").std(),
        seed_freedom=pl.len() - 1,
    )


def measured_how(folders: Sequence[Path], number: int) -> str:
    """Say in words how the spread was measured: the processor and the flags of each place, from its records."""
    said = []
    for folder in folders:
        facts = json.loads((finished(folder)[0] / DESCRIPTION).read_bytes())["facts"]["provenance"]
        flags = [one for one in facts["flags"].get("XLA_FLAGS", "").split() if "collective_call" not in one]
        own = f"{facts['processor']}, jax {facts['versions']['jax']}"
        said.append(f"{own}, {' '.join(flags) or 'no flags'}")
    return (
        f"{number} runs, each computed {len(folders)} times ({'; '.join(said)}). A difference counts if it is above "
        f"t √2 s, with the spread s between these, at {LEVEL:.0%} for all numbers together."
    )


def tolerance(row: Mapping[str, Any], same: bool, number: int) -> float:
    """Return the largest difference of a number that chance explains; `number`: how many numbers are looked at.

    It is t √2 s: for the same run on two machines s is the spread between machines; for another seed, s² is the sum of
    the variances between machines and between seeds. nan without a measured spread.
    """
    from scipy.special import stdtrit

    variance, freedom = (row["machine"] or 0.0) ** 2, row["machine_freedom"] or 0
    if not same:
        variance, freedom = variance + (row["seed"] or 0.0) ** 2, min(freedom, row["seed_freedom"] or 0)
    return float(stdtrit(freedom, 1 - LEVEL / (2 * number)) * math.sqrt(2 * variance)) if freedom else math.nan


def compared(published: Tables, own: Tables) -> pl.DataFrame:
    """Return own numbers beside the published ones, with the difference, the tolerance and a result in words."""
    there, here = ends(published["metrics"]), ends(own["metrics"])
    same = set(there["run"]) == set(here["run"])
    rows = there.join(here, on=KEYS, how="inner", suffix="_here", maintain_order="left")
    rows = rows.join(published.get("machines", NOTHING), on=KEYS, how="left", maintain_order="left")
    found = []
    for row in rows.iter_rows(named=True):
        middle, other = (row[f"lower{end}"] / 2 + row[f"upper{end}"] / 2 for end in ("", "_here"))
        limit = tolerance(row, same, rows.height)
        found.append(
            {
                **{name: row[name] for name in KEYS},
                "published": text(restored(row["lower"], row["upper"], row["exactness"])),
                "here": text(restored(row["lower_here"], row["upper_here"], row["exactness_here"])),
                "difference": other - middle,
                "tolerance": limit,
                "result": result(other - middle, limit, max(abs(middle), abs(other)), same),
            }
        )
    return pl.DataFrame(found)


def result(difference: float, limit: float, size: float, same: bool) -> str:
    """Say in words whether a difference is one of machines, of seeds, or neither."""
    if abs(difference) <= EQUAL * size:
        return "the same"
    if math.isnan(limit):
        return "no tolerance was measured"
    if abs(difference) <= limit:
        return "same up to rounding of machines" if same else "another seed: no sign of a difference"
    return "differs: by more than two machines do" if same else "differs: by more than machines and seeds do"


def blocks(found: pl.DataFrame, published: Published, own: Tables) -> Iterator[Block]:
    """Iterate over the blocks of the page: the numbers side by side, and where the tolerance comes from."""
    run, about = own["run"].row(0, named=True), published.about
    yield Heading(
        f"{published.name}: your run {run['run']}, seed {run['seed']}, beside the published run {about['run']}"
    )
    differ = found.filter(pl.col("result").str.starts_with("differs")).height
    kind = "It is the same run" if run["run"] == about["run"] else "It is another run (another seed, or other settings)"
    yield Paragraph(f"{kind}. {found.height} numbers were compared, and {differ or 'none'} differ.")
    rows = tuple(
        (row["phase"], f"{row['metric']} {row['of']}, x ~ {row['prompt_law']}", row["published"], row["here"],
         _short(row["difference"]), _short(row["tolerance"]), row["result"])
        for row in found.iter_rows(named=True)
    )  # fmt: skip
    yield Table(("phase", "number", "published", "here", "difference", "tolerance", "result"), rows, num_left=2)
    yield Paragraph(f"Tolerance: {about['tolerance']}")


def _short(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2g}".replace("-", "−")
