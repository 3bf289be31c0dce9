"""The table of C6.4: the law of the documents of every generation, and what it has moved."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from experiments.predictions import Tables
from experiments.study import Study
from sim.disk.records import Record
from sim.metrics.optimum import laws_of
from sim.phases import entries
from sim.theory.generations import expected_distances, mixture, noise


def tables(study: Study) -> Tables:
    """Return `generations`: a row for each run and generation; generation 0 is q0. Laws are of documents in supp P.

    distance = ‖q_g − P‖²; law: its expected value for exact fits to n draws, from the q0 of the run; moved =
    ‖q_g − m_g‖², unit = 1 − ‖m_g‖² and data = ‖Ŝ_g − m_g‖², with m_g the law from which the documents Ŝ_g were drawn
    (null for generation 0); rho: the share of the way from m_g to them that the model goes; collision = ‖q_g‖²;
    entropy = H(q_g) [nat];
    rejected = 1 − q_g(supp P). num_samples is null for infinite data.
    """
    runs = study.runs.filter(pl.col("part").str.starts_with("generations"))
    rows = [row for run in runs["run"] for row in _rows(run, study.record(run))]
    if not rows:
        return {"generations": pl.DataFrame()}
    numbers = dict.fromkeys(("moved", "unit", "data", "rho", "num_samples"), pl.Float64)
    found = runs.select("run", "seed", "valid", "part").join(pl.DataFrame(rows, schema_overrides=numbers), on="run")
    return {"generations": found.sort("part", "fresh", "num_samples", "seed", "generation", nulls_last=True)}


def _rows(run: str, record: Record) -> Iterator[dict[str, object]]:
    said = record.config["restriction"]
    fresh, n = float(said["fresh"]), said["num_samples"]
    truth = np.exp(record.p.log_p)
    worlds = [record.restricted, *(record.stages[stage].restricted for stage in entries(record.config))]
    phases = ["pretrain", "sft", *entries(record.config)]
    before = _law(record, "pretrain")[0]
    start = float(((before - truth) ** 2).sum()), float(truth @ (before - truth))
    law = expected_distances(record.p.collision(), n or np.inf, fresh, len(worlds), *start)
    for generation, phase in enumerate(phases):
        after, rejected = _law(record, phase)
        row = {"run": run, "generation": generation, "fresh": fresh, "num_samples": n, "law": float(law[generation])}
        row |= {"distance": float(((after - truth) ** 2).sum()), "collision": float((after**2).sum())}
        row |= {"entropy": float(-(after[after > 0] @ np.log(after[after > 0]))), "rejected": rejected}
        if generation:
            row["moved"], row["unit"] = noise(before, after, truth, fresh)
            drawn = mixture(before, truth, fresh)
            away = np.exp(worlds[generation - 1].s.log_p) - drawn
            row["data"] = float(away @ away)
            row["rho"] = float((after - drawn) @ away / (away @ away)) if n else None
        yield row
        before = after


def _law(record: Record, phase: str) -> tuple[np.ndarray, float]:
    """Return the law of the documents of supp P at the end of a phase, float64[N], and the mass off supp P."""
    q = np.exp(laws_of(record, phase).log_q0)
    inside = float(q.sum())
    return q / inside, 1.0 - inside
