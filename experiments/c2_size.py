"""C2.11: do larger models move the gate more, or erase more? Slopes of gate, E and X on the number of parameters."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from experiments.c2_support import arms
from experiments.c2_support.tables import tagged
from experiments.predictions import Tables
from experiments.statistics import interval
from experiments.study import Study
from sim.show.blocks import Block, Heading, Paragraph, Table
from sim.show.writing import counted

TOGETHER = True
"""All runs of the folder are reported together."""

TERMS = {"gate": "gate [nat]", "e": "E [nat]", "log_x": "log X"}
"""What may depend on the size, and its unit."""

SWEPT = {"width": ("depth", 2), "depth": ("width", 64)}
"""What is swept, and what is held fixed meanwhile. A run may be in both sweeps."""


def analyse(folder: Path) -> Tables:
    """Return `sizes` (the end of every run, with its number of parameters) and `findings` (slopes of worlds and terms).

    Runs count if they are valid and fit. slope: least squares on the logarithm of the number of parameters, over the
    sizes that differ in width alone, or in depth alone; e: E, log_x: logarithm of the excursion.
    """
    study = Study.of(folder, arms.NEEDS)
    runs = tagged(study.runs)
    ends = arms.tables(study, runs)["arms"]
    if not ends.height:
        return {"sizes": ends, "findings": ends}
    shape = study.runs.select("run", width="model.width", depth="model.depth")
    number = [sum(leaf.size for leaf in study.record(run).params["sft"].values()) for run in ends["run"]]
    sizes = ends.join(shape, on="run", maintain_order="left")
    sizes = sizes.with_columns(parameters=pl.Series(number, dtype=pl.Float64), log_x=pl.col("x").log())
    valid = study.runs.filter("valid")["run"]
    return {"sizes": sizes, "findings": pl.DataFrame(list(slopes(sizes.filter(pl.col("run").is_in(valid.implode())))))}


def slopes(sizes: pl.DataFrame) -> Iterator[dict[str, object]]:
    """Iterate over the slope of every term of every arm and world, where there are three sizes or more."""
    for swept, (fixed, value) in SWEPT.items():
        fit = sizes.filter("fits", pl.col(fixed) == value)
        for (arm, seed), own in fit.sort("arm", "seed").group_by("arm", "seed", maintain_order=True):
            for term in TERMS:
                known = own.filter(pl.col(term).is_finite())
                if known["parameters"].n_unique() >= 3:
                    x, y = known["parameters"].log().to_numpy(), known[term].to_numpy()
                    found = float(np.polyfit(x, y, 1)[0])
                    yield {"arm": arm, "swept": swept, "seed": seed, "term": term, "slope": found}


def report(tables: Mapping[str, pl.DataFrame]) -> list[Block]:
    """Report the mean slope of every term with its interval over worlds."""
    lines = []
    found = tables["findings"]
    keys = ("arm", "swept", "term")
    for (arm, swept, term), own in found.group_by(*keys, maintain_order=True) if found.height else ():
        mean = interval(own["slope"].to_numpy())
        text = f"{mean.estimate:.3g} [{mean.lower:.3g}, {mean.upper:.3g}]".replace("-", "−")
        lines.append((str(arm), str(swept), TERMS[str(term)], text, str(own.height)))
    sizes = tables["sizes"]
    fit = sizes.filter("fits").height if sizes.height else 0
    return [
        Heading("Gate, erasure and excursion against the size of the model"),
        Table(("arm", "size", "term", "slope per e-fold of parameters", "worlds"), tuple(lines), 3, "Slopes"),
        Paragraph(f"{fit} of {counted(sizes.height, 'run')} fit, and only these count.", bullet=True),
    ]
